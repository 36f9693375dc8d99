"""Operations of a controller on its cells, each one entry of the journal and one place to cut.

The core stalls: an operation is complete when these functions return, and the clock has moved by its time. On every
chip here code that runs from the bank being written stands still until the end, and a driver that waits for the busy
flag then finds it clear. Code that runs from RAM, or from the other bank of a part with two, would see the flag set;
it takes the same time until it reads clear, so a driver that waits behaves alike. That a driver forgets to wait is not
found. An alarm of the clock that is passed on the way (a watchdog) tears the operation: a reset stops the array.

Neighbours: the chips call these, `flash.device` executes. Knows no register.
"""

from __future__ import annotations

from flash.device import FlashDevice
from flash.errors import Interrupted, ResetAsserted
from flash.in_flight import InFlight
from flash.journal import Operation, OperationKind
from flash.rules import acceptable_units


def accepts(device: FlashDevice, address: int, data: bytes) -> bool:
    """Whether the part takes this program; where what the cells hold decides, that is in the footprint."""
    rules = device.part.program
    if rules.overwrite == "and" and not rules.max_per_erase:
        return True
    device.sense(address, len(data))
    return acceptable_units(device.part, device.cells, address, data)[1] is None


def is_blank(device: FlashDevice, address: int, length: int) -> bool:
    """Whether the range reads erased and was not programmed since."""
    reads_blank = device.sense(address, length) == bytes([device.geometry.erased]) * length
    return reads_blank and not device.cells.uses_in(address, length)


def erase(device: FlashDevice, address: int, size: int, duration_us: int | None = None) -> None:
    """One erase unit; ``duration_us`` None: the part's own time for it."""
    if duration_us is None:
        device.erase(address, size)
    else:
        timed(device, "erase", address, size, b"", duration_us)


def erase_bank(device: FlashDevice, bank: int) -> None:
    """One bank of the array at once, in the part's time for that."""
    controller = device.part.controller
    assert controller is not None, f"{device.part.name} has no [controller] table: please report"
    size = device.geometry.size // controller.banks
    timed(device, "erase", bank * size, size, b"", device.timing.mass_erase_us())


def timed(
    device: FlashDevice, kind: OperationKind, address: int, length: int, data: bytes, duration_us: int
) -> Operation:
    """An operation of a length or a duration that a plain command of the part does not have."""
    return complete(device, device.begin(kind, address, length, data, duration_us), duration_us)


def complete(device: FlashDevice, flight: InFlight, duration_us: int) -> Operation:
    """Let ``duration_us`` pass, then end what was begun."""
    stall(device, flight, duration_us)
    try:
        return device.end(flight)
    except ResetAsserted:
        # Planned right before this operation: an array inside the processor's own chip has not begun it either.
        device.in_flight = [other for other in device.in_flight if other is not flight]
        raise


def stall(device: FlashDevice, flight: InFlight, duration_us: int) -> None:
    """Time passes while ``flight`` is under way; a reset inside tears it."""
    try:
        device.clock.advance(duration_us)
    except Interrupted:
        if flight in device.in_flight:
            device.abort(flight)
        raise
