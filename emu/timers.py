"""The board's hardware timers: the commit timer and the watchdog.

The commit timer is armed by the bootloader at a trial boot. The watchdog (0 s: none) is fed by any firmware that
still runs, so it matters only once the firmware hangs. Every change is an event in the journal, because whether a
timer can still fire at a point is part of the state there.

Neighbours: implements `bootloader.CommitTimer` over `clock`. Does not know who arms it or why.
"""

from __future__ import annotations

from bootloader.errors import BootError
from emu.clock import VirtualClock
from emu.events import ARMED, COMMIT_TIMER, FED, STOPPED
from flash.errors import Interrupted
from flash.journal import Event, Journal
from flash.supply import Supply


class Hung(Interrupted):
    """The firmware stands still and no timer will ever reset it."""


class EventLog:
    """Appends events to the journal, and lets a scheduled interruption strike between them."""

    def __init__(self, journal: Journal, clock: VirtualClock, supply: Supply) -> None:
        self.journal = journal
        self._clock = clock
        self._supply = supply

    def note(self, name: str, *facts: object) -> None:
        """Record that something happened. Raises what a scheduled interruption raises."""
        self.strike_if_due()
        self.journal.entries.append(Event(name, self._clock.now_us, facts))

    def strike_if_due(self) -> None:
        if self.journal.is_due:
            self.journal.strike(self._supply)


class HardwareTimer:
    """The commit timer. ``can_stop`` False: an independent watchdog. ``max_s`` 0: no limit."""

    def __init__(self, clock: VirtualClock, log: EventLog, *, can_stop: bool, max_s: int) -> None:
        self.can_stop = can_stop
        self._max_s = max_s
        self._clock = clock
        self._log = log
        self._timeout_s = 0
        self._fed = False

    def arm(self, timeout_s: int) -> None:
        if self._max_s:
            timeout_s = min(timeout_s, self._max_s)
        self._log.note(ARMED, timeout_s)
        self._timeout_s = timeout_s
        self._clock.set_alarm(COMMIT_TIMER, self._clock.now_us + timeout_s * 1_000_000)

    def stop(self) -> None:
        if not self.can_stop:
            raise BootError("this timer cannot be stopped once armed; feed it")
        self._log.note(STOPPED)
        self._clock.clear_alarm(COMMIT_TIMER)

    def keep_fed(self) -> None:
        self._log.note(FED)
        self._fed = True
        self._clock.clear_alarm(COMMIT_TIMER)

    def settings(self) -> tuple[int, bool]:
        """What its registers hold, to be `set` on another one; the alarm itself is the clock's."""
        return self._timeout_s, self._fed

    def set(self, settings: tuple[int, bool]) -> None:
        self._timeout_s, self._fed = settings

    def starve(self) -> None:
        """The firmware stands still: a timer it was feeding now runs out."""
        if self._fed and self._timeout_s:
            self._clock.set_alarm(COMMIT_TIMER, self._clock.now_us + self._timeout_s * 1_000_000)
