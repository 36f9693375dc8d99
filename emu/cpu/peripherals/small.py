"""Small peripherals: the CRC unit, the random number generator.

Neighbours: `Bank`. Offsets and bits: the vendors' headers and SVD files.
"""

from __future__ import annotations

from functools import cache

from emu.cpu.chip import PeripheralEntry
from emu.cpu.contract import Surroundings
from emu.cpu.peripherals.bank import WORD, Bank
from flash.draws import mix


class Crc(Bank):
    """Model "crc": the CRC unit of an STM32; polynomial, width and reversals where the registers say so.

    The old unit (F1, F4) has the same registers without those, and never writes them.
    """

    DR, IDR, CR, INIT, POL = 0x00, 0x04, 0x08, 0x10, 0x14
    _WIDTHS = (32, 16, 8, 7)

    def __init__(self, world: Surroundings, entry: PeripheralEntry) -> None:
        super().__init__(
            world, entry.name, {self.DR: WORD, self.IDR: 0, self.CR: 0, self.INIT: WORD, self.POL: 0x04C1_1DB7}
        )

    def loaded(self, register: int) -> int:
        if register != self.DR:
            return super().loaded(register)
        value = self.words[self.DR] & (1 << self._width) - 1
        return _reversed(value, self._width) if self.has(self.CR, 7) else value

    def write(self, offset: int, size: int, value: int) -> None:
        if offset & ~3 == self.DR:
            self._feed(value, 8 * size)
        else:
            super().write(offset, size, value)

    def stored(self, register: int, value: int, lanes: int) -> None:
        self.keep(register, value & ~1 if register == self.CR else value, lanes)
        if (register == self.CR and value & 1) or register == self.INIT:
            self.keep(self.DR, self.words[self.INIT])

    @property
    def _width(self) -> int:
        return self._WIDTHS[self.words[self.CR] >> 3 & 3]

    def _feed(self, value: int, bits: int) -> None:
        reversal = self.words[self.CR] >> 5 & 3
        if reversal:
            chunk = min(bits, 4 << reversal)
            parts = [_reversed(value >> at & (1 << chunk) - 1, chunk) << at for at in range(0, bits, chunk)]
            value = sum(parts)
        width, polynomial, state = self._width, self.words[self.POL], self.words[self.DR]
        mask = (1 << width) - 1
        if width < 8:
            for at in range(bits - 1, -1, -1):
                state = _shifted(state, value >> at & 1, width, polynomial)
        else:
            table = _remainders(width, polynomial)
            for at in range(bits - 8, -1, -8):
                state = state << 8 & mask ^ table[(state >> width - 8 ^ value >> at) & 0xFF]
        self.keep(self.DR, state)


def _shifted(state: int, bit: int, width: int, polynomial: int) -> int:
    """One bit into the register."""
    top = state >> width - 1 & 1 ^ bit
    return (state << 1 ^ (polynomial if top else 0)) & (1 << width) - 1


@cache
def _remainders(width: int, polynomial: int) -> tuple[int, ...]:
    """What a byte at the upper end of an empty register becomes: a check of an image is thousands of words."""
    found = []
    for byte in range(256):
        state = byte << width - 8
        for _ in range(8):
            state = _shifted(state, 0, width, polynomial)
        found.append(state)
    return tuple(found)


class Random(Bank):
    """Model "rng": of an STM32. Words are a function of the seed and of how many were drawn since reset."""

    CR, SR, DR = 0x00, 0x04, 0x08

    def __init__(self, world: Surroundings, entry: PeripheralEntry) -> None:
        super().__init__(world, entry.name, {self.CR: 0, self.SR: 0, self.DR: 0} | dict(entry.registers))
        self._drawn = 0

    def reset(self) -> None:
        super().reset()
        self._drawn = 0

    def loaded(self, register: int) -> int:
        if register == self.SR:
            return int(self.has(self.CR, 2))
        if register == self.DR:
            self._drawn += 1
            return mix(self.world.seed, self._drawn) & WORD if self.has(self.CR, 2) else 0
        return super().loaded(register)


class NordicRandom(Bank):
    """Model "nrf-rng"."""

    START, STOP, VALRDY, VALUE = 0x000, 0x004, 0x100, 0x508

    def __init__(self, world: Surroundings, entry: PeripheralEntry) -> None:
        named = dict.fromkeys((self.START, self.STOP, self.VALRDY, 0x200, 0x300, 0x304, 0x308, 0x504, self.VALUE), 0)
        super().__init__(world, entry.name, named)
        self._runs = False
        self._drawn = 0

    def reset(self) -> None:
        super().reset()
        self._runs, self._drawn = False, 0

    def loaded(self, register: int) -> int:
        if register == self.VALRDY:
            return int(self._runs)
        if register == self.VALUE:
            self._drawn += 1
            return mix(self.world.seed, self._drawn) & 0xFF
        return super().loaded(register)

    def stored(self, register: int, value: int, lanes: int) -> None:
        if register in (self.START, self.STOP):
            self._runs = register == self.START
        else:
            self.keep(register, value, lanes)


def _reversed(value: int, width: int) -> int:
    return int(format(value, f"0{width}b")[::-1], 2)
