"""Past findings first: replay what earlier campaigns found, before an hour is spent on finding it again.

A path stands for itself, whatever images it was found with: when the update has changed so that the path leads nowhere,
that is said and nothing else. What comes out is told to the user; the verdict does not know of it.

Neighbours: `store` remembers, `replay` follows one path. Knows the rig's contract only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from emu.campaign.judge import Judge
from emu.campaign.replay import follow
from emu.campaign.store import PastFinding
from emu.campaign.token import token_for
from emu.campaign.verdict import KILLED
from emu.clock import Stopwatch
from emu.errors import TokenError
from emu.rig import Rig
from emu.words import counted

MAX_REPLAYED = 200
STEADY = "steady"
"""The check that stands for all others where weak cells were read: whichever of them breaks again, it is broken."""
BUDGET_SHARE = 4
"""Past findings get a fourth of the time, at most."""


@dataclass(frozen=True, slots=True)
class Past:
    """What became of past findings. ``gone``: the path leads nowhere in this update. ``left_out``: there were too many,
    or too little time. ``deadly``: replaying them would kill this process as it killed their worker."""

    reproduced: tuple[PastFinding, ...] = ()
    held: int = 0
    gone: int = 0
    left_out: int = 0
    deadly: int = 0

    @property
    def line(self) -> str:
        """One line for a person; "" when there was nothing."""
        replayed = len(self.reproduced) + self.held + self.gone
        if not replayed + self.left_out + self.deadly:
            return ""
        said = [f"none of {replayed:,} reproduces any more"] if replayed else []
        if self.reproduced:
            said = [f"{len(self.reproduced):,} of {replayed:,} still reproduce"]
        if self.gone:
            said.append(f"{counted(self.gone, 'path')} no longer exist" + ("s" if self.gone == 1 else ""))
        if self.left_out:
            said.append(f"{self.left_out:,} more were not tried")
        if self.deadly:
            said.append(f"{self.deadly:,} killed their worker and are not replayed here")
        return f"past findings: {'; '.join(said)}"


def replay_past(
    rig: Rig, judge: Judge, findings: Sequence[PastFinding], *, seed: int = 0, budget_s: float = 0.0
) -> Past:
    """Follow the path of each finding with the inputs of ``rig``. ``budget_s``: of the whole campaign; 0: no limit."""
    watch = Stopwatch()
    reproduced: list[PastFinding] = []
    held = gone = left_out = 0
    alive = [finding for finding in findings if finding.outcome != KILLED]
    for number, finding in enumerate(alive):
        if number == MAX_REPLAYED or (budget_s and watch.seconds > budget_s / BUDGET_SHARE):
            left_out = len(alive) - number
            break
        try:
            story = follow(rig, judge, token_for(finding.attempts, rig.inputs, finding.path, finding.readings), seed)
        except TokenError:
            gone += 1
            continue
        if any(finding.check in (breach.check, STEADY) for breach in story.breaches):
            reproduced.append(finding)
        else:
            held += 1
    return Past(tuple(reproduced), held, gone, left_out, len(findings) - len(alive))
