"""Frames, lines, clocks, modes, identity, security registers, suspend and resume: one chip on its bus."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flash import ElapsedTime, FlashDevice, FlashError, ResetAsserted, bundled_part
from flash.spi import SerialFlash
from flash.spi.bus import as_seen
from tests.flash.serial_bench import (
    SERIAL_PARTS,
    SMALL,
    WINBOND,
    at,
    chip_of,
    content,
    erase,
    finish,
    misuses,
    order,
    program,
    status,
    unlocked,
    with_serial,
)
from tests.flash.small_parts import SERIAL, TimedReset

QUAD = b"\x31\x02"


# -- frames ----------------------------------------------------------------------------------------------


def test_a_part_without_commands_is_refused() -> None:
    with pytest.raises(FlashError, match="no serial command set"):
        SerialFlash(FlashDevice(SERIAL))


def test_pins_used_out_of_order_are_the_callers_mistake() -> None:
    chip = chip_of(SMALL)
    with pytest.raises(FlashError, match="select first"):
        chip.deselect()
    with pytest.raises(FlashError, match="chip select is high"):
        chip.shift(0x05)
    chip.select()
    with pytest.raises(FlashError, match="low already"):
        chip.select()
    chip.release()
    with pytest.raises(FlashError, match="lines"):
        chip.select(3)
    with pytest.raises(FlashError, match="bus_hz"):
        SerialFlash(FlashDevice(SMALL), bus_hz=0)


def test_an_empty_frame_is_nothing() -> None:
    chip = chip_of(SMALL)
    assert chip.transfer(b"") == b""
    assert misuses(chip) == []


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([b"\x05", b"\x06", b"\x9f", b"\x03\x00\x00\x01", b"\x02\x00\x00\x01\x0f", b"\x77"])))
def test_a_transfer_is_its_bytes_one_by_one(frames: list[bytes]) -> None:
    whole, single = chip_of(SMALL), chip_of(SMALL)
    for frame in frames:
        got = whole.transfer(frame, 3)
        single.select()
        shifted = bytes(single.shift(byte) for byte in frame + b"\xff\xff\xff")
        single.deselect()
        assert shifted[len(frame) :] == got
        assert single.state() == whole.state()
        assert single.clock.now_us == whole.clock.now_us
    assert [repr(e) for e in single.device.journal.entries] == [repr(e) for e in whole.device.journal.entries]


def test_a_frame_the_host_lets_go_of_has_no_effect() -> None:
    chip = chip_of(SMALL)
    chip.select()
    chip.shift(0x06)
    chip.release()
    assert status(chip) == 0


def test_a_reset_of_the_host_inside_a_frame_drops_the_frame() -> None:
    chip = chip_of(SMALL)
    chip.transfer(b"\x06")
    chip.device.clock = TimedReset(5)
    with pytest.raises(ResetAsserted):
        chip.transfer(b"\x02\x00\x00\x00" + b"\x00" * 256)
    chip.device.clock = ElapsedTime()
    chip.device.clock.advance(200_000)
    assert status(chip) == 2
    assert chip.running is None


def test_reads_go_on_and_wrap_at_the_end_of_the_array() -> None:
    chip = chip_of(SMALL)
    chip.device.cells.put_bytes(0, b"first")
    chip.device.cells.put_bytes(chip.size - 4, b"last")
    address = (chip.size - 4).to_bytes(3, "big")
    assert chip.transfer(b"\x03" + address, 9) == b"lastfirst"
    assert chip.transfer(b"\x0b" + address + b"\x00", 9) == b"lastfirst"
    assert chip.transfer(b"\x0b" + address, 10)[1:] == b"lastfirst", "a forgotten dummy byte shifts the data"


@pytest.mark.parametrize(("opcode", "lines", "head"), [(0x03, 8, 32), (0xBB, 4, 24), (0xEB, 2, 20)])
def test_bytes_take_the_clocks_of_their_lines(opcode: int, lines: int, head: int) -> None:
    chip = chip_of(SMALL, bus_hz=1_000_000)
    order(chip, QUAD)
    finish(chip)
    dummy = {0x03: 0, 0xBB: 1, 0xEB: 3}[opcode]
    begin = chip.clock.now_us
    chip.transfer(bytes([opcode, 0, 0, 0]) + bytes(dummy), 100)
    assert chip.clock.now_us - begin == head + 100 * lines


def test_parts_of_a_microsecond_add_up() -> None:
    chip = chip_of(SMALL, bus_hz=50_000_000)
    begin = chip.clock.now_us
    for _ in range(100):
        status(chip)
    assert chip.clock.now_us - begin == 32


def test_a_stream_of_status_bytes_shows_the_moment_busy_falls() -> None:
    chip = chip_of(SMALL, bus_hz=8_000_000)
    program(chip, 0, b"\x00" * 16)
    shown = chip.transfer(b"\x05", 200)
    falls = shown.index(0x00)
    assert shown == b"\x03" * falls + b"\x00" * (200 - falls)
    assert 155 <= falls <= 160
    assert content(chip, 0, 16) == b"\x00" * 16


@pytest.mark.parametrize("name", SERIAL_PARTS)
def test_every_read_of_every_part_gets_the_same_bytes(name: str) -> None:
    chip = chip_of(name)
    if chip.registers.needs_quad_enable:
        number, mask = chip.registers.layout.places["QE"]
        row = bytearray(chip.registers.stored())
        row[number] |= mask
        chip.device.cells.put_bytes(chip.registers.annex, bytes(row))
        chip.registers.power_up()
    chip.device.cells.put_bytes(0x1234, b"content")
    for command in list(chip._commands.values()):
        if command.is_array_read and command.lines[0] == 1:
            wide = command.address if command.address > 0 else 3 + (chip.serial.address == "4")
            head = bytes([command.opcode]) + (0x1234).to_bytes(wide, "big") + bytes(command.dummy)
            assert chip.transfer(head, 7) == b"content", command.name
    assert misuses(chip) == []


# -- lines: quad, continuous, QPI ------------------------------------------------------------------------


def test_quad_commands_need_quad_enable() -> None:
    chip = chip_of(SMALL)
    chip.device.cells.put_bytes(0, b"quad")
    assert chip.transfer(b"\xeb" + bytes(6), 4) == b"\xff" * 4
    order(chip, b"\x32\x00\x00\x00\x00")
    assert misuses(chip) == ["quad-disabled"] * 2
    chip.transfer(b"\x04")
    order(chip, QUAD)
    finish(chip)
    assert chip.transfer(b"\xeb" + bytes(6), 4) == b"quad"
    order(chip, b"\x32\x00\x00\x10\x55")
    finish(chip)
    assert content(chip, 16, 1) == b"\x55"


@pytest.mark.parametrize(("opcode", "lines", "wait"), [(0xEB, 4, 2), (0xBB, 2, 0)])
def test_a_continuous_read_goes_on_until_its_mode_bits_end_it(opcode: int, lines: int, wait: int) -> None:
    chip = chip_of(SMALL)
    order(chip, QUAD)
    finish(chip)
    chip.device.cells.put_bytes(0x10, b"on and on")
    head = b"\x00\x00\x10"
    assert chip.transfer(bytes([opcode]) + head + b"\xa5" + bytes(wait), 9) == b"on and on"
    assert chip.transfer(head + b"\xa5" + bytes(wait), 2, lines=lines) == b"on"
    assert chip.latches.continuous == opcode
    assert chip.transfer(head + b"\x00" + bytes(wait), 2, lines=lines) == b"on"
    assert status(chip) == 0
    assert misuses(chip) == []


@pytest.mark.parametrize(("opcode", "wait", "resets"), [(0xEB, 2, b"\xff"), (0xBB, 0, b"\xff\xff")])
def test_ones_on_a_single_line_end_a_continuous_read(opcode: int, wait: int, resets: bytes) -> None:
    chip = chip_of(SMALL)
    order(chip, QUAD)
    finish(chip)
    chip.transfer(bytes([opcode, 0, 0, 0, 0xA5]) + bytes(wait), 1)
    assert chip.transfer(b"\x9f", 3) == b"\xff" * 3, "a host that knows nothing of it cannot even read the id"
    chip.transfer(bytes([opcode, 0, 0, 0, 0xA5]) + bytes(wait), 1)
    assert chip.latches.continuous == opcode
    chip.transfer(resets)
    assert chip.latches.continuous == 0
    assert chip.transfer(b"\x9f", 3) == b"\xef\x40\x18"


def test_four_line_mode_is_entered_survives_the_host_and_is_left() -> None:
    chip = chip_of(SMALL, bus_hz=1_000_000)
    chip.transfer(b"\x38")
    assert misuses(chip) == ["quad-disabled"]
    order(chip, QUAD)
    finish(chip)
    chip.transfer(b"\x38")
    begin = chip.clock.now_us
    assert chip.transfer(b"\x9f", 3, lines=4) == b"\xef\x40\x18"
    assert chip.clock.now_us - begin == 8
    assert chip.transfer(b"\x9f", 3) == b"\xff" * 3
    chip.transfer(b"\xff", lines=4)
    assert chip.transfer(b"\x9f", 3) == b"\xef\x40\x18"
    chip.transfer(b"\xff", lines=4)
    assert chip.transfer(b"\x9f", 3) == b"\xef\x40\x18", "two clocks are no byte on one line"


def test_what_a_chip_samples_on_other_lines() -> None:
    assert as_seen(b"\xff", 1, 4) == (b"\xff" * 4, 0)
    assert as_seen(b"\x9f", 1, 4) == (bytes.fromhex("feefffff"), 0)
    assert as_seen(b"\xff", 4, 1) == (b"", 2)
    assert as_seen(b"\x11\x00\x11\x00", 4, 1) == (b"\xcc", 0)
    assert as_seen(b"\xab\xcd", 2, 2) == (b"\xab\xcd", 0)


# -- addresses beyond 16 MiB -----------------------------------------------------------------------------


def test_four_byte_mode_changes_the_address_of_common_opcodes_and_survives_the_host() -> None:
    chip = chip_of("W25Q256JV")
    chip.device.cells.put_bytes(0x1000010, b"high")
    chip.device.cells.put_bytes(0x10, b"low!")
    assert chip.transfer(b"\x03\x00\x00\x10", 4) == b"low!"
    chip.transfer(b"\xb7")
    assert chip.transfer(b"\x15", 1)[0] & 1
    assert chip.transfer(b"\x03\x01\x00\x00\x10", 4) == b"high"
    assert chip.transfer(b"\x13\x01\x00\x00\x10", 4) == b"high"
    chip.transfer(b"\xe9")
    assert chip.transfer(b"\x13\x01\x00\x00\x10", 4) == b"high"
    order(chip, b"\xc5\x01")
    assert chip.transfer(b"\xc8", 1) == b"\x01"
    assert chip.transfer(b"\x03\x00\x00\x10", 4) == b"high"


def test_a_bank_register_carries_mode_and_upper_address() -> None:
    chip = chip_of("S25FL256S")
    chip.device.cells.put_bytes(0x1000010, b"high")
    chip.transfer(b"\x17\x01")
    assert chip.transfer(b"\x03\x00\x00\x10", 4) == b"high"
    chip.transfer(b"\x17\x80")
    assert chip.transfer(b"\x16", 1) == b"\x80"
    assert chip.transfer(b"\x03\x01\x00\x00\x10", 4) == b"high"


def test_the_sfdp_table_has_three_address_bytes_in_every_mode() -> None:
    chip = chip_of("W25Q256JV")
    for _ in range(2):
        assert chip.transfer(b"\x5a\x00\x00\x00\x00", 4) == b"SFDP"
        assert chip.transfer(b"\x5a\x00\x00\x02\x00", 2) == b"DP"
        chip.transfer(b"\xb7")
    assert chip.transfer(b"\x5a\xff\xff\x00\x00", 4) == b"\xff" * 4


# -- identity, security registers ------------------------------------------------------------------------


def test_the_four_ways_to_ask_who_it_is() -> None:
    chip = chip_of(WINBOND, unique_id=0x0123456789ABCDEF)
    assert chip.transfer(b"\x9f", 6) == bytes.fromhex("ef4018ef4018")
    assert chip.transfer(b"\x90\x00\x00\x00", 4) == bytes.fromhex("ef17ef17")
    assert chip.transfer(b"\x90\x00\x00\x01", 2) == bytes.fromhex("17ef")
    assert chip.transfer(b"\xab\x00\x00\x00", 2) == bytes.fromhex("1717")
    assert chip.transfer(b"\x4b\x00\x00\x00\x00", 8) == bytes.fromhex("0123456789abcdef")
    assert chip_of("S25FL256S").transfer(b"\x9f", 5)[3:] == bytes.fromhex("4d01")


def test_security_registers_are_programmed_erased_and_locked_for_good() -> None:
    chip = chip_of(WINBOND)
    order(chip, b"\x42\x00\x10\x04once")
    finish(chip)
    assert chip.transfer(b"\x48\x00\x10\x04\x00", 6) == b"once\xff\xff"
    assert chip.transfer(b"\x48\x00\x10\xfe\x00", 8)[6:] == b"on", "it wraps inside its register"
    assert chip.transfer(b"\x48\x00\x20\x04\x00", 4) == b"\xff" * 4
    assert content(chip, 4, 4) == b"\xff" * 4
    order(chip, b"\x44\x00\x10\x00")
    finish(chip)
    assert chip.transfer(b"\x48\x00\x10\x04\x00", 4) == b"\xff" * 4
    order(chip, b"\x31\x08")
    finish(chip)
    order(chip, b"\x42\x00\x10\x00x")
    order(chip, b"\x44\x00\x10\x00")
    order(chip, b"\x44\x00\x90\x00")
    assert misuses(chip) == ["otp-locked", "otp-locked", "no-such-register"]
    assert chip.device.cells.wear.sum() == 0


def test_the_secured_area_of_macronix_is_reached_by_a_mode() -> None:
    chip = chip_of("MX25L12833F")
    chip.transfer(b"\xb1")
    program(chip, 0x10, b"serial")
    finish(chip)
    erase(chip, 0)
    assert chip.transfer(b"\x03\x00\x00\x10", 6) == b"serial"
    chip.transfer(b"\xc1")
    assert chip.transfer(b"\x03\x00\x00\x10", 6) == b"\xff" * 6
    order(chip, b"\x2f")
    finish(chip)
    chip.transfer(b"\xb1")
    program(chip, 0x20, b"more")
    assert misuses(chip) == ["no-erase-here", "otp-locked"]


def test_microns_one_time_area_locks_by_its_last_byte() -> None:
    chip = chip_of("MT25QL128ABA")
    order(chip, b"\x42\x00\x00\x00abc")
    finish(chip)
    assert chip.transfer(b"\x4b\x00\x00\x00\x00", 4) == b"abc\xff"
    order(chip, b"\x42\x00\x00\x40\xfe")
    finish(chip)
    order(chip, b"\x42\x00\x00\x10x")
    assert misuses(chip) == ["otp-locked"]


# -- suspend and resume ----------------------------------------------------------------------------------


def test_a_suspended_erase_shows_sus_at_once_and_busy_after_its_latency() -> None:
    chip = chip_of(SMALL)
    erase(chip, 0)
    chip.clock.advance(2000)
    chip.transfer(b"\x75")
    assert chip.transfer(b"\x35", 1)[0] & 0x80
    assert status(chip) & 1
    chip.clock.advance(21)
    assert status(chip) == 0
    chip.transfer(b"\x7a")
    assert status(chip) == 3
    assert chip.transfer(b"\x35", 1)[0] & 0x80 == 0
    finish(chip)
    (operation,) = chip.device.journal.operations()
    assert operation.suspended_us > 0
    assert status(chip) == 0


def test_during_an_erase_suspend_only_programs_elsewhere_are_taken() -> None:
    chip = chip_of(SMALL)
    chip.device.cells.put_bytes(64, b"next")
    erase(chip, 0)
    chip.transfer(b"\x75")
    chip.clock.advance(21)
    assert chip.transfer(b"\x03\x00\x00\x40", 4) == b"next"
    assert chip.transfer(b"\x03\x00\x00\x00", 4) != b"\xff" * 4
    erase(chip, 128)
    order(chip, b"\x01\x00")
    program(chip, 3, b"\x00")
    assert misuses(chip) == ["suspended-read", "suspended", "suspended", "suspended"]
    program(chip, 128, b"\x00")
    finish(chip)
    assert status(chip) == 0
    assert content(chip, 128, 1) == b"\x00"
    assert [op.kind for op in chip.device.journal.operations()] == ["program"]
    chip.transfer(b"\x7a")
    finish(chip)
    assert [op.kind for op in chip.device.journal.operations()] == ["program", "erase"]


def test_during_a_program_suspend_programs_and_erases_are_refused() -> None:
    chip = chip_of(SMALL)
    program(chip, 0, b"\x00" * 16)
    chip.transfer(b"\x75")
    chip.clock.advance(21)
    program(chip, 64, b"\x00")
    erase(chip, 64)
    order(chip, b"\x01\x00")
    assert misuses(chip) == ["suspended"] * 3
    chip.transfer(b"\x7a")
    finish(chip)
    assert content(chip, 0, 16) == b"\x00" * 16


def test_a_read_of_a_suspended_range_is_undefined_and_repeatable() -> None:
    chip = chip_of(SMALL)
    erase(chip, 0)
    chip.transfer(b"\x75")
    chip.clock.advance(21)
    whole = chip.transfer(b"\x03\x00\x00\x00", 80)
    assert whole[64:] == b"\xff" * 16
    assert len(set(whole[:64])) > 16
    chip.select()
    for byte in b"\x03\x00\x00\x00":
        chip.shift(byte)
    assert bytes(chip.shift(0xFF) for _ in range(80)) == whole
    chip.deselect()


def test_what_cannot_be_suspended_or_resumed() -> None:
    chip = chip_of(SMALL)
    chip.transfer(b"\x75")
    chip.transfer(b"\x7a")
    order(chip, b"\xc7")
    chip.transfer(b"\x75")
    finish(chip)
    order(chip, b"\x01\x00")
    chip.transfer(b"\x75")
    finish(chip)
    erase(chip, 0)
    chip.transfer(b"\x75")
    chip.clock.advance(21)
    chip.transfer(b"\x75")
    assert misuses(chip) == ["suspend-refused", "resume-refused"] + ["suspend-refused"] * 3


def test_an_erase_suspended_again_within_its_pulse_never_ends() -> None:
    chip = chip_of(SMALL)
    erase(chip, 0)
    for _ in range(100):
        chip.clock.advance(500)
        chip.transfer(b"\x75")
        chip.clock.advance(21)
        chip.transfer(b"\x7a")
    assert chip.running is not None
    assert chip.running.progress_us(chip.clock.now_us) < 10
    assert misuses(chip) == ["suspend-too-soon"] * 99
    finish(chip)
    assert status(chip) == 0


def test_an_erase_suspended_at_longer_gaps_ends() -> None:
    chip = chip_of(SMALL)
    erase(chip, 0)
    turns = 0
    while chip.device.in_flight:
        chip.clock.advance(600)
        chip.transfer(b"\x75")
        chip.clock.advance(21)
        chip.transfer(b"\x7a")
        turns += 1
    assert 10 < turns <= 14


def test_gigadevice_takes_no_program_while_an_erase_is_suspended() -> None:
    chip = chip_of("GD25Q128C")
    erase(chip, 0)
    chip.transfer(b"\x75")
    chip.clock.advance(100)
    assert chip.transfer(b"\x35", 1)[0] & 0x80
    program(chip, 0x10000, b"\x00")
    assert misuses(chip) == ["suspended"]


# -- state through a reset of the host -------------------------------------------------------------------


def test_the_state_of_a_chip_does_not_depend_on_when_now_is() -> None:
    early, late = chip_of(SMALL), chip_of(SMALL)
    late.clock.advance(12_345)
    late.latches.powered_us += 12_345
    for chip in (early, late):
        erase(chip, 0)
        chip.clock.advance(700)
        chip.transfer(b"\x75")
        chip.clock.advance(30)
        program(chip, 64, b"\x00" * 16)
    assert early.state() == late.state()
    assert hash(early.state()) == hash(late.state())


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 7000), st.booleans(), st.integers(0, 100_000))
def test_an_operation_goes_on_in_the_next_session_as_if_nothing_had_happened(
    wait: int, suspended: bool, start: int
) -> None:
    chips = [chip_of(SMALL), chip_of(SMALL)]
    for chip in chips:
        erase(chip, 0)
        chip.clock.advance(wait)
        if suspended:
            chip.transfer(b"\x75")
            chip.clock.advance(25)
    straight, moved = chips
    held = moved.state()
    session = ElapsedTime()
    session.advance(start)
    moved.device.attach(session, type(moved.device.journal)(), None)
    moved.restore(held)
    assert moved.state() == held
    offset = moved.clock.now_us - straight.clock.now_us
    for chip in chips:
        if chip.suspended is not None:
            chip.transfer(b"\x7a")
        finish(chip)
    assert moved.clock.now_us - straight.clock.now_us == offset
    assert moved.device.snapshot().same(straight.device.snapshot())
    assert moved.state() == straight.state()


def test_a_soft_reset_is_a_power_up_of_the_volatile_state() -> None:
    chip = chip_of("W25Q256JV")
    chip.transfer(b"\xb7")
    chip.transfer(b"\x06")
    chip.transfer(b"\x66")
    chip.transfer(b"\x99")
    assert chip.transfer(b"\x9f", 3) == b"\xff" * 3
    assert misuses(chip) == ["not-ready"]
    chip.clock.advance(100)
    assert status(chip) == 0
    assert chip.transfer(b"\x15", 1)[0] & 1 == 0


def test_a_soft_reset_is_ignored_while_a_register_is_written_where_the_part_says_so() -> None:
    chip = chip_of(SMALL)
    order(chip, b"\x01\x04")
    chip.transfer(b"\x66")
    chip.transfer(b"\x99")
    finish(chip)
    assert status(chip) == 0x04
    assert misuses(chip) == ["while-busy"]


def test_evaluate_erase_tells_a_sector_whose_erase_was_cut() -> None:
    chip = chip_of(with_serial("S25FS256S", evaluate_erase_us=100))

    def complete(address: int) -> bool:
        chip.transfer(at(chip, 0xD0, address))
        assert status(chip) & 1
        chip.clock.advance(101)
        return bool(chip.transfer(b"\x07", 1)[0] & 0x04)

    step = chip.device.geometry.sector_at(0).size
    erase(chip, 0)
    finish(chip)
    erase(chip, step)
    chip.clock.advance(1000)
    chip.transfer(b"\x66")
    chip.transfer(b"\x99")
    chip.clock.advance(100_000)
    assert (complete(0), complete(step)) == (True, False)
    erase(chip, step)
    finish(chip)
    assert complete(step)


def test_an_unlocked_part_stays_unlocked_through_a_host_reset_only() -> None:
    chip = unlocked("SST26VF064B")
    held = chip.state()
    chip.power_cycle()
    chip.clock.advance(100_000)
    program(chip, 0, b"\x00")
    assert misuses(chip) == ["protected"]
    chip.restore(held)
    program(chip, 0, b"\x00")
    finish(chip)
    assert content(chip, 0, 1) == b"\x00"


def test_the_bus_speed_is_the_parts_read_figure_unless_given() -> None:
    assert chip_of(WINBOND).bus_hz == bundled_part("W25Q128JV").read.bytes_per_us * 8e6
