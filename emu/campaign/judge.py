"""A state, judged: let the device run until it settles, and hold every session on the way against the checks.

The sessions from a state to the next settled end are its *chain*. Two checks look beyond one session and are judged
here: `wear` over the whole chain, `retries` by one more uncut update from its end.

Neighbours: `cache` runs or recognises sessions, `checks` has the rows, `explore` and `replay` ask. Knows no edge.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

from emu.board import CheckEntry
from emu.campaign.breach import Breach
from emu.campaign.cache import Piece, RunCache, Session
from emu.campaign.checks import Check, Scene, monitors_of, places_consulted, rows_of
from emu.campaign.edges import Edge
from emu.campaign.monitor import Monitor
from emu.campaign.verdict import Coverage
from emu.campaign.wear import Erased, erases_of, worn_out
from emu.events import DECIDED, MERGE_FAILED, NEW, REFUSED
from emu.rig import DeviceState, Outcome, Rig, Run
from flash.journal import Event


class Missed(Exception):
    """A session has looked at ``words`` of RAM that its state leaves out: with a rig that keeps them, everything has to
    be done again."""

    def __init__(self, words: tuple[int, ...]) -> None:
        super().__init__(f"{len(words)} words of RAM that were left out of states are read after a reset")
        self.words = words


@dataclass(frozen=True, slots=True)
class State:
    """A device and what the checks remember about it."""

    device: DeviceState
    monitor: Monitor

    @property
    def key(self) -> tuple[bytes, Monitor]:
        return self.device.key, self.monitor


@dataclass(frozen=True, slots=True)
class JudgedPiece:
    """One stretch: the monitor at every point of it, and what it broke (entries counted from its own beginning)."""

    monitors: list[Monitor]
    breaches: list[Breach]


@dataclass(frozen=True)
class Judged:
    """One session of a chain: what it did, what was broken, stretch by stretch."""

    state: State
    session: Session
    pieces: list[JudgedPiece]

    @property
    def run(self) -> Run:
        return self.session.run

    @cached_property
    def monitors(self) -> list[Monitor]:
        """The monitor at every point of the session."""
        return [m for piece in self.pieces[:-1] for m in piece.monitors[:-1]] + self.pieces[-1].monitors

    @cached_property
    def breaches(self) -> list[Breach]:
        """What the session broke, at entries of the session."""
        pairs = zip(self.session.pieces, self.pieces, strict=True)
        return [replace(b, entry=b.entry + piece.offset) for piece, judged in pairs for b in judged.breaches]

    @property
    def after(self) -> Monitor:
        """What is remembered after it."""
        return self.pieces[-1].monitors[-1].at_reset

    def remembered(self, edge: Edge) -> Monitor:
        """What is remembered where ``edge`` of the session leads. A detour is no reset: the past is that before it."""
        return self.monitors[0] if edge.is_detour else self.monitors[edge.entry].at_reset


@dataclass(slots=True)
class Chain:
    """The sessions from a state until the device settles, and everything they broke. ``executed``: at least one
    session, the next update's included, was run for it."""

    sessions: list[Judged]
    outcome: Outcome
    breaches: list[Breach]
    executed: bool


