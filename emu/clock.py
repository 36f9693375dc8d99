"""Time. Virtual inside a device, and the one place that may ask the machine what time it is.

`VirtualClock` starts at 0 on every reset and moves only when told to. An alarm that is passed on the way raises
ResetAsserted at its exact microsecond: that is how a hardware timer pulls reset in the middle of a flash operation.
Neighbours: `timers` sets alarms. Knows no device.
"""

from __future__ import annotations

import time
from typing import NoReturn

from flash.errors import ResetAsserted

NEVER = 1 << 62


class VirtualClock:
    """Microseconds since reset, with alarms."""

    __slots__ = ("_alarms", "_next_us", "now_us")

    def __init__(self) -> None:
        self.now_us = 0
        self._alarms: dict[str, int] = {}
        self._next_us = NEVER

    def advance(self, duration_us: int) -> None:
        end = self.now_us + duration_us
        if end >= self._next_us:
            self._ring()
        self.now_us = end

    def set_alarm(self, name: str, at_us: int) -> None:
        """Ring at ``at_us``; replaces an earlier alarm of that name."""
        self._alarms[name] = at_us
        self._next_us = min(self._alarms.values())

    def clear_alarm(self, name: str) -> None:
        self._alarms.pop(name, None)
        self._next_us = min(self._alarms.values(), default=NEVER)

    def settings(self) -> tuple[int, tuple[tuple[str, int], ...]]:
        """Time and alarms, to be `set` on another clock."""
        return self.now_us, tuple(sorted(self._alarms.items()))

    def set(self, settings: tuple[int, tuple[tuple[str, int], ...]]) -> None:
        self.now_us, alarms = settings
        self._alarms = dict(alarms)
        self._next_us = min(self._alarms.values(), default=NEVER)

    @property
    def has_alarm(self) -> bool:
        return bool(self._alarms)

    @property
    def next_alarm_us(self) -> int | None:
        """When the next one rings; None: none is set."""
        return self._next_us if self._alarms else None

    def run_to_alarm(self) -> NoReturn:
        """Nothing else happens until the next alarm rings. There must be one."""
        assert self._alarms, "waiting for an alarm that nobody set: please report"
        self._ring()

    def _ring(self) -> NoReturn:
        name = min(self._alarms, key=lambda alarm: (self._alarms[alarm], alarm))
        self.now_us = max(self.now_us, self._alarms[name])
        raise ResetAsserted(name)


class Stopwatch:
    """Real seconds since it was made: for budgets and for figures about ourselves, never inside a device."""

    def __init__(self) -> None:
        self._start = time.perf_counter()

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._start


def now_utc() -> str:
    """The date and time of this machine, as in 2024-02-29T12:00:00Z: for records of what was done when."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def epoch_s() -> int:
    """Seconds since 1970, by this machine: what a device that is served takes for the time of day."""
    return int(time.time())
