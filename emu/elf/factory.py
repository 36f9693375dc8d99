"""What a programmer does before the device leaves the factory: bytes into the array, and into the rows beside it.

The bootloader of a vendor's kit comes as HEX with the address it starts at in UICR, and segments of an ELF begin where
its linker liked, not where a program of the flash does: a programmer fills such a one with what stands there.

Neighbours: `board` asks which pieces belong into a row, `rig` programs all of them. Knows no core.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from emu.clock import VirtualClock
from emu.cpu.chip import Chip
from emu.cpu.contract import World
from emu.cpu.flash import make_controller
from emu.elf.placed import Placed
from flash.device import FlashDevice
from flash.part import bundled_part


def into_rows(pieces: Iterable[Placed], chip: Chip) -> tuple[Placed, ...]:
    """``pieces``, those that lie in a row of ``chip`` with its device as their memory."""
    clock = VirtualClock()
    world = World(clock, _ignore, _ignore, _ignore, _ignore, _ignore)
    array, *rows = make_controller(
        chip.flash.controller, world, FlashDevice(bundled_part(chip.flash.part), clock=clock)
    ).regions
    found = []
    for piece in pieces:
        for row in rows:
            start, end = piece.address - row.base, piece.address - row.base + len(piece.data)
            if not piece.memory and row.device is not array.device and start >= 0 and end <= row.size:
                piece = replace(piece, memory=row.device.name, address=row.start + start)
                break
        found.append(piece)
    return tuple(found)


def program(device: FlashDevice, offset: int, data: bytes) -> None:
    """``data`` at ``offset``, with what stands around it up to the next whole programs."""
    unit = device.geometry.unit
    start, end = offset - offset % unit, -(-(offset + len(data)) // unit) * unit
    content = bytearray(device.cells.data[start:end])
    content[offset - start : offset - start + len(data)] = data
    device.load(start, bytes(content))


def _ignore(_: object) -> None:
    """What a controller tells, when nobody listens."""
