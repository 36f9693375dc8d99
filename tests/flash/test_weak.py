"""Weak bits: what each temper shows and takes, what ends it, and that snapshots and sessions keep it exactly."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flash.cells import ECC_CORRECTED, ECC_FAULT, ECC_UNSTABLE, Cells
from flash.contract import ElapsedTime
from flash.device import FlashDevice
from flash.errors import EccFault, UnsteadyRead
from flash.journal import Journal, Misuse, Operation
from flash.part import Part
from flash.peek import read_snapshot
from flash.tears import TEAR_SETS, tear_named, tears_of
from flash.weak import (
    DECAY_READS,
    DECAYING,
    HIDDEN,
    LIFTED_ABOVE,
    LIFTED_BELOW,
    METASTABLE,
    RESOLUTIONS,
    STUBBORN,
    WeakPlane,
)
from tests.flash.planes import Planes, random_state
from tests.flash.small_parts import ANNEXED, EVERY_PART, GRANULES, SERIAL, WORDS, mirrored

BY_NAME = {"ids": lambda part: part.name}
BOTH = pytest.mark.parametrize("part", [SERIAL, WORDS, mirrored(SERIAL)], **BY_NAME)
TEMPERS = {"METASTABLE": METASTABLE, "DECAYING": DECAYING, "HIDDEN": HIDDEN, "STUBBORN": STUBBORN,
           "LIFTED_BELOW": LIFTED_BELOW, "LIFTED_ABOVE": LIFTED_ABOVE}  # fmt: skip
MASK = 0x3C


def bits(length: int, mask: int = MASK) -> np.ndarray:
    return np.full(length, mask, np.uint8)


def weak_device(part: Part, temper: int, *, programmed: bool, length: int = 64, **options: object) -> FlashDevice:
    """Sector 1 holds weak bits; all of it is programmed, or blank."""
    device = FlashDevice(part, **options)  # type: ignore[arg-type]
    if programmed:
        device.load(64, bytes([part.erased ^ 0xFF]) * 64)
    device.cells.mark_weak(64, bits(length), temper)
    return device


def seen(device: FlashDevice, address: int = 64, length: int = 1) -> bytes:
    """A read, as a part that erases to FF would show it."""
    content = device.read(address, length)
    return content if device.part.erased else bytes(~b & 0xFF for b in content)


def put(device: FlashDevice, address: int, data: bytes) -> None:
    """A program, in the values of a part that erases to FF."""
    device.program(address, data if device.part.erased else bytes(~b & 0xFF for b in data))


def new_session(device: FlashDevice) -> None:
    device.attach(ElapsedTime(), Journal(), None)


# -- metastable ------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("as-new", [0x00] * 6), ("as-old", [MASK] * 6), ("new-then-old", [0x00] + [MASK] * 5),
        ("old-then-new", [MASK] + [0x00] * 5), ("alternating", [0x00, MASK] * 3),
    ],
)  # fmt: skip
def test_a_metastable_bit_reads_as_the_resolution_says(part: Part, name: str, shown: list[int]) -> None:
    device = weak_device(part, METASTABLE, programmed=True, resolution=RESOLUTIONS[name])
    assert [seen(device)[0] for _ in range(6)] == shown
    new_session(device)
    assert [seen(device)[0] for _ in range(6)] == shown


def test_resolutions_that_draw_draw_per_read_or_once_and_per_seed() -> None:
    shown: dict[tuple[str, int], list[bytes]] = {}
    for name in ("seeded", "drawn-once"):
        for seed in (0, 1):
            device = weak_device(SERIAL, METASTABLE, programmed=True, resolution=RESOLUTIONS[name], read_seed=seed)
            shown[name, seed] = [device.read(64, 64) for _ in range(5)]
            assert all(value & ~MASK == 0 for read in shown[name, seed] for value in read)
            new_session(device)
            assert [device.read(64, 64) for _ in range(5)] == shown[name, seed]
        assert not set(shown[name, 0]) & set(shown[name, 1])
    assert len(set(shown["seeded", 0])) == 5
    assert len(set(shown["drawn-once", 0])) == 1
    for name in ("seeded", "drawn-once"):
        ones = int(np.unpackbits(np.frombuffer(b"".join(shown[name, 0]), np.uint8)).sum())
        assert ones == pytest.approx(5 * 64 * 2, rel=0.2)


def test_every_resolution_is_held_against_its_sentence() -> None:
    held = {"as-new", "as-old", "new-then-old", "old-then-new", "alternating", "seeded", "drawn-once"}
    assert {row.name for row in RESOLUTIONS.values()} == set(RESOLUTIONS) == held
    assert len({row.help for row in RESOLUTIONS.values()}) == len(held)


def test_reads_are_counted_byte_by_byte_and_only_where_something_is_weak() -> None:
    device = weak_device(SERIAL, METASTABLE, programmed=True, length=2, resolution=RESOLUTIONS["new-then-old"])
    assert device.read(64, 1) == b"\x00"
    assert device.read(64, 2) == bytes([MASK, 0])
    assert device.read(66, 8) == bytes(8)
    assert device.read(60, 8) == b"\xff" * 4 + bytes([MASK, MASK]) + bytes(2)
    assert device.view(64, 2) == bytes([MASK, MASK])


# -- decaying --------------------------------------------------------------------------------------------


@BOTH
def test_a_decaying_bit_reads_right_a_few_times_in_each_session_and_then_erased(part: Part) -> None:
    device = weak_device(part, DECAYING, programmed=True)
    lives = []
    for _ in range(2):
        new_session(device)
        reads = [seen(device, 64, 64) for _ in range(DECAY_READS + 2)]
        for earlier, later in pairwise(reads):
            assert all(a in (0, b) for a, b in zip(earlier, later, strict=True))
        assert reads[0] == bytes(64)
        assert reads[DECAY_READS] == reads[-1] == bytes([MASK]) * 64
        lives.append([sum(read[at] == 0 for read in reads) for at in range(64)])
    assert lives[0] == lives[1]
    assert set(lives[0]) == set(range(1, DECAY_READS + 1))


# -- hidden ----------------------------------------------------------------------------------------------


@BOTH
def test_hidden_charge_reads_blank_and_comes_with_the_next_program_of_the_byte(part: Part) -> None:
    device, unit = weak_device(part, HIDDEN, programmed=False), part.program.unit
    for _ in range(10):
        assert seen(device, 64, 64) == b"\xff" * 64
    put(device, 64, b"\xfe" * unit)
    assert seen(device, 64, 2 * unit) == bytes([0xFE & ~MASK]) * unit + b"\xff" * unit
    assert not device.cells.is_weak(64, unit)
    assert device.cells.is_weak(64 + unit, unit)
    put(device, 64 + unit, b"\xff" * unit)
    assert seen(device, 64 + unit, unit) == bytes([0xFF & ~MASK]) * unit


# -- stubborn --------------------------------------------------------------------------------------------


@BOTH
def test_a_stubborn_bit_takes_no_program_until_its_sector_is_erased(part: Part) -> None:
    device, unit = weak_device(part, STUBBORN, programmed=False), part.program.unit
    for _ in range(3):
        put(device, 64, bytes(unit))
        assert seen(device, 64, 2 * unit) == bytes([MASK]) * unit + b"\xff" * unit
    device.erase(64, 64)
    put(device, 64, bytes(unit))
    assert seen(device, 64, unit) == bytes(unit)


@BOTH
def test_a_stuck_sector_takes_nothing_at_all_and_everything_after_its_erase(part: Part) -> None:
    device, unit = FlashDevice(part), part.program.unit
    tear_named("stuck-1").apply(device.cells, Operation("erase", "flash", 64, 64, b"", 0, 1))
    put(device, 64, bytes(unit))
    put(device, 128 - unit, bytes(unit))
    assert seen(device, 64, 64) == b"\xff" * 64
    device.erase(64, 64)
    put(device, 64, bytes(unit))
    assert seen(device, 64, unit) == bytes(unit)


@pytest.mark.parametrize("temper", [STUBBORN, HIDDEN])
def test_what_weak_cells_do_to_a_legal_program_is_no_misuse_of_the_firmware(temper: int) -> None:
    """The firmware programmed a place that reads blank: nothing to record, and nothing for strict to stop at."""
    device = FlashDevice(SERIAL, strict=True)
    device.cells.mark_weak(64, bits(8), temper)
    device.program(64, b"\xf1" * 8)
    assert [entry for entry in device.journal.entries if isinstance(entry, Misuse)] == []


# -- lifted ----------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(("temper", "cause", "other"), [(LIFTED_BELOW, 0, 128), (LIFTED_ABOVE, 128, 0)])
def test_a_lifted_bit_reads_erased_until_the_sector_that_leaks_is_erased_again(
    part: Part, temper: int, cause: int, other: int
) -> None:
    device = weak_device(part, temper, programmed=True)
    for _ in range(10):
        assert seen(device, 64, 64) == bytes([MASK]) * 64
    device.erase(other, 64)
    device.erase(192, 64)
    put(device, 64, bytes(part.program.unit))
    assert seen(device, 64, 64) == bytes([MASK]) * 64
    device.erase(cause, 64)
    assert seen(device, 64, 64) == bytes(64)
    assert not device.cells.is_weak(0, part.size)


@pytest.mark.parametrize(("temper", "leaking"), [(LIFTED_BELOW, 768), (LIFTED_ABOVE, 1024 + 256)])
def test_an_erase_of_a_block_stops_the_leaks_of_its_outermost_sectors(temper: int, leaking: int) -> None:
    device = FlashDevice(SERIAL)
    device.load(1024, bytes(256))
    device.cells.mark_weak(1024, bits(256), temper)
    device.erase(leaking, 256)
    weak = device.cells.weak
    assert weak is not None
    beside = slice(1024, 1088) if temper == LIFTED_BELOW else slice(1216, 1280)
    assert not weak.mask[beside].any()
    assert int((weak.mask[1024:1280] > 0).sum()) == 192


# -- what ends weakness, and what does not ---------------------------------------------------------------

ENDINGS: dict[str, Callable[[FlashDevice], object]] = {
    "erase": lambda device: device.erase(64, 64),
    "load": lambda device: device.load(64, bytes(64)),
    "put": lambda device: device.cells.put(64, 64, 0),
    "put_bytes": lambda device: device.cells.put_bytes(64, bytes(64)),
}


@pytest.mark.parametrize(("ending", "temper"), [(e, t) for e in ENDINGS for t in TEMPERS])
def test_what_replaces_the_content_of_a_cell_ends_its_weakness(ending: str, temper: str) -> None:
    device = weak_device(SERIAL, TEMPERS[temper], programmed=True)
    device.cells.mark_weak(128, bits(1), METASTABLE)
    ENDINGS[ending](device)
    assert not device.cells.is_weak(64, 64)
    assert device.cells.is_weak(128, 1)
    expected = b"\xff" * 64 if ending == "erase" else bytes(64)
    assert {device.read(64, 64) for _ in range(8)} == {expected}


@BOTH
@pytest.mark.parametrize("temper", ["METASTABLE", "DECAYING", "STUBBORN", "LIFTED_BELOW", "LIFTED_ABOVE"])
def test_programming_over_a_weak_bit_mends_nothing(part: Part, temper: str) -> None:
    device = weak_device(part, TEMPERS[temper], programmed=temper != "STUBBORN")
    before = Planes.of(device.cells)
    for data in (bytes(part.program.unit), b"\xff" * part.program.unit):
        put(device, 64, data)
        after = Planes.of(device.cells)
        assert np.array_equal(after.mask, before.mask)
        assert np.array_equal(after.temper, before.temper)


TORN_PROGRAMS = [
    "prefix-8",
    "one-bit-1",
    "all-but-one-bit-1",
    "suffix-1",
    "granules-0",
    "granules-1",
    "half-1",
    "bit-subset-0",
    "bit-subset-1",
    "metastable-0",
    "decaying-1",
    "hidden-charge-0",
    "disturb-0",
]


@pytest.mark.parametrize("name", TORN_PROGRAMS)
def test_a_torn_program_over_weak_bits_mends_nothing_either(name: str) -> None:
    device = weak_device(SERIAL, DECAYING, programmed=True)
    device.load(64, b"\x7e" * 16)
    device.cells.mark_weak(64, bits(16, 0x01), STUBBORN)
    device.cells.mark_weak(80, bits(48), STUBBORN)
    assert device.cells.weak is not None
    weak = device.cells.weak.mask.copy()
    tear_named(name).apply(device.cells, Operation("program", "flash", 64, 16, bytes(16), 0, 1))
    assert not (weak & ~device.cells.weak.mask).any(), "a torn program made weak cells sound"


def test_a_torn_word_over_weak_bits_mends_nothing_either() -> None:
    device = FlashDevice(WORDS)
    device.cells.mark_weak(0, bits(32), STUBBORN)
    for argument in range(16):
        tear_named(f"torn-word-{argument}").apply(device.cells, Operation("program", "flash", 0, 32, bytes(32), 0, 1))
        assert device.cells.weak is not None
        assert (device.cells.weak.mask[:32] == MASK).all()
        assert (device.cells.data[:32] & MASK == MASK).all()


def test_bits_marked_later_with_the_same_temper_join_those_marked_before() -> None:
    device = FlashDevice(SERIAL, resolution=RESOLUTIONS["as-old"])
    device.load(64, bytes(64))
    device.cells.mark_weak(64, bits(2, 0x01), METASTABLE)
    device.cells.mark_weak(64, bits(2, 0x80), METASTABLE)
    assert device.read(64, 2) == b"\x81\x81"


# -- state -----------------------------------------------------------------------------------------------


def shown(device: FlashDevice, reads: int = 3) -> list[bytes]:
    """What several sessions read: bytes, or the fault."""
    found = []
    for _ in range(2):
        new_session(device)
        for _ in range(reads):
            for at in range(0, device.geometry.size, 64):
                try:
                    found.append(device.read(at, 64))
                except EccFault as fault:
                    found.append(str(fault).encode())
    return found


@pytest.mark.parametrize("part", EVERY_PART, **BY_NAME)
@given(seed=st.integers(0, 1 << 32), other=st.integers(0, 1 << 32), name=st.sampled_from(sorted(RESOLUTIONS)))
@settings(max_examples=10, deadline=None)
def test_a_snapshot_keeps_every_weak_bit_and_so_every_read(part: Part, seed: int, other: int, name: str) -> None:
    device = FlashDevice(part, resolution=RESOLUTIONS[name], read_seed=seed % 3)
    blank, expected_blank = device.snapshot(), Planes.of(device.cells)
    device.restore(random_state(part, seed, weak=True).snapshot())
    expected, planes, state = shown(device), Planes.of(device.cells), device.snapshot()
    everywhere = np.ones(device.cells.size, bool)
    device.restore(random_state(part, other, weak=True).snapshot())
    device.restore(state)
    assert Planes.of(device.cells).same(planes, everywhere) == []
    assert shown(device) == expected
    device.restore(blank)
    assert Planes.of(device.cells).same(expected_blank, everywhere) == []
    fresh = FlashDevice(part, resolution=RESOLUTIONS[name], read_seed=seed % 3)
    fresh.restore(state)
    assert Planes.of(fresh.cells).same(planes, everywhere) == []
    assert shown(fresh) == expected


@pytest.mark.parametrize("part", EVERY_PART, **BY_NAME)
@given(seed=st.integers(0, 1 << 32), data=st.data())
@settings(max_examples=20, deadline=None)
def test_keys_differ_exactly_when_a_plane_does(part: Part, seed: int, data: st.DataObject) -> None:
    one, other = (random_state(part, seed, weak=True) for _ in range(2))
    one.snapshot()
    assert one.snapshot().key == other.snapshot().key
    at = data.draw(st.integers(0, part.size - 1))
    mask, temper = data.draw(st.integers(1, 255)), data.draw(st.sampled_from(sorted(TEMPERS.values())))
    one.mark_weak(at, bits(1, mask), temper)
    everywhere = np.ones(one.size, bool)
    equal = Planes.of(one).same(Planes.of(other), everywhere) == []
    left, right = one.snapshot(), other.snapshot()
    assert (left.key == right.key) == left.same(right) == equal
    other.mark_weak(at, bits(1, mask), temper)
    assert one.snapshot().key == other.snapshot().key


def test_marks_that_have_ended_leave_the_key_of_a_state_that_never_had_any() -> None:
    never = Cells(SERIAL)
    for temper in TEMPERS.values():
        cells = Cells(SERIAL)
        cells.mark_weak(64, bits(64), temper)
        marked = cells.snapshot().key
        cells.erase(64, 64) if temper < LIFTED_BELOW else cells.erase(0, 256)
        assert marked != never.snapshot().key
        assert cells.snapshot().key == never.snapshot().key
    cells = Cells(SERIAL)
    cells.mark_weak(64, bits(64, 0), METASTABLE)
    assert cells.snapshot().key == never.snapshot().key


@pytest.mark.parametrize("part", [SERIAL, WORDS, GRANULES], **BY_NAME)
@given(seed=st.integers(0, 1 << 32))
@settings(max_examples=20, deadline=None)
def test_a_session_reads_the_same_as_the_one_before_it_from_the_same_state(part: Part, seed: int) -> None:
    device = FlashDevice(part)
    device.restore(random_state(part, seed, weak=True).snapshot())
    start, sessions = device.snapshot(), []
    for _ in range(3):
        device.restore(start)
        new_session(device)
        said: list[object] = []
        for step in range(12):
            at = step * 97 % (part.size - 16)
            try:
                said.append(device.read(at, 16))
            except EccFault as fault:
                said.append(fault.address)
            said.append(device.sensing.status.corrected_address)
        sessions.append(said)
    assert sessions[0] == sessions[1] == sessions[2]


# -- the bench looks -------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", EVERY_PART, **BY_NAME)
@given(seed=st.integers(0, 1 << 32), data=st.data())
@settings(max_examples=25, deadline=None)
def test_the_bench_reads_what_is_steady_and_says_what_is_not(part: Part, seed: int, data: st.DataObject) -> None:
    cells = random_state(part, seed, weak=True)
    state, planes = cells.snapshot(), Planes.of(cells)
    address = data.draw(st.integers(0, cells.size - 1))
    length = data.draw(st.integers(1, min(200, cells.size - address)))
    there = slice(address, address + length)
    if np.isin(planes.broken[there], (ECC_FAULT, ECC_UNSTABLE)).any():
        with pytest.raises(EccFault) as fault:
            read_snapshot(part, state, address, length)
        first = address + int(np.flatnonzero(np.isin(planes.broken[there], (ECC_FAULT, ECC_UNSTABLE)))[0])
        assert fault.value.address == first // part.program.unit * part.program.unit
    elif planes.mask[there].any():
        assert cells.is_weak(address, length)
        with pytest.raises(UnsteadyRead, match="holds bits that read differently each time") as unsteady:
            read_snapshot(part, state, address, length)
        assert (unsteady.value.address, unsteady.value.length) == (address, length)
    else:
        assert read_snapshot(part, state, address, length) == cells.data[there].tobytes()


def test_the_bench_meets_no_fault_in_a_read_of_nothing() -> None:
    cells = Cells(GRANULES)
    cells.mark_broken(0, 1024)
    for address in range(20):
        assert read_snapshot(GRANULES, cells.snapshot(), address, 0) == b""


def test_the_bench_takes_a_corrected_granule_for_what_it_reads() -> None:
    cells = Cells(GRANULES)
    cells.program(0, b"\x12" * 8)
    cells.mark_broken(0, 8, ECC_CORRECTED)
    assert read_snapshot(GRANULES, cells.snapshot(), 0, 16) == b"\x12" * 8 + b"\xff" * 8


def test_a_weak_plane_is_made_only_when_something_is_weak() -> None:
    cells = random_state(ANNEXED, 5)
    for op in (Operation("erase", "flash", 0, 64, b"", 0, 1), Operation("program", "flash", 0, 4, bytes(4), 0, 1)):
        for tear in list(tears_of(ANNEXED, cells, op, TEAR_SETS["T2"])):
            tear.apply(cells, op)
    assert cells.weak is None
    cells.mark_weak(0, bits(4), HIDDEN)
    assert isinstance(cells.weak, WeakPlane)
