"""Cells and their snapshots: every plane comes back, only what changed is copied, equal content has equal keys."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flash.cells import Cells, combined
from flash.device import FlashDevice
from flash.part import Part, bundled_part, part_names
from flash.snapshot import FAN_OUT, Block, Snapshot, SnapshotTree
from flash.weak import LIFTED_ABOVE, LIFTED_BELOW, METASTABLE
from tests.flash.small_parts import ANNEXED, EVERY_PART, GRANULES, PARALLEL, SERIAL, SMALL_PARTS, TWICE, WORDS, ZEROS

BY_NAME = {"ids": lambda part: part.name}
Change = Callable[[Cells], None]


def planes(cells: Cells) -> list[bytes]:
    """Everything a cell remembers, and what is derived from it."""
    none = np.zeros(cells.size, np.uint8)
    weak = [none, none] if cells.weak is None else [cells.weak.mask, cells.weak.temper]
    every = [cells.data, cells.uses, cells.broken, *weak, cells.wear]
    derived = str(cells.first_broken(0, cells.geometry.size)).encode()
    return [*(b"" if plane is None else plane.tobytes() for plane in every), derived]


@st.composite
def changes(draw: st.DrawFn, part: Part) -> Change:
    """Anything that can happen to cells: legal or torn."""
    geometry = part.geometry
    unit, size = geometry.unit, Cells(part).size
    first = draw(st.integers(0, size // unit - 1))
    length = draw(st.integers(1, min(8, size // unit - first))) * unit
    address = first * unit
    kind = draw(st.sampled_from(["program", "erase", "put", "load", "used", "broken", "weak"]))
    if kind == "erase" and address >= geometry.size:
        return lambda cells: cells.erase(geometry.align_down(address, cells.block_size), 32)
    if kind == "erase":
        sector = geometry.sector_at(address)
        size = draw(st.sampled_from(geometry.erase_sizes_at(sector.address)))
        return lambda cells: cells.erase(sector.address, size)
    if kind == "program":
        step, size = next(iter(geometry.programs(address, length)))
        data = draw(st.binary(min_size=size, max_size=size))
        return lambda cells: bool(cells.program(step, data)) or None
    data = draw(st.binary(min_size=length, max_size=length))
    code, temper = draw(st.integers(1, 3)), draw(st.integers(METASTABLE, LIFTED_ABOVE))
    return {
        "weak": lambda cells: cells.mark_weak(address, np.frombuffer(data, np.uint8), temper),
        "put": lambda cells: cells.put_bytes(address, data),
        "load": lambda cells: cells.load(address, data),
        "used": lambda cells: cells.mark_used(address, length),
        "broken": lambda cells: cells.mark_broken(address, length, code),
    }[kind]


def histories(part: Part) -> st.SearchStrategy[list[Change]]:
    return st.lists(changes(part), max_size=6)


def happen(cells: Cells, history: list[Change]) -> None:
    for change in history:
        change(cells)


# -- cells -----------------------------------------------------------------------------------------------


@given(st.binary(max_size=40), st.data())
def test_a_program_is_and_or_where_erased_is_zero_or(old: bytes, data: st.DataObject) -> None:
    new = data.draw(st.binary(min_size=len(old), max_size=len(old)))
    assert combined(old, new, True) == bytes(a & b for a, b in zip(old, new, strict=True))
    assert combined(old, new, False) == bytes(a | b for a, b in zip(old, new, strict=True))


@pytest.mark.parametrize("part", SMALL_PARTS, **BY_NAME)
def test_program_tells_whether_the_range_holds_the_data(part: Part) -> None:
    cells = Cells(part)
    unit = part.program.unit
    some, more = (b"\xf0", b"\xc0") if part.erased else (b"\x0f", b"\x3f")
    assert cells.program(0, some * unit)
    assert cells.program(0, more * unit)
    assert not cells.program(0, some * unit)
    assert cells.read(0, unit) == more * unit


def test_planes_exist_only_where_the_part_has_them() -> None:
    assert (Cells(SERIAL).uses, Cells(SERIAL).broken) == (None, None)
    assert (Cells(TWICE).uses is None, Cells(TWICE).broken) == (False, None)
    assert Cells(GRANULES).uses is not None
    assert Cells(GRANULES).broken is not None


@pytest.mark.parametrize("part", [GRANULES, ZEROS], **BY_NAME)
def test_a_broken_unit_is_found_from_any_byte_of_it(part: Part) -> None:
    cells, unit = Cells(part), part.program.unit
    cells.mark_broken(5 * unit, unit)
    cells.mark_broken(9 * unit, 2 * unit)
    for address in range(part.size - 1):
        for length in (1, unit, 3 * unit):
            touched = {a // unit for a in range(address, min(address + length, part.size))} & {5, 9, 10}
            assert cells.first_broken(address, length) == (min(touched) * unit if touched else None)


def test_a_read_of_nothing_meets_no_broken_unit() -> None:
    device = FlashDevice(GRANULES)
    device.cells.mark_broken(0, 128)
    for address in range(12):
        assert device.read(address, 0) == b""


def test_wear_counts_erases_per_sector_and_only_those() -> None:
    cells = Cells(WORDS)
    for _ in range(3):
        cells.erase(256, 128)
    cells.program(256, bytes(32))
    cells.load(0, bytes(64))
    assert [cells.cycles_at(a) for a in (0, 255, 256, 383, 384)] == [0, 0, 3, 3, 0]


def test_a_use_that_is_counted_is_part_of_the_next_snapshot() -> None:
    cells = Cells(TWICE)
    before = cells.snapshot()
    cells.count_use(64, 8)
    assert cells.uses is not None
    assert list(cells.uses[15:19]) == [0, 1, 1, 0]
    assert not cells.snapshot().same(before)


# -- behind the array ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", part_names())
def test_the_cells_of_a_serial_part_hold_a_block_for_the_registers_and_one_for_each_security_register(
    name: str,
) -> None:
    part = bundled_part(name)
    cells = Cells(part)
    blocks = (cells.size - part.size) // cells.block_size
    if part.serial is None:
        assert blocks == 0
        return
    security = part.serial.security
    assert blocks == 1 + (security.count if security else 0)
    if security is not None:
        assert security.size + (security.style == "otp") <= cells.block_size
    assert cells.data.size == cells.size


def test_the_annex_is_torn_snapshotted_and_compared_like_the_array_but_not_worn() -> None:
    cells = Cells(ANNEXED)
    assert cells.size == ANNEXED.size + 3 * 64
    start = cells.snapshot()
    cells.program(ANNEXED.size + 64, b"\x12\x34")
    cells.put_bytes(ANNEXED.size, b"\x02")
    changed = cells.snapshot()
    assert set(changed.tree.differing(start.tree)) == {64, 65}
    assert changed.key != start.key
    cells.erase(ANNEXED.size + 64, 32)
    assert cells.read(ANNEXED.size, 66) == b"\x02" + b"\xff" * 65
    assert not cells.wear.any()
    assert cells.cycles_at(ANNEXED.size) == 0
    cells.restore(changed)
    assert cells.read(ANNEXED.size + 64, 3) == b"\x12\x34\xff"
    assert cells.blocks_in(ANNEXED.size + 63, 2) == range(64, 66)


@pytest.mark.parametrize(
    ("part", "address", "length", "beside"),
    [
        (SERIAL, 0, 64, [(64, 64, LIFTED_BELOW)]),
        (SERIAL, 128, 64, [(64, 64, LIFTED_ABOVE), (192, 64, LIFTED_BELOW)]),
        (SERIAL, 1024, 1024, [(960, 64, LIFTED_ABOVE), (2048, 64, LIFTED_BELOW)]),
        (SERIAL, 4032, 64, [(3968, 64, LIFTED_ABOVE)]),
        (SERIAL, 0, 4096, []),
        (PARALLEL, 256, 256, [(192, 64, LIFTED_ABOVE), (512, 256, LIFTED_BELOW)]),
        (ANNEXED, 4032, 64, [(3968, 64, LIFTED_ABOVE)]),
        (ANNEXED, 4096 + 64, 32, []),
    ],
)  # fmt: skip
def test_neighbours_are_the_sectors_beside_a_range_and_never_the_annex(
    part: Part, address: int, length: int, beside: list[tuple[int, int, int]]
) -> None:
    assert Cells(part).neighbours(address, length) == beside


# -- restore ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", EVERY_PART, **BY_NAME)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_restore_brings_every_plane_back(part: Part, data: st.DataObject) -> None:
    cells = Cells(part)
    kept: list[tuple[Snapshot, list[bytes]]] = [(cells.snapshot(), planes(cells))]
    for _ in range(3):
        happen(cells, data.draw(histories(part)))
        kept.append((cells.snapshot(), planes(cells)))
    happen(cells, data.draw(histories(part)))
    order = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=5))
    for which in order:
        snapshot, expected = kept[which]
        cells.restore(snapshot)
        assert planes(cells) == expected
        assert cells.snapshot() is snapshot
        happen(cells, data.draw(histories(part)))
    for snapshot, expected in kept:
        cells.restore(snapshot)
        assert planes(cells) == expected


@pytest.mark.parametrize("part", EVERY_PART, **BY_NAME)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_a_snapshot_moves_between_devices_of_one_part(part: Part, data: st.DataObject) -> None:
    one, other = Cells(part), Cells(part)
    happen(one, data.draw(histories(part)))
    happen(other, data.draw(histories(part)))
    other.restore(one.snapshot())
    assert planes(other) == planes(one)


def test_arrays_stay_at_one_address_for_life() -> None:
    device = FlashDevice(GRANULES)
    cells = device.cells
    arrays = [cells.data, cells.uses, cells.broken, cells.wear]
    addresses = [array.ctypes.data for array in arrays if array is not None]
    start = device.snapshot()
    view = device.view(0, 8)
    device.program(0, bytes(8))
    assert view == bytes(8)
    device.erase(0, 128)
    device.restore(start)
    assert device.cells is cells
    assert [a.ctypes.data for a in (cells.data, cells.uses, cells.broken, cells.wear) if a is not None] == addresses
    assert view == b"\xff" * 8


# -- cost ------------------------------------------------------------------------------------------------


def blocks(snapshot: Snapshot, count: int) -> list[Block]:
    return [snapshot.tree.block(i) for i in range(count)]


@pytest.mark.parametrize("name", part_names())
def test_a_snapshot_copies_only_the_blocks_that_changed(name: str) -> None:
    device = FlashDevice(bundled_part(name))
    geometry, size = device.geometry, device.cells.block_size
    count = geometry.size // size
    before = device.snapshot()
    assert len({id(block) for block in blocks(before, count)}) == 1
    place = geometry.align_down(geometry.size // 3, geometry.burst_size)
    data = bytes([0x5A]) * geometry.burst_size
    device.program(place, data)
    last = geometry.sector_at(geometry.size - 1)
    device.erase(last.address, last.size)
    after = device.snapshot()
    touched = {place // size, *range(last.address // size, last.end // size)}
    assert set(after.tree.differing(before.tree)) == touched
    for index, (old, new) in enumerate(zip(blocks(before, count), blocks(after, count), strict=True)):
        assert (old is new) == (index not in touched)


def test_a_snapshot_of_nothing_new_is_the_same_object() -> None:
    device = FlashDevice(SERIAL)
    first = device.snapshot()
    device.read(0, 4096)
    assert device.snapshot() is first
    device.program(0, b"\x00")
    second = device.snapshot()
    assert second is not first
    assert device.snapshot() is second
    device.restore(first)
    assert device.snapshot() is first


def test_restore_writes_only_blocks_that_differ() -> None:
    device = FlashDevice(SERIAL)
    start = device.snapshot()
    device.program(640, b"\x00")
    written: list[int] = []
    original = device.cells._restore_block
    device.cells._restore_block = lambda index, block: (written.append(index), original(index, block))[1]  # type: ignore[method-assign]
    device.restore(start)
    assert written == [10]


@pytest.mark.parametrize("count", [1, FAN_OUT - 1, FAN_OUT, FAN_OUT + 1, 3 * FAN_OUT + 5])
def test_a_tree_holds_any_number_of_blocks(count: int) -> None:
    blank, other = Block(b"\xff" * 4), Block(b"\x00" * 4)
    tree = SnapshotTree.uniform(blank, count)
    assert all(tree.block(i) is blank for i in range(count))
    changed = tree.replaced({count - 1: other, count // 2: other})
    assert set(changed.differing(tree)) == {count - 1, count // 2}
    assert list(tree.differing(tree)) == []
    assert tree.block(count - 1) is blank
    assert tree.replaced({}) is tree
    assert changed.key != tree.key
    assert changed.replaced({count - 1: blank, count // 2: blank}).key == tree.key


def test_the_same_blocks_in_another_order_have_another_key() -> None:
    left, right, blank = Block(b"left"), Block(b"right"), Block(b"blank")
    tree = SnapshotTree.uniform(blank, 200)
    places = [(a, b) for a in (0, 1, 64, 129) for b in (2, 66, 130)] + [(64, 0), (1, 129), (129, 64)]
    keys = {tree.replaced({a: left, b: right}).key for a, b in places}
    assert len(keys) == len(places)
    assert tree.replaced({0: left, 64: right}).key != tree.replaced({64: left, 0: right}).key
    assert {len(key) for key in keys} == {16}


# -- equality --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", EVERY_PART, **BY_NAME)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_same_and_key_agree_with_the_planes(part: Part, data: st.DataObject) -> None:
    one, other = Cells(part), Cells(part)
    shared = data.draw(histories(part))
    happen(one, shared)
    happen(other, shared)
    one.snapshot()
    happen(one, data.draw(histories(part)))
    if data.draw(st.booleans()):
        happen(other, data.draw(histories(part)))
    equal = planes(one)[:5] == planes(other)[:5]
    left, right = one.snapshot(), other.snapshot()
    assert left.same(right) == right.same(left) == equal
    assert (left.key == right.key) == equal
    worn_alike = np.array_equal(one.wear, other.wear)
    assert (left.wear == right.wear) == worn_alike


def test_the_same_content_reached_by_another_way_has_the_same_key() -> None:
    one, other = FlashDevice(SERIAL), FlashDevice(SERIAL)
    one.program(0, b"\x0f\xf0")
    other.program(1, b"\xf0")
    other.program(2, b"\x00")
    other.program(0, b"\x0f")
    assert one.snapshot().key != other.snapshot().key
    for device in (one, other):
        device.erase(0, 64)
    one.program(5, b"\x77")
    other.load(5, b"\x77")
    left, right = one.snapshot(), other.snapshot()
    assert left.key == right.key
    assert left.same(right)


def test_erase_counts_are_outside_the_key_and_inside_the_snapshot() -> None:
    device = FlashDevice(SERIAL)
    first = device.snapshot()
    device.erase(0, 64)
    second = device.snapshot()
    assert first.key == second.key
    assert first.same(second)
    assert first.wear != second.wear
    device.restore(first)
    assert device.cells.cycles_at(0) == 0
    device.restore(second)
    assert device.cells.cycles_at(0) == 1


def test_programs_since_erase_and_broken_granules_are_part_of_the_key() -> None:
    keys = set()
    for change in (
        lambda cells: None,
        lambda cells: cells.mark_used(0, 8),
        lambda cells: cells.mark_broken(0, 8),
        lambda cells: (cells.mark_used(0, 8), cells.mark_broken(0, 8)),
        lambda cells: cells.mark_used(8, 8),
    ):
        cells = Cells(GRANULES)
        change(cells)
        keys.add(cells.snapshot().key)
    assert len(keys) == 5


def test_the_state_of_another_array_costs_what_was_written_there(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = Cells(bundled_part("W25Q128JV")), Cells(bundled_part("W25Q128JV"))
    one.program(0x5000, b"\x12")
    restored: list[int] = []
    monkeypatch.setattr(other, "_restore_block", lambda index, block: restored.append(index))
    other.restore(one.snapshot())
    assert restored == [5]
