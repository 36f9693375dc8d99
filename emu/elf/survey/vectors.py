"""A vector table of a Cortex-M, found in bytes.

Neighbours: `evidence` looks for them in files. Knows no chip: RAM is where the architecture has it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

SYSTEM_VECTORS = 16
MAX_VECTORS = SYSTEM_VECTORS + 240
_SEARCHED = 0x1000
_STEP = 0x20
_CODE_END = 0x2000_0000
_RAM = range(0x1000_0000, 0x4000_0000, 4)
_NMI, _HARD_FAULT = 2, 3


@dataclass(frozen=True, slots=True)
class VectorTable:
    """``offset``: of the table in the bytes it was found in. ``words``: stack pointer, entry, handlers as stored."""

    offset: int
    words: tuple[int, ...]

    @property
    def stack(self) -> int:
        return self.words[0]

    @property
    def entry(self) -> int:
        """Without the Thumb bit."""
        return self.words[1] & ~1

    @property
    def interrupts(self) -> int:
        """Vectors after those of the core."""
        return max(0, len(self.words) - SYSTEM_VECTORS)

    @property
    def lowest_code(self) -> int:
        """What is kept free points nowhere: in a table of a few vectors it is the code behind it."""
        return min(word & ~1 for at, word in enumerate(self.words) if at and _is_handler(word) and not _is_reserved(at))


def table_at(data: bytes, offset: int, address: int | None = None) -> VectorTable | None:
    """The table at ``offset``, if one can stand there: a stack pointer in RAM, an entry and handlers with the Thumb
    bit. ``address``: of ``data``, where it is known; the table then ends where the first handler begins."""
    size = min(MAX_VECTORS * 4, len(data) - offset) & ~3
    if offset < 0 or size < 16:
        return None
    words = struct.unpack_from(f"<{size // 4}I", data, offset)
    if words[0] not in _RAM or not all(_is_handler(words[at]) for at in (1, _NMI, _HARD_FAULT)):
        return None
    end = 2
    while end < len(words) and (words[end] == 0 or _is_handler(words[end]) or _is_reserved(end)):
        if address is not None:
            code = [word & ~1 for word in words[1 : end + 1] if _is_handler(word) and word & ~1 > address + offset]
            if code and address + offset + 4 * end >= min(code):
                break
        end += 1
    while end > 2 and not words[end - 1]:
        end -= 1
    return VectorTable(offset, words[:end])


def first_table(data: bytes, address: int | None = None) -> VectorTable | None:
    """The first table near the beginning of ``data``: an image may have a header in front of it."""
    found = (table_at(data, offset, address) for offset in range(0, min(_SEARCHED, len(data)), _STEP))
    return next((table for table in found if table is not None), None)


def tables_in(data: bytes, address: int, boundaries: Iterator[int]) -> Iterator[VectorTable]:
    """Tables at ``boundaries``, addresses in ``data``, whose entry lies in ``data`` behind the table."""
    for at in boundaries:
        table = table_at(data, at - address, address)
        if table is not None and at < table.entry < address + len(data):
            yield table


def _is_handler(word: int) -> bool:
    return bool(word & 1) and 1 < word < _CODE_END


def _is_reserved(index: int) -> bool:
    """Vectors the architecture keeps free: files put checksums and tables of their own there."""
    return 7 <= index <= 10 or index == 13
