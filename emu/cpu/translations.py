"""Which translated code is still right: code is translated once, and dropped when its bytes are others.

Flash changes under its code: the core erases and programs it, and every session begins with another state of it. A
piece of it that holds again what it held when it was last run needs no new translation, and in a campaign that is the
rule: one image is installed again and again. So bytes that change only make a range suspect, and when code of that
range is about to run, its grains are compared with what they were.

Holds at all times: what is translated of a grain of flash that is not suspect comes from the bytes it has; of a
suspect grain that is `_known`, from those in `_before`. RAM is not compared, since the core writes it without a word to
us: what is translated of it is dropped.

Neighbours: `engine` owns it and gives the two functions that drop; `block_counter` ends a slice before a block of the
suspect range. Knows no engine and no flash.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from emu.cpu.block_counter import DIRTY, DIRTY_SIZE, FOLD

PAGE = 0x1000
WIDE = (0b11101, 0b11110, 0b11111)
"""Upper five bits of the first half of an instruction of four bytes."""
GRAIN = 0x100
"""Bytes that are compared, and dropped, together: records lie beside code."""
MOST_DROPPED = 512
"""Ranges whose translations were dropped before all are: some 3 MB, and 5 ms of translating again. What was dropped
still takes room where the engine keeps its translations."""


class Piece:
    """A piece of memory, of whole pages, as it is mapped at some addresses. ``is_flash``: it changes only with a
    word."""

    def __init__(self, address: int, content: NDArray[np.uint8], *, is_flash: bool) -> None:
        self.addresses = [address]
        self.content = content  # the engine holds its address, which keeps nothing alive
        self._grains = content.reshape(-1, GRAIN)
        self._before = np.empty_like(self._grains) if is_flash else None
        self._known = np.zeros(len(self._grains), np.bool_)

    def runs_across(self, end: int) -> bool:
        """Whether the page that ends at ``end`` may end with the first half of an instruction. One that begins with
        0xFFFF, as erased flash does, is undefined whatever follows."""
        if not PAGE <= end < self.content.size:
            return False
        low, high = self.content[end - 2 : end].tolist()
        return high >> 3 in WIDE and (low, high) != (0xFF, 0xFF)

    def stale(self, first: int, end: int) -> list[tuple[int, int]]:
        """Of the bytes [first, end), whole grains, those that were translated when they were others, as ranges; they
        count as right from now on."""
        if self._before is None:
            return [(first, end)]
        inside = slice(first // GRAIN, end // GRAIN)
        grains, before, known = self._grains[inside], self._before[inside], self._known[inside]
        if grains.tobytes() == before.tobytes() and b"\0" not in known.tobytes():
            return []
        wrong = np.flatnonzero(~known | (grains != before).any(axis=1))
        before[wrong], known[wrong] = grains[wrong], True
        ranges: list[tuple[int, int]] = []
        for start in (first + wrong * GRAIN).tolist():
            if ranges and ranges[-1][1] == start:
                ranges[-1] = (ranges[-1][0], start + GRAIN)
            else:
                ranges.append((start, start + GRAIN))
        return ranges


class Translations:
    """``state`` is that of the block counter. ``drop(first, end)``: of addresses in one piece of memory;
    ``drop_all()``. Neither is called inside a callback."""

    def __init__(
        self, state: ctypes.Array[ctypes.c_uint64], drop: Callable[[int, int], None], drop_all: Callable[[], None]
    ) -> None:
        self._state = state
        self._drop = drop
        self._drop_all = drop_all
        self._pieces: list[Piece] = []
        self._dropped = 0

    def cover(self, address: int, content: NDArray[np.uint8], *, is_flash: bool) -> None:
        assert not content.size % PAGE, "memory is mapped in whole pages: please report"
        for piece in self._pieces:
            if piece.content is content:
                piece.addresses.append(address)
                return
        self._pieces.append(Piece(address, content, is_flash=is_flash))

    def suspect(self, address: int, length: int) -> None:
        """Bytes have changed. Callable inside callbacks."""
        state = self._state
        address &= state[FOLD]
        first = max(0, (address & ~(PAGE - 1)) - PAGE)  # a block may end with the instruction across a page's end
        end = (address + length + PAGE - 1) & ~(PAGE - 1)
        if state[DIRTY_SIZE]:
            first = min(first, state[DIRTY])
            end = max(end, state[DIRTY] + state[DIRTY_SIZE])
        state[DIRTY], state[DIRTY_SIZE] = first, end - first

    def settle(self, counter: int) -> None:
        """The block at ``counter`` may run. What lies beyond its page stays suspect where it can: whoever installs an
        image runs beside it first. Not inside callbacks."""
        state = self._state
        first = state[DIRTY]
        end, at = first + state[DIRTY_SIZE], counter & state[FOLD]
        if not first <= at < end:
            return
        page = at & -PAGE
        behind = page + PAGE
        if behind - first <= end - page:
            self._look(first, behind)
            for piece in self._pieces:
                if piece.runs_across(behind - (piece.addresses[0] & state[FOLD])):
                    self._look(behind, behind + GRAIN)
            state[DIRTY], state[DIRTY_SIZE] = behind, end - behind
        else:
            self._look(page, end)
            state[DIRTY_SIZE] = page - first

    def forget(self, address: int, length: int) -> None:
        """Bytes have changed, and are looked at here and now. Not inside callbacks."""
        address &= self._state[FOLD]
        self._look(address, address + length)

    def _look(self, first: int, end: int) -> None:
        """At folded addresses, in all memory they stand for."""
        for piece in self._pieces:
            folded = piece.addresses[0] & self._state[FOLD]
            low, high = max(first, folded) - folded, min(end, folded + piece.content.size) - folded
            if low < high:
                for wrong, behind in piece.stale(low & -GRAIN, -(-high // GRAIN) * GRAIN):
                    self._dropped += 1
                    for address in piece.addresses:
                        self._drop(address + wrong, address + behind)
        if self._dropped >= MOST_DROPPED:
            self._dropped = 0
            self._drop_all()
