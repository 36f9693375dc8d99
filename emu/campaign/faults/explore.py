"""A life with a fault in it, cut: once at every operation, or any number of times.

The explorer of depth 1 and the closure as they are, but for three things: the uncut life need not end well, and is cut
then too; what it breaks without a cut is not reported again for every cut; and findings are counted by fault, check and
outcome instead of by place.

Neighbours: `campaign` runs one for each fault that is cut; its kind has the rig and the judge.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import msgspec

from emu.campaign.closure import Closure
from emu.campaign.edges import harshness
from emu.campaign.explore import Explorer
from emu.campaign.faults.fault import Fault
from emu.campaign.faults.kind import FaultKind
from emu.campaign.judge import Chain, State
from emu.campaign.options import Options
from emu.campaign.verdict import CutPath, Finding, FindingKey


class FaultExplorer(Explorer):
    """Of one fault, at depth 1. ``uncut``: what happens without a cut, once `explore` has run."""

    def __init__(self, kind: FaultKind, fault: Fault, options: Options) -> None:
        super().__init__(kind.rig(fault), kind.ground.bounds, options)
        self.checks = (*kind.checks(fault), kind.check)
        self.judge = kind.judge(fault)
        self.uncut: Chain | None = None
        self._broken_uncut: set[str] = set()
        self._fault = fault

    def _uncut_life(self, root: State) -> Chain:
        self.uncut = self.judge.chain(root)
        self._broken_uncut = {breach.check for breach in self.uncut.breaches}
        return self.uncut

    def _why_no_cuts(self, golden: Chain) -> str:
        return ""

    def _report(self, path: CutPath, kinds: tuple[str, ...], check: str, message: str, outcome: str) -> None:
        if check not in self.checks or (path and check in self._broken_uncut):
            return
        key = FindingKey(check, (), kinds, outcome, self._fault.group)
        finding = Finding(
            key, path, harshness(step.how for step in path), message, fault=self._fault.name,
            attempts=self._options.attempts,
        )  # fmt: skip
        known = self._findings.setdefault(key, finding)
        if known is not finding:
            known.count += 1


class FaultClosure(Closure):
    """Of one fault, at any depth; its kind's own check judges sessions. ``uncut`` as above."""

    def __init__(self, kind: FaultKind, fault: Fault, options: Options) -> None:
        bounds = msgspec.structs.replace(kind.ground.bounds, apply=kind.checks(fault))
        super().__init__(kind.rig(fault), bounds, options, own=kind.rows(fault), without=kind.left_out(fault))
        self.uncut: Chain | None = None
        self._fault = fault
        self._ground = kind.ground

    def _uncut_life(self, root: State) -> Chain:
        self.uncut = self.judge.chain(root)
        return self.uncut

    def _why_no_cuts(self, golden: Chain) -> str:
        return ""

    def counted(self) -> None:
        """Count what was run and judged in the campaign's own counts. To be called once."""
        cover = self._ground.cover
        cover.exercised += self.cover.exercised
        cover.boots += self.cover.boots
        cover.runs += self.cover.runs

    def told(self, findings: Iterable[Finding]) -> Iterator[Finding]:
        """``findings`` of this closure as those of its fault."""
        assert self.uncut is not None, "a closure that was not explored has found nothing: please report"
        broken_uncut = {breach.check for breach in self.uncut.breaches}
        for finding in findings:
            if not finding.path or finding.key.check not in broken_uncut:
                key = replace(finding.key, place=(), fault=self._fault.group)
                yield replace(finding, key=key, fault=self._fault.name, attempts=self.options.attempts)
