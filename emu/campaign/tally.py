"""From the graph of a closure to its verdict: shortest paths, findings, outcomes, and how many edges stand behind them.

The graph has one node where many states behave alike, so a shortest path in it is a shortest path of the device: every
step of it can be taken for real. Paths are ranked by interruptions, then by the tiers of the tears among them, then by
place.

Neighbours: `closure` hands over its graph; `verdict` is the result. Runs nothing.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING

from emu.campaign.edges import harshness, kind_of
from emu.campaign.graph import Graph, Node, Span, Stop
from emu.campaign.judge import Chain
from emu.campaign.outline import TearCounter
from emu.campaign.verdict import CutPath, Finding, FindingKey, Step, Verdict

if TYPE_CHECKING:
    from emu.campaign.closure import Closure

Distance = tuple[int, int]
"""Interruptions, and how harsh they are together."""


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
    def of(cls, graph: Graph, max_resets: int) -> Paths:
        """Breadth first from the factory state; every stop is left once, by the mildest path that comes by. A node is
        left again by a path with fewer resets since its last interruption: more than ``max_resets`` nobody follows.

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
                if step.how:
                    paths.origins[target] = None
                count += 1
                further = (distance[0] + bool(step.how), distance[1] + harshness((step.how,)))
                again = resets + 1 if step.kind == "end" else 0
                heapq.heappush(queue, (further, again, count, target, step))
        return paths

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
        self._findings: dict[tuple[object, ...], Finding] = {}
        self._found_at: defaultdict[Node, dict[tuple[object, ...], None]] = defaultdict(dict)
        self._lives = closure.lives
        self.paths = Paths.of(closure.graph, closure.bounds.max_resets)

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
        visits: Counter[Stop] = Counter()
        for node in self._graph.nodes:
            for first in node.first:
                stop: Stop | None = first
                while stop is not None:
                    visits[stop] += 1
                    stop = stop.next
        for stop, times in visits.items():
            for link in stop.links:
                cover.edge_kinds[link.kind] += times
                cover.outcomes[self._lives.outcome(link.target)] += times
                cover.edges_merged += times
            for span in stop.spans:
                self._count_span(stop, span, times)
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

    def _count_span(self, stop: Stop, span: Span, times: int) -> None:
        piece = stop.session.pieces[span.piece]
        for head in span.heads:
            points = (span.stop - span.first) * times
            self._cover.edge_kinds[head.how] += points
            self._cover.outcomes[self._lives.outcome(head.node)] += points
        for kind, count in self.counter.between(piece, span.first, span.stop).items():
            self._cover.edge_kinds[kind] += count * times
            self._cover.outcomes[self._lives.outcome(span.heads[0].node)] += count * times

    # -- findings ------------------------------------------------------------------------------------------

    def found_at(self, node: Node) -> list[Finding]:
        """The findings of the verdict that the sessions of ``node`` show, or the whole uncut life from it."""
        return [self._findings[about] for about in self._found_at[node]] if node in self._found_at else []

    def _find(self) -> None:
        for node in self.paths.arrivals:
            path, kinds, readings = self.paths.path(node)
            for judged, session, resolution in zip(node.judged, node.sessions, node.resolutions, strict=True):
                here = (*readings, resolution) if session.met_weak and resolution is not None else readings
                for breach in judged.breaches:
                    self._report(path, kinds, here, breach.check, breach.message, self._lives.outcome(node), node)
            for check, message, read in self._lives.breaches(node, is_origin=node in self.paths.origins):
                below = (*readings, *read)
                self._report(path, kinds, below, check, message, self._lives.outcome(node), node)
            self._find_at_edges(node, path, kinds)

    def _find_at_edges(self, node: Node, path: CutPath, kinds: tuple[str, ...]) -> None:
        for first in node.first:
            stop: Stop | None = first
            offset = 0
            while stop is not None:
                for breach in stop.breaches:
                    step = Step(self._sessions_since_cut(node), offset + breach.entry, breach.how)
                    below = ((*path, step), (*kinds, breach.how))
                    self._report(*below, (), breach.check, breach.message, breach.outcome, None)
                offset += stop.length
                stop = stop.next

    def _sessions_since_cut(self, node: Node) -> int:
        count, arrival = 0, self.paths.arrivals[node]
        while arrival is not None and not arrival.how:
            count, arrival = count + 1, arrival.before
        return count

    def _report(
        self, path: CutPath, kinds: tuple[str, ...], readings: tuple[str, ...], check: str, message: str,
        outcome: str, node: Node | None,
    ) -> None:  # fmt: skip
        """``node``: where it shows; None: at an edge, whatever follows."""
        if check not in self.closure.checks:
            return
        if "steady" in self.closure.checks and readings:
            check, message = "steady", f"{check}: {message}; weak cells read {', then '.join(readings)}"
        last = path[-1:]
        about = (check, tuple((s.run, s.entry) for s in last), kinds[-1:], outcome)
        if node is not None:
            self._found_at[node][about] = None
        known = self._findings.get(about)
        harsh = harshness(step.how for step in path)
        place = tuple((step.run, step.entry) for step in path)
        finding = Finding(FindingKey(check, place, kinds, outcome), path, harsh, message, readings=readings)
        if known is None:
            self._findings[about] = finding
        elif finding.rank < known.rank:
            finding.count = known.count + 1
            self._findings[about] = finding
        else:
            known.count += 1
