"""The table of tears: reach, inputs and shape of every row, over random states and operations."""

from __future__ import annotations

from dataclasses import replace
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
from flash.tears import EVERY_TEAR, TEAR_SETS, TEARS, TearSet, tear_at, tear_named, tears_of
from flash.tears.erases import f1_share_left
from tests.flash.planes import Planes, mask_of, operations, random_state, size_of, torn
from tests.flash.small_parts import (
    ANNEXED,
    EVERY_PART,
    GRANULES,
    HALFWORDS,
    PARALLEL,
    ROWS,
    SERIAL,
    TWICE,
    WORDS,
    ZEROS,
    figure,
    mirrored,
)

BY_NAME = {"ids": lambda part: part.name}
T1, T2, T4 = TEAR_SETS["T1"], TEAR_SETS["T2"], TEAR_SETS["T4"]
MONOTONE = {
    "prefix",
    "one-bit",
    "all-but-one-bit",
    "ecc-fault",
    "suffix",
    "granules",
    "half",
    "bit-subset",
    "torn-word",
    "metastable",
    "decaying",
    "hidden-charge",
    "disturb",
    "ecc-corrected",
    "ecc-unstable",
    "ecc-used-blank",
    "front",
    "preprogrammed",
    "front-up",
    "bit-soup",
}
"""Rows that never move a stored bit back towards erased."""
FREE = {
    "rewritten",
    "rewritten-from",
    "rewrite-erased",
    "rewrite-erasing",
    "rewrite-programming",
    "page-erased",
    "page-soup",
    "rewrite-metastable",
    "ecc-miscorrected",
    "erase-ecc-fault",
    "stopped-us",
    "pulse",
    "sectors-up",
    "sectors-down",
    "sectors-front",
    "sectors-pulse",
    "sectors-blank",
    "ff-prefix",
    "erase-metastable",
    "blank-metastable",
    "blank-hidden",
    "blank-stubborn",
    "stuck",
    "over-erase",
    "register-zeros",
    "register-ones",
    "register-soup",
}
UNSTEADY = {"metastable", "decaying", "erase-metastable", "blank-metastable", "ecc-unstable"}
"""Rows after which two reads of one place may differ."""
_CHIP_PROGRAM = "suffix granules half bit-subset metastable decaying hidden-charge disturb"
_ERASE = "front preprogrammed front-up bit-soup pulse"
_WEAK_ERASE = "ff-prefix erase-metastable blank-metastable blank-hidden blank-stubborn stuck"
_ECC_PROGRAM = "prefix ecc-fault ecc-corrected ecc-miscorrected ecc-unstable ecc-used-blank"
ROWS_OF_KIND = {
    key: set(names.split())
    for key, names in {
        ("spi-nor", "program"): f"prefix one-bit all-but-one-bit {_CHIP_PROGRAM}",
        ("parallel-nor", "program"): f"prefix one-bit all-but-one-bit {_CHIP_PROGRAM}",
        ("mcu-word", "program"): "prefix one-bit all-but-one-bit torn-word metastable decaying hidden-charge",
        ("mcu-ecc", "program"): _ECC_PROGRAM,
        ("stm32f1", "program"): "prefix",
        ("spi-nor", "erase"): f"{_ERASE} {_WEAK_ERASE} over-erase",
        ("parallel-nor", "erase"): f"{_ERASE} {_WEAK_ERASE} over-erase",
        ("mcu-word", "erase"): f"{_ERASE} {_WEAK_ERASE}",
        ("mcu-ecc", "erase"): f"{_ERASE} erase-ecc-fault",
        ("stm32f1", "erase"): "stopped-us blank-metastable blank-hidden blank-stubborn",
        ("spi-nor", "write"): "register-zeros register-ones register-soup",
    }.items()
}


def bits(content: bytes | np.ndarray) -> int:
    return int(np.unpackbits(np.frombuffer(bytes(content), np.uint8)).sum())


def xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


# -- promises of every row -------------------------------------------------------------------------------


