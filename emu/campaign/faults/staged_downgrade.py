"""Older images that wait in flash, and the new one once more: to a device as shipped, and to one that was updated.

The board names the older image (``[[image]]`` called "older"). Unless its ``accept`` names it too, it must never be
entered, whatever is cut. These are ordinary lives of an ordinary device, so they are cut as the campaign cuts the
update: to any depth, with its tears.

Neighbours: `staged` puts the update where it waits; `downgrade` is the same for an update that is sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from emu.campaign.breach import Breach
from emu.campaign.checks import Check, Scene
from emu.campaign.faults.downgrade import AGAIN, OLDER, DowngradeFaults
from emu.campaign.faults.fault import Fault, no_such
from emu.campaign.faults.specimen import Delivered, StagedSpecimen, VariedRig
from emu.campaign.faults.staged import delivered_to
from emu.campaign.judge import Chain
from emu.campaign.options import ANY
from emu.events import HANDOVER, NEW
from emu.rig import DeviceState

SHIPPED, UPDATED = "shipped", "updated"
_TOLD = {
    (SHIPPED, OLDER): "the device is as shipped, and an older image waits instead of the update",
    (UPDATED, OLDER): "the device has been updated, and an older image waits where the update did",
    (UPDATED, AGAIN): "the device has been updated, and the same update waits once more",
}


class StagedDowngrade(DowngradeFaults):
    help = "older updates, and updates delivered again"
    promise = "an older image is never entered where the board does not accept it"
    attempts = 1

    @property
    def _specimen(self) -> StagedSpecimen:
        assert isinstance(self.specimen, StagedSpecimen), "an update that waits nowhere: please report"
        return self.specimen

    @property
    def not_here(self) -> str:
        if not self.specimen.keeps_new:
            return "the update is not taken: name the new image in accept"
        if not self._specimen.older:
            return 'the board names no older image: add [[image]] name = "older" with its path'
        return ""

    @property
    def why_idle(self) -> str:
        return "the board takes older images: accept names it" if self._specimen.takes_older else ""

    @property
    def notes(self) -> tuple[str, ...]:
        options = self.ground.options
        how = "any number of times" if options.depth == ANY else "once"
        said = f"downgrade: each life cut {how}, with tears {options.tears.name}"
        occupied = self._occupied
        if not occupied:
            return (said,)
        return (said, f"downgrade.{UPDATED} was not tried: after the update the new image runs where it waited, in "
                f"{occupied}")  # fmt: skip

    @property
    def _occupied(self) -> str:
        """The slot in which the new image runs and an update is staged; "" where nothing stands in the way."""
        held = self.specimen.images_in(self.ground.end)
        if held.count(NEW) != 1:
            return ""
        name, slot = self.specimen.slot_names[held.index(NEW)], self.specimen.rig.places.slots[held.index(NEW)]
        return name if any(piece.place.shares(slot) for piece in self._specimen.staged) else ""

    def faults(self) -> Iterator[Fault]:
        for place, how in _TOLD:
            if place == SHIPPED or not self._occupied:
                yield Fault(self.name, place, how)

    def rig(self, fault: Fault) -> VariedRig:
        if fault not in self.faults():
            raise no_such(fault, f"there are {', '.join(each.name for each in self.faults())}")
        shipped = self.specimen.rig.initial(self.attempts)
        before = self._settled if fault.place == UPDATED else shipped
        return self.specimen.varied(start=delivered_to(self.ground, before, self._pieces(fault)))

    @property
    def _settled(self) -> DeviceState:
        return self.ground.resting(len(self.ground.golden.sessions))

    def _pieces(self, fault: Fault) -> tuple[Delivered, ...]:
        return self._specimen.older if fault.how == OLDER else self._specimen.staged

    def told(self, fault: Fault) -> str:
        return _TOLD[fault.place, fault.how]

    def left_out(self, fault: Fault) -> Mapping[str, str]:
        out = {"accepts": f"which image may run here is what `{self.check}` says"}
        forgotten = "what had been committed before is not known here"
        return out | {"durable": forgotten, "reverts": forgotten}

    def rows(self, fault: Fault) -> tuple[Check, ...]:
        return () if self.why_idle else (Check(self.check, self.promise, _never_older, _handovers),)

    def word(self, chain: Chain) -> str:
        return str(chain.outcome)


def _never_older(scene: Scene) -> Iterator[Breach]:
    for index, event, _ in scene.events(HANDOVER):
        if event.facts[1] == OLDER:
            yield Breach(
                DowngradeFaults.check, index, f"the older image is entered in slot {event.facts[3]}, and accept does "
                "not name it",
            )  # fmt: skip


def _handovers(scene: Scene) -> int:
    return sum(1 for _ in scene.events(HANDOVER))
