"""Cells that do not hold what they show: what tier 3 of the fault model leaves behind.

Per byte a mask of weak bits and their *temper*, one temper a byte:

- METASTABLE: between the levels; each read decides anew (NOR cells stopped half-way make good random numbers:
  IEEE ToC 68(2) 2019; linux-mtd: "read OK a few times, then not").
- DECAYING: programmed too lightly: reads right a few times after power-up, then erased (DAC'11, by analogy).
- HIDDEN: reads erased, holds charge: the next program that touches the byte programs these bits as well (ST AN4894).
- STUBBORN: weakly erased: a program does not move these bits (UBI: a sector "unwritable" after a badly timed cut).
- LIFTED_BELOW, LIFTED_ABOVE: read erased because an over-erased cell of the sector below or above leaks on the
  bit line, until that sector is erased again (Infineon KBA223960 says why soft-programming exists; inferred).

All end with an erase of the byte's own sector, the last two also with one of the leaking sector; programming over them
proves nothing (KBA218817), so it mends nothing. What a weak bit reads as is decided by a *resolution*: a named function
of (seed, address, n-th read of that byte in this session). Neighbours: `cells` owns one plane per array, `tears` marks,
`sensing` reads through it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flash import draws

METASTABLE, DECAYING, HIDDEN, STUBBORN, LIFTED_BELOW, LIFTED_ABOVE = range(1, 7)
_SHOWN_OTHERWISE = (METASTABLE, DECAYING, LIFTED_BELOW, LIFTED_ABOVE)
DECAY_READS = 4
"""A decaying byte reads right this many times at most (a design choice: no source has a figure)."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """How metastable bits are decided. ``flips``: (seed, address, n) -> bits that read as the opposite of the stored
    level; n counts reads of that byte since power-up or reset."""

    name: str
    help: str
    flips: Callable[[int, int, int], int]


RESOLUTIONS: dict[str, Resolution] = {
    r.name: r
    for r in (
        Resolution("as-new", "as if the operation had finished", lambda seed, at, n: 0x00),
        Resolution("as-old", "as if it had not begun", lambda seed, at, n: 0xFF),
        Resolution("new-then-old", "right once, then as before", lambda seed, at, n: 0xFF if n else 0x00),
        Resolution("old-then-new", "as before once, then right", lambda seed, at, n: 0x00 if n else 0xFF),
        Resolution("alternating", "every other read", lambda seed, at, n: 0xFF * (n & 1)),
        Resolution(
            "seeded", "each read drawn on its own", lambda seed, at, n: draws.mix(seed, at, n) & 0xFF
        ),
        Resolution(
            "drawn-once",
            "drawn once for each bit, then steady",
            lambda seed, at, n: draws.mix(seed, at) & 0xFF,
        ),
    )
}  # fmt: skip

DEFAULT_RESOLUTION = "seeded"


class WeakPlane:
    """Masks and tempers of one array of ``size`` bytes. ``erased`` is the array's blank value."""

    def __init__(self, size: int, erased: int) -> None:
        self.mask: NDArray[np.uint8] = np.zeros(size, np.uint8)
        self.temper: NDArray[np.uint8] = np.zeros(size, np.uint8)
        self._erased = erased
        self._reads: dict[int, int] = {}
        self.was_undecided = False

    def new_session(self) -> None:
        """A reset: reads are counted from 0 again. ``was_undecided``: one since then depended on the resolution."""
        self._reads.clear()
        self.was_undecided = False

    @property
    def is_fresh(self) -> bool:
        """Whether no weak byte was read since `new_session`."""
        return not self._reads

    def any_in(self, address: int, length: int) -> bool:
        return bool(self.mask[address : address + length].any())

    def mark(self, address: int, bits: NDArray[np.uint8], temper: int) -> None:
        """These bits of the range are weak, with this temper; bytes without one keep what they had."""
        where = np.flatnonzero(bits) + address
        self.mask[where] |= bits[where - address]
        self.temper[where] = np.maximum(self.temper[where], temper)

    def clear(self, address: int, length: int) -> None:
        """What was replaced is no longer weak."""
        self.mask[address : address + length] = 0
        self.temper[address : address + length] = 0

    def unlift(self, address: int, length: int, temper: int) -> None:
        """The over-erased neighbour was erased again: what it lifted reads true."""
        where = np.flatnonzero(self.temper[address : address + length] == temper) + address
        self.mask[where] = 0
        self.temper[where] = 0

    def programmed(self, address: int, old: bytes, new: bytes) -> bytes:
        """What a program that should leave ``new`` leaves over weak cells that held ``old``."""
        span = slice(address, address + len(old))
        mask, temper = self.mask[span], self.temper[span]
        before, after = np.frombuffer(old, np.uint8), np.frombuffer(new, np.uint8).copy()
        stubborn = np.where(temper == STUBBORN, mask, 0).astype(np.uint8)
        after = (after & ~stubborn) | (before & stubborn)
        hidden = temper == HIDDEN
        if self._erased:
            after[hidden] &= ~mask[hidden]
        else:
            after[hidden] |= mask[hidden]
        mask[hidden] = 0
        temper[hidden] = 0
        return after.tobytes()

    def seen(self, address: int, stored: bytes, resolution: Resolution, seed: int) -> bytes:
        """What a read returns. Counts as one read of every weak byte in it."""
        shown = bytearray(stored)
        for at in (np.flatnonzero(self.mask[address : address + len(stored)]) + address).tolist():
            temper, bits = int(self.temper[at]), int(self.mask[at])
            if temper not in _SHOWN_OTHERWISE:
                continue
            count = self._reads.get(at, 0)
            self._reads[at] = count + 1
            value = shown[at - address]
            if temper == METASTABLE:
                self.was_undecided = True
                value ^= bits & resolution.flips(seed, at, count)
            elif temper != DECAYING or count >= 1 + draws.mix(seed, at) % DECAY_READS:
                value = value | bits if self._erased else value & ~bits
            shown[at - address] = value
        return bytes(shown)

    def block(self, low: int, high: int) -> bytes:
        """State of a snapshot block; b'': nothing is weak in it."""
        mask = self.mask[low:high]
        return mask.tobytes() + self.temper[low:high].tobytes() if mask.any() else b""

    def restore_block(self, low: int, high: int, content: bytes) -> None:
        if not content:
            self.clear(low, high - low)
            return
        size = high - low
        self.mask[low:high] = np.frombuffer(content, np.uint8, size)
        self.temper[low:high] = np.frombuffer(content, np.uint8, size, size)
