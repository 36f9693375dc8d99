"""The audit: states that were dropped because another stands for them are run for real.

By induction one step is enough: if a dropped state does the same as its node, operation by operation, and every edge
from it leads to a state that agrees with the one the node's edge leads to on what that one's future looks at, then
nothing was lost. The sample is drawn by seed; one difference is an internal error, never a finding.

Neighbours: reads the graph of a `closure` when it is complete; runs the rig itself, without any cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from emu.campaign.blame import two_ways
from emu.campaign.cache import Session
from emu.campaign.checks import monitors_of
from emu.campaign.edges import EVENT_NAMES, Child, EdgeWalker
from emu.campaign.fresh import Record, differences, record_of
from emu.campaign.graph import Head, Link, Node, Span, Stop
from emu.campaign.space import Print, bits_of
from emu.campaign.workload import Workload, time_at
from emu.rig import DeviceState
from flash import draws
from flash.journal import Entry, Operation

if TYPE_CHECKING:
    from emu.campaign.closure import Closure

LEAST = 1000
"""States an audit takes at least, if there are as many."""
REPEATED = 32
"""Sessions that are repeated in a fresh interpreter."""
REPEATED_EARLY = 8
"""And while the campaign still goes on: see `closure`."""
AUDIT_SEED = 0x41554449

Fresh = Callable[[Sequence[DeviceState]], list[Record]]
"""Runs the session of each state where nothing has run before: in another interpreter, or in a pristine process."""


@dataclass(frozen=True, slots=True)
class Audit:
    """How many dropped states were run for real, of how many; sessions ``repeated`` in a fresh interpreter.
    They all agreed: a difference is raised, not counted."""

    audited: int
    dropped: int
    repeated: int


@dataclass(frozen=True, slots=True)
class _Dropped:
    """A state that was not run: ``how`` at ``entry`` entries behind ``stop``; ``node`` stands for it. ``tear``: which
    of the tears there (counted from 0), for an inherited operation."""

    stop: Stop
    entry: int
    how: str
    node: Node
    tear: int = -1


class Auditor:
    """Audits the graph of ``closure``."""

    def __init__(self, closure: Closure) -> None:
        self._closure = closure
        self._rig = closure.rig
        self._bench = closure.walker.bench
        self._within = EdgeWalker(closure.rig, closure.options.tears, closure.options.events)

    def audit(self, share: float, seed: int, fresh: Fresh | None = None) -> Audit:
        """Run a ``share`` (0 to 1) of what was dropped, at least LEAST states; and repeat some sessions where nothing
        has run before, by ``fresh`` (None: none are). Raises AssertionError at a difference, ScenarioError if the
        firmware is the user's."""
        stops = list(self._closure.graph.stops.values())
        merged = [(stop, link) for stop in stops for link in stop.links if not link.is_new]
        spans = [(stop, span) for stop in stops for span in stop.spans if span.stop > span.first]
        inherited = sum(span.stop - span.first for _, span in spans)
        total = len(merged) + inherited
        wanted = min(total, max(LEAST, round(total * share)))
        repeated = 0 if fresh is None else self.repeat(fresh, seed, REPEATED)
        for number in self._drawn(total, wanted, seed):
            if number < len(merged):
                stop, link = merged[number]
                self._check(_Dropped(stop, link.entry, link.how, link.target))
            else:
                self._check(self._inside(spans, number - len(merged), seed))
        return Audit(wanted, total, repeated)

    def repeat(self, fresh: Fresh, seed: int, most: int) -> int:
        """Sessions that were run after all others, ``most`` of them, have to be the same where nothing has run before.
        Returns how many were repeated; raises as `audit` does."""
        nodes = [node for node in self._closure.graph.nodes if node.was_run]
        chosen = [nodes[number] for number in self._drawn(len(nodes), min(len(nodes), most), seed)]
        states = [node.state for node in chosen]
        records = [record_of(self._rig.run(state)) for state in states]
        for difference in differences(records, fresh(states)):
            what = f"state {chosen[difference.number].number}: {difference.what}"
            raise two_ways(self._rig, f"something survives a reset that no device keeps: {what}")
        return len(chosen)

    # -- the sample ----------------------------------------------------------------------------------------

    @staticmethod
    def _drawn(total: int, wanted: int, seed: int) -> Iterator[int]:
        """``wanted`` different numbers below ``total``: every so many, shifted by the seed."""
        for index in range(wanted):
            low, high = index * total // wanted, (index + 1) * total // wanted
            yield low + draws.mix(AUDIT_SEED, seed, index) % (high - low)

    def _inside(self, spans: list[tuple[Stop, Span]], number: int, seed: int) -> _Dropped:
        """The ``number``-th inherited entry: the point behind it, or a tear in it, as drawn."""
        for stop, span in spans:  # noqa: B007 - both are used below
            if number < span.stop - span.first:
                break
            number -= span.stop - span.first
        draw = draws.mix(AUDIT_SEED, seed, number)
        head: Head = span.heads[draw % len(span.heads)]
        if draw >> 8 & 1 and self._together(stop.session, stop.at + span.offset + number):
            return _Dropped(stop, span.offset + number, "", span.heads[0].node, draw >> 16)
        return _Dropped(stop, span.offset + number + 1, head.how, head.node)

    # -- one state -----------------------------------------------------------------------------------------

    def _check(self, dropped: _Dropped) -> None:
        child = self._make(dropped)
        if child is None:
            return
        node, state = dropped.node, self._named(child.state)
        monitor = dropped.stop.judged.monitors[dropped.stop.at + dropped.entry].at_reset
        self._same(monitor == node.monitor, dropped, "another past")
        same = replace(state, memory=()) == replace(node.state, memory=())
        self._same(same, dropped, "another reset, another RAM, other attempts left or another world outside")
        for reading, resolution in enumerate(node.resolutions):
            run = self._rig.run(state, resolution=resolution)
            session, judged = node.sessions[reading], node.judged[reading]
            self._same(run.entries == session.run.entries, dropped, "another journal")
            self._same(run.outcome == session.outcome, dropped, "another outcome")
            monitors = monitors_of(node.monitor, run)
            self._same(monitors[-1].at_reset == judged.after, dropped, "another monitor")
            end = node.ends[reading] if node.ends else None
            if end is not None:
                made = self._closure.space.print_of(self._named(run.end).memory)
                self._same(self._agrees(made, end.target), dropped, "another state at its end")
            if node.first:
                self._check_edges(state, session, node.first[reading], dropped)

    def _check_edges(self, state: DeviceState, session: Session, stop: Stop, dropped: _Dropped) -> None:
        """Every edge that was made for the node leads from ``state`` to a state that agrees with its target.

        ``session`` is the node's own; its stops may have been made in another one that has come by in the same state.
        """
        entries = session.run.entries
        bench, workload, at = self._within, Workload(state), 0
        bench.stand(state.memory)
        following: Stop | None = stop
        offset = 0
        while following is not None:
            targets = [(offset + link.entry, link) for link in following.links]
            for place in sorted({place for place, _ in targets}):
                while at < place:
                    bench.advance(entries[at])
                    workload.apply(entries[at])
                    at += 1
                workload.stand_at(session.run, place)
                here = {link.how: link for spot, link in targets if spot == place}
                self._check_place(bench, session, place, workload, here, dropped)
            offset += following.length
            following = following.next

    def _check_place(
        self, bench: EdgeWalker, session: Session, place: int, workload: Workload, links: dict[str, Link],
        dropped: _Dropped,
    ) -> None:  # fmt: skip
        run = session.run
        memory = bench.memory()
        pairs = list(bench.at_point(place, time_at(run, place), workload))
        together = self._together(session, place) if place < len(run.entries) else []
        if together:
            pairs += bench.torn(place, together, workload)
        space = self._closure.space
        prints = space.print_of(memory)
        for child in pairs:
            link = links.get(child.edge.how)
            if link is not None:
                made = space.print_from(prints, memory, self._named(child.state).memory)
                self._same(self._agrees(made, link.target), dropped, f"another child, {child.edge.how} at {place}")
        bench.stand(memory)

    def _make(self, dropped: _Dropped) -> Child | None:
        """The dropped state, made from the place in its session. None: a drawn tear of an operation that has none."""
        stop, session = dropped.stop, dropped.stop.session
        run = session.run
        number = stop.at + dropped.entry
        workload = stop.workload.copy()
        self._bench.stand(stop.memory)
        for entry in run.entries[stop.at : number]:
            self._bench.advance(entry)
            workload.apply(entry)
        workload.stand_at(run, number)
        if dropped.tear >= 0:
            children = list(self._bench.torn(number, self._together(session, number), workload))
            return children[dropped.tear % len(children)] if children else None
        if dropped.how in ("cut", *EVENT_NAMES):
            children = list(self._bench.at_point(number, time_at(run, number), workload))
        else:
            children = list(self._bench.torn(number, self._together(session, number), workload))
        return next(child for child in children if child.edge.how == dropped.how)

    def _together(self, session: Session, number: int) -> list[Entry]:
        """Entry ``number`` of the session, and the operations in flight with it; nothing where nothing can be torn."""
        for piece in session.pieces:
            index = number - piece.offset
            if index < len(piece.run.entries):
                together = self._closure.walker.outline(piece.run).flying(index)
                return together if isinstance(together[0], Operation) or len(together) > 1 else []
        raise AssertionError("an edge behind the end of its session: please report")

    def _named(self, state: DeviceState) -> DeviceState:
        return self._closure.walker.renaming.of(state)

    def _agrees(self, prints: Print, node: Node) -> bool:
        bits = frozenset(bits_of(node.live)) if node.group is None else node.group.bits
        return prints.on(node.live, bits) == node.prints.on(node.live, bits)

    def _same(self, same: bool, dropped: _Dropped, what: str) -> None:
        if not same:
            raise two_ways(
                self._rig,
                f"the audit found a difference: {dropped.how or 'a tear'} at entry "
                f"{dropped.stop.at + dropped.entry}, taken for state {dropped.node.number}, has {what}",
            )
