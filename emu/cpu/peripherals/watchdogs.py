"""Watchdogs: alarms of the clock. One that is not fed in time pulls reset at its exact microsecond.

Sources: RM0008 and successors by way of headers and drivers (registers, keys), the nRF52840 SVD; keys and periods as in
the vendors' code. Neighbours: `emu.clock` rings. The names of the alarms are the causes of the resets.
"""

from __future__ import annotations

from emu.cpu.chip import PeripheralEntry
from emu.cpu.contract import Surroundings
from emu.cpu.peripherals.bank import Bank

IWDG, WWDG, WDT = "iwdg", "wwdg", "wdt"
_UNLOCK, _RELOAD, _START = 0x5555, 0xAAAA, 0xCCCC


class Independent(Bank):
    """Model "iwdg": the independent watchdog of every STM32. An option byte may start it at reset.

    ``longest``: the largest PR that makes a difference; 8 on the H5, where the field has four bits.
    """

    KR, PR, RLR, SR, WINR = 0x00, 0x04, 0x08, 0x0C, 0x10

    def __init__(self, world: Surroundings, entry: PeripheralEntry, longest: int = 6) -> None:
        self._longest = longest
        super().__init__(world, entry.name, {self.KR: 0, self.PR: 0, self.RLR: 0xFFF, self.SR: 0, self.WINR: 0xFFF})
        self._lsi_hz = entry.lsi_hz
        self._runs = self._is_open = False
        self._fed_us = 0

    def reset(self) -> None:
        super().reset()
        self._runs = self._is_open = False
        if self.world.hardware_watchdog():
            self._start()

    def loaded(self, register: int) -> int:
        return 0 if register in (self.KR, self.SR) else super().loaded(register)

    def stored(self, register: int, value: int, lanes: int) -> None:
        if register == self.KR:
            self._is_open = value == _UNLOCK
            if value == _START and not self._runs:
                self._start()
            elif value == _RELOAD and self._runs:
                self._feed()
        elif register in (self.PR, self.RLR, self.WINR):
            if not self._is_open:
                self.world.note(f"{self.name}: offset {register:#x} := {value:#x} while it is write-protected: dropped")
                return
            self.keep(register, value & ((0x7 if self._longest < 8 else 0xF) if register == self.PR else 0xFFF))
            if register == self.WINR and self._runs:
                self._feed()
        elif register != self.SR:
            self.keep(register, value, lanes)

    @property
    def period_us(self) -> int:
        """From a reload to the reset."""
        prescaler = 4 << min(self.words[self.PR], self._longest)
        return (self.words[self.RLR] + 1) * prescaler * 1_000_000 // self._lsi_hz

    def _start(self) -> None:
        self._runs = True
        self._feed()

    def _feed(self) -> None:
        """A reload inside the closed part of the window is a reset as well."""
        now = self.world.clock.now_us
        window = self.words[self.WINR]
        if window < self.words[self.RLR] and now != self._fed_us and self._runs:
            ticks = (self.words[self.RLR] + 1) * (now - self._fed_us) // self.period_us
            if self.words[self.RLR] - ticks > window:
                self.world.reset(IWDG)
        self._fed_us = now
        self.world.clock.set_alarm(IWDG, now + self.period_us)


