"""What a read returns where error correction has something to say: faults, flags, repaired and unstable granules."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flash.cells import ECC_CORRECTED, ECC_FAULT, ECC_UNSTABLE
from flash.contract import ElapsedTime
from flash.device import FlashDevice
from flash.errors import EccFault
from flash.journal import Journal
from flash.part import Part, bundled_part
from flash.peek import read_snapshot
from flash.sensing import EccStatus
from flash.weak import METASTABLE, RESOLUTIONS
from tests.flash.planes import Planes, random_state
from tests.flash.small_parts import ANNEXED, BUS_FAULTS, EVERY_PART, FLAGS, GRANULES, SERIAL, ZEROS

BY_NAME = {"ids": lambda part: part.name}
UNIT = GRANULES.program.unit


def granules(part: Part, *codes: int, **options: object) -> FlashDevice:
    """Granules 0, 1 ... hold 5A and are in these states; 0: sound."""
    device = FlashDevice(part, **options)  # type: ignore[arg-type]
    device.load(0, b"\x5a" * UNIT * len(codes))
    for number, code in enumerate(codes):
        if code:
            device.cells.mark_broken(number * UNIT, UNIT, code)
    return device


def said(device: FlashDevice, address: int, length: int, *, by_view: bool = False) -> bytes | EccFault:
    try:
        return bytes(device.view(address, length)) if by_view else device.read(address, length)
    except EccFault as fault:
        return fault


@pytest.mark.parametrize(("part", "signal"), [(GRANULES, "nmi"), (BUS_FAULTS, "bus-fault")])
def test_an_uncorrectable_granule_is_signalled_as_the_part_does(part: Part, signal: str) -> None:
    device = granules(part, 0, ECC_FAULT, 0, ECC_FAULT)
    for access in (device.read, device.view):
        with pytest.raises(EccFault, match=rf"8-byte granule at 0x8 \({signal}\)$") as fault:
            access(4, 24)
        assert (fault.value.address, fault.value.length, fault.value.signal) == (8, 8, signal)
    assert device.sensing.status == EccStatus(corrected_address=-1, uncorrectable_address=8)
    assert device.read(16, 8) == b"\x5a" * 8
    assert device.read(0, 8) == b"\x5a" * 8


@pytest.mark.parametrize("name", ["STM32L476", "STM32H743", "MK64F12", "SAMD51"])
def test_bundled_parts_signal_as_their_files_say(name: str) -> None:
    part = bundled_part(name)
    assert part.ecc is not None
    device = FlashDevice(part)
    device.cells.mark_broken(0, part.program.unit)
    found = said(device, 0, 1)
    if part.ecc.fault == "flag":
        assert isinstance(found, bytes)
    else:
        assert isinstance(found, EccFault)
        assert found.signal == part.ecc.fault
    assert device.sensing.status.uncorrectable_address == 0


def test_the_bench_names_the_same_signal_as_the_part() -> None:
    device = granules(BUS_FAULTS, ECC_FAULT)
    with pytest.raises(EccFault) as fault:
        read_snapshot(BUS_FAULTS, device.snapshot(), 0, 8)
    assert fault.value.signal == "bus-fault"


def test_a_part_that_flags_lets_wrong_bits_through_and_goes_on() -> None:
    device = granules(FLAGS, 0, ECC_FAULT, 0, ECC_FAULT)
    content = device.read(0, 32)
    assert content[:8] == content[16:24] == b"\x5a" * 8
    assert content[8:16] != b"\x5a" * 8
    assert content[24:] != b"\x5a" * 8
    assert content[8:16] != content[24:]
    assert device.sensing.status == EccStatus(uncorrectable_address=8)
    for address in range(32):
        for length in range(33 - address):
            assert device.read(address, length) == content[address : address + length]
            assert device.view(address, length) == content[address : address + length]
    assert FlashDevice(FLAGS, read_seed=1).cells.read(0, 1) == b"\xff"
    assert granules(FLAGS, ECC_FAULT, read_seed=1).read(0, 8) != granules(FLAGS, ECC_FAULT, read_seed=2).read(0, 8)


def test_a_corrected_granule_reads_right_and_is_flagged_with_its_first_address() -> None:
    for part in (GRANULES, BUS_FAULTS, FLAGS):
        device = granules(part, 0, 0, ECC_CORRECTED, ECC_CORRECTED)
        assert device.read(0, 16) == b"\x5a" * 16
        assert device.sensing.status == EccStatus()
        assert device.read(28, 4) == b"\x5a" * 4
        assert device.sensing.status == EccStatus(corrected_address=24)
        assert device.read(0, 32) == b"\x5a" * 32
        assert device.sensing.status == EccStatus(corrected_address=24)
        device.attach(ElapsedTime(), Journal(), None)
        assert device.sensing.status == EccStatus()
        device.view(0, 32)
        assert device.sensing.status == EccStatus(corrected_address=16)


def test_what_was_corrected_before_the_fault_is_flagged_too() -> None:
    device = granules(GRANULES, ECC_CORRECTED, ECC_FAULT, ECC_CORRECTED)
    assert isinstance(said(device, 0, 24), EccFault)
    assert device.sensing.status == EccStatus(0, 8)


@pytest.mark.parametrize("part", [GRANULES, BUS_FAULTS, FLAGS], **BY_NAME)
def test_an_unstable_granule_is_corrected_on_some_reads_and_a_fault_on_others(part: Part) -> None:
    device = granules(part, ECC_UNSTABLE)
    sessions = []
    for _ in range(3):
        device.attach(ElapsedTime(), Journal(), None)
        sessions.append([said(device, 0, 8) == b"\x5a" * 8 for _ in range(40)])
    assert sessions[0] == sessions[1] == sessions[2]
    assert 8 < sum(sessions[0]) < 32
    others = [said(device, 0, 8) == b"\x5a" * 8 for device in [granules(part, ECC_UNSTABLE, read_seed=9)] * 40]
    assert others != sessions[0]


def test_each_unstable_granule_of_one_read_is_drawn_on_its_own() -> None:
    device = granules(FLAGS, *[ECC_UNSTABLE] * 16)
    outcomes = set()
    for _ in range(6):
        content = device.read(0, 128)
        outcomes.add(tuple(content[at : at + 8] == b"\x5a" * 8 for at in range(0, 128, 8)))
    assert len(outcomes) == 6
    assert all(4 < sum(outcome) < 13 for outcome in outcomes)


def test_a_granule_that_was_torn_is_sound_after_its_erase() -> None:
    for code in (ECC_FAULT, ECC_CORRECTED, ECC_UNSTABLE):
        device = granules(GRANULES, code)
        device.erase(0, 128)
        assert {device.read(0, 8) for _ in range(8)} == {b"\xff" * 8}
        assert device.sensing.status == EccStatus()


@pytest.mark.parametrize("part", [GRANULES, ZEROS], **BY_NAME)
def test_only_what_cannot_be_relied_on_counts_as_broken(part: Part) -> None:
    device, unit = FlashDevice(part), part.program.unit
    for number, code in enumerate((ECC_CORRECTED, 0, ECC_UNSTABLE, ECC_FAULT)):
        device.cells.mark_broken(number * unit, unit, code)
    assert device.cells.first_broken(0, 2 * unit) is None
    assert device.cells.first_broken(0, 4 * unit) == 2 * unit
    assert device.cells.first_broken(3 * unit + 1, 1) == 3 * unit
    assert device.cells.ecc_states(unit - 1, 2 * unit + 1) == [(0, ECC_CORRECTED), (2 * unit, ECC_UNSTABLE)]
    assert device.cells.ecc_states(unit, unit) == device.cells.ecc_states(unit - 1, 0) == []


# -- read, view and sense --------------------------------------------------------------------------------


@pytest.mark.parametrize("part", EVERY_PART, **BY_NAME)
@given(
    seed=st.integers(0, 1 << 32), places=st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 90)), max_size=8)
)
@settings(max_examples=25, deadline=None)
def test_a_view_shows_what_a_read_returns(part: Part, seed: int, places: list[tuple[int, int]]) -> None:
    reader, viewer = (FlashDevice(part, resolution=RESOLUTIONS["seeded"]) for _ in range(2))
    for device in (reader, viewer):
        device.restore(random_state(part, seed, weak=True).snapshot())
    for place, length in places:
        address = place % part.size
        left = said(reader, address, min(length, part.size - address))
        right = said(viewer, address, min(length, part.size - address), by_view=True)
        assert str(left) == str(right)
        assert reader.sensing.status == viewer.sensing.status
    assert reader.clock.now_us == viewer.clock.now_us
    assert reader.statistics == viewer.statistics


@given(seed=st.integers(0, 1 << 32), address=st.integers(0, ANNEXED.size - 1), length=st.integers(1, 200))
@settings(max_examples=60, deadline=None)
def test_what_the_serial_front_senses_is_what_a_read_would_return(seed: int, address: int, length: int) -> None:
    front, reader = (FlashDevice(ANNEXED) for _ in range(2))
    length = min(length, ANNEXED.size - address)
    for device in (front, reader):
        device.restore(random_state(ANNEXED, seed, weak=True).snapshot())
    for _ in range(3):
        assert front.sense(address, length) == reader.read(address, length)
    assert front.clock.now_us == 0


def test_the_annex_is_sensed_and_never_read() -> None:
    device = FlashDevice(ANNEXED)
    device.cells.put_bytes(ANNEXED.size, b"\x12\x34")
    assert device.sense(ANNEXED.size - 1, 4) == b"\xff\x12\x34\xff"
    with pytest.raises(Exception, match="outside the ANNEXED"):
        device.read(ANNEXED.size - 1, 4)


def test_reading_sound_cells_counts_nothing_and_changes_nothing() -> None:
    device = FlashDevice(SERIAL, resolution=RESOLUTIONS["new-then-old"])
    device.cells.mark_weak(64, np.full(1, 1, np.uint8), METASTABLE)
    before, state = Planes.of(device.cells), device.snapshot()
    device.read(0, 64)
    device.view(65, 100)
    assert device.read(64, 1) == b"\xff"
    assert device.read(64, 1) == b"\xfe"
    assert device.snapshot() is state
    assert Planes.of(device.cells).same(before, np.ones(device.cells.size, bool)) == []


def test_a_read_that_faults_takes_no_time_and_one_that_is_flagged_takes_its_time() -> None:
    device = granules(GRANULES, ECC_FAULT)
    assert isinstance(said(device, 0, 8), EccFault)
    assert device.clock.now_us == 0
    flagged = granules(msgspec.structs.replace(FLAGS, name="slow"), ECC_FAULT)
    flagged.read(0, 8)
    assert flagged.clock.now_us == 1
