"""What real parts do with wrong commands, row by row, on every bundled serial part; and what other models get wrong."""

from __future__ import annotations

import pytest

from flash import FlashMisuse, Journal, PowerLost
from flash.command_set import CommandSet
from flash.errors import ResetAsserted
from flash.spi import SerialFlash
from flash.spi.driver import SpiNorFlash
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
    program_opcode,
    sector,
    status,
    unlocked,
    with_serial,
)
from tests.flash.small_parts import TimedReset

every_part = pytest.mark.parametrize("name", SERIAL_PARTS)


def serial_of(name: str) -> CommandSet:
    serial = chip_of(name).part.serial
    assert serial is not None
    return serial


HAS_BP = tuple(n for n in SERIAL_PARTS if serial_of(n).registers not in ("sst26", "at25df"))
SLEEPS = tuple(n for n in SERIAL_PARTS if serial_of(n).power_down is not None)
HAS_BEYOND = tuple(n for n in SERIAL_PARTS if chip_of(n).size < 1 << 24 or getattr(serial_of(n).four_byte, "enter", 0))
"""Those whose addresses reach further than the array."""
SUSPENDS = tuple(n for n in SERIAL_PARTS if serial_of(n).suspend is not None)
RESETS = tuple(n for n in SERIAL_PARTS if serial_of(n).soft_reset is not None)


# -- the misuse table ------------------------------------------------------------------------------------


@every_part
def test_program_erase_and_register_write_without_wel_are_ignored(name: str) -> None:
    chip = unlocked(name)
    chip.transfer(at(chip, program_opcode(chip), 0, b"\x00"))
    chip.transfer(at(chip, sector(chip)[0], 0))
    chip.transfer(bytes([chip.serial.chip_erase.opcodes[0]]))
    chip.transfer(b"\x01" + bytes(chip.registers.layout.lengths[0]))
    assert misuses(chip) == ["no-wel"] * 4
    assert status(chip) & 3 == 0
    assert content(chip, 0, 1) == b"\xff"


@every_part
def test_write_commands_while_busy_are_ignored_and_the_operation_is_unharmed(name: str) -> None:
    chip = unlocked(name)
    erase(chip, 0)
    for frame in (b"\x06", at(chip, program_opcode(chip), 0, b"\x00"), at(chip, sector(chip)[0], 0), b"\x04"):
        chip.transfer(frame)
    assert misuses(chip) == ["while-busy"] * 4
    assert status(chip) & 3 == 3
    finish(chip)
    assert status(chip) & 3 == 0
    assert [op.kind for op in chip.device.journal.operations()] == ["erase"]


@every_part
@pytest.mark.parametrize("garbage", ["ff", "garbage"])
def test_a_read_while_busy_gets_nothing_of_the_array(name: str, garbage: str) -> None:
    chip = unlocked(with_serial(name, while_busy=garbage))
    chip.device.cells.put_bytes(0, b"held")
    program(chip, 0x100, b"\x00")
    got = chip.transfer(at(chip, 0x03, 0), 4)
    assert got != b"held"
    assert (got == b"\xff" * 4) == (garbage == "ff")
    assert misuses(chip) == ["while-busy"]


@every_part
def test_a_program_without_data_is_ignored_and_wel_stays(name: str) -> None:
    chip = unlocked(name)
    program(chip, 0, b"")
    assert status(chip) & 3 == 2
    assert misuses(chip) == ["empty-program"]


@every_part
@pytest.mark.parametrize("stray", range(1, 8))
def test_chip_select_off_the_byte_boundary_rejects_the_command(name: str, stray: int) -> None:
    chip = unlocked(name)
    chip.transfer(b"\x06", stray_bits=stray)
    assert status(chip) & 2 == 0
    chip.transfer(b"\x06")
    chip.transfer(at(chip, program_opcode(chip), 0, b"\x00"), stray_bits=stray)
    chip.transfer(at(chip, sector(chip)[0], 0), stray_bits=stray)
    assert status(chip) & 3 == 2
    assert misuses(chip) == ["not-on-byte-boundary"] * 3


