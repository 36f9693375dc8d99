"""From the graph of a closure to its verdict: shortest paths, findings, outcomes, and how many edges stand behind them.

The graph has one node where many states behave alike, so a shortest path in it is a shortest path of the device: every
step of it can be taken for real. Paths are ranked by interruptions, then by the tiers of the tears among them, then by
place.

Neighbours: `closure` hands over its graph; `verdict` is the result. Runs nothing.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING

from emu.campaign.cache import Session
from emu.campaign.edges import harshness, kind_of
from emu.campaign.graph import EdgeBreach, Graph, Node, Stop
from emu.campaign.judge import Chain
from emu.campaign.leading import Leading
from emu.campaign.outline import TearCounter
from emu.campaign.verdict import CutPath, Finding, FindingKey, Step, Verdict

if TYPE_CHECKING:
    from emu.campaign.closure import Closure

Distance = tuple[int, int]
"""Interruptions, and how harsh they are together."""
_About = tuple[str, tuple[tuple[int, int], ...], tuple[str, ...], str]
"""What makes findings one: check, place and kind of the last interruption, outcome."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """The last step of a path to a node: session ``reading`` of ``parent``, interrupted by ``how`` at ``entry``; "": it
    ended by itself. ``before``: the step that led to ``parent``. None: the factory state."""

    parent: Node
    reading: int
    entry: int
    how: str
    kind: str
    before: Arrival | None


@dataclass
class Paths:
    """The mildest path to every node."""

    arrivals: dict[Node, Arrival | None] = field(default_factory=dict)
    distances: dict[Node, Distance] = field(default_factory=dict)
    origins: dict[Node, None] = field(default_factory=dict)

    @classmethod
    def of(cls, graph: Graph, max_resets: int, *, plain: bool = False) -> Paths:
        """Breadth first from the factory state; every stop is left once, by the mildest path that comes by. A node is
        left again by a path with fewer resets since its last interruption: more than ``max_resets`` nobody follows.
        ``plain``: only paths on which no session meets weak cells.

        A graph that was not finished has edges that are no longer true, and places that are being walked again: how a
        node was first met is always true."""
        paths = cls()
        root = graph.nodes[0]
        paths.origins[root] = None
        left: set[Stop] = set()
        born: dict[Node, list[Node]] = {}
        for child in graph.nodes:
            if child.birth is not None:
                born.setdefault(child.birth.parent, []).append(child)
        count = 0
        fewest: dict[Node, int] = {}
        queue: list[tuple[Distance, int, int, Node, Arrival | None]] = [((0, 0), 0, 0, root, None)]
        while queue:
            distance, resets, _, node, arrival = heapq.heappop(queue)
            if resets >= fewest.get(node, max_resets + 1):
                continue
            fewest[node] = resets
            if node not in paths.arrivals:
                paths.arrivals[node], paths.distances[node] = arrival, distance
            for target, step in chain(_steps(node, arrival, left), _births(born.get(node, ()), arrival)):
                if plain and node.sessions[step.reading].met_weak:
                    continue
                if step.how:
                    paths.origins[target] = None
                count += 1
                further = (distance[0] + bool(step.how), distance[1] + harshness((step.how,)))
                again = resets + 1 if step.kind == "end" else 0
                heapq.heappush(queue, (further, again, count, target, step))
        return paths

    def sessions_since_cut(self, node: Node) -> int:
        """Sessions between the last interruption on the way and the one of ``node``."""
        count, arrival = 0, self.arrivals[node]
        while arrival is not None and not arrival.how:
            count, arrival = count + 1, arrival.before
        return count

    def path(self, node: Node) -> tuple[CutPath, tuple[str, ...], tuple[str, ...]]:
        """The interruptions, their kinds, and for every session on the way that met weak cells how these read."""
        steps: list[Step] = []
        kinds: list[str] = []
        readings: list[str] = []
        sessions = 0
        arrivals: list[Arrival] = []
        here = self.arrivals[node]
        while here is not None:
            arrivals.append(here)
            here = here.before
        for arrival in reversed(arrivals):
            reading = arrival.parent.resolutions[arrival.reading]
            if reading is not None and arrival.parent.sessions[arrival.reading].met_weak:
                readings.append(reading)
            if arrival.how:
                steps.append(Step(sessions, arrival.entry, arrival.how))
                kinds.append(arrival.kind)
                sessions = 0
            else:
                sessions += 1
        return tuple(steps), tuple(kinds), tuple(readings)


def _with(readings: tuple[str, ...], session: Session, resolution: str | None) -> tuple[str, ...]:
    """What weak cells read as, those of one more session included."""
    return (*readings, resolution) if session.met_weak and resolution is not None else readings


def _births(children: Sequence[Node], before: Arrival | None) -> Iterator[tuple[Node, Arrival]]:
    for child in children:
        birth = child.birth
        assert birth is not None, "the factory state follows nothing: please report"
        kind = ("end" if child.mode == birth.parent.mode else "retry") if not birth.how else kind_of(birth.how)
        yield child, Arrival(birth.parent, birth.reading, birth.entry, birth.how, kind, before)


def _steps(node: Node, before: Arrival | None, left: set[Stop]) -> Iterator[tuple[Node, Arrival]]:
    for reading, end in enumerate(node.ends):
        if end is not None and end.is_true:
            yield end.target, Arrival(node, reading, end.entry, "", end.kind, before)
    for reading, detours in enumerate(node.detours):
        for link in filter(attrgetter("is_true"), detours):
            yield link.target, Arrival(node, reading, link.entry, link.how, link.kind, before)
    for reading, first in enumerate(node.first):
        stop: Stop | None = first
        offset = 0
        while stop is not None and stop not in left:
            left.add(stop)
            for link in filter(attrgetter("is_true"), stop.links):
                yield link.target, Arrival(node, reading, offset + link.entry, link.how, link.kind, before)
            offset += stop.length
            stop = stop.next


class Tally:
    """Counts what a closure has found."""

    def __init__(self, closure: Closure, golden: Chain) -> None:
        self.closure = closure
        self.golden = golden
        self._graph = closure.graph
        self._cover = closure.cover
        self.counter = TearCounter(closure.rig, closure.options.tears, closure.walker.bench)
        self._findings: dict[_About, Finding] = {}
        self._lives = closure.lives
        self._leading = Leading(closure.graph, self.counter)
        self._nodes: defaultdict[_About, set[Node]] = defaultdict(set)
        self._at_edges: defaultdict[_About, dict[tuple[Stop, EdgeBreach], int]] = defaultdict(dict)
        self.paths = Paths.of(closure.graph, closure.bounds.max_resets)
        self._plain: Paths | None = None
        if "steady" in closure.checks:
            self._plain = Paths.of(closure.graph, closure.bounds.max_resets, plain=True)

    def verdict(self, *, complete: bool, seconds: float) -> Verdict:
        closure, options = self.closure, self.closure.options
        self._count()
        self._find()
        return Verdict(
            board=closure.rig.inputs["board"].label,
            depth=options.depth,
            attempts=options.attempts,
            tears=options.tears.name,
            events=options.events,
            checks=closure.checks,
            coverage=self._cover,
            findings=sorted(self._findings.values(), key=lambda f: f.rank),
            complete=complete,
            seconds=seconds,
            notes=closure.notes,
            inapplicable=closure.left_out,
            promises={oracle.name: oracle.promise for oracle in closure.rig.oracles},
            resolutions=tuple(name for name in options.resolutions if name is not None),
        )

    # -- counting ------------------------------------------------------------------------------------------

    def _count(self) -> None:
        """Edges by kind and by outcome: every edge of every node, those of shared stops once for each node."""
        cover = self._cover
        for (node, kind), count in self._leading.edges.items():
            cover.edge_kinds[kind] += count
            cover.outcomes[self._lives.outcome(node)] += count
        cover.edges_merged = self._leading.made
        for node in self._graph.nodes:
            if node.was_run and node.birth is not None and node.birth.how:
                cover.executed_kinds[kind_of(node.birth.how)] += 1
        cover.edges_executed = sum(cover.executed_kinds.values())
        cover.edges_merged -= cover.edges_executed
        cover.edges_inherited = sum(cover.edge_kinds.values()) - cover.edges_executed
        cover.states = sum(node.was_run for node in self._graph.nodes)
        self._settle_depth()
        cover.depth_closed = max((d[0] for n, d in self.paths.distances.items() if n.mode == "cut"), default=0)

    def _settle_depth(self) -> None:
        """How many interruptions are done with: every state they lead to was run."""
        far = len(self._graph.nodes)
        left = [self.paths.distances.get(node, (far, 0))[0] for node in self.closure.unfinished]
        met = [cuts - 1 for node, (cuts, _) in self.paths.distances.items() if not node.was_run]
        self._cover.depth_done = max(0, min([self._cover.depth_done, *left, *met]))

    # -- findings ------------------------------------------------------------------------------------------

    def _find(self) -> None:
        """What breaks where no weak cell was read is a finding of its own check, however much milder a way there is
        that has weak cells read so or so: that is one of `steady`, besides."""
        if self._plain is None:
            self._find_on(self.paths, weak=None)
        else:
            self._find_on(self._plain, weak=False)
            self._find_on(self.paths, weak=True)
        self._find_in_golden()
        for about, finding in self._findings.items():
            finding.count = self._edges_to([about])
        for check in self.closure.checks:
            self._cover.broken[check] = self._edges_to(about for about in self._findings if about[0] == check)

    def _find_in_golden(self) -> None:
        """What only the uncut update as a whole breaks."""
        told = {finding.key.check for finding in self._findings.values() if not finding.path}
        for breach in self.golden.breaches:
            if breach.check not in told:
                self._report((), (), (), breach.check, breach.message, str(self.golden.outcome), weak=None)

    def _find_on(self, paths: Paths, *, weak: bool | None) -> None:
        for node in paths.arrivals:
            path, kinds, readings = paths.path(node)
            for judged, session, resolution in zip(node.judged, node.sessions, node.resolutions, strict=True):
                here = _with(readings, session, resolution)
                for breach in judged.breaches:
                    outcome = self._lives.outcome(node)
                    about = self._report(path, kinds, here, breach.check, breach.message, outcome, weak=weak)
                    self._leads(about, self._leading.before(node))
            for check, message, read in self._lives.breaches(node, is_origin=node in paths.origins):
                below = (*readings, *read)
                about = self._report(path, kinds, below, check, message, self._lives.outcome(node), weak=weak)
                own = check in ("boots", "wear") and not node.killed_by  # every origin says so of itself
                self._leads(about, {node} if own else self._leading.before(node))
            self._find_at_edges(node, paths, weak=weak)

    def _find_at_edges(self, node: Node, paths: Paths, *, weak: bool | None) -> None:
        path, kinds, readings = paths.path(node)
        since_cut = paths.sessions_since_cut(node)
        for reading, first in enumerate(node.first):
            here = _with(readings, node.sessions[reading], node.resolutions[reading])
            stop: Stop | None = first
            offset = 0
            while stop is not None:
                for breach in stop.breaches:
                    below = ((*path, Step(since_cut, offset + breach.entry, breach.how)), (*kinds, breach.how))
                    about = self._report(*below, here, breach.check, breach.message, breach.outcome, weak=weak)
                    if about is not None:
                        self._at_edges[about][stop, breach] = self._leading.by_itself(stop, breach)
                offset += stop.length
                stop = stop.next

    def found_after(self, node: Node) -> Iterable[Finding]:
        """The findings of the verdict that an edge to ``node`` leads to."""
        return [self._findings[about] for about in self._abouts.get(node, ())]

    @cached_property
    def _abouts(self) -> dict[Node, list[_About]]:
        """What makes findings one, by the nodes that lead to them; when all are found."""
        found: defaultdict[Node, list[_About]] = defaultdict(list)
        for about, nodes in self._nodes.items():
            for node in nodes:
                found[node].append(about)
        return dict(found)

    def _leads(self, about: _About | None, nodes: Iterable[Node]) -> None:
        if about is not None:
            self._nodes[about].update(nodes)

    def _edges_to(self, abouts: Iterable[_About]) -> int:
        """How many edges lead to these findings; one that leads to several of them is counted once."""
        nodes: set[Node] = set()
        by_themselves: dict[tuple[Stop, EdgeBreach], int] = {}
        for about in abouts:
            nodes |= self._nodes[about]
            by_themselves |= self._at_edges[about]
        own = sum(count for at, count in by_themselves.items() if self._leading.behind(*at) not in nodes)
        return sum(self._leading.to(node) for node in nodes) + own

    def _report(
        self, path: CutPath, kinds: tuple[str, ...], readings: tuple[str, ...], check: str, message: str,
        outcome: str, *, weak: bool | None,
    ) -> _About | None:  # fmt: skip
        """Keeps the mildest of findings that are one; returns what makes them one. None: nothing is reported here.
        ``weak``: only what needs weak cells, or only what needs none; None: all of it."""
        if check not in self.closure.checks or (weak is not None and weak is not bool(readings)):
            return None
        if "steady" in self.closure.checks and readings:
            check, message = "steady", f"{check}: {message}; weak cells read {', then '.join(readings)}"
        last = path[-1:]
        about = (check, tuple((s.run, s.entry) for s in last), kinds[-1:], outcome)
        known = self._findings.get(about)
        harsh = harshness(step.how for step in path)
        place = tuple((step.run, step.entry) for step in path)
        finding = Finding(FindingKey(check, place, kinds, outcome), path, harsh, message, readings=readings)
        if known is None or finding.rank < known.rank:
            self._findings[about] = finding
        return about
