"""Every way a session can be interrupted, and the state each leaves.

An *edge* is a point between two journal entries, or a tear of one operation. States are made by replaying the
journal's prefix on bench cells and tearing the next operation, never by running the firmware again.

Neighbours: `flash.tears` lists tears, `flights` says which operations are torn together, `workload` what else stands at
a point; `explore` and `walk` walk. Knows no check and no verdict.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from bootloader.decision import ResetCause
from emu.campaign.flights import flights
from emu.campaign.workload import Workload, time_at
from emu.errors import ScenarioError
from emu.events import ARMED, COMMIT_TIMER, DETOURS, FED, HANDOVER, HANG, WATCHDOG
from emu.rig import DeviceState, Rig, Run
from flash.cells import Cells
from flash.journal import Entry, Event, Interruption, Operation
from flash.replay import replay
from flash.snapshot import Snapshot
from flash.tears import Tear, TearSet, tear_named, tears_of, tears_together

CUT, RESET, TIMER = "cut", "reset", "timer"
EventName = Literal["reset", "hang", "timer"]
EVENT_NAMES: tuple[EventName, ...] = ("reset", "hang", "timer")
WHOLE = ("", CUT, *EVENT_NAMES, *DETOURS)
"""What leaves no operation torn."""


TOGETHER, UNTOUCHED = "_", "none"
"""Tears of one cut in several operations in flight, and one of them that it leaves as if it had not begun."""


def tears_in(how: str) -> list[Tear | None]:
    """The tears an edge's name says, the operation it is in first. Raises FlashError for one nobody knows."""
    return [None if name == UNTOUCHED else tear_named(name) for name in how.split(TOGETHER)]


def harshness(hows: Iterable[str]) -> int:
    """The tiers of the tears of some interruptions, added up; 0: nothing is torn."""
    torn = (how for how in hows if how not in WHOLE)
    return sum(tear.row.tier for how in torn for tear in tears_in(how) if tear is not None)


def kind_of(how: str) -> str:
    """An edge's name without its tears' arguments."""
    if how in WHOLE:
        return how
    return TOGETHER.join(UNTOUCHED if tear is None else tear.row.name for tear in tears_in(how))


@dataclass(frozen=True, slots=True)
class Edge:
    """An interruption of one session: at point ``entry``, or inside operation ``entry``.

    ``how`` is "cut" (power goes between two entries), "reset", "hang", "timer", or a tear's name (power goes
    inside). ``kind`` is the same without a tear's argument. With one of `DETOURS` nothing happens to the device: the
    session goes another way from its beginning.
    """

    entry: int
    how: str
    kind: str

    @property
    def is_torn(self) -> bool:
        return self.how not in WHOLE

    @property
    def is_detour(self) -> bool:
        return self.how in DETOURS

    def interruption(self) -> Interruption:
        """The same edge as something a live session can be given."""
        if self.is_torn:
            tear, *meanwhile = tears_in(self.how)
            return Interruption(self.entry, "power", tear, tuple(meanwhile))
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


_BETWEEN = 1 << 62
"""No point of any session."""


@dataclass(slots=True, eq=False)
class _Standing:
    """Where a walk has come: before entry ``point`` of the session from ``state``."""

    state: DeviceState
    entries: list[Entry]
    workload: Workload
    point: int = 0


