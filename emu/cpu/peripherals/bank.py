"""Registers as most peripherals have them: words that keep what is written, some with rules.

Derive, name the registers with their values after a reset, and override `loaded` and `stored` for those with rules. An
offset nobody has named keeps what is written as well, and is counted.

Neighbours: every model of this folder derives from it. Knows no bus and no chip.
"""

from __future__ import annotations

from collections.abc import Mapping

from emu.cpu.contract import Surroundings

WORD = 0xFFFF_FFFF


class Bank:
    """``resets``: offset -> value after a reset, of every register the model knows."""

    def __init__(self, world: Surroundings, name: str, resets: Mapping[int, int]) -> None:
        self.world = world
        self.name = name
        self._resets = dict(resets)
        self.words: dict[int, int] = dict(resets)

    # -- the contract ---------------------------------------------------------------------------------------

    def read(self, offset: int, size: int) -> int:
        register = offset & ~3
        if register not in self._resets:
            self.world.unknown(self.name, register, "read")
        return self.loaded(register) >> 8 * (offset & 3) & (1 << 8 * size) - 1

    def write(self, offset: int, size: int, value: int) -> None:
        register, shift = offset & ~3, 8 * (offset & 3)
        if register not in self._resets:
            self.world.unknown(self.name, register, "write")
        self.stored(register, value << shift & WORD, ((1 << 8 * size) - 1) << shift & WORD)

    def reset(self) -> None:
        """A system reset."""
        self.words = dict(self._resets)

    def shown(self, offset: int) -> int:
        """What the word at ``offset`` holds; no read, so without an effect."""
        return self.words.get(offset & ~3, 0)

    # -- for models -----------------------------------------------------------------------------------------

    def loaded(self, register: int) -> int:
        """What a read of ``register`` returns; it may have an effect."""
        return self.words.get(register, 0)

    def stored(self, register: int, value: int, lanes: int) -> None:
        """``value`` was written to the bits of ``lanes``; the others of it are 0."""
        self.keep(register, value, lanes)

    def keep(self, register: int, value: int, lanes: int = WORD) -> None:
        self.words[register] = self.words.get(register, 0) & ~lanes | value & lanes

    def has(self, register: int, bit: int) -> bool:
        return bool(self.words.get(register, 0) >> bit & 1)

    def put(self, register: int, bit: int, on: bool) -> None:
        word = self.words.get(register, 0)
        self.words[register] = word | 1 << bit if on else word & ~(1 << bit)
