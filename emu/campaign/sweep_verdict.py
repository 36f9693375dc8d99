"""What a sweep found: a sample, and never more than that.

There is no word for "held" here. A cut at a time is not a cut at a place: nothing found says that nothing was found.
Neighbours: `sweep` fills it, `report` shows it, `sweep_token` names a finding. Knows no rig.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from emu.campaign.checks import CHECKS
from emu.rig import Input
from emu.timed_rig import Said

SCHEMA = "brownout/sweep/1"
BEFORE, ON_TRIAL, AFTER = "before the new image ran", "while the new image ran, not committed", "after the commit"
REACHED = (BEFORE, ON_TRIAL, AFTER)
"""How far an update had come when it was cut, as far as the console had told."""
END = None
"""As the time of a cut: when the update was over."""

SweepWord = Literal["sampled", "findings", "inconclusive"]
SampleWord = Literal["nothing found", "broken", "not exercised", "left out"]


@dataclass(frozen=True, slots=True)
class Sighting:
    """A cut at ``at_ms`` (`END`: when the update was over), what it broke, and what the console said last."""

    at_ms: float | None
    message: str
    tail: tuple[str, ...]


@dataclass(slots=True)
class SweepFinding:
    """A way to break a check, with every cut of the sweep that led there, earliest first. ``tried``, ``reproduced``: of
    so many more cuts at the same time, so many led there again."""

    check: str
    sort: str
    sightings: list[Sighting] = field(default_factory=list)
    tried: int = 0
    reproduced: int = 0

    @property
    def middle(self) -> Sighting:
        """The one that is most likely to come back: the middle one, not one at a brink."""
        return self.sightings[(len(self.sightings) - 1) // 2]

    def add(self, sighting: Sighting) -> None:
        self.sightings.append(sighting)
        self.sightings.sort(key=lambda one: (one.at_ms is END, one.at_ms or 0.0))


@dataclass(slots=True)
class SweepCoverage:
    """``cuts``: trials that were judged; ``again``: those that only tried a finding again. ``late_ms``: the most that a
    cut came later than it should."""

    cuts: int = 0
    again: int = 0
    late_ms: float = 0.0
    reached: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    exercised: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class SampleResult:
    """What became of one check."""

    name: str
    promise: str
    result: SampleWord
    exercised: int
    findings: int
    reason: str


@dataclass(slots=True)
class SweepVerdict:
    """The result of a sweep. ``length_ms``: of the uncut update, from its start to the last line that means something,
    ``uncut``. ``planned``: how many cuts were asked for, the one at the end among them. ``is_replay``: times were given
    to be tried again. ``complete`` False: ended early, as the last note says."""

    name: str
    inputs: Mapping[str, Input]
    seed: int
    planned: int
    length_ms: float
    uncut: tuple[Said, ...]
    checks: tuple[str, ...]
    left_out: Mapping[str, str]
    coverage: SweepCoverage
    findings: list[SweepFinding]
    notes: list[str]
    is_replay: bool = False
    complete: bool = True
    interrupted: bool = False
    seconds: float = 0.0

    @property
    def word(self) -> SweepWord:
        if self.findings:
            return "findings"
        return "sampled" if self.complete and not self.is_replay else "inconclusive"

    @property
    def exit_code(self) -> int:
        return {"sampled": 0, "findings": 1, "inconclusive": 3}[self.word]

    @property
    def results(self) -> list[SampleResult]:
        """One for every check: those that were judged, then those that were left out."""
        judged = [self._result(name) for name in self.checks]
        return judged + [
            SampleResult(name, CHECKS[name].promise, "left out", 0, 0, why) for name, why in self.left_out.items()
        ]

    def _result(self, name: str) -> SampleResult:
        found = [finding for finding in self.findings if finding.check == name]
        exercised = self.coverage.exercised[name]
        word: SampleWord
        if found:
            word, reason = "broken", found[0].middle.message
        elif not exercised:
            word, reason = "not exercised", "no cut of this sweep gave it something to judge"
        else:
            word, reason = "nothing found", ""
        return SampleResult(name, CHECKS[name].promise, word, exercised, len(found), reason)
