"""Where a controller's cells appear to the processor: the array, and the small rows beside it.

Option bytes and their kind are cells too, so each row is a `FlashDevice` of its own, with the rules and times of the
array it belongs to: journal, tears, power and snapshots need no second mechanism.

Neighbours: the chips name their rows, `controller` finds the region of a store. Knows no register.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from flash.device import FlashDevice
from flash.errors import FlashError
from flash.part import Erase, Part, PartKind, Runs


@dataclass(frozen=True, slots=True)
class Region:
    """``size`` bytes of ``device`` from ``start`` on, at ``base`` in the address space of the processor."""

    name: str
    base: int
    device: FlashDevice
    start: int
    size: int

    def holds(self, address: int, size: int) -> bool:
        return self.base <= address and address + size <= self.base + self.size

    def offset(self, address: int) -> int:
        """On the device."""
        return address - self.base + self.start


@dataclass(frozen=True, slots=True)
class Row:
    """A row beside the array. ``content``: as it leaves the factory. ``unit``: bytes of one program of it.

    ``kind``, ``max_per_erase``: None: those of the array. ``overwrite_and``: any program is taken, whatever the cells
    hold. ``erase_size``: bytes of one erase; 0: the row.
    """

    name: str
    size: int
    unit: int
    content: bytes
    kind: PartKind | None = None
    overwrite_and: bool = False
    max_per_erase: int | None = None
    erase_size: int = 0

    def part(self, main: Part) -> Part:
        """The row as a part, erased and programmed as the array is, in the same times."""
        erase_size = self.erase_size or self.size
        sector = main.geometry.smallest_sector_size
        erase_time = next(e.time_us for e in main.erase if e.size == sector)
        kind = main.kind if self.kind is None else self.kind
        program = msgspec.structs.replace(
            main.program,
            unit=self.unit,
            burst_size=self.unit,
            overwrite="and" if self.overwrite_and else main.program.overwrite,
            max_per_erase=main.program.max_per_erase if self.max_per_erase is None else self.max_per_erase,
        )
        return msgspec.structs.replace(
            main,
            name=f"{main.name} {self.name}",
            kind=kind,
            size=self.size,
            base=0,
            sectors=(Runs(self.size // erase_size, erase_size),),
            erase=(Erase(erase_size, erase_time),),
            program=program,
            ecc=main.ecc if kind == "mcu-ecc" else None,
            controller=None,
            aliases=(),
            notes=(),
        )

    def device(self, main: FlashDevice) -> FlashDevice:
        """The cells of the row as they leave the factory, on the clock, rail and journal of the array."""
        if len(self.content) > self.size:
            raise FlashError(f"{self.name}: {len(self.content)} bytes do not fit a row of {self.size}")
        device = FlashDevice(
            self.part(main.part),
            name=f"{main.name}-{self.name}",
            clock=main.clock,
            supply=main.supply,
            journal=main.journal,
            strict=main.strict,
        )
        device.load(0, self.content)
        return device
