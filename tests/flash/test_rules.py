"""What silicon makes of a command: the page latch, and budgets that count for a unit or for a row."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flash.cells import Cells
from flash.device import FlashDevice
from flash.errors import OutOfBounds
from flash.journal import Misuse, Operation
from flash.part import Part, bundled_part
from flash.rules import acceptable_units, latched, settle_erase, settle_program
from tests.flash.small_parts import PARALLEL, ROWS, SERIAL, TWICE, WORDS, mirrored

BY_NAME = {"ids": lambda part: part.name}
ROW_PARTS = pytest.mark.parametrize("part", [ROWS, bundled_part("SAMD21")], **BY_NAME)


def spent(device: FlashDevice) -> list[Misuse]:
    return [entry for entry in device.journal.entries if isinstance(entry, Misuse) and entry.rule == "spent-unit"]


# -- budgets ---------------------------------------------------------------------------------------------


@ROW_PARTS
@given(pages=st.lists(st.integers(0, 3), min_size=9, max_size=14))
@settings(max_examples=40, deadline=None)
def test_a_row_takes_eight_page_writes_whichever_pages_they_go_to(part: Part, pages: list[int]) -> None:
    device, page = FlashDevice(part), part.program.page_size
    row = part.program.budget_size
    assert row == 4 * page == part.geometry.sector_at(0).size
    masks = [0xFF] * 4
    for number, which in enumerate(pages):
        value = masks[which] & ~(1 << number % 8)
        device.program(row + which * page, bytes([value]) * page)
        if number < 8:
            masks[which] = value
    assert len(spent(device)) == len(pages) - 8
    assert f"the {row}-byte row at " in spent(device)[0].message
    assert "was programmed 8 times since its erase" in spent(device)[0].message
    assert device.cells.read(row, row) == b"".join(bytes([mask]) * page for mask in masks)
    assert len(device.journal.operations()) == 8
    device.program(0, bytes(page))
    device.program(2 * row, bytes(page))
    assert len(spent(device)) == len(pages) - 8
    device.erase(row, row)
    device.program(row, bytes(page))
    assert device.cells.read(row, page) == bytes(page)


def test_units_of_one_command_count_against_the_row_as_they_are_taken() -> None:
    """A made-up part whose commands carry several units of a budgeted piece."""
    program = msgspec.structs.replace(TWICE.program, max_per_erase=5, budget_size=16)
    part = msgspec.structs.replace(TWICE, name="PIECES", program=program)
    cells = Cells(part)
    assert acceptable_units(part, cells, 0, bytes(32)) == (bytes(32), None)
    cells.program(0, bytes(32))
    taken, remark = acceptable_units(part, cells, 0, bytes(32))
    assert len(taken) == 4
    assert remark is not None
    assert (remark.address, remark.rule) == (4, "spent-unit")
    assert "the 16-byte row at 0x4 was programmed 5 times since its erase" in remark.message
    taken, remark = acceptable_units(part, cells, 12, bytes(12))
    assert len(taken) == 8, "one unit in each of two pieces"
    assert remark is not None
    assert remark.address == 20


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(1, 8)), max_size=12))
@settings(max_examples=60, deadline=None)
def test_a_budget_is_never_exceeded_and_never_wasted(commands: list[tuple[int, int]]) -> None:
    program = msgspec.structs.replace(TWICE.program, max_per_erase=6, budget_size=16)
    part = msgspec.structs.replace(TWICE, name="PIECES", program=program)
    device, counts = FlashDevice(part), [0] * 16
    for first, count in commands:
        data = bytes(4 * min(count, 8 - first))
        expected = 0
        for unit in range(first, first + len(data) // 4):
            if counts[unit // 4] == 6:
                break
            counts[unit // 4] += 1
            expected += 1
        before = len(device.journal.operations())
        device.program(4 * first, data)
        done = device.journal.operations()[before:]
        assert [op.length for op in done] == ([4 * expected] if expected else [])
    assert [device.cells.uses_in(16 * n, 16) for n in range(16)] == counts


@ROW_PARTS
def test_a_torn_page_write_and_a_torn_erase_count_too(part: Part) -> None:
    cells, page, row = Cells(part), part.program.page_size, part.program.budget_size
    cells.program(0, bytes(page))
    assert cells.uses_in(0, row) == 1
    assert cells.uses_in(row - 1, row) == 1
    assert cells.uses_in(row, row) == 0
    cells.mark_used(row, row)
    assert cells.uses_in(row, row) == 4


def test_a_part_without_a_budget_counts_nothing() -> None:
    cells = Cells(SERIAL)
    for _ in range(300):
        cells.program(0, bytes(1))
    assert cells.uses is None
    assert cells.uses_in(0, 64) == 0
    assert acceptable_units(SERIAL, cells, 0, bytes(16)) == (bytes(16), None)


# -- the page latch --------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", [SERIAL, mirrored(SERIAL), PARALLEL], **BY_NAME)
@given(st.integers(0, 4000), st.binary(min_size=1, max_size=50))
@settings(max_examples=100, deadline=None)
def test_a_latch_cell_holds_what_was_last_shifted_into_it(part: Part, address: int, data: bytes) -> None:
    size = part.program.page_size
    latch = [part.erased] * size
    for offset, value in enumerate(data):
        latch[(address + offset) % size] = value
    assert latched(part, address, data) == bytes(latch)


def test_a_latch_that_was_filled_exactly_is_the_data_rotated_to_the_page() -> None:
    data = bytes(range(16))
    assert latched(SERIAL, 32, data) == data
    assert latched(SERIAL, 35, data) == data[13:] + data[:13]
    assert latched(SERIAL, 35, data * 3) == data[13:] + data[:13]
    assert latched(SERIAL, 32, b"") == b"\xff" * 16


def test_a_program_that_is_settled_is_one_legal_command_or_none() -> None:
    for part in (SERIAL, PARALLEL, TWICE, ROWS):
        for address in (-3, 0, 1, 2, 15, 16, part.size - 2, part.size, part.size + 5):
            for length in (0, 1, 2, 3, 16, 17, 40):
                settled, remarks = settle_program(part, address, bytes(length))
                if settled is not None:
                    assert part.geometry.is_program(settled[0], len(settled[1]))
                assert remarks or settled == (address, bytes(length))


def test_an_erase_that_is_settled_is_one_of_the_part() -> None:
    for size in SERIAL.geometry.erase_sizes:
        for address in (0, 1, 1023, 4095, 4096, 9999):
            start, remarks = settle_erase(SERIAL, address, size, "flash")
            assert SERIAL.geometry.is_erase(start, size)
            assert start <= address % SERIAL.size < start + size
            assert bool(remarks) == (start != address)


def test_what_is_refused_leaves_no_operation() -> None:
    device = FlashDevice(ROWS)
    for _ in range(8):
        device.program(0, bytes(16))
    device.program(16, bytes(16))
    assert [type(entry) for entry in device.journal.entries] == [Operation] * 8 + [Misuse]
    assert device.cells.read(16, 16) == b"\xff" * 16


@pytest.mark.parametrize("address", [-64, 0x0800_0000])
def test_an_mcu_array_is_not_erased_through_an_address_of_the_processor(address: int) -> None:
    """The low address bits of a serial chip are all it has; an MCU's controller refuses what is outside."""
    device = FlashDevice(msgspec.structs.replace(WORDS, base=0x0800_0000))
    device.load(0, b"\x5a" * 64)
    with pytest.raises(OutOfBounds, match="addresses count from 0, the processor sees the array at 0x8000000"):
        device.erase(address, 64)
    assert device.read(0, 64) == b"\x5a" * 64
    assert device.journal.entries == []
