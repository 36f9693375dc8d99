"""Half of a program that waits in a controller for its other half.

Neighbours: the chips that make one program of two stores; `flash_lane` holds a half in the same three words.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Latch:
    """``words``: 1 while something is held, its offset, its value. Both are of a store of four bytes."""

    def __init__(self) -> None:
        self.words: NDArray[np.uint64] = np.zeros(3, np.uint64)
        self._words = self.words.data

    @property
    def is_held(self) -> bool:
        return bool(self._words[0])

    def hold(self, offset: int, value: int) -> None:
        self._words[0], self._words[1], self._words[2] = 1, offset, value

    def take(self) -> tuple[int, int] | None:
        """(offset, value) of what was held; None: nothing was. It is held no more."""
        if not self._words[0]:
            return None
        self._words[0] = 0
        return self._words[1], self._words[2]

    def drop(self) -> None:
        self._words[0] = 0
