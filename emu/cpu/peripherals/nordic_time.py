"""nRF52: RTC and TIMER, which count while nobody looks and report when they pass a value.

A count is computed from the time that has passed when it is asked for; what happens at a count to come is put on the
agenda. The RTC counts without asking whether the slow clock runs, and its compare events come whether EVTEN routes them
or not: what firmware waits for comes. Capture, shortcuts and the bit modes of a TIMER are here; PPI is not, and COUNT
is triggered by firmware alone.

Neighbours: `nordic` has what peripherals of this family share. Source: the nRF52840 SVD and product specification.
"""

from __future__ import annotations

from emu.cpu.chip import PeripheralEntry
from emu.cpu.contract import Surroundings
from emu.cpu.peripherals.nordic import INTENCLR, INTENSET, Nordic

MICROSECONDS = 1_000_000


class Counter(Nordic):
    """Counts at ``hz / divisor`` and wraps behind ``bits``. ``compares``: how many registers at 0x540."""

    START, STOP, CAPTURE, COMPARE, CC = 0x000, 0x004, 0x040, 0x140, 0x540

    def __init__(
        self, world: Surroundings, entry: PeripheralEntry, hz: int, compares: int, named: dict[int, int]
    ) -> None:
        self._hz = hz
        self._compares = compares
        at = [4 * number for number in range(compares)]
        registers = [self.START, self.STOP, *(self.COMPARE + each for each in at), *(self.CC + each for each in at)]
        super().__init__(world, entry, registers, named)
        self._stand()

    def reset(self) -> None:
        super().reset()
        for number in range(self._compares):
            self.world.cancel(self._alarm(number))
        self._stand()

    def _stand(self) -> None:
        self._runs = False
        self._base = 0
        self._since_us = 0
        self._asked: set[int] = set()  # numbers of the registers somebody has written

    # -- what the two differ in -----------------------------------------------------------------------------

    @property
    def divisor(self) -> int:
        raise NotImplementedError

    @property
    def bits(self) -> int:
        raise NotImplementedError

    def compared(self, number: int) -> None:
        """The counter has come to register ``number``."""

    # -- counting -------------------------------------------------------------------------------------------

    @property
    def count(self) -> int:
        return (self._base + self._steps) & (1 << self.bits) - 1

    @property
    def _steps(self) -> int:
        passed_us = self.world.clock.now_us - self._since_us if self._runs else 0
        return passed_us * self._hz // (MICROSECONDS * self.divisor)

    def set_count(self, count: int) -> None:
        self._base, self._since_us = count & (1 << self.bits) - 1, self.world.clock.now_us
        self._expect_all()

    def run(self, on: bool) -> None:
        if on != self._runs:
            self._base, self._since_us, self._runs = self.count, self.world.clock.now_us, on
            self._expect_all()

    # -- what is to come ------------------------------------------------------------------------------------

    def _alarm(self, number: int) -> str:
        return f"{self.name} compares {number}"

    def _expect_all(self) -> None:
        for number in range(self._compares):
            self._expect(number)

    def _expect(self, number: int) -> None:
        self.world.cancel(self._alarm(number))
        if not self._runs or number not in self._asked:
            return
        span = 1 << self.bits
        steps = self._steps
        ahead = (self.words[self.CC + 4 * number] - self._base - steps) % span or span
        us = -(-(steps + ahead) * MICROSECONDS * self.divisor // self._hz)
        self.world.at(self._alarm(number), self._since_us + us, lambda: self._comes(number))

    def _comes(self, number: int) -> None:
        self.happened(self.COMPARE + 4 * number)
        self.compared(number)
        self._expect(number)

    # -- registers ------------------------------------------------------------------------------------------

    def stored(self, register: int, value: int, lanes: int) -> None:
        super().stored(register, value, lanes)
        if self.CC <= register < self.CC + 4 * self._compares:
            self.words[register] &= (1 << self.bits) - 1
            self._asked.add((register - self.CC) // 4)
            self._expect((register - self.CC) // 4)

    def task(self, register: int) -> None:
        if register in (self.START, self.STOP):
            self.run(register == self.START)


class Rtc(Counter):
    """Model "nrf-rtc": 24 bits on the slow clock."""

    CLEAR, TRIGOVRFLW, TICK, OVRFLW, COUNTER, PRESCALER = 0x008, 0x00C, 0x100, 0x104, 0x504, 0x508
    EVTEN, EVTENSET, EVTENCLR = 0x340, 0x344, 0x348
    _HZ, _NEAR_THE_END = 32_768, 0xFF_FFF0
    timed = frozenset((COUNTER,))

    def __init__(self, world: Surroundings, entry: PeripheralEntry) -> None:
        named = (self.CLEAR, self.TRIGOVRFLW, self.TICK, self.OVRFLW, self.COUNTER, self.PRESCALER, self.EVTEN)
        self._routed = 0
        super().__init__(world, entry, self._HZ, 4, dict.fromkeys((*named, self.EVTENSET, self.EVTENCLR), 0))

    def reset(self) -> None:
        super().reset()
        self._routed = 0
        for name in (self.TICK, self.OVRFLW):
            self.world.cancel(f"{self.name} {name:#x}")

    @property
    def divisor(self) -> int:
        return (self.words[self.PRESCALER] & 0xFFF) + 1

    @property
    def bits(self) -> int:
        return 24

    def loaded(self, register: int) -> int:
        if register == self.COUNTER:
            return self.count
        return self._routed if register in (self.EVTEN, self.EVTENSET, self.EVTENCLR) else super().loaded(register)

    def stored(self, register: int, value: int, lanes: int) -> None:
        if register == self.EVTENSET:
            self._routed |= value
        elif register == self.EVTENCLR:
            self._routed &= ~value
        elif register == self.EVTEN:
            self._routed = value
        elif register == self.PRESCALER:
            if not self._runs:  # read-only while it counts
                self.keep(register, value & 0xFFF)
        elif register != self.COUNTER:
            super().stored(register, value, lanes)
        if register in (self.EVTENSET, self.EVTENCLR, self.EVTEN, INTENSET, INTENCLR):
            self._expect_routed()

    def task(self, register: int) -> None:
        if register == self.CLEAR:
            self.set_count(0)
        elif register == self.TRIGOVRFLW:
            self.set_count(self._NEAR_THE_END)
        else:
            super().task(register)

    def _expect_all(self) -> None:
        super()._expect_all()
        self._expect_routed()

    def _expect_routed(self) -> None:
        """Ticks and overflows, where somebody hears of them: a core that nobody will wake is to be known for one."""
        heard = self._enabled | self._routed
        self._later(self.TICK, heard & 1)
        self._later(self.OVRFLW, (1 << self.bits) - self.count if heard & 2 else 0)

    def _later(self, event: int, steps: int) -> None:
        name = f"{self.name} {event:#x}"
        self.world.cancel(name)
        if not self._runs or not steps:
            return
        us = -(-(self._steps + steps) * MICROSECONDS * self.divisor // self._hz)
        self.world.at(name, self._since_us + us, lambda: self._passes(event, steps))

    def _passes(self, event: int, steps: int) -> None:
        self.happened(event)
        self._later(event, 1 << self.bits if event == self.OVRFLW else steps)


class Timer(Counter):
    """Model "nrf-timer": up to 32 bits on 16 MHz. Six compare registers, of which the smaller ones use four."""

    COUNT, CLEAR, SHUTDOWN, SHORTS, MODE, BITMODE, PRESCALER = 0x008, 0x00C, 0x010, 0x200, 0x504, 0x508, 0x510
    _HZ = 16 * MICROSECONDS
    _BITS = (16, 8, 24, 32)
    timed = frozenset(range(Counter.CC, Counter.CC + 24, 4))

    def __init__(self, world: Surroundings, entry: PeripheralEntry) -> None:
        named = [self.COUNT, self.CLEAR, self.SHUTDOWN, self.SHORTS, self.MODE, self.BITMODE]
        named += [self.CAPTURE + 4 * number for number in range(6)]
        super().__init__(world, entry, self._HZ, 6, dict.fromkeys(named, 0) | {self.PRESCALER: 4})

    @property
    def divisor(self) -> int:
        return 1 << min(self.words[self.PRESCALER] & 0xF, 9)

    @property
    def bits(self) -> int:
        return self._BITS[self.words[self.BITMODE] & 3]

    def run(self, on: bool) -> None:
        super().run(on and not self.words[self.MODE] & 3)  # a counter counts what it is told

    def compared(self, number: int) -> None:
        shorts = self.words[self.SHORTS]
        if shorts >> 8 + number & 1:
            self.run(False)
        if shorts >> number & 1:
            self.set_count(0)

    def stored(self, register: int, value: int, lanes: int) -> None:
        if register in (self.MODE, self.BITMODE, self.PRESCALER):
            count = self.count
            super().stored(register, value, lanes)
            self.set_count(count)
        else:
            super().stored(register, value, lanes)

    def task(self, register: int) -> None:
        if register == self.CLEAR:
            self.set_count(0)
        elif register == self.COUNT:
            if self.words[self.MODE] & 3:
                self.set_count(self.count + 1)
        elif register == self.SHUTDOWN:
            self.run(False)
            self.set_count(0)
        elif self.CAPTURE <= register < self.CAPTURE + 24:
            self.words[self.CC + register - self.CAPTURE] = self.count
            self._expect((register - self.CAPTURE) // 4)
        else:
            super().task(register)
