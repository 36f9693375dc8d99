"""Virtual time of a core: code that has run, as cycles and as microseconds of the device's clock.

How exact it is: every half-word of code counts as one cycle, whole blocks at a time, and a block that is left in the
middle counts to where it was left. So time is the same in every run of the same code, an instruction takes one cycle or
two, wait states, branch penalties and slow instructions (a division, a load) are in it on average only, and a
peripheral that asks inside a block sees the time of the block's end. A flash operation moves the device's clock by
itself.

Neighbours: `core` charges what has run; SysTick and the cycle counter are read off it. `emu.clock` is the clock all of
the device shares: reset timers ring in it, to the microsecond.
"""

from __future__ import annotations

from collections.abc import Iterable

from emu.clock import VirtualClock

MICROSECONDS = 1_000_000
BYTES_PER_CYCLE = 2


class CoreClock:
    """Cycles since reset, on top of ``clock``. ``hz`` may change while it runs; the count goes on."""

    def __init__(self, clock: VirtualClock, hz: int) -> None:
        self.clock = clock
        self.hz = hz
        self._part = 0  # of the present microsecond, in cycles times a million
        self._base_cycles = 0
        self._base_us = clock.now_us

    @property
    def cycles(self) -> int:
        """Since reset. Never goes back."""
        return self._base_cycles + ((self.clock.now_us - self._base_us) * self.hz + self._part) // MICROSECONDS

    def charge(self, length: int) -> None:
        """``length`` bytes of code have run. Raises ResetAsserted when a timer rings meanwhile."""
        self._part += length * (MICROSECONDS // BYTES_PER_CYCLE)
        if self._part >= self.hz:
            passed, self._part = divmod(self._part, self.hz)
            self.clock.advance(passed)

    def charge_each(self, executed: Iterable[int], charged: int, pause_us: int) -> list[int]:
        """Code has run until it was ``executed`` bytes, which grow, of which ``charged`` are known of; and at each of
        them the core has stood for ``pause_us``. When every pause began, in microseconds. Nothing rings before the
        end."""
        now_us, part, hz = self.clock.now_us, self._part, self.hz
        began = []
        for each in executed:
            if each > charged:
                part += (each - charged) * (MICROSECONDS // BYTES_PER_CYCLE)
                charged = each
            if part >= hz:
                passed, part = divmod(part, hz)
                now_us += passed
            began.append(now_us)
            now_us += pause_us
        self._part = part
        self.clock.advance(now_us - self.clock.now_us)
        return began

    def advance_to(self, cycles: int) -> None:
        """Nothing runs until the counter shows ``cycles`` at least."""
        missing = cycles - self.cycles
        if missing > 0:
            self.charge(missing * BYTES_PER_CYCLE)

    def cycles_at(self, us: int) -> int:
        """What the counter will show at a time to come, rounded up."""
        return self._base_cycles - (-(us - self._base_us) * self.hz // MICROSECONDS)

    def set_hz(self, hz: int) -> None:
        """The core runs at ``hz`` from now on."""
        if hz != self.hz:
            part = self._part * hz // self.hz
            self._base_cycles, self._base_us = self.cycles - part // MICROSECONDS, self.clock.now_us
            self._part, self.hz = part, hz
