"""What array commands of a serial chip do: read, program, erase, suspend, resume, evaluate an erase.

Neighbours: `commands` names these functions in its table, `serial_flash` calls them; they start operations on the
`FlashDevice` behind the chip and end none. A command that does not do as asked returns a `Refusal`: silicon says
nothing, the record does.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from typing import TYPE_CHECKING

from flash import draws
from flash.in_flight import InFlight
from flash.rules import acceptable_units, latched
from flash.spi.command import Refusal
from flash.spi.register_commands import program_otp
from flash.spi.state import ERASE_FAILED, PROGRAM_FAILED, PROTECTION_HIT

if TYPE_CHECKING:
    from flash.spi.chip import SerialChip
    from flash.spi.frame import Frame

NOISE_SEED = 0x535553


def read(chip: SerialChip, frame: Frame, first: int, count: int) -> bytes:
    """The address counts up and wraps at the end of the array, or of the one-time-programmable area in its mode."""
    if chip.latches.otp_mode:
        base, size = chip.annex_block(1), chip.otp_size
    else:
        base, size = 0, chip.size
        if not first and frame.address >= size:
            frame.remark = _beyond(frame.address)
    at = (frame.address + first) % size
    pieces: list[bytes] = []
    while count:
        step = min(count, size - at)
        pieces.append(_sensed(chip, frame, base + at, step))
        count -= step
        at = 0
    return b"".join(pieces)


def _sensed(chip: SerialChip, frame: Frame, address: int, length: int) -> bytes:
    device = chip.device
    content = device.sense(address, length)
    device.statistics.read_bytes += length
    suspended = chip.suspended
    if suspended is not None:
        low, high = _target(chip, suspended)
        if low < address + length and address < high:
            frame.remark = Refusal("suspended-read", "the range of a suspended operation was read: undefined data")
            content = bytes(
                draws.mix(NOISE_SEED, at) & 0xFF if low <= at < high else value
                for at, value in enumerate(content, address)
            )
    if chip.registers.has_locks and chip.registers.is_read_locked(address, length):
        content = bytes(0 if chip.registers.is_read_locked(a, 1) else v for a, v in enumerate(content, address))
    return content


def _beyond(address: int) -> Refusal:
    return Refusal("beyond-array", f"address {address:#x} is beyond the array: the upper address bits are ignored")


def _target(chip: SerialChip, flight: InFlight) -> tuple[int, int]:
    """What a suspended operation leaves undefined: the unit of an erase, the page of a program."""
    operation = flight.operation
    if operation.kind == "erase":
        return operation.address, operation.address + operation.length
    page = chip.device.geometry.page_size
    low = operation.address - operation.address % page
    return low, low + page


# -- program and erase -----------------------------------------------------------------------------------


def program(chip: SerialChip, frame: Frame) -> Refusal | None:
    if chip.latches.otp_mode:
        return program_otp(chip, frame.address % chip.otp_size, frame.data)
    address, data = frame.address % chip.size, frame.data
    if not data:
        return Refusal("empty-program", "a program without data is ignored")
    refusal = _beyond(frame.address) if frame.address >= chip.size else None
    page = chip.device.geometry.page_size
    low = address - address % page
    if address + len(data) > low + page:
        why = f"{len(data)} bytes at {address:#x} leave their {page}-byte page: the address wraps, the last bytes win"
        refusal, address, data = Refusal("page-wrap", why), low, latched(chip.part, address, data)
    blocked = _blocked_by_suspend(chip, "program", address, len(data))
    if blocked is not None:
        return blocked
    if chip.registers.is_protected(address, len(data)):
        return _protected(chip, PROGRAM_FAILED, address, "programmed")
    limits = chip.part.program
    if limits.overwrite != "and" or limits.max_per_erase:
        data, spent = acceptable_units(chip.part, chip.device.cells, address, data)
        if spent is not None:
            refusal = Refusal(spent.rule, spent.message)
        if not data:
            return refusal
    chip.start_program(address, data)
    return refusal


def erase(chip: SerialChip, frame: Frame) -> Refusal | None:
    """Low address bits are ignored; what an opcode erases may depend on where."""
    if chip.latches.otp_mode:
        return Refusal("no-erase-here", "the secured area is one-time-programmable: nothing is erased")
    address = frame.address % chip.size
    refusal = _beyond(frame.address) if frame.address >= chip.size else None
    unit = next(_units(chip, frame.command.opcode if frame.command else 0, address), None)
    if unit is None:
        return Refusal("no-erase-here", f"this opcode erases nothing at {address:#x}")
    start, size = unit
    blocked = _blocked_by_suspend(chip, "erase", start, size)
    if blocked is not None:
        return blocked
    if chip.registers.is_protected(start, size):
        return _protected(chip, ERASE_FAILED, start, "erased")
    device = chip.device
    chip.begin("erase", start, size, b"", device.timing.erase_us(start, size, device.cells.cycles_at(start)))
    return refusal


def _units(chip: SerialChip, opcode: int, address: int) -> Iterator[tuple[int, int]]:
    """Erase units of that opcode around ``address``, as (start, size)."""
    geometry = chip.device.geometry
    for offered in chip.part.erase:
        start = address - address % offered.size
        if opcode in (offered.opcode, offered.opcode_4b) and geometry.is_erase(start, offered.size):
            yield start, offered.size


def chip_erase(chip: SerialChip, frame: Frame) -> Refusal | None:
    if chip.latches.otp_mode:
        return Refusal("no-erase-here", "the secured area is one-time-programmable: nothing is erased")
    blocked = _blocked_by_suspend(chip, "erase", 0, chip.size)
    if blocked is not None:
        return blocked
    if chip.registers.is_protected(0, chip.size):
        return _protected(chip, ERASE_FAILED, 0, "erased as a whole")
    chip.begin("erase", 0, chip.size, b"", chip.device.timing.chip_erase_us())
    return None


def _protected(chip: SerialChip, failed: int, address: int, verb: str) -> Refusal:
    if chip.reports_errors:
        chip.latches.errors |= failed | PROTECTION_HIT
    if not chip.registers.layout.protect_keeps_wel:
        chip.latches.write_enabled = False
    return Refusal("protected", f"the part is write-protected at {address:#x}: nothing is {verb}")


# -- suspend and resume ----------------------------------------------------------------------------------


def _blocked_by_suspend(chip: SerialChip, kind: str, address: int, length: int) -> Refusal | None:
    """Why an operation may not start while another is suspended."""
    flight = chip.suspended
    if flight is None:
        return None
    stopped, rules = flight.operation.kind, chip.serial.suspend
    assert rules is not None, "an operation is suspended on a part without suspend: please report"
    low, high = _target(chip, flight)
    inside = low < address + length and address < high
    if stopped == "erase":
        allowed = kind == "program" and rules.program_in_erase and not inside
    else:
        # Bit 0 of the SFDP field: whether another page's erase may start; 0 and "not known" forbid it.
        allowed = kind == "erase" and rules.prohibited_in_program > 0 and rules.prohibited_in_program & 1 == 1
        allowed = allowed and not inside
    return None if allowed else Refusal("suspended", f"{kind} at {address:#x} while an {stopped} is suspended: ignored")


def suspend(chip: SerialChip, frame: Frame) -> Refusal | None:
    """SUS is set at once; BUSY falls after the latency. The operation stands still from the command on."""
    rules, flight, now = chip.serial.suspend, chip.running, chip.clock.now_us
    assert rules is not None and frame.command is not None, "suspend without its table: please report"
    if flight is None or chip.suspended is not None:
        return Refusal("suspend-refused", "there is nothing to suspend, or something is suspended already: ignored")
    operation = flight.operation
    is_erase = operation.kind == "erase"
    opcode = rules.erase_suspend if is_erase else rules.program_suspend
    in_array = operation.address < chip.size and operation.length < chip.size
    if operation.kind == "write" or not in_array or opcode != frame.command.opcode:
        return Refusal("suspend-refused", "chip erase and register writes cannot be suspended: ignored")
    gap = rules.erase_gap_us if is_erase else rules.program_gap_us
    too_soon = chip.latches.resumed_us >= 0 and now - chip.latches.resumed_us < gap
    flight.suspend(now)
    chip.latches.busy_until_us = now + ceil(rules.erase_latency_us if is_erase else rules.program_latency_us)
    chip.latches.write_enabled = False
    if too_soon:
        why = f"suspended less than {gap:g} us after a resume: the operation makes no progress like this"
        return Refusal("suspend-too-soon", why)
    return None


def resume(chip: SerialChip, frame: Frame) -> Refusal | None:
    rules, flight = chip.serial.suspend, chip.suspended
    assert rules is not None and frame.command is not None, "resume without its table: please report"
    if flight is None:
        return Refusal("resume-refused", "nothing is suspended: ignored")
    opcode = rules.erase_resume if flight.operation.kind == "erase" else rules.program_resume
    if opcode != frame.command.opcode:
        return Refusal("resume-refused", "this opcode resumes another kind of operation: ignored")
    flight.resume(chip.clock.now_us)
    chip.latches.resumed_us = chip.clock.now_us
    chip.latches.write_enabled = True
    return None


def evaluate_erase(chip: SerialChip, frame: Frame) -> Refusal | None:
    """Whether the last erase of that sector ran to its end; the answer stands in a status bit when BUSY falls."""
    address = frame.address % chip.size
    sector = chip.device.geometry.sector_at(address)
    chip.latches.erase_complete = sector.index not in chip.incomplete_erases
    chip.latches.busy_until_us = chip.clock.now_us + ceil(chip.serial.evaluate_erase_us)
    return None
