"""Which units of a state a run consulted, and which it determined itself: its footprint.

A run is a deterministic function of the units in its footprint: two states that agree on them run alike, byte
for byte and entry for entry. Neighbours: `device` reports every access, `grid` says what a unit is (without one: a
snapshot block), `emu.campaign` compares footprints. Knows nothing of firmware.

Exactness, per unit: it counts as determined once an erase that covers it whole has been executed in this run; reads,
programs and erases that cover only part of a unit consult its old content unless it is determined. So a unit a run has
touched is either determined or in the footprint, and what it leaves there is the same in every state that agrees on
the footprint.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from flash.cells import Cells
from flash.grid import Grid, Grids

UnitAddress = tuple[str, int]
"""A device and the number of a unit on it; or, without a device, a question about attempts."""

ATTEMPTS: UnitAddress = ("", 0)
"""Not flash, but consulted like it: whether the workload has an attempt left. The number is how many the run had begun
when it asked."""


class Trace:
    """Footprint of one run over all devices. ``consulted_units`` keeps the order of first consultation."""

    __slots__ = ("_grids", "consulted_units", "determined", "written")

    def __init__(self, grids: Grids | None = None) -> None:
        self._grids: dict[str, Grid] = dict(grids or {})
        self.consulted_units: dict[UnitAddress, None] = {}
        self.determined: set[UnitAddress] = set()
        self.written: set[UnitAddress] = set()

    def consulted(self, device: str, cells: Cells, address: int, length: int) -> None:
        """Content was read, by the firmware, the silicon or a check."""
        self.consulted_each((device, index) for index in self._units_in(device, cells, address, length))

    def consulted_each(self, units: Iterable[UnitAddress]) -> None:
        """As `consulted`, by somebody who knows the units."""
        known, determined = self.consulted_units, self.determined
        for unit in units:
            if unit not in known and unit not in determined:
                known[unit] = None

    def consulted_at_start(self, device: str, cells: Cells, address: int, length: int) -> None:
        """Content as it was when the run began decides something, whatever the run has done to it since."""
        for index in self._units_in(device, cells, address, length):
            self.consulted_units.setdefault((device, index), None)

    def asked_for_attempts(self, begun: int = 0) -> None:
        """The workload looked whether an attempt is left, having begun so many in this run."""
        self.consulted_units.setdefault((ATTEMPTS[0], begun), None)

    def changed_in_part(self, device: str, cells: Cells, address: int, length: int) -> None:
        """A program, or an interrupted operation: what the range holds now depends on what it held."""
        self.consulted(device, cells, address, length)
        for index in self._units_in(device, cells, address, length):
            self.written.add((device, index))

    def erased(self, device: str, cells: Cells, address: int, length: int) -> None:
        """An erase was completed."""
        grid = self._grids.get(device)
        size = cells.block_size
        units = [(device, index) for index in self._units_in(device, cells, address, length)]
        self.written.update(units)
        whole = set(units)
        for unit in (units[0], units[-1]):  # the others, in the order of addresses, lie inside
            at, extent = (unit[1] * size, size) if grid is None else grid.extent(unit[1])
            if not (address <= at and at + extent <= address + length):
                whole.discard(unit)
                if unit not in self.determined:
                    self.consulted_units.setdefault(unit, None)
        self.determined |= whole

    def _units_in(self, device: str, cells: Cells, address: int, length: int) -> Sequence[int]:
        grid = self._grids.get(device)
        return cells.blocks_in(address, length) if grid is None else grid.units_in(address, length)
