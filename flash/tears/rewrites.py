"""What an interrupted write of an EEPROM leaves: tiers 1 to 3.

One cycle erases the bytes and then programs them, all of a page at once; so a byte is old, new, erased, or anything
in between. Where the page is refreshed, the bytes that were not written are erased and programmed again as well, and
what a cut leaves of them is no better.
Neighbours: `row` has the words; `flash.two_wire` makes the operations. The prose of the model is in the package's
docstring.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flash.cells import Cells
from flash.journal import Operation
from flash.tears.row import EEPROM, Extent, TearRow, always, bit_soup, content, drawn, nothing, own_range, probability
from flash.weak import METASTABLE

ERASING_SEED, PROGRAMMING_SEED, PAGE_SEED, WEAK_SEED = 0x45455241, 0x45455052, 0x45455047, 0x4545574B
REFRESHED = ("page-erased", "page-soup")
"""Rows that change bytes of the page that were not written."""


def _prefixes(cells: Cells, op: Operation, seed: int) -> range:
    return range(1, op.length)


def _few_prefixes(cells: Cells, op: Operation, seed: int) -> list[int]:
    return sorted({n for n in (1, op.length // 2, op.length - 1) if 0 < n < op.length})


def _apply_prefix(cells: Cells, op: Operation, length: int) -> None:
    cells.put_bytes(op.address, op.data[:length])
    _count(cells, op)


def _apply_suffix(cells: Cells, op: Operation, kept: int) -> None:
    cells.put_bytes(op.address + kept, op.data[kept:])
    _count(cells, op)


def _apply_erased(cells: Cells, op: Operation, _: int) -> None:
    cells.put(op.address, op.length, cells.erased)
    _count(cells, op)


def _apply_erasing(cells: Cells, op: Operation, argument: int) -> None:
    """In the first half: each bit that has to rise has risen with one probability."""
    old = content(cells, op.address, op.length)
    _put_between(cells, op, old, np.full(op.length, cells.erased, np.uint8), ERASING_SEED, argument)


def _apply_programming(cells: Cells, op: Operation, argument: int) -> None:
    """In the second half: each bit of the data that has to fall has fallen with one probability."""
    erased = np.full(op.length, cells.erased, np.uint8)
    _put_between(cells, op, erased, np.frombuffer(op.data, np.uint8), PROGRAMMING_SEED, argument)


def _put_between(
    cells: Cells, op: Operation, start: NDArray[np.uint8], end: NDArray[np.uint8], seed: int, argument: int
) -> None:
    moved = bit_soup(seed, argument, op.address, op.length, probability(argument))
    cells.put_bytes(op.address, (start ^ ((start ^ end) & moved)).astype(np.uint8).tobytes())
    _count(cells, op)


def page_of(cells: Cells, op: Operation) -> list[Extent]:
    size = cells.geometry.page_size
    return [(cells.geometry.align_down(op.address, size), size)]


def _apply_page_erased(cells: Cells, op: Operation, _: int) -> None:
    ((address, size),) = page_of(cells, op)
    cells.put(address, size, cells.erased)
    _count(cells, op)


def _apply_page_soup(cells: Cells, op: Operation, argument: int) -> None:
    ((address, size),) = page_of(cells, op)
    cells.put_bytes(address, bit_soup(PAGE_SEED, argument, address, size, 0.5).tobytes())
    _count(cells, op)


def _apply_metastable(cells: Cells, op: Operation, argument: int) -> None:
    moving = content(cells, op.address, op.length) ^ np.frombuffer(op.data, np.uint8)
    cells.put_bytes(op.address, op.data)
    cells.mark_weak(op.address, moving & bit_soup(WEAK_SEED, argument, op.address, op.length, 0.5), METASTABLE)
    _count(cells, op)


def _count(cells: Cells, op: Operation) -> None:
    cells.count_erase(op.address, op.length)


_SELF_TIMED = "Microchip 24AA256/24LC256/24FC256 data sheet: one self-timed erase/write cycle"
_REFRESHED = "Microchip 24AA256UID data sheet, 6.1: the rest of the page is refreshed along with the bytes written"

REWRITE_ROWS: tuple[TearRow, ...] = (
    TearRow(
        "rewritten", 1, "write", EEPROM,
        "the first k bytes are new, the rest is as before",
        f"{_SELF_TIMED}; no document says in which order bytes are done: the order is a design choice",
        _prefixes, _few_prefixes, _apply_prefix,
    ),
    TearRow(
        "rewrite-erased", 1, "write", EEPROM,
        "the bytes are erased and not yet programmed",
        f"{_SELF_TIMED}: between its halves",
        always(1), always(1), _apply_erased, inputs=nothing,
    ),
    TearRow(
        "page-erased", 1, "write", EEPROM,
        "the whole page is erased and not yet programmed, the bytes beside those written too",
        _REFRESHED,
        always(1), always(1), _apply_page_erased, page_of, nothing,
    ),
    TearRow(
        "rewritten-from", 2, "write", EEPROM,
        "all bytes from the k-th on are new, those before are old",
        "the order is undocumented: the mirror of rewritten",
        _prefixes, _few_prefixes, _apply_suffix,
    ),
    TearRow(
        "rewrite-erasing", 2, "write", EEPROM,
        "in the first half: each bit that is 0 has risen with one probability",
        f"{_SELF_TIMED}; the probabilities are a design choice",
        drawn(4), drawn(1), _apply_erasing,
    ),
    TearRow(
        "rewrite-programming", 2, "write", EEPROM,
        "in the second half: each bit that has to be 0 has fallen with one probability",
        f"{_SELF_TIMED}; the probabilities are a design choice",
        drawn(4), drawn(1), _apply_programming, inputs=nothing,
    ),
    TearRow(
        "page-soup", 2, "write", EEPROM,
        "arbitrary bits in all of the page",
        f"{_REFRESHED}; what a cut leaves of it nobody says",
        drawn(2), drawn(1), _apply_page_soup, page_of, nothing,
    ),
    TearRow(
        "rewrite-metastable", 3, "write", EEPROM,
        "new, but half of the bits that moved are between the levels: each read decides anew",
        "by analogy with the NOR row metastable",
        drawn(2), drawn(1), _apply_metastable, own_range,
    ),
)  # fmt: skip