@pytest.mark.parametrize("name", HAS_BP)
def test_program_and_erase_of_a_protected_range_are_not_executed(name: str) -> None:
    chip = chip_of(name)
    layout = chip.registers.layout
    every_bp = sum(mask for bit, (number, mask) in layout.places.items() if number == 0 and bit.startswith("BP"))
    order(chip, bytes([0x01, every_bp]))
    finish(chip)
    last = min(chip.size, 1 << 24) - 1
    for give in (program, lambda c, address, _: erase(c, address)):
        give(chip, last, b"\x00")
        assert chip.running is None
        shown = status(chip)
        flags = chip.transfer(b"\x70", 1)[0] if chip.serial.family == "micron" else 0
        assert bool(shown & 2) == layout.protect_keeps_wel
        if chip.serial.family == "micron":
            assert flags & 0x02
        if chip.serial.family == "spansion":
            assert shown & 0x61 & ~every_bp, "a failure bit, and BUSY held"
        if layout.clear_flags:
            chip.transfer(bytes([layout.clear_flags]))
            assert status(chip) & 0x01 == 0
    assert misuses(chip) == ["protected", "protected"]
    assert content(chip, last, 1) == b"\xff"


def test_micron_keeps_the_failure_flags_until_they_are_cleared() -> None:
    chip = chip_of("MT25QL128ABA")
    order(chip, b"\x01\x1c")
    finish(chip)
    program(chip, chip.size - 1, b"\x00")
    assert chip.transfer(b"\x70", 1)[0] & 0x12 == 0x12
    chip.transfer(b"\x01\x00")
    finish(chip)
    program(chip, 0, b"\x00")
    finish(chip)
    assert chip.transfer(b"\x70", 1)[0] & 0x12 == 0x12
    chip.transfer(b"\x50")
    assert chip.transfer(b"\x70", 1)[0] & 0x12 == 0


def test_at25df_begins_locked_and_reports_epe() -> None:
    chip = chip_of("AT25DF041A")
    program(chip, 0, b"\x00")
    assert status(chip) & 0x22 == 0x20
    order(chip, b"\x39\x00\x00\x00")
    program(chip, 0, b"\x00")
    finish(chip)
    assert content(chip, 0, 1) == b"\x00"
    assert status(chip) & 0x20 == 0
    program(chip, 0x10000, b"\x00")
    assert content(chip, 0x10000, 1) == b"\xff"


@every_part
def test_zero_to_one_stays_zero_and_status_is_fine(name: str) -> None:
    chip = unlocked(name)
    chip.device.cells.put_bytes(0, b"\x0f")
    program(chip, 0, b"\xf5")
    finish(chip)
    assert content(chip, 0, 1) == b"\x05"
    assert status(chip) & 3 == 0
    assert misuses(chip) == ["unerased"]


