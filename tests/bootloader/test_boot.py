"""One boot after the other, on a whole device: what runs, what is recorded, what the timer is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import get_args

import pytest

from bootloader.boot import boot
from bootloader.commit import commit, revert
from bootloader.config import RECORD_SIZE, pack_config
from bootloader.config_store import ConfigStore
from bootloader.crc import crc_function
from bootloader.decision import ResetCause
from bootloader.layout import Layout
from bootloader.verify import VerifyPolicy
from flash.errors import PowerLost
from flash.journal import Interruption
from flash.snapshot import Snapshot
from flash.tears import TEAR_SETS, tears_of
from tests.bootloader.workbench import (
    NEW_APP,
    OLD_APP,
    PARTS,
    Board,
    CountingFlash,
    DeafFlash,
    FakeTimer,
    committed,
    first_boot,
    outcome,
    put,
    put_app,
    restart,
    spoil,
    unnumbered,
)

CAUSES: tuple[ResetCause, ...] = get_args(ResetCause)
FS = b"files of the new image" * 40
every_part = pytest.mark.parametrize("part", PARTS)


# -- everyday life ---------------------------------------------------------------------------------------


@every_part
def test_a_factory_device_boots_normally_and_writes_nothing(part: str) -> None:
    board = Board.of(part)
    for cause in CAUSES:
        report = board.boot(cause)
        assert outcome(report) == ("normal", 0)
        assert (report.cause, report.configs.newest, report.not_written) == (cause, 0, "")
        assert (board.device.journal.entries, board.timer.calls) == ([], [])


@every_part
def test_a_normal_boot_reads_the_active_image_once_and_the_other_slot_not_at_all(part: str) -> None:
    board = Board.of(part)
    put_app(board.layout.slots[1], NEW_APP, 2)
    counted = [replace(slot, flash=CountingFlash(slot.flash)) for slot in board.layout.slots]
    layout = Layout(board.layout.configs, (counted[0], counted[1]))
    report = boot(board.store, layout, board.timer, VerifyPolicy(), "power")
    assert outcome(report) == ("normal", 0)
    assert [slot.flash.read_bytes for slot in counted] == [256 + len(OLD_APP), 0]  # type: ignore[attr-defined]


@every_part
@pytest.mark.parametrize("cause", CAUSES)
def test_a_new_image_gets_one_trial_and_is_rolled_back_whatever_ended_it(part: str, cause: ResetCause) -> None:
    board = Board.of(part)
    board.stage()
    first = board.boot("software")
    assert outcome(first) == ("trial", 1)
    assert first.decision.trial
    assert board.timer.calls == ["arm 30"]
    entered = replace(first_boot(1, board.old, board.new), first_boot=False)
    assert board.timer.seen == [unnumbered(entered)], "the timer was armed before the record was whole"
    second = board.boot(cause)
    assert outcome(second) == ("roll-back", 0)
    assert (second.decision.trial, board.timer.calls) == (False, [])
    assert outcome(board.boot()) == ("normal", 0)
    assert board.device.journal.entries == []


@every_part
def test_a_trial_that_commits_stays(part: str) -> None:
    board = Board.of(part)
    board.stage()
    board.boot()
    assert commit(board.store, board.timer, 1)
    for cause in CAUSES:
        assert outcome(board.boot(cause)) == ("normal", 1)
        assert (board.device.journal.entries, board.timer.calls) == ([], [])


@every_part
def test_a_trial_that_reverts_itself_is_gone(part: str) -> None:
    board = Board.of(part)
    board.stage()
    board.boot()
    assert revert(board.store, 1)
    assert outcome(board.boot("software")) == ("normal", 0)


def test_without_a_timeout_no_timer_is_armed() -> None:
    board = Board.of("W25Q128JV")
    board.stage(commit_timeout_s=0)
    assert outcome(board.boot()) == ("trial", 1)
    assert board.timer.calls == []
    assert outcome(board.boot()) == ("roll-back", 0)


@pytest.mark.parametrize(("refuse", "expected"), [(False, ("trial", 1)), (True, ("refuse-new", 0))])
def test_a_downgrade_is_tried_or_refused_as_asked(refuse: bool, expected: tuple[str, int]) -> None:
    board = Board.of("STM32L476")
    board.stage(version=0x0000_0001)
    assert outcome(board.boot(refuse_downgrade=refuse)) == expected


# -- damage ----------------------------------------------------------------------------------------------


@every_part
def test_a_corrupt_new_image_is_refused(part: str) -> None:
    board = Board.of(part)
    board.stage()
    spoil(board.layout.slots[1].flash, 256)
    assert outcome(board.boot()) == ("refuse-new", 0)
    assert board.timer.calls == []
    assert outcome(board.boot()) == ("normal", 0)


@every_part
def test_a_corrupt_active_image_falls_back_to_a_good_one_and_stays_there(part: str) -> None:
    board = Board.of(part)
    new = put_app(board.layout.slots[1], NEW_APP, 2)
    spoil(board.layout.slots[0].flash, 256)
    report = board.boot()
    assert outcome(report) == ("fallback", 1)
    assert unnumbered(board.config()) == unnumbered(committed(1, board.old, new))
    assert outcome(board.boot()) == ("normal", 1)


@every_part
def test_the_image_of_a_committed_update_falls_back_to_the_one_before(part: str) -> None:
    board = Board.of(part)
    board.stage()
    board.boot()
    commit(board.store, board.timer, 1)
    spoil(board.layout.slots[1].flash, 256)
    assert outcome(board.boot()) == ("fallback", 0)
    assert outcome(board.boot()) == ("normal", 0)


@every_part
@pytest.mark.parametrize("good", [0, 1])
def test_with_both_configs_destroyed_a_good_image_is_found_and_recorded(part: str, good: int) -> None:
    board = Board.of(part)
    board.stage()
    for copy in board.layout.configs:
        spoil(copy, 0)
        put(copy, 0, b"\x5a" * RECORD_SIZE)
    spoil(board.layout.slots[1 - good].flash, 0)
    report = board.boot()
    assert (outcome(report), report.configs.why) == (("no-config", good), "none")
    image = (board.old, board.new)[good]
    assert board.config() == committed(good).with_slot(good, image)
    assert outcome(board.boot()) == ("normal", good)


@every_part
@pytest.mark.parametrize("state", ["committed", "first boot", "entered", "no config"])
def test_without_any_good_image_the_device_halts_and_changes_nothing(part: str, state: str) -> None:
    board = Board.of(part)
    if state in ("first boot", "entered"):
        board.stage(first_boot=state == "first boot")
    if state == "no config":
        spoil(board.layout.configs[0], 0)
    for slot in board.layout.slots:
        spoil(slot.flash, 256)
    before = board.device.snapshot()
    report = board.boot()
    assert outcome(report) == ("nothing-to-boot", None)
    assert (board.device.journal.entries, board.timer.calls) == ([], [])
    assert board.device.snapshot().same(before)


@every_part
def test_the_filesystem_counts_at_the_first_boot_and_never_after(part: str) -> None:
    for stored, expected in ((FS, ("trial", 1)), (FS[:-1] + b"!", ("refuse-new", 0))):
        board = Board.of(part)
        slot = board.layout.slots[1]
        put(slot.flash, slot.fs_offset, stored)
        board.stage()
        fs = {"fs_offset": slot.fs_offset, "fs_length": len(FS), "fs_crc": crc_function("crc-32")(FS)}
        board.store.write(board.config().with_slot(1, replace(board.new, **fs)))
        report = board.boot()
        assert outcome(report) == expected
        if expected[0] == "trial":
            commit(board.store, board.timer, 1)
            spoil(slot.flash, slot.fs_offset)
            assert outcome(board.boot()) == ("normal", 1)


# -- a record that cannot be written ---------------------------------------------------------------------


@every_part
def test_a_worn_sector_starts_no_trial_and_the_device_keeps_running(part: str) -> None:
    board = Board.of(part)
    board.stage()
    board.store = ConfigStore((DeafFlash(board.layout.configs[0]), board.layout.configs[1]))
    for _ in range(2):
        report = board.boot()
        assert outcome(report) == ("cannot-mark", 0)
        assert "config copy 0 does not read back" in report.not_written
        assert (report.decision.trial, board.timer.calls) == (False, [])
        assert board.config().first_boot


@every_part
def test_an_exhausted_sequencer_starts_no_trial_and_writes_nothing(part: str) -> None:
    board = Board.of(part)
    board.stage()
    mask = board.device.geometry.erased ^ 0xFF
    last = pack_config(replace(board.config(), sequencer=0))
    board.device.load(board.layout.configs[1].address, bytes(byte ^ mask for byte in last))
    assert outcome(board.boot()) == ("cannot-mark", 0)
    assert (board.device.journal.entries, board.timer.calls) == ([], [])
    spoil(board.layout.slots[1].flash, 256)
    report = board.boot()
    assert outcome(report) == ("refuse-new", 0)
    assert "used up" in report.not_written
    assert board.device.journal.entries == []


@every_part
@pytest.mark.parametrize("state", ["fallback", "no-config", "roll-back"])
def test_recovery_boots_the_good_image_even_when_it_cannot_be_recorded(part: str, state: str) -> None:
    board = Board.of(part)
    board.stage(first_boot=False)
    if state == "fallback":
        board.store.write(replace(board.config(), committed=True))
        spoil(board.layout.slots[1].flash, 256)
    if state == "no-config":
        for copy in board.layout.configs:
            spoil(copy, 0)
    first, second = board.layout.configs
    board.store = ConfigStore((DeafFlash(first), DeafFlash(second)))
    report = board.boot()
    assert outcome(report) == (state, 0)
    assert "does not read back" in report.not_written
    assert report.decision.record is None


# -- torn records: the table in SPEC.md ------------------------------------------------------------------


def cut_boot(board: Board, start: Snapshot, cut: Interruption) -> None:
    """From ``start``, one boot that loses power; then power is back."""
    board.device.restore(start)
    restart(board.device, cut)
    timer = FakeTimer()
    with pytest.raises(PowerLost):
        boot(board.store, board.layout, timer, VerifyPolicy(), "power")
    assert timer.calls == [], "the timer was armed before the record was whole"


def cuts_of_boot(board: Board) -> Iterator[Interruption]:
    """Every cut of the record that the next boot writes; the device is left where each of them leaves it."""
    start = board.device.snapshot()
    board.boot()
    operations = board.device.journal.operations()
    assert operations, "this boot writes no record"
    for entry, operation in enumerate(operations):
        cut_boot(board, start, Interruption(entry))
        tears = list(tears_of(board.device.part, board.device.cells, operation, TEAR_SETS["T1-coarse"]))
        for cut in (Interruption(entry), *(Interruption(entry, tear=tear) for tear in tears)):
            cut_boot(board, start, cut)
            restart(board.device)
            yield cut


@every_part
@pytest.mark.parametrize(
    ("state", "refused", "whole"),
    [
        ("first boot", ("trial", 1), ("roll-back", 0)),
        ("entered", ("roll-back", 0), ("normal", 0)),
        ("new image bad", ("refuse-new", 0), ("normal", 0)),
        ("no way back", ("last-resort", 1), ("normal", 1)),
        ("active image bad", ("fallback", 1), ("normal", 1)),
        ("no config", ("no-config", 0), ("normal", 0)),
    ],
)
def test_a_boot_cut_while_it_writes_its_record_is_made_again_or_was_complete(
    part: str, state: str, refused: tuple[str, int], whole: tuple[str, int]
) -> None:
    board = Board.of(part)
    board.stage(first_boot=state in ("first boot", "new image bad"))
    if state == "active image bad":
        board.store.write(committed(0, board.old, board.new))
    if state in ("active image bad", "no way back"):
        spoil(board.layout.slots[0].flash, 256)
    if state == "new image bad":
        spoil(board.layout.slots[1].flash, 256)
    if state == "no config":
        for copy in board.layout.configs:
            spoil(copy, 0)
    before = board.store.read().config
    outcomes = set()
    for cut in cuts_of_boot(board):
        is_refused = board.store.read().config == before
        assert is_refused or cut.tear is not None, "a record that was never begun is whole"
        outcomes.add(is_refused)
        assert outcome(board.boot()) == (refused if is_refused else whole)
    assert True in outcomes
