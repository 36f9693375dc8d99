"""SysTick: a 24-bit counter that counts down on the core's clock and may pend an exception at zero.

It is not stepped: when it reaches zero is known, so it is looked at only then, or when a register is read.

Neighbours: `system_space` puts its registers on the bus, `core` asks when the next tick is and tells it of the time.
"""

from __future__ import annotations

from collections.abc import Callable

from emu.cpu.clock import CoreClock

ENABLE, TICKINT, CLKSOURCE, COUNTFLAG = 1 << 0, 1 << 1, 1 << 2, 1 << 16
CTRL, LOAD, VAL, CALIB = 0x0, 0x4, 0x8, 0xC
_COUNTER = 0xFF_FFFF
EXTERNAL_DIVISOR = 8
"""The other clock of SysTick: HCLK / 8, as on STM32."""


class SysTick:
    """``pend`` pends the exception."""

    def __init__(self, pend: Callable[[], None]) -> None:
        self._pend = pend
        self.power_on()

    def power_on(self) -> None:
        """Registers as after a reset; the architecture leaves LOAD and VAL open: zero here."""
        self._control = self._load = self._held = 0
        self._flag = False
        self._zero_at = 0

    @property
    def next_tick(self) -> int | None:
        """The cycle at which the exception is pended next; None: it will not."""
        return self._zero_at if self._control & (ENABLE | TICKINT) == ENABLE | TICKINT and self._runs else None

    def read(self, offset: int, clock: CoreClock) -> int:
        self.catch_up(clock)
        value = self.shown(offset, clock)
        if offset == CTRL:
            self._flag = False
        return value

    def shown(self, offset: int, clock: CoreClock) -> int:
        """The same without an effect."""
        if offset == CTRL:
            return self._control | (COUNTFLAG if self._flag else 0)
        if offset == LOAD:
            return self._load
        return self._value(clock.cycles) if offset == VAL else 0

    def write(self, offset: int, value: int, clock: CoreClock) -> None:
        self.catch_up(clock)
        now = clock.cycles
        if offset == CTRL:
            self._held = self._value(now)
            self._control = value & (ENABLE | TICKINT | CLKSOURCE)
            self._zero_at = now + (self._held or self._load + 1) * self._divisor
        elif offset == LOAD:
            self._load = value & _COUNTER
        elif offset == VAL:
            self._held, self._flag = 0, False
            self._zero_at = now + (self._load + 1) * self._divisor

    def catch_up(self, clock: CoreClock) -> None:
        """It is now ``clock``'s time: zeros on the way set the flag and, once, pend."""
        if not self._control & ENABLE or not self._runs or clock.cycles < self._zero_at:
            return
        period = (self._load + 1) * self._divisor
        self._zero_at += ((clock.cycles - self._zero_at) // period + 1) * period
        self._flag = True
        if self._control & TICKINT:
            self._pend()

    @property
    def _runs(self) -> bool:
        """A counter whose reload value is 0 stops once it is at zero."""
        return bool(self._load)

    @property
    def _divisor(self) -> int:
        return 1 if self._control & CLKSOURCE else EXTERNAL_DIVISOR

    def _value(self, now: int) -> int:
        if not self._control & ENABLE:
            return self._held
        if not self._runs:
            return 0
        left = -(-(self._zero_at - now) // self._divisor)
        return 0 if left > self._load else left
