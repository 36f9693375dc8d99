"""Older and replayed updates, sent to a device that has been updated, and cut like any update.

The device has settled on the new image, and the old one still stands in its other slot. Then the update that once
brought the old image is sent (older), or the one that brought the new image is sent again (again). Where the board
refuses downgrades (`verify.refuse_downgrade`) the older image must never run, whatever is cut; where it does not, a
downgrade is an update like any other. The words turn: what runs is "old" here, what came before it is "new".

These are ordinary lives of an ordinary device, so they are cut as the campaign cuts the update: to any depth, with its
tears. Neighbours: `specimen.turned` is the rig; `explore` cuts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from emu.campaign.breach import Breach
from emu.campaign.checks import Check, Scene
from emu.campaign.faults.fault import Fault, no_such
from emu.campaign.faults.kind import FaultKind
from emu.campaign.faults.specimen import VariedRig
from emu.campaign.judge import Chain
from emu.campaign.options import ANY
from emu.events import HANDOVER, NEW, OLD
from emu.rig import Outcome

OLDER, AGAIN = "older", "again"
SAME = "the image that runs and the one that is sent are the same"


class DowngradeFaults(FaultKind):
    name = "downgrade"
    help = "older updates, and updates sent again"
    check = "no-older"
    promise = "an older image never runs where the board refuses downgrades"
    attempts = 2
    is_coarse = False
    is_closed = True

    @property
    def not_here(self) -> str:
        if not self.specimen.keeps_new:
            return "with this application model the new image never commits: nothing is downgraded"
        if not self.specimen.older_update:
            return "the board takes signed updates: give --from as the .zip that once brought it"
        return ""

    @property
    def why_idle(self) -> str:
        """Why the older image may run; "" where it must not."""
        if not self.specimen.refuses_downgrade:
            return "the board takes older images: verify.refuse_downgrade is false"
        old, new = self.specimen.versions
        return "" if old < new else f"version {old:#x} is not older than {new:#x}"

    @property
    def notes(self) -> tuple[str, ...]:
        options = self.ground.options
        how = "any number of times" if options.depth == ANY else "once"
        again = self.left_out(Fault(self.name, "update", AGAIN))
        same = [name for name, why in again.items() if why == SAME and name in self.ground.checks[0]]
        return (
            f"downgrade: each life cut {how}, in {self.attempts} update attempts, with tears {options.tears.name}",
            *([f"downgrade.update.{AGAIN}: {', '.join(same)} not claimed: {SAME}"] if same else []),
        )

    def faults(self) -> Iterator[Fault]:
        yield Fault(self.name, "update", OLDER)
        yield Fault(self.name, "update", AGAIN)

    def is_cut(self, fault: Fault) -> bool:
        return True

    def rig(self, fault: Fault) -> VariedRig:
        sent = {OLDER: self.specimen.older_update, AGAIN: self.specimen.update}.get(fault.how)
        if sent is None or fault.place != "update" or fault.offset is not None:
            raise no_such(fault, f"the update is {OLDER} or {AGAIN}")
        return self.specimen.turned(sent, self.ground.resting(len(self.ground.golden.sessions)))

    def told(self, fault: Fault) -> str:
        if fault.how == AGAIN:
            return 'the device runs the new image, here called "old", and is sent the update that brought it again'
        return 'the device runs the new image, here called "old", and is sent the one before, here called "new"'

    def left_out(self, fault: Fault) -> Mapping[str, str]:
        out = {"keeps-files": "which files a second update leaves is not known here"}
        if fault.how == AGAIN:
            return out | {"durable": SAME, "reverts": SAME, "retries": SAME}
        return out | ({} if self.why_idle else {"retries": "the update that is sent is refused for good"})

    def rows(self, fault: Fault) -> tuple[Check, ...]:
        return () if self.why_idle else (Check(self.check, self.promise, _no_older, _handovers),)

    def word(self, chain: Chain) -> str:
        return in_turn(chain.outcome)


def _no_older(scene: Scene) -> Iterator[Breach]:
    for index, event, _ in scene.events(HANDOVER):
        if event.facts[1] == NEW:
            yield Breach(DowngradeFaults.check, index, "an older image runs, and the board refuses downgrades")


def _handovers(scene: Scene) -> int:
    return sum(1 for _ in scene.events(HANDOVER))


def in_turn(outcome: Outcome) -> str:
    """An outcome in words that do not turn."""
    if outcome.kind != "settled" or outcome.image not in (OLD, NEW):
        return str(outcome)
    which = {OLD: "the newer image runs on", NEW: "the older image runs"}[outcome.image]
    return f"{which}, {'committed' if outcome.committed else 'NOT committed'}"
