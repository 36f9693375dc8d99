"""What a campaign found: findings, coverage, and one word.

Neighbours: `explore` fills it, `token` names findings, `report` shows it. The digest covers verdict, findings,
outcomes and coverage; not which state stood for which, not what was cached, not time. Knows no rig.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Literal

import msgspec

from emu.board import CheckEntry
from emu.campaign.checks import CHECKS

SCHEMA = "brownout/run/1"
KILLED = "no end: the trial killed its worker"
"""The outcome of an edge that nobody could judge, because whoever did died."""
KILLED_NOTE = "a trial that kills its worker kills brownout replay as well: its token leads there"

VerdictWord = Literal["held", "findings", "inconclusive"]
ResultWord = Literal["held", "broken", "not exercised", "not applicable", "inconclusive"]


@dataclass(frozen=True, slots=True, order=True)
class Step:
    """One interruption on the way to a state: in the ``run``-th session after the last one, at ``entry``."""

    run: int
    entry: int
    how: str


CutPath = tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class FindingKey:
    """Findings are one when check, place in the journal, tear (without its argument) and outcome are equal. ``fault``:
    its kind and place, for one that is found with a fault: then every place in the journal counts together."""

    check: str
    place: tuple[tuple[int, int], ...]
    tears: tuple[str, ...]
    outcome: str
    fault: str = ""


@dataclass(slots=True)
class Finding:
    """A way to break a check, with the mildest path to it and how many edges lead there. ``readings``: how weak cells
    read, for each session on the path that met any. ``fault``: the name of one it was found with; then ``count`` counts
    faults, and the edges of their lives; ``attempts``: of the workload with the fault."""

    key: FindingKey
    path: CutPath
    harsh: int
    message: str
    count: int = 1
    readings: tuple[str, ...] = ()
    fault: str = ""
    attempts: int = 0

    @property
    def cuts(self) -> int:
        return len(self.path)

    @property
    def rank(self) -> tuple[object, ...]:
        """Fewest cuts first, clean cuts before torn ones and tame tears before harsh ones, then the earliest."""
        return (self.cuts, self.harsh, self.path, self.key.check)


@dataclass(slots=True)
class Coverage:
    """What was tried. ``operations``: flash operations of the uncut workload, by kind.

    ``boots``: power sessions that were judged, those of the uncut update that `retries` asks for included; ``runs``:
    those of them that were executed. The others were recognised.

    At any depth: ``states`` were run, each standing for all that its future cannot tell from it; ``edges_executed`` are
    those that led to them first, ``edges_merged`` those that led to a state another stands for, and the rest of
    ``edges_inherited`` those of spans in which nothing is touched that any future looks at. ``depth_closed``: fewest
    interruptions that reach the last of the states. ``broken``:
    edges that lead to a breach, by check; one of them may lead to several findings.
    """

    operations: Counter[str] = field(default_factory=Counter)
    edge_kinds: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    exercised: Counter[str] = field(default_factory=Counter)
    edges_executed: int = 0
    edges_inherited: int = 0
    edges_merged: int = 0
    states: int = 0
    depth_closed: int = 0
    boots: int = 0
    runs: int = 0
    depth_done: int = 0
    executed_kinds: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)

    def add(self, other: Coverage) -> None:
        """Count what ``other`` counted as well."""
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))

    def take(self) -> Coverage:
        """What was counted so far; counting begins anew."""
        taken = replace(self)
        for each in fields(self):
            setattr(self, each.name, type(getattr(self, each.name))())
        return taken

    @property
    def edges(self) -> int:
        return self.edges_executed + self.edges_inherited

    @property
    def inherited_kinds(self) -> Counter[str]:
        """Edges that no state was run for, by kind."""
        return self.edge_kinds - self.executed_kinds

    @property
    def recognised(self) -> int:
        """Sessions that were not run, because one that was run stands for them."""
        return self.boots - self.runs


@dataclass(slots=True)
class FaultCount:
    """What became of the faults of one ``kind`` at one ``place``. ``words``: faults by what became of them when nobody
    cut the power. ``edges``: interruptions of their lives that were tried. ``findings``: how many begin here."""

    kind: str
    place: str
    tried: int = 0
    edges: int = 0
    findings: int = 0
    words: Counter[str] = field(default_factory=Counter)


def faults_by_kind(faults: Iterable[FaultCount]) -> Iterator[tuple[str, str]]:
    """Each kind with what became of its faults, in words."""
    kinds: dict[str, FaultCount] = {}
    for count in faults:
        total = kinds.setdefault(count.kind, FaultCount(count.kind, ""))
        total.tried += count.tried
        total.edges += count.edges
        total.words += count.words
    for kind, total in kinds.items():
        words = "; ".join(f"{number:,} {word}" for word, number in total.words.most_common())
        cut = f"; {total.edges:,} interruptions of their lives" if total.edges else ""
        yield kind, f"{total.tried:,} tried: {words}{cut}"


def killed_by(how: str) -> str:
    """What a finding says of a trial that took every worker along, by ``how``."""
    if how.endswith("SIGKILL"):
        return (
            f"the worker that was alone with the trial was killed, again and again: {how}; no fault of a program sends "
            "that: the machine's memory is used up, or somebody kills processes"
        )
    return f"the trial killed its worker: {how}"


IN_FLIGHT_NOTE = (
    "a reset strikes while an operation is in flight: here the operation is then as if it had not begun, a chip "
    "would finish it; so nothing is said to hold"
)


def unfollowed(bounds: CheckEntry) -> str:
    """Why nothing is held where a device may restart for ever, and no check says that it must not."""
    return (
        f"some lives restart more than {bounds.max_resets} times in a row: what follows was not tried, and `boots`, "
        "which would have found it, is not among the checks"
    )


def check_of_killed(checks: Sequence[str]) -> str:
    """The check under which such a finding stands: nothing could be judged, so it is ``boots`` or one that applies."""
    return "boots" if "boots" in checks or not checks else checks[0]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What became of one check. ``exercised``: how often an executed session gave it something to judge; ``edges``: how
    many lead to its ``findings``. ``inconclusive``: the campaign did not finish, and nothing was found so far."""

    name: str
    result: ResultWord
    exercised: int
    findings: int
    edges: int
    reason: str