class Judge:
    """The checks of one campaign on one rig. ``cover`` counts what was run and what each check had to judge. ``own``:
    checks of the campaign itself, known besides those of the table and of the rig."""

    def __init__(
        self, rig: Rig, bounds: CheckEntry, *, checks: tuple[str, ...], cache: bool, cover: Coverage,
        own: Sequence[Check] = (),
    ) -> None:  # fmt: skip
        self.checks = checks
        known = rows_of(rig) | {check.name: check for check in own}
        rows = [known[name] for name in checks]
        self.cache = RunCache(rig, partial(places_consulted, rows, rig), enabled=cache)
        self._rig = rig
        self._bounds = bounds
        self._cover = cover
        self._remembers = cache
        self._rows = rows
        self._judged: dict[tuple[int, Monitor], JudgedPiece] = {}
        self._erased: dict[int, Counter[Erased]] = {}
        self._erased_together: dict[tuple[int, ...], Counter[Erased]] = {}
        self._runs_kept: dict[int, Run] = {}

    def chain(self, state: State, readings: Iterable[str] = ()) -> Chain:
        """Let the device run from ``state`` until it settles, and judge every session on the way. ``readings``: for
        sessions that meet weak cells, one after the other, what these read as."""
        reading = iter(readings)
        sessions: list[Judged] = []
        breaches: list[Breach] = []
        before = self._cover.runs
        while True:
            judged = self.judged(state, self._read(state, reading))
            sessions.append(judged)
            breaches += judged.breaches
            end = len(judged.run.entries)
            if judged.session.outcome.kind != "reset":
                break
            state = State(judged.session.end, judged.after)
            if len(sessions) > self._bounds.max_resets:
                breaches += self._loop(end)
                break
        if "wear" in self.checks:
            breaches += worn_out(self.erased_in([judged.session for judged in sessions]), self._bounds, end)
        outcome = sessions[-1].session.outcome
        if "retries" in self.checks and outcome.asks_retry:
            breaches += self._retry(judged.session.end, end, reading)
        return Chain(sessions, outcome, breaches, executed=self._cover.runs > before)

    def judged(self, state: State, session: Session) -> Judged:
        """What ``session``, which begins at ``state``, breaks."""
        pieces: list[JudgedPiece] = []
        monitor = state.monitor
        for piece in session.pieces:
            pieces.append(self.piece(piece, monitor))
            monitor = pieces[-1].monitors[-1]
        return Judged(state, session, pieces)

    def piece(self, piece: Piece, monitor: Monitor) -> JudgedPiece:
        """What one stretch breaks; the same stretch with the same monitor is judged once."""
        if piece.run.missed:
            raise Missed(piece.run.missed)
        key = (id(piece.run), monitor)
        found = self._judged.get(key) if self._remembers else None
        if found is None:
            monitors = monitors_of(monitor, piece.run)
            scene = Scene(piece.start, piece.run, monitors, self._rig, self._bounds)
            found = JudgedPiece(monitors, [breach for row in self._rows for breach in row.judge(scene)])
            for row in self._rows:
                self._cover.exercised[row.name] += row.counts(scene)
            if self._remembers:
                self._judged[key] = found
                self._runs_kept[id(piece.run)] = piece.run
        return found

    def erases(self, session: Session) -> Counter[Erased]:
        """How often each range is erased in ``session``."""
        return sum((self._erases(piece.run) for piece in session.pieces), Counter())

    def erased_in(self, sessions: Sequence[Session]) -> Counter[Erased]:
        """How often each range is erased in ``sessions`` together; the same sequence of stretches is added up once."""
        key = tuple(id(piece.run) for session in sessions for piece in session.pieces)
        found = self._erased_together.get(key) if self._remembers else None
        if found is None:
            found = sum((self.erases(session) for session in sessions), Counter())
            if self._remembers:
                self._erased_together[key] = found
        return found

    def _next(self, state: State, resolution: str | None = None) -> Session:
        session = self.cache.session(state.device, resolution)
        self._cover.runs += session.executed
        self._cover.boots += 1
        return session

    def _erases(self, run: Run) -> Counter[Erased]:
        if not self._remembers:
            return erases_of(run)
        found = self._erased.get(id(run))
        if found is None:
            found = self._erased[id(run)] = erases_of(run)
            self._runs_kept[id(run)] = run
        return found

    def _read(self, state: State, reading: Iterator[str]) -> Session:
        """The session from ``state``; where it meets weak cells, with the next ``reading``."""
        session = self._next(state)
        resolution = next(reading, None) if session.met_weak else None
        return session if resolution is None else self._next(state, resolution)

    def _retry(self, settled: DeviceState, entry: int, reading: Iterator[str]) -> list[Breach]:
        """One uncut update from a settled device with the old image; it does not count towards the attempts. Its
        sessions are judged like all others."""
        self._cover.exercised["retries"] += 1
        state = State(replace(settled, cause="power", attempts_left=1, ram=()), Monitor())
        breaches: list[Breach] = []
        runs: list[Run] = []
        for _ in range(self._bounds.max_resets + 1):
            judged = self.judged(state, self._read(state, reading))
            breaches += judged.breaches
            runs.append(judged.run)
            outcome = judged.session.outcome
            if outcome.kind == "settled" and outcome.image == NEW and outcome.committed:
                return breaches
            if outcome.kind != "reset":
                failed = f"the next update does not succeed: {outcome}{refusal(runs)}"
                return [*breaches, Breach("retries", entry, failed)]
            state = State(judged.session.end, judged.after)
        return [*breaches, Breach("retries", entry, f"the next update does not settle: {outcome}")]

    def _loop(self, entry: int) -> list[Breach]:
        if "boots" not in self.checks:
            return []
        return [Breach("boots", entry, f"boot loop: {self._bounds.max_resets} resets in a row without settling")]


def refusal(runs: Sequence[Run]) -> str:
    """Why an update, the sessions of which are ``runs``, came to nothing: files that could not be carried over, or else
    what updater or bootloader said in the end."""
    failed = [e.facts[0] for run in runs for e in _events(run) if e.name == MERGE_FAILED]
    if failed:
        return f" (the files cannot be carried over: {failed[-1]})"
    events = _events(runs[-1])
    said = [e.facts[0] for e in events if e.name == REFUSED]
    said += [f"{e.facts[0]}: {e.facts[2]}" for e in events if e.name == DECIDED and e.facts[0] != "normal"]
    return f" ({said[-1]})" if said else ""


def _events(run: Run) -> list[Event]:
    return [entry for entry in run.entries if isinstance(entry, Event)]
