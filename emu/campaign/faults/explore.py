"""A life with a fault in it, cut once at every operation.

The explorer of depth 1 as it is, but for three things: the uncut life need not end well; what it breaks without a cut
is not reported again for every cut; and findings are counted by fault, check and outcome instead of by place.

Neighbours: `campaign` runs one for each fault of a kind that is cut; `kind` has the rig and the judge.
"""

from __future__ import annotations

from emu.campaign.edges import harshness
from emu.campaign.explore import Explorer
from emu.campaign.faults.fault import Fault
from emu.campaign.faults.kind import FaultKind
from emu.campaign.judge import Chain, State
from emu.campaign.options import Options
from emu.campaign.verdict import CutPath, Finding, FindingKey


class FaultExplorer(Explorer):
    """Of one fault. ``uncut``: what happens without a cut, once `explore` has run."""

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