class Window(Bank):
    """Model "wwdg": the window watchdog of an STM32, on the core's clock.

    ``shift``: where WDGTB stands: 7 (F1, F4, L4, L0) or 11 (G0, H5). The peripheral clock is taken to be ``pclk_hz``.
    """

    CR, CFR, SR = 0x00, 0x04, 0x08
    timed = frozenset((CR,))

    def __init__(self, world: Surroundings, entry: PeripheralEntry, shift: int) -> None:
        super().__init__(world, entry.name, {self.CR: 0x7F, self.CFR: 0x7F, self.SR: 0})
        self._shift = shift
        self._runs = False
        self._fed_us = 0

    def reset(self) -> None:
        super().reset()
        self._runs = False

    def stored(self, register: int, value: int, lanes: int) -> None:
        if register != self.CR:
            self.keep(register, value, lanes)
            return
        now, left = self.world.clock.now_us, self._left()
        if self._runs and left > self.words[self.CFR] & 0x7F:
            self.world.reset(WWDG)
        self._runs = self._runs or bool(value & 0x80)
        self.keep(register, value & 0x7F | self._runs << 7)
        self._fed_us = now
        if self._runs:
            if not value & 0x40:
                self.world.reset(WWDG)
            self.world.clock.set_alarm(WWDG, now + ((value & 0x3F) + 1) * self._tick_us)

    def loaded(self, register: int) -> int:
        return self._runs << 7 | self._left() if register == self.CR else super().loaded(register)

    def _left(self) -> int:
        start = self.words[self.CR] & 0x7F
        return max(0, start - (self.world.clock.now_us - self._fed_us) // self._tick_us) if self._runs else start

    @property
    def _tick_us(self) -> int:
        prescaler = 4096 << (self.words[self.CFR] >> self._shift & 7)
        return max(1, prescaler * 1_000_000 // self.world.clock_hz())


class Nordic(Bank):
    """Model "nrf-wdt". It cannot be stopped, and runs on over a software reset."""

    START, TIMEOUT, RUNSTATUS, REQSTATUS, CRV, RREN, CONFIG, RR = 0x000, 0x100, 0x400, 0x404, 0x504, 0x508, 0x50C, 0x600
    RELOAD = 0x6E52_4635
    CHANNELS = 8

    def __init__(self, world: Surroundings, entry: PeripheralEntry) -> None:
        named = dict.fromkeys((self.START, self.TIMEOUT, 0x304, 0x308, self.RUNSTATUS), 0)
        named |= {self.REQSTATUS: 1, self.CRV: 0xFFFF_FFFF, self.RREN: 1, self.CONFIG: 1}
        named |= dict.fromkeys(range(self.RR, self.RR + 4 * self.CHANNELS, 4), 0)
        super().__init__(world, entry.name, named)
        self._runs = False
        self._wanted = 1

    def reset(self) -> None:
        left = self.world.left_us(WDT)
        if self.world.cause() == "software" and left is not None:
            self.world.clock.set_alarm(WDT, max(1, left))
            return
        super().reset()
        self._runs, self._wanted = False, 1

    def retained(self) -> tuple[int, ...]:
        words = (self.words[each] for each in (self.CRV, self.RREN, self.CONFIG))
        return (self._wanted, *words) if self._runs else ()

    def retain(self, state: tuple[int, ...]) -> None:
        super().reset()
        self._runs, self._wanted = bool(state), 1
        if state:
            self._wanted, self.words[self.CRV], self.words[self.RREN], self.words[self.CONFIG] = state

    def loaded(self, register: int) -> int:
        if register == self.RUNSTATUS:
            return int(self._runs)
        return self._wanted if register == self.REQSTATUS else super().loaded(register)

    def stored(self, register: int, value: int, lanes: int) -> None:
        if register == self.START:
            if value & 1 and not self._runs:
                self._runs = True
                self._feed()
        elif self.RR <= register < self.RR + 4 * self.CHANNELS:
            if value == self.RELOAD and self._runs:
                self._wanted &= ~(1 << (register - self.RR) // 4)
                if not self._wanted:
                    self._feed()
        elif register in (self.CRV, self.RREN, self.CONFIG):
            if not self._runs:
                self.keep(register, max(value, 0xF) if register == self.CRV else value)
                self._wanted = self.words[self.RREN] & 0xFF
            else:
                self.world.note(f"{self.name}: offset {register:#x} := {value:#x} while it runs: dropped")
        elif register not in (self.RUNSTATUS, self.REQSTATUS):
            self.keep(register, value, lanes)

    def _feed(self) -> None:
        self._wanted = self.words[self.RREN] & 0xFF
        period_us = (self.words[self.CRV] + 1) * 1_000_000 // 32_768
        self.world.clock.set_alarm(WDT, self.world.clock.now_us + period_us)
