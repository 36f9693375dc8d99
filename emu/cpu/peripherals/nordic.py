"""nRF52: what its peripherals share, and clock and power. Tasks start what events report, at once.

Neighbours: `Bank`; `nordic_uart` is the serial port. Source: the nRF52840 SVD and the vendor's driver.
"""

from __future__ import annotations

from collections.abc import Iterable

from emu.cpu.chip import PeripheralEntry
from emu.cpu.contract import Surroundings
from emu.cpu.peripherals.bank import Bank

INTENSET, INTENCLR = 0x304, 0x308
_EVENTS = 0x100
_REASONS = {"pin": 0, "wdt": 1, "software": 2, "lockup": 3}
"""Bits of RESETREAS by cause."""


class Nordic(Bank):
    """Events are words that are 0 or 1 and cleared by writing 0; the interrupt line is up while an enabled one is 1."""

    def __init__(
        self, world: Surroundings, entry: PeripheralEntry, named: Iterable[int], resets: dict[int, int]
    ) -> None:
        super().__init__(world, entry.name, dict.fromkeys((*named, 0x300, INTENSET, INTENCLR), 0) | resets)
        self._irq = entry.irq
        self._line_is_up = False
        self._enabled = 0

    def reset(self) -> None:
        super().reset()
        self._enabled, self._line_is_up = 0, False

    def loaded(self, register: int) -> int:
        return self._enabled if register in (0x300, INTENSET, INTENCLR) else super().loaded(register)

    def stored(self, register: int, value: int, lanes: int) -> None:
        if register == INTENSET:
            self._enabled |= value
        elif register == INTENCLR:
            self._enabled &= ~value
        elif register == 0x300:
            self._enabled = value
        elif register < _EVENTS:
            if value & 1:
                self.task(register)
        else:
            self.keep(register, value, lanes)
        self._drive()

    def task(self, register: int) -> None:
        """Task ``register`` was triggered."""

    def happened(self, *events: int) -> None:
        for event in events:
            self.words[event] = 1
        self._drive()

    def _drive(self) -> None:
        if self._irq is None or not (self._enabled or self._line_is_up):
            return
        up = any(self._enabled >> bit & 1 and self.words.get(_EVENTS + 4 * bit, 0) for bit in range(32))
        if up != self._line_is_up:
            self._line_is_up = up
            (self.world.raise_irq if up else self.world.clear_irq)(self._irq)


class ClockPower(Nordic):
    """Model "nrf-clock-power": CLOCK and POWER, which share a page."""

    HFCLKSTART, HFCLKSTOP, LFCLKSTART, LFCLKSTOP, CALIBRATE = 0x000, 0x004, 0x008, 0x00C, 0x010
    HFCLKSTARTED, LFCLKSTARTED, CALIBRATED = 0x100, 0x104, 0x10C
    HFCLKRUN, HFCLKSTAT, LFCLKRUN, LFCLKSTAT, LFCLKSRCCOPY, LFCLKSRC = 0x408, 0x40C, 0x414, 0x418, 0x41C, 0x518
    RESETREAS, SYSTEMOFF, GPREGRET, GPREGRET2, MAINREGSTATUS = 0x400, 0x500, 0x51C, 0x520, 0x640
    _RUNNING = 1 << 16

    def __init__(self, world: Surroundings, entry: PeripheralEntry) -> None:
        named = [*range(0x000, 0x014, 4), 0x078, 0x07C, *range(0x100, 0x130, 4), 0x200]
        named += [self.HFCLKRUN, self.LFCLKRUN, self.LFCLKSTAT, self.LFCLKSRCCOPY, self.LFCLKSRC, self.RESETREAS]
        named += [0x420, 0x428, 0x438, 0x5B4, 0xEE4]  # two of them undocumented: workarounds of errata write there
        named += [self.SYSTEMOFF, 0x510, self.GPREGRET, self.GPREGRET2, 0x538, 0x578, 0x580, 0x640]
        named += [0x900 + 0x10 * bank + 4 * at for bank in range(9) for at in range(3)]
        self._reasons = 0
        super().__init__(world, entry, named, {self.HFCLKSTAT: self._RUNNING})

    def reset(self) -> None:
        kept = {each: self.words.get(each, 0) for each in (self.GPREGRET, self.GPREGRET2)}
        super().reset()
        cause = self.world.cause()
        if cause in ("software", "lockup"):
            self.words |= kept
        self._reasons = 0 if cause == "power" else self._reasons | 1 << _REASONS.get(cause, 0)
        self.words[self.RESETREAS] = self._reasons

    def retained(self) -> tuple[int, ...]:
        return self.words.get(self.GPREGRET, 0), self.words.get(self.GPREGRET2, 0), self._reasons

    def retain(self, state: tuple[int, ...]) -> None:
        self.words[self.GPREGRET], self.words[self.GPREGRET2], self._reasons = state

    def task(self, register: int) -> None:
        source = self.words[self.LFCLKSRC] & 3
        if register == self.HFCLKSTART:
            self.words[self.HFCLKRUN], self.words[self.HFCLKSTAT] = 1, self._RUNNING | 1
            self.happened(self.HFCLKSTARTED)
        elif register == self.HFCLKSTOP:
            self.words[self.HFCLKRUN], self.words[self.HFCLKSTAT] = 0, self._RUNNING
        elif register == self.LFCLKSTART:
            self.words |= {self.LFCLKRUN: 1, self.LFCLKSTAT: self._RUNNING | source, self.LFCLKSRCCOPY: source}
            self.happened(self.LFCLKSTARTED)
        elif register == self.LFCLKSTOP:
            self.words |= {self.LFCLKRUN: 0, self.LFCLKSTAT: 0}
        elif register == self.CALIBRATE:
            self.happened(self.CALIBRATED)

    def stored(self, register: int, value: int, lanes: int) -> None:
        if register == self.RESETREAS:
            self._reasons &= ~value
            self.words[register] = self._reasons
        elif register in (self.GPREGRET, self.GPREGRET2):
            self.keep(register, value & 0xFF)
        elif register == self.SYSTEMOFF and value & 1:
            self.world.stay_asleep("System OFF, which a pin, NFC or USB would end, and nobody is there")
        elif register not in (self.HFCLKSTAT, self.LFCLKSTAT, self.HFCLKRUN, self.LFCLKRUN, self.MAINREGSTATUS):
            super().stored(register, value, lanes)
