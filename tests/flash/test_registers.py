"""Status and configuration registers: what a write changes, what survives power, what a torn write leaves."""

from __future__ import annotations

import re

import msgspec
import pytest

from flash import FlashDevice, FlashError, Interruption, Journal, PowerLost, bundled_part, tear_named
from flash.part import Runs
from flash.spi import SerialFlash
from flash.spi.register_commands import CHIP_BIT_SOURCES
from flash.spi.registers import CHIP_BITS, MAPS, MARK, Register
from tests.flash.serial_bench import SERIAL_PARTS, SMALL, WINBOND, chip_of, finish, misuses, order, status, with_serial
from tests.spec import dump, section

ANNEX_TEARS = ("register-zeros-1", "register-ones-1", "register-soup-1")


def write(chip: SerialFlash, opcode: int, *values: int) -> None:
    order(chip, bytes([opcode, *values]))
    finish(chip)


def read(chip: SerialFlash, opcode: int) -> int:
    return chip.transfer(bytes([opcode]), 1)[0]


def power_cycle(chip: SerialFlash) -> None:
    """Power is back, and a new session begins."""
    chip.device.attach(chip.clock, Journal(), None)
    chip.power_cycle()
    chip.clock.advance(100_000)


# -- layouts ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MAPS)
def test_every_layout_is_consistent(name: str) -> None:
    layout = MAPS[name]
    first = layout.registers[0]
    assert first.mask("BUSY") == 1
    assert first.mask("WEL") == 2
    for register in layout.registers:
        assert register.once & ~register.kept == 0
        assert register.kept & register.loose == 0
        assert not any(mask & register.writable for mask, _ in register.chip)
    for numbers in (*layout.reads.values(), *layout.writes.values()):
        assert all(number < layout.count for number in numbers)
    assert layout.count <= MARK


def test_every_bit_a_chip_drives_has_its_source() -> None:
    assert set(CHIP_BIT_SOURCES) == CHIP_BITS


@pytest.mark.parametrize("name", SERIAL_PARTS)
def test_a_new_chip_holds_what_the_factory_wrote_and_reads_ready(name: str) -> None:
    chip = chip_of(name)
    shipped = chip.serial.registers_as_shipped
    assert chip.registers.stored()[: len(shipped)] == bytes(shipped)
    assert status(chip) & 3 == 0


def test_the_register_row_is_what_the_specification_says() -> None:
    """The worked example of SPEC: shipped with quad enable set, then BP0 set by 01h 04h 02h."""
    chip = chip_of(with_serial("W25Q128JV", registers_as_shipped=(0x00, 0x02)))
    annex, size = chip.size, 64
    row = chip.device.cells.read(annex, size)
    assert row == dump("register-row-shipped") + b"\xff" * 47 + b"\x00"
    write(chip, 0x01, 0x04, 0x02)
    assert chip.device.cells.read(annex, size) == dump("register-row-written") + b"\xff" * 47 + b"\x00"
    (operation,) = chip.device.journal.operations()
    assert (operation.kind, operation.address, operation.length) == ("write", 0x1000000, 16)
    assert operation.data == dump("register-row-written")


