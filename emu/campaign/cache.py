"""Sessions that need not be run again: a tree of footprints.

A session is a deterministic function of the blocks it consulted (`flash.trace`). The tree asks a new state for one
block after another, in the order the known sessions consulted them; when it reaches a leaf, that session is what
would happen. What it wrote is known block by block as well, so the state it leaves is made without running it.

Neighbours: `explore` asks here before it runs a rig. Keys are 128-bit block digests. Knows no check.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from emu.rig import DeviceState, Rig, Run
from flash.snapshot import Block
from flash.trace import BlockAddress


@dataclass(slots=True)
class _Node:
    """Asks for ``block``, or is a leaf with ``run`` and the blocks it leaves, per chip."""

    block: BlockAddress | None = None
    children: dict[bytes, _Node] = field(default_factory=dict)
    run: Run | None = None
    left: tuple[dict[int, Block], ...] = ()


class RunCache:
    """Runs sessions of ``rig``, or recognises them. ``hits`` and ``misses`` count how often which."""

    def __init__(self, rig: Rig, *, enabled: bool = True) -> None:
        self._rig = rig
        self._chip = {name: number for number, name in enumerate(rig.chip_names)}
        self._roots: dict[tuple[object, ...], _Node] = {}
        self._enabled = enabled and rig.capabilities.deterministic and rig.capabilities.snapshot
        self.hits = 0
        self.misses = 0

    def run(self, state: DeviceState) -> tuple[Run, DeviceState, bool]:
        """The session from ``state``, the state it leaves, and whether it was executed."""
        if not self._enabled:
            self.misses += 1
            run = self._rig.run(state)
            return run, run.end, True
        root = self._roots.setdefault((state.cause, state.attempts_left, state.ram), _Node())
        node: _Node | None = root
        while node is not None and node.block is not None:
            node = node.children.get(self._digest(state, node.block))
        if node is not None and node.run is not None:
            self.hits += 1
            return node.run, self._end(state, node), False
        self.misses += 1
        run = self._rig.run(state)
        self._insert(root, state, run)
        return run, run.end, True

    def _digest(self, state: DeviceState, block: BlockAddress) -> bytes:
        return state.memory[self._chip[block[0]]].tree.block(block[1]).key

    def _insert(self, root: _Node, state: DeviceState, run: Run) -> None:
        node = root
        for block in run.trace.consulted_blocks:
            assert node.run is None, "a session ended and went on from the same footprint: please report"
            if node.block is None:
                node.block = block
            assert node.block == block, "two sessions with one past consult different blocks: please report"
            node = node.children.setdefault(self._digest(state, block), _Node())
        left: tuple[dict[int, Block], ...] = tuple({} for _ in state.memory)
        for name, index in run.trace.written:
            chip = self._chip[name]
            left[chip][index] = run.end.memory[chip].tree.block(index)
        node.run, node.left = run, left

    def _end(self, state: DeviceState, node: _Node) -> DeviceState:
        """What the session leaves of ``state``: every block it wrote, and all others as they were."""
        assert node.run is not None
        memory = tuple(
            before.with_blocks(left) if left else before for before, left in zip(state.memory, node.left, strict=True)
        )
        return replace(node.run.end, memory=memory)
