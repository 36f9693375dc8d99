"""Timers of STM32: a counter that counts up, its update and compare flags, and the interrupt they ask for.

Nothing is stepped. Flags are worked out when SR is read, and put on the agenda where firmware has enabled their
interrupt. The clock is the core's; the prescaler is taken over with an update, as on silicon. Not modelled: counting
down, slave modes, captures, repetition, outputs, DMA.

Neighbours: `Bank`. Bits and offsets: the vendors' CMSIS headers.
"""

from __future__ import annotations

from emu.cpu.chip import PeripheralEntry
from emu.cpu.contract import Surroundings
from emu.cpu.peripherals.bank import WORD, Bank

MICROSECONDS = 1_000_000
_CEN, _UDIS, _URS, _OPM = 1, 1 << 1, 1 << 2, 1 << 3
_UIF, _UG = 1, 1
_FLAGS = 0x1F
"""Of SR: the update, and four compare registers."""


class Tim(Bank):
    """Models "tim" and, with counters of 32 bits, "tim32"."""

    CR1, DIER, SR, EGR, CNT, PSC, ARR, CCR1 = 0x00, 0x0C, 0x10, 0x14, 0x24, 0x28, 0x2C, 0x34
    timed = frozenset((SR, CNT))

    def __init__(self, world: Surroundings, entry: PeripheralEntry, bits: int) -> None:
        self._mask = (1 << bits) - 1
        super().__init__(world, entry.name, dict.fromkeys(range(0x00, 0x54, 4), 0) | {self.ARR: self._mask})
        self._irq = entry.irq
        self._stand()

    def _stand(self) -> None:
        self._prescaler = 0
        self._base = 0
        self._since_us = 0
        self._hz = 1
        self._line_is_up = False

    def reset(self) -> None:
        super().reset()
        self.world.cancel(self.name)
        self._stand()

    # -- counting -------------------------------------------------------------------------------------------

    @property
    def _runs(self) -> bool:
        return bool(self.words[self.CR1] & _CEN)

    @property
    def _period(self) -> int:
        return self.words[self.ARR] + 1

    @property
    def _steps(self) -> int:
        """Since `_since_us`, when the counter stood at `_base`."""
        passed_us = self.world.clock.now_us - self._since_us if self._runs else 0
        return passed_us * self._hz // (MICROSECONDS * (self._prescaler + 1))

    def _come_to_now(self) -> None:
        """Everything that has happened since the last time is in the flags."""
        steps = self._steps
        if steps:
            for flag in range(5):
                if self._ahead(flag) <= steps and not (flag == 0 and self.words[self.CR1] & _UDIS):
                    self.words[self.SR] |= 1 << flag
            wraps = self._base + steps >= self._period
            if wraps and self.words[self.CR1] & _OPM:
                self.words[self.CR1] &= ~_CEN
                steps = self._period - self._base
            self._start((self._base + steps) % self._period, steps)
            if wraps:
                self._prescaler = self.words[self.PSC]
        self._drive()

    def _ahead(self, flag: int) -> int:
        """Steps from `_base` to the moment that raises a flag; a compare register behind the end is never reached."""
        if flag == 0:
            return max(1, self._period - self._base)
        compare = self.words[self.CCR1 + 4 * (flag - 1)]
        return self._mask + 2 if compare >= self._period else (compare - self._base) % self._period or self._period

    def _start(self, count: int, steps: int | None = None) -> None:
        """``steps``: how many of them lead there, which took no whole number of microseconds; None: it is set."""
        if steps is None:
            self._since_us = self.world.clock.now_us
        else:
            self._since_us += steps * MICROSECONDS * (self._prescaler + 1) // self._hz
        self._base = count & self._mask
        self._hz = self.world.clock_hz()

    def _expect(self) -> None:
        """The next flag whose interrupt is enabled."""
        self.world.cancel(self.name)
        asked = [flag for flag in range(5) if self.words[self.DIER] >> flag & 1]
        if not self._runs or not asked:
            return
        steps = min(self._ahead(flag) for flag in asked)
        if steps <= self._mask + 1:
            us = self._since_us - (-steps * MICROSECONDS * (self._prescaler + 1) // self._hz)
            self.world.at(self.name, max(us, self.world.clock.now_us + 1), self._comes)

    def _comes(self) -> None:
        self._come_to_now()
        self._expect()

    def _drive(self) -> None:
        if self._irq is None:
            return
        up = bool(self.words[self.SR] & self.words[self.DIER] & _FLAGS)
        if up != self._line_is_up:
            self._line_is_up = up
            (self.world.raise_irq if up else self.world.clear_irq)(self._irq)

    # -- registers ------------------------------------------------------------------------------------------

    def loaded(self, register: int) -> int:
        if register in (self.SR, self.CNT, self.CR1):
            self._come_to_now()
        if register == self.CNT:
            return self._base
        return 0 if register == self.EGR else super().loaded(register)

    def stored(self, register: int, value: int, lanes: int) -> None:
        self._come_to_now()
        if register == self.SR:
            self.words[self.SR] &= value | ~lanes & WORD
        elif register == self.EGR:
            self._generate(value)
        elif register == self.CNT:
            self._start(value)
        else:
            ran = self._runs
            self.keep(register, value & self._mask if register in (self.ARR, self.CNT) else value, lanes)
            if self._runs and not ran:
                self._start(self._base)
        self._drive()
        self._expect()

    def _generate(self, value: int) -> None:
        if value & _UG:
            self._prescaler = self.words[self.PSC]
            self._start(0)
            if not self.words[self.CR1] & (_UDIS | _URS):
                self.words[self.SR] |= _UIF
        self.words[self.SR] |= value & _FLAGS & ~_UG
