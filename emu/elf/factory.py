"""What a programmer does before the device leaves the factory: bytes into the array, and into the rows beside it.

The bootloader of a vendor's kit comes as HEX with the address it starts at in UICR, and segments of an ELF begin where
its linker liked, not where a program of the flash does: a programmer fills such a one with what stands there.

Neighbours: `board` asks which pieces and windows belong into a row, `rig` programs all of them. Knows no core.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import msgspec

from emu.clock import VirtualClock
from emu.cpu.chip import Chip
from emu.cpu.contract import World
from emu.cpu.flash import make_controller
from emu.cpu.flash.regions import Region
from emu.elf.document import WindowEntry
from emu.elf.placed import Placed
from flash.device import FlashDevice
from flash.part import bundled_part


def into_rows(pieces: Iterable[Placed], chip: Chip) -> tuple[Placed, ...]:
    """``pieces``, those that lie in a row of ``chip`` with its device as their memory."""
    rows = rows_of(chip)
    found = []
    for piece in pieces:
        row = None if piece.memory else _holder(rows, piece.address, len(piece.data))
        found.append(
            piece if row is None else replace(piece, memory=row.device.name, address=row.offset(piece.address))
        )
    return tuple(found)


def windows_into_rows(windows: Iterable[WindowEntry], chip: Chip) -> list[WindowEntry]:
    """The same of windows: values are kept in a data EEPROM too."""
    rows = rows_of(chip)
    found = []
    for window in windows:
        row = None if window.memory else _holder(rows, window.address, window.size)
        found.append(
            window if row is None
            else msgspec.structs.replace(window, memory=row.device.name, address=row.offset(window.address))
        )  # fmt: skip
    return found


def rows_of(chip: Chip) -> list[Region]:
    """Where cells stand beside the array: option bytes, UICR, a data EEPROM."""
    clock = VirtualClock()
    world = World(clock, _ignore, _ignore, _ignore, _ignore, _ignore)
    array, *rows = make_controller(
        chip.flash.controller, world, FlashDevice(bundled_part(chip.flash.part), clock=clock)
    ).regions
    return [row for row in rows if row.device is not array.device]


def _holder(rows: Iterable[Region], address: int, size: int) -> Region | None:
    return next((row for row in rows if row.holds(address, size)), None)


def program(device: FlashDevice, offset: int, data: bytes) -> None:
    """``data`` at ``offset``, with what stands around it up to the next whole programs."""
    unit = device.geometry.unit
    start, end = offset - offset % unit, -(-(offset + len(data)) // unit) * unit
    content = bytearray(device.cells.data[start:end])
    content[offset - start : offset - start + len(data)] = data
    device.load(start, bytes(content))


def _ignore(_: object) -> None:
    """What a controller tells, when nobody listens."""
