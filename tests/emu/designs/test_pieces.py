"""What the designs are made of: writing with erases just ahead, a trial whose timer is software, a filesystem."""

from __future__ import annotations

import pytest

from bootloader.errors import ConfigNotWritten
from emu.board import TimerEntry
from emu.designs.payload import FS_SIZE, filesystem, mount
from emu.designs.stream import LazyWriter, pieces
from emu.designs.trial import SELF_TEST_US, Trial
from emu.events import COMMIT_BEGUN, COMMIT_RETURNED, HANDOVER
from emu.reset import Reset
from emu.scenario import Scenario, Window
from flash.bulk import put
from flash.device import FlashDevice
from flash.journal import Operation
from flash.part import bundled_part
from tests.emu.designs.lives import Bench, end_of, events

SECTOR, BLOCK = 0x1000, 0x8000


@pytest.mark.parametrize(
    ("length", "erased"),
    [
        (1, [SECTOR]),
        (SECTOR, [SECTOR]),
        (BLOCK + SECTOR, [BLOCK, SECTOR]),
        (BLOCK, [SECTOR] * 8),
        (BLOCK + 1, [BLOCK, SECTOR]),
    ],
)
def test_each_erase_is_the_largest_that_is_smaller_than_what_remains(length: int, erased: list[int]) -> None:
    chip = FlashDevice(bundled_part("W25Q64JV"), strict=True)
    writer = LazyWriter(chip, length)
    content = bytes(n % 251 for n in range(length))
    for piece in pieces(content, 512):
        writer.write(piece)
    entries = [entry for entry in chip.journal.entries if isinstance(entry, Operation)]
    assert [entry.length for entry in entries if entry.kind == "erase"] == erased
    assert chip.read(0, length) == content
    begun = [entry.address for entry in entries if entry.kind == "erase"]
    for address in begun:
        before = entries[: [(e.kind, e.address) for e in entries].index(("erase", address))]
        assert max((e.address for e in before if e.kind == "program"), default=-1) < address


def test_a_filesystem_is_that_of_its_image_and_no_other() -> None:
    chip = FlashDevice(bundled_part("W25Q64JV"))
    assert mount(chip, "new") == "there is none"
    put(chip, 0, filesystem("new"))
    assert len(filesystem("new")) == FS_SIZE
    assert mount(chip, "new") == ""
    assert mount(chip, "old") == "it is that of the new image"
    chip.program(FS_SIZE - 1, b"\0")
    assert mount(chip, "new") == "there is none"


# -- a trial ---------------------------------------------------------------------------------------------------

OLD, NEW, ON_TRIAL, GIVEN_UP = b"old image", b"new image", b"\x0f", b"\x00"


def firmware(reset: Reset) -> str | None:
    """The new image is on trial until a flag says that it was given up; the commit never works."""
    flag = reset.flash["flag"]
    state = flag.read(0, 1)
    on_trial = state == ON_TRIAL
    reset.handover("new" if on_trial else "old", trial=on_trial)
    if on_trial:

        def commit() -> None:
            raise ConfigNotWritten("no record reads back")

        Trial(reset, commit, lambda: put(flag, 0, GIVEN_UP)).run("healthy")
    if state == b"\xff" and reset.attempt() is not None:
        put(flag, 0, ON_TRIAL)
        reset.restart()
    return None


@pytest.mark.parametrize("timeout_s", [0, 60])
def test_a_commit_that_fails_leaves_the_image_on_trial(timeout_s: int) -> None:
    scenario = Scenario(
        firmware, "W25Q64JV",
        windows={name: Window(n * SECTOR, SECTOR) for n, name in enumerate(("old", "new", "flag"))},
        factory={"old": OLD, "new": NEW}, images={"old": OLD, "new": NEW}, commits=True, keeps=False,
        timers=TimerEntry(commit_timeout_s=timeout_s),
    )  # fmt: skip
    bench = Bench(scenario)
    chain = bench.life()
    assert len(events(chain, COMMIT_BEGUN)) == 1
    assert events(chain, COMMIT_RETURNED) == []
    assert bench.read(end_of(chain), "flag", 0, 1) == (GIVEN_UP if timeout_s else ON_TRIAL)
    if timeout_s:
        assert [facts[1] for facts in events(chain, HANDOVER)] == ["old", "new", "old"]
        assert chain.sessions[1].run.end_us >= timeout_s * 1_000_000 > SELF_TEST_US
