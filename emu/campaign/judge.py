"""A state, judged: let the device run until it settles, and hold every session on the way against the checks.

The sessions from a state to the next settled end are its *chain*. Two checks look beyond one session and are judged
here: `wear` over the whole chain, `retries` by one more uncut update from its end.

Neighbours: `cache` runs or recognises sessions, `checks` has the rows, `explore` and `replay` ask. Knows no edge.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from emu.board import CheckEntry, CheckName
from emu.campaign.cache import RunCache
from emu.campaign.checks import CHECKS, Breach, Erased, Scene, erases_of, monitors_of, worn_out
from emu.campaign.monitor import Monitor
from emu.campaign.verdict import Coverage
from emu.events import DECIDED, MERGE_FAILED, NEW, OLD, REFUSED
from emu.rig import DeviceState, Outcome, Rig, Run
from flash.journal import Event


@dataclass(frozen=True, slots=True)
class State:
    """A device and what the checks remember about it."""

    device: DeviceState
    monitor: Monitor

    @property
    def key(self) -> tuple[bytes, Monitor]:
        return self.device.key, self.monitor


@dataclass(slots=True)
class Judged:
    """One session of a chain: what it did, the monitor at every point, what was broken."""

    state: State
    run: Run
    monitors: list[Monitor]
    breaches: list[Breach]


@dataclass(slots=True)
class Chain:
    """The sessions from a state until the device settles, and everything they broke. ``executed``: at least one
    session, the next update's included, was run for it."""

    sessions: list[Judged]
    outcome: Outcome
    breaches: list[Breach]
    executed: bool


class Judge:
    """The checks of one campaign on one rig. ``cover`` counts what was run and what each check had to judge."""

    def __init__(
        self, rig: Rig, bounds: CheckEntry, *, checks: tuple[CheckName, ...], cache: bool, cover: Coverage
    ) -> None:
        self.checks = checks
        self.cache = RunCache(rig, enabled=cache)
        self._rig = rig
        self._bounds = bounds
        self._cover = cover
        self._remembers = cache
        self._judged: dict[tuple[int, Monitor], list[Breach]] = {}
        self._moved: dict[tuple[int, Monitor], list[Monitor]] = {}
        self._erased: dict[int, Counter[Erased]] = {}
        self._runs_kept: dict[int, Run] = {}

    def chain(self, state: State) -> Chain:
        """Let the device run from ``state`` until it settles, and judge every session on the way."""
        sessions: list[Judged] = []
        breaches: list[Breach] = []
        before = self._cover.runs
        while True:
            session = self.cache.session(state.device)
            run = session.run
            self._cover.runs += session.executed
            self._cover.boots += 1
            monitors = self._monitors(state.monitor, run)
            found = self._session(state, run, monitors)
            sessions.append(Judged(state, run, monitors, found))
            breaches += found
            end = len(run.entries)
            if run.outcome.kind != "reset":
                break
            state = State(session.end, monitors[-1])
            if len(sessions) > self._bounds.max_resets:
                breaches += self._loop(end)
                break
        if "wear" in self.checks:
            breaches += worn_out(sum((self._erases(judged.run) for judged in sessions), Counter()), self._bounds, end)
        outcome = sessions[-1].run.outcome
        if "retries" in self.checks and outcome.kind == "settled" and outcome.image == OLD:
            breaches += self._retry(session.end, end)
        return Chain(sessions, outcome, breaches, executed=self._cover.runs > before)

    def _monitors(self, start: Monitor, run: Run) -> list[Monitor]:
        """The monitor at every point of a session; the same session is walked once."""
        if not self._remembers:
            return monitors_of(start, run)
        key = (id(run), start)
        found = self._moved.get(key)
        if found is None:
            found = self._moved[key] = monitors_of(start, run)
            self._runs_kept[id(run)] = run
        return found

    def _session(self, state: State, run: Run, monitors: list[Monitor]) -> list[Breach]:
        """Breaches of one session; the same session with the same monitor is judged once."""
        key = (id(run), state.monitor)
        found = self._judged.get(key) if self._remembers else None
        if found is None:
            scene = Scene(state.device, run, monitors, self._rig, self._bounds)
            rows = [CHECKS[name] for name in self.checks]
            found = [breach for row in rows for breach in row.judge(scene)]
            for row in rows:
                self._cover.exercised[row.name] += row.counts(scene)
            if self._remembers:
                self._judged[key] = found
                self._runs_kept[id(run)] = run
        return found

    def _erases(self, run: Run) -> Counter[Erased]:
        if not self._remembers:
            return erases_of(run)
        found = self._erased.get(id(run))
        if found is None:
            found = self._erased[id(run)] = erases_of(run)
            self._runs_kept[id(run)] = run
        return found

    def _retry(self, settled: DeviceState, entry: int) -> list[Breach]:
        """One uncut update from a settled device with the old image; it does not count towards the attempts. Its
        sessions are judged like all others."""
        self._cover.exercised["retries"] += 1
        state = State(replace(settled, cause="power", attempts_left=1, ram=()), Monitor())
        breaches: list[Breach] = []
        why = ""
        for _ in range(self._bounds.max_resets + 1):
            session = self.cache.session(state.device)
            run = session.run
            self._cover.runs += session.executed
            self._cover.boots += 1
            monitors = self._monitors(state.monitor, run)
            breaches += self._session(state, run, monitors)
            outcome = run.outcome
            why = _failed_merge(run) or why
            if outcome.kind == "settled" and outcome.image == NEW and outcome.committed:
                return breaches
            if outcome.kind != "reset":
                failed = f"the next update does not succeed: {outcome}{why or _refusal(run)}"
                return [*breaches, Breach("retries", entry, failed)]
            state = State(session.end, monitors[-1])
        return [*breaches, Breach("retries", entry, f"the next update does not settle: {outcome}")]

    def _loop(self, entry: int) -> list[Breach]:
        if "boots" not in self.checks:
            return []
        return [Breach("boots", entry, f"boot loop: {self._bounds.max_resets} resets in a row without settling")]


def _failed_merge(run: Run) -> str:
    """Why a session could not carry the user's files over; "" where it did not try, or could."""
    events = [e for e in run.entries if isinstance(e, Event) and e.name == MERGE_FAILED]
    return f" (the files cannot be carried over: {events[-1].facts[0]})" if events else ""


def _refusal(run: Run) -> str:
    """Why an update came to nothing, in the words of the updater or the bootloader."""
    events = [e for e in run.entries if isinstance(e, Event)]
    said = [e.facts[0] for e in events if e.name == REFUSED]
    said += [f"{e.facts[0]}: {e.facts[2]}" for e in events if e.name == DECIDED and e.facts[0] != "normal"]
    return f" ({said[-1]})" if said else ""
