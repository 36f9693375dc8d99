"""Which reads of flash error correction has something to say about: those of granules it has marked, and no others.

The core reads flash millions of times a second, and hardly ever a marked granule. Machine code that stands in every
read and at the beginning of every block of code (`first_touch`) looks at a byte for each piece of 32; only where a
piece holds a mark is Python told, and nothing is translated anew when marks come and go. A block of code is told of as
a whole before its first instruction runs: flash is fetched ahead of what runs.

Neighbours: `engine` registers the hooks; `machine` says when marks may have changed and passes on what was read. Knows
no chip, and not what a mark does.
"""

from __future__ import annotations

from collections.abc import Sequence

from emu.cpu.engine import Engine
from emu.cpu.first_touch import PIECE, FirstTouch
from emu.cpu.following import Sensed
from flash.cells import Cells


class Marks:
    """Of ``cells``, which the core reads at each of ``bases``. ``sensed(address, size)`` is called before the core
    reads, or runs code, that shares a piece with a marked granule. Made before anything has run."""

    def __init__(self, engine: Engine, bases: Sequence[int], cells: Cells, sensed: Sensed) -> None:
        self._cells = cells
        self._size = cells.geometry.size
        self._touch = FirstTouch(bases[0], self._size, engine.folded)
        self._touch.touched.fill(1)
        self._touch.stay_in(0, self._size)
        self.are_any = False
        """Whether a granule is marked, or was until it was looked at last."""
        engine.follow([(base, self._size) for base in bases], self._touch, sensed, sensed)

    def look(self) -> None:
        """The cells may be others than before."""
        marked = [at // PIECE for at, _ in self._cells.ecc_states(0, self._size)]
        if marked or self.are_any:
            self._touch.touched.fill(1)
            self._touch.touched[marked] = 0
            self.are_any = bool(marked)

    def look_at(self, address: int, length: int) -> None:
        """An operation has changed cells of this range."""
        first, stop = address // PIECE, -(-(address + length) // PIECE)
        marked = [at // PIECE for at, _ in self._cells.ecc_states(first * PIECE, (stop - first) * PIECE)]
        if marked or self.are_any:
            self._touch.touched[first:stop] = 1
            self._touch.touched[marked] = 0
            self.are_any = True
