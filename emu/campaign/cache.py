"""Sessions that need not be run again: a tree of footprints.

A session is a deterministic function of the blocks it consulted (`flash.trace`). The tree asks a new state for one
block after another, in the order the known sessions consulted them; when it reaches a leaf, that session is what
would happen. What it wrote is known block by block as well, so the state it leaves is made without running it.

Neighbours: `explore` asks here before it runs a rig. Keys are 128-bit block digests. Knows no check.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from emu.rig import DeviceState, Rig, Run
from flash.snapshot import Block, TreePart
from flash.trace import BlockAddress, Trace


@dataclass(slots=True)
class _Known:
    """A session, the part of a state it stands on, and the blocks it leaves; both per chip."""

    run: Run
    footing: tuple[TreePart, ...]
    left: tuple[dict[int, Block], ...]

    def fits(self, state: DeviceState) -> bool:
        return all(part.fits(memory.tree) for part, memory in zip(self.footing, state.memory, strict=True))

    def end(self, state: DeviceState) -> DeviceState:
        """What the session leaves of ``state``: every block it wrote, and all others as they were."""
        memory = tuple(
            before.with_blocks(left) if left else before for before, left in zip(state.memory, self.left, strict=True)
        )
        return replace(self.run.end, memory=memory)


@dataclass(frozen=True, slots=True)
class Session:
    """What happens from ``state``. ``known`` None: it was executed for this very state."""

    run: Run
    state: DeviceState
    known: _Known | None

    @property
    def executed(self) -> bool:
        return self.known is None

    @property
    def end(self) -> DeviceState:
        """The state it leaves; made when asked for."""
        return self.run.end if self.known is None else self.known.end(self.state)


@dataclass(slots=True)
class _Node:
    """Asks for ``block``, or is a leaf with a ``known`` session."""

    block: BlockAddress | None = None
    children: dict[bytes, _Node] = field(default_factory=dict)
    known: _Known | None = None


@dataclass(slots=True)
class _Tree:
    """All sessions that begin alike but for flash. ``last`` is the one met last: neighbours in a walk share it."""

    root: _Node = field(default_factory=_Node)
    last: _Known | None = None


class RunCache:
    """Runs sessions of ``rig``, or recognises them. ``hits`` and ``misses`` count how often which."""

    def __init__(self, rig: Rig, *, enabled: bool = True) -> None:
        self._rig = rig
        self._chip = {name: number for number, name in enumerate(rig.chip_names)}
        self._trees: dict[tuple[object, ...], _Tree] = {}
        self._enabled = enabled and rig.capabilities.deterministic and rig.capabilities.snapshot
        self.hits = 0
        self.misses = 0

    def session(self, state: DeviceState) -> Session:
        """The session from ``state``: executed, or recognised."""
        if not self._enabled:
            self.misses += 1
            return Session(self._rig.run(state), state, None)
        tree = self._trees.setdefault((state.cause, state.attempts_left, state.ram), _Tree())
        known = tree.last if tree.last is not None and tree.last.fits(state) else self._find(tree.root, state)
        if known is None:
            self.misses += 1
            run = self._rig.run(state)
            if run.trace is not None:
                tree.last = self._insert(tree.root, state, run, run.trace)
            return Session(run, state, None)
        self.hits += 1
        tree.last = known
        return Session(known.run, state, known)

    def _find(self, node: _Node | None, state: DeviceState) -> _Known | None:
        while node is not None and node.block is not None:
            node = node.children.get(self._digest(state, node.block))
        return None if node is None else node.known

    def _digest(self, state: DeviceState, block: BlockAddress) -> bytes:
        return state.memory[self._chip[block[0]]].tree.block(block[1]).key

    def _insert(self, node: _Node, state: DeviceState, run: Run, trace: Trace) -> _Known:
        for block in trace.consulted_blocks:
            assert node.known is None, "a session ended and went on from the same footprint: please report"
            if node.block is None:
                node.block = block
            assert node.block == block, "two sessions with one past consult different blocks: please report"
            node = node.children.setdefault(self._digest(state, block), _Node())
        needs: list[list[int]] = [[] for _ in state.memory]
        left: tuple[dict[int, Block], ...] = tuple({} for _ in state.memory)
        for name, index in trace.consulted_blocks:
            needs[self._chip[name]].append(index)
        for name, index in trace.written:
            chip = self._chip[name]
            left[chip][index] = run.end.memory[chip].tree.block(index)
        footing = tuple(memory.tree.part(indexes) for memory, indexes in zip(state.memory, needs, strict=True))
        node.known = _Known(run, footing, left)
        return node.known
