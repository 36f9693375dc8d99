"""A device that boots by MOS1 records: what an update leaves in the log, the swap, the trial, the loader's limits."""

from __future__ import annotations

import zlib
from dataclasses import replace

import pytest

from bootloader.published.mos1 import RECORD_SIZE, Mos1Config, parse_mos1
from emu.designs.mos1_boards import HISTORY, NEW, OLD, RS14100, STM32, default_config, in_the_field, scenario
from emu.designs.payload import filesystem
from emu.events import HANDOVER, NOTE, REFUSED
from emu.rig import DeviceState
from tests.emu.designs.lives import Bench, design, end_of, events, flipped

ORG = 0x0801_0000


def records(bench: Bench, state: DeviceState) -> list[Mos1Config]:
    """Every record of the log, by its sequencer."""
    found = [
        parse_mos1(bench.read(state, device, offset, RECORD_SIZE))
        for device in ("bcfg0", "bcfg1")
        for offset in range(0, 0x1000, RECORD_SIZE)
    ]
    return sorted((config for config in found if config is not None), key=lambda config: config.seq)


def stands(bench: Bench, state: DeviceState, window: str, content: bytes) -> bool:
    return bench.read(state, window, 0, len(content)) == content


def test_an_update_of_the_stm32_leaves_these_records() -> None:
    bench = Bench(design("mos1-stm32"))
    chain = bench.life()
    assert (str(chain.outcome), chain.breaches) == ("new image runs, committed", [])
    first, staged, entered, kept, swapped, committed = records(bench, end_of(chain))[HISTORY - 1 :]
    new = {"app_len": len(NEW), "app_org": ORG, "app_crc32": zlib.crc32(NEW)}
    old = {"app_len": len(OLD), "app_org": ORG, "app_crc32": zlib.crc32(OLD)}
    assert first == in_the_field(STM32)
    slots = first.slots
    assert staged == replace(
        first.with_slot(1, replace(slots[1], **new)), seq=HISTORY + 1, active_slot=1, revert_slot=0, flags=0x0E
    )
    assert entered == replace(staged, seq=HISTORY + 2, flags=0x0A)
    moved = entered.with_slot(2, replace(slots[2], fs_dev="fs0", **old)).with_slot(0, replace(slots[0], fs_dev=""))
    assert kept == replace(moved, seq=HISTORY + 3, revert_slot=2)
    in_place = kept.with_slot(0, replace(slots[0], fs_dev="fs1", **new)).with_slot(
        1, replace(staged.slots[1], fs_dev="")
    )
    assert swapped == replace(in_place, seq=HISTORY + 4, active_slot=0)
    assert committed == replace(swapped, seq=HISTORY + 5, revert_slot=-1, flags=0x01)


def test_after_it_every_image_and_filesystem_is_where_the_records_say() -> None:
    bench = Bench(design("mos1-stm32"))
    end = end_of(bench.life())
    for window, content in (("app0", NEW), ("app1", NEW), ("appT", OLD), ("appF", OLD)):
        assert stands(bench, end, window, content)
    for window, image in (("fs0", "old"), ("fs1", "new"), ("fsF", "old")):
        assert stands(bench, end, window, filesystem(image))


def test_an_update_of_the_rs14100_copies_nothing() -> None:
    bench = Bench(design("mos1-rs14100"))
    end = end_of(bench.life())
    _, staged, entered, committed = records(bench, end)[HISTORY - 1 :]
    assert (staged.active_slot, staged.revert_slot, staged.slots[1].app_org) == (1, 0, RS14100.update_org)
    assert (entered.flags, committed.flags) == (0x0A, 0x01)
    assert stands(bench, end, "app0", OLD)
    assert stands(bench, end, "app1", NEW)


def test_the_first_update_of_a_new_device_moves_the_whole_slot() -> None:
    bench = Bench(scenario("new", STM32, shipped=default_config(STM32, OLD)))
    chain = bench.life()
    assert (str(chain.outcome), chain.breaches) == ("new image runs, committed", [])
    kept = records(bench, end_of(chain))[3]
    assert (kept.slots[2].app_len, kept.slots[2].app_crc32) == (0xF0000, zlib.crc32(OLD.ljust(0xF0000, b"\xff")))


@pytest.mark.parametrize(
    ("app", "ended_by"),
    [
        ("never-commits", "software"),
        ("commits-late", "software"),
        ("hangs", "watchdog"),
        ("crashes", "fault"),
        ("resets", "software"),
    ],
)
@pytest.mark.parametrize("name", ["mos1-stm32", "mos1-rs14100"])
def test_an_image_that_does_not_commit_is_left(name: str, app: str, ended_by: str) -> None:
    bench = Bench(design(name, app))
    chain = bench.life()
    assert (str(chain.outcome), chain.breaches) == ("old image runs, committed", [])
    assert [facts[1] for facts in events(chain, HANDOVER)] == ["old", "new", "old"]
    notes = [str(facts[0]) for facts in events(chain, NOTE)]
    gave_up = "Update commit timeout expired" in notes
    assert gave_up == (app in ("never-commits", "commits-late"))
    assert ("Reboot without commit" in notes) == (not gave_up)
    trial = next(j for j in chain.sessions if any("new" in getattr(e, "facts", ()) for e in j.run.entries))
    assert trial.run.outcome.cause == ended_by
    last = records(bench, end_of(chain))[-1]
    assert (last.committed, last.revert_slot) == (True, -1)
    assert stands(bench, end_of(chain), last.active.fs_dev, filesystem("old"))


def test_the_application_that_knows_one_log_refuses_once_the_log_has_moved() -> None:
    bench = Bench(scenario("one-log", STM32, knows_second_log=False, shipped=replace(in_the_field(STM32), seq=16)))
    first = bench.life()
    assert str(first.outcome) == "new image runs, NOT committed"
    assert {breach.check for breach in first.breaches} == {"reverts"}
    again = bench.life(replace(end_of(first), cause="power", ram=(), attempts_left=1))
    assert events(again, REFUSED) == [("OTA is not supported: unknown config dev",)]


def test_there_is_no_fallback_when_the_committed_image_is_damaged() -> None:
    """Three other whole images are there; none of them is tried."""
    bench = Bench(design("mos1-stm32"))
    chain = bench.life(bench.changed(end_of(bench.life()), "app0", 100, flipped))
    assert [breach.check for breach in chain.breaches] == ["boots"]
    assert set(events(chain, NOTE)) == {("FAIL: App CRC mismatch!",)}


def test_an_image_damaged_before_its_trial_is_left() -> None:
    """The loader fails, the watchdog resets it, and then the trial is over."""
    bench = Bench(design("mos1-stm32"))
    staged = bench.life().sessions[2].state.device
    chain = bench.life(bench.changed(staged, "app1", 100, flipped))
    assert (str(chain.outcome), chain.breaches) == ("old image runs, committed", [])
    notes = [facts[0] for facts in events(chain, NOTE)]
    assert notes.index("FAIL: App CRC mismatch!") < notes.index("Reboot without commit")


def test_a_bit_error_in_the_first_record_of_the_log_is_the_end() -> None:
    bench = Bench(design("mos1-stm32"))
    chain = bench.life(bench.changed(bench.rig.initial(0), "bcfg0", 100, flipped))
    assert [breach.check for breach in chain.breaches] == ["boots"]
    assert set(events(chain, NOTE)) == {("FAIL: no boot config",)}
