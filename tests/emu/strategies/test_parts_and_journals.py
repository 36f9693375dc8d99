"""Drawn parts are parts, drawn operations are legal, drawn cuts are what a cut of the device leaves; all shrink."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample, Unsatisfiable

from emu.strategies import KINDS, CutJournal, cut_journals, cuts, journals, operations, parts, restart
from flash.cells import Cells
from flash.device import FlashDevice
from flash.errors import PowerLost
from flash.journal import Misuse, Operation
from flash.part import Part, bundled_part
from flash.replay import replay
from flash.tears import TEAR_SETS, TEARS
from flash.timing import Timing
from tests.emu.strategies.shrinking import every_kind, quick, smallest


def device_of(part: Part) -> FlashDevice:
    """A blank chip that raises at the first misuse, and does not slow down with wear."""
    return FlashDevice(part, strict=True, timing=Timing(part, worn=False))


def do(device: FlashDevice, operation: Operation) -> None:
    if operation.kind == "program":
        device.program(operation.address, operation.data)
    else:
        device.erase(operation.address, operation.length)


# -- parts -----------------------------------------------------------------------------------------------


@every_kind
def test_a_part_shrinks_to_four_of_the_smallest_sectors(kind: Any) -> None:
    for least in (64, 256):
        part = smallest(parts(kinds=[kind], smallest_sector=least))
        assert (part.kind, part.erased, part.size) == (kind, 0xFF, 4 * least)
        assert [(run.count, run.size) for run in part.sectors] == [(4, least)]


def test_the_first_kind_is_the_simplest() -> None:
    assert smallest(parts()).kind == KINDS[0] == "spi-nor"


@pytest.mark.parametrize(
    ("kind", "trait"),
    [
        ("spi-nor", lambda part: len(part.erase) == 4),
        ("parallel-nor", lambda part: part.program.unit == 2 and len(part.sectors) == 3),
        ("parallel-nor", lambda part: not part.program.page_size),
        ("mcu-word", lambda part: part.program.budget_size),
        ("mcu-word", lambda part: part.program.max_per_erase == 2 and len(part.sectors) == 2),
        ("mcu-ecc", lambda part: part.erased == 0 and part.program.overwrite == "blank-only"),
        ("mcu-ecc", lambda part: part.ecc.fault == "flag" and not part.ecc.corrects),
        ("stm32f1", lambda part: part.erased == 0 and part.geometry.sector_count == 16),
    ],
)
def test_traits_of_real_parts_are_drawn(kind: Any, trait: Any) -> None:
    smallest(parts(kinds=[kind]), trait)


@quick
@given(parts(smallest_sector=128))
def test_sizes_stay_in_the_ranges_that_are_promised(part: Part) -> None:
    assert 4 <= part.geometry.sector_count <= 16
    assert {run.size for run in part.sectors} <= {128, 256, 512}
    assert part.program.unit in (1, 2, 4, 8, 16)
    assert part.geometry.burst_size in (16, 32, 64)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"smallest_sector": 96}, "smallest_sector=96: give a power of two, 64 or more"),
        ({"smallest_sector": 32}, "smallest_sector=32: give a power of two, 64 or more"),
        ({"kinds": []}, r"kinds=\(\): give one or more of spi-nor, "),
        ({"kinds": ["nand"]}, r"kinds=\('nand',\): give one or more of spi-nor, "),
    ],
)
def test_parts_says_what_it_does_not_draw(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parts(**arguments)


# -- operations and journals -----------------------------------------------------------------------------


@every_kind
@quick
@given(data=st.data())
def test_a_device_does_a_journal_as_it_is_drawn_without_a_misuse(kind: Any, data: st.DataObject) -> None:
    part = data.draw(parts(kinds=[kind]))
    row = data.draw(journals(part, max_size=30))
    device = device_of(part)
    for operation in row:
        do(device, operation)
    assert device.journal.entries == row


@pytest.mark.parametrize("name", ["W25Q128JV", "STM32L072", "STM32F405", "SAMD21"])
@settings(quick, max_examples=10)
@given(data=st.data())
def test_journals_of_real_parts_are_legal_too(name: str, data: st.DataObject) -> None:
    device = device_of(bundled_part(name))
    for operation in data.draw(journals(device.part)):
        do(device, operation)
    assert not [entry for entry in device.journal.entries if isinstance(entry, Misuse)]


@every_kind
def test_a_program_over_a_programmed_unit_is_drawn_where_a_part_takes_it(kind: Any) -> None:
    def again(row: list[Operation]) -> bool:
        return len(row) == 2 and {(op.kind, op.address) for op in row} == {("program", 0)}

    part = smallest(parts(kinds=[kind]))
    first, second = smallest(journals(part), again)
    assert first.length == second.length == part.program.unit
    assert not any(first.data + second.data)


@every_kind
def test_a_planted_bug_shrinks_to_the_operations_it_takes(kind: Any) -> None:
    """The bug: an erase forgets the first byte of its range."""

    def is_broken(row: list[Operation]) -> bool:
        right, wrong = Cells(part), Cells(part)
        for operation in row:
            replay(right, operation)
            first = wrong.read(operation.address, 1)
            replay(wrong, operation)
            if operation.kind == "erase":
                wrong.put_bytes(operation.address, first)
        return right.read(0, part.size) != wrong.read(0, part.size)

    part = smallest(parts(kinds=[kind]))
    written, erased = smallest(journals(part), is_broken)
    assert (written.kind, written.address, written.length) == ("program", 0, part.program.unit)
    assert (erased.kind, erased.address, erased.length) == ("erase", 0, 64)


@quick
@given(data=st.data())
def test_careless_programs_are_executed_as_well(data: st.DataObject) -> None:
    part = data.draw(parts())
    device = FlashDevice(part)
    for _ in range(3):
        do(device, data.draw(operations(part, device.cells, careless=True)))
    assert len(device.journal.operations()) == 3
    assert {entry.rule for entry in device.journal.entries if isinstance(entry, Misuse)} <= {"unerased"}


def test_careless_programs_ask_bits_back() -> None:
    part = smallest(parts())
    cells = Cells(part)
    cells.program(0, bytes(part.size))
    found = smallest(operations(part, cells, careless=True), lambda op: op.kind == "program" and any(op.data))
    assert (found.address, found.length) == (0, 1)
    with pytest.raises(NoSuchExample):
        smallest(operations(part, cells), lambda op: op.kind == "program" and any(op.data))


def test_only_programs_are_drawn_while_there_is_room_and_nothing_after() -> None:
    part = smallest(parts(kinds=["mcu-ecc"]), lambda part: part.program.overwrite == "blank-only")
    unit, cells = part.program.unit, Cells(part)
    cells.program(0, bytes(part.size - unit))
    only = smallest(operations(part, cells, kinds=["program"]))
    assert (only.kind, only.address, only.length) == ("program", part.size - unit, unit)
    replay(cells, only)
    assert smallest(operations(part, cells)).kind == "erase"
    with pytest.raises(Unsatisfiable):
        smallest(operations(part, cells, kinds=["program"]))


@pytest.mark.parametrize("kinds", [[], ["write"]])
def test_operations_says_which_kinds_there_are(kinds: Any) -> None:
    with pytest.raises(ValueError, match="give program, erase or both"):
        operations(bundled_part("STM32F103"), kinds=kinds)


# -- cuts ------------------------------------------------------------------------------------------------


@every_kind
@quick
@given(data=st.data())
def test_a_cut_journal_holds_what_a_cut_of_the_device_leaves(kind: Any, data: st.DataObject) -> None:
    cut = data.draw(cut_journals(data.draw(parts(kinds=[kind])), tears=TEAR_SETS["T2"]))
    device = device_of(cut.part)
    restart(device, cut.cut)
    with pytest.raises(PowerLost):
        for operation in cut.operations:
            do(device, operation)
    assert device.journal.entries == cut.operations[:-1]
    assert device.snapshot().same(cut.cells().snapshot())
    assert (cut.torn is None) == (cut.cut.tear is None)


@pytest.mark.parametrize(
    "row", [row for row in TEARS if row.tier == 1 and "eeprom" not in row.kinds], ids=lambda row: row.name
)
def test_every_row_of_tier_1_is_drawn(row: Any) -> None:
    kind = sorted(row.kinds)[0]
    found: CutJournal = smallest(
        parts(kinds=[kind]).flatmap(cut_journals), lambda cut: cut.cut.tear is not None and cut.cut.tear.row is row
    )
    assert len(found.operations) == 1
    assert found.part.size == 256


def test_a_cut_shrinks_to_a_clean_one_before_the_first_operation() -> None:
    part = smallest(parts())
    found = smallest(cut_journals(part))
    assert (len(found.operations), found.cut.entry, found.cut.tear) == (1, 0, None)


def test_a_cut_needs_an_operation() -> None:
    part = smallest(parts())
    with pytest.raises(ValueError, match="no operation to cut: give at least one"):
        cuts(part, Cells(part).snapshot(), [])