def told(name: str) -> str:
    """How SPEC shows one layout, written from the table of the code."""
    layout = MAPS[name]
    lengths = " or ".join(str(length) for length in layout.lengths)
    special = "volatile write" if layout.volatile_enable else "clears flags" if layout.clear_flags == 0x50 else "-"
    lines = [
        f"Write length of 01h: {lengths}; 50h: {special}",
        "",
        "| byte | register | read | write | 7 | 6 | 5 | 4 | 3 | 2 | 1 | 0 |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for number, register in enumerate(layout.registers):
        opcodes = [
            " ".join(f"{opcode:02X}h" for opcode, reached in sorted(which.items()) if number in reached) or "-"
            for which in (layout.reads, layout.writes)
        ]
        bits = [bit + _mark(register, bit) for bit in register.bits]
        lines.append(f"| {' | '.join([str(number), register.name, *opcodes, *bits])} |")
    return "\n".join(lines)


def _mark(register: Register, bit: str) -> str:
    mask = register.mask(bit)
    if bit == "-" or mask & register.kept & ~register.once:
        return ""
    return "!" if mask & register.once else "~" if mask & register.loose else "°"


@pytest.mark.parametrize("name", MAPS)
def test_every_layout_is_what_the_specification_says(name: str) -> None:
    text = section("Registers of a serial part")
    found = re.search(rf"^### `{name}`\n\n(.*?)\n\n", text + "\n\n", re.M | re.S)
    rows = re.search(rf"^### `{name}`\n\n.*?\n\n(\|.*?)\n\n", text + "\n\n", re.M | re.S)
    assert found is not None
    assert rows is not None
    assert f"{found[1]}\n\n{rows[1]}" == told(name)


def test_a_second_front_on_the_same_cells_does_not_write_the_factory_values_again() -> None:
    chip = chip_of(WINBOND)
    write(chip, 0x31, 0x42)
    again = SerialFlash(chip.device)
    assert again.registers.stored()[1] == 0x42


# -- writes ----------------------------------------------------------------------------------------------


def test_winbond_writes_one_two_or_single_registers() -> None:
    chip = chip_of(WINBOND)
    write(chip, 0x01, 0x04, 0x02)
    assert (status(chip), read(chip, 0x35), read(chip, 0x15)) == (0x04, 0x02, 0)
    write(chip, 0x01, 0x08)
    assert (status(chip), read(chip, 0x35)) == (0x08, 0x02)
    write(chip, 0x31, 0x40)
    write(chip, 0x11, 0xFF)
    assert (status(chip), read(chip, 0x35), read(chip, 0x15)) == (0x08, 0x40, 0xE4)
    assert [op.kind for op in chip.device.journal.operations()] == ["write"] * 4
    assert len({(op.address, op.length) for op in chip.device.journal.operations()}) == 1


@pytest.mark.parametrize(("code", "kept"), [("001", False), ("100", True), ("101", True)])
def test_a_one_byte_write_clears_the_second_register_only_where_the_part_says_so(code: str, kept: bool) -> None:
    chip = chip_of(with_serial(WINBOND, quad_enable=code))
    write(chip, 0x01, 0x00, 0x02)
    write(chip, 0x01, 0x04)
    assert bool(read(chip, 0x35) & 0x02) == kept


def test_a_register_write_takes_its_time_and_shows_busy() -> None:
    chip = chip_of(WINBOND)
    order(chip, b"\x01\x04")
    assert status(chip) == 0x03
    chip.clock.advance(9_990)
    assert status(chip) & 1
    chip.clock.advance(11)
    assert status(chip) == 0x04


def test_one_time_bits_are_set_and_never_cleared() -> None:
    chip = chip_of(WINBOND)
    write(chip, 0x31, 0x08)
    write(chip, 0x31, 0x02)
    assert read(chip, 0x35) == 0x0A
    chip.transfer(b"\x50")
    chip.transfer(b"\x31\x10")
    assert read(chip, 0x35) & 0x10 == 0, "a volatile write reaches no one-time bit"


def test_macronix_second_byte_is_the_configuration_register() -> None:
    chip = chip_of("MX25L12833F")
    write(chip, 0x01, 0x40, 0x08)
    assert (status(chip), read(chip, 0x15)) == (0x40, 0x08)
    write(chip, 0x01, 0x40, 0x00)
    assert read(chip, 0x15) == 0x08, "TB is one-time"
    order(chip, b"\x2f")
    finish(chip)
    assert read(chip, 0x2B) & 0x02


def test_spansion_second_byte_is_cr1_and_quad_lives_there() -> None:
    chip = chip_of("S25FL128S")
    write(chip, 0x01, 0x1C, 0x02)
    assert (status(chip), read(chip, 0x35)) == (0x1C, 0x02)


def test_micron_has_a_two_byte_configuration_register_and_a_flag_register() -> None:
    chip = chip_of("MT25QL128ABA")
    assert chip.transfer(b"\xb5", 4) == b"\xff" * 4
    write(chip, 0xB1, 0xFE, 0x7F)
    assert chip.transfer(b"\xb5", 4) == b"\xfe\x7f\xfe\x7f"
    assert read(chip, 0x70) == 0x80
    order(chip, b"\x02\x00\x00\x00\x00")
    assert read(chip, 0x70) & 0x80 == 0


def test_at25df_registers_forget_everything() -> None:
    chip = chip_of("AT25DF041A")
    assert status(chip) & 0x0C == 0x0C
    order(chip, b"\x01\x00")
    assert status(chip) == 0x10
    order(chip, b"\x01\xbc")
    assert status(chip) & 0x8C == 0x8C
    order(chip, b"\x39\x00\x00\x00")
    assert misuses(chip) == ["register-locked"]
    power_cycle(chip)
    assert status(chip) & 0x8C == 0x0C


# -- locks -----------------------------------------------------------------------------------------------


def test_srp_and_a_low_pin_ignore_the_write_unless_quad_took_the_pin() -> None:
    chip = chip_of(WINBOND)
    write(chip, 0x01, 0x80)
    chip.write_protect_pin = True
    write(chip, 0x01, 0x04)
    assert status(chip) == 0x82
    assert misuses(chip) == ["register-locked"]
    chip.write_protect_pin = False
    write(chip, 0x31, 0x02)
    chip.write_protect_pin = True
    write(chip, 0x01, 0x04)
    assert status(chip) == 0x04


def test_srl_locks_until_the_next_power_cycle_and_not_until_a_reset() -> None:
    chip = chip_of(WINBOND)
    write(chip, 0x31, 0x01)
    assert read(chip, 0x35) == 0x01
    chip.transfer(b"\x66")
    chip.transfer(b"\x99")
    chip.clock.advance(100)
    write(chip, 0x01, 0x04)
    assert misuses(chip) == ["register-locked"]
    power_cycle(chip)
    assert read(chip, 0x35) == 0
    write(chip, 0x01, 0x04)
    assert status(chip) == 0x04


def test_individual_locks_rule_where_wps_is_set() -> None:
    chip = chip_of(with_serial(WINBOND, individual_locks=True))
    order(chip, b"\x36\x00\x00\x00")
    assert misuses(chip) == ["locks-off"]
    write(chip, 0x11, 0x04)
    order(chip, b"\x02\x00\x00\x00\x00")
    assert misuses(chip)[1:] == ["protected"]
    order(chip, b"\x39\x00\x00\x00")
    order(chip, b"\x02\x00\x00\x00\x00")
    finish(chip)
    assert chip.device.cells.read(0, 1) == b"\x00"
    assert chip.transfer(b"\x3d\x00\x10\x00", 1) == b"\x01"
    order(chip, b"\x98")
    assert chip.transfer(b"\x3d\x00\x10\x00", 1) == b"\x00"
    order(chip, b"\x7e")
    assert chip.transfer(b"\x3d\x00\x00\x00", 1) == b"\x01"


def test_sst26_block_protection_register_is_read_and_written_whole() -> None:
    chip = chip_of("SST26VF064B")
    packed = chip.transfer(b"\x72", 18)
    assert packed == bytes.fromhex("5555" + "FF" * 16)
    opened = bytes(17) + b"\x01"
    order(chip, b"\x42" + opened)
    assert chip.transfer(b"\x72", 18) == opened
    order(chip, b"\x02\x00\x00\x00\x00")
    order(chip, b"\x02\x01\x00\x00\x00")
    finish(chip)
    order(chip, b"\x02\x01\x00\x00\x00")
    assert misuses(chip).count("protected") == 1
    order(chip, b"\x42\x00")
    assert misuses(chip)[-1] == "wrong-length"


def test_a_read_locked_block_of_an_sst26_reads_zero() -> None:
    chip = chip_of("SST26VF064B")
    chip.device.cells.put_bytes(0x1FFE, b"abcd")
    order(chip, b"\x42" + bytes([0x00, 0x02]) + bytes(16))
    assert chip.transfer(b"\x03\x00\x1f\xfe", 4) == b"\x00\x00cd"


# -- volatile writes and power ---------------------------------------------------------------------------


def test_a_volatile_write_acts_at_once_and_is_gone_with_the_power() -> None:
    chip = chip_of(WINBOND)
    chip.transfer(b"\x50")
    chip.transfer(b"\x01\x1c")
    assert status(chip) == 0x1C
    assert chip.device.journal.entries == []
    chip.transfer(b"\x01\x00")
    assert misuses(chip) == ["no-wel"], "50h holds for one write"
    power_cycle(chip)
    assert status(chip) == 0


def test_50h_is_forgotten_at_the_next_other_command() -> None:
    chip = chip_of(WINBOND)
    chip.transfer(b"\x50")
    chip.transfer(b"\x9f", 3)
    chip.transfer(b"\x01\x1c")
    assert misuses(chip) == ["no-wel"]


def test_a_write_of_one_register_leaves_the_volatile_value_of_another_in_force() -> None:
    chip = chip_of(WINBOND)
    chip.transfer(b"\x50")
    chip.transfer(b"\x31\x02")
    write(chip, 0x01, 0x04)
    assert read(chip, 0x35) == 0x02
    assert chip.registers.stored()[:2] == b"\x04\x00"


@pytest.mark.parametrize("tear", [None, *ANNEX_TEARS])
def test_a_cut_inside_a_register_write(tear: str | None) -> None:
    """R0: nothing yet. R2: all zeros (quad enable lost), all ones (everything protected). R3: any bits."""
    journal = Journal(Interruption(1, tear=None if tear is None else tear_named(tear)))
    chip = chip_of(WINBOND, journal=journal)
    write(chip, 0x31, 0x02)
    with pytest.raises(PowerLost):
        write(chip, 0x01, 0x04)
    chip.device.supply.restore()
    power_cycle(chip)
    shown = (status(chip), read(chip, 0x35), read(chip, 0x15))
    if tear is None:
        assert shown == (0x00, 0x02, 0x00)
    elif tear == "register-zeros-1":
        assert shown == (0, 0, 0)
    elif tear == "register-ones-1":
        assert shown == (0xFC, 0x7A, 0xE4)
        assert chip.registers.protected_range() == (0, 0), "all ones is BP = 111 complemented by CMP"
        order(chip, b"\x44\x00\x10\x00")
        assert misuses(chip) == ["otp-locked"]
    else:
        assert chip.registers.stored() != b"\x00\x02\x00"


@pytest.mark.parametrize("name", ["MX25L12833F", "MT25QL128ABA", "S25FL128S"])
def test_a_register_row_left_erased_protects_the_whole_part(name: str) -> None:
    chip = chip_of(name, journal=Journal(Interruption(0, tear=tear_named("register-ones-1"))))
    with pytest.raises(PowerLost):
        write(chip, 0x01, 0x00)
    chip.device.supply.restore()
    power_cycle(chip)
    order(chip, b"\xd8\x00\x00\x00")
    assert misuses(chip) == ["protected"]


def test_a_register_write_that_is_complete_survives() -> None:
    """R1."""
    chip = chip_of(SMALL)
    write(chip, 0x01, 0x18)
    power_cycle(chip)
    assert status(chip) == 0x18


def test_a_volatile_write_is_never_torn() -> None:
    """R4: power goes right after it, and the non-volatile row is as it was."""
    chip = chip_of(WINBOND)
    before = chip.device.snapshot()
    chip.transfer(b"\x50")
    chip.transfer(b"\x01\xfc")
    with pytest.raises(PowerLost):
        chip.device.supply.cut()
    assert chip.device.snapshot().same(before)


def test_a_soft_reset_loads_the_stored_registers() -> None:
    chip = chip_of(WINBOND)
    chip.transfer(b"\x50")
    chip.transfer(b"\x01\x1c")
    chip.transfer(b"\x66")
    chip.transfer(b"\x99")
    chip.clock.advance(100)
    assert status(chip) == 0


def test_cells_too_small_for_the_register_row_are_refused() -> None:
    part = msgspec.structs.replace(
        SMALL, sectors=(Runs(128, 32),), erase=(msgspec.structs.replace(SMALL.erase[0], size=32), *SMALL.erase[1:])
    )
    with pytest.raises(FlashError, match="at least 64"):
        SerialFlash(FlashDevice(part))


def test_registers_are_part_of_the_state_of_the_cells() -> None:
    device = FlashDevice(bundled_part("W25Q128JV"))
    chip = SerialFlash(device)
    chip.clock.advance(100_000)
    before = device.snapshot()
    write(chip, 0x01, 0x04)
    assert not device.snapshot().same(before)
    device.restore(before)
    power_cycle(chip)
    assert status(chip) == 0


def test_mx25r_takes_its_status_register_and_both_configuration_registers_in_one_write() -> None:
    chip = chip_of("MX25R6435F")
    write(chip, 0x01, 0x40, 0x00, 0x02)
    assert chip.transfer(b"\x05", 1)[0] & 0x40
    assert chip.transfer(b"\x15", 2) == b"\x00\x02"
    assert misuses(chip) == []
