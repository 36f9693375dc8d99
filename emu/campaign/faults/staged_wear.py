"""Worn sectors under a firmware whose update waits in flash.

Nobody says that an update is announced, so the promise is another one than in `wear`: whatever runs off a worn sector
is whole, and something runs while a whole image is left in a slot. A device with one slot may end with nothing.

Neighbours: `wear` chooses sectors and bits. Knows the rig's contract only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from emu.campaign.faults.fault import Fault
from emu.campaign.faults.kind import COARSE
from emu.campaign.faults.specimen import StagedSpecimen
from emu.campaign.faults.staged import is_entered
from emu.campaign.faults.wear import WearFaults
from emu.campaign.judge import Chain, State
from emu.events import UNKNOWN
from emu.rig import Place

NOTHING_LEFT = "nothing runs, and no whole image is left"


class StagedWear(WearFaults):
    promise = "what runs off a worn sector is whole, and something runs while a whole image is left"
    attempts = 1

    @property
    def notes(self) -> tuple[str, ...]:
        here, there = len({(s.name, s.offset) for s in self._chosen}), len({(s.name, s.offset) for s in self._sectors})
        return (
            f"wear: {here} of the {there} sectors the update erases were worn; of each partition the life on one was "
            f"cut, once, with tears {COARSE.name}",
        )

    @property
    def _named_places(self) -> list[tuple[str, Place, int]]:
        assert isinstance(self.specimen, StagedSpecimen), "an update that waits nowhere: please report"
        return [(name, place, place.size) for name, place in self.specimen.partitions]

    def is_cut(self, fault: Fault) -> bool:
        """One of each partition: a life in which an image is copied again and again takes its time."""
        mine = [sector for sector in self._chosen if sector.name == fault.place]
        return fault == Fault(self.name, fault.place, f"from-{mine[0].nth}-erase-one", mine[0].offset)

    def left_out(self, fault: Fault) -> Mapping[str, str]:
        return {
            **super().left_out(fault),
            "accepts": "on a worn sector no update may ever succeed",
            "whole": f"that something else runs is what `{self.check}` says",
        }

    def amended(self, fault: Fault, state: State, chain: Chain) -> Chain:
        """Where no slot holds a whole image any more, nothing can run, and whoever tries again and again may."""
        if is_entered(chain):
            return self.broken(chain, "what stands on the worn sector is entered, and is no known image")
        if not self._is_left(chain):
            return self.broken(replace(chain, breaches=[b for b in chain.breaches if b.check not in ("boots", "wear")]))
        return self.broken(chain)

    def word(self, chain: Chain) -> str:
        return str(chain.outcome) if self._is_left(chain) or chain.outcome.kind == "settled" else NOTHING_LEFT

    def _is_left(self, chain: Chain) -> bool:
        return any(image != UNKNOWN for image in self.specimen.images_in(chain.sessions[-1].session.end))
