"""A campaign in shards, the coordinator's side: the same verdict as `explore`, with the work done by an engine.

Layer by layer, as in `explore`. The edges of a layer are numbered in the order of its walk and cut into shards, which
grow smaller towards its end. Workers return facts about their shard; what a fact is worth beyond it is decided here:

- Counts add up. Of two findings with one key the one that comes first in the walk stays, with its path.
- A state is expanded once, by the edge that meets it first in the walk; so layer 2 is cut when layer 1 is complete.
- What layer 1 leads to goes into the shards of layer 2, which neither run nor report it again.

An edge whose trial takes its worker along, whoever works on it, is a finding of its own: see `KILLED`.

Neighbours: `shards` is the workers' side, `engines` carry. Knows the rig's contract only.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, islice
from typing import Any

from emu.board import CheckEntry
from emu.campaign.edges import Child, harshness
from emu.campaign.engines import Died, Engine, Listener
from emu.campaign.explore import Explorer, Seen
from emu.campaign.judge import Chain, Judge, State
from emu.campaign.options import Options, Progress
from emu.campaign.shards import Counts, Known, Partial, Piece, Position, Shard, StateKey
from emu.campaign.verdict import (
    KILLED,
    KILLED_NOTE,
    Coverage,
    CutPath,
    Finding,
    FindingKey,
    Step,
    check_of_killed,
    killed_by,
)  # fmt: skip
from emu.errors import ScenarioError
from emu.rig import Rig

SHARDS_PER_JOB = 16
"""How many like it there could be, for each worker, of what is left when a shard is cut."""
MIN_EDGES, MAX_EDGES = 32, 4000
"""Edges of a shard: enough that its pickles do not count, few enough that a killed campaign loses little."""
SPLIT = 64
"""Into how many a shard is cut whose worker died, until it is one edge."""


@dataclass(frozen=True)
class _Walk:
    """One session whose edges are to be explored, and how many there are at each entry."""

    parent: Position | None
    session: int
    ends: Counts
    """``ends[i]``: edges up to and with entry i."""
    kin: int = 0
    """The shard that met the parent."""

    @property
    def edges(self) -> int:
        return self.ends[-1]

    def piece(self, start: int, stop: int) -> Piece:
        entry = bisect_right(self.ends, start)
        return Piece(self.parent, self.session, start, stop, (entry, start - (self.ends[entry - 1] if entry else 0)))


class ShardedExplorer(Explorer):
    """A campaign whose edges are explored by ``engine``, which was made with `shards.shard_spec`.

    Raises ScenarioError for a rig that no other process can stand in for.
    """

    def __init__(
        self, rig: Rig, bounds: CheckEntry, options: Options, engine: Engine, progress: Progress | None = None
    ) -> None:
        super().__init__(rig, bounds, options, progress)
        if not (rig.capabilities.snapshot and rig.capabilities.deterministic):
            raise ScenarioError(
                f"engine {engine.name} needs a rig that takes snapshots and always runs the same way; "
                "use --engine inline"
            )
        self._engine = engine
        self._bounds = bounds
        self._golden: Chain
        self._walks: dict[tuple[Position | None, int], _Walk] = {}
        self._met_before: dict[StateKey, Seen] = {}
        self._at_once: set[tuple[str, StateKey, str]] = set()
        self._below: dict[StateKey, tuple[Position, tuple[Counts, ...]]] = {}
        self._firsts: list[Position] = []
        self._killed = 0

    def _walk(self, golden: Chain, layer: int) -> None:
        self._golden = golden
        walks = list(self._uncut_walks() if layer == 1 else self._nested_walks())
        self._walks = {(walk.parent, walk.session): walk for walk in walks}
        pieces = [walk.piece(0, walk.edges) for walk in walks]
        self._where = f"{sum(walk.edges for walk in walks):,} edges in shards"
        known = Known(dict(self._met_before), frozenset(self._at_once))
        shards = [Shard(layer, cut, known, self._kin_of(cut[0])) for cut in self._cut(pieces, self._size)]
        if layer == 1:
            self._firsts = [(shard.pieces[0].session, *shard.pieces[0].at) for shard in shards]
            shards = [replace(shard, kin=kin) for kin, shard in enumerate(shards)]
        found: dict[Any, Partial] = {}
        try:
            self._explore(shards, found)
        finally:
            for order in sorted(found):
                self._merge(found[order])

    # -- cutting -------------------------------------------------------------------------------------------

    def _uncut_walks(self) -> Iterator[_Walk]:
        for number, judged in enumerate(self._golden.sessions):
            counts = self._walkers[0].counts(judged.state.device, judged.run)
            yield _Walk(None, number, tuple(accumulate(counts)))

    def _nested_walks(self) -> Iterator[_Walk]:
        """What follows each state of layer 1, in the order in which the walk meets them."""
        for parent, sessions in sorted(self._below.values()):
            kin = bisect_right(self._firsts, parent) - 1
            for number, counts in enumerate(sessions):
                yield _Walk(parent, number, tuple(accumulate(counts)), kin)

    def _size(self, left: int) -> int:
        """How many edges go into a shard where so many are ``left``: fewer and fewer, so that no worker sits over a
        long one when the others are done."""
        return max(MIN_EDGES, min(MAX_EDGES, left // (SHARDS_PER_JOB * self._engine.jobs)))

    def _cut(self, pieces: Sequence[Piece], size: Callable[[int], int]) -> Iterator[tuple[Piece, ...]]:
        """The edges of ``pieces`` in groups of ``size(left)`` where so many are left; fewer where a kin ends."""
        group: list[Piece] = []
        left = sum(piece.stop - piece.start for piece in pieces)
        room = size(left)
        for piece in pieces:
            walk, start = self._walks[piece.parent, piece.session], piece.start
            if group and self._kin_of(group[0]) != walk.kin:
                yield tuple(group)
                group, room = [], size(left)
            while start < piece.stop:
                stop = min(piece.stop, start + room)
                group.append(walk.piece(start, stop))
                room -= stop - start
                left -= stop - start
                start = stop
                if not room:
                    yield tuple(group)
                    group, room = [], size(left)
        if group:
            yield tuple(group)

    def _kin_of(self, piece: Piece) -> int:
        return self._walks[piece.parent, piece.session].kin

    # -- exploring -----------------------------------------------------------------------------------------

    def _explore(self, shards: list[Shard], found: dict[Any, Partial]) -> None:
        """Have ``shards`` explored; those that kill their worker again in smaller ones."""
        while shards:
            results = self._engine.map(shards, _Collector(self, shards, found))
            dead = [(shards[result.item], result.how) for result in results if isinstance(result, Died)]
            shards = []
            for shard, how in dead:
                if shard.edges == 1:
                    self.take(shard, self._killing(shard, how), found)
                else:
                    shards += self._split(shard)

    def _split(self, shard: Shard) -> list[Shard]:
        size = -(-shard.edges // SPLIT)
        return [replace(shard, pieces=cut) for cut in self._cut(shard.pieces, lambda left: size)]

    def take(self, shard: Shard, partial: Partial, found: dict[Any, Partial]) -> None:
        """A shard is done. Coverage is counted at once, for whoever watches; the rest when its layer ends."""
        found[shard.pieces[0].order] = partial
        self._cover.add(partial.cover)
        for place, outcomes in partial.tally.items():
            self._tally[place] += outcomes
        self._progress(self._cover, shard.layer, self._where)

    def tick(self) -> None:
        self._check_budget()

    def _merge(self, partial: Partial) -> None:
        for finding in partial.findings:
            known = self._findings.setdefault(finding.key, finding)
            if known is not finding:
                known.count += finding.count
        self._met_before |= partial.known.met
        self._at_once |= partial.known.at_once
        for key, below in partial.below.items():
            self._below.setdefault(key, below)

    # -- trials that kill their worker ---------------------------------------------------------------------

    def _killing(self, shard: Shard, how: str) -> Partial:
        """The one edge of ``shard`` takes every worker along. Nothing can be judged then, and nothing is held: the
        finding stands under ``boots``, or under a check that applies."""
        (piece,) = shard.pieces
        path, kinds = self._edge_of(piece)
        self._killed += 1
        if self._killed == 1:
            self.notes.append(KILLED_NOTE)
        check = check_of_killed(self.checks)
        key = FindingKey(check, tuple((step.run, step.entry) for step in path), kinds, KILLED)
        finding = Finding(key, path, harshness(step.how for step in path), killed_by(how))
        cover = Coverage(
            edge_kinds=Counter([kinds[-1]]), outcomes=Counter([KILLED]), edges_executed=1, broken=Counter([check])
        )
        tally = {(path[0].run, path[0].entry): Counter([KILLED])}
        return Partial(cover, [finding], Known(), {}, tally)

    def _edge_of(self, piece: Piece) -> tuple[CutPath, tuple[str, ...]]:
        """The path of the first edge of ``piece``. What follows its parent has been run by a worker before."""
        chain = self._golden
        path: CutPath = ()
        kinds: tuple[str, ...] = ()
        if piece.parent is not None:
            number, entry, nth = piece.parent
            child = self._child(self._golden, number, (entry, nth), level=0)
            state = State(child.state, self._golden.sessions[number].remembered(child.edge))
            judge = Judge(self._rig, self._bounds, checks=(), cache=False, cover=Coverage())
            chain, path, kinds = judge.chain(state), (_step(number, child),), (child.edge.kind,)
        child = self._child(chain, piece.session, piece.at, level=len(path))
        return (*path, _step(piece.session, child)), (*kinds, child.edge.kind)

    def _child(self, chain: Chain, session: int, at: tuple[int, int], *, level: int) -> Child:
        judged = chain.sessions[session]
        children = self._walkers[level].children(judged.state.device, judged.run, at[0])
        return next(islice(children, at[1], None))


class _Collector(Listener):
    """Keeps what comes back, whatever becomes of the rest."""

    def __init__(self, explorer: ShardedExplorer, shards: Sequence[Shard], found: dict[Any, Partial]) -> None:
        self._explorer = explorer
        self._shards = shards
        self._found = found

    def result(self, index: int, result: Any) -> None:
        if not isinstance(result, Died):
            self._explorer.take(self._shards[index], result, self._found)

    def tick(self) -> None:
        self._explorer.tick()


def _step(session: int, child: Child) -> Step:
    return Step(session, child.edge.entry, child.edge.how)
