"""Slots, and where an update may wait: from where applications are linked, from erase boundaries, and from addresses
that code loads.

Neighbours: `survey` asks with a chip that has been chosen; `draft` writes it down, `rehearsal` tries the places. Each
answer has its reason with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from emu.cpu.chip import Chip
from emu.elf.survey.candidate import bases, boot_table
from emu.elf.survey.evidence import Evidence, FirmwareFile
from emu.elf.survey.vectors import tables_in
from flash.geometry import Geometry
from flash.images import Segment
from flash.part import bundled_part

MAX_WAITING = 12
"""Places that are tried for an update."""


@dataclass(frozen=True)
class Application:
    """What runs in a slot, from its first byte. ``inside``: it is a piece of a file that holds more."""

    file: FirmwareFile
    address: int
    data: bytes
    why: str
    inside: bool = False

    @property
    def end(self) -> int:
        return self.address + len(self.data)


@dataclass(frozen=True, slots=True)
class Spot:
    """An address with the reason for it. ``size`` 0: not a slot."""

    address: int
    size: int
    why: str


class Layout:
    """Of ``chip``, for what ``evidence`` has."""

    def __init__(self, chip: Chip, evidence: Evidence) -> None:
        self.chip = chip
        self._evidence = evidence
        self._part = bundled_part(chip.flash.part)
        self._geometry: Geometry = self._part.geometry

    @property
    def erased(self) -> int:
        return self._part.erased

    # -- applications -----------------------------------------------------------------------------------------

    def loader(self) -> FirmwareFile:
        """The file that has the vectors the chip boots from."""
        home = {self.chip.boot - self.chip.flash.address + base for base in bases(self.chip)}
        return next(
            file for file in self._evidence.placed
            for segment in file.image.segments if any(segment.address <= at < segment.end for at in home)
        )  # fmt: skip

    def _loader_alone(self) -> range:
        """Addresses of the bootloader, where no application can begin; none if it shares its file with one."""
        if not any(file.table is not None for file in self._evidence.files if file is not self.loader()):
            return range(0)
        loader, base = self.loader().image, self._base(self._evidence.extent[0])
        first = min(segment.address for segment in loader.segments if segment.address >= base)
        return range(first, max(segment.end for segment in loader.segments))

    def application(self, file: FirmwareFile) -> Application:
        """All of ``file``, which is an application: at its own address, or where its vectors point to."""
        data = file.image.flatten(fill=self._part.erased)
        if not file.is_raw:
            return Application(file, file.lead.address, data, f"{file.name} is linked there")
        table = file.table
        if table is None:
            return Application(file, 0, data, "")
        lowest, loader = table.lowest_code, self._loader_alone()
        known = [
            at for at in self._boundaries(self._evidence.values)
            if lowest - len(data) < at <= lowest - table.offset and at not in loader
        ]  # fmt: skip
        if known:
            return Application(
                file, max(known), data, f"code loads that address, and the vectors of {file.name} point behind it"
            )
        start = self._floor(lowest - table.offset)
        return Application(
            file, start, data, f"the erase boundary before {lowest:#x}, where the vectors of {file.name} point"
        )

    def shipped(self) -> Application | None:
        """The application among what the factory programs: a file of its own, or behind the bootloader in one."""
        loader = self.loader()
        for file in self._evidence.files:
            if file is not loader and file.table is not None:
                return self.application(file)
        assert boot_table(self.chip, self._evidence) is not None, "the chip was chosen for its vectors: please report"
        boot = self.chip.boot - self.chip.flash.address
        for segment in loader.image.segments:
            base = next((b for b in bases(self.chip) if b <= segment.address < b + self._geometry.size), None)
            if base is None:
                continue
            ahead = [at for at in self._starts(segment, base) if at - base != boot]
            table = next(tables_in(segment.data, segment.address, iter(ahead)), None)
            if table is not None:
                at = segment.address + table.offset
                data = segment.data[table.offset :].rstrip(bytes([self._part.erased]))
                return Application(loader, at, data, f"{loader.name} has a second vector table there", inside=True)
        return None

    # -- places -----------------------------------------------------------------------------------------------

    def slot(self, first: Application, *others: Application) -> Spot:
        """Around ``first``: from the erase boundary before it, as large as the largest image needs."""
        start = self._floor(first.address)
        length = max(len(each.data) for each in (first, *others)) + first.address - start
        end = self._ceiling(start + length)
        return Spot(start, end - start, first.why)

    def guessed_slot(self) -> Spot:
        """Where nobody has shown an application: the first place behind the bootloader that its code knows."""
        end = max(segment.end for segment in self.loader().image.segments)
        known = sorted(at for at in self._boundaries(self._evidence.values) if at >= end)
        start = known[0] if known else self._ceiling(end)
        why = "code loads that address" if known else "nothing says so: the first erase boundary behind the bootloader"
        return Spot(start, self._ceiling(start + 1) - start, why)

    def waiting_places(self, update: Application, slots: list[Spot]) -> list[Spot]:
        """Where ``update`` may wait for the bootloader, the likeliest first."""
        taken = [(s.address, s.end) for s in self._evidence.segments] + [(s.address, s.address + s.size) for s in slots]
        size = len(update.data)
        found: dict[int, Spot] = {}
        for at in sorted(self._boundaries(self._evidence.values)):
            found.setdefault(at, Spot(at, 0, "code loads that address"))
        last = max(end for _, end in taken)
        found.setdefault(
            self._ceiling(last), Spot(self._ceiling(last), 0, "the first erase boundary behind everything")
        )
        free = [
            spot for spot in found.values()
            if self._holds(spot.address, size) and all(spot.address + size <= a or b <= spot.address for a, b in taken)
        ]  # fmt: skip
        return free[:MAX_WAITING]

    # -- arithmetic of addresses --------------------------------------------------------------------------------

    def _base(self, address: int) -> int:
        return next((b for b in bases(self.chip) if b <= address < b + self._geometry.size), self.chip.flash.address)

    def _holds(self, address: int, size: int) -> bool:
        base = self._base(address)
        return base <= address and address + size <= base + self._geometry.size

    def _boundaries(self, values: frozenset[int]) -> Iterator[int]:
        """Of ``values``, those that are erase boundaries in the flash the files are linked for."""
        base = self._base(self._evidence.extent[0])
        for value in values:
            if base < value < base + self._geometry.size and self._floor(value) == value:
                yield value

    def _starts(self, segment: Segment, base: int) -> Iterator[int]:
        """Erase boundaries in ``segment``."""
        for sector in self._geometry.sectors_in(segment.address - base, len(segment.data)):
            if segment.address <= base + sector.address < segment.end:
                yield base + sector.address

    def _floor(self, address: int) -> int:
        base = self._base(address)
        return base + self._geometry.sector_at(max(0, min(address - base, self._geometry.size - 1))).address

    def _ceiling(self, address: int) -> int:
        base = self._base(address)
        if not base <= address < base + self._geometry.size:
            return base + self._geometry.size
        sector = self._geometry.sector_at(address - base)
        return base + (sector.address if base + sector.address == address else sector.end)
