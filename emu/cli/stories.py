"""Findings told step by step: their tokens are followed here, because a report runs nothing.

Neighbours: `run` prints one, `html` lays out several. Uses a judge of its own, so that no count of a campaign changes.
"""

from __future__ import annotations

from emu.campaign.judge import Judge
from emu.campaign.replay import Story, follow
from emu.campaign.token import token_for
from emu.campaign.verdict import KILLED, Coverage, Finding, Verdict
from emu.cli.faults import retraced
from emu.rig import Subject


class Teller:
    """Follows findings of ``verdict`` on ``rig``; ``checks`` are the campaign's."""

    def __init__(self, rig: Subject, checks: tuple[str, ...], verdict: Verdict, seed: int) -> None:
        self._rig = rig
        self._verdict = verdict
        self._seed = seed
        self._judge = Judge(rig, rig.bounds, checks=checks, cache=True, cover=Coverage())

    def story(self, finding: Finding) -> Story:
        """What happens on the path of ``finding``."""
        attempts = self._verdict.attempts_of(finding)
        token = token_for(attempts, self._rig.inputs, finding.path, finding.readings, finding.fault)
        if finding.fault:
            return retraced(self._rig, token, self._seed)
        return follow(self._rig, self._judge, token, self._seed)


def tellable(verdict: Verdict) -> list[Finding]:
    """The findings that have a story: a trial that kills whoever runs it has none."""
    return [finding for finding in verdict.findings if finding.key.outcome != KILLED]
