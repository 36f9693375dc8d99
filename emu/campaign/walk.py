"""Walking a session: its edges, made once per state and rest of the journal, and only where something could change.

A walk goes from entry to entry. At a point it asks which node stands for a cut there. As long as the operations that
follow, whole or torn in every way, touch nothing that node's future looks at, all their edges lead to it as well: they
are *inherited*, one comparison for the whole span. At the first operation that may touch something live, every tear is
made, and the walk ends in a new stop, shared with every session that comes by in the same state.

Neighbours: `graph` keeps what is found, `outline` knows the operations, `edges` makes states. A walk is a generator: it
stops where it needs a node that was not run yet. Runs nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from emu.campaign.cache import Session
from emu.campaign.checks import at_once
from emu.campaign.edges import EVENT_NAMES, TIMER, Child, EdgeWalker, EventName
from emu.campaign.graph import Birth, EdgeBreach, Graph, Head, Link, Mode, Node, Span, Stop, resets_before
from emu.campaign.monitor import Monitor
from emu.campaign.outline import Outline, Surveyor
from emu.campaign.renaming import Renaming
from emu.campaign.space import Print, Space, Units
from emu.campaign.workload import Workload, time_at
from emu.events import ARMED, HANG
from emu.rig import DeviceState, Rig, Run
from flash.journal import Event, Operation
from flash.snapshot import Snapshot
from flash.tears import TearSet

Meet = Callable[[Node], None]
"""Told of every node that is new."""


class Walker:
    """Makes the edges of sessions on ``rig`` into ``graph``; ``meet`` is told of new nodes, ``stops`` of new stops."""

    def __init__(
        self, rig: Rig, graph: Graph, space: Space, tears: TearSet, events: tuple[EventName, ...], meet: Meet
    ) -> None:
        self._rig = rig
        self._graph = graph
        self.space = space
        self.renaming = Renaming(rig)
        self._meet = meet
        self.bench = EdgeWalker(rig, tears, events)
        self._surveyor = Surveyor(rig, space, tears, self.bench)
        self._outlines: dict[int, Outline] = {}
        self._events = events
        self._configs: Units = 0
        for place in rig.places.configs:
            self._configs |= space.touched(rig.chip_names[place.chip], [(place.address, place.size)])
        self.new_stops: list[Stop] = []

    def outline(self, run: Run) -> Outline:
        """What is known of a stretch; kept, and the run with it."""
        found = self._outlines.get(id(run))
        if found is None:
            found = self._outlines[id(run)] = Outline(run, self._surveyor, self.space, timed=bool(self._events))
        return found

    @property
    def meets_flights(self) -> bool:
        """Whether an operation was in flight while something else happened, in any stretch so far."""
        return any(outline.together for outline in self._outlines.values())

    def footprint(self, session: Session) -> tuple[Units, Units]:
        """What a session looks at in the state it begins with, and what it settles."""
        looked = settled = 0
        for piece in session.pieces:
            outline = self.outline(piece.run)
            looked |= outline.footprint & ~settled
            settled |= outline.kills_all
        return looked, settled

    def begin(self, node: Node) -> None:
        """A stop at the beginning of every session of ``node``."""
        for reading, session in enumerate(node.sessions):
            workload = Workload(node.state)
            workload.stand_at(session.pieces[0].run, 0)
            stop = self._stop(node, reading, session, 0, 0, node.state.memory, node.prints, workload)
            self._graph.begin(node, stop)

    def resolve(
        self, state: DeviceState, monitor: Monitor, mode: Mode, prints: Print, birth: Birth
    ) -> tuple[Node, Units, bool]:
        """The node that stands for ``state``, units in which both hold the same, and whether it is new."""
        named = self.renaming.of(state)
        if named is not state:
            prints = self.space.print_from(prints, state.memory, named.memory)
        kind = (state.cause, state.attempts_left, state.ram, state.outside, state.plan, monitor, mode)
        found = self._graph.find(kind, prints)
        if found is not None:
            for given_up in self._graph.sooner(found[0], resets_before(birth, mode)):
                self._meet(given_up)
            return *found, False
        self.renaming.met(state, named)
        node = self._graph.add(named, monitor, mode, prints, birth)
        self._meet(node)
        return node, self.space.everything, True

    def walk(self, stop: Stop) -> Iterator[Node]:
        """Make the edges of ``stop``. Yields every node it has to wait for until it was run."""
        self._graph.reset(stop)
        session, index, at = stop.session, stop.piece, stop.entry
        place = _Place(self.space, self.bench, stop)
        workload, killed, length = stop.workload.copy(), 0, 0
        heads: tuple[Head, ...] | None = None
        while True:
            run = session.pieces[index].run
            outline, monitors = self.outline(run), stop.judged.pieces[index].monitors
            if heads is None:
                place.go(index, at)
                heads = self._point(stop, length, place.prints, monitors[at], workload, time_at(run, at), killed)
                for head in heads:
                    if not head.node.was_run:
                        yield head.node
            live = self._configs if HANG in self._events else 0  # what stands still is judged by its configs
            for head in heads:
                live |= head.node.live
            until = outline.first_meeting(at, live) if self._may_skip(workload) else at
            if until > at:
                span = Span(index, at, until, length, heads)
                self._graph.claim(stop, span, outline.reach_of(at, until))
                killed |= outline.kills(at, until)
                length += until - at
                at = until
            if at == len(run.entries):
                if index + 1 == len(session.pieces):
                    stop.length, stop.is_done = length, True
                    return
                index, at = index + 1, 0
                continue
            entry = run.entries[at]
            if not isinstance(entry, Operation):
                if at in outline.together:
                    place.go(index, at)
                    self._torn(stop, length, place, monitors[at], workload, outline, at, killed)
                mark = workload.mark
                if isinstance(entry, Event):
                    workload.apply(entry)
                workload.stand_at(run, at + 1)
                is_alike = workload.mark == mark and monitors[at].at_reset == monitors[at + 1].at_reset
                if is_alike and not self._events and at not in outline.together:
                    self._graph.claim(stop, Span(index, at, at + 1, length, heads), 0)
                else:
                    heads = None
                at, length = at + 1, length + 1
                continue
            place.go(index, at)
            self._torn(stop, length, place, monitors[at], workload, outline, at, killed)
            place.go(index, at + 1)
            killed |= outline.kills(at, at + 1)
            workload.stand_at(run, at + 1)
            following = self._stop(
                stop.node, stop.reading, session, index, at + 1, place.memory, place.prints, workload
            )
            self._graph.chain(stop, following, length + 1, killed)
            stop.is_done = True
            return

    # -- inside --------------------------------------------------------------------------------------------

    def _may_skip(self, workload: Workload) -> bool:
        """Whether points that nothing separates are alike: what ends a hang may depend on the time."""
        return not (HANG in self._events and workload.timer == ARMED and self._rig.watchdog_us)

    def _stop(
        self, node: Node, reading: int, session: Session, piece: int, entry: int, memory: tuple[Snapshot, ...],
        prints: Print, workload: Workload,
    ) -> Stop:  # fmt: skip
        judged = node.judged[reading]
        monitor = judged.pieces[piece].monitors[entry]
        rest = self.outline(session.pieces[piece].run).rest[entry]
        later = tuple(self.outline(following.run).rest[0] for following in session.pieces[piece + 1 :])
        mark = (prints.whole, workload.mark, monitor, rest, later)
        known = self._graph.stops.get(mark)
        if known is None:
            known = Stop(session, judged, piece, entry, memory, prints, workload.copy(), node, reading)
            self._graph.stops[mark] = known
            self.new_stops.append(known)
        return known

    def _point(
        self, stop: Stop, length: int, prints: Print, monitor: Monitor, workload: Workload, now_us: int, killed: Units
    ) -> tuple[Head, ...]:
        """Edges at the point where the bench stands."""
        heads = []
        for child in self.bench.at_point(stop.at + length, now_us, workload):
            link = self._link(stop, length, child, monitor, prints, killed, 0, 0)
            heads.append(Head(child.edge.how, link.target))
            if child.edge.how in EVENT_NAMES:
                self._judge_edge(stop, length, child, monitor, killed)
        return tuple(heads)

    def _torn(
        self, stop: Stop, length: int, place: _Place, monitor: Monitor, workload: Workload, outline: Outline, at: int,
        killed: Units,
    ) -> None:  # fmt: skip
        """Edges inside the operation before which the bench stands, and in those in flight with it."""
        reach, inputs = outline.reach[at], outline.inputs[at]
        for child in self.bench.torn(stop.at + length, outline.flying(at), workload):
            prints = self.space.print_from(place.prints, place.memory, child.state.memory)
            self._link(stop, length, child, monitor, prints, killed, reach, inputs)

    def _link(
        self, stop: Stop, length: int, child: Child, monitor: Monitor, prints: Print, killed: Units, reach: Units,
        inputs: Units,
    ) -> Link:  # fmt: skip
        birth = Birth(stop.node, stop.reading, stop.at + length, child.edge.how)
        target, agrees, is_new = self.resolve(child.state, monitor.at_reset, "cut", prints, birth)
        link = Link(
            stop, length, child.edge.how, child.edge.kind, target, agrees, reach, inputs, killed, is_new,
            stop.generation,
        )  # fmt: skip
        self._graph.link(link)
        return link

    def _judge_edge(self, stop: Stop, length: int, child: Child, monitor: Monitor, killed: Units) -> None:
        """What an event breaks by itself."""
        how, stuck_with = child.edge.how, child.running if child.stuck else ""
        if stuck_with:
            self._graph.looks_at(stop, self._configs & ~killed)
        for check, message, outcome in at_once(how == TIMER, stuck_with, child.state, monitor, self._rig):
            stop.breaches.append(EdgeBreach(length, how, check, message, outcome))


class _Place:
    """Where a walk is in its session: ``memory`` and its ``prints``, made from the nearest place before."""

    def __init__(self, space: Space, bench: EdgeWalker, stop: Stop) -> None:
        self._space = space
        self._bench = bench
        self._session = stop.session
        self._piece, self._entry = stop.piece, stop.entry
        self.memory, self.prints = stop.memory, stop.prints

    def go(self, piece: int, entry: int) -> None:
        """To the point before ``entry`` of ``piece``; the bench stands there too."""
        while self._piece < piece:
            self._piece, self._entry = self._piece + 1, 0
            self._set(self._session.pieces[self._piece].start.memory)
        self._bench.stand(self.memory)
        if entry > self._entry:
            for done in self._session.pieces[piece].run.entries[self._entry : entry]:
                self._bench.advance(done)
            self._entry = entry
            self._set(self._bench.memory())

    def _set(self, memory: tuple[Snapshot, ...]) -> None:
        self.prints = self._space.print_from(self.prints, self.memory, memory)
        self.memory = memory
