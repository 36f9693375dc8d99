"""What the commands for latches, deep power-down, reset, addressing, four-line mode and identity do.

Neighbours: `commands` names these functions in its table, `serial_flash` calls them. None takes time that BUSY would
show.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from flash.spi.command import Refusal, repeated
from flash.spi.state import ChipState

if TYPE_CHECKING:
    from flash.spi.chip import SerialChip
    from flash.spi.frame import Frame


def write_enable(chip: SerialChip, frame: Frame) -> None:
    chip.latches.write_enabled = True


def write_disable(chip: SerialChip, frame: Frame) -> None:
    chip.latches.write_enabled = False


# -- power-down, reset, modes ----------------------------------------------------------------------------


def power_down(chip: SerialChip, frame: Frame) -> Refusal | None:
    if chip.suspended is not None:
        return Refusal("suspended", "power-down while an operation is suspended is ignored")
    chip.latches.powered_down = True
    return None


def wake(chip: SerialChip, frame: Frame) -> None:
    """From now on the release takes its time, in which nothing is heard. Without power-down: only the id was asked."""
    rules = chip.serial.power_down
    assert rules is not None, "a wake-up without power-down: please report"
    if chip.latches.powered_down:
        chip.latches.powered_down = False
        chip.latches.ready_us = chip.clock.now_us + ceil(rules.exit_us)


def reset_enable(chip: SerialChip, frame: Frame) -> None:
    chip.latches.reset_enabled = True


def reset(chip: SerialChip, frame: Frame) -> Refusal | None:
    """Volatile state as after power-up; an operation on its way, or suspended, stops where it is: torn."""
    rules = chip.serial.soft_reset
    assert rules is not None, "a reset without soft reset: please report"
    if not frame.was_armed:
        return Refusal("reset-not-enabled", "99h without 66h just before it is ignored")
    running = chip.running
    if running is not None and running.operation.kind == "write" and rules.spares_register_write:
        return Refusal("while-busy", "99h during a register write is ignored")
    now = chip.clock.now_us
    stopped = list(chip.device.in_flight)
    chip.latches = ChipState(powered_us=chip.latches.powered_us, ready_us=now + ceil(rules.recovery_us))
    for flight in stopped:
        chip.abort(flight)
    chip.registers.power_up(keep_loose=True)
    if not stopped:
        return None
    return Refusal("reset-while-busy", "a reset during an operation stops it where it is: its range is undefined")


def _after_enable(chip: SerialChip) -> None:
    four = chip.serial.four_byte
    if four is not None and four.needs_wren:
        chip.latches.write_enabled = False


def enter_wide(chip: SerialChip, frame: Frame) -> None:
    chip.latches.wide = True
    _after_enable(chip)


def exit_wide(chip: SerialChip, frame: Frame) -> None:
    chip.latches.wide = False
    _after_enable(chip)


def write_upper(chip: SerialChip, frame: Frame) -> Refusal | None:
    if len(frame.data) != 1:
        return Refusal("wrong-length", "the extended address register takes one byte: ignored")
    chip.latches.upper_address = frame.data[0]
    chip.latches.write_enabled = False
    return None


def read_upper(chip: SerialChip, frame: Frame, first: int, count: int) -> bytes:
    return bytes([chip.latches.upper_address]) * count


def write_bank(chip: SerialChip, frame: Frame) -> Refusal | None:
    """Spansion: bit 7 is 4-byte mode, the others the upper address bits."""
    if len(frame.data) != 1:
        return Refusal("wrong-length", "the bank register takes one byte: ignored")
    chip.latches.wide = frame.data[0] >= 0x80
    chip.latches.upper_address = frame.data[0] & 0x7F
    return None


def read_bank(chip: SerialChip, frame: Frame, first: int, count: int) -> bytes:
    return bytes([chip.latches.upper_address | 0x80 * chip.latches.wide]) * count


def enter_qpi(chip: SerialChip, frame: Frame) -> Refusal | None:
    if chip.registers.needs_quad_enable and not chip.registers.bit("QE"):
        return Refusal("quad-disabled", "four-line mode needs quad enable: ignored")
    chip.latches.quad = True
    return None


def nothing(chip: SerialChip, frame: Frame) -> None:
    """FFh: it ends a continuous read by the ones it is made of; where none goes on it does nothing."""


def exit_qpi(chip: SerialChip, frame: Frame) -> None:
    if not chip.is_busy and not chip.latches.powered_down:
        chip.latches.quad = False


# -- identity --------------------------------------------------------------------------------------------


def jedec_id(chip: SerialChip, frame: Frame, first: int, count: int) -> bytes:
    return repeated(bytes.fromhex(chip.part.jedec_id + chip.serial.jedec_ext), first, count)


def _device_id(chip: SerialChip) -> int:
    """One below the capacity byte of the JEDEC id, as 25-series parts have it [R]."""
    return (bytes.fromhex(chip.part.jedec_id)[2] - 1) & 0xFF


def device_id(chip: SerialChip, frame: Frame, first: int, count: int) -> bytes:
    if chip.is_busy:
        return b"\xff" * count
    return bytes([_device_id(chip)]) * count


def maker_and_device(chip: SerialChip, frame: Frame, first: int, count: int) -> bytes:
    """In turn; from an odd address the device comes first."""
    pair = bytes([bytes.fromhex(chip.part.jedec_id)[0], _device_id(chip)])
    return repeated(pair, first + (frame.address & 1), count)


def unique_id(chip: SerialChip, frame: Frame, first: int, count: int) -> bytes:
    return repeated(chip.unique_id, first, count)


def sfdp(chip: SerialChip, frame: Frame, first: int, count: int) -> bytes:
    """FFh behind the end of the table."""
    from flash.sfdp.encode import table  # many rooms, for the one host that asks

    content = table(chip.part)
    at = frame.address + first
    return content[at : at + count].ljust(count, b"\xff")
