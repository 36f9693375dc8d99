"""What stands at a point of a session besides memory: the time, and whatever the session's events have moved.

Neighbours: `edges` and `walk` carry a workload along a session. Knows no tear and no check.
"""

from __future__ import annotations

from collections.abc import Hashable
from copy import copy

from emu.events import ARMED, ATTEMPT, FED, HANDOVER, OUTSIDE, RETAINED, STOPPED
from emu.rig import DeviceState, Kept, Run
from flash.journal import Entry, Event, Operation
from flash.snapshot import Snapshot


class Workload:
    """The part of the state that events move: attempts left, retained RAM, timer, running image, the world outside."""

    def __init__(self, state: DeviceState) -> None:
        self.attempts_left = state.attempts_left
        self.outside: Hashable = state.outside
        self.timer = STOPPED
        self.armed_us = self.timeout_us = 0
        self.running = ""
        self._ram = dict(state.ram)
        self._kept: Kept | None = None

    def stand_at(self, run: Run, point: int) -> None:
        """Where a run says itself what a reset finds at each of its points, that is what counts from here on."""
        self._kept = run.kept[point] if run.kept else None

    def copy(self) -> Workload:
        other = copy(self)
        other._ram = dict(self._ram)
        return other

    @property
    def ram(self) -> tuple[tuple[str, int], ...]:
        return tuple(sorted(self._ram.items())) if self._kept is None else self._kept.ram

    @property
    def watchdog(self) -> str:
        """The cause of the reset by the timer that rings next, where the run says it."""
        return "" if self._kept is None else self._kept.watchdog

    @property
    def mark(self) -> tuple[object, ...]:
        """All of it, as something that can be compared."""
        return (self.attempts_left, self.timer, self.armed_us, self.timeout_us, self.running, self.ram, self.watchdog,
                self.outside)  # fmt: skip

    def cut(self, memory: tuple[Snapshot, ...]) -> DeviceState:
        """What power leaves that goes here."""
        return DeviceState(memory, "power", self.attempts_left, outside=self.outside)

    def apply(self, event: Entry) -> None:
        if not isinstance(event, Event):
            return
        if event.name == ATTEMPT:
            self.attempts_left -= 1
        elif event.name in (ARMED, STOPPED, FED):
            self.timer = event.name
            if event.name == ARMED:
                self.armed_us, self.timeout_us = event.time_us, event.facts[0] * 1_000_000
        elif event.name == HANDOVER:
            self.running = event.facts[1]
        elif event.name == RETAINED:
            self._ram[event.facts[0]] = event.facts[1]
        elif event.name == OUTSIDE:
            self.outside = event.facts[0]


def time_at(run: Run, index: int) -> int:
    """Microseconds since reset at a point: when the next entry begins, or when the session ends."""
    if index == len(run.entries):
        return run.end_us
    entry = run.entries[index]
    return entry.start_us if isinstance(entry, Operation) else entry.time_us
