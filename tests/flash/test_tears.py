"""The table of tears: reach, inputs and shape of every row, over random states and operations."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flash.cells import Cells
from flash.device import FlashDevice
from flash.errors import EccFault, FlashError
from flash.journal import Misuse, Operation
from flash.part import Erase, Part, Runs, bundled_part, part_names
from flash.tears import TEAR_SETS, TEARS, Tear, f1_share_left, tear_at, tear_named, tears_of
from tests.flash.small_parts import GRANULES, HALFWORDS, SERIAL, SMALL_PARTS, TWICE, WORDS, ZEROS, figure, mirrored

BY_NAME = {"ids": lambda part: part.name}
T1 = TEAR_SETS["T1"]
MONOTONE = {"prefix", "one-bit", "all-but-one-bit", "ecc-fault", "front", "preprogrammed"}
ROWS_OF_KIND = {
    ("spi-nor", "program"): {"prefix", "one-bit", "all-but-one-bit"},
    ("mcu-word", "program"): {"prefix", "one-bit", "all-but-one-bit"},
    ("mcu-ecc", "program"): {"prefix", "ecc-fault"},
    ("stm32f1", "program"): {"prefix"},
    ("spi-nor", "erase"): {"front", "preprogrammed"},
    ("mcu-word", "erase"): {"front", "preprogrammed"},
    ("mcu-ecc", "erase"): {"front", "preprogrammed", "erase-ecc-fault"},
    ("stm32f1", "erase"): {"stopped-us"},
}


@dataclass(frozen=True)
class Planes:
    """Everything of a state that later behaviour can depend on, one entry per byte of the array."""

    data: np.ndarray
    uses: np.ndarray
    broken: np.ndarray
    wear: np.ndarray

    @classmethod
    def of(cls, cells: Cells) -> Planes:
        unit = cells.geometry.unit
        none = np.zeros(cells.geometry.size, np.uint8)
        uses = none if cells.uses is None else np.repeat(cells.uses, unit)
        broken = none if cells.broken is None else np.repeat(cells.broken, unit)
        sizes = [size for run in cells.geometry.runs for size in [run.size] * run.count]
        return cls(cells.data.copy(), uses, broken, np.repeat(cells.wear, sizes))

    @classmethod
    def random(cls, part: Part, seed: int) -> Planes:
        """A reachable state: some sectors blank (the first one always), some programmed, some torn."""
        draw = np.random.default_rng(seed)
        unit, units = part.program.unit, part.size // part.program.unit
        moods = draw.integers(0, 3, part.geometry.sector_count)
        moods[0] = 0
        mood = np.repeat(moods, [size for run in part.sectors for size in [run.size] * run.count])
        data = np.where(mood, draw.integers(0, 256, part.size, np.uint8), np.uint8(part.erased))
        budget = 1 if part.kind == "mcu-ecc" else 2
        uses = np.where(mood[::unit], draw.integers(1, budget + 1, units, np.uint8), np.uint8(0))
        torn = (mood[::unit] == 2) & draw.integers(0, 2, units, bool) & (part.kind == "mcu-ecc")
        return cls(data, np.repeat(uses, unit), np.repeat(torn.astype(np.uint8), unit), np.zeros(part.size))

    def where(self, chosen: np.ndarray, other: Planes) -> Planes:
        """This state where ``chosen``, the other elsewhere."""
        pairs = ((getattr(self, name), getattr(other, name)) for name in ("data", "uses", "broken", "wear"))
        return Planes(*(np.where(chosen, mine, theirs) for mine, theirs in pairs))

    def cells(self, part: Part) -> Cells:
        cells = Cells(part)
        cells.load(0, self.data.astype(np.uint8).tobytes())
        if cells.uses is not None:
            cells.uses[:] = self.uses[:: part.program.unit]
        for unit in np.flatnonzero(self.broken[:: part.program.unit]):
            cells.mark_broken(int(unit) * part.program.unit, part.program.unit)
        return cells

    def cut(self, where: np.ndarray) -> list[bytes]:
        return [plane[where].tobytes() for plane in (self.data, self.uses, self.broken)]


def mask(part: Part, extent: tuple[int, int]) -> np.ndarray:
    found = np.zeros(part.size, bool)
    found[extent[0] : extent[0] + extent[1]] = True
    return found


def random_state(part: Part, seed: int) -> Cells:
    return Planes.random(part, seed).cells(part)


@st.composite
def operations(draw: st.DrawFn, part: Part, cells: Cells, kind: str | None = None) -> Operation:
    """One operation the array really executes on this content."""
    geometry = part.geometry
    device = FlashDevice(part)
    device.restore(cells.snapshot())
    if (kind or draw(st.sampled_from(["program", "erase"]))) == "erase":
        sector = geometry.sector_at(draw(st.integers(0, geometry.size - 1)))
        device.erase(sector.address, draw(st.sampled_from(geometry.erase_sizes_at(sector.address))))
    else:
        base = draw(st.integers(0, geometry.size // geometry.burst_size - 1)) * geometry.burst_size
        units = geometry.burst_size // geometry.unit
        first = draw(st.integers(0, units - 1))
        length = draw(st.integers(1, units - first)) * geometry.unit
        data = draw(st.one_of(st.just(bytes(length)), st.binary(min_size=length, max_size=length)))
        device.program(base + first * geometry.unit, data)
        if not device.journal.operations():
            device.program(first * geometry.unit, data)
    return device.journal.operations()[0]


def torn(cells: Cells, op: Operation, tear: Tear) -> Planes:
    """What the tear leaves; ``cells`` is as it was afterwards."""
    start = cells.snapshot()
    tear.apply(cells, op)
    left = Planes.of(cells)
    cells.restore(start)
    return left


def bits(content: bytes | np.ndarray) -> int:
    return int(np.unpackbits(np.frombuffer(bytes(content), np.uint8)).sum())


def xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


# -- promises of every row -------------------------------------------------------------------------------


@pytest.mark.parametrize("part", SMALL_PARTS, **BY_NAME)
@given(data=st.data(), seed=st.integers(0, 1 << 32))
@settings(max_examples=25, deadline=None)
def test_a_tear_changes_nothing_outside_its_reach(part: Part, data: st.DataObject, seed: int) -> None:
    cells = random_state(part, seed)
    op = data.draw(operations(part, cells))
    before = Planes.of(cells)
    for tear in tears_of(part, cells, op, T1):
        reach, left = mask(part, tear.row.reach(op)), torn(cells, op, tear)
        assert left.cut(~reach) == before.cut(~reach)
        worn = left.wear - before.wear
        assert set(worn[reach]) == ({1} if op.kind == "erase" else {0})
        assert not worn[~reach].any()


@pytest.mark.parametrize("part", SMALL_PARTS, **BY_NAME)
@given(data=st.data(), seed=st.integers(0, 1 << 32), other_seed=st.integers(0, 1 << 32))
@settings(max_examples=25, deadline=None)
def test_what_a_tear_leaves_depends_on_nothing_outside_its_inputs(
    part: Part, data: st.DataObject, seed: int, other_seed: int
) -> None:
    cells = random_state(part, seed)
    op = data.draw(operations(part, cells))
    original, elsewhere = Planes.of(cells), Planes.random(part, other_seed)
    for tear in tears_of(part, cells, op, TEAR_SETS["T1-coarse"]):
        inputs, reach = mask(part, tear.row.inputs(op)), mask(part, tear.row.reach(op))
        other = original.where(inputs, elsewhere).cells(part)
        left, also = torn(cells, op, tear), torn(other, op, tear)
        for plane in ("data", "uses", "broken"):
            same = np.array_equal(getattr(left, plane)[reach], getattr(also, plane)[reach])
            assert same, f"{plane} after {tear.name} depends on content outside {tear.row.inputs(op)}"


@pytest.mark.parametrize("part", SMALL_PARTS, **BY_NAME)
@given(data=st.data(), seed=st.integers(0, 1 << 32))
@settings(max_examples=25, deadline=None)
def test_a_monotone_row_never_moves_a_bit_back_towards_erased(part: Part, data: st.DataObject, seed: int) -> None:
    cells = random_state(part, seed)
    op = data.draw(operations(part, cells))
    before = cells.data ^ part.erased
    seen = set()
    for tear in tears_of(part, cells, op, T1):
        seen.add(tear.row.name)
        if tear.row.name in MONOTONE:
            after = torn(cells, op, tear).data ^ part.erased
            assert not (before & ~after).any()
    assert seen <= ROWS_OF_KIND[part.kind, op.kind]


@pytest.mark.parametrize("part", SMALL_PARTS, **BY_NAME)
@given(data=st.data(), seed=st.integers(0, 1 << 32))
@settings(max_examples=25, deadline=None)
def test_a_torn_program_leaves_every_bit_old_or_new(part: Part, data: st.DataObject, seed: int) -> None:
    cells = random_state(part, seed)
    op = data.draw(operations(part, cells, "program"))
    old = cells.data.copy()
    done = Cells(part)
    done.restore(cells.snapshot())
    done.program(op.address, op.data)
    for tear in tears_of(part, cells, op, T1):
        left = torn(cells, op, tear).data
        assert not ((left ^ old) & (left ^ done.data)).any()


@pytest.mark.parametrize("part", [SERIAL, WORDS, TWICE, GRANULES, HALFWORDS], **BY_NAME)
@given(data=st.data(), seed=st.integers(0, 1 << 32))
@settings(max_examples=25, deadline=None)
def test_a_part_that_erases_to_the_other_value_is_the_exact_mirror(part: Part, data: st.DataObject, seed: int) -> None:
    cells = random_state(part, seed)
    op = data.draw(operations(part, cells))
    planes, flipped_part = Planes.of(cells), mirrored(part)
    flipped = Planes(~planes.data, planes.uses, planes.broken, planes.wear).cells(flipped_part)
    flipped_op = Operation(op.kind, op.device, op.address, op.length, bytes(~b & 0xFF for b in op.data), 0, 1)
    tears = list(tears_of(part, cells, op, T1))
    assert [tear.name for tear in tears_of(flipped_part, flipped, flipped_op, T1)] == [tear.name for tear in tears]
    for tear in tears:
        left, other = torn(cells, op, tear), torn(flipped, flipped_op, tear)
        assert np.array_equal(left.data, ~other.data)
        assert np.array_equal(left.uses, other.uses)
        assert np.array_equal(left.broken, other.broken)


# -- the shape of each row -------------------------------------------------------------------------------


@pytest.mark.parametrize("part", SMALL_PARTS, **BY_NAME)
def test_each_kind_of_part_has_its_rows(part: Part) -> None:
    cells = Cells(part)
    sector = part.geometry.sector_at(0)
    bits_to_move = bytes(~part.erased & 0xFF for _ in range(part.geometry.burst_size))
    for op in (
        Operation("program", "flash", 0, part.geometry.burst_size, bits_to_move, 0, 1),
        Operation("erase", "flash", 0, sector.size, b"", 0, 1),
    ):
        names = [tear.row.name for tear in tears_of(part, cells, op, T1)]
        assert set(names) == ROWS_OF_KIND[part.kind, op.kind]
        assert list(tears_of(part, cells, op, TEAR_SETS["none"])) == []
        coarse = {tear.name for tear in tears_of(part, cells, op, TEAR_SETS["T1-coarse"])}
        assert coarse <= {tear.name for tear in tears_of(part, cells, op, T1)}
        assert {tear_named(name).row.name for name in coarse} == set(names)


def test_every_row_names_its_physics_and_its_source() -> None:
    assert len({row.name for row in TEARS}) == len(TEARS)
    for row in TEARS:
        assert row.tier == 1
        assert len(row.physics) > 20
        assert len(row.source) > 20


@pytest.mark.parametrize("name", part_names())
def test_tier_1_cuts_a_program_after_every_unit(name: str) -> None:
    part = bundled_part(name)
    cells, unit, burst = Cells(part), part.program.unit, part.geometry.burst_size
    for length in (unit, 2 * unit, burst):
        op = Operation("program", "flash", 0, length, b"\x5a" * length, 0, 1)
        prefixes = [tear.argument for tear in tears_of(part, cells, op, T1) if tear.row.name == "prefix"]
        assert prefixes == list(range(unit, length, unit))
        few = [t.argument for t in tears_of(part, cells, op, TEAR_SETS["T1-coarse"]) if t.row.name == "prefix"]
        assert len(few) == min(3, len(prefixes))
        assert set(few) <= set(prefixes)


@given(st.binary(min_size=1, max_size=16), st.integers(0, 1 << 32))
@settings(max_examples=60, deadline=None)
def test_a_prefix_is_new_up_to_its_length_and_old_from_there(data: bytes, seed: int) -> None:
    cells = random_state(SERIAL, seed)
    old = cells.read(64, 16)
    new = bytes(a & b for a, b in zip(old, data, strict=False))
    op = Operation("program", "flash", 64, len(data), data, 0, 1)
    for tear in tears_of(SERIAL, cells, op, T1):
        if tear.row.name == "prefix":
            left = torn(cells, op, tear).data[64:80].tobytes()
            assert left == new[: tear.argument] + old[tear.argument :]


@given(st.binary(min_size=1, max_size=16), st.integers(0, 1 << 32))
@settings(max_examples=100, deadline=None)
def test_one_bit_moves_one_bit_and_all_but_one_leaves_one(data: bytes, seed: int) -> None:
    cells = random_state(SERIAL, seed)
    old = cells.read(64, len(data))
    new = bytes(a & b for a, b in zip(old, data, strict=True))
    needed = bits(xor(old, new))
    op = Operation("program", "flash", 64, len(data), data, 0, 1)
    there = slice(64, 64 + len(data))
    left = {t.row.name: torn(cells, op, t).data[there].tobytes() for t in tears_of(SERIAL, cells, op, T1)}
    assert ("one-bit" in left) == ("all-but-one-bit" in left) == (needed > 1)
    if needed > 1:
        assert bits(xor(old, left["one-bit"])) == 1
        assert bits(xor(left["one-bit"], new)) == needed - 1
        assert bits(xor(old, left["all-but-one-bit"])) == needed - 1
        assert bits(xor(left["all-but-one-bit"], new)) == 1


@pytest.mark.parametrize("size", [64, 256, 1024])
def test_a_front_moves_down_from_the_end(size: int) -> None:
    cells = random_state(SERIAL, 5)
    cells.load(0, bytes(range(1, 255)) * 8)
    old = cells.read(0, size)
    op = Operation("erase", "flash", 0, size, b"", 0, 1)
    fronts = [tear for tear in tears_of(SERIAL, cells, op, T1) if tear.row.name == "front"]
    assert [tear.argument for tear in fronts] == [1, size // 2, size - 1]
    for tear in fronts:
        left = torn(cells, op, tear).data[:size].tobytes()
        assert left == old[: tear.argument] + bytes(size - tear.argument)
    (whole,) = [tear for tear in tears_of(SERIAL, cells, op, T1) if tear.row.name == "preprogrammed"]
    assert torn(cells, op, whole).data[:size].tobytes() == bytes(size)


@pytest.mark.parametrize("part", [GRANULES, ZEROS], **BY_NAME)
def test_the_granule_under_a_front_is_uncorrectable_and_the_programmed_ones_are_not(part: Part) -> None:
    unit, programmed = part.program.unit, part.erased ^ 0xFF
    op = Operation("erase", "flash", 0, 128, b"", 0, 1)
    for tear in [t for t in tears_of(part, Cells(part), op, T1) if t.row.name == "front"]:
        device = FlashDevice(part)
        device.load(0, b"\x5a" * 128)
        device.cells.mark_broken(128 - 2 * unit, unit)
        tear.apply(device.cells, op)
        under = device.geometry.align_down(tear.argument, unit)
        for at in range(0, 128, unit):
            if at == under and tear.argument % unit:
                with pytest.raises(EccFault):
                    device.read(at, unit)
            elif at >= tear.argument:
                assert device.read(at, unit) == bytes([programmed]) * unit
            elif at != 128 - 2 * unit:
                assert device.read(at, unit) == b"\x5a" * unit


def test_a_torn_erase_never_leaves_a_prefix_of_erased_bytes() -> None:
    for part in (SERIAL, WORDS):
        cells = Cells(part)
        sector = part.geometry.sector_at(0)
        cells.load(0, b"\x5a" * sector.size)
        op = Operation("erase", "flash", 0, sector.size, b"", 0, 1)
        for tear in tears_of(part, cells, op, T1):
            assert 0xFF not in torn(cells, op, tear).data[: sector.size]


def test_words_under_a_torn_erase_are_used_until_the_next_one() -> None:
    op = Operation("erase", "flash", 0, 64, b"", 0, 1)
    for content in (b"\xff" * 64, b"\x12\x34\x56\x78" * 16):
        device = FlashDevice(TWICE)
        device.load(0, content)
        for tear in list(tears_of(TWICE, device.cells, op, T1)):
            assert (torn(device.cells, op, tear).uses[:64] > 0).all()


# -- STM32F1 ---------------------------------------------------------------------------------------------


BIG_PAGE = msgspec.structs.replace(
    HALFWORDS, name="BIG_PAGE", size=1 << 18, sectors=(Runs(2, 1 << 17),), erase=(Erase(1 << 17, figure(20000)),)
)


def left_after(elapsed_us: int, old: bytes, page: int = 0, start_us: int = 0) -> bytes:
    cells = Cells(BIG_PAGE)
    cells.load(page << 17, old)
    op = Operation("erase", "flash", page << 17, 1 << 17, b"", start_us, start_us + 20000)
    tear_named(f"stopped-us-{elapsed_us}").apply(cells, op)
    assert cells.read((1 - page) << 17, 1 << 17) == b"\xff" * (1 << 17)
    return cells.read(page << 17, 1 << 17)


@pytest.mark.parametrize(("elapsed_us", "share"), [(0, 0.045), (15, 0.0035), (50, 0.0)])
def test_a_stopped_f1_erase_leaves_the_measured_share_of_old_zeros(elapsed_us: int, share: float) -> None:
    left = left_after(elapsed_us, bytes(1 << 17))
    total = 8 << 17
    assert total - bits(left) == pytest.approx(share * total, rel=0.1)
    drawn = np.random.default_rng(1).integers(0, 256, 1 << 17, np.uint8).tobytes()
    mixed = left_after(elapsed_us, drawn)
    assert total - bits(mixed) == pytest.approx(share * (total - bits(drawn)), rel=0.1)
    # Which cells are weak does not depend on the content, and old ones stay ones.
    assert mixed == bytes(a | b for a, b in zip(left, drawn, strict=True))


def test_the_same_cells_are_weak_each_time_and_the_longer_the_fewer() -> None:
    zeros = bytes(1 << 17)
    assert left_after(15, zeros) == left_after(15, zeros, start_us=777)
    weak = [np.frombuffer(left_after(t, zeros), np.uint8) for t in (0, 5, 15, 30, 49, 50, 1000)]
    for shorter, longer in pairwise(weak):
        assert not (shorter & ~longer).any()
    assert (weak[-1] == 0xFF).all()
    assert left_after(0, zeros, page=1) != left_after(0, zeros, page=0)


def test_weak_cells_belong_to_the_address_not_to_the_erase_that_met_them() -> None:
    small, big = Cells(HALFWORDS), Cells(BIG_PAGE)
    small.load(0, bytes(1024))
    big.load(0, bytes(1 << 17))
    tear = tear_named("stopped-us-0")
    for page in (3, 1):
        tear.apply(small, Operation("erase", "flash", page * 64, 64, b"", 0, 1))
    tear.apply(big, Operation("erase", "flash", 0, 1 << 17, b"", 0, 1))
    assert small.read(64, 64) == big.read(64, 64)
    assert small.read(192, 64) == big.read(192, 64)


def test_the_measured_curve_falls_without_steps() -> None:
    shares = [f1_share_left(t / 10) for t in range(600)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == 0.045
    assert f1_share_left(15) == pytest.approx(0.0035)
    assert f1_share_left(14.999) == pytest.approx(0.0035, rel=0.01)
    assert f1_share_left(50) == 0
    assert f1_share_left(49.99) < 1e-5


@given(data=st.data(), seed=st.integers(0, 1 << 32))
@settings(max_examples=80, deadline=None)
def test_no_half_word_of_an_f1_is_ever_half_programmed(data: st.DataObject, seed: int) -> None:
    cells = random_state(HALFWORDS, seed)
    op = data.draw(operations(HALFWORDS, cells, "program"))
    old = cells.read(op.address, op.length)
    new = bytes(a & b for a, b in zip(old, op.data, strict=True))
    for tear in tears_of(HALFWORDS, cells, op, T1):
        left = torn(cells, op, tear).data[op.address : op.address + op.length].tobytes()
        for at in range(0, op.length, 2):
            assert left[at : at + 2] in (old[at : at + 2], new[at : at + 2])


# -- error correction ------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", [GRANULES, ZEROS], **BY_NAME)
def test_a_torn_granule_is_old_or_new_or_uncorrectable(part: Part) -> None:
    device, unit = FlashDevice(part), part.program.unit
    start, old, new = device.snapshot(), bytes([part.erased]) * unit, b"\x5a" * unit
    op = Operation("program", "flash", 32, 4 * unit, new * 4, 0, 1)
    seen: dict[int, set[str]] = {n: set() for n in range(4)}
    for tear in list(tears_of(part, device.cells, op, T1)):
        device.restore(start)
        tear.apply(device.cells, op)
        for n in range(4):
            at = 32 + n * unit
            try:
                left = device.read(at + unit // 2, 1)
            except EccFault as fault:
                assert (fault.address, fault.length) == (at, unit)
                seen[n].add("uncorrectable")
                assert tear.row.name == "ecc-fault"
                assert tear.argument == n * unit
                continue
            assert left in (old[:1], new[:1])
            seen[n].add("new" if left == new[:1] else "old")
    for n in (1, 2):
        assert seen[n] == {"old", "new", "uncorrectable"}
    # Old everywhere and new everywhere are points of the journal, not tears.
    assert seen[0] == {"new", "uncorrectable"}
    assert seen[3] == {"old", "uncorrectable"}


@pytest.mark.parametrize("part", [GRANULES, ZEROS], **BY_NAME)
def test_a_torn_granule_takes_no_program_until_it_is_erased(part: Part) -> None:
    device, unit = FlashDevice(part), part.program.unit
    op = Operation("program", "flash", 0, 2 * unit, b"\x5a" * unit * 2, 0, 1)
    tear_named(f"ecc-fault-{unit}").apply(device.cells, op)
    device.program(unit, b"\x5a" * unit)
    (refused,) = [entry for entry in device.journal.entries if isinstance(entry, Misuse)]
    assert (refused.rule, refused.address) == ("spent-unit", unit)
    with pytest.raises(EccFault):
        device.read(0, 2 * unit)
    assert device.read(0, unit) == b"\x5a" * unit
    device.erase(0, 128)
    assert device.read(0, 128) == bytes([part.erased]) * 128
    device.program(unit, b"\x5a" * unit)
    assert device.read(unit, unit) == b"\x5a" * unit


def test_zeros_over_a_torn_granule_make_it_readable_where_the_part_takes_them() -> None:
    device = FlashDevice(GRANULES)
    op = Operation("program", "flash", 0, 8, b"\x5a" * 8, 0, 1)
    tear_named("ecc-fault-0").apply(device.cells, op)
    device.program(0, bytes(8))
    assert device.read(0, 16) == bytes(8) + b"\xff" * 8


@pytest.mark.parametrize("part", [GRANULES, ZEROS], **BY_NAME)
def test_a_torn_erase_can_leave_a_sector_without_one_valid_granule(part: Part) -> None:
    device, unit = FlashDevice(part), part.program.unit
    device.load(0, b"\x5a" * 384)
    tear_named("erase-ecc-fault-1").apply(device.cells, Operation("erase", "flash", 128, 128, b"", 0, 1))
    for at in range(128, 256, unit):
        with pytest.raises(EccFault, match=rf"granule at {at:#x}$"):
            device.read(at, unit)
    assert device.read(0, 128) + device.read(256, 128) == b"\x5a" * 256
    device.erase(128, 128)
    assert device.read(128, 128) == bytes([part.erased]) * 128


# -- names -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", SMALL_PARTS, **BY_NAME)
def test_every_tear_of_every_kind_is_found_again_by_its_name(part: Part) -> None:
    cells = Cells(part)
    sector = part.geometry.sector_at(0)
    data = b"\x5a" * part.geometry.burst_size
    for op in (
        Operation("program", "flash", 0, len(data), data, 0, 1),
        Operation("erase", "flash", 0, sector.size, b"", 0, 1),
    ):
        tears = list(tears_of(part, cells, op, T1))
        assert len({tear.name for tear in tears}) == len(tears) > 0
        assert [tear_named(tear.name) for tear in tears] == tears


@pytest.mark.parametrize(
    "name", ["", "prefix", "prefix-", "prefix-x", "prefix--1", "prefix-1.5", "prefix-²", "nothing-3", "-1", "front-1 "]
)
def test_an_unknown_name_is_refused_with_the_list_of_rows(name: str) -> None:
    with pytest.raises(FlashError, match=r"rows are prefix, one-bit, .*stopped-us"):
        tear_named(name)


# -- stopped after a time --------------------------------------------------------------------------------


@pytest.mark.parametrize("part", SMALL_PARTS, **BY_NAME)
@given(data=st.data(), seed=st.integers(0, 1 << 32), elapsed=st.integers(0, 100))
@settings(max_examples=25, deadline=None)
def test_the_tear_at_a_time_belongs_to_the_part_and_stays_in_reach(
    part: Part, data: st.DataObject, seed: int, elapsed: int
) -> None:
    cells = random_state(part, seed)
    op = data.draw(operations(part, cells))
    timed = Operation(op.kind, op.device, op.address, op.length, op.data, 1000, 1100)
    tear = tear_at(part, cells, timed, elapsed)
    assert tear.row.name in ROWS_OF_KIND[part.kind, op.kind]
    assert tear_named(tear.name) == tear
    before = Planes.of(cells)
    outside = ~mask(part, (op.address, op.length))
    assert torn(cells, op, tear).cut(outside) == before.cut(outside)
