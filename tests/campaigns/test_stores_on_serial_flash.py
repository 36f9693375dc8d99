"""Acceptance of the serial front: filesystems that talk to a W25Q128JV through its commands, cut at every write.

littlefs must come through every cut with each file old or new, mount, and take the next write. A store that takes a
sector for blank by its first bytes survives every clean cut, and not the torn erases.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from flash.contract import NorFlash
from flash.device import FlashDevice
from flash.journal import Operation
from flash.part import bundled_part
from flash.snapshot import Snapshot
from flash.spi import SerialFlash
from flash.spi.driver import SpiNorFlash
from flash.tears import TEAR_SETS
from tests.campaigns.stores import CutState, LittleFs, NaiveStore, powered, states_of

PART = bundled_part("W25Q128JV")
OLD, NEW = b"the settings of old" * 3, b"settings, now the new ones" * 4
LOG = bytes(range(1, 251)) * 36


def serial(device: FlashDevice) -> NorFlash:
    """The chip behind its pins, and a driver that knows nothing else."""
    chip = SerialFlash(device)
    chip.power_cycle()
    return SpiNorFlash(chip)


def session(memory: Snapshot, act: Callable[[LittleFs], None]) -> tuple[Snapshot, list[Operation]]:
    """One power session with a littlefs; what it leaves, and the operations the chip executed."""
    store, journal = powered(PART, memory, serial)
    act(LittleFs(store))
    device = journal_device(store.flash)
    return device.snapshot(), journal.operations()


def journal_device(flash: NorFlash) -> FlashDevice:
    assert isinstance(flash, SpiNorFlash)
    return flash.chip.device


def prepare(fs: LittleFs) -> None:
    fs.format()
    fs.mount()
    fs.write("settings", OLD)
    fs.write("log", LOG[:3000])


def workload(fs: LittleFs) -> None:
    """A small file replaced by rename, a large one rewritten: the two ways in which files are updated."""
    fs.mount()
    fs.write("settings.new", NEW)
    fs.rename("settings.new", "settings")
    fs.write("log", LOG)


def held(fs: LittleFs) -> tuple[bytes | None, bytes | None]:
    fs.mount()
    return fs.read("settings"), fs.read("log")


def check(state: CutState) -> tuple[int, int]:
    """Which generation (0 old, 1 new) each file has; fails for anything else. The next write must work as well."""
    seen: list[tuple[bytes | None, bytes | None]] = []
    left, _ = session(state.memory, lambda fs: seen.append(held(fs)))
    ((settings, log),) = seen
    where = f"entry {state.entry}, {state.tear.name if state.tear else 'clean cut'}"
    assert settings in (OLD, NEW), f"{where}: settings is neither old nor new"
    assert log in (LOG[:3000], LOG), f"{where}: log is neither old nor new"
    session(left, workload)
    return int(settings == NEW), int(log == LOG)


@pytest.fixture(scope="module")
def recorded() -> tuple[Snapshot, list[Operation]]:
    blank = FlashDevice(PART).snapshot()
    start, _ = session(blank, prepare)
    _, operations = session(start, workload)
    return start, operations


def test_littlefs_on_the_serial_front_survives_every_cut(recorded: tuple[Snapshot, list[Operation]]) -> None:
    start, operations = recorded
    kinds = {operation.kind for operation in operations}
    assert kinds == {"program", "erase"}, "the workload must erase and program"
    generations = [check(state) for state in states_of(PART, start, operations, TEAR_SETS["T1-coarse"])]
    assert generations[0] == (0, 0)
    assert generations[-1] == (1, 1)
    assert (1, 0) in generations, "files are updated one after the other"
    assert (0, 1) not in generations, "the log was never newer than the settings written before it"


@pytest.mark.slow
@pytest.mark.parametrize("tears", ["T1", "T2"])
def test_littlefs_survives_every_byte_of_every_tear(recorded: tuple[Snapshot, list[Operation]], tears: str) -> None:
    start, operations = recorded
    for state in states_of(PART, start, operations, TEAR_SETS[tears]):
        check(state)


def naive(memory: Snapshot, act: Callable[[NaiveStore], None]) -> tuple[Snapshot, list[Operation]]:
    store, journal = powered(PART, memory, serial)
    act(NaiveStore(store))
    return journal_device(store.flash).snapshot(), journal.operations()


def survives(state: CutState, old: bytes, new: bytes) -> bool:
    """Whether the store holds old or new after the cut, and takes and keeps one more write."""
    after = b"once more, 16 by."
    seen: list[bytes] = []
    naive(state.memory, lambda store: seen.append(store.read()))
    left, _ = naive(state.memory, lambda store: store.write(after[:16]))
    naive(left, lambda store: seen.append(store.read()))
    return seen[0] in (old, new) and seen[1] == after[:16]


def test_a_store_that_trusts_the_first_bytes_of_a_sector_falls_to_a_torn_erase() -> None:
    memory = FlashDevice(PART).snapshot()
    contents = [f"generation {number:4d} ".encode()[:16].ljust(16, b".") for number in range(4)]
    for content in contents[:3]:
        memory, _ = naive(memory, lambda store, content=content: store.write(content))  # type: ignore[misc]
    _, operations = naive(memory, lambda store: store.write(contents[3]))
    assert [operation.kind for operation in operations] == ["erase", "program"]

    def fallen(tears: str) -> set[tuple[str, str]]:
        return {
            (state.tear.row.of, state.tear.row.name) if state.tear else ("clean", "cut")
            for state in states_of(PART, memory, operations, TEAR_SETS[tears])
            if not survives(state, contents[2], contents[3])
        }

    assert fallen("none") == set(), "without tears it looks sound"
    assert ("erase", "pulse") in fallen("T2"), "a sector stopped in its erase pulses can begin with FF and not be blank"
