"""Where a walk will most likely come next: guesses, so that workers have something to do while it waits.

A walk that waits at one point of a session, for the state a cut leaves there, will wait again behind the next operation
that touches something live. What will be live there nobody knows yet; most likely it is what was live at the last
point. Where that has told the next point right, points further on are told as well, twice as many each time.

Neighbours: `closure` says which walks wait, `ahead` asks. What is guessed has no influence on what is found.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from emu.campaign.edges import EdgeWalker
from emu.campaign.graph import Stop
from emu.campaign.outline import Outline
from emu.campaign.space import Units
from emu.campaign.workload import time_at
from emu.rig import DeviceState, Run
from flash.journal import Operation

MOST_POINTS = 16
"""How many points of one session are looked ahead."""
AWAY = 4
"""How often other walks wait until one that does not is taken for ended."""


class Foresight:
    """Looks ahead on ``bench``, which nobody stands on meanwhile. ``named``: the state run in the place of another."""

    def __init__(
        self, bench: EdgeWalker, outline: Callable[[Run], Outline], named: Callable[[DeviceState], DeviceState]
    ) -> None:
        self._bench = bench
        self._outline = outline
        self._named = named
        self._lines: dict[tuple[int, int], _Line] = {}
        self._made: deque[DeviceState] = deque()

    def wait(self, stops: Iterable[Stop]) -> None:
        """The walks of ``stops`` wait. Others may be on their way to the next point."""
        for line in self._lines.values():
            line.away += 1
        for stop in stops:
            key = (id(stop.session), stop.piece)
            line = self._lines.get(key) or _Line(stop, self._outline(stop.session.pieces[stop.piece].run))
            line.come_to(stop)
            self._lines[key] = line
        self._lines = {key: line for key, line in self._lines.items() if line.away < AWAY}

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
    """One session, walked and looked ahead. ``points``: those told that were not come to yet; ``away``: how often other
    walks have waited since its own did."""

    def __init__(self, stop: Stop, outline: Outline) -> None:
        self.points: deque[int] = deque()
        self.away = 0
        self._session = stop.session  # kept alive, and with it its id
        self._run = stop.session.pieces[stop.piece].run
        self._outline = outline
        self._last = stop
        self._trust = 0
        self._live: Units = 0
        self._entry, self._memory, self._workload = stop.entry, stop.memory, stop.workload.copy()

    def come_to(self, stop: Stop) -> None:
        """Its walk waits at ``stop``."""
        self.away = 0
        if stop is self._last:
            return
        is_right = stop.entry == (self.points[0] if self.points else self._point_after(self._last.entry))
        self._trust = min(MOST_POINTS, 2 * self._trust or 1) if is_right else self._trust // 2
        if is_right and self.points:
            self.points.popleft()
        else:
            self.points.clear()
            self._entry, self._memory, self._workload = stop.entry, stop.memory, stop.workload.copy()
        self._live = 0
        for link in self._last.links:
            if not link.reach:
                self._live |= link.target.live
        self._last = stop

    @property
    def may_go_on(self) -> bool:
        return len(self.points) < self._trust and self._point_after(self._entry) > 0

    def go_on(self, bench: EdgeWalker) -> list[DeviceState]:
        """The states at the next point."""
        point = self._point_after(self._entry)
        bench.stand(self._memory)
        for entry in self._run.entries[self._entry : point]:
            bench.advance(entry)
            self._workload.apply(entry)
        self._workload.stand_at(self._run, point)
        self._entry, self._memory = point, bench.memory()
        self.points.append(point)
        return [child.state for child in bench.at_point(point, time_at(self._run, point), self._workload)]

    def _point_after(self, first: int) -> int:
        """The point behind the first operation, at or behind ``first``, that may touch what was live; 0: none does."""
        entries = self._run.entries
        while first < len(entries):
            first = self._outline.first_meeting(first, self._live) + 1
            if first <= len(entries) and isinstance(entries[first - 1], Operation):
                return first
        return 0
