"""Where a walk will most likely come next: guesses, so that workers have something to do while it waits.

A walk that waits at one point of a session for the state a cut leaves there will ask at the points behind the next
operations too, unless these touch nothing that is live, or the walk meets a stop that is known. Nobody knows that yet;
but the longer a session has been walked point by point, the longer it most likely will be. So as many points are looked
ahead as it has waited at: in vain at most as often as not.

Neighbours: `closure` says which walks wait, `ahead` asks. What is guessed has no influence on what is found.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from emu.campaign.edges import EdgeWalker, time_at
from emu.campaign.graph import Stop
from emu.rig import DeviceState
from flash.journal import Operation

MOST_POINTS = 16
"""How many points of one session are looked ahead."""


class Foresight:
    """Looks ahead on ``bench``, which nobody stands on meanwhile. ``named``: the state run in the place of another."""

    def __init__(self, bench: EdgeWalker, named: Callable[[DeviceState], DeviceState]) -> None:
        self._bench = bench
        self._named = named
        self._lines: dict[tuple[int, int], _Line] = {}
        self._made: deque[DeviceState] = deque()

    def wait(self, stops: Iterable[Stop]) -> None:
        """The walks of ``stops`` wait, and no others do."""
        before, self._lines = self._lines, {}
        for stop in stops:
            key = (id(stop.session), stop.piece)
            line = before.get(key) or _Line(stop)
            line.come_to(stop)
            self._lines[key] = line

    def next_state(self) -> DeviceState | None:
        """What is asked for next, by a guess; None: nothing comes to mind."""
        while not self._made:
            lines = [line for line in self._lines.values() if line.may_go_on]
            if not lines:
                return None
            line = min(lines, key=lambda line: len(line.points))
            self._made += map(self._named, line.go_on(self._bench))
        return self._made.popleft()


class _Line:
    """One session, walked and looked ahead. ``points``: those looked at that were not come to yet."""

    def __init__(self, stop: Stop) -> None:
        self.points: deque[int] = deque()
        self._waited = 0
        self._session = stop.session  # kept alive, and with it its id
        self._run = stop.session.pieces[stop.piece].run
        self._entry, self._memory, self._workload = stop.entry, stop.memory, stop.workload.copy()

    def come_to(self, stop: Stop) -> None:
        """Its walk waits at ``stop``."""
        self._waited += 1
        while self.points and self.points[0] <= stop.entry:
            self.points.popleft()
        if self._entry < stop.entry:
            self._entry, self._memory, self._workload = stop.entry, stop.memory, stop.workload.copy()

    @property
    def may_go_on(self) -> bool:
        return len(self.points) < min(self._waited, MOST_POINTS) and self._entry < len(self._run.entries)

    def go_on(self, bench: EdgeWalker) -> list[DeviceState]:
        """The states behind the next operation; none where only the end of the session is left."""
        bench.stand(self._memory)
        entries = self._run.entries
        while self._entry < len(entries):
            entry = entries[self._entry]
            bench.advance(entry)
            self._workload.apply(entry)
            self._entry += 1
            self._workload.stand_at(self._run, self._entry)
            if isinstance(entry, Operation):
                self.points.append(self._entry)
                self._memory = bench.memory()
                now_us = time_at(self._run, self._entry)
                return [child.state for child in bench.at_point(self._entry, now_us, self._workload)]
        return []
