"""Every fault of the kinds that were asked for, tried and counted.

Each is run to its settled end, one life a fault. Those that its kind chooses are cut as well, at depth 1 or, where it
can be done, at any depth. The result goes into the verdict of the campaign it belongs to, or into one of its own.

Neighbours: `kinds` has the table, `kind` runs and judges, `explore` cuts. Knows the rig's contract only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from emu.board import CheckEntry
from emu.campaign.faults.explore import FaultClosure, FaultExplorer
from emu.campaign.faults.fault import Fault
from emu.campaign.faults.kind import COARSE, FaultKind, Ground
from emu.campaign.faults.kinds import kind_named
from emu.campaign.faults.specimen import Specimen
from emu.campaign.options import ANY, BudgetSpent, Options
from emu.campaign.verdict import Coverage, FaultCount, Finding, FindingKey, Verdict
from emu.clock import Stopwatch

Progress = Callable[[str, int], None]
"""Told the name of a fault that was tried, and how many there were so far."""


@dataclass
class FaultReport:
    """What became of the faults. ``cover``: sessions, and what each check had to judge. ``checks``: those that were
    claimed under some fault; ``left_out``: kinds' own checks that mean nothing here. ``notes``: what a reader has to
    know of what was tried; ``stopped``: what ended it early."""

    counts: list[FaultCount] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    cover: Coverage = field(default_factory=Coverage)
    checks: tuple[str, ...] = ()
    promises: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    stopped: str = ""
    seconds: float = 0.0

    @property
    def is_complete(self) -> bool:
        return not self.stopped


class FaultCampaign:
    """``kinds``: names of `kinds`. ``only``: the faults whose names begin so."""

    def __init__(
        self, specimen: Specimen, bounds: CheckEntry, options: Options, kinds: Sequence[str], *, only: str = "",
        progress: Progress | None = None,
    ) -> None:  # fmt: skip
        self.ground = Ground(specimen, bounds, options)
        self.kinds = [kind_named(name, self.ground) for name in kinds]
        self.interrupted = False
        self._only = only
        self._progress = progress or (lambda name, count: None)
        self._report = FaultReport(cover=self.ground.cover)
        self._findings: dict[FindingKey, Finding] = {}
        self._counts: dict[str, FaultCount] = {}
        self._watch = Stopwatch()
        self._tried = 0

    def run(self) -> FaultReport:
        """Try them all. Ctrl-C and the budget end it early; what is known is kept. Raises ScenarioError when the update
        does not work without a fault."""
        report = self._report
        if self.kinds:
            _ = self.ground.golden
        try:
            for kind in self.kinds:
                self._try_kind(kind)
        except (BudgetSpent, KeyboardInterrupt) as stop:
            self.interrupted = isinstance(stop, KeyboardInterrupt)
            report.stopped = "stopped by the user" if self.interrupted else str(stop)
        report.counts = list(self._counts.values())
        report.findings = sorted(self._findings.values(), key=lambda finding: (finding.rank, finding.fault))
        claimed = {name for kind in self.kinds for name in kind.claimed(Fault(kind.name, "", ""))}
        own = [kind.check for kind in self.kinds if kind.check not in report.left_out]
        report.checks = (*(name for name in self.ground.checks[0] if name in claimed), *own)
        oracles = {oracle.name: oracle.promise for oracle in self.ground.specimen.rig.oracles}
        report.promises = oracles | {kind.check: kind.promise for kind in self.kinds}
        report.seconds = self._watch.seconds
        return report

    def _try_kind(self, kind: FaultKind) -> None:
        if kind.not_here:
            self._report.left_out[kind.check] = kind.not_here
            return
        self._report.notes += [*kind.notes, *_not_claimed(kind)]
        if kind.why_idle:
            self._report.left_out[kind.check] = kind.why_idle
        for fault in kind.faults():
            if not fault.name.startswith(self._only):
                continue
            self._check_budget()
            count = self._counts.setdefault(fault.group, FaultCount(kind.name, fault.place))
            if kind.is_closed and self.ground.options.depth == ANY:
                self._close(kind, fault, count)
            elif kind.is_cut(fault):
                self._explore(kind, fault, count)
            else:
                self._live(kind, fault, count)
            count.tried += 1
            self._tried += 1
            self._progress(fault.name, self._tried)
        self._report.notes += kind.conclusions

    def _live(self, kind: FaultKind, fault: Fault, count: FaultCount) -> None:
        chain = kind.chain(fault)
        count.words[kind.word(chain)] += 1
        for breach in {breach.check: breach for breach in reversed(chain.breaches)}.values():
            key = FindingKey(breach.check, (), (), str(chain.outcome), fault.group)
            self._add(Finding(key, (), 0, breach.message, fault=fault.name, attempts=kind.attempts), count)

    def _explore(self, kind: FaultKind, fault: Fault, count: FaultCount) -> None:
        options = self._options_of(kind)
        tears = replace(COARSE, seed=options.tears.seed) if kind.is_coarse and options.tears.tiers else options.tears
        explorer = FaultExplorer(kind, fault, replace(options, depth=1, tears=tears))
        verdict = explorer.explore()
        for finding in verdict.findings:
            self._add(finding, count)
        if explorer.uncut is not None:
            count.words[kind.word(explorer.uncut)] += 1
        count.edges += verdict.coverage.edges
        if explorer.interrupted:
            raise KeyboardInterrupt
        if not verdict.complete:
            raise BudgetSpent("; ".join(verdict.notes))

    def _close(self, kind: FaultKind, fault: Fault, count: FaultCount) -> None:
        closure = FaultClosure(kind, fault, self._options_of(kind))
        verdict = closure.explore()
        closure.counted()
        for finding in closure.told(verdict.findings):
            self._add(finding, count)
        if closure.uncut is not None:
            count.words[kind.word(closure.uncut)] += 1
        count.edges += verdict.coverage.edges
        if closure.interrupted:
            raise KeyboardInterrupt
        if not verdict.complete and not verdict.findings:
            raise BudgetSpent("; ".join(verdict.notes))
        self._report.notes += [f"{fault.name}: {note}" for note in verdict.notes]

    def _options_of(self, kind: FaultKind) -> Options:
        """Of the campaign, as far as a life of ``kind`` is tried by them."""
        options = self.ground.options
        left_s = options.budget_s and max(options.budget_s - self._watch.seconds, 0.001)
        return replace(options, attempts=kind.attempts, resolutions=(None,), budget_s=left_s)

    def _add(self, finding: Finding, count: FaultCount) -> None:
        known = self._findings.setdefault(finding.key, finding)
        if known is finding:
            count.findings += 1
            return
        found = known.count + finding.count
        if finding.rank < known.rank:
            self._findings[finding.key] = finding
        self._findings[finding.key].count = found

    def _check_budget(self) -> None:
        budget_s = self.ground.options.budget_s
        if budget_s and self._watch.seconds > budget_s:
            raise BudgetSpent("the budget is spent")


def _not_claimed(kind: FaultKind) -> list[str]:
    """The checks that are not held against this kind's faults, a line for each reason."""
    reasons: dict[str, list[str]] = {}
    for name, why in kind.left_out(Fault(kind.name, "", "")).items():
        if name in kind.ground.checks[0]:
            reasons.setdefault(why, []).append(name)
    return [f"{kind.name}: {', '.join(names)} not claimed: {why}" for why, names in reasons.items()]


