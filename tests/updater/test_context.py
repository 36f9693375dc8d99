"""The life of an update: when one may begin, how long it may stall, what it leaves, and in which order it writes."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import replace

import pytest

from bootloader.config import RECORD_SIZE, SlotConfig
from bootloader.config_store import ConfigStore
from bootloader.image import ImageHeader, pack_header
from flash.journal import Operation
from tests.bootloader.workbench import DeafFlash
from tests.updater.workbench import (
    BUNDLE,
    FIRMWARE,
    LOAD_ADDRESS,
    NEW_APP,
    NEW_FS,
    NEWEST_SEQUENCER,
    PARTS,
    Bench,
    K,
    app_entry,
    archive,
    feed,
    make_bench,
    manifest_entry,
    update,
)
from updater import (
    OtaState,
    UpdateState,
    updater_context_create,
    updater_context_free,
    updater_expire,
    updater_finish,
    updater_process,
)

SECOND = 1_000_000


def inside(operation: Operation, place: tuple[int, int]) -> bool:
    return place[0] <= operation.address and operation.address + operation.length <= sum(place)


# -- when an update may begin ----------------------------------------------------------------------------


def refused_to_begin(bench: Bench) -> str:
    before = bench.target.context
    assert updater_context_create(bench.target) is None
    assert bench.target.context is before
    assert bench.device.journal.entries == []
    return bench.target.log[-1]


def test_only_one_update_at_a_time() -> None:
    bench = make_bench()
    context = bench.begin()
    assert refused_to_begin(bench) == "Update already in progress"
    feed(context, BUNDLE[:300])
    assert refused_to_begin(bench) == "Update already in progress"


def test_no_update_while_the_running_image_is_not_committed() -> None:
    assert refused_to_begin(make_bench(committed=False)) == "Previous update has not been committed yet"


def test_no_update_without_a_boot_config() -> None:
    bench = make_bench()
    for address, _ in bench.plan.configs:
        bench.device.load(address, bytes(RECORD_SIZE))
    assert refused_to_begin(bench) == "OTA is not supported"


@pytest.mark.parametrize(("sequencer", "fits"), [(0, False), (1, False), (2, False), (3, True)])
def test_no_update_when_the_sequencer_cannot_see_it_through(sequencer: int, fits: bool) -> None:
    bench = make_bench(sequencer=sequencer)
    if fits:
        assert update(bench).result == 1
        report = bench.boot()
        assert (report.decision.rule, report.not_written) == ("trial", "")
    else:
        assert refused_to_begin(bench).startswith("OTA is not supported: ")


def test_no_second_update_until_the_first_has_been_tried_and_committed() -> None:
    bench = make_bench()
    assert update(bench).result == 1
    operations = len(bench.operations)
    assert updater_context_create(bench.target) is None
    assert bench.target.log[-1] == "Previous update has not been committed yet"
    assert len(bench.operations) == operations


@pytest.mark.parametrize("ending", ["refused", "freed", "expired", "same version", "power"])
def test_another_update_begins_after_one_that_came_to_nothing(ending: str) -> None:
    bench = make_bench()
    bench.target.version, bench.target.build_id = "2.1.7", FIRMWARE.build_id
    context = bench.begin(ignore_same_version=ending == "same version")
    match ending:
        case "refused":
            assert feed(context, BUNDLE[:2000] + b"?" + BUNDLE[2001:]) < 0
        case "freed":
            feed(context, BUNDLE[:2000])
            updater_context_free(context)
        case "expired":
            feed(context, BUNDLE[:2000])
            bench.clock.advance(600 * SECOND)
        case "same version":
            assert feed(context, BUNDLE) == 1
        case "power":
            feed(context, BUNDLE[:2000])
            bench.target.context = None
    assert update(bench).result == 1
    assert bench.misuses == []
    assert bench.boot().decision.rule == "trial"


def test_freeing_an_update_that_is_over_leaves_its_successor_alone() -> None:
    bench = make_bench()
    first = bench.begin()
    updater_context_free(first)
    second = bench.begin()
    updater_context_free(first)
    assert bench.target.context is second
    updater_context_free(second)
    assert bench.target.context is None


# -- how long it may stall -------------------------------------------------------------------------------


@pytest.mark.parametrize(("timeout_s", "seconds"), [(0, 600), (-1, 600), (1, 1), (7, 7), (3600, 3600)])
def test_a_stalled_update_expires_and_is_freed(timeout_s: int, seconds: int) -> None:
    bench = make_bench()
    context = bench.begin(timeout_s)
    bench.clock.advance(seconds * SECOND - 1)
    assert not updater_expire(bench.target)
    assert bench.target.context is context
    bench.clock.advance(1)
    assert updater_expire(bench.target)
    assert bench.target.context is None
    assert (context.result, context.status_msg) == (-1, "Update timed out")
    assert context.detail
    assert (context.update_state, context.ota_state) == (UpdateState.FINISHED, OtaState.ERROR)
    assert not updater_expire(bench.target)
    assert bench.device.journal.entries == []


def test_every_chunk_starts_the_timeout_anew() -> None:
    bench = make_bench()
    context = bench.begin(10)
    for at in range(0, len(BUNDLE), 400):
        bench.clock.advance(9 * SECOND)
        assert not updater_expire(bench.target)
        assert updater_process(context, BUNDLE[at : at + 400]) == 0
    bench.clock.advance(9 * SECOND)
    assert updater_finish(context) == 1


def test_time_the_device_itself_takes_is_no_stall() -> None:
    bench = make_bench("STM32L072", leftovers=False)
    context = bench.begin(1)
    assert updater_process(context, BUNDLE[:3000]) == 0
    assert bench.clock.now_us > 1 * SECOND
    assert updater_process(context, BUNDLE[3000:]) == 0, context.status_msg
    assert updater_finish(context) == 1


def test_an_empty_chunk_is_no_progress() -> None:
    bench = make_bench()
    context = bench.begin(10)
    bench.clock.advance(6 * SECOND)
    assert updater_process(context, b"") == 0
    bench.clock.advance(4 * SECOND)
    assert updater_expire(bench.target)


@pytest.mark.parametrize("fed", [0, 300, 2000, len(BUNDLE)])
def test_a_chunk_that_comes_too_late_is_refused_and_changes_nothing(fed: int) -> None:
    bench = make_bench()
    before = bench.untouchable
    context = bench.begin()
    feed(context, BUNDLE[:fed])
    operations = len(bench.operations)
    bench.clock.advance(600 * SECOND)
    assert updater_process(context, BUNDLE[fed:] or b"more") == -1
    assert context.status_msg == "Update timed out"
    assert updater_finish(context) == -1
    assert len(bench.operations) == operations
    assert bench.untouchable == before
    assert bench.boot().decision.rule == "normal"


# -- what it leaves --------------------------------------------------------------------------------------


@pytest.mark.parametrize("timeout_s", [0, 300])
@pytest.mark.parametrize("newest", [0, 1])
@pytest.mark.parametrize("running", [0, 1])
def test_a_finished_update_is_header_application_filesystem_and_record(
    running: int, newest: int, timeout_s: int
) -> None:
    bench = make_bench(running=running, newest=newest)
    before, config, destination = bench.untouchable, bench.store.read().config, 1 - running
    context = bench.begin(commit_timeout_s=timeout_s)
    assert feed(context, BUNDLE) == 0
    assert (context.update_state, context.ota_state) == (UpdateState.WRITE_FINISHED, OtaState.PROGRESS)
    assert bench.untouchable == before
    assert updater_finish(context) == 1
    assert (context.result, context.status_msg, context.need_reboot) == (1, "Update applied, finalizing", True)
    assert (context.update_state, context.ota_state) == (UpdateState.FINISHED, OtaState.SUCCESS)

    crc, fs_crc = zlib.crc32(NEW_APP), zlib.crc32(NEW_FS)
    header = ImageHeader(len(NEW_APP), LOAD_ADDRESS, 0x0201_0007, crc, hashlib.sha256(NEW_APP).digest())
    app_sector = (pack_header(header) + NEW_APP).ljust(4 * K, b"\xff")
    held = bench.slot_bytes(destination)
    assert held[: 4 * K] == app_sector
    assert held[4 * K : 24 * K] == make_bench(running=running).slot_bytes(destination)[4 * K : 24 * K]
    assert held[24 * K : 28 * K] == NEW_FS.ljust(4 * K, b"\xff")

    named = SlotConfig(len(NEW_APP), LOAD_ADDRESS, crc, 0x0201_0007, 24 * K, len(NEW_FS), fs_crc)
    assert config is not None
    trial = replace(
        config, sequencer=NEWEST_SEQUENCER - 1, active_slot=destination, revert_slot=running, committed=False,
        first_boot=True, merge_fs=True, commit_timeout_s=timeout_s,
    )  # fmt: skip
    assert bench.store.read().config == trial.with_slot(destination, named)
    assert bench.store.read().newest == 1 - newest
    assert (bench.untouchable[0], bench.config_bytes(newest)) == (before[0], before[1 + newest])
    decision = bench.boot().decision
    assert (decision.rule, decision.slot, decision.timeout_s) == ("trial", destination, timeout_s)


@pytest.mark.parametrize("newest", [0, 1])
@pytest.mark.parametrize("part", PARTS)
def test_operations_come_in_order_content_header_config_and_touch_nothing_else(part: str, newest: int) -> None:
    bench = make_bench(part, newest=newest, leftovers=False)
    context = bench.begin()
    feed(context, BUNDLE)
    content = bench.operations
    assert updater_finish(context) == 1
    finish = bench.operations[len(content) :]
    slot, copy = bench.plan.slots[1], bench.plan.configs[1 - newest]
    assert all(inside(o, slot) for o in content)
    assert all(o.address >= slot[0] + 256 for o in content if o.kind == "program")
    headers = [o for o in finish if inside(o, (slot[0], 256))]
    assert sum(o.length for o in headers) == 256
    assert {o.kind for o in headers} == {"program"}
    assert finish[: len(headers)] == headers
    config = finish[len(headers) :]
    programs = len(list(bench.device.geometry.programs(copy[0], 128)))
    assert [o.kind for o in config] == ["erase", *["program"] * programs]
    assert all(inside(o, copy) for o in config)
    first_program = {o.address: n for n, o in reversed(list(enumerate(content))) if o.kind == "program"}
    for number, erase in enumerate(content):
        if erase.kind == "erase":
            assert all(n > number for at, n in first_program.items() if 0 <= at - erase.address < erase.length)


def test_after_the_end_everything_is_swallowed_and_nothing_ends_twice() -> None:
    bench = make_bench()
    context = update(bench)
    after, clock = len(bench.device.journal.entries), bench.clock.now_us
    assert updater_process(context, BUNDLE) == 1
    assert updater_process(context, b"") == 1
    assert updater_finish(context) == -1
    assert (context.result, context.status_msg, context.need_reboot) == (1, "Update applied, finalizing", True)
    assert context.ota_state is OtaState.SUCCESS
    assert (len(bench.device.journal.entries), bench.clock.now_us) == (after, clock)
    bench.clock.advance(3600 * SECOND)
    assert not updater_expire(bench.target)


def test_a_record_that_cannot_be_written_leaves_the_old_image_in_charge() -> None:
    bench = make_bench()
    first, second = bench.layout.configs
    bench.target.store = ConfigStore((DeafFlash(first), second))
    context = bench.begin()
    assert feed(context, BUNDLE) == 0
    assert updater_finish(context) == -3
    assert (context.status_msg, context.need_reboot) == ("Failed to set boot config", False)
    assert context.detail
    assert context.ota_state is OtaState.ERROR
    decision = bench.boot().decision
    assert (decision.rule, decision.slot) == ("normal", 0)


def test_progress_names_the_file_and_its_bytes() -> None:
    context = make_bench().begin()
    assert (context.update_state, context.ota_state) == (UpdateState.INITED, OtaState.PROGRESS)
    assert (context.progress, context.result, context.status_msg, context.detail) == (("", 0, 0), 0, "", "")
    feed(context, archive(manifest_entry(), app_entry())[: len(manifest_entry()) + 42 + 700])
    assert context.progress == ("app.bin", 700, len(NEW_APP))
    assert context.bytes_already_downloaded == len(manifest_entry()) + 42 + 700
