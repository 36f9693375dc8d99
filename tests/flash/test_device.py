"""FlashDevice: what each command does, what silicon makes of misuse, and what an interruption leaves."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flash.contract import ElapsedTime, NorFlash
from flash.device import FlashDevice
from flash.errors import FlashError, FlashMisuse, Interrupted, OutOfBounds, PowerLost, ResetAsserted
from flash.journal import Entry, Interruption, Journal, Misuse, Operation
from flash.part import Part, Program
from flash.supply import Supply
from flash.tears import TEAR_SETS, TEARS, TearSet, tear_named, tears_of
from flash.weak import RESOLUTIONS
from tests.flash.small_parts import (
    ANNEXED,
    EVERY_PART,
    GRANULES,
    HALFWORDS,
    SERIAL,
    SMALL_PARTS,
    TWICE,
    WORDS,
    TimedReset,
    figure,
    mirrored,
)

PAGE = SERIAL.program.page_size
BY_NAME = {"ids": lambda part: part.name}


def misuses(device: FlashDevice) -> list[Misuse]:
    return [entry for entry in device.journal.entries if isinstance(entry, Misuse)]


def only_misuse(device: FlashDevice) -> Misuse:
    (entry,) = misuses(device)
    assert device.statistics.misuses == 1
    assert entry.message.startswith(f"{device.name} ({device.part.name}): ")
    return entry


def everything(device: FlashDevice) -> bytes:
    return device.cells.read(0, device.geometry.size)


# -- commands, time and the record -----------------------------------------------------------------------


def test_a_device_is_a_nor_flash() -> None:
    assert isinstance(FlashDevice(SERIAL), NorFlash)


def test_each_command_is_one_entry_with_its_times() -> None:
    clock = ElapsedTime()
    device = FlashDevice(SERIAL, name="u1", clock=clock)
    device.program(3, b"\x12\x34")
    device.erase(256, 256)
    first, second = device.journal.entries
    assert first == Operation("program", "u1", 3, 2, b"\x12\x34", 0, 160)
    assert second == Operation("erase", "u1", 256, 256, b"", 160, 160 + 25600)
    assert clock.now_us == 160 + 25600
    assert device.read(0, 6) == b"\xff\xff\xff\x12\x34\xff"


def test_a_read_takes_time_and_leaves_no_entry() -> None:
    device = FlashDevice(SERIAL)
    device.read(0, 64)
    device.view(0, 7)
    assert device.clock.now_us == 8 + 1
    assert device.journal.entries == []
    assert device.statistics.read_bytes == 71


def test_statistics_count_what_was_done() -> None:
    device = FlashDevice(WORDS)
    device.program(0, bytes(8))
    device.program(8, bytes(4))
    device.erase(384, 256)
    device.erase(0, 64)
    stats = device.statistics
    assert (stats.programs, stats.programmed_bytes, stats.program_time_us) == (2, 12, 120)
    worn = 6400
    assert (stats.erases, stats.erase_time_us) == (2, 25600 + worn)
    assert stats.misuses == 0
    assert [device.cells.cycles_at(a) for a in (0, 64, 256, 384, 640)] == [1, 0, 0, 1, 0]


def test_an_erase_wears_every_sector_it_covers_even_if_blank() -> None:
    device = FlashDevice(SERIAL)
    device.erase(1024, 1024)
    device.erase(1024, 64)
    assert [device.cells.cycles_at(1024 + 64 * i) for i in range(-1, 17)] == [0, 2, *[1] * 15, 0]


def test_a_view_is_the_content_and_cannot_be_written() -> None:
    device = FlashDevice(SERIAL)
    device.program(0, b"\x01\x02")
    view = device.view(0, 4)
    assert view == b"\x01\x02\xff\xff"
    assert view.readonly


@pytest.mark.parametrize(("address", "length"), [(4096, 1), (4095, 2), (-1, 1), (0, 4097), (5, -1)])
def test_a_read_outside_names_both_ranges(address: int, length: int) -> None:
    device = FlashDevice(SERIAL, name="u7")
    for access in (device.read, device.view):
        with pytest.raises(OutOfBounds, match=r"u7: .* is outside the SERIAL \[0x0, 0x1000\)") as refused:
            access(address, length)
        assert (refused.value.address, refused.value.length) == (address, length)
    assert device.clock.now_us == 0


def test_a_new_session_brings_clock_and_journal_and_keeps_the_cells() -> None:
    device = FlashDevice(SERIAL)
    device.program(0, b"\x00")
    clock, journal = ElapsedTime(), Journal()
    device.attach(clock, journal, None)
    device.program(1, b"\x00")
    assert device.read(0, 3) == b"\x00\x00\xff"
    assert [entry.start_us for entry in journal.operations()] == [0]
    assert clock.now_us == 160 + 1


def test_two_chips_share_one_journal_in_order() -> None:
    journal = Journal()
    left = FlashDevice(SERIAL, name="left", journal=journal)
    right = FlashDevice(WORDS, name="right", journal=journal)
    left.program(0, b"\x00")
    right.erase(0, 64)
    left.erase(0, 64)
    assert [(e.device, e.kind) for e in journal.operations()] == [
        ("left", "program"), ("right", "erase"), ("left", "erase"),
    ]  # fmt: skip


# -- misuse: programs ------------------------------------------------------------------------------------


def test_a_zero_cannot_become_a_one_and_the_byte_is_named() -> None:
    device = FlashDevice(SERIAL)
    device.program(16, b"\xff\x0f\x00")
    device.program(16, b"\x01\x0e\x80")
    assert device.read(16, 3) == b"\x01\x0e\x00"
    entry = only_misuse(device)
    assert (entry.rule, entry.address, entry.length) == ("unerased", 18, 1)
    assert "0x80 at 0x12" in entry.message
    assert "0 to 1" in entry.message
    assert "reads 0x00" in entry.message
    assert [type(e) for e in device.journal.entries] == [Operation, Operation, Misuse]
    assert entry.time_us == device.journal.operations()[-1].end_us


def test_where_erased_is_zero_the_direction_is_the_other_one() -> None:
    device = FlashDevice(mirrored(SERIAL))
    device.program(0, b"\xf0")
    device.program(0, b"\x1f")
    assert device.read(0, 1) == b"\xff"
    entry = only_misuse(device)
    assert (entry.rule, entry.address) == ("unerased", 0)
    assert "1 to 0" in entry.message


def test_a_wholly_erased_byte_asks_for_nothing() -> None:
    device = FlashDevice(SERIAL)
    device.program(0, b"\x00\x55")
    device.program(0, b"\xff\xff")
    assert device.read(0, 2) == b"\x00\x55"
    assert misuses(device) == []


def latched(address: int, data: bytes) -> tuple[int, bytes]:
    """The page latch of serial NOR: the low address bits count up and wrap."""
    page = address // PAGE * PAGE
    latch = [0xFF] * PAGE
    for value in data:
        latch[address % PAGE] = value
        address += 1
    return page, bytes(latch)


@given(st.integers(0, SERIAL.size - 1), st.binary(min_size=1, max_size=3 * PAGE + 1))
@settings(max_examples=150, deadline=None)
def test_a_program_that_leaves_its_page_wraps_and_the_last_bytes_win(address: int, data: bytes) -> None:
    device = FlashDevice(SERIAL)
    device.program(address, data)
    page, latch = latched(address, data)
    assert device.cells.read(page, PAGE) == latch
    assert everything(device).count(0xFF) == SERIAL.size - PAGE + latch.count(0xFF)
    if address % PAGE + len(data) <= PAGE:
        assert misuses(device) == []
        return
    entry = only_misuse(device)
    assert (entry.rule, entry.address, entry.length) == ("page-wrap", address, len(data))
    (operation,) = device.journal.operations()
    assert (operation.address, operation.data) == (page, latch)
    assert device.journal.entries == [entry, operation]


@given(st.integers(SERIAL.size, 5 * SERIAL.size), st.binary(min_size=1, max_size=PAGE))
@settings(max_examples=50, deadline=None)
def test_beyond_the_array_the_upper_address_bits_are_ignored(address: int, data: bytes) -> None:
    device, same = FlashDevice(SERIAL), FlashDevice(SERIAL)
    device.program(address, data)
    same.program(address % SERIAL.size, data)
    assert everything(device) == everything(same)
    assert misuses(device)[0].rule == "beyond-array"
    assert (misuses(device)[0].address, misuses(device)[0].length) == (address, len(data))


@pytest.mark.parametrize("part", SMALL_PARTS, **BY_NAME)
def test_a_program_without_data_is_ignored(part: Part) -> None:
    device = FlashDevice(part)
    device.program(5, b"")
    assert only_misuse(device).rule == "empty-program"
    assert device.journal.operations() == []
    assert device.clock.now_us == 0


@pytest.mark.parametrize(
    ("address", "length", "why"),
    [
        (2, 4, "not aligned to the 4-byte program unit"),
        (4, 6, "not aligned to the 4-byte program unit"),
        (1152, 4, "outside the array"),
        (1148, 8, "outside the array"),
        (-4, 4, "outside the array"),
        (0, 36, "longer than the 32 bytes"),
    ],
)
def test_a_controller_without_pages_refuses(address: int, length: int, why: str) -> None:
    device = FlashDevice(WORDS)
    device.program(address, bytes(length))
    entry = only_misuse(device)
    assert (entry.rule, entry.address, entry.length) == ("refused-program", address, length)
    assert why in entry.message
    assert everything(device) == b"\xff" * WORDS.size
    assert device.journal.operations() == []
    assert device.clock.now_us == 0


@pytest.mark.parametrize(("address", "length"), [(1, 4), (4, 3), (6, 4), (0, 1)])
def test_a_paged_part_with_wide_units_never_takes_part_of_a_unit_in_silence(address: int, length: int) -> None:
    part = msgspec.structs.replace(SERIAL, name="WIDE", program=Program(4, figure(160), page_size=16))
    device = FlashDevice(part)
    assert not device.geometry.is_program(address, length)
    device.program(address, bytes(length))
    entry = only_misuse(device)
    assert (entry.address, entry.length) == (address, length)


# -- misuse: spent units ---------------------------------------------------------------------------------


def test_a_granule_is_programmed_once_until_it_is_erased() -> None:
    device = FlashDevice(GRANULES)
    device.program(0, b"\x11" * 8)
    device.program(0, b"\x01" * 8)
    entry = only_misuse(device)
    assert (entry.rule, entry.address, entry.length) == ("spent-unit", 0, 8)
    assert "programmed 1 times since its erase" in entry.message
    assert device.read(0, 8) == b"\x11" * 8
    device.erase(0, 128)
    device.program(0, b"\x01" * 8)
    assert device.read(0, 8) == b"\x01" * 8


def test_a_granule_programmed_as_blank_is_used_up() -> None:
    device = FlashDevice(GRANULES)
    device.program(8, b"\xff" * 8)
    device.program(8, b"\x01" * 8)
    assert only_misuse(device).rule == "spent-unit"
    assert device.read(8, 8) == b"\xff" * 8


@pytest.mark.parametrize("part", [GRANULES, HALFWORDS], **BY_NAME)
def test_zeros_may_go_over_programmed_units_where_the_part_says_so(part: Part) -> None:
    device = FlashDevice(part)
    unit = part.program.unit
    device.program(0, b"\x11" * unit)
    device.program(0, bytes(unit))
    assert device.read(0, unit) == bytes(unit)
    assert misuses(device) == []


def test_half_words_over_programmed_ones_are_refused_also_as_blank() -> None:
    device = FlashDevice(HALFWORDS)
    device.program(0, b"\x11\x11")
    for data in (b"\x01\x01", b"\xff\xff", b"\x11\x11"):
        device.program(0, data)
    assert [e.rule for e in misuses(device)] == ["spent-unit"] * 3
    assert "is not blank" in misuses(device)[0].message
    assert device.read(0, 2) == b"\x11\x11"


def test_words_with_a_budget_take_exactly_that_many_programs() -> None:
    device = FlashDevice(TWICE)
    device.program(0, b"\xff\xff\xff\x7f")
    device.program(0, b"\xff\xff\xff\x3f")
    device.program(0, b"\xff\xff\xff\x1f")
    assert device.read(0, 4) == b"\xff\xff\xff\x3f"
    assert only_misuse(device).rule == "spent-unit"


def test_the_controller_stops_at_the_first_unit_it_refuses() -> None:
    device = FlashDevice(GRANULES)
    device.program(16, b"\x33" * 8)
    start = device.clock.now_us
    device.program(0, b"\x22" * 32)
    assert device.read(0, 32) == b"\x22" * 16 + b"\x33" * 8 + b"\xff" * 8
    assert (only_misuse(device).address, only_misuse(device).length) == (16, 8)
    last = device.journal.operations()[-1]
    assert (last.address, last.length, last.end_us - last.start_us) == (0, 16, 160)
    assert last.start_us == start


def test_a_refused_first_unit_means_no_operation_at_all() -> None:
    device = FlashDevice(GRANULES)
    device.program(0, b"\x33" * 8)
    before = device.clock.now_us
    device.program(0, b"\x22" * 32)
    assert len(device.journal.operations()) == 1
    assert device.clock.now_us == before


# -- misuse: erases --------------------------------------------------------------------------------------


@given(st.integers(0, SERIAL.size - 1), st.sampled_from([64, 256, 1024]))
@settings(max_examples=60, deadline=None)
def test_a_misaligned_erase_is_aligned_down(address: int, size: int) -> None:
    device = FlashDevice(SERIAL)
    device.load(0, bytes(SERIAL.size))
    device.erase(address, size)
    start = address // size * size
    expected = bytearray(SERIAL.size)
    expected[start : start + size] = b"\xff" * size
    assert everything(device) == bytes(expected)
    if start != address:
        assert (only_misuse(device).rule, only_misuse(device).address) == ("misaligned-erase", address)
    assert [(e.address, e.length) for e in device.journal.operations()] == [(start, size)]


def test_a_misaligned_erase_of_a_mixed_part_erases_the_sector_it_is_in() -> None:
    device = FlashDevice(WORDS)
    device.load(0, bytes(WORDS.size))
    device.erase(700, 256)
    assert everything(device) == bytes(640) + b"\xff" * 256 + bytes(256)
    assert only_misuse(device).rule == "misaligned-erase"


def test_an_erase_beyond_the_array_ignores_the_upper_address_bits() -> None:
    device = FlashDevice(SERIAL)
    device.load(0, bytes(SERIAL.size))
    device.erase(SERIAL.size + 64, 64)
    assert everything(device) == bytes(64) + b"\xff" * 64 + bytes(SERIAL.size - 128)
    assert (only_misuse(device).rule, only_misuse(device).address) == ("beyond-array", SERIAL.size + 64)


@pytest.mark.parametrize(
    ("part", "address", "length", "why"),
    [
        (SERIAL, 0, 128, "SERIAL has no erase of 0x80 bytes; its sizes are 0x40, 0x100, 0x400"),
        (SERIAL, 0, 0, "no erase of 0x0 bytes"),
        (WORDS, 0, 128, "the sector at 0x0 has 0x40 bytes; an erase of 0x80 does not fit it"),
        (WORDS, 300, 64, "the sector at 0x100 has 0x80 bytes"),
    ],
)
def test_an_erase_the_part_does_not_have_is_a_broken_contract(part: Part, address: int, length: int, why: str) -> None:
    device = FlashDevice(part)
    device.load(0, bytes(part.size))
    with pytest.raises(FlashError, match=why) as refused:
        device.erase(address, length)
    assert (refused.value.address, refused.value.length) == (address, length)
    assert everything(device) == bytes(part.size)
    assert device.journal.operations() == []


# -- strict ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "call", "address", "length"),
    [
        (SERIAL, lambda d: d.program(0, b"\x80"), 0, 1),
        (SERIAL, lambda d: d.program(10, bytes(7)), 10, 7),
        (SERIAL, lambda d: d.program(5000, b"\x00"), 5000, 1),
        (SERIAL, lambda d: d.program(7, b""), 7, 0),
        (SERIAL, lambda d: d.erase(100, 64), 100, 64),
        (SERIAL, lambda d: d.erase(4096, 64), 4096, 64),
        (WORDS, lambda d: d.program(2, bytes(4)), 2, 4),
        (HALFWORDS, lambda d: d.program(0, b"\x01\x01"), 0, 2),
    ],
)
def test_strict_stops_at_the_line_that_is_wrong(
    part: Part, call: Callable[[FlashDevice], None], address: int, length: int
) -> None:
    device = FlashDevice(part, strict=True)
    device.load(0, b"\x10\x00")
    with pytest.raises(FlashMisuse) as raised:
        call(device)
    assert (raised.value.address, raised.value.length) == (address, length)
    assert str(raised.value) == only_misuse(device).message


# -- the bench -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", SMALL_PARTS, **BY_NAME)
def test_load_costs_no_time_no_wear_and_no_entry(part: Part) -> None:
    device = FlashDevice(part)
    content = bytes(index % 251 for index in range(part.size))
    device.load(0, content)
    device.load(0, content)
    assert everything(device) == content
    assert device.clock.now_us == 0
    assert device.journal.entries == []
    assert not device.cells.wear.any()
    assert device.statistics == FlashDevice(part).statistics


def test_load_knows_which_units_it_programmed() -> None:
    device = FlashDevice(GRANULES)
    device.load(0, b"\x42" * 5 + b"\xff" * 11)
    assert device.cells.uses is not None
    assert list(device.cells.uses[:3]) == [1, 0, 0]
    device.program(8, b"\x01" * 8)
    assert misuses(device) == []
    device.program(0, b"\x01" * 8)
    assert only_misuse(device).rule == "spent-unit"


def test_a_unit_loaded_in_part_is_blank_only_if_all_of_it_is() -> None:
    device = FlashDevice(TWICE)
    device.load(0, b"\x12\x34\x56\x78")
    device.load(0, b"\xff")
    assert device.read(0, 4) == b"\xff\x34\x56\x78"
    assert device.cells.uses is not None
    assert device.cells.uses[0] == 1


def test_load_leaves_content_whose_check_bits_fit() -> None:
    device = FlashDevice(GRANULES)
    device.cells.mark_broken(8, 8)
    device.load(0, b"\x42" * 32)
    assert device.read(0, 32) == b"\x42" * 32


def test_load_refuses_what_does_not_fit() -> None:
    device = FlashDevice(GRANULES)
    with pytest.raises(FlashError, match="not aligned to the 8-byte unit") as refused:
        device.load(4, bytes(8))
    assert refused.value.address == 4
    with pytest.raises(OutOfBounds):
        device.load(1016, bytes(9))
    assert everything(device) == b"\xff" * GRANULES.size


# -- power -----------------------------------------------------------------------------------------------


def test_without_power_nothing_happens_whatever_is_asked() -> None:
    device = FlashDevice(SERIAL)
    device.load(0, bytes(64))
    with pytest.raises(PowerLost):
        device.supply.cut()
    for access in (
        lambda: device.read(0, 1),
        lambda: device.view(0, 1),
        lambda: device.program(64, b"\x00"),
        lambda: device.program(64, b""),
        lambda: device.erase(0, 64),
        lambda: device.erase(0, 3),
    ):
        with pytest.raises(PowerLost):
            access()
    assert device.journal.entries == []
    assert device.clock.now_us == 0
    device.supply.restore()
    assert device.read(0, 65) == bytes(64) + b"\xff"


# -- live interruptions ----------------------------------------------------------------------------------


def scenario(device: FlashDevice) -> None:
    """Legal and illegal commands of every kind, the same for every small part."""
    geometry = device.geometry
    unit, burst, sector = geometry.unit, geometry.burst_size, geometry.sector_at(0)
    device.program(0, bytes(range(burst)))
    device.program(sector.end, b"\x5a" * unit)
    device.program(sector.end, b"\xa5" * unit)
    device.erase(0, sector.size)
    device.program(unit, bytes(range(burst)))
    device.program(burst, b"")
    device.program(burst * 2, b"\x3c" * burst)
    device.erase(unit, sector.size)
    device.program(0, b"\x77" * unit)


def replayed(part: Part, entries: list[Entry]) -> FlashDevice:
    """A device that met exactly the operations among ``entries``."""
    device = FlashDevice(part)
    for entry in entries:
        if isinstance(entry, Operation) and entry.kind == "program":
            device.cells.program(entry.address, entry.data)
        elif isinstance(entry, Operation):
            device.cells.erase(entry.address, entry.length)
    return device


def interrupted(part: Part, interruption: Interruption) -> tuple[FlashDevice, Interrupted]:
    device = FlashDevice(part, journal=Journal(interruption))
    with pytest.raises(Interrupted) as stopped:
        scenario(device)
    return device, stopped.value


@pytest.mark.parametrize("part", SMALL_PARTS, **BY_NAME)
def test_a_cut_at_a_point_leaves_exactly_the_entries_before_it(part: Part) -> None:
    whole = FlashDevice(part)
    scenario(whole)
    assert len(misuses(whole)) >= 2
    for point in range(len(whole.journal.entries)):
        device, stopped = interrupted(part, Interruption(point))
        assert type(stopped) is PowerLost
        assert not device.supply.on
        assert device.journal.entries == whole.journal.entries[:point]
        assert device.snapshot().same(replayed(part, device.journal.entries).snapshot())


@pytest.mark.parametrize("part", SMALL_PARTS, **BY_NAME)
def test_a_tear_is_applied_live_as_it_is_to_a_snapshot(part: Part) -> None:
    whole = FlashDevice(part)
    scenario(whole)
    torn = 0
    for point, entry in enumerate(whole.journal.entries):
        if not isinstance(entry, Operation):
            continue
        before = replayed(part, whole.journal.entries[:point])
        start = before.snapshot()
        for tear in list(tears_of(part, before.cells, entry, TEAR_SETS["T1-coarse"])):
            before.restore(start)
            tear.apply(before.cells, entry)
            device, stopped = interrupted(part, Interruption(point, tear=tear))
            assert type(stopped) is PowerLost
            assert device.snapshot().same(before.snapshot())
            torn += 1
    assert torn > 10


def test_a_reset_by_name_stops_the_firmware_and_leaves_power_on() -> None:
    device, stopped = interrupted(SERIAL, Interruption(2, cause="watchdog"))
    assert isinstance(stopped, ResetAsserted)
    assert stopped.cause == "watchdog"
    assert device.supply.on
    assert device.journal.struck
    assert len(device.journal.entries) == 2


def test_an_interruption_past_the_end_never_strikes() -> None:
    whole, planned = FlashDevice(SERIAL), FlashDevice(SERIAL, journal=Journal(Interruption(500)))
    scenario(whole)
    scenario(planned)
    assert planned.journal.entries == whole.journal.entries
    assert not planned.journal.struck


def test_a_tear_of_the_wrong_kind_is_refused() -> None:
    device = FlashDevice(SERIAL, journal=Journal(Interruption(0, tear=tear_named("front-1"))))
    with pytest.raises(FlashError, match=r"entry 0 is no erase.* front-1 cannot tear it"):
        device.program(0, b"\x00")
    device = FlashDevice(SERIAL, journal=Journal(Interruption(0, tear=tear_named("prefix-1"))))
    with pytest.raises(FlashError, match="prefix-1 cannot tear it"):
        device.program(0, b"")
    assert everything(device) == b"\xff" * SERIAL.size


def test_an_interruption_strikes_again_if_it_is_swallowed() -> None:
    device = FlashDevice(SERIAL, journal=Journal(Interruption(0, cause="watchdog")))
    for _ in range(3):
        with pytest.raises(ResetAsserted):
            device.program(0, b"\x00")
    assert everything(device) == b"\xff" * SERIAL.size


# -- a timer fires inside an operation -------------------------------------------------------------------


class TimedCut(TimedReset):
    """A clock at whose appointed time the power goes."""

    def __init__(self, fire_us: int, supply: Supply) -> None:
        super().__init__(fire_us)
        self.supply = supply

    def advance(self, duration_us: int) -> None:
        try:
            super().advance(duration_us)
        except ResetAsserted:
            self.supply.cut()


@pytest.mark.parametrize("fire_us", [0, 1, 80, 159])
def test_a_reset_does_not_stop_an_external_chip(fire_us: int) -> None:
    device = FlashDevice(SERIAL, clock=TimedReset(fire_us))
    with pytest.raises(ResetAsserted, match="timer"):
        device.program(0, b"\x12\x34")
    assert device.cells.read(0, 3) == b"\x12\x34\xff"
    assert [e.kind for e in device.journal.operations()] == ["program"]
    device.attach(TimedReset(fire_us), Journal(), None)
    with pytest.raises(ResetAsserted):
        device.erase(0, 64)
    assert device.cells.read(0, 3) == b"\xff" * 3
    assert device.cells.cycles_at(0) == 1


@pytest.mark.parametrize("part", SMALL_PARTS, **BY_NAME)
def test_power_that_goes_inside_a_program_leaves_a_growing_prefix(part: Part) -> None:
    data = bytes(range(1, part.geometry.burst_size + 1))
    done_before = 0
    duration = FlashDevice(part).timing.program_us(0, len(data), 0)
    for fire_us in range(0, duration, max(1, duration // 20)):
        supply = Supply()
        device = FlashDevice(part, supply=supply, clock=TimedCut(fire_us, supply))
        with pytest.raises(PowerLost):
            device.program(0, data)
        content = everything(device)
        done = max(n for n in range(len(data) + 1) if content[:n] == data[:n])
        assert content[done:] == bytes([part.erased]) * (part.size - done)
        assert done % part.program.unit == 0
        assert done >= done_before
        assert done <= len(data) * fire_us / duration + part.program.unit
        done_before = done
        assert len(device.journal.operations()) == 1
    assert done_before > 0


@pytest.mark.parametrize("part", [WORDS, TWICE, GRANULES, HALFWORDS], **BY_NAME)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.7])
def test_a_reset_tears_what_the_processor_itself_was_doing(part: Part, share: float) -> None:
    sector = part.geometry.sector_at(0)
    device = FlashDevice(part)
    device.load(0, b"\x35" * sector.size)
    duration = device.timing.erase_us(0, sector.size, 0)
    device.attach(TimedReset(int(duration * share)), Journal(), None)
    with pytest.raises(ResetAsserted):
        device.erase(0, sector.size)
    left = device.cells.read(0, sector.size)
    assert left != b"\x35" * sector.size or share == 0
    if part.kind == "stm32f1":
        expected = FlashDevice(part)
        expected.load(0, b"\x35" * sector.size)
        tear_named(f"stopped-us-{int(duration * share)}").apply(expected.cells, device.journal.operations()[0])
        assert left == expected.cells.read(0, sector.size)
    else:
        kept = len(left) - len(left.lstrip(b"\x35"))
        assert left[kept:] == bytes(sector.size - kept)
        assert (kept == 0) == (share >= 0.5)
    assert device.cells.read(sector.end, 64) == b"\xff" * 64


@pytest.mark.parametrize("part", SMALL_PARTS, **BY_NAME)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_the_entry_of_a_stopped_operation_names_the_tear_that_it_left(part: Part, share: float) -> None:
    sector, burst = part.geometry.sector_at(0), part.geometry.burst_size
    for command, duration in (
        (lambda device: device.program(sector.end, b"\x3c" * burst), FlashDevice(part).timing.program_us(0, burst, 0)),
        (lambda device: device.erase(0, sector.size), FlashDevice(part).timing.erase_us(0, sector.size, 0)),
    ):
        supply = Supply()
        stopped = FlashDevice(part, supply=supply, clock=TimedCut(int(duration * share), supply))
        stopped.load(0, b"\x35" * sector.size)
        with pytest.raises(PowerLost):
            command(stopped)
        (operation,) = stopped.journal.operations()
        assert operation.tear is not None
        expected = FlashDevice(part)
        expected.load(0, b"\x35" * sector.size)
        operation.tear.apply(expected.cells, operation)
        assert stopped.snapshot().same(expected.snapshot())


def test_an_operation_that_was_finished_names_no_tear() -> None:
    device = FlashDevice(SERIAL, clock=TimedReset(200))
    device.program(0, b"\x00")
    with pytest.raises(ResetAsserted):
        device.program(1, b"\x00")
    assert [operation.tear for operation in device.journal.operations()] == [None, None]


def test_a_granule_under_the_reset_is_torn_and_the_ones_before_are_done() -> None:
    device = FlashDevice(GRANULES, clock=TimedReset(170))
    with pytest.raises(ResetAsserted):
        device.program(0, b"\x42" * 32)
    assert device.cells.broken is not None
    assert list(device.cells.broken[:5]) == [0, 0, 1, 0, 0]
    assert device.cells.read(0, 16) == b"\x42" * 16
    assert device.cells.read(24, 8) == b"\xff" * 8


def test_a_timer_between_operations_stops_nothing_in_the_cells() -> None:
    device = FlashDevice(GRANULES, clock=TimedReset(320))
    device.program(0, b"\x42" * 32)
    with pytest.raises(ResetAsserted):
        device.read(0, 32)
    assert device.cells.read(0, 32) == b"\x42" * 32
    assert len(device.journal.entries) == 1


# -- states that read well and are not -------------------------------------------------------------------


@pytest.mark.parametrize("part", EVERY_PART, **BY_NAME)
def test_a_tear_of_any_tier_is_applied_live_as_it_is_to_a_snapshot(part: Part) -> None:
    whole = FlashDevice(part)
    scenario(whole)
    chosen, rows = TearSet("every", (0, 1, 2, 3, 4), False, ""), set()
    for point, entry in enumerate(whole.journal.entries):
        if not isinstance(entry, Operation):
            continue
        before = replayed(part, whole.journal.entries[:point])
        start = before.snapshot()
        for tear in list(tears_of(part, before.cells, entry, chosen)):
            before.restore(start)
            tear.apply(before.cells, entry)
            device, stopped = interrupted(part, Interruption(point, tear=tear))
            assert type(stopped) is PowerLost
            assert device.snapshot().same(before.snapshot())
            rows.add(tear.row.name)
    wanted = {row.name for row in TEARS if part.kind in row.kinds and row.of != "write"}
    whole_chip = {row.name for row in TEARS if row.name.startswith("sectors-")}
    assert rows | whole_chip >= wanted - ({"prefix"} if part.name == "ROWS" else set())


@pytest.mark.parametrize("part", EVERY_PART, **BY_NAME)
def test_a_device_that_was_never_torn_reads_the_same_whatever_the_resolution(part: Part) -> None:
    contents = set()
    for resolution in RESOLUTIONS.values():
        device = FlashDevice(part, resolution=resolution, read_seed=len(contents))
        scenario(device)
        assert device.cells.weak is None
        contents |= {device.read(0, part.size) for _ in range(3)}
    assert len(contents) == 1


# -- operations that take their time ---------------------------------------------------------------------


def test_what_is_begun_and_ended_is_counted_like_what_is_called() -> None:
    called, begun = FlashDevice(ANNEXED), FlashDevice(ANNEXED)
    called.program(0, b"\x12\x34")
    called.erase(64, 64)
    for kind, address, data, length in (("program", 0, b"\x12\x34", 2), ("erase", 64, b"", 64)):
        duration = 160 if kind == "program" else 6400
        flight = begun.begin(kind, address, length, data, duration)  # type: ignore[arg-type]
        begun.clock.advance(duration)
        begun.end(flight)
    assert begun.journal.entries == called.journal.entries
    assert begun.snapshot().same(called.snapshot())
    assert begun.statistics == called.statistics


def test_a_program_in_flight_that_cannot_set_a_bit_is_put_on_record_when_it_ends() -> None:
    device = FlashDevice(ANNEXED)
    device.load(0, b"\x0f")
    flight = device.begin("program", 0, 1, b"\xf1", 10)
    device.clock.advance(10)
    device.end(flight)
    assert only_misuse(device).rule == "unerased"
    assert [type(entry) for entry in device.journal.entries] == [Operation, Misuse]


def test_a_register_write_replaces_its_bytes_whatever_they_were() -> None:
    device = FlashDevice(ANNEXED)
    for row in (b"\x00\x00\x00", b"\xff\x02\x60"):
        flight = device.begin("write", ANNEXED.size, 3, row, 10)
        device.clock.advance(10)
        device.end(flight)
        assert device.sense(ANNEXED.size, 4) == row + b"\xff"
    assert device.cells.read(0, ANNEXED.size) == b"\xff" * ANNEXED.size
