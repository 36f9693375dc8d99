"""Sessions of many states at once, executed by an engine: the coordinator holds what is known, workers execute.

Each session advances through the cache, stretch by stretch. Stretches nobody knows are collected and executed together,
a round at a time; what comes back is learned in the order of the sessions, so that neither the number of workers nor
their deaths can be told from the result. States that most likely behave alike (the processor holds the same at a
waypoint, or the states are the same) wait at a *gate*: one is executed, the others are then recognised.

Without an engine there is nothing to collect: sessions are run one after another.

Neighbours: `closure` asks for sessions, `cache` knows stretches, `parcels` is what travels, `engines` carry. Knows the
rig's contract only.
"""

from __future__ import annotations

import heapq
from collections import ChainMap, Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from emu.campaign.cache import Piece, RunCache, Session
from emu.campaign.engines import Died, Engine, Listener, WorkSpec
from emu.campaign.parcels import Blocks, Item, Lacks, PackedRun, blocks_of, packed_run, packed_state
from emu.errors import ScenarioError
from emu.rig import DeviceState, Rig, Run
from flash.snapshot import Block

PER_JOB = 8
"""Stretches of one round, for each worker: enough that all are busy, few enough that later ones can be recognised."""
SENT_PER_JOB = 2
"""How often the content of a block goes along, for each worker, before workers are expected to have it."""
KEPT_BLOCKS = 8192
"""Of how many blocks a worker remembers the content: 32 MiB of the largest ones."""

Asked = tuple[DeviceState, str | None]
"""A state, and what weak cells read as."""
Gate = tuple[object, ...]


@dataclass(slots=True)
class _Track:
    """One session on its way. ``state``: where it stands now."""

    number: int
    state: DeviceState
    resolution: str | None
    pieces: list[Piece] = field(default_factory=list)
    offset: int = 0
    result: Session | Died | None = None


class Runner:
    """Runs sessions of ``rig``, or recognises them. ``engine`` was made with `runner_spec`; None: this process."""

    def __init__(self, rig: Rig, cache: RunCache, engine: Engine | None = None) -> None:
        self._cache = cache
        self._distance = None if engine is None else _Distance(rig, engine)
        self._deadly: dict[tuple[bytes, str | None], str] = {}

    def sessions(self, asked: Sequence[Asked], tick: Callable[[], None] = lambda: None) -> Iterator[Session | Died]:
        """What happens from each state, in order; `Died` where it takes its worker along.

        ``tick`` is called again and again meanwhile; what it raises ends the work.
        """
        if self._distance is None:
            for state, resolution in asked:
                tick()
                yield self._cache.session(state, resolution)
            return
        tracks = [_Track(number, *each) for number, each in enumerate(asked)]
        rounds = _Rounds(self._cache, self._distance, self._deadly, tracks, tick)
        for track in tracks:
            while track.result is None:
                rounds.go_on()
            yield track.result


class _Rounds:
    """The tracks of one batch in lockstep."""

    def __init__(
        self, cache: RunCache, distance: _Distance, deadly: dict[tuple[bytes, str | None], str],
        tracks: Sequence[_Track], tick: Callable[[], None],
    ) -> None:  # fmt: skip
        self._cache = cache
        self._distance = distance
        self._deadly = deadly
        self._listener = _Ticks(tick)
        self._ready = [(track.number, track) for track in tracks]
        self._waiting: dict[Gate, deque[_Track]] = {}

    def go_on(self) -> None:
        """One round: see how far tracks come by what is known, and have executed what is not."""
        self._listener.tick()
        taken: dict[Gate, _Track] = {}
        while self._ready and len(taken) < self._distance.width:
            track = heapq.heappop(self._ready)[1]
            while track.result is None:
                gate = self._gate(track)
                if gate in taken:
                    self._waiting.setdefault(gate, deque()).append(track)
                    break
                if not self._recognised(track):
                    taken[gate] = track
                    break
                self._open(gate)
        stretches = [(track.state, track.resolution) for track in taken.values()]
        runs = self._distance.execute(stretches, is_whole=not self._cache.is_enabled, listener=self._listener)
        for (gate, track), run in zip(taken.items(), runs, strict=True):
            self._take(track, run)
            if track.result is None:
                heapq.heappush(self._ready, (track.number, track))
            self._open(gate)

    def _gate(self, track: _Track) -> Gate:
        state = track.state
        if not self._cache.is_enabled:
            return (track.number,)
        if state.volatile:
            return (state.cause, state.ram, state.volatile, track.resolution)
        return (state.key, track.resolution)

    def _open(self, gate: Gate) -> None:
        """The next one at ``gate`` may see whether it is recognised now."""
        waiting = self._waiting.get(gate)
        if waiting:
            track = waiting.popleft()
            heapq.heappush(self._ready, (track.number, track))

    def _recognised(self, track: _Track) -> bool:
        """Whether the next stretch needs no execution; then the track is behind it."""
        if not self._cache.is_enabled:
            return False
        piece = self._cache.recognise(track.state, track.offset, track.resolution)
        if piece is not None:
            self._advance(track, piece)
            return True
        how = self._deadly.get((track.state.key, track.resolution)) if self._deadly else None
        if how is not None:
            track.result = Died(track.number, how)
        return how is not None

    def _take(self, track: _Track, run: Run | Died) -> None:
        """What came back of a track's stretch. An earlier one of the same round may just have taught it."""
        if isinstance(run, Died):
            self._deadly[track.state.key, track.resolution] = run.how
            track.result = Died(track.number, run.how)
        elif not self._cache.is_enabled:
            track.result = self._cache.unshared(track.state, run)
        elif not self._recognised(track):
            self._advance(track, self._cache.learn(track.state, run, track.offset, track.resolution))

    def _advance(self, track: _Track, piece: Piece) -> None:
        track.pieces.append(piece)
        track.state = self._cache.end_of(piece)
        track.offset += len(piece.run.entries)
        if piece.run.outcome.kind != "waypoint":
            track.result = Session(tuple(track.pieces), track.state)


