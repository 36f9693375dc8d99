"""Follow a token through the real code path: live interruptions, no snapshots of prefixes.

A campaign makes states by replaying journal prefixes; a replay cuts the running firmware itself. Both must leave the
same cells, and this module insists on it: a difference is our own fault, never a finding.

Neighbours: `judge` judges the chain after the last interruption. Returns a `Story`; `report` tells it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from bootloader.config import Configs
from emu.campaign.blame import two_ways
from emu.campaign.breach import Breach
from emu.campaign.checks import at_once
from emu.campaign.config_watch import ConfigWatch
from emu.campaign.edges import EVENT_NAMES, TIMER, EdgeWalker, tears_in
from emu.campaign.golden import failures
from emu.campaign.judge import Judge, State
from emu.campaign.monitor import Monitor
from emu.campaign.token import Token
from emu.campaign.verdict import Step
from emu.campaign.workload import time_at
from emu.errors import TokenError
from emu.events import DETOURS, HANDOVER, NEW
from emu.rig import DeviceState, Outcome, Rig, Run
from flash.journal import Entry, Event, Interruption, Operation
from flash.tears import EVERY_TEAR, Tear, TearSet


@dataclass(frozen=True, slots=True)
class Torn:
    """What the tear of an operation could reach, from ``address`` on, before and after; ``weak`` masks weak bits."""

    operation: Operation
    address: int
    before: bytes
    after: bytes
    weak: bytes


@dataclass(frozen=True, slots=True)
class Session:
    """One session of the story. ``configs``: both config copies as they stood at its reset, read by the book. ``step``
    is set when it was interrupted, ``torn`` when inside an operation. ``struck_us``: when that was, in microseconds
    since its reset; inside an operation, when that began."""

    state: DeviceState
    run: Run
    configs: Configs | None
    step: Step | None = None
    torn: Torn | None = None
    struck_us: int = 0


@dataclass(frozen=True, slots=True)
class Story:
    """What happened from the factory state to the end, and what it broke. A session that the world makes go another way
    is told as it went, once. ``fault``: the name of what else was wrong;
    ``told``: that in words."""

    sessions: list[Session]
    outcome: Outcome
    breaches: list[Breach]
    fault: str = ""
    told: str = ""


@dataclass(frozen=True, slots=True)
class Approach:
    """Where a path is interrupted: the session that begins at ``state``, by ``interruption`` (None: it never is).
    ``session``: its number, from 1 on; ``entries``: what it does without; ``expected``: what the interruption leaves,
    as a key."""

    state: DeviceState
    session: int
    entries: list[Entry]
    interruption: Interruption | None = None
    expected: bytes = b""


def approach(rig: Rig, token: Token, number: int, seed: int = 0) -> Approach:
    """The way to interruption ``number`` of ``token``, from 1 on; 0: to the first session, which nothing interrupts.

    Raises TokenError as `follow` does, and for a number there is not.
    """
    token.check_inputs(rig.inputs)
    if not 0 <= number <= len(token.path):
        raise TokenError(f"the token has {len(token.path)} interruptions, from 1 on; there is no number {number}")
    state, session, readings = rig.initial(token.attempts), 1, iter(token.readings)
    tears = replace(EVERY_TEAR, seed=seed)
    for step in token.path[:number]:
        for passed in range(step.run):
            run, _ = _read(rig, state, readings)
            if run.outcome.kind != "reset":
                raise _ended_before(step, passed, run)
            state, session = run.end, session + 1
        if step is token.path[number - 1]:
            whole, _ = _read(rig, state, readings)
            child = _walker(rig, tears).find(state, whole, step.entry, step.how)
            if child is None:
                raise _misplaced(step, _no_edge(whole, step))
            return Approach(state, session, whole.entries, child.edge.interruption(), child.state.key)
        state = _interrupted(rig, state, step, tears, readings).run.end
        session += 1
    return Approach(state, session, rig.run(state).entries)


def follow(rig: Rig, judge: Judge, token: Token, seed: int = 0) -> Story:
    """Replay ``token``; ``seed``: of the tears that are drawn.

    Raises TokenError when its inputs or its places do not exist here.
    """
    token.check_inputs(rig.inputs)
    readings = iter(token.readings)
    state = State(rig.initial(token.attempts), Monitor())
    sessions: list[Session] = []
    breaches: list[Breach] = []
    for step in token.path:
        for number in range(step.run):
            run, _ = _read(rig, state.device, readings)
            if run.outcome.kind != "reset":
                raise _ended_before(step, number, run)
            sessions.append(Session(state.device, run, _configs(rig, state.device)))
            state = State(run.end, _monitor_after(state.monitor, run, len(run.entries)))
        if step.how in DETOURS:
            state = State(_detoured(rig, state.device, step, readings), state.monitor)
            continue
        session = _interrupted(rig, state.device, step, replace(EVERY_TEAR, seed=seed), readings)
        sessions.append(session)
        state = State(session.run.end, _monitor_after(state.monitor, session.run, step.entry))
        is_stuck = session.run.outcome.kind == "hung" and _entered_new(session.run.entries[: step.entry])
        for check, message, _ in at_once(step.how == TIMER, NEW if is_stuck else "", state.device, state.monitor, rig):
            if check in judge.checks:
                breaches.append(Breach(check, step.entry, message))
    chain = judge.chain(state, readings)
    if not token.path:
        breaches += failures(chain, rig)
    for judged in chain.sessions:
        sessions.append(Session(judged.state.device, judged.run, _configs(rig, judged.state.device)))
    return Story(sessions, chain.outcome, breaches + chain.breaches)


def _read(rig: Rig, state: DeviceState, readings: Iterator[str]) -> tuple[Run, str | None]:
    """A session; where it meets weak cells, with the next of ``readings``. And what it was run with."""
    run = rig.run(state)
    resolution = next(readings, None) if run.met_weak else None
    return (run, None) if resolution is None else (rig.run(state, resolution=resolution), resolution)


def _interrupted(rig: Rig, state: DeviceState, step: Step, tears: TearSet, readings: Iterator[str]) -> Session:
    """Cut the running session, and hold what it leaves against the state a campaign makes for the same edge."""
    whole, resolution = _read(rig, state, readings)
    walker = _walker(rig, tears)
    child = walker.find(state, whole, step.entry, step.how)
    if child is None:
        raise _misplaced(step, _no_edge(whole, step))
    run = rig.run(state, child.edge.interruption(), resolution=resolution)
    same = replace(child.state, memory=()) == replace(run.end, memory=())
    same = same and all(made.same(cut) for made, cut in zip(child.state.memory, run.end.memory, strict=True))
    if not same:
        raise two_ways(rig, f"cutting live at {step} differs from replaying the prefix")
    operation = whole.entries[step.entry] if child.edge.is_torn else None
    torn = None
    if isinstance(operation, Operation):
        tear = tears_in(step.how)[0]
        torn = None if tear is None else _torn(rig, walker, tear, operation, child.state)
    return Session(state, run, _configs(rig, state), step, torn, time_at(whole, step.entry))


def _walker(rig: Rig, tears: TearSet) -> EdgeWalker:
    return EdgeWalker(rig, tears, EVENT_NAMES if rig.capabilities.resets else ())


def _detoured(rig: Rig, state: DeviceState, step: Step, readings: Iterator[str]) -> DeviceState:
    """What the session begins with that goes another way at ``step``: it takes the place of the one that does not."""
    whole, _ = _read(rig, state, readings)
    found = next((d for d in rig.detours(state, whole) if (d.entry, d.how) == (step.entry, step.how)), None)
    if found is None:
        raise _misplaced(step, "nothing is sent there that the network could do this to")
    return replace(state, plan=found.plan)


def _configs(rig: Rig, state: DeviceState) -> Configs | None:
    return ConfigWatch(state, rig.places, rig).configs if rig.places.configs else None


def _misplaced(step: Step, why: str) -> TokenError:
    return TokenError(f"the token's place {step.run}.{step.entry}.{step.how} does not exist: {why}")


def _ended_before(step: Step, number: int, run: Run) -> TokenError:
    return _misplaced(
        step,
        f"there is no session {step.run} (counted from 0), the device comes to rest in session {number} "
        f"({run.outcome})",
    )


def _no_edge(run: Run, step: Step) -> str:
    """Why a session has no such place."""
    last = len(run.entries)
    if step.entry > last:
        return f"session {step.run} has the places 0 to {last}"
    entry = run.entries[step.entry] if step.entry < last else None
    what = f"{entry.kind} of {entry.length} bytes" if isinstance(entry, Operation) else "what stands there"
    return f"{what} cannot be interrupted like that"


def _torn(rig: Rig, walker: EdgeWalker, tear: Tear, operation: Operation, after: DeviceState) -> Torn:
    """The reach of the tear before (where the walker stands) and after (in ``after``)."""
    chip = rig.chip_names.index(operation.device)
    cells = walker.cells(operation.device)
    extents = tear.row.reach(cells, operation)
    address = min(start for start, _ in extents)
    length = max(start + size for start, size in extents) - address
    before = cells.read(address, length)
    cells.restore(after.memory[chip])
    weak = bytes(length) if cells.weak is None else cells.weak.mask[address : address + length].tobytes()
    return Torn(operation, address, before, cells.read(address, length), weak)


def _entered_new(entries: list[Entry]) -> bool:
    return any(isinstance(e, Event) and e.name == HANDOVER and e.facts[1] == NEW for e in entries)


def _monitor_after(monitor: Monitor, run: Run, point: int) -> Monitor:
    for entry in run.entries[:point]:
        if isinstance(entry, Event):
            monitor = monitor.after(entry)
    return monitor.at_reset
