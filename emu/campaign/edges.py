"""Every way a session can be interrupted, and the state each leaves.

An *edge* is a point between two journal entries, or a tear of one operation. States are made by replaying the
journal's prefix on bench cells and tearing the next operation, never by running the firmware again.

Neighbours: `flash.tears` lists tears, `explore` walks. Knows no check and no verdict.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from bootloader.decision import ResetCause
from emu.events import ARMED, ATTEMPT, COMMIT_TIMER, FED, HANDOVER, HANG, RETAINED, STOPPED, WATCHDOG
from emu.rig import DeviceState, Rig, Run
from flash.cells import Cells
from flash.journal import Entry, Event, Interruption, Operation
from flash.replay import replay
from flash.snapshot import Snapshot
from flash.tears import TearSet, tear_named, tears_of

CUT, RESET, TIMER = "cut", "reset", "timer"
EventName = Literal["reset", "hang", "timer"]
EVENT_NAMES: tuple[EventName, ...] = ("reset", "hang", "timer")


@dataclass(frozen=True, slots=True)
class Edge:
    """An interruption of one session: at point ``entry``, or inside operation ``entry``.

    ``how`` is "cut" (power goes between two entries), "reset", "hang", "timer", or a tear's name (power goes
    inside). ``kind`` is the same without a tear's argument.
    """

    entry: int
    how: str
    kind: str

    @property
    def is_torn(self) -> bool:
        return self.how not in (CUT, *EVENT_NAMES)

    def interruption(self) -> Interruption:
        """The same edge as something a live session can be given."""
        if self.is_torn:
            return Interruption(self.entry, "power", tear_named(self.how))
        cause = {CUT: "power", RESET: "pin", HANG: HANG, TIMER: COMMIT_TIMER}[self.how]
        return Interruption(self.entry, cause)


@dataclass(frozen=True, slots=True)
class Child:
    """Where an edge leads. ``running``: the image entered in this session so far, "" while the bootloader runs.

    ``stuck``: the device stands still and no timer ends it; ``state`` is then what somebody finds who pulls the plug.
    """

    edge: Edge
    state: DeviceState
    running: str
    stuck: bool = False


class EdgeWalker:
    """Makes the children of one session. One walker holds one set of bench cells; nested walks need one each."""

    def __init__(self, rig: Rig, tears: TearSet, events: tuple[EventName, ...]) -> None:
        self._rig = rig
        self._tears = tears
        self._events = events
        self._cells = dict(zip(rig.chip_names, rig.bench_cells(), strict=True))
        self._parts = dict(zip(rig.chip_names, rig.parts, strict=True))

    def children(self, state: DeviceState, run: Run, first: int = 0) -> Iterator[Child]:
        """Every edge of the session in journal order from entry ``first`` on, each with its state."""
        workload = self._restore(state)
        for index, entry in enumerate(run.entries):
            if index >= first:
                yield from self._point(index, run, workload)
                if isinstance(entry, Operation):
                    yield from self._torn(index, entry, workload)
            self._do(entry, workload)
        yield from self._point(len(run.entries), run, workload)

    def counts(self, state: DeviceState, run: Run) -> tuple[int, ...]:
        """How many edges `children` makes at each entry of the session, and behind the last one. Makes no state."""
        workload, counts = self._restore(state), []
        for entry in run.entries:
            count = 1 + len(self._possible(workload))
            if isinstance(entry, Operation):
                cells, part = self._cells[entry.device], self._parts[entry.device]
                count += sum(1 for _ in tears_of(part, cells, entry, self._tears))
            counts.append(count)
            self._do(entry, workload)
        return (*counts, 1 + len(self._possible(workload)))

    def find(self, state: DeviceState, run: Run, entry: int, how: str) -> Child | None:
        """One child, by its edge; None when the session has no such edge. The walker then stands right before it."""
        if entry > len(run.entries):
            return None
        workload = self._restore(state)
        for done in run.entries[:entry]:
            self._do(done, workload)
        children = list(self._point(entry, run, workload))
        following = run.entries[entry] if entry < len(run.entries) else None
        if isinstance(following, Operation):
            children += self._torn(entry, following, workload)
        return next((child for child in children if child.edge.how == how), None)

    def cells(self, chip: str) -> Cells:
        """The bench cells of one chip, as the walk has left them."""
        return self._cells[chip]

    def _restore(self, state: DeviceState) -> _Workload:
        """Stand at the beginning of a session."""
        for cells, snapshot in zip(self._cells.values(), state.memory, strict=True):
            cells.restore(snapshot)
        return _Workload(state)

    def _do(self, entry: Entry, workload: _Workload) -> None:
        """Go on behind ``entry``."""
        if isinstance(entry, Operation):
            replay(self._cells[entry.device], entry)
        elif isinstance(entry, Event):
            workload.apply(entry)

    def _possible(self, workload: _Workload) -> list[EventName]:
        return [event for event in self._events if event != TIMER or workload.timer == ARMED]

    def _point(self, index: int, run: Run, workload: _Workload) -> Iterator[Child]:
        memory, running = self._memory(), workload.running
        yield Child(Edge(index, CUT, CUT), DeviceState(memory, "power", workload.attempts_left), running)
        for event in self._possible(workload):
            cause = self._cause(event, _time_at(run, index), workload)
            ram = () if cause is None else workload.ram
            state = DeviceState(memory, cause or "power", workload.attempts_left, ram)
            yield Child(Edge(index, event, event), state, running, stuck=cause is None)

    def _cause(self, event: EventName, now_us: int, workload: _Workload) -> ResetCause | None:
        """What resets the device after ``event``; None: nothing does."""
        if event == RESET:
            return "pin"
        if event == TIMER:
            return COMMIT_TIMER
        alarms: list[tuple[int, ResetCause]] = []
        if workload.timer == ARMED:
            alarms.append((workload.armed_us + workload.timeout_us, COMMIT_TIMER))
        if workload.timer == FED and workload.timeout_us:
            alarms.append((now_us + workload.timeout_us, COMMIT_TIMER))
        if self._rig.watchdog_us:
            alarms.append((now_us + self._rig.watchdog_us, WATCHDOG))
        return min(alarms)[1] if alarms else None

    def _torn(self, index: int, operation: Operation, workload: _Workload) -> Iterator[Child]:
        cells = self._cells[operation.device]
        before = cells.snapshot()
        for tear in list(tears_of(self._parts[operation.device], cells, operation, self._tears)):
            tear.apply(cells, operation)
            state = DeviceState(self._memory(), "power", workload.attempts_left)
            cells.restore(before)
            yield Child(Edge(index, tear.name, tear.row.name), state, workload.running)

    def _memory(self) -> tuple[Snapshot, ...]:
        return tuple(cells.snapshot() for cells in self._cells.values())


class LiveWalker:
    """Children of a rig that cannot take snapshots: every edge is reached by running the workload again.

    A child's state is a handle that is good for the next session only, so it has to be judged before the next child
    is asked for. Clean cuts and pulled resets only; the first layer only.
    """

    def __init__(self, rig: Rig, attempts: int, events: tuple[EventName, ...]) -> None:
        self._rig = rig
        self._attempts = attempts
        self._events = events

    def children(self, before: int, run: Run) -> Iterator[Child]:
        """Every edge of a session that comes ``before`` sessions after the factory state."""
        running = ""
        for index in range(len(run.entries) + 1):
            yield self._cut(before, Edge(index, CUT, CUT), running)
            if RESET in self._events:
                yield self._cut(before, Edge(index, RESET, RESET), running)
            entry = run.entries[index] if index < len(run.entries) else None
            if isinstance(entry, Event) and entry.name == HANDOVER:
                running = entry.facts[1]

    def _cut(self, before: int, edge: Edge, running: str) -> Child:
        state = self._rig.initial(self._attempts)
        for _ in range(before):
            state = self._rig.run(state).end
        return Child(edge, self._rig.run(state, edge.interruption()).end, running)


def _time_at(run: Run, index: int) -> int:
    """Microseconds since reset at a point: when the next entry begins, or when the session ends."""
    if index == len(run.entries):
        return run.end_us
    entry = run.entries[index]
    return entry.start_us if isinstance(entry, Operation) else entry.time_us


class _Workload:
    """The part of the state that events move: attempts left, retained RAM, timer, running image."""

    def __init__(self, state: DeviceState) -> None:
        self.attempts_left = state.attempts_left
        self.timer = STOPPED
        self.armed_us = self.timeout_us = 0
        self.running = ""
        self._ram = dict(state.ram)

    @property
    def ram(self) -> tuple[tuple[str, int], ...]:
        return tuple(sorted(self._ram.items()))

    def apply(self, event: Event) -> None:
        if event.name == ATTEMPT:
            self.attempts_left -= 1
        elif event.name in (ARMED, STOPPED, FED):
            self.timer = event.name
            if event.name == ARMED:
                self.armed_us, self.timeout_us = event.time_us, event.facts[0] * 1_000_000
        elif event.name == HANDOVER:
            self.running = event.facts[1]
        elif event.name == RETAINED:
            self._ram[event.facts[0]] = event.facts[1]
