"""Ports: what a pin reads, and who hears of what it drives.

An input that nobody drives reads what its own resistor makes of it: a button against ground with a pull-up is not
pressed. One that is driven from outside reads that, if its input is not switched off.

Neighbours: `Bank`. Offsets and bits: the vendors' headers and SVD files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from emu.cpu.chip import PeripheralEntry
from emu.cpu.contract import Surroundings
from emu.cpu.peripherals.bank import Bank


class Pins(Bank):
    """Pins, and who wants to know of their levels."""

    pins = 16

    def __init__(self, world: Surroundings, name: str, resets: dict[int, int]) -> None:
        super().__init__(world, name, resets)
        self._watched: dict[int, tuple[Callable[[bool], None], bool]] = {}
        self._driven_outside, self._high_outside = 0, 0

    def drive(self, levels: Mapping[int, bool]) -> None:
        """From outside: a button, a strap. Pins that are not named are left alone."""
        self._driven_outside = sum(1 << pin for pin in levels)
        self._high_outside = sum(1 << pin for pin, level in levels.items() if level)

    def heard(self, listening: int, pulled_up: int) -> int:
        """What the pins in ``listening`` read, while the chip drives none of them."""
        return (pulled_up & ~self._driven_outside | self._high_outside) & listening

    def watch(self, pin: int, told: Callable[[bool], None]) -> None:
        """``told`` hears of every change of an output; one that drives nothing counts as high."""
        self._watched[pin] = (told, True)

    def level(self, pin: int) -> bool:
        """What a pin drives; True where it drives nothing."""
        raise NotImplementedError

    def reset(self) -> None:
        super().reset()
        self._tell()

    def _tell(self) -> None:
        for pin, (told, before) in self._watched.items():
            level = self.level(pin)
            if level != before:
                self._watched[pin] = (told, level)
                told(level)


class Gpio(Pins):
    """A port of an STM32: outputs read back. ``registers`` of the entry are values after a reset."""

    def __init__(
        self, world: Surroundings, entry: PeripheralEntry, *, size: int, idr: int, odr: int, bsrr: int, brr: int
    ) -> None:
        super().__init__(world, entry.name, dict.fromkeys(range(0, size, 4), 0) | dict(entry.registers))
        self._idr, self._odr, self._bsrr, self._brr = idr, odr, bsrr, brr

    def is_output(self, pin: int) -> bool:
        """Whether it is an output of the port, not of another peripheral."""
        raise NotImplementedError

    @property
    def driven(self) -> int:
        """The pins that read what the latch of the outputs holds."""
        raise NotImplementedError

    @property
    def listening(self) -> int:
        """The pins whose level is read."""
        raise NotImplementedError

    @property
    def pulled_up(self) -> int:
        """The pins that read 1 while nobody drives them."""
        raise NotImplementedError

    def level(self, pin: int) -> bool:
        return self.has(self._odr, pin) or not self.is_output(pin)

    def loaded(self, register: int) -> int:
        if register == self._idr:
            driven = self.driven
            return self.words[self._odr] & driven | self.heard(self.listening & ~driven, self.pulled_up)
        return 0 if register in (self._bsrr, self._brr) else super().loaded(register)

    def stored(self, register: int, value: int, lanes: int) -> None:
        if register == self._bsrr:
            self.keep(self._odr, self.words[self._odr] & ~(value >> 16) | value & 0xFFFF)
        elif register == self._brr:
            self.keep(self._odr, self.words[self._odr] & ~value)
        elif register != self._idr:
            self.keep(register, value, lanes)
        if self._watched:
            self._tell()


class OldGpio(Gpio):
    """Model "gpio-v1": F1. Four bits a pin in CRL and CRH: two of speed, 0 for an input, and two of a kind: the upper
    one of an output is another peripheral's, and an input of the kind 2 has a resistor, which ODR chooses."""

    def __init__(self, world: Surroundings, entry: PeripheralEntry) -> None:
        super().__init__(world, entry, size=0x1C, idr=0x08, odr=0x0C, bsrr=0x10, brr=0x14)

    def _field(self, pin: int) -> int:
        return self.words[4 * (pin // 8)] >> 4 * (pin % 8) & 0xF

    def is_output(self, pin: int) -> bool:
        field = self._field(pin)
        return bool(field & 3) and not field & 8

    @property
    def driven(self) -> int:
        return sum(1 << pin for pin in range(self.pins) if self._field(pin) & 3)

    @property
    def listening(self) -> int:
        return sum(1 << pin for pin in range(self.pins) if self._field(pin))

    @property
    def pulled_up(self) -> int:
        return sum(1 << pin for pin in range(self.pins) if self._field(pin) == 8 and self.has(self._odr, pin))


class NewGpio(Gpio):
    """Model "gpio-v2": all others. Two bits a pin: in MODER 0 for an input, 1 for an output, 2 for another peripheral's
    pin, 3 for analog; in PUPDR 1 to pull it up."""

    MODER, PUPDR = 0x00, 0x0C

    def __init__(self, world: Surroundings, entry: PeripheralEntry) -> None:
        super().__init__(world, entry, size=0x34, idr=0x10, odr=0x14, bsrr=0x18, brr=0x28)

    def is_output(self, pin: int) -> bool:
        return self.words[self.MODER] >> 2 * pin & 3 == 1

    @property
    def driven(self) -> int:
        return sum(1 << pin for pin in range(self.pins) if self.is_output(pin))

    @property
    def listening(self) -> int:
        return sum(1 << pin for pin in range(self.pins) if self.words[self.MODER] >> 2 * pin & 3 != 3)

    @property
    def pulled_up(self) -> int:
        modes, pulls = self.words[self.MODER], self.words[self.PUPDR]
        return sum(1 << pin for pin in range(self.pins) if modes >> 2 * pin & 3 in (0, 2) and pulls >> 2 * pin & 3 == 1)


class NordicGpio(Pins):
    """Model "nrf-gpio": one port. The second begins inside the first, so offsets are those of the SVD less 0x500."""

    OUT, OUTSET, OUTCLR, IN, DIR, DIRSET, DIRCLR = 0x004, 0x008, 0x00C, 0x010, 0x014, 0x018, 0x01C
    PIN_CNF = 0x200
    pins = 32

    def __init__(self, world: Surroundings, entry: PeripheralEntry) -> None:
        named = dict.fromkeys(range(0x004, 0x028, 4), 0) | dict.fromkeys(range(0x200, 0x280, 4), 2)
        super().__init__(world, entry.name, named)

    def loaded(self, register: int) -> int:
        if register in (self.OUTSET, self.OUTCLR):
            return self.words[self.OUT]
        if register in (self.DIRSET, self.DIRCLR):
            return self.words[self.DIR]
        if register == self.IN:
            outputs = self.words[self.DIR]
            return self.words[self.OUT] & outputs | self.heard(self._listening & ~outputs, self._up)
        return super().loaded(register)

    def level(self, pin: int) -> bool:
        return self.has(self.OUT, pin) or not self.has(self.DIR, pin)

    def stored(self, register: int, value: int, lanes: int) -> None:
        if register in (self.OUTSET, self.DIRSET):
            self.words[register - 4] |= value
        elif register in (self.OUTCLR, self.DIRCLR):
            self.words[register - 8] &= ~value
        elif register != self.IN:
            self.keep(register, value, lanes)
            if register >= self.PIN_CNF:
                self.put(self.DIR, (register - self.PIN_CNF) // 4, bool(self.words[register] & 1))
        if register in (self.DIR, self.DIRSET, self.DIRCLR):
            self._show_directions()
        if self._watched:
            self._tell()

    def _show_directions(self) -> None:
        """DIR and the lowest bits of PIN_CNF are the same thing."""
        directions = self.words[self.DIR]
        for pin in range(self.pins):
            self.put(self.PIN_CNF + 4 * pin, 0, bool(directions >> pin & 1))

    @property
    def _listening(self) -> int:
        """Pins that have their input buffer on: INPUT is 0."""
        return sum(1 << pin for pin in range(self.pins) if not self.words[self.PIN_CNF + 4 * pin] & 2)

    @property
    def _up(self) -> int:
        """Pins that are pulled up: PULL is 3."""
        return sum(1 << pin for pin in range(self.pins) if self.words[self.PIN_CNF + 4 * pin] & 0xC == 0xC)
