"""Registers by rule: storage, bits that follow others at once, bits that never change, and the flags of the last reset.

RCC, PWR and their like: an oscillator that is switched on is ready when it is asked. Everything is data of the chip's
file. Neighbours: `clocks` and `power` derive from it, `domain` is what of it a reset leaves alone.
"""

from __future__ import annotations

from emu.cpu.chip import PeripheralEntry
from emu.cpu.contract import Surroundings
from emu.cpu.peripherals.bank import WORD, Bank
from emu.cpu.peripherals.domain import Domain


class Storage(Bank):
    """Model "storage"."""

    def __init__(self, world: Surroundings, entry: PeripheralEntry) -> None:
        self._entry = entry
        self._always = {offset: (mask, value) for offset, mask, value in entry.always}
        resets = dict(entry.registers)
        for offset in (*self._always, *(follow.register for follow in entry.follows)):
            resets.setdefault(offset, 0)
        self._flags = entry.reset_flags
        if self._flags is not None:
            resets.setdefault(self._flags.register, 0)
            bits = {bit for bits in self._flags.flags.values() for bit in bits}
            self._shown_flags = sum(1 << bit for bit in {*bits, self._flags.clear})
        super().__init__(world, entry.name, resets)
        self._causes = 0
        self._domain = None if entry.backup is None else Domain(world, entry.name, entry.backup, resets)
        self._shows()

    def reset(self) -> None:
        super().reset()
        if self._domain is not None:
            if self.world.cause() == "power":
                self._domain.lose()
            self.words |= self._domain.words
        if self._flags is not None:
            self._causes = 0 if self.world.cause() == "power" else self._causes
            for bit in self._flags.flags.get(self.world.cause(), ()):
                self._causes |= 1 << bit
        self._shows()

    def retained(self) -> tuple[int, ...]:
        return (self._causes, *(() if self._domain is None else self._domain.state()))

    def retain(self, state: tuple[int, ...]) -> None:
        self._causes = state[0]
        if self._domain is not None:
            self._domain.become(state[1:])

    def lose_backup(self) -> None:
        """The domain is cleared while the chip runs."""
        if self._domain is not None:
            self._domain.lose()
            self.words |= self._domain.words
            self._shows()

    def stored(self, register: int, value: int, lanes: int) -> None:
        if self._domain is not None and not self._domain.takes(register, value):
            return
        self.keep(register, value, lanes)
        if self._flags is not None and register == self._flags.register and value >> self._flags.clear & 1:
            self._causes = 0
        self._shows()
        if self._domain is not None:
            self._domain.keep(self.words)
            if self._domain.clears(self.words):
                self.world.clear_backup()

    def _shows(self) -> None:
        """Bring what depends on other bits up to date."""
        for follow in self._entry.follows:
            mask = (1 << follow.width) - 1
            value = self.words.get(follow.register, 0) >> follow.bit & mask
            shown = follow.register if follow.in_ < 0 else follow.in_
            self.keep(shown, value << follow.to, mask << follow.to)
        for offset, (mask, value) in self._always.items():
            self.keep(offset, value, mask)
        if self._flags is not None:
            self.keep(self._flags.register, self._causes, self._shown_flags)
        self.settled()

    def settled(self) -> None:
        """Everything shows what it should; for models with more to do."""

    def field(self, register: int, bit: int, width: int) -> int:
        return self.words.get(register, 0) >> bit & (1 << width) - 1 & WORD
