"""What the commands for registers, sector locks and security registers of a serial chip do.

Neighbours: `commands` names these functions in its table, `register_file` holds what they change. What takes
effect does so at the rising chip select; only what is non-volatile takes time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from flash.rules import latched
from flash.spi.command import Refusal, repeated
from flash.spi.protection import pack_locks, unpack_locks
from flash.spi.state import ERASE_FAILED, PROGRAM_FAILED, PROTECTION_HIT

if TYPE_CHECKING:
    from flash.spi.chip import SerialChip
    from flash.spi.frame import Frame


# -- registers -------------------------------------------------------------------------------------------


def read_register(chip: SerialChip, frame: Frame, first: int, count: int) -> bytes:
    """One byte, as it is at this moment; a read of several registers sends them in turn."""
    assert frame.command is not None, "a register read without its command: please report"
    numbers = chip.registers.layout.reads[frame.command.opcode]
    return bytes([register_value(chip, numbers[first % len(numbers)])])


def register_value(chip: SerialChip, number: int) -> int:
    """What a read of that register shows now."""
    value = chip.registers.values[number]
    for mask, name in chip.registers.layout.registers[number].chip:
        if CHIP_BIT_SOURCES[name](chip):
            value |= mask
    if chip.serial.registers == "at25df":
        locked = sum(chip.registers.locks)
        value |= 0x10 * (not chip.write_protect_pin)
        value |= 0x0C if locked == len(chip.registers.locks) else 0x04 * (locked > 0)
    return value


def _is_suspended(kind: str | None) -> Callable[[SerialChip], bool]:
    def look(chip: SerialChip) -> bool:
        flight = chip.suspended
        return flight is not None and kind in (None, flight.operation.kind)

    return look


def _has_failed(flags: int) -> Callable[[SerialChip], bool]:
    return lambda chip: bool(chip.latches.errors & flags)


CHIP_BIT_SOURCES: dict[str, Callable[[SerialChip], bool]] = {
    "BUSY": lambda chip: chip.is_busy,
    "WEL": lambda chip: chip.latches.write_enabled,
    "READY": lambda chip: not chip.is_busy,
    "SUS": _is_suspended(None),
    "SUS1": _is_suspended("erase"),
    "ESB": _is_suspended("erase"),
    "SUS2": _is_suspended("program"),
    "PSB": _is_suspended("program"),
    "ADS": lambda chip: chip.latches.wide,
    "ESTAT": lambda chip: chip.latches.erase_complete,
    "E_ERR": _has_failed(ERASE_FAILED),
    "E_FAIL": _has_failed(ERASE_FAILED),
    "P_ERR": _has_failed(PROGRAM_FAILED),
    "P_FAIL": _has_failed(PROGRAM_FAILED),
    "EPE": _has_failed(ERASE_FAILED | PROGRAM_FAILED),
    "PROT": _has_failed(PROTECTION_HIT),
}
"""What the chip shows in the bits it drives itself; a name for each of `registers.CHIP_BITS`."""


def write_register(chip: SerialChip, frame: Frame) -> Refusal | None:
    registers, state = chip.registers, chip.latches
    is_volatile = frame.was_volatile
    if not state.write_enabled and not is_volatile:
        return Refusal("no-wel", "a register write without write enable (06h) is ignored")
    assert frame.command is not None, "a register write without its command: please report"
    if chip.suspended is not None:
        return Refusal("suspended", "a register write while an operation is suspended is ignored")
    if registers.is_write_locked(chip.write_protect_pin):
        return Refusal("register-locked", "the status registers are locked (SRP with WP#, or until power-up): ignored")
    wanted = registers.targets(frame.command.opcode, frame.data)
    if wanted is None:
        return Refusal("wrong-length", f"this register write does not take {len(frame.data)} data bytes: ignored")
    if chip.serial.registers == "at25df":
        _global_protect(chip, wanted[0])
    if is_volatile:
        registers.set_volatile(wanted)
        return None
    registers.set_volatile(wanted, loose_only=True)
    if not any(registers.layout.registers[number].kept for number in wanted):
        state.write_enabled = False
        return None
    row = registers.stored_after(wanted)
    state.writing = tuple(wanted)
    duration = chip.device.timing.register_write_us(registers.annex)
    chip.begin("write", registers.annex, len(row), row, duration)
    return None


def _global_protect(chip: SerialChip, value: int) -> None:
    """AT25DF: bits 5:2 all ones lock every sector, all zeros unlock them, anything else leaves them [R]."""
    if chip.registers.bit("SRP0"):
        return
    if value & 0x3C == 0x3C:
        chip.registers.set_all_locks(1)
    elif value & 0x3C == 0:
        chip.registers.set_all_locks(0)


def volatile_enable(chip: SerialChip, frame: Frame) -> None:
    """The next register write changes the values in force alone."""
    chip.latches.volatile_write = True


def clear_flags(chip: SerialChip, frame: Frame) -> None:
    """Failure flags fall, and with them the BUSY that Spansion keeps up; WEL as well."""
    chip.latches.errors = 0
    chip.latches.write_enabled = False


def lock_secured(chip: SerialChip, frame: Frame) -> None:
    """Macronix WRSCUR: the secured area is locked for good."""
    registers = chip.registers
    row = registers.stored_after({2: registers.stored()[2] | registers.layout.registers[2].mask("LDSO")})
    chip.latches.writing = (2,)
    chip.begin("write", registers.annex, len(row), row, chip.device.timing.register_write_us(registers.annex))


# -- sector locks ----------------------------------------------------------------------------------------


def _set_lock(chip: SerialChip, frame: Frame, value: int) -> Refusal | None:
    chip.latches.write_enabled = False
    if not chip.registers.locks_rule:
        return Refusal("locks-off", "individual locks rule only where bit WPS is set: ignored")
    if chip.serial.registers == "at25df" and chip.registers.bit("SRP0"):
        return Refusal("register-locked", "SPRL is set: sector protection cannot be changed: ignored")
    chip.registers.set_lock(chip.registers.lock_at(frame.address % chip.size), value)
    return None


def lock_one(chip: SerialChip, frame: Frame) -> Refusal | None:
    return _set_lock(chip, frame, 1)


def unlock_one(chip: SerialChip, frame: Frame) -> Refusal | None:
    return _set_lock(chip, frame, 0)


def lock_all(chip: SerialChip, frame: Frame) -> None:
    chip.registers.set_all_locks(1)
    chip.latches.write_enabled = False


def unlock_all(chip: SerialChip, frame: Frame) -> None:
    chip.registers.set_all_locks(0)
    chip.latches.write_enabled = False


def read_lock(chip: SerialChip, frame: Frame, first: int, count: int) -> bytes:
    """01h or 00h; AT25DF says FFh or 00h."""
    locked = chip.registers.locks[chip.registers.lock_at(frame.address % chip.size)]
    shown = 0xFF if chip.serial.registers == "at25df" else 0x01
    return bytes([shown if locked else 0]) * count


def read_locks(chip: SerialChip, frame: Frame, first: int, count: int) -> bytes:
    return repeated(pack_locks(chip.registers.locks), first, count)


def write_locks(chip: SerialChip, frame: Frame) -> Refusal | None:
    if len(frame.data) != len(pack_locks(chip.registers.locks)):
        return Refusal(
            "wrong-length",
            f"the block-protection register takes {len(pack_locks(chip.registers.locks))} bytes: ignored",
        )
    chip.registers.locks = unpack_locks(frame.data, len(chip.registers.regions))
    chip.latches.write_enabled = False
    return None


# -- security registers ----------------------------------------------------------------------------------


def _security_place(chip: SerialChip, address: int) -> tuple[int, int] | None:
    """Number of the security register and the offset in it; None where there is none."""
    rules = chip.serial.security
    assert rules is not None, "a security command without security registers: please report"
    if rules.style == "otp":
        return (1, address) if address < rules.size + 1 else None
    number = address >> 12 & 0xF
    return (number, address % rules.size) if 1 <= number <= rules.count else None


def read_security(chip: SerialChip, frame: Frame, first: int, count: int) -> bytes:
    """The offset wraps at the end of the register; FFh where there is none. One-time areas have a lock byte behind."""
    rules = chip.serial.security
    place = _security_place(chip, frame.address)
    if rules is None or place is None:
        return b"\xff" * count
    size = rules.size + (rules.style == "otp")
    content = chip.device.sense(chip.annex_block(place[0]), size)
    return repeated(content, place[1] + first, count)


def program_security(chip: SerialChip, frame: Frame) -> Refusal | None:
    place, data = _security_place(chip, frame.address), frame.data
    if not data:
        return Refusal("empty-program", "a program without data is ignored")
    if place is None:
        return Refusal("no-such-register", f"no security register answers to address {frame.address:#x}: ignored")
    if chip.suspended is not None:
        return Refusal("suspended", "a security register program while an operation is suspended is ignored")
    if is_security_locked(chip, place[0]):
        return Refusal("otp-locked", f"security register {place[0]} is locked for good: nothing is programmed")
    base, page = chip.annex_block(place[0]), chip.device.geometry.page_size
    address = base + place[1]
    refusal = None
    if address % page + len(data) > page:
        refusal = Refusal("page-wrap", "data leaves its page: the address wraps, the last bytes win")
        address, data = address - address % page, latched(chip.part, address, data)
    rules = chip.serial.security
    assert rules is not None, "a security command without security registers: please report"
    room = base + rules.size + (rules.style == "otp") - address
    chip.start_program(address, data[:room])
    return refusal


def erase_security(chip: SerialChip, frame: Frame) -> Refusal | None:
    rules, place = chip.serial.security, _security_place(chip, frame.address)
    if rules is None or place is None:
        return Refusal("no-such-register", f"no security register answers to address {frame.address:#x}: ignored")
    if chip.suspended is not None:
        return Refusal("suspended", "a security register erase while an operation is suspended is ignored")
    if is_security_locked(chip, place[0]):
        return Refusal("otp-locked", f"security register {place[0]} is locked for good: nothing is erased")
    smallest = chip.device.geometry.smallest_sector_size
    duration = chip.device.timing.erase_us(0, min(e.size for e in chip.part.erase if e.size >= smallest), 0)
    chip.begin("erase", chip.annex_block(place[0]), rules.size, b"", duration)
    return None


def enter_otp(chip: SerialChip, frame: Frame) -> None:
    chip.latches.otp_mode = True


def exit_otp(chip: SerialChip, frame: Frame) -> None:
    chip.latches.otp_mode = False


def program_otp(chip: SerialChip, address: int, data: bytes) -> Refusal | None:
    """A page program in the secured area (Macronix, between B1h and C1h)."""
    if not data:
        return Refusal("empty-program", "a program without data is ignored")
    if chip.suspended is not None:
        return Refusal("suspended", "a program of the secured area while an operation is suspended is ignored")
    if is_security_locked(chip, 1):
        return Refusal("otp-locked", "the secured area is locked for good: nothing is programmed")
    at, page = chip.annex_block(1) + address, chip.device.geometry.page_size
    if at % page + len(data) > page:
        at, data = at - at % page, latched(chip.part, at, data)
    chip.start_program(at, data)
    return None


def is_security_locked(chip: SerialChip, number: int) -> bool:
    """By its LB bit, by LDSO (Macronix), or by bit 0 of the lock byte behind a one-time area (Micron)."""
    rules = chip.serial.security
    assert rules is not None, "a security register of a part that has none: please report"
    stored = chip.registers.stored()
    if rules.style == "mode":
        return bool(chip.registers.layout.value(stored, "LDSO"))
    if rules.style == "otp":
        return not chip.device.sense(chip.annex_block(1) + rules.size, 1)[0] & 1
    return bool(chip.registers.layout.value(stored, f"LB{number}"))