@dataclass(slots=True)
class Verdict:
    """The result of a campaign. ``complete`` False: a budget or the user ended it early. ``inapplicable``: checks that
    were left out, with the reason; the digest knows them as those that ``checks`` has not. ``promises``: of the checks
    that came with the rig. ``resolutions``: what weak cells were read as, one after the other; none: as the rig was
    made to read them. ``faults``: what was tried besides interruptions, ``fault_notes``: what a
    reader has to know of it; ``faults_left``: the interruptions are done with, and the
    faults are not; ``fault_seconds``: what they took of ``seconds``; ``cuts_power`` False: nothing else was."""

    board: str
    depth: int
    attempts: int
    tears: str
    events: tuple[str, ...]
    checks: tuple[str, ...]
    coverage: Coverage
    findings: list[Finding]
    complete: bool
    seconds: float
    notes: list[str]
    inapplicable: dict[str, str] = field(default_factory=dict)
    promises: dict[str, str] = field(default_factory=dict)
    resolutions: tuple[str, ...] = ()
    faults: tuple[FaultCount, ...] = ()
    fault_notes: tuple[str, ...] = ()
    faults_left: bool = False
    fault_seconds: float = 0.0
    cuts_power: bool = True

    def attempts_of(self, finding: Finding) -> int:
        """The update attempts of the workload that ``finding`` was made in: those of its token."""
        return finding.attempts or self.attempts

    def promise(self, check: str) -> str:
        """What ``check`` holds the device to."""
        return self.promises[check] if check in self.promises else CHECKS[check].promise

    @property
    def results(self) -> list[CheckResult]:
        """One for every check: those of the campaign in their order, then those that do not apply."""
        left_out = [CheckResult(n, "not applicable", 0, 0, 0, why) for n, why in self.inapplicable.items()]
        return [*(self._result(name) for name in self.checks), *left_out]

    def _result(self, name: str) -> CheckResult:
        found = [finding for finding in self.findings if finding.key.check == name]
        exercised = self.coverage.exercised[name]
        edges = self.coverage.broken[name]
        result: ResultWord
        if found:
            result, reason = "broken", found[0].message
        elif not exercised:
            result, reason = "not exercised", "nothing in this campaign gave it something to judge"
        elif not self.complete:
            result, reason = "inconclusive", "nothing so far, and the campaign did not finish"
        else:
            result, reason = "held", ""
        return CheckResult(name, result, exercised, len(found), edges, reason)

    @property
    def depth_word(self) -> str:
        return str(self.depth) if self.depth else "any"

    @property
    def word(self) -> VerdictWord:
        if self.findings:
            return "findings"
        return "held" if self.complete else "inconclusive"

    @property
    def exit_code(self) -> int:
        return {"held": 0, "findings": 1, "inconclusive": 3}[self.word]

    @property
    def digest(self) -> str:
        """Equal for equal campaigns, whatever was cached and however long it took."""
        cover = self.coverage
        facts = [
            self.word, self.board, self.depth, self.attempts, self.tears, self.events, self.checks, self.complete,
            sorted(cover.operations.items()), sorted(cover.edge_kinds.items()), sorted(cover.outcomes.items()),
            [[f.key.check, f.key.place, f.key.tears, f.key.outcome, f.count] for f in self.findings],
        ]  # fmt: skip
        if self.faults:
            tried = [[c.kind, c.place, c.tried, c.edges, sorted(c.words.items())] for c in self.faults]
            facts += [tried, [f.key.fault for f in self.findings]]
        return hashlib.sha256(msgspec.json.encode(facts)).hexdigest()