class _Ticks(Listener):
    def __init__(self, tick: Callable[[], None]) -> None:
        self._tick = tick

    def tick(self) -> None:
        self._tick()


class _Distance:
    """Has stretches executed elsewhere. Knows which blocks workers have, as a rule: one that does not says so, and is
    sent everything. ``width``: stretches of a round."""

    def __init__(self, rig: Rig, engine: Engine) -> None:
        self._grids = rig.grids
        self._engine = engine
        self._base = rig.initial(0).memory
        self._factory = blocks_of(self._base)
        self._blocks = dict(self._factory)
        self._sent: Counter[bytes] = Counter()
        self.width = PER_JOB * engine.jobs

    def execute(self, stretches: Sequence[Asked], *, is_whole: bool, listener: Listener) -> list[Run | Died]:
        """What happens in each stretch."""
        items = [self._item(state, resolution, is_whole) for state, resolution in stretches]
        answers = self._engine.map(items, listener) if items else []
        lacking = [index for index, answer in enumerate(answers) if isinstance(answer, Lacks)]
        if lacking:
            items = [self._item(*stretches[index], is_whole, plain=True) for index in lacking]
            for index, answer in zip(lacking, self._engine.map(items, listener), strict=True):
                answers[index] = answer
        return [self._run(state, answer) for (state, _), answer in zip(stretches, answers, strict=True)]

    def _item(self, state: DeviceState, resolution: str | None, is_whole: bool, *, plain: bool = False) -> Item:
        used: Blocks = {}
        packed = packed_state(state, self._base, used)
        often = SENT_PER_JOB * self._engine.jobs
        contents = {
            key: block.content
            for key, block in used.items()
            if key not in self._factory and (plain or self._sent[key] < often)
        }
        self._sent.update(contents.keys())
        for key, block in used.items():
            self._blocks.setdefault(key, block)
        return Item(packed, resolution, is_whole, contents)

    def _run(self, state: DeviceState, answer: Any) -> Run | Died:
        if isinstance(answer, Died):
            return answer
        assert isinstance(answer, PackedRun), "a worker lacks what it was just sent: please report"
        return answer.unpacked(state, self._grids, self._blocks)


# -- in the worker ---------------------------------------------------------------------------------------


def runner_spec(rig_spec: WorkSpec, rig: Rig) -> WorkSpec:
    """What an engine is to be made with, to execute stretches on ``rig``. ``rig_spec`` makes its like.

    Raises ScenarioError for a rig that no other process can stand in for.
    """
    if not (rig.capabilities.snapshot and rig.capabilities.deterministic):
        raise ScenarioError(
            "an engine needs a rig that takes snapshots and always runs the same way; use --engine inline"
        )
    return WorkSpec("emu.campaign.runner:make", (rig_spec, _digests(rig)))


def make(rig_spec: WorkSpec, digests: tuple[tuple[str, str], ...]) -> StretchWorker:
    """The worker of `runner_spec`."""
    rig: Rig = rig_spec.resolve()
    assert _digests(rig) == digests, f"a worker made another rig ({rig_spec.function}): please report"
    return StretchWorker(rig)


class StretchWorker:
    """Executes stretches, one after another. Blocks it was sent are remembered, nothing else is."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._base = rig.initial(0).memory
        self._factory = blocks_of(self._base)
        self._kept: Blocks = {}
        self._known = ChainMap(self._factory, self._kept)

    def __call__(self, item: Item) -> PackedRun | Lacks:
        blocks = self._blocks_for(item)
        if blocks is None:
            return Lacks()
        state = item.state.unpacked(self._base, blocks)
        execute = self._rig.run if item.is_whole else self._rig.stretch
        return packed_run(execute(state, resolution=item.resolution), state, self._known)

    def _blocks_for(self, item: Item) -> Blocks | None:
        """The blocks of an item, None if one of them is not known. Those not asked for longest are forgotten."""
        wanted = dict.fromkeys(item.state.keys)
        blocks: Blocks = {}
        for key in wanted:
            block = self._factory.get(key) or self._kept.pop(key, None)
            if block is None and key in item.contents:
                block = Block(item.contents[key])
            if block is not None:
                blocks[key] = block
        self._kept.update((key, block) for key, block in blocks.items() if key not in self._factory)
        while len(self._kept) > KEPT_BLOCKS:
            del self._kept[next(iter(self._kept))]
        return blocks if len(blocks) == len(wanted) else None


def _digests(rig: Rig) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((role, each.digest) for role, each in rig.inputs.items()))
