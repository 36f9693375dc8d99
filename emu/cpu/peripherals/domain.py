"""Registers of the backup domain: resets leave them alone, writes need a bit of the power controller, and the loss of
power clears them, as without a battery.

Neighbours: `storage` has one where a chip's file says which of its registers are in it. Knows no register by itself.
"""

from __future__ import annotations

from collections.abc import Mapping

from emu.cpu.chip import BackupDomain
from emu.cpu.contract import Surroundings


class Domain:
    """``resets``: registers as power leaves them, by offset."""

    def __init__(self, world: Surroundings, name: str, entry: BackupDomain, resets: Mapping[int, int]) -> None:
        self._world = world
        self._name = name
        self._entry = entry
        self._fresh = {at: word for at, word in resets.items() if self._holds(at)}
        self.words = dict(self._fresh)

    def _holds(self, register: int) -> bool:
        return any(first <= register <= last for first, last in self._entry.registers)

    def takes(self, register: int, value: int) -> bool:
        """Whether a write reaches ``register``: those outside the domain are always written."""
        gate = self._entry.gate
        if gate is None or not self._holds(register):
            return True
        peripheral, offset, bit = gate
        if self._world.peek(peripheral, offset) >> bit & 1:
            return True
        if any(first <= register <= last for first, last in self._entry.noted):
            self._world.note(
                f"{self._name}: offset {register:#x} := {value:#x} while the backup domain is write-protected (bit "
                f"{bit} of {peripheral}+{offset:#x} is 0): dropped"
            )
        return False

    def clears(self, words: Mapping[int, int]) -> bool:
        """Whether ``words``, all registers of the peripheral, now ask for the domain to be cleared."""
        if self._entry.clears is None:
            return False
        offset, bit = self._entry.clears
        return bool(words.get(offset, 0) >> bit & 1)

    def keep(self, words: Mapping[int, int]) -> None:
        """Those of ``words`` that are in the domain."""
        self.words = {at: word for at, word in words.items() if self._holds(at)}

    def lose(self) -> None:
        """As power leaves it, but for the bit that asks for it."""
        asks = {}
        if self._entry.clears is not None and self._holds(self._entry.clears[0]):
            offset, bit = self._entry.clears
            asks = {offset: self._fresh.get(offset, 0) | self.words.get(offset, 0) & 1 << bit}
        self.words = self._fresh | asks

    def state(self) -> tuple[int, ...]:
        """Offset and word of every register that is not as power leaves it."""
        changed = [(at, word) for at, word in sorted(self.words.items()) if word != self._fresh.get(at, 0)]
        return tuple(each for pair in changed for each in pair)

    def become(self, state: tuple[int, ...]) -> None:
        self.words = self._fresh | dict(zip(state[::2], state[1::2], strict=True))
