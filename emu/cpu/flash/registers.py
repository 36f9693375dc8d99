"""Words behind offsets.

``words`` always holds what a read returns: no read of a flash controller has a side effect, so whoever maps them may
serve reads from this array without asking. Writes go through `_written`, with the byte lanes they drive: a flag that
is cleared by writing 1 must not be cleared by the bytes that a narrow store does not carry.

Neighbours: `controller` and the chips. Knows no flash.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_LANES = {1: 0xFF, 2: 0xFFFF, 4: 0xFFFF_FFFF}


class Registers:
    """``size`` bytes of 32-bit registers. Little-endian lanes; what lies beyond reads 0 and keeps nothing."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.words: NDArray[np.uint32] = np.zeros(size // 4, np.uint32)
        self._word = self.words.data

    def read(self, offset: int, size: int) -> int:
        if not 0 <= offset <= self.size - size:
            return 0
        value: int = self._word[offset >> 2]
        return value >> 8 * (offset & 3) & _LANES[size]

    def write(self, offset: int, size: int, value: int) -> None:
        if 0 <= offset <= self.size - size:
            shift = 8 * (offset & 3)
            lanes = _LANES[size] << shift & 0xFFFF_FFFF
            self._written(offset & ~3, value << shift & lanes, lanes)

    def _written(self, offset: int, value: int, lanes: int) -> None:
        """A store of ``value`` in ``lanes`` of the register at ``offset``. Here: storage, as last written."""
        self._put(offset, self._get(offset) & ~lanes | value)

    def _get(self, offset: int) -> int:
        value: int = self._word[offset >> 2]
        return value

    def _put(self, offset: int, value: int) -> None:
        self._word[offset >> 2] = value & 0xFFFF_FFFF

    def _set(self, offset: int, bits: int) -> None:
        self._word[offset >> 2] |= bits

    def _clear(self, offset: int, bits: int) -> None:
        self._word[offset >> 2] &= ~bits & 0xFFFF_FFFF
