"""What a programmer does before the device leaves the factory: bytes into the array, and into the rows beside it.

The bootloader of a vendor's kit comes as HEX with the address it starts at in UICR, and segments of an ELF begin where
its linker liked, not where a program of the flash does: a programmer fills such a one with what stands there.

Neighbours: `fits` asks whether a piece belongs into a row, `rig` has it programmed. Knows no core.
"""

from __future__ import annotations

from collections.abc import Sequence

from emu.clock import VirtualClock
from emu.cpu.chip import Chip
from emu.cpu.contract import World
from emu.cpu.faces import CellRegion
from emu.cpu.flash import make_controller
from emu.elf.placed import Placed
from flash.device import FlashDevice
from flash.part import bundled_part


def rows_of(chip: Chip) -> tuple[CellRegion, ...]:
    """The rows of a chip, for their addresses: nobody runs this one."""
    main = FlashDevice(bundled_part(chip.flash.part), clock=VirtualClock())
    world = World(main.clock, _ignore, _ignore, lambda: None, _ignore, _ignore)
    return beside_the_array(make_controller(chip.flash.controller, world, main).regions)


def beside_the_array(regions: Sequence[CellRegion]) -> tuple[CellRegion, ...]:
    """``regions`` of a controller but the array, which is the first, and what else shows the same cells."""
    return tuple(each for each in regions if each.device is not regions[0].device)


def row_for(placed: Placed, rows: Sequence[CellRegion]) -> CellRegion | None:
    """The row that holds all of a piece."""
    for row in rows:
        if row.base <= placed.address and placed.address + len(placed.data) <= row.base + row.size:
            return row
    return None


def program(device: FlashDevice, offset: int, data: bytes) -> None:
    """``data`` at ``offset``, with what stands around it up to the next whole programs."""
    unit = device.geometry.unit
    start, end = offset - offset % unit, -(-(offset + len(data)) // unit) * unit
    content = bytearray(device.cells.data[start:end])
    content[offset - start : offset - start + len(data)] = data
    device.load(start, bytes(content))


def _ignore(_: object) -> None:
    """What a controller tells, when nobody listens."""
