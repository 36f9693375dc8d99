"""Constants that Thumb code loads: words of literal pools, what instructions hold themselves, and the addresses that
loads and stores make of them.

Every half-word is taken for an instruction, so data gives a few constants nobody loads: evidence, not proof.
Neighbours: `evidence` sorts them into registers and places in flash. Knows no chip.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_NEAR = 16
"""Half-words between the two halves of a constant, at most."""
_USED = 24
"""Half-words after a load in which its register is taken for a base."""


@dataclass(frozen=True)
class Constants:
    """``values``: what is loaded. ``touched``: (base, address) of loads and stores through one. ``wide``: instructions
    that only Thumb-2 has, among ``half_words``: code for a Cortex-M0 has next to none."""

    values: frozenset[int]
    touched: frozenset[tuple[int, int]]
    wide: int
    half_words: int

    @property
    def is_thumb2(self) -> bool:
        """Whether it cannot be code for a Cortex-M0: more than chance would leave."""
        return self.wide >= 4 and self.wide * 400 > self.half_words


def constants_in(data: bytes, address: int) -> Constants:
    """Of code at ``address``, which is even."""
    content = data + b"\0" * (-len(data) % 2)
    words = np.frombuffer(content, "<u2").astype(np.int64)
    values: set[int] = set()
    touched: set[tuple[int, int]] = set()
    pairs, wide = _halves(words)
    for index, register, at in _literals(words, address):
        offset = at - address
        if 0 <= offset <= len(data) - 4:
            value = int.from_bytes(data[offset : offset + 4], "little")
            values.add(value)
            touched.update((value, value + distance) for distance in _accesses(words, index, register))
    for index, register, value in (*pairs, *_shifted(words), *_expanded(words)):
        values.add(value)
        touched.update((value, value + distance) for distance in _accesses(words, index, register))
    return Constants(frozenset(values), frozenset(touched), wide, len(words))


Words = NDArray[np.int64]
Load = tuple[int, int, int]
"""Behind which half-word it is done, the register, and the value or the address of its word."""


def _literals(words: Words, address: int) -> list[Load]:
    """Words that are loaded relative to the program counter."""
    found = []
    for index in np.flatnonzero((words & 0xF800) == 0x4800):  # LDR Rt, [PC, #imm8 * 4]
        one = int(words[index])
        found.append((int(index) + 1, one >> 8 & 7, (address + 2 * int(index) + 4 & ~3) + (one & 0xFF) * 4))
    for index in np.flatnonzero((words[:-1] & 0xFF7F) == 0xF85F):  # LDR.W Rt, [PC, #+-imm12]
        two = int(words[index + 1])
        distance = two & 0xFFF if words[index] & 0x80 else -(two & 0xFFF)
        found.append((int(index) + 2, two >> 12, (address + 2 * int(index) + 4 & ~3) + distance))
    return found


def _accesses(words: Words, index: int, register: int) -> Iterator[int]:
    """Distances of loads and stores through ``register`` in the next few instructions."""
    end = min(index + _USED, len(words) - 1)
    while index < end:
        one, two = int(words[index]), int(words[index + 1])
        if one >> 13 == 3 and one >> 3 & 7 == register:  # LDR and STR, word or byte
            yield (one >> 6 & 31) * (1 if one & 0x1000 else 4)
        elif one >> 12 == 8 and one >> 3 & 7 == register:  # LDRH and STRH
            yield (one >> 6 & 31) * 2
        elif one & 0xFF80 == 0xF880 and one & 0xF == register:  # the wide ones
            yield two & 0xFFF
        is_load = one >> 11 in (9, 13, 15) or one & 0xF800 == 0x2000
        if is_load and (one & 7 if one >> 11 in (13, 15) else one >> 8 & 7) == register:
            return
        if one >> 11 == 0x1E and two < 0x8000 and two >> 8 & 0xF == register:  # a wide instruction makes it anew
            return
        index += 2 if one >> 11 in (0x1D, 0x1E, 0x1F) else 1


def _halves(words: Words) -> tuple[list[Load], int]:
    """What MOVW and a MOVT near it make of one register; and how many of these instructions there are."""
    first, second = words[:-1] & 0xFBF0, words[1:]
    hits = np.flatnonzero(((first == 0xF240) | (first == 0xF2C0)) & (second < 0x8000))
    low: dict[int, tuple[int, int]] = {}
    found = []
    for index in map(int, hits):
        one, two = int(words[index]), int(words[index + 1])
        register = two >> 8 & 0xF
        half = (one & 0xF) << 12 | (one >> 10 & 1) << 11 | (two >> 12 & 7) << 8 | two & 0xFF
        if one & 0xFBF0 == 0xF240:
            low[register] = (index, half)
        elif register in low and index - low[register][0] <= _NEAR:
            found.append((index + 2, register, half << 16 | low[register][1]))
    return found, len(hits)


def _shifted(words: Words) -> list[Load]:
    """MOVS Rd, #imm8 and LSLS Rd, Rd, #n: how a Cortex-M0 makes round numbers."""
    found = []
    for index in np.flatnonzero(((words[:-1] & 0xF800) == 0x2000) & ((words[1:] & 0xF800) == 0) & (words[1:] != 0)):
        one, two = int(words[index]), int(words[index + 1])
        if two & 7 == one >> 8 & 7 and two >> 3 & 7 == two & 7:
            found.append((int(index) + 2, two & 7, (one & 0xFF) << (two >> 6 & 31) & 0xFFFF_FFFF))
    return found


def _expanded(words: Words) -> list[Load]:
    """MOV.W Rd, #constant: eight bits anywhere in a word, or repeated."""
    found = []
    for index in np.flatnonzero(((words[:-1] & 0xFBEF) == 0xF04F) & (words[1:] < 0x8000)):
        one, two = int(words[index]), int(words[index + 1])
        code = (one >> 10 & 1) << 11 | (two >> 12 & 7) << 8 | two & 0xFF
        byte = code & 0xFF
        if code >> 10:
            turned, by = 0x80 | code & 0x7F, code >> 7
            value = (turned >> by | turned << 32 - by) & 0xFFFF_FFFF
        else:
            value = byte * (0x1, 0x0001_0001, 0x0100_0100, 0x0101_0101)[code >> 8 & 3]
        found.append((int(index) + 2, two >> 8 & 0xF, value))
    return found
