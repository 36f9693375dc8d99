"""The command table of a serial part, built from `Part.serial`: it answers only to what it has.

Neighbours: `serial_flash` clocks the bytes and asks the table, `array`, `register_commands` and `service` hold the
functions it names. Knows no time. Dummy and mode phases count in bytes on the lines of the address: clocks * lines /
8.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from flash.command_set import CommandSet, Lines
from flash.part import Part
from flash.spi import array, service
from flash.spi import register_commands as registers
from flash.spi.command import BY_MODE, Command
from flash.spi.registers import MAPS, reads_of, writes_of


def command_table(part: Part) -> dict[int, Command]:
    """Every command of the part by its opcode. What stands first in the list below keeps a disputed opcode."""
    assert part.serial is not None, "a part without a serial command set has no commands: please report"
    table: dict[int, Command] = {}
    for command in _commands(part, part.serial):
        table.setdefault(command.opcode, command)
    return table


def _commands(part: Part, serial: CommandSet) -> Iterator[Command]:
    yield Command(0x06, "write enable", act=service.write_enable, writes=True)
    yield Command(0x04, "write disable", act=service.write_disable)
    yield from _array(part, serial)
    yield from _registers(serial)
    yield from _locks(serial)
    if serial.security is not None:
        yield from _security(serial)
    yield from _modes(serial)
    yield from _identity(serial)
    if serial.suspend is not None:
        s = serial.suspend
        for opcode in (s.program_suspend, s.erase_suspend):
            yield Command(opcode, "suspend", act=array.suspend, while_busy=True)
        for opcode in (s.program_resume, s.erase_resume):
            yield Command(opcode, "resume", act=array.resume)
    if serial.evaluate_erase_us:
        yield Command(0xD0, "evaluate erase status", BY_MODE, act=array.evaluate_erase)


def _lines(lines: Lines) -> tuple[int, int, int]:
    opcode, address, data = lines.split("-")
    return int(opcode), int(address), int(data)


def _array(part: Part, serial: CommandSet) -> Iterator[Command]:
    wide = serial.address != "3"
    for read in serial.reads:
        if read.dtr:
            continue
        lines = _lines(read.lines)
        dummy = (read.mode_clocks + read.wait_clocks) * lines[1] // 8
        for opcode, address in _both(read.opcode, read.opcode_4b, wide):
            yield Command(
                opcode, f"read {read.lines}", address, dummy, lines,
                reply=array.read, is_array_read=True, has_mode=bool(read.mode_clocks),
            )  # fmt: skip
    for program in serial.programs:
        for opcode, address in _both(program.opcode, program.opcode_4b, wide):
            yield Command(
                opcode, f"page program {program.lines}", address, 0, _lines(program.lines),
                act=array.program, takes_data=True, needs_wel=True, writes=True,
            )  # fmt: skip
    for erase in part.erase:
        for opcode, address in _both(erase.opcode, erase.opcode_4b, wide):
            yield Command(opcode, "erase", address, act=array.erase, needs_wel=True, writes=True)
    for opcode in serial.chip_erase.opcodes:
        yield Command(opcode, "chip erase", act=array.chip_erase, needs_wel=True, writes=True)


def _both(opcode: int, opcode_4b: int, wide: bool) -> Iterable[tuple[int, int]]:
    if opcode:
        yield opcode, BY_MODE
    if opcode_4b and wide:
        yield opcode_4b, 4


def _registers(serial: CommandSet) -> Iterator[Command]:
    layout = MAPS[serial.registers]
    for opcode in reads_of(serial):
        yield Command(opcode, "read register", reply=registers.read_register, streams=True, while_busy=True)
    for opcode in writes_of(serial):
        yield Command(opcode, "write register", act=registers.write_register, takes_data=True, writes=True)
    if layout.volatile_enable:
        yield Command(0x50, "volatile write enable", act=registers.volatile_enable, writes=True)
    if layout.clear_flags:
        yield Command(layout.clear_flags, "clear flags", act=registers.clear_flags, while_busy=True)
    if serial.family == "macronix":
        yield Command(0x2F, "lock secured OTP", act=registers.lock_secured, needs_wel=True, writes=True)


def _locks(serial: CommandSet) -> Iterator[Command]:
    if serial.registers == "sst26":
        yield Command(0x72, "read block protection", reply=registers.read_locks, while_busy=False)
        yield Command(
            0x42, "write block protection", act=registers.write_locks, takes_data=True, needs_wel=True, writes=True
        )  # fmt: skip
        yield Command(0x98, "global unlock", act=registers.unlock_all, needs_wel=True, writes=True)
    elif serial.registers == "at25df" or serial.individual_locks:
        yield Command(0x36, "lock sector", BY_MODE, act=registers.lock_one, needs_wel=True, writes=True)
        yield Command(0x39, "unlock sector", BY_MODE, act=registers.unlock_one, needs_wel=True, writes=True)
        read = 0x3C if serial.registers == "at25df" else 0x3D
        yield Command(read, "read sector lock", BY_MODE, reply=registers.read_lock)
        if serial.individual_locks:
            yield Command(0x7E, "global lock", act=registers.lock_all, needs_wel=True, writes=True)
            yield Command(0x98, "global unlock", act=registers.unlock_all, needs_wel=True, writes=True)


def _security(serial: CommandSet) -> Iterator[Command]:
    s = serial.security
    assert s is not None, "a table without security registers has no such commands: please report"
    if s.style == "mode":
        yield Command(s.enter, "enter secured OTP", act=registers.enter_otp)
        yield Command(s.exit, "exit secured OTP", act=registers.exit_otp)
        return
    yield Command(s.read, "read security register", BY_MODE, 1, reply=registers.read_security)
    yield Command(
        s.program, "program security register", BY_MODE, act=registers.program_security,
        takes_data=True, needs_wel=True, writes=True,
    )  # fmt: skip
    if s.erase:
        yield Command(
            s.erase, "erase security register", BY_MODE, act=registers.erase_security, needs_wel=True, writes=True
        )  # fmt: skip


def _modes(serial: CommandSet) -> Iterator[Command]:
    if serial.power_down is not None:
        yield Command(serial.power_down.enter, "deep power-down", act=service.power_down)
        yield Command(
            serial.power_down.exit, "release from power-down", 0, 3,
            reply=service.device_id, act=service.wake, brief=True, asleep=True, while_busy=True,
        )  # fmt: skip
    if serial.soft_reset is not None:
        yield Command(0x66, "reset enable", act=service.reset_enable, while_busy=True)
        yield Command(0x99, "reset", act=service.reset, while_busy=True)
    four = serial.four_byte
    if four is not None and serial.address == "3-or-4":
        if four.enter:
            yield Command(four.enter, "enter 4-byte mode", act=service.enter_wide, needs_wel=four.needs_wren)
        if four.exit:
            yield Command(four.exit, "exit 4-byte mode", act=service.exit_wide, needs_wel=four.needs_wren)
        if four.extended_register == "c5-c8":
            yield Command(0xC5, "write extended address", act=service.write_upper, takes_data=True, needs_wel=True)
            yield Command(0xC8, "read extended address", reply=service.read_upper)
        elif four.extended_register == "17-16":
            yield Command(0x17, "write bank", act=service.write_bank, takes_data=True)
            yield Command(0x16, "read bank", reply=service.read_bank)
    if serial.qpi is not None:
        yield Command(serial.qpi.enter, "enter QPI", act=service.enter_qpi)
        yield Command(
            serial.qpi.exit, "exit QPI", act=service.exit_qpi, takes_data=True, brief=True, while_busy=True, asleep=True
        )  # fmt: skip
    if any(read.mode_clocks for read in serial.reads):
        yield Command(
            0xFF, "mode reset", act=service.nothing, takes_data=True, brief=True, while_busy=True, asleep=True
        )  # fmt: skip


def _identity(serial: CommandSet) -> Iterator[Command]:
    yield Command(0x9F, "read JEDEC id", reply=service.jedec_id)
    if serial.family != "micron":
        yield Command(0x90, "read manufacturer and device id", 3, reply=service.maker_and_device)
    if serial.family in ("winbond", "gigadevice"):
        yield Command(0x92, "read id by two lines", 3, 1, (1, 2, 2), reply=service.maker_and_device)
        yield Command(0x94, "read id by four lines", 3, 3, (1, 4, 4), reply=service.maker_and_device)
    if serial.unique_id_bytes:
        yield Command(0x4B, "read unique id", 0, 4, reply=service.unique_id)
    if serial.sfdp is not None:
        yield Command(0x5A, "read SFDP", 3, 1, reply=service.sfdp)
