"""Where the units of a footprint are small."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

from emu.elf.board import load_elf_board
from emu.elf.grain import fine_blocks
from emu.elf.measured import FINE_SIZE
from emu.elf.rig import ElfRig
from flash.device import FlashDevice
from flash.journal import Operation
from flash.part import bundled_part
from flash.partition import Partition
from tests.emu.elf.boards import board

BLOCK = 0x1000


def slot(address: int, size: int) -> Partition:
    return Partition("a", FlashDevice(bundled_part("nRF52840")), address, size)


def test_everything_is_fine_where_there_is_room() -> None:
    assert fine_blocks([9, 3], [], [slot(0x1000, 0x2000)], BLOCK, 16) == [1, 2, 3, 9]


def test_of_a_large_slot_the_ends_are_fine() -> None:
    assert fine_blocks([], [], [slot(0x10000, 0x20000)], BLOCK, 16) == [0x10, 0x2F]


def test_a_record_behind_a_large_update_is_fine_and_so_are_the_ends_of_the_update() -> None:
    found = fine_blocks([*range(0x30, 0x60), 0x7E, 0x7F], [], [slot(0x10000, 0x20000)], BLOCK, 8)
    assert found == [0x10, 0x2F, 0x30, 0x31, 0x32, 0x33, 0x34, 0x5F, 0x7E, 0x7F]


def test_what_is_written_into_slots_counts_as_theirs() -> None:
    assert fine_blocks([0x10, 0x11, 0x12], [], [slot(0x10000, 0x20000)], BLOCK, 4) == [0x10, 0x2F]


def test_a_record_that_is_looked_at_and_not_written_comes_before_the_rest_of_what_is() -> None:
    written, one = [*range(0x30, 0x38)], [slot(0x10000, 0x20000)]
    assert fine_blocks(written, [5, 0x30], one, BLOCK, 4) == [5, 0x10, 0x2F, 0x30, 0x31, 0x37]
    assert fine_blocks(written, [5, 0x11], one, BLOCK, 3) == [5, 0x10, 0x2F, 0x30, 0x37]


def test_an_image_that_is_looked_at_and_not_written_is_no_record() -> None:
    assert fine_blocks([], range(0x40, 0x44), [slot(0x1000, 0x1000)], BLOCK, 16) == [1, 0x40, 0x41, 0x42, 0x43]
    assert fine_blocks([], range(0x40, 0x45), [slot(0x1000, 0x1000)], BLOCK, 16) == [1]


def test_the_record_that_an_uncut_update_does_not_write_is_fine(tmp_path: Path) -> None:
    """The bootloader has two configs and writes the older one: each of them has small units."""
    rig = ElfRig(load_elf_board(board(tmp_path, "nrf52840", "ab-right", "new")))
    grid, written = rig.grids["flash"], {at // BLOCK for at, _ in rig.records}
    run = rig.run(rig.initial(1))
    read = {
        at // BLOCK for at, size in (grid.extent(unit) for _, unit in run.trace.consulted_units) if size == FINE_SIZE
    }
    assert written
    assert read - written, "nothing is small but what is written"


def test_a_slot_too_large_to_be_fine_has_small_units_at_both_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emu.elf.measured.MAX_FINE", 0x1000)
    rig = ElfRig(load_elf_board(board(tmp_path, "nrf52840", "ab-right", "new")))
    grid = rig.grids["flash"]
    for one in rig.board.document.slot:
        for at in (one.address, one.address + one.size - 1):
            assert grid.extent(next(iter(grid.units_in(at, 1))))[1] == FINE_SIZE


def test_what_is_only_erased_takes_no_room_from_what_is_programmed(tmp_path: Path) -> None:
    """A sector of 128 KiB of which a record and an image program some blocks: the others have no states in between."""
    rig = ElfRig(load_elf_board(board(tmp_path, "stm32f4", "swap-right", "new")))
    cells, grid = rig.machine.flash.cells, rig.grids["flash"]
    erased, programmed, state = set[int](), set[int](), rig.initial(1)
    for _ in range(2):
        run = rig.run(state)
        for entry in run.entries:
            if isinstance(entry, Operation):
                (erased if entry.kind == "erase" else programmed).update(cells.blocks_in(entry.address, entry.length))
        state = run.end
    (slot,) = rig.places.slots
    own = set(cells.blocks_in(slot.address, slot.size))
    starts = {at: next(iter(grid.units_in(at * cells.block_size, 1))) for at in (erased | programmed) - own}
    fine = {at for at, unit in starts.items() if grid.extent(unit)[1] == FINE_SIZE}
    assert len(erased - programmed - own) > 16
    assert fine == programmed - own
