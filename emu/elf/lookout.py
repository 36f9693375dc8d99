"""What a session looks at in flash, by units, while it runs; and which image runs, told to whoever watches its life.

Loads and code outside the bootloader are followed. The pages the bootloader's code stands in count as looked at as a
whole from the start: its own instructions and constants are most of all that is read. What has been looked at once is
not told again.

One machine, one of these: rigs that vary share both. Neighbours: `rig` begins sessions, `life` is told of code that
runs. Knows no board.
"""

from __future__ import annotations

from emu.cpu.first_touch import PIECE, FirstTouch
from emu.cpu.machine import Machine
from emu.elf.life import ElfLife
from flash.grid import Grids
from flash.trace import Trace, UnitAddress


class Lookout:
    """On ``machine``, before anything has run on it. ``loader``: where the bootloader's pages begin and end, in the
    array. ``grids``: what a unit is, by chip."""

    def __init__(self, machine: Machine, loader: tuple[int, int], grids: Grids) -> None:
        self.life: ElfLife | None = None
        """Of the session that runs, or ran last."""
        self._trace: Trace | None = None
        self._machine = machine
        self._loader = loader
        self._grids = grids
        self._units: dict[tuple[int, int], tuple[tuple[UnitAddress, ...], int, int]] = {}
        entry, size = machine.chip.flash, machine.flash.geometry.size
        self._touch = FirstTouch(entry.address, size, machine.engine.folded)
        start, end = loader
        followed = [(at, length) for at, length in ((0, start), (end, size - end)) if length]
        machine.engine.follow(
            [(home + at, length) for home in (entry.address, *entry.aliases) for at, length in followed],
            self._touch, self._reads, self._executes,
        )  # fmt: skip
        machine.memory.looked = self._reads

    def use(self, grids: Grids) -> None:
        """Other units, from the next session on."""
        self._grids = grids
        self._units.clear()

    def begin(self, trace: Trace | None) -> None:
        """A session begins, which leaves its footprint in ``trace``."""
        self._trace = trace
        self._touch.begin()
        if trace is not None:
            start, end = self._loader
            trace.consulted(self._machine.flash.name, self._machine.flash.cells, start, end - start)

    def _reads(self, address: int, size: int) -> None:
        """The core, or what enters its exceptions, looks at flash."""
        offset = self._machine.flash_offset(address)
        assert offset is not None, f"{address:#x} is not in flash: please report"
        length = min(size, self._machine.flash.geometry.size - offset)
        units, at, extent = self._units_of(offset // PIECE, -(-(offset + length) // PIECE))
        if self._trace is not None:
            self._trace.consulted_each(units)
        self._touch.touch(at, extent)

    def _units_of(self, first: int, stop: int) -> tuple[tuple[UnitAddress, ...], int, int]:
        """The units of the grid in some pieces of flash, where the first of them begins, and how long they are."""
        found = self._units.get((first, stop))
        if found is None:
            grid, name = self._grids[self._machine.flash.name], self._machine.flash.name
            units = grid.units_in(first * PIECE, (stop - first) * PIECE)
            (low, _), (high, last) = grid.extent(units[0]), grid.extent(units[-1])
            found = self._units[first, stop] = (tuple((name, unit) for unit in units), low, high + last - low)
        return found

    def _executes(self, address: int, size: int) -> None:
        """A block of code outside the bootloader's own pages is about to run."""
        self._reads(address, size)
        assert self.life is not None, "code runs that nobody watches: please report"
        offset = self._machine.flash_offset(address)
        assert offset is not None, f"{address:#x} is not in flash: please report"
        self.life.executes(offset)
        slot = self.life.slot
        if slot is not None:
            self._touch.stay_in(slot.address, slot.size)