def with_faults(verdict: Verdict, report: FaultReport) -> Verdict:
    """``verdict`` with what the faults came to; checks of both are one list."""
    own = tuple(name for name in report.checks if name not in verdict.checks)
    cover = replace(verdict.coverage)
    cover.exercised = cover.exercised + report.cover.exercised
    cover.boots, cover.runs = cover.boots + report.cover.boots, cover.runs + report.cover.runs
    cover.operations = cover.operations or report.cover.operations
    left_out = {n: why for n, why in (verdict.inapplicable | report.left_out).items() if n not in report.checks}
    return replace(
        verdict,
        checks=(*verdict.checks, *own),
        coverage=cover,
        findings=[*verdict.findings, *report.findings],
        complete=verdict.complete and report.is_complete,
        seconds=verdict.seconds + report.seconds,
        fault_seconds=report.seconds,
        notes=list(dict.fromkeys([*verdict.notes, *filter(None, [report.stopped])])),
        fault_notes=tuple(report.notes),
        faults_left=verdict.complete and not report.is_complete,
        inapplicable=left_out,
        promises=verdict.promises | report.promises,
        faults=tuple(report.counts),
    )


def no_power(specimen: Specimen, bounds: CheckEntry, options: Options) -> Verdict:
    """The verdict of a campaign that cuts no power: nothing was tried, faults are put into it."""
    ground = Ground(specimen, bounds, options)
    return Verdict(
        board=specimen.rig.inputs["board"].label, depth=1, attempts=1, tears=options.tears.name, events=options.events,
        checks=(), coverage=Coverage(depth_done=1), findings=[], complete=True, seconds=0.0, notes=[],
        inapplicable=dict(ground.checks[1]), cuts_power=False,
    )  # fmt: skip
