"""Sessions of many states, one after another, executed by an engine: workers execute, the coordinator knows.

Which sessions there are, in which order, and what is recognised is the same with an engine and without one: the only
difference is who executes a stretch, and that it may have been executed already (`ahead`).

Neighbours: `closure` asks for sessions, `cache` knows stretches, `ahead` has them executed, `parcels` is what travels,
`engines` carry. Knows the rig's contract only.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Iterator, Sequence

from emu.campaign.ahead import Ahead, Asked, Deadly
from emu.campaign.cache import RunCache, Session
from emu.campaign.engines import Died, Engine, Listener, WorkSpec
from emu.campaign.parcels import Blocks, Item, Lacks, PackedRun, blocks_of, packed_run
from emu.errors import ScenarioError
from emu.rig import Rig
from flash.snapshot import Block

KEPT_BLOCKS = 8192
"""Of how many blocks a worker remembers the content: 32 MiB of the largest ones."""


class Runner:
    """Runs sessions of ``rig``, or recognises them. ``engine`` was made with `runner_spec`; None: this process."""

    def __init__(self, rig: Rig, cache: RunCache, engine: Engine | None = None) -> None:
        self._cache = cache
        self._ahead = None if engine is None else Ahead(rig, cache, engine)

    def sessions(self, asked: Sequence[Asked], tick: Callable[[], None] = lambda: None) -> Iterator[Session | Died]:
        """What happens from each state, in order; `Died` where it takes its worker along.

        ``tick`` is called again and again meanwhile; what it raises ends the work.
        """
        ahead = self._ahead
        if ahead is None:
            for state, resolution in asked:
                tick()
                yield self._cache.session(state, resolution)
            return
        listener = _Ticks(tick)
        for number, ((state, resolution), _) in enumerate(zip(asked, ahead.expect(asked), strict=True)):
            tick()
            try:
                yield self._cache.session(state, resolution, lambda s, r: ahead.run(s, r, listener))
            except Deadly as end:
                yield Died(number, end.how)

    def foresee(self, guess: Callable[[], Asked | None], later: Callable[[], Asked | None]) -> None:
        """Ask ``guess`` where the campaign may come next, and ``later`` where it will come for certain after that,
        whenever workers could do with it."""
        if self._ahead is not None:
            self._ahead.foresee, self._ahead.later = guess, later

    def go_on(self) -> None:
        """Called now and then by whoever does something else meanwhile, so that workers do not wait."""
        if self._ahead is not None:
            self._ahead.go_on()

    def close(self) -> None:
        """No more sessions are asked for."""
        if self._ahead is not None:
            self._ahead.close()


class _Ticks(Listener):
    def __init__(self, tick: Callable[[], None]) -> None:
        self._tick = tick

    def tick(self) -> None:
        self._tick()


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
