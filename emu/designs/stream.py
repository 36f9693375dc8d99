"""Writing what arrives piece by piece, with erases made just ahead of it.

Neighbours: the updater and the swap of `mos1`, the files of `slfs`. Knows no format.
"""

from __future__ import annotations

from collections.abc import Iterator

from flash.bulk import put
from flash.contract import NorFlash


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    """``data`` in pieces of ``size`` bytes, the last one shorter."""
    return (data[start : start + size] for start in range(0, len(data), size))


class LazyWriter:
    """Writes ``length`` bytes from the beginning of ``flash``, erasing with the largest erase unit that is smaller than
    what remains, or else the smallest."""

    def __init__(self, flash: NorFlash, length: int) -> None:
        self._flash = flash
        self._length = length
        self._erased = 0
        self._written = 0

    def write(self, piece: bytes) -> None:
        end = self._written + len(piece)
        while self._erased < end:
            sizes = self._flash.geometry.erase_sizes_at(self._erased)
            remaining = self._length - self._erased
            size = max((size for size in sizes if size < remaining), default=sizes[0])
            self._flash.erase(self._erased, size)
            self._erased += size
        put(self._flash, self._written, piece)
        self._written = end
