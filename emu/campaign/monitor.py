"""What a check must remember across resets: the monitor.

It is part of the state: two devices with the same flash and different monitors are different states, because the same
behaviour can be right for one and wrong for the other. Neighbours: `checks` reads it, `explore` carries it. It is
moved by journal events alone, never by what the firmware says about itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from emu.events import APPLIED, ATTEMPT, CLAIMED, COMMIT_BEGUN, COMMIT_RETURNED, HANDOVER, NEW, OFFERED, OUTSIDE, TOLD
from emu.ledger import NOTHING_OWED, Ledger
from flash.journal import Event

MOVED_BY = (ATTEMPT, HANDOVER, COMMIT_BEGUN, COMMIT_RETURNED, OFFERED, TOLD, CLAIMED, OUTSIDE)
"""The events that change a monitor, what is left of the workload, or the world outside."""


@dataclass(frozen=True, slots=True)
class Monitor:
    """``entered``: the new image was entered since the last attempt began. ``commit_begun`` and
    ``commit_returned``: the application called commit on it, and got an answer. ``running``: the slot that was entered
    in this session; -1 while the bootloader runs. ``ledger``: what a store owes its user. ``claimed``: what the other
    side takes for granted, `APPLIED`, `KEPT` or "";
    ``is_backed``: flash named the new image when the device said so; ``is_spent``: since then a bootloader has ended
    without a hand-over, and the trial may have gone with it."""

    entered: bool = False
    commit_begun: bool = False
    commit_returned: bool = False
    running: int = -1
    ledger: Ledger = NOTHING_OWED
    claimed: str = ""
    is_backed: bool = True
    is_spent: bool = False

    @property
    def at_reset(self) -> Monitor:
        """What is remembered across a reset."""
        if self.running >= 0:
            return replace(self, running=-1)
        owes_trial = self.claimed == APPLIED and self.is_backed and not self.entered
        return replace(self, is_spent=True) if owes_trial and not self.is_spent else self

    @property
    def on_probation(self) -> bool:
        """The new image has run and nobody has asked to keep it."""
        return self.entered and not self.commit_begun

    def after(self, event: Event) -> Monitor:
        if event.name == ATTEMPT:
            return Monitor(running=self.running, ledger=self.ledger)
        if event.name == HANDOVER:
            return replace(self, entered=self.entered or event.facts[1] == NEW, running=event.facts[0])
        if event.name == COMMIT_BEGUN:
            return replace(self, commit_begun=True)
        if event.name == COMMIT_RETURNED:
            return replace(self, commit_returned=True)
        if event.name == OFFERED:
            return replace(self, ledger=self.ledger.with_offer(*event.facts))
        if event.name == TOLD:
            return replace(self, ledger=self.ledger.with_told(*event.facts))
        if event.name == CLAIMED:
            return replace(self, claimed=event.facts[0], is_backed=event.facts[1], is_spent=False)
        return self
