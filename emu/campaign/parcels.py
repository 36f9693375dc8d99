"""What travels between a campaign and its workers when they execute single stretches: states and runs, made small.

A state is its difference from the factory's memory, which both sides have; the end of a run is its difference from its
beginning. Blocks are named by their 128-bit keys. Their contents go along where the other side is not known to have
them: a worker keeps what it was sent, a coordinator whatever it has sent. Parcels are tuples, which pickle fastest.

Neighbours: `runner` is both ends. Knows the rig's contract only.
"""

from __future__ import annotations

import zlib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any, NamedTuple

from bootloader.decision import ResetCause
from emu.rig import DeviceState, Kept, Outcome, Plan, Run
from flash.grid import Grids
from flash.journal import Entry, Operation
from flash.snapshot import Block, Snapshot
from flash.trace import Trace, UnitAddress

Blocks = dict[bytes, Block]
"""Blocks by their keys."""


class _Memory(NamedTuple):
    """One chip: blocks that differ, by index, as keys. ``wear``: erase counts, compressed; b"": the same ones."""

    changed: tuple[tuple[int, bytes], ...]
    wear: bytes


class PackedState(NamedTuple):
    """A state as its difference from a memory that the other side has."""

    memory: tuple[_Memory, ...]
    cause: ResetCause
    attempts_left: int
    ram: tuple[tuple[str, int], ...]
    volatile: bytes
    outside: Hashable
    plan: Plan

    def unpacked(self, base: Sequence[Snapshot], blocks: Mapping[bytes, Block]) -> DeviceState:
        """The state. ``blocks`` must hold all of `keys`."""
        memory = tuple(_unpacked(chip, before, blocks) for chip, before in zip(self.memory, base, strict=True))
        return DeviceState(memory, self.cause, self.attempts_left, self.ram, self.volatile, self.outside, self.plan)

    @property
    def keys(self) -> list[bytes]:
        return [key for chip in self.memory for _, key in chip.changed]


class Item(NamedTuple):
    """One stretch to be executed. ``is_whole``: the whole session, past all waypoints."""

    state: PackedState
    resolution: str | None
    is_whole: bool
    contents: dict[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Lacks:
    """The answer to an item of whose blocks some are not known here: it must be sent with all of their contents."""


_fields_of = attrgetter(*(field.name for field in fields(Operation)))


class _Entries(NamedTuple):
    """A journal, its operations in columns: a third of the bytes and a quarter of the time of pickled entries.
    ``others``: what is no operation, by its place."""

    columns: tuple[tuple[Any, ...], ...]
    others: tuple[tuple[int, Entry], ...]

    @classmethod
    def of(cls, entries: Sequence[Entry]) -> _Entries:
        operations = [entry for entry in entries if isinstance(entry, Operation)]
        others = [(at, entry) for at, entry in enumerate(entries) if not isinstance(entry, Operation)]
        return cls(tuple(zip(*map(_fields_of, operations), strict=True)), tuple(others))

    def unpacked(self) -> list[Entry]:
        operations: list[Entry] = list(map(Operation, *self.columns)) if self.columns else []
        if not self.others:
            return operations
        others, following = dict(self.others), iter(operations)
        count = len(operations) + len(others)
        return [others[at] if at in others else next(following) for at in range(count)]


class _Trace(NamedTuple):
    consulted: tuple[UnitAddress, ...]
    determined: tuple[UnitAddress, ...]
    written: tuple[UnitAddress, ...]


class PackedRun(NamedTuple):
    """What happened in a stretch. ``end`` differs from the state it began in."""

    entries: _Entries
    outcome: Outcome
    end: PackedState
    end_us: int
    trace: _Trace | None
    met_weak: bool
    kept: tuple[Kept, ...]
    missed: tuple[int, ...]
    contents: dict[bytes, bytes]

    def unpacked(self, start: DeviceState, grids: Grids, known: Mapping[bytes, Block]) -> Run:
        """The run, which began at ``start``."""
        blocks = {key: known[key] for key in self.end.keys if key not in self.contents}
        blocks |= {key: known.get(key) or Block(content) for key, content in self.contents.items()}
        trace = None
        if self.trace is not None:
            trace = Trace(grids)
            trace.consulted_units = dict.fromkeys(self.trace.consulted)
            trace.determined, trace.written = set(self.trace.determined), set(self.trace.written)
        end = self.end.unpacked(start.memory, blocks)
        return Run(
            self.entries.unpacked(), self.outcome, end, self.end_us, trace, self.met_weak, self.kept, self.missed
        )


def packed_state(state: DeviceState, base: Sequence[Snapshot], used: Blocks) -> PackedState:
    """``state`` as its difference from ``base``; the blocks it names are added to ``used``."""
    memory = tuple(_packed(now, before, used) for now, before in zip(state.memory, base, strict=True))
    return PackedState(memory, state.cause, state.attempts_left, state.ram, state.volatile, state.outside, state.plan)


def packed_run(run: Run, start: DeviceState, known: Mapping[bytes, Block]) -> PackedRun:
    """``run``, which began at ``start``, for somebody who has the blocks ``known``."""
    used: Blocks = {}
    end = packed_state(run.end, start.memory, used)
    contents = {key: block.content for key, block in used.items() if key not in known}
    trace = run.trace
    units = (
        None
        if trace is None
        else _Trace(tuple(trace.consulted_units), _sorted(trace.determined), _sorted(trace.written))
    )
    kept = tuple(run.kept)
    entries = _Entries.of(run.entries)
    return PackedRun(entries, run.outcome, end, run.end_us, units, run.met_weak, kept, run.missed, contents)


def blocks_of(memory: Sequence[Snapshot]) -> Blocks:
    """All blocks of a memory."""
    return {block.key: block for snapshot in memory for block in snapshot.tree.blocks()}


def _packed(now: Snapshot, before: Snapshot, used: Blocks) -> _Memory:
    changed = []
    for index in now.tree.differing(before.tree):
        block = now.tree.block(index)
        if not block.same(before.tree.block(index)):
            used[block.key] = block
            changed.append((index, block.key))
    return _Memory(tuple(changed), b"" if now.wear == before.wear else zlib.compress(now.wear, 1))


def _unpacked(chip: _Memory, before: Snapshot, blocks: Mapping[bytes, Block]) -> Snapshot:
    if not chip.changed and not chip.wear:
        return before
    tree = before.tree.replaced({index: blocks[key] for index, key in chip.changed})
    return Snapshot(tree, zlib.decompress(chip.wear) if chip.wear else before.wear)


def _sorted(units: set[UnitAddress]) -> tuple[UnitAddress, ...]:
    """In one order, whoever made the set."""
    return tuple(sorted(units))
