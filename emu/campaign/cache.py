"""Stretches that need not be run again: a tree of footprints.

A stretch of a session is a deterministic function of the units it consulted (`flash.trace`). The tree asks a new state
for one unit after another, in the order the known stretches consulted them; when it reaches a leaf, that stretch is
what would happen. What it wrote is known unit by unit as well, so the state it leaves is made without running it.
A session is put together from its stretches, from a reset to its end.

Neighbours: `judge` and `closure` ask here before a rig is run. Keys are 128-bit digests of blocks, or the bytes
themselves where the grid is fine. Knows no check, but what the checks consult is asked of `consults`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property

from emu.rig import DeviceState, Outcome, Place, Rig, Run
from flash.grid import Footing
from flash.snapshot import Block, Snapshot
from flash.trace import ATTEMPTS, Trace, UnitAddress

Execute = Callable[[DeviceState, str | None], Run]
"""Makes happen what happens from a state, and what weak cells read as."""
Consults = Callable[[Run, bool], Iterable[Place]]
"""Places whose content at the beginning of a stretch the checks look at; the flag says that it begins at a reset."""


@dataclass(frozen=True, slots=True)
class _Chip:
    """One chip's share of a known stretch: what it stands on, what it leaves.

    ``spliced``: blocks of which it leaves only some units; the others are as they were.
    """

    footing: Footing
    left: dict[int, Block]
    spliced: tuple[tuple[int, tuple[int, ...], Block], ...]


@dataclass(slots=True)
class Known:
    """A stretch that was run: on any state that fits, the same happens."""

    run: Run
    attempts_used: int
    attempts_asked: tuple[tuple[UnitAddress, bytes], ...]
    """What it asked about attempts, and what the answer was."""
    chips: tuple[_Chip, ...]


@dataclass(frozen=True, slots=True)
class Piece:
    """One stretch of a session: what happens from ``start``; ``offset`` entries of the session lie before it.

    ``known`` None: it was executed for this very state and stands for no other.
    """

    run: Run
    start: DeviceState
    offset: int
    executed: bool
    known: Known | None


@dataclass(frozen=True)
class Session:
    """What happens from a reset until the device settles or resets. ``end``: the state it leaves."""

    pieces: tuple[Piece, ...]
    end: DeviceState

    @property
    def outcome(self) -> Outcome:
        return self.pieces[-1].run.outcome

    @property
    def executed(self) -> bool:
        return any(piece.executed for piece in self.pieces)

    @property
    def met_weak(self) -> bool:
        return any(piece.run.met_weak for piece in self.pieces)

    @cached_property
    def run(self) -> Run:
        """The whole session as one run; no footprint."""
        if len(self.pieces) == 1:
            return self.pieces[0].run
        entries = [entry for piece in self.pieces for entry in piece.run.entries]
        last = self.pieces[-1].run
        return Run(entries, last.outcome, self.end, last.end_us, None, self.met_weak)


@dataclass(slots=True)
class _Node:
    """Asks for ``unit``; or is a leaf, with a ``known`` stretch and what it consults from here on.

    A leaf is opened only as far as another stretch goes the same way: most differ in the first units they ask for.
    """

    unit: UnitAddress | None = None
    children: dict[bytes, _Node] = field(default_factory=dict)
    known: Known | None = None
    asked: tuple[UnitAddress, ...] = ()
    held: tuple[bytes, ...] = ()


@dataclass(slots=True)
class _Tree:
    """All stretches that begin alike but for flash. ``last`` is the one met last: neighbours in a walk share it."""

    root: _Node = field(default_factory=_Node)
    last: Known | None = None


ENDED_AND_WENT_ON = "a stretch ended and went on from the same footprint: please report"


class RunCache:
    """Runs sessions of ``rig``, or recognises them. ``hits`` and ``misses`` count how often which, in stretches."""

    def __init__(self, rig: Rig, consults: Consults = lambda run, reset: (), *, enabled: bool = True) -> None:
        self._rig = rig
        self._consults = consults
        self._grids = [rig.grids[name] for name in rig.chip_names] if rig.capabilities.snapshot else []
        self._chip = {name: number for number, name in enumerate(rig.chip_names)}
        self._trees: dict[tuple[object, ...], _Tree] = {}
        self.is_enabled = enabled and rig.capabilities.deterministic and rig.capabilities.snapshot
        self.hits = 0
        self.misses = 0

    def session(self, state: DeviceState, resolution: str | None = None, execute: Execute | None = None) -> Session:
        """The session from ``state``: executed, or recognised. ``execute`` None: by the rig, in this process; it is
        asked for stretches, or for whole sessions where nothing can be recognised. What it raises is passed on."""
        run = execute or self._run
        if not self.is_enabled:
            return self._unshared(state, run(state, resolution))
        pieces: list[Piece] = []
        offset = 0
        while True:
            piece = self._recognise(state, offset, resolution)
            if piece is None:
                piece = self._learn(state, run(state, resolution), offset, resolution)
            pieces.append(piece)
            state = self.end_of(piece)
            offset += len(piece.run.entries)
            if piece.run.outcome.kind != "waypoint":
                return Session(tuple(pieces), state)

    def foreseen(self, state: DeviceState, resolution: str | None = None) -> Piece | int:
        """The stretch from ``state``, as far as is known by now. Whoever asks has not come there yet: it counts as
        nothing, and later something else may be found that is the same.

        Where none is known: at which place ``state`` leaves what is known, a number that stands for all that is
        consulted up to there and what it holds. What happens from one state tells nothing of another that leaves
        elsewhere."""
        tree = self._tree(state, resolution)
        known = tree.last
        if known is not None and self._fits(known, state):
            return Piece(known.run, state, 0, False, known)
        mark, node = hash(id(tree)), tree.root
        while node.unit is not None:
            held = self._digest(state, node.unit)
            mark = hash((mark, node.unit, held))
            if held not in node.children:
                return mark
            node = node.children[held]
        if node.known is not None and self._fits(node.known, state):
            return Piece(node.known.run, state, 0, False, node.known)
        for unit, expected in zip(node.asked, node.held, strict=True):
            held = self._digest(state, unit)
            mark = hash((mark, unit, held))
            if held != expected:
                break
        return mark

    def end_of(self, piece: Piece) -> DeviceState:
        """The state a stretch leaves: every unit it wrote, and all others as they were."""
        if piece.executed or piece.known is None:
            return piece.run.end
        known, start = piece.known, piece.start
        memory = tuple(
            self._left(number, before, chip)
            for number, (before, chip) in enumerate(zip(start.memory, known.chips, strict=True))
        )
        return replace(known.run.end, memory=memory, attempts_left=start.attempts_left - known.attempts_used)

    # -- inside --------------------------------------------------------------------------------------------

    def _run(self, state: DeviceState, resolution: str | None) -> Run:
        do = self._rig.stretch if self.is_enabled else self._rig.run
        return do(state, resolution=resolution)

    def _unshared(self, state: DeviceState, run: Run) -> Session:
        """A whole session from ``state``, which stands for no other: what is made of a run when nothing is cached."""
        self.misses += 1
        return Session((Piece(run, state, 0, True, None),), run.end)

    def _recognise(self, state: DeviceState, offset: int, resolution: str | None) -> Piece | None:
        """The stretch from ``state``, if it needs no run."""
        tree = self._tree(state, resolution)
        known = self._find_in(tree, state)
        if known is None:
            return None
        self.hits += 1
        tree.last = known
        return Piece(known.run, state, offset, False, known)

    def _find_in(self, tree: _Tree, state: DeviceState) -> Known | None:
        return tree.last if tree.last is not None and self._fits(tree.last, state) else self._find(tree.root, state)

    def _learn(self, state: DeviceState, run: Run, offset: int, resolution: str | None) -> Piece:
        """``run`` is what happened from ``state``."""
        self.misses += 1
        if run.trace is None:
            return Piece(run, state, offset, True, None)
        trace = run.trace
        for place in self._consults(run, not state.volatile):
            name = self._rig.chip_names[place.chip]
            for unit in self._grids[place.chip].units_in(place.address, place.size):
                trace.consulted_units.setdefault((name, unit))
        tree = self._tree(state, resolution)
        tree.last = self._insert(tree.root, state, run, trace)
        return Piece(run, state, offset, True, tree.last)

    def _tree(self, state: DeviceState, resolution: str | None) -> _Tree:
        return self._trees.setdefault(
            (state.cause, state.ram, state.volatile, state.outside, state.plan, resolution), _Tree()
        )

    def _left(self, number: int, before: Snapshot, chip: _Chip) -> Snapshot:
        changed = chip.left
        if chip.spliced:
            grid = self._grids[number]
            changed = dict(changed)
            for index, units, block in chip.spliced:
                changed[index] = grid.spliced(before.tree.block(index), block, units)
        return before.with_blocks(changed) if changed else before

    def _fits(self, known: Known, state: DeviceState) -> bool:
        if any(self._digest(state, question) != answer for question, answer in known.attempts_asked):
            return False
        return all(chip.footing.fits(memory.tree) for chip, memory in zip(known.chips, state.memory, strict=True))

    def _find(self, node: _Node | None, state: DeviceState) -> Known | None:
        while node is not None and node.unit is not None:
            node = node.children.get(self._digest(state, node.unit))
        if node is None or node.known is None or not self._fits(node.known, state):
            return None
        return node.known

    def _digest(self, state: DeviceState, unit: UnitAddress) -> bytes:
        if unit[0] == ATTEMPTS[0]:
            return b"1" if state.attempts_left > unit[1] else b""
        chip = self._chip[unit[0]]
        return self._grids[chip].held(state.memory[chip].tree, unit[1])

    def _insert(self, node: _Node, state: DeviceState, run: Run, trace: Trace) -> Known:
        asked = tuple(trace.consulted_units)
        held = {unit: self._digest(state, unit) for unit in asked}
        chips = tuple(self._chip_share(number, state, run, held) for number in range(len(state.memory)))
        questions = tuple((unit, answer) for unit, answer in held.items() if unit[0] == ATTEMPTS[0])
        known = Known(run, state.attempts_left - run.end.attempts_left, questions, chips)
        at = 0
        while True:
            if node.known is not None:
                assert at < len(asked) and node.asked, ENDED_AND_WENT_ON
                self._open(node)
            if node.unit is None:
                node.known, node.asked, node.held = known, asked[at:], tuple(held.values())[at:]
                return known
            assert at < len(asked), ENDED_AND_WENT_ON
            assert node.unit == asked[at], "two stretches with one past consult different units: please report"
            node = node.children.setdefault(held[asked[at]], _Node())
            at += 1

    @staticmethod
    def _open(leaf: _Node) -> None:
        """Ask for the first unit of a leaf's stretch here, and for the rest of them one step on."""
        further = _Node(None, {}, leaf.known, leaf.asked[1:], leaf.held[1:])
        leaf.unit, leaf.children = leaf.asked[0], {leaf.held[0]: further}
        leaf.known, leaf.asked, leaf.held = None, (), ()

    def _chip_share(self, number: int, state: DeviceState, run: Run, held: dict[UnitAddress, bytes]) -> _Chip:
        """What a stretch needs of one chip and leaves in it. ``held``: all it consulted."""
        assert run.trace is not None, "a stretch without a footprint is learned: please report"
        grid, name = self._grids[number], self._rig.chip_names[number]
        tree, after = state.memory[number].tree, run.end.memory[number].tree
        footing = grid.footing(tree, [unit for chip, unit in held if chip == name])
        by_block: dict[int, list[int]] = {}
        for chip, unit in run.trace.written:
            if chip == name:
                by_block.setdefault(grid.block_of(unit), []).append(unit)
        left: dict[int, Block] = {}
        spliced: list[tuple[int, tuple[int, ...], Block]] = []
        for index, units in by_block.items():
            if len(units) == len(grid.units_of(index)):
                left[index] = after.block(index)
            else:
                spliced.append((index, tuple(sorted(units)), after.block(index)))
        return _Chip(footing, left, tuple(spliced))
