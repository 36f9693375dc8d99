"""The few Thumb instructions that loops which only count are made of, decoded.

Encodings: Armv7-M Architecture Reference Manual (DDI 0403), A7.7; those of 16 bits are the same on Armv6-M.

Neighbours: `counting` follows a loop with it. Knows no core: what is not one of these is None.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

MASK = 0xFFFF_FFFF
SP, PC = 13, 15
ALWAYS = 14
"""The condition of what is done whatever the flags say."""
EQ, NE = 0, 1


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction of ``size`` bytes. ``what``: "move" puts the second operand in ``rd``; "add" and "sub" take
    ``rn`` as the first one; "load" and "store" a word of ``rd`` at ``rn`` and ``value``; "branch" goes to ``value``
    under ``condition``, "zero" and "other" where ``rn`` is zero or not; "nothing".

    The second operand is register ``rm``, or ``value`` where that is -1. ``rd`` -1: only the flags. ``flags``: it sets
    them."""

    what: Literal["move", "add", "sub", "load", "store", "branch", "zero", "other", "nothing"]
    size: int
    rd: int = -1
    rn: int = -1
    rm: int = -1
    value: int = 0
    flags: bool = False
    condition: int = ALWAYS


@lru_cache(maxsize=4096)
def decode(address: int, first: int, second: int) -> Step | None:
    """The instruction at ``address``, of the half-words ``first`` and, if it is a wide one, ``second``."""
    return _wide(address, first, second) if first >> 11 in (0b11101, 0b11110, 0b11111) else _narrow(address, first)


def _narrow(address: int, code: int) -> Step | None:
    low, next_, third, byte = code & 7, code >> 3 & 7, code >> 6 & 7, code & 0xFF
    wide, immediate = code >> 8 & 7, code >> 6 & 0x1F
    match code >> 11:
        case 0b00000 if not immediate:
            return Step("move", 2, low, rm=next_, flags=True)
        case 0b00011:
            what: Literal["add", "sub"] = "sub" if code >> 9 & 1 else "add"
            if code >> 10 & 1:
                return Step(what, 2, low, next_, value=third, flags=True)
            return Step(what, 2, low, next_, third, flags=True)
        case 0b00100:
            return Step("move", 2, wide, value=byte, flags=True)
        case 0b00101:
            return Step("sub", 2, -1, wide, value=byte, flags=True)
        case 0b00110 | 0b00111:
            return Step("sub" if code >> 11 & 1 else "add", 2, wide, wide, value=byte, flags=True)
        case 0b01001:
            return Step("load", 2, wide, PC, value=(address + 4 & ~3) + 4 * byte)
        case 0b01100 | 0b01101:
            return Step("load" if code >> 11 & 1 else "store", 2, low, next_, value=4 * immediate)
        case 0b10010 | 0b10011:
            return Step("load" if code >> 11 & 1 else "store", 2, wide, SP, value=4 * byte)
        case 0b11100:
            return Step("branch", 2, value=address + 4 + 2 * _signed(code & 0x7FF, 11))
        case 0b11010 | 0b11011 if code >> 8 & 0xF < ALWAYS:
            return Step("branch", 2, value=address + 4 + 2 * _signed(byte, 8), condition=code >> 8 & 0xF)
    return _special(address, code)


def _special(address: int, code: int) -> Step | None:
    if code == 0xBF00:
        return Step("nothing", 2)
    if code >> 6 == 0b0100001010:
        return Step("sub", 2, -1, code & 7, code >> 3 & 7, flags=True)
    high, other = code & 7 | code >> 4 & 8, code >> 3 & 0xF
    if code >> 8 == 0b01000101 and PC not in (high, other):
        return Step("sub", 2, -1, high, other, flags=True)
    if code >> 8 == 0b01000110 and PC not in (high, other) and high != SP:
        return Step("move", 2, high, rm=other)
    if code & 0xF500 == 0xB100:
        to = address + 4 + (code >> 3 & 0x40 | code >> 2 & 0x3E)
        return Step("other" if code >> 11 & 1 else "zero", 2, rn=code & 7, value=to)
    return None


def _wide(address: int, first: int, second: int) -> Step | None:
    rn, rd = first & 0xF, second >> 8 & 0xF
    if first == 0xF3AF and second == 0x8000:
        return Step("nothing", 4)
    if first >> 4 in (0xF8C, 0xF8D):
        if second >> 12 in (SP, PC) or rn == PC:
            return None
        return Step("load" if first >> 4 == 0xF8D else "store", 4, second >> 12, rn, value=second & 0xFFF)
    if first & 0xF800 != 0xF000:
        return None
    if second & 0xD000 == 0x8000 and first >> 6 & 0xF < ALWAYS:
        offset = first >> 10 & 1, second >> 11 & 1, second >> 13 & 1, first & 0x3F, second & 0x7FF
        s, j2, j1, upper, lower = offset
        to = address + 4 + _signed(s << 20 | j2 << 19 | j1 << 18 | upper << 12 | lower << 1, 21)
        return Step("branch", 4, value=to, condition=first >> 6 & 0xF)
    if second >> 15:
        return None
    immediate, flags = first >> 10 & 1, bool(first >> 4 & 1)
    raw = immediate << 11 | (second >> 12 & 7) << 8 | second & 0xFF
    operation = first >> 5 & 0x1F
    if operation == 0b10010 and not flags and rd not in (SP, PC):
        return Step("move", 4, rd, value=(first & 0xF) << 12 | raw)
    value = expanded(raw)
    if operation == 0b00010 and rn == 0xF and rd not in (SP, PC):
        return Step("move", 4, rd, value=value) if not flags else None
    whats: dict[int, Literal["add", "sub"]] = {0b01000: "add", 0b01101: "sub"}
    what = whats.get(operation)
    if what is None or rn == PC or rd == SP or (rd == PC and not flags):
        return None
    return Step(what, 4, -1 if rd == PC else rd, rn, value=value, flags=flags)


def expanded(raw: int) -> int:
    """The constant that the twelve bits of a modified immediate stand for (A5.3.2)."""
    byte = raw & 0xFF
    if not raw >> 10:
        return (byte, byte << 16 | byte, byte << 24 | byte << 8, byte * 0x0101_0101)[raw >> 8]
    base, turns = 0x80 | raw & 0x7F, raw >> 7
    return (base >> turns | base << 32 - turns) & MASK


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> bits - 1 else value
