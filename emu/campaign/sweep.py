"""The timed sweep: what a campaign is on a rig that takes no snapshots and tears nothing.

An uncut update is timed. Then, again and again: the old image is restored, the update started, power cut at one time of
it, and what comes up is judged. Times are spread evenly over the update with seeded jitter, and come in an order that
covers it coarsely at once. What is found is tried again at the same time, and how often it came back is said.

Neighbours: `sweep_checks` judges, `sweep_verdict` keeps the result. Knows the contract of a timed rig and no rig.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from emu.campaign.options import BudgetSpent
from emu.campaign.sweep_checks import SWEEP_CHECKS, Trial, TrialBreach, breaches_of, has_succeeded, reached
from emu.campaign.sweep_verdict import END, Sighting, SweepCoverage, SweepFinding, SweepVerdict
from emu.clock import Stopwatch
from emu.errors import NothingToRun, RigLost, ScenarioError
from emu.events import OLD
from emu.rig import Capabilities
from emu.timed_rig import Stay, TimedRig
from flash.draws import uniform


@dataclass(frozen=True)
class SweepOptions:
    """``cuts``: how many times over the update. ``tries``: how often a finding is tried again. ``budget_s`` 0: no
    limit. ``at_ms``: cut at these times alone, ``tries`` times each."""

    cuts: int = 32
    seed: int = 0
    tries: int = 3
    budget_s: float = 0.0
    at_ms: tuple[float | None, ...] = ()


SweepProgress = Callable[[int, int, str], None]
"""Trials that are done, trials that are planned, and what is going on."""


def only_samples(able: Capabilities) -> bool:
    """Whether a rig that can do so much is one to sweep: without snapshots and tears there is no other campaign."""
    return not (able.snapshot or able.tears)


class Sweep:
    """One sweep. Raises ScenarioError for a rig that could be tested exactly, NothingToRun when no check is left."""

    def __init__(self, rig: TimedRig, options: SweepOptions, progress: SweepProgress | None = None) -> None:
        if not only_samples(rig.capabilities):
            raise ScenarioError(
                f"{rig.name}: this rig takes snapshots or tears operations; a sweep would only sample it"
            )
        if not rig.checks:
            raise NothingToRun(f"{rig.name}: no check is left that this rig can judge: see checks.apply")
        self._rig = rig
        self._options = options
        self._progress = progress or (lambda done, planned, what: None)
        self._watch = Stopwatch()
        self._cover = SweepCoverage()
        self._findings: dict[tuple[str, str], SweepFinding] = {}
        self._planned = len(options.at_ms) * options.tries if options.at_ms else 1 + options.cuts

    def explore(self) -> SweepVerdict:
        """Run it. Once the update is timed, Ctrl-C, the budget and a lost rig end it early; what is known is kept.

        Raises ScenarioError when the device does not run as restored, or the uncut update does not end with the new
        image; RigLost when the rig fails before that.
        """
        uncut = self._golden()
        length_ms = max(one.at_ms for one in uncut.said)
        verdict = SweepVerdict(
            name=self._rig.name,
            inputs=self._rig.inputs,
            seed=self._options.seed,
            planned=self._planned,
            length_ms=length_ms,
            uncut=uncut.said,
            checks=self._rig.checks,
            left_out=self._rig.lacks,
            coverage=self._cover,
            findings=[],
            notes=[*_notes(self._rig.capabilities), *self._rig.notes],
            is_replay=bool(self._options.at_ms),
        )
        try:
            self._rig.power_off()
            if self._options.at_ms:
                self._replay()
            else:
                self._judge(self._with_retry(END, uncut))  # commit has returned for certain
                for at_ms in cut_times(length_ms, self._options.cuts, self._options.seed):
                    self._judge(self._trial(at_ms))
                self._try_again()
        except (BudgetSpent, RigLost, KeyboardInterrupt) as stop:
            verdict.complete = False
            verdict.interrupted = isinstance(stop, KeyboardInterrupt)
            verdict.notes.append("stopped by the user" if verdict.interrupted else str(stop))
        verdict.findings = sorted(self._findings.values(), key=lambda found: (_order(found.check), found.sort))
        verdict.seconds = self._watch.seconds
        return verdict

    # -- trials --------------------------------------------------------------------------------------------

    def _golden(self) -> Stay:
        """The uncut update. The device stays on."""
        self._progress(0, self._planned, "uncut update")
        self._rig.restore()
        first = self._rig.power_on()
        if first.outcome.kind != "settled" or first.outcome.image != OLD:
            raise ScenarioError(f"the device as restored does not run the old image: {_told(first)}")
        uncut = self._rig.update(None)
        if not has_succeeded(uncut.outcome):
            raise ScenarioError(f"the uncut update ends with: {_told(uncut)}; the new image should run, committed")
        return uncut

    def _trial(self, at_ms: float | None) -> Trial:
        if self._options.budget_s and self._watch.seconds > self._options.budget_s:
            raise BudgetSpent("the budget is spent")
        self._progress(self._cover.cuts + self._cover.again, self._planned, _when(at_ms))
        self._rig.restore()
        first = self._rig.power_on()
        if first.outcome.kind != "settled" or first.outcome.image != OLD:
            raise RigLost(f"the old image is not back after a restore: {_told(first)}")
        before = self._rig.update(at_ms)
        if at_ms is END:
            self._rig.power_off()
        elif before.cut_ms is not None:
            self._cover.late_ms = max(self._cover.late_ms, before.cut_ms - at_ms)
        return self._with_retry(at_ms, before)

    def _with_retry(self, at_ms: float | None, before: Stay) -> Trial:
        """Power comes back; from the old image, one more update. Power is off at the end."""
        after, retry = self._rig.power_on(), None
        if after.outcome.kind == "settled" and after.outcome.image == OLD and "retries" in self._rig.checks:
            retry = self._rig.update(None)
        self._rig.power_off()
        return Trial(at_ms, before, after, retry)

    def _judge(self, trial: Trial, *, again: bool = False) -> list[TrialBreach]:
        """Count a trial and keep what it broke."""
        cover = self._cover
        cover.cuts, cover.again = cover.cuts + (not again), cover.again + again
        if not again:
            cover.reached[reached(trial.before)] += 1
            cover.outcomes[str(trial.after.outcome)] += 1
        cover.exercised.update(name for name in self._rig.checks if SWEEP_CHECKS[name].is_exercised(trial))
        breaches = breaches_of(trial, self._rig.checks)
        for breach in breaches:
            self._keep(breach, trial, again=again)
        return breaches

    def _keep(self, breach: TrialBreach, trial: Trial, *, again: bool) -> None:
        key = breach.check, breach.sort
        known = self._findings.get(key)
        if known is None:
            known = self._findings[key] = SweepFinding(breach.check, breach.sort)
        elif again:
            return  # it is counted as tried again, by who tries
        known.add(Sighting(trial.at_ms, breach.message, breach.stay.tail))

    # -- times ---------------------------------------------------------------------------------------------

    def _replay(self) -> None:
        """The given times, each `tries` times."""
        for at_ms in self._options.at_ms:
            for _ in range(self._options.tries):
                self._judge(self._trial(at_ms))
        for finding in self._findings.values():
            at_ms = finding.middle.at_ms
            finding.tried = self._options.tries * self._options.at_ms.count(at_ms)
            finding.reproduced = sum(one.at_ms == at_ms for one in finding.sightings)

    def _try_again(self) -> None:
        """Every finding at its middle time once more, ``tries`` times; what that finds is tried again as well."""
        tried: set[tuple[str, str]] = set()
        while True:
            key = next((key for key in self._findings if key not in tried), None)
            if key is None:
                return
            tried.add(key)
            finding = self._findings[key]
            at_ms = finding.middle.at_ms
            for _ in range(self._options.tries):
                breaches = self._judge(self._trial(at_ms), again=True)
                finding.tried += 1
                finding.reproduced += any((breach.check, breach.sort) == key for breach in breaches)


def cut_times(length_ms: float, cuts: int, seed: int) -> list[float]:
    """One time in each of ``cuts`` equal parts of the length, drawn within its part, in whole microseconds. Their order
    halves the widest gap again and again: a sweep that ends early has still seen all of the update."""
    parts = sorted(range(cuts), key=lambda part: f"{part:032b}"[::-1])
    return [round((part + uniform(seed, part)) * length_ms / cuts, 3) for part in parts]


def _notes(able: Capabilities) -> list[str]:
    """What the rig cannot do, and what that makes of the result."""
    notes = ["the rig takes no snapshots and tears nothing: power is cut at times, not at every flash operation"]
    if not able.deterministic:
        notes.append("the rig is not deterministic: the result is a sample, and a time may lead elsewhere next time")
    if not able.virtual_time:
        notes.append("the rig runs in real time: a cut is as precise as this host")
    return [*notes, "one cut per update: what follows it was not cut again"]


def _told(stay: Stay) -> str:
    """How a stay ended, with the last thing the console said."""
    last = f" (the console said last: {stay.tail[-1]!r})" if stay.tail else " (the console said nothing)"
    return f"{stay.outcome}{last}"


def _when(at_ms: float | None) -> str:
    return "cut when the update is over" if at_ms is END else f"cut at {at_ms:,.1f} ms"


def _order(check: str) -> int:
    return list(SWEEP_CHECKS).index(check)