class EdgeWalker:
    """Makes the children of one session. One walker holds one set of bench cells; nested walks need one each."""

    def __init__(self, rig: Rig, tears: TearSet, events: tuple[EventName, ...]) -> None:
        if events and not rig.capabilities.resets:
            raise ScenarioError(
                f"events {', '.join(events)}: this rig does not say what a reset finds at each point; an ElfRig is "
                "made for it by emu.elf.learned.with_resets"
            )
        self._rig = rig
        self._tears = tears
        self._events = events
        self._cells = dict(zip(rig.chip_names, rig.bench_cells(), strict=True))
        self._parts = dict(zip(rig.chip_names, rig.parts, strict=True))
        self._flown: tuple[list[Entry], dict[int, list[int]]] = ([], {})
        self._stands: _Standing | None = None

    def children(self, state: DeviceState, run: Run, first: int = 0) -> Iterator[Child]:
        """Every edge of the session in journal order from entry ``first`` on, each with its state."""
        stands, together, detours = self._go_to(state, run, first), self._flights_of(run), self.detours(state, run)
        workload = stands.workload
        for index, entry in enumerate(run.entries[first:], first):
            workload.stand_at(run, index)
            yield from self.at_point(index, time_at(run, index), workload)
            if isinstance(entry, Operation) or index in together:
                others = [run.entries[other] for other in together.get(index, ())]
                yield from self.torn(index, [entry, *others], workload)
            yield from (child for child in detours if child.edge.entry == index)
            self._step(stands, entry)
        workload.stand_at(run, len(run.entries))
        yield from self.at_point(len(run.entries), run.end_us, workload)

    def counts(self, state: DeviceState, run: Run) -> tuple[int, ...]:
        """How many edges `children` makes at each entry of the session, and behind the last one. Makes no state."""
        counts = [1] * (len(run.entries) + 1)
        for child in self.detours(state, run):
            counts[child.edge.entry] += 1
        if not (self._events or self._tears.tiers):
            return tuple(counts)
        stands, together = self._go_to(state, run, 0), self._flights_of(run)
        workload = stands.workload
        for index, entry in enumerate(run.entries):
            workload.stand_at(run, index)
            counts[index] += len(self._possible(workload))
            if isinstance(entry, Operation) or index in together:
                others = [run.entries[other] for other in together.get(index, ())]
                counts[index] += sum(1 for _ in self._ways([entry, *others]))
            self._step(stands, entry)
        workload.stand_at(run, len(run.entries))
        counts[-1] += len(self._possible(workload))
        return tuple(counts)

    def find(self, state: DeviceState, run: Run, entry: int, how: str) -> Child | None:
        """One child, by its edge; None when the session has no such edge. The walker then stands right before it."""
        if entry > len(run.entries):
            return None
        workload = self._go_to(state, run, entry).workload
        children = list(self.at_point(entry, time_at(run, entry), workload))
        others = self._flights_of(run).get(entry, [])
        if entry < len(run.entries) and (others or isinstance(run.entries[entry], Operation)):
            children += self.torn(entry, [run.entries[other] for other in (entry, *others)], workload)
        children += (child for child in self.detours(state, run) if child.edge.entry == entry)
        return next((child for child in children if child.edge.how == how), None)

    def detours(self, state: DeviceState, run: Run) -> list[Child]:
        """The detours of a session, each with the state it begins in."""
        found = self._rig.detours(state, run)
        return [Child(Edge(d.entry, d.how, d.how), replace(state, plan=d.plan), "") for d in found]

    # -- one place at a time -------------------------------------------------------------------------------

    def stand(self, memory: Sequence[Snapshot]) -> None:
        """Make the bench cells what ``memory`` says."""
        self._stands = None
        for cells, snapshot in zip(self._cells.values(), memory, strict=True):
            cells.restore(snapshot)

    def advance(self, entry: Entry) -> None:
        """What ``entry`` did is done to the bench cells."""
        self._stands = None
        if isinstance(entry, Operation):
            replay(self._cells[entry.device], entry)

    def memory(self) -> tuple[Snapshot, ...]:
        return tuple(cells.snapshot() for cells in self._cells.values())

    def cells(self, chip: str) -> Cells:
        """The bench cells of one chip, as the walk has left them."""
        return self._cells[chip]

    def _go_to(self, state: DeviceState, run: Run, point: int) -> _Standing:
        """To a point of a session: from where the walker stands, if that is further ahead in the same one."""
        stands = self._stands
        if stands is None or stands.point > point or stands.state is not state or stands.entries is not run.entries:
            self.stand(state.memory)
            stands = self._stands = _Standing(state, run.entries, Workload(state))
        for done in run.entries[stands.point : point]:
            self._step(stands, done)
        stands.workload.stand_at(run, point)
        return stands

    def _step(self, stands: _Standing, entry: Entry) -> None:
        """Past ``entry``. Who is interrupted meanwhile stands nowhere."""
        point, stands.point = stands.point, _BETWEEN
        if isinstance(entry, Operation):
            replay(self._cells[entry.device], entry)
        else:
            stands.workload.apply(entry)
        stands.point = point + 1

    def _flights_of(self, run: Run) -> dict[int, list[int]]:
        """`flights` of a session; of the last one they are remembered."""
        if self._flown[0] is not run.entries:
            self._flown = (run.entries, flights(run.entries))
        return self._flown[1]

    def at_point(self, number: int, now_us: int, workload: Workload) -> Iterator[Child]:
        """The edges at the point before entry ``number`` of a session, where the walker stands."""
        memory, running = self.memory(), workload.running
        yield Child(Edge(number, CUT, CUT), workload.cut(memory), running)
        for event in self._possible(workload):
            cause = self._cause(event, now_us, workload)
            ram = () if cause is None else workload.ram
            state = replace(workload.cut(memory), cause=cause or "power", ram=ram)
            yield Child(Edge(number, event, event), state, running, stuck=cause is None)

    def torn(self, number: int, operations: Sequence[Entry], workload: Workload) -> Iterator[Child]:
        """The edges inside the first of ``operations``, entry ``number`` of its session. The others are in flight with
        it, and torn as well, in every combination. Where that entry is none, the edges right before it."""
        operation = operations[0]
        if len(operations) > 1:
            yield from self._torn_together(number, operations, workload)
            return
        assert isinstance(operation, Operation), "only operations can be torn: please report"
        cells = self._cells[operation.device]
        before = cells.snapshot()
        for (tear,) in list(self._ways(operations)):
            assert tear is not None, "a tear of an operation that is alone: please report"
            tear.apply(cells, operation)
            state = workload.cut(self.memory())
            cells.restore(before)
            yield Child(Edge(number, tear.name, tear.row.name), state, workload.running)

    def _torn_together(self, number: int, operations: Sequence[Entry], workload: Workload) -> Iterator[Child]:
        chips = list(self._cells)
        others = [op for op in operations[1:] if isinstance(op, Operation)]
        others.sort(key=lambda op: chips.index(op.device))  # chip after chip, as they lose their power
        first = [op for op in operations[:1] if isinstance(op, Operation)]
        in_flight = [*first, *others]
        before = self.memory()
        for way in list(self._ways(in_flight)):
            for tear, operation in zip(way, in_flight, strict=True):
                if tear is not None:
                    tear.apply(self._cells[operation.device], operation)
            state = workload.cut(self.memory())
            self.stand(before)
            tears = way if first else (None, *way)
            how = TOGETHER.join(UNTOUCHED if tear is None else tear.name for tear in tears)
            kind = TOGETHER.join(UNTOUCHED if tear is None else tear.row.name for tear in tears)
            yield Child(Edge(number, how, kind), state, workload.running)

    def _ways(self, operations: Sequence[Entry]) -> Iterator[tuple[Tear | None, ...]]:
        """Every way of tearing operations in flight together: the tear of each."""
        in_flight = [
            (self._parts[op.device], self._cells[op.device], op) for op in operations if isinstance(op, Operation)
        ]
        if len(in_flight) == 1:
            yield from ((tear,) for tear in tears_of(*in_flight[0], self._tears))
        else:
            yield from (tears for tears in tears_together(in_flight, self._tears) if any(tears))

    def _possible(self, workload: Workload) -> list[EventName]:
        return [event for event in self._events if event != TIMER or workload.timer == ARMED or workload.watchdog]

    def _cause(self, event: EventName, now_us: int, workload: Workload) -> ResetCause | None:
        """What resets the device after ``event``; None: nothing does."""
        if event == RESET:
            return "pin"
        if workload.watchdog:
            return workload.watchdog  # type: ignore[return-value]  # chips have more causes than boards
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
