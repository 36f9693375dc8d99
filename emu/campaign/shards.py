"""A campaign in shards, the workers' side: a range of edges is explored, and facts come back.

A shard is plain data: which edges of which sessions, by number. A worker builds the rig and runs the uncut workload
once, then makes every state it needs itself; no state travels. What it returns is a function of the shard alone.

Neighbours: `sharded` cuts shards and merges what comes back, `engines` carries both. Knows the rig's contract only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice

from emu.board import CheckEntry
from emu.campaign.edges import Child
from emu.campaign.engines import WorkSpec
from emu.campaign.explore import Explorer, Seen
from emu.campaign.golden import golden_chain
from emu.campaign.judge import Chain, State
from emu.campaign.monitor import Monitor
from emu.campaign.options import Options
from emu.campaign.update_map import Place
from emu.campaign.verdict import Coverage, CutPath, Finding, Step
from emu.rig import Rig

StateKey = tuple[bytes, Monitor]
Position = tuple[int, int, int]
"""An edge of the uncut workload: session, entry, and which of the edges there."""
Counts = tuple[int, ...]
"""Edges at each entry of a session, and behind the last one."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Edges ``start`` to ``stop``, counted through session ``session`` of what follows ``parent`` (None: of the uncut
    workload). Edge ``start`` is at entry ``at[0]``, behind ``at[1]`` other edges there."""

    parent: Position | None
    session: int
    start: int
    stop: int
    at: tuple[int, int]

    @property
    def order(self) -> tuple[Position | tuple[()], int, int]:
        """Where it comes in the walk."""
        return (self.parent or (), self.session, self.start)


@dataclass(frozen=True, slots=True)
class Known:
    """What fewer interruptions lead to: states, with what follows, so that it is neither run nor reported again, and
    edges broken at once."""

    met: dict[StateKey, Seen] = field(default_factory=dict)
    at_once: frozenset[tuple[str, StateKey, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Shard:
    """Pieces of one layer, in the order of the walk. ``kin``: whoever had a shard of that kin has run what their
    parents lead to."""

    layer: int
    pieces: tuple[Piece, ...]
    known: Known
    kin: int = 0

    @property
    def edges(self) -> int:
        return sum(piece.stop - piece.start for piece in self.pieces)


@dataclass(frozen=True, slots=True)
class Partial:
    """What one shard came to. ``known``: what it met, for the layers below. ``below``: each state it met with the
    edge that met it first, and the edges of each session that follows; empty in the last layer. ``tally``: outcomes by
    the place of the first interruption."""

    cover: Coverage
    findings: list[Finding]
    known: Known
    below: dict[StateKey, tuple[Position, tuple[Counts, ...]]]
    tally: dict[Place, Counter[str]]


def shard_spec(rig_spec: WorkSpec, rig: Rig, bounds: CheckEntry, options: Options) -> WorkSpec:
    """What an engine is to be made with, to explore shards of a campaign on ``rig``. ``rig_spec`` makes its like."""
    digests = tuple(sorted((role, item.digest) for role, item in rig.inputs.items()))
    return WorkSpec("emu.campaign.shards:make", (rig_spec, digests, bounds, replace(options, budget_s=0.0)))


def make(rig_spec: WorkSpec, digests: tuple[tuple[str, str], ...], bounds: CheckEntry, options: Options) -> ShardWorker:
    """The worker of `shard_spec`."""
    rig: Rig = rig_spec.resolve()
    mine = tuple(sorted((role, item.digest) for role, item in rig.inputs.items()))
    assert mine == digests, f"a worker made another rig ({rig_spec.function}): please report"
    return ShardWorker(rig, bounds, options)


class ShardWorker(Explorer):
    """Explores shards, one after another. The sessions it has run are remembered, and what follows each state."""

    def __init__(self, rig: Rig, bounds: CheckEntry, options: Options) -> None:
        super().__init__(rig, bounds, options)
        root = State(rig.initial(options.attempts), Monitor())
        self._golden = golden_chain(self.judge, root, self._options, self._cover, rig)
        self._below: dict[StateKey, tuple[Position, tuple[Counts, ...]]] = {}
        self._at: Position = (0, 0, 0)
        self._parents: _Parents
        self._last: tuple[Position, Chain, CutPath, tuple[str, ...]] | None = None
        self._ends: dict[StateKey, Seen] = {}

    def __call__(self, shard: Shard) -> Partial:
        self._seen = dict(shard.known.met)
        self._met_at = dict.fromkeys(shard.known.at_once, shard.layer - 1)
        self._findings, self._below, self._last = {}, {}, None
        self._parents = _Parents(self, self._golden)
        self._cover.take()
        self._tally.clear()
        for piece in shard.pieces:
            self._explore(piece, shard.layer)
        cover = self._cover.take()
        assert cover.edges == shard.edges, f"{cover.edges} edges in a shard of {shard.edges}: please report"
        return Partial(cover, list(self._findings.values()), self._known(shard.layer), self._below, dict(self._tally))

    def _known(self, layer: int) -> Known:
        return Known() if layer == self._options.depth else Known(self._seen, frozenset(self._met_at))

    def _explore(self, piece: Piece, layer: int) -> None:
        chain, path, kinds = (self._golden, (), ()) if piece.parent is None else self._under(piece)
        judged = chain.sessions[piece.session]
        entry, nth = piece.at
        children = self._walkers[len(path)].children(judged.state.device, judged.run, entry)
        for _, child in zip(range(piece.start, piece.stop), islice(children, nth, None), strict=False):
            nth = nth + 1 if child.edge.entry == entry else 1
            entry = child.edge.entry
            self._at = (piece.session, entry, nth - 1)
            step = Step(piece.session, entry, child.edge.how)
            self._edge(child, judged.remembered(child.edge), (*path, step), (*kinds, child.edge.kind), layer)

    def _under(self, piece: Piece) -> tuple[Chain, CutPath, tuple[str, ...]]:
        """What follows the piece's parent. It is counted with the first edge there, and once."""
        assert piece.parent is not None, "the uncut workload has no parent: please report"
        if self._last is None or self._last[0] != piece.parent:
            child, monitor = self._parents.at(piece.parent)
            counted = self._cover.take()
            chain = self.judge.chain(State(child.state, monitor))
            spent = self._cover.take()
            self._cover.add(counted)
            if (piece.session, piece.start) == (0, 0):
                self._cover.add(spent)
            step = Step(piece.parent[0], child.edge.entry, child.edge.how)
            self._last = (piece.parent, chain, (step,), (child.edge.kind,))
        return self._last[1:]

    def _met(self, state: State, layer: int) -> tuple[Seen, bool]:
        """From one shard to the next it is the same. Where a layer is to follow, the sessions are asked for as well."""
        known = self._ends.get(state.key) if layer == self._options.depth and self._options.cache else None
        if known is not None:
            return replace(known, layer=layer), False
        met, executed = super()._met(state, layer)
        self._ends[state.key] = met
        return met, executed

    def _followed(self, state: State, chain: Chain, layer: int) -> None:
        if layer < self._options.depth and state.key not in self._below:
            walker = self._walkers[layer]
            counts = tuple(walker.counts(judged.state.device, judged.run) for judged in chain.sessions)
            self._below[state.key] = (self._at, counts)

    def uncut_children(self, session: int, entry: int) -> Iterator[Child]:
        """Edges of the uncut workload from an entry on."""
        judged = self._golden.sessions[session]
        return self._walkers[0].children(judged.state.device, judged.run, entry)


class _Parents:
    """Finds edges of the uncut workload by their position. They are asked for in order, so one walk mostly does."""

    def __init__(self, worker: ShardWorker, uncut: Chain) -> None:
        self._worker = worker
        self._golden = uncut
        self._walk: Iterator[Child] = iter(())
        self._at: Position = (-1, 0, 0)

    def at(self, position: Position) -> tuple[Child, Monitor]:
        """The edge there, and the monitor before it."""
        session, entry, _ = position
        if session != self._at[0] or not self._at[1] <= entry <= self._at[1] + 1 or position <= self._at:
            self._walk = self._worker.uncut_children(session, entry)
            self._at = (session, entry, -1)
        for child in self._walk:
            same = child.edge.entry == self._at[1]
            self._at = (session, child.edge.entry, self._at[2] + 1 if same else 0)
            if self._at == position:
                return child, self._golden.sessions[session].remembered(child.edge)
        raise AssertionError(f"there is no edge {position}: please report")
