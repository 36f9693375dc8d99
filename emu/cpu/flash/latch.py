"""The first stores of a program, which wait in a controller for the last.

Neighbours: the chips that make one program of several stores; `flash_lane` holds them in the same four words.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_WORD = 4


class Latch:
    """``words``: how many stores are held, the offset of the first, and 16 bytes for what they hold. They are stores of
    four bytes each, one behind the other."""

    def __init__(self) -> None:
        self.words: NDArray[np.uint64] = np.zeros(4, np.uint64)
        self._words = self.words.data

    @property
    def is_held(self) -> bool:
        return bool(self._words[0])

    def hold(self, offset: int, value: int) -> None:
        self._words[0], self._words[1], self._words[2] = 1, offset, value

    def take(self) -> tuple[int, bytes] | None:
        """(offset, content) of what was held; None: nothing was. It is held no more."""
        count = self._words[0]
        if not count:
            return None
        self._words[0] = 0
        return self._words[1], (self._words[2] | self._words[3] << 64).to_bytes(16, "little")[: count * _WORD]

    def drop(self) -> None:
        self._words[0] = 0
