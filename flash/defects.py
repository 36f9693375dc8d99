"""Sectors that have worn out: some of their bits do not follow any more.

A bit that is stuck *programmed* stays programmed through an erase; one that is stuck *erased* does not move when it is
programmed. What stands in the sector before its next erase stays what it is: wear shows when a cell is to change.
Silicon says nothing here: without a look at the cells, an operation that failed is an operation that is over.

Neighbours: `cells` asks at every erase and program, `emu.campaign.faults` decides which bits. Knows no cycle count: a
sector that fails from its N-th erase on is one that fails from a moment of a device's life on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Stuck = Literal["programmed", "erased"]


@dataclass(frozen=True, slots=True)
class Defects:
    """Bits of one array that are stuck, as ``(address, mask)`` in the order of addresses, no mask 0."""

    stuck: Stuck
    bits: tuple[tuple[int, int], ...]

    def after_erase(self, address: int, length: int) -> Iterable[tuple[int, int]]:
        """The bits of the range that an erase does not bring back."""
        return self._within(address, length) if self.stuck == "programmed" else ()

    def after_program(self, address: int, old: bytes, new: bytes) -> bytes:
        """What a program that should leave ``new`` leaves where ``old`` stood."""
        if self.stuck == "programmed":
            return new
        left = bytearray(new)
        for at, mask in self._within(address, len(new)):
            left[at - address] = (new[at - address] & ~mask) | (old[at - address] & mask)
        return bytes(left)

    def _within(self, address: int, length: int) -> list[tuple[int, int]]:
        return [(at, mask) for at, mask in self.bits if address <= at < address + length]