@every_part
def test_more_than_a_page_wraps_and_the_last_bytes_win(name: str) -> None:
    chip = unlocked(name)
    page = chip.part.program.page_size
    data = bytes((7 * n + n // 251) & 0xFF for n in range(page + 40))
    start = page - 8
    program(chip, start, data)
    finish(chip)
    expected = bytearray(page)
    for number, value in enumerate(data):
        expected[(start + number) % page] = value
    assert content(chip, 0, page) == bytes(expected)
    assert content(chip, page, page) == b"\xff" * page
    assert misuses(chip) == ["page-wrap"]


@pytest.mark.parametrize("name", HAS_BEYOND)
def test_an_address_beyond_the_array_loses_its_upper_bits(name: str) -> None:
    chip = unlocked(name)
    if chip.size >= 1 << 24:
        assert chip.serial.four_byte is not None
        order(chip, bytes([chip.serial.four_byte.enter]))
    chip.device.cells.put_bytes(0x10, b"\x00")
    erase(chip, chip.size + 0x10)
    finish(chip)
    assert content(chip, 0x10, 1) == b"\xff"
    assert misuses(chip) == ["beyond-array"]
    program(chip, chip.size + 0x10, b"\x77")
    finish(chip)
    assert content(chip, 0x10, 1) == b"\x77"
    assert chip.transfer(at(chip, 0x03, chip.size + 0x10), 1) == b"\x77"
    assert misuses(chip) == ["beyond-array"] * 3


@every_part
def test_nothing_is_written_before_power_has_been_good_long_enough(name: str) -> None:
    chip = chip_of(name)
    up = chip.serial.power_up
    chip.power_cycle()
    if up.select_us:
        chip.transfer(b"\x9f", 3)
        chip.clock.advance(round(up.select_us) + 1)
    assert misuses(chip) == ["before-power-up"] * bool(up.select_us)
    assert chip.transfer(b"\x9f", 3) == bytes.fromhex(chip.part.jedec_id)
    if up.write_us > up.select_us + 10:
        chip.transfer(b"\x06")
        assert misuses(chip)[-1] == "before-power-up"
        assert status(chip) & 2 == 0
    chip.clock.advance(round(up.write_us) + 1)
    chip.transfer(b"\x06")
    assert status(chip) & 2 == 2


@pytest.mark.parametrize("name", SLEEPS)
def test_in_deep_power_down_only_the_release_is_heard(name: str) -> None:
    chip = unlocked(name)
    rules = chip.serial.power_down
    assert rules is not None
    chip.transfer(bytes([rules.enter]))
    assert chip.transfer(b"\x05", 1) == b"\xff"
    assert chip.transfer(b"\x9f", 3) == b"\xff" * 3
    chip.transfer(b"\x06")
    assert misuses(chip) == ["powered-down"] * 3
    chip.transfer(bytes([rules.exit]))
    if rules.exit_us > 1:
        assert chip.transfer(b"\x9f", 3) == b"\xff" * 3
        assert misuses(chip)[-1] == "not-ready"
    chip.clock.advance(round(rules.exit_us) + 1)
    assert status(chip) & 3 == 0
    assert chip.transfer(b"\x9f", 3) == bytes.fromhex(chip.part.jedec_id)


@pytest.mark.parametrize("name", RESETS)
def test_a_reset_without_its_enable_just_before_is_ignored(name: str) -> None:
    chip = unlocked(name)
    chip.transfer(b"\x06")
    chip.transfer(b"\x99")
    chip.transfer(b"\x66")
    status(chip)
    chip.transfer(b"\x99")
    assert misuses(chip) == ["reset-not-enabled"] * 2
    assert status(chip) & 2 == 2
    chip.transfer(b"\x66")
    chip.transfer(b"\x99")
    rules = chip.serial.soft_reset
    assert rules is not None
    chip.clock.advance(round(rules.recovery_us) + 1)
    assert status(chip) & 3 == 0


@every_part
def test_an_opcode_the_part_does_not_have_is_silent_and_on_record(name: str) -> None:
    chip = chip_of(name)
    missing = next(opcode for opcode in (0x77, 0xA3, 0xDE) if opcode not in chip._commands)
    assert chip.transfer(bytes([missing]), 2) == b"\xff\xff"
    assert misuses(chip) == ["unknown-opcode"]


@every_part
def test_strict_stops_at_the_line_that_is_wrong(name: str) -> None:
    chip = chip_of(name, strict=True)
    with pytest.raises(FlashMisuse, match="without write enable"):
        chip.transfer(at(chip, program_opcode(chip), 0, b"\x00"))
    assert status(chip) & 3 == 0


# -- ten rules: those a command front can break ------------------------------------------------------------


@every_part
def test_rule_1_erased_is_ff_and_a_program_is_an_and(name: str) -> None:
    chip = unlocked(name)
    for value in (0xF0, 0xCC):
        program(chip, 0, bytes([value]))
        finish(chip)
    assert content(chip, 0, 2) == b"\xc0\xff"


@every_part
def test_rule_2_power_lost_before_the_rising_edge_changes_nothing(name: str) -> None:
    chip = unlocked(name)
    before = chip.device.snapshot()
    chip.transfer(b"\x06")
    chip.select()
    for byte in at(chip, program_opcode(chip), 0, b"\x00" * 8):
        chip.shift(byte)
    with pytest.raises(PowerLost):
        chip.device.supply.cut()
    with pytest.raises(PowerLost):
        chip.deselect()
    chip.device.supply.restore()
    chip.power_cycle()
    assert chip.device.snapshot().same(before)
    assert chip.device.journal.operations() == []


@every_part
def test_rule_2_after_the_edge_the_operation_is_under_way(name: str) -> None:
    chip = unlocked(name)
    chip.transfer(b"\x06")
    chip.select()
    for byte in at(chip, program_opcode(chip), 0, b"\x00" * 8):
        chip.shift(byte)
    assert chip.running is None
    chip.deselect()
    assert chip.running is not None


@every_part
def test_rule_4_wel_falls_at_completion_on_04_and_at_power_up(name: str) -> None:
    chip = unlocked(name)
    for frame in (at(chip, program_opcode(chip), 0, b"\x00"), at(chip, sector(chip)[0], 0), b"\x04"):
        chip.transfer(b"\x06")
        assert status(chip) & 2
        chip.transfer(frame)
        finish(chip)
        assert status(chip) & 3 == 0
    chip.transfer(b"\x06")
    chip.power_cycle()
    chip.clock.advance(100_000)
    assert status(chip) & 2 == 0


@every_part
def test_rule_5_low_address_bits_of_an_erase_are_ignored(name: str) -> None:
    chip = unlocked(name)
    _, size = sector(chip)
    chip.device.cells.put_bytes(0, b"\x00")
    chip.device.cells.put_bytes(size - 1, b"\x00\x00")
    erase(chip, size // 2 + 1)
    finish(chip)
    assert content(chip, 0, 1) == b"\xff"
    assert content(chip, size - 1, 2) == b"\xff\x00"


def test_rule_5_what_d8_erases_on_an_sst26_depends_on_the_address() -> None:
    chip = unlocked("SST26VF064B")
    seen = []
    for address in (0, 0x6001, 0x8000, 0x10000, chip.size - 1):
        chip.transfer(b"\x06")
        chip.transfer(at(chip, 0xD8, address))
        finish(chip)
        operation = chip.device.journal.operations()[-1]
        seen.append((operation.address, operation.length))
    assert seen == [
        (0, 0x2000), (0x6000, 0x2000), (0x8000, 0x8000), (0x10000, 0x10000), (chip.size - 0x2000, 0x2000)
    ]  # fmt: skip


@every_part
def test_rule_7_a_reset_of_the_host_is_no_power_loss(name: str) -> None:
    chip = unlocked(name)
    erase(chip, 0)
    assert chip.running is not None
    clock = TimedReset(chip.clock.now_us + 5)
    clock.now_us = chip.clock.now_us
    chip.device.clock = clock
    with pytest.raises(ResetAsserted):
        chip.transfer(at(chip, 0x03, 0), 4096)
    clock.fire_us = 1 << 60
    assert chip.is_busy
    finish(chip)
    assert [op.tear for op in chip.device.journal.operations()] == [None]


@pytest.mark.parametrize("name", SLEEPS)
def test_rule_7_deep_power_down_outlives_the_host(name: str) -> None:
    chip = chip_of(name)
    assert chip.serial.power_down is not None
    chip.transfer(bytes([chip.serial.power_down.enter]))
    held = chip.state()
    chip.power_cycle()
    assert not chip.latches.powered_down
    chip.restore(held)
    assert chip.transfer(b"\x9f", 3) == b"\xff" * 3
    driver = SpiNorFlash(chip, unprotect=True)
    driver.program(0, b"\x12")
    assert driver.read(0, 1) == b"\x12"


@every_part
def test_rule_8_an_erase_that_power_ends_early_drives_cells_to_zero_first(name: str) -> None:
    chip = unlocked(name)
    _, size = sector(chip)
    old = bytes(n & 0x7F for n in range(size))
    chip.device.cells.put_bytes(0, old)
    erase(chip, 0)
    assert chip.running is not None
    chip.clock.advance(chip.running.duration_us // 4)
    with pytest.raises(PowerLost):
        chip.device.supply.cut()
    left = content(chip, 0, size)
    half = size // 2
    assert left[: half - 16] == old[: half - 16]
    assert left[half + 16 :] == bytes(size - half - 16)


@pytest.mark.parametrize("name", SUSPENDS)
def test_suspend_and_resume_as_the_part_has_them(name: str) -> None:
    chip = unlocked(name)
    rules = chip.serial.suspend
    assert rules is not None
    step = chip.device.geometry.sector_at(0).size
    held = b"elsewhere"
    chip.device.cells.put_bytes(4 * step, held)
    erase(chip, 0)
    chip.clock.advance(1000)
    chip.transfer(bytes([rules.erase_suspend]))
    assert chip.suspended is not None
    assert status(chip) & 1
    chip.clock.advance(round(rules.erase_latency_us) + 1)
    assert status(chip) & 3 == 0
    assert chip.transfer(at(chip, 0x03, 4 * step), 9) == held
    program(chip, 2 * step, b"\x00")
    finish(chip)
    assert content(chip, 2 * step, 1) == (b"\x00" if rules.program_in_erase else b"\xff")
    order(chip, at(chip, sector(chip)[0], 3 * step))
    chip.transfer(b"\x04")
    assert chip.running is None
    chip.transfer(bytes([rules.erase_resume]))
    finish(chip)
    kinds = [(op.kind, op.address) for op in chip.device.journal.operations()]
    assert kinds == [("program", 2 * step)] * rules.program_in_erase + [("erase", 0)]
    program(chip, 0, b"\x0f")
    chip.transfer(bytes([rules.program_suspend]))
    assert chip.suspended is not None
    chip.clock.advance(round(rules.program_latency_us) + 1)
    assert status(chip) & 1 == 0
    chip.transfer(bytes([rules.program_resume]))
    finish(chip)
    assert content(chip, 0, 1) == b"\x0f"
    assert status(chip) & 3 == 0


# -- what other models get wrong ---------------------------------------------------------------------------


def test_a_program_takes_time_and_busy_shows_it() -> None:
    chip = chip_of(WINBOND)
    program(chip, 0, b"\x00" * 256)
    chip.clock.advance(690)
    assert status(chip) & 1
    chip.clock.advance(10)
    assert status(chip) & 1 == 0


def test_erase_respects_block_protection() -> None:
    chip = chip_of(WINBOND)
    order(chip, b"\x01\x04")
    finish(chip)
    order(chip, b"\x20\xff\xf0\x00")
    order(chip, b"\xc7")
    assert misuses(chip) == ["protected"] * 2


def test_block_protection_outlives_power() -> None:
    chip = chip_of(WINBOND)
    order(chip, b"\x01\x04")
    finish(chip)
    chip.power_cycle()
    chip.clock.advance(10_000)
    assert status(chip) == 0x04


def test_a_command_that_is_not_write_enable_leaves_wel_alone() -> None:
    chip = chip_of(WINBOND)
    chip.transfer(b"\x06")
    chip.transfer(b"\x9f", 3)
    chip.transfer(b"\x03\x00\x00\x00", 4)
    assert status(chip) & 2


def test_a_die_is_erased_only_by_its_own_opcodes() -> None:
    chip = chip_of("W25Q80DL")
    order(chip, b"\xc7\x00")
    assert misuses(chip) == ["wrong-length"]
    order(chip, b"\xc7")
    assert chip.running is not None
    assert chip.running.operation.length == chip.size


def test_two_bytes_of_status_reject_the_write_on_issi() -> None:
    chip = chip_of("IS25LP128")
    order(chip, b"\x01\x40\x00")
    assert misuses(chip) == ["wrong-length"]
    order(chip, b"\x01\x40")
    finish(chip)
    assert status(chip) == 0x40


def test_who_waits_for_wel_to_fall_waits_for_ever_after_a_refused_program() -> None:
    chip = chip_of(WINBOND)
    order(chip, b"\x01\x1c")
    finish(chip)
    program(chip, 0, b"\x00")
    chip.clock.advance(10_000_000)
    assert status(chip) & 3 == 2


def test_quad_enable_written_to_another_vendors_place_enables_nothing() -> None:
    chip = chip_of(WINBOND)
    order(chip, b"\x01\x40")
    finish(chip)
    assert chip.transfer(b"\x6b\x00\x00\x00\x00", 1) == b"\xff"
    other = chip_of("MX25L12833F")
    order(other, b"\x31\x02")
    assert [misuses(chip)[-1], misuses(other)[-1]] == ["quad-disabled", "unknown-opcode"]


def test_macronix_mode_bits_are_complements_and_micron_has_none() -> None:
    for name, mode, goes_on in (
        ("MX25L12833F", 0xA5, True), ("MX25L12833F", 0x5A, True), ("MX25L12833F", 0x20, False),
        ("MX25L12833F", 0x00, False), ("MT25QL128ABA", 0xA5, False), ("IS25LP128", 0xA5, True),
    ):  # fmt: skip
        chip = chip_of(name)
        read = chip._commands.get(0xEB) or chip._commands[0xBB]
        if chip.registers.needs_quad_enable:
            order(chip, b"\x01\x40")
            finish(chip)
        chip.transfer(bytes([read.opcode, 0, 0, 0, mode]) + bytes(read.dummy), 2)
        assert bool(chip.latches.continuous) == goes_on, (name, hex(mode))


def test_no_power_no_answer() -> None:
    chip = chip_of(SMALL)
    with pytest.raises(PowerLost):
        chip.device.supply.cut()
    for _ in range(2):
        with pytest.raises(PowerLost):
            chip.transfer(b"\x05", 1)


def test_a_mid_operation_reset_leaves_a_torn_range_and_a_record() -> None:
    chip = chip_of(SMALL, journal=Journal())
    chip.device.cells.put_bytes(0, bytes(range(64)))
    erase(chip, 0)
    chip.clock.advance(1000)
    chip.transfer(b"\x66")
    chip.transfer(b"\x99")
    (operation,) = chip.device.journal.operations()
    assert operation.tear is not None
    assert content(chip, 0, 64) not in (bytes(range(64)), b"\xff" * 64)
    assert misuses(chip) == ["reset-while-busy"]
    assert isinstance(chip, SerialFlash)
