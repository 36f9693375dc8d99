"""Every state, one by one: exact-state dedupe, any depth, nothing inherited. The reference explorers are held against.

A worklist of states; each is run once, judged, and its edges give more states, until nothing is new. States with the
fewest interruptions come first, so the first path to a breach is a shortest one. No footprints, no merging, no cache:
two states are one only when every byte of them and every monitor is equal.

Neighbours: tests of field bugs, and properties of the explorers. Uses the walker and the judge of campaigns, which
have references of their own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from emu.board import CheckEntry
from emu.campaign.applicable import inapplicable
from emu.campaign.checks import at_once
from emu.campaign.edges import TIMER, EdgeWalker, EventName
from emu.campaign.judge import Judge, State
from emu.campaign.monitor import Monitor
from emu.campaign.verdict import Coverage, CutPath, Step
from emu.rig import DeviceState, Rig, Run
from flash.journal import Interruption
from flash.tears import TearSet

StateKey = tuple[bytes, Monitor]
End = tuple[str, str, bool, Monitor]
"""How a chain ends: the kind of outcome, the image, whether it is committed, and what the checks remember."""


@dataclass
class Explored:
    """``paths``: what broke, each with a shortest path to it. ``ends``: where chains come to rest. ``complete``:
    nothing new was left when it ended. ``runs`` and ``edges``: the graph, for those who measure it; an edge is (entry,
    how, where it leads), a warm reset's entry is -1.
    """

    paths: dict[tuple[str, str], CutPath] = field(default_factory=dict)
    ends: set[End] = field(default_factory=set)
    complete: bool = True
    runs: dict[StateKey, tuple[DeviceState, Run]] = field(default_factory=dict)
    edges: dict[StateKey, list[tuple[int, str, StateKey]]] = field(default_factory=dict)

    @property
    def findings(self) -> set[tuple[str, str]]:
        """(check, message) of everything that broke."""
        return set(self.paths)

    @property
    def states(self) -> int:
        """How many were run."""
        return len(self.runs)

    def cuts(self, check: str) -> int | None:
        """The fewest interruptions that break ``check``; None: nothing does."""
        return min((len(path) for (name, _), path in self.paths.items() if name == check), default=None)

    def path(self, check: str) -> CutPath:
        """A shortest way to break ``check``."""
        return min(
            (path for (name, _), path in self.paths.items() if name == check), key=lambda path: (len(path), path)
        )


def exhaustive(
    rig: Rig,
    bounds: CheckEntry,
    tears: TearSet,
    events: Sequence[EventName] = (),
    attempts: int = 1,
    max_states: int = 20_000,
    *,
    keeps_new: bool = True,
) -> Explored:
    """Everything that can become of ``rig`` under ``bounds``, with interruptions nested to any depth."""
    return _Walk(rig, bounds, tears, tuple(events), keeps_new=keeps_new).explore(attempts, max_states)


@dataclass(frozen=True)
class _Way:
    """How a state was reached: the interrupted state before it, the step from there; ``session`` counts warm resets
    since. The factory state has no step."""

    parent: StateKey | None
    step: Step | None
    session: int


_Queue = deque[tuple[StateKey, State]]


class _Walk:
    def __init__(
        self, rig: Rig, bounds: CheckEntry, tears: TearSet, events: tuple[EventName, ...], *, keeps_new: bool
    ) -> None:
        out = inapplicable(
            bounds, keeps_new=keeps_new, snapshot=True, configs=bool(rig.places.configs), lacks=rig.lacks
        )
        self._rig = _Remembering(rig)
        self._checks = tuple(name for name in bounds.apply if name not in out) + tuple(o.name for o in rig.oracles)
        self._judge = Judge(self._rig, bounds, checks=self._checks, cache=False, cover=Coverage())
        self._walker = EdgeWalker(rig, tears, events)
        self._ways: dict[StateKey, _Way] = {}
        self._found = Explored()

    def explore(self, attempts: int, max_states: int) -> Explored:
        todo: _Queue = deque()
        later: _Queue = deque()
        root = State(self._rig.initial(attempts), Monitor())
        self._meet(root, _Way(None, None, 0), todo)
        while todo or later:
            if not todo:  # everything that as many interruptions reach is done: one more
                todo, later = later, todo
            if self._found.states >= max_states:
                self._found.complete = False
                break
            self._expand(*todo.popleft(), todo, later)
        return self._found

    def _meet(self, state: State, way: _Way, queue: _Queue) -> StateKey:
        key = state.key
        if key not in self._ways:
            self._ways[key] = way
            queue.append((key, state))
        return key

    def _expand(self, key: StateKey, state: State, now: _Queue, later: _Queue) -> None:
        """Run the state, judge what follows it, and meet its neighbours."""
        way = self._ways[key]
        chain = self._judge.chain(state)
        for breach in chain.breaches:
            self._report(breach.check, breach.message, self._path(key))
        judged = chain.sessions[0]
        if chain.outcome.kind != "reset":
            last = chain.sessions[-1]
            self._found.ends.add((chain.outcome.kind, chain.outcome.image, chain.outcome.committed, last.after))
        self._found.runs[key] = (state.device, judged.run)
        edges = self._found.edges[key] = []
        if judged.run.outcome.kind == "reset":
            after = State(judged.run.end, judged.after)
            edges.append((-1, "", self._meet(after, _Way(way.parent, way.step, way.session + 1), now)))
        for child in self._walker.children(state.device, judged.run):
            monitor = judged.remembered(child.edge)
            step = Step(way.session, child.edge.entry, child.edge.how)
            stuck_with = child.running if child.stuck else ""
            for check, message, _ in at_once(child.edge.how == TIMER, stuck_with, child.state, monitor, self._rig):
                self._report(check, message, (*self._path(key), step))
            reached = self._meet(State(child.state, monitor), _Way(key, step, 0), later)
            edges.append((child.edge.entry, child.edge.how, reached))

    def _report(self, check: str, message: str, path: CutPath) -> None:
        if check in self._checks:
            self._found.paths.setdefault((check, message), path)

    def _path(self, key: StateKey | None) -> CutPath:
        """The steps to a state; sessions are counted from the last interruption."""
        steps: list[Step] = []
        while key is not None:
            way = self._ways[key]
            if way.step is not None:
                steps.append(way.step)
            key = way.parent
        return tuple(reversed(steps))


class _Remembering:
    """A rig that runs each exact state once. Everything else is the rig's own."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._runs: dict[bytes, Run] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rig, name)

    def run(
        self, state: DeviceState, interruption: Interruption | None = None, *, resolution: str | None = None
    ) -> Run:
        assert interruption is None and resolution is None, "the walk runs whole sessions as the rig was made"
        run = self._runs.get(state.key)
        if run is None:
            run = self._runs[state.key] = self._rig.run(state)
        return run