@pytest.mark.parametrize("part", EVERY_PART, **BY_NAME)
@given(data=st.data(), seed=st.integers(0, 1 << 32))
@settings(max_examples=25, deadline=None)
def test_a_tear_changes_nothing_outside_its_reach(part: Part, data: st.DataObject, seed: int) -> None:
    cells = random_state(part, seed, weak=True)
    op = data.draw(operations(part, cells))
    before, own = Planes.of(cells), mask_of(part, [(op.address, op.length)])
    for tear in list(tears_of(part, cells, op, EVERY_TEAR)):
        reach, left = mask_of(part, tear.row.reach(cells, op)), torn(cells, op, tear)
        assert left.same(before, ~reach) == [], tear.name
        worn = left.wear - before.wear
        counted = {1} if op.kind == "erase" and op.address < part.size else {0}
        assert set(worn[own]) <= (counted | {0} if tear.row.name.startswith("sectors") else counted)
        assert not worn[~own].any()


@pytest.mark.parametrize("part", EVERY_PART, **BY_NAME)
@given(data=st.data(), seed=st.integers(0, 1 << 32), other_seed=st.integers(0, 1 << 32))
@settings(max_examples=25, deadline=None)
def test_what_a_tear_leaves_in_a_granule_depends_on_that_granule_and_on_its_inputs(
    part: Part, data: st.DataObject, seed: int, other_seed: int
) -> None:
    cells = random_state(part, seed, weak=True)
    op = data.draw(operations(part, cells))
    original, elsewhere = Planes.of(cells), Planes.random(part, other_seed, weak=True)
    unit = part.program.unit
    looked_at = np.repeat(np.random.default_rng(other_seed).integers(0, 2, size_of(part) // unit), unit).astype(bool)
    for tear in list(tears_of(part, cells, op, EVERY_TEAR)):
        known = looked_at | mask_of(part, tear.row.inputs(cells, op))
        other = original.where(known, elsewhere).cells(part)
        assert tear.name in {each.name for each in tears_of(part, other, op, EVERY_TEAR)}
        left, also = torn(cells, op, tear), torn(other, op, tear)
        where = known & mask_of(part, tear.row.reach(cells, op))
        assert left.same(also, where) == [], f"{tear.name} depends on more than {tear.row.inputs(cells, op)}"


@pytest.mark.parametrize("part", EVERY_PART, **BY_NAME)
@given(data=st.data(), seed=st.integers(0, 1 << 32))
@settings(max_examples=25, deadline=None)
def test_a_monotone_row_never_moves_a_bit_back_towards_erased(part: Part, data: st.DataObject, seed: int) -> None:
    cells = random_state(part, seed)
    op = data.draw(operations(part, cells))
    before = cells.data ^ part.erased
    for tear in list(tears_of(part, cells, op, EVERY_TEAR)):
        if tear.row.name in MONOTONE:
            after = torn(cells, op, tear).data ^ part.erased
            assert not (before & ~after).any(), tear.name


def test_each_row_is_said_to_be_monotone_or_free() -> None:
    assert {row.name for row in TEARS} == MONOTONE | FREE
    assert not MONOTONE & FREE


@pytest.mark.parametrize("part", EVERY_PART, **BY_NAME)
@given(data=st.data(), seed=st.integers(0, 1 << 32))
@settings(max_examples=25, deadline=None)
def test_a_torn_program_leaves_every_bit_of_its_range_old_or_new(part: Part, data: st.DataObject, seed: int) -> None:
    cells = random_state(part, seed)
    op = data.draw(operations(part, cells, "program"))
    there = slice(op.address, op.address + op.length)
    old = cells.data[there].copy()
    done = Cells(part)
    done.restore(cells.snapshot())
    done.program(op.address, op.data)
    for tear in list(tears_of(part, cells, op, EVERY_TEAR)):
        left = torn(cells, op, tear).data[there]
        wrong = (left ^ old) & (left ^ done.data[there])
        assert bits(wrong) <= (tear.row.name == "ecc-miscorrected"), tear.name


@pytest.mark.parametrize("part", [SERIAL, WORDS, TWICE, GRANULES, HALFWORDS, PARALLEL, ROWS, ANNEXED], **BY_NAME)
@given(data=st.data(), seed=st.integers(0, 1 << 32))
@settings(max_examples=25, deadline=None)
def test_a_part_that_erases_to_the_other_value_is_the_exact_mirror(part: Part, data: st.DataObject, seed: int) -> None:
    """Registers aside: they hold plain values, and a torn row of them reads all ones or all zeros on any part."""
    cells = random_state(part, seed, weak=True)
    op = data.draw(operations(part, cells).filter(lambda op: op.kind != "write"))
    flipped_part = mirrored(part)
    flipped = Planes.of(cells).mirrored().cells(flipped_part)
    flipped_op = Operation(op.kind, op.device, op.address, op.length, bytes(~b & 0xFF for b in op.data), 0, 1)
    tears = list(tears_of(part, cells, op, EVERY_TEAR))
    names = [tear.name for tear in tears_of(flipped_part, flipped, flipped_op, EVERY_TEAR)]
    assert names == [tear.name for tear in tears]
    for tear in tears:
        left, other = torn(cells, op, tear), torn(flipped, flipped_op, tear)
        assert left.mirrored().same(other, np.ones(cells.size, bool)) == [], tear.name


@pytest.mark.parametrize("part", EVERY_PART, **BY_NAME)
@given(data=st.data(), seed=st.integers(0, 1 << 32))
@settings(max_examples=15, deadline=None)
def test_the_same_tear_of_the_same_state_leaves_the_same_state(part: Part, data: st.DataObject, seed: int) -> None:
    cells = random_state(part, seed, weak=True)
    op = data.draw(operations(part, cells))
    again = Planes.of(cells).cells(part)
    start, elsewhere = cells.snapshot(), again.snapshot()
    for tear in list(tears_of(part, cells, op, EVERY_TEAR)):
        keys = set()
        for device, before in ((cells, start), (again, elsewhere), (cells, start)):
            device.restore(before)
            tear_named(tear.name).apply(device, op)
            keys.add(device.snapshot().key)
        assert len(keys) == 1, tear.name


BUDGETED = msgspec.structs.replace(TWICE, name="BUDGETED", kind="parallel-nor")
"""A chip whose words take two programs between erases; no bundled one says so."""


@pytest.mark.parametrize("part", [TWICE, ROWS, GRANULES, ZEROS, BUDGETED], **BY_NAME)
@given(data=st.data(), seed=st.integers(0, 1 << 32))
@settings(max_examples=25, deadline=None)
def test_a_unit_that_a_torn_program_changed_has_been_programmed_once_more(
    part: Part, data: st.DataObject, seed: int
) -> None:
    cells = random_state(part, seed)
    op = data.draw(operations(part, cells, "program"))
    before, there = Planes.of(cells), mask_of(part, [(op.address, op.length)])
    for tear in list(tears_of(part, cells, op, EVERY_TEAR)):
        left = torn(cells, op, tear)
        more = left.uses - before.uses
        assert set(more[there]) <= {0, 1}
        assert not more[~there].any()
        assert (more[there & (left.data != before.data)] == 1).all(), tear.name


# -- the shape of each row -------------------------------------------------------------------------------


def ordinary_operations(part: Part) -> list[Operation]:
    """A full program of bits that all have to move, an erase, and where there are registers a write of them."""
    length, sector = part.geometry.burst_size, part.geometry.sector_at(0)
    moving = bytes([~part.erased & 0xFF]) * length
    found = [
        Operation("program", "flash", 0, length, moving, 0, 1),
        Operation("erase", "flash", 0, sector.size, b"", 0, 1),
    ]
    return [*found, Operation("write", "flash", part.size, 3, b"abc", 0, 1)] if part.serial is not None else found


@pytest.mark.parametrize("part", EVERY_PART, **BY_NAME)
def test_each_kind_of_part_has_its_rows(part: Part) -> None:
    cells = Cells(part)
    for op in ordinary_operations(part):
        names = {tear.row.name for tear in tears_of(part, cells, op, EVERY_TEAR)}
        # A program of one unit has no prefix that is not a point of the journal.
        assert names == ROWS_OF_KIND[part.kind, op.kind] - ({"prefix"} if op.length == part.program.unit else set())
        assert list(tears_of(part, cells, op, TEAR_SETS["none"])) == []


@pytest.mark.parametrize("part", EVERY_PART, **BY_NAME)
@given(data=st.data(), seed=st.integers(0, 1 << 32))
@settings(max_examples=15, deadline=None)
def test_a_coarse_set_is_a_part_of_the_fine_one_with_the_same_rows(part: Part, data: st.DataObject, seed: int) -> None:
    cells = random_state(part, seed)
    op = data.draw(operations(part, cells).filter(lambda op: op.length > 1))
    for tiers in ((1,), (1, 2), (0, 1, 2, 3, 4)):
        fine = list(tears_of(part, cells, op, TearSet("fine", tiers, True, "")))
        coarse = list(tears_of(part, cells, op, TearSet("coarse", tiers, False, "")))
        assert {tear.name for tear in coarse} <= {tear.name for tear in fine}
        assert {tear.row.name for tear in coarse} == {tear.row.name for tear in fine}
        assert {tear.row.tier for tear in fine} <= set(tiers)
        assert len(coarse) <= len(fine)


def test_the_coarse_set_of_a_program_of_one_byte_is_a_part_of_the_fine_one() -> None:
    op = Operation("program", "flash", 0, 1, b"\x00", 0, 1)
    fine, coarse = (
        {tear.name for tear in tears_of(SERIAL, Cells(SERIAL), op, TearSet("", (1, 2, 3), every_byte, ""))}
        for every_byte in (True, False)
    )
    assert coarse <= fine, f"{coarse - fine} is in the coarse set alone"


def test_every_row_names_its_physics_and_its_source() -> None:
    assert len({row.name for row in TEARS}) == len(TEARS)
    for row in TEARS:
        assert row.tier in range(5)
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
        with pytest.raises(EccFault, match=rf"granule at {at:#x} \(nmi\)$"):
            device.read(at, unit)
    assert device.read(0, 128) + device.read(256, 128) == b"\x5a" * 256
    device.erase(128, 128)
    assert device.read(128, 128) == bytes([part.erased]) * 128


# -- names -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", EVERY_PART, **BY_NAME)
@pytest.mark.parametrize("seed", [0, 1, 1 << 40])
def test_every_tear_of_every_kind_is_found_again_by_its_name(part: Part, seed: int) -> None:
    cells = Cells(part)
    for op in ordinary_operations(part):
        tears = list(tears_of(part, cells, op, replace(EVERY_TEAR, seed=seed)))
        assert len({tear.name for tear in tears}) == len(tears) > 0
        assert [tear_named(tear.name) for tear in tears] == tears


@pytest.mark.parametrize(
    "name", ["", "prefix", "prefix-", "prefix-x", "prefix--1", "prefix-1.5", "prefix-²", "nothing-3", "-1", "front-1 "]
)
def test_an_unknown_name_is_refused_with_the_list_of_rows(name: str) -> None:
    with pytest.raises(FlashError, match=r"rows are prefix, one-bit, .*stopped-us"):
        tear_named(name)


# -- stopped after a time --------------------------------------------------------------------------------


@pytest.mark.parametrize("part", EVERY_PART, **BY_NAME)
@given(data=st.data(), seed=st.integers(0, 1 << 32), elapsed=st.integers(0, 200))
@settings(max_examples=25, deadline=None)
def test_the_tear_at_a_time_belongs_to_the_part_and_stays_in_reach(
    part: Part, data: st.DataObject, seed: int, elapsed: int
) -> None:
    cells = random_state(part, seed, weak=True)
    op = data.draw(operations(part, cells))
    timed = Operation(op.kind, op.device, op.address, op.length, op.data, 1000, 1100)
    tear = tear_at(part, cells, timed, elapsed)
    assert tear.row.name in ROWS_OF_KIND[part.kind, op.kind] | {"sectors-up"}
    assert (tear.row.name == "sectors-up") == (op.length == part.size)
    assert tear_named(tear.name) == tear
    before = Planes.of(cells)
    outside = ~mask_of(part, tear.row.reach(cells, op))
    assert torn(cells, op, tear).same(before, outside) == []


@pytest.mark.parametrize(
    ("kind", "address", "length", "names"),
    [
        ("program", 0, 16, ["prefix-0", "prefix-4", "prefix-8", "prefix-15", "prefix-16", "prefix-16"]),
        ("erase", 0, 64, ["front-64", "front-32", "preprogrammed-1", "preprogrammed-1"]),
        ("erase", 4096, 32, ["front-32", "front-16", "preprogrammed-1", "preprogrammed-1"]),
        ("erase", 0, 4096, ["sectors-up-0", "sectors-up-16", "sectors-up-32", "sectors-up-63"]),
        ("write", 4096, 3, ["register-ones-1"] * 4),
    ],
)
def test_the_tear_at_a_time_follows_the_progress(kind: str, address: int, length: int, names: list[str]) -> None:
    shares = [0, 25, 50, 99, 100, 150] if len(names) == 6 else [0, 25, 50, 99]
    data = b"" if kind == "erase" else bytes(length)
    op = Operation(kind, "flash", address, length, data, 1000, 1100)  # type: ignore[arg-type]
    assert [tear_at(ANNEXED, Cells(ANNEXED), op, share).name for share in shares] == names
