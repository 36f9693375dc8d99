"""What the tests of faults work on: one kind on one rig. Asserts nothing."""

from __future__ import annotations

from typing import Any

from bootloader.image import parse_header
from emu.campaign.faults.campaign import FaultCampaign, FaultReport
from emu.campaign.faults.kind import FaultKind, Ground
from emu.campaign.faults.kinds import FAULT_KINDS
from emu.campaign.options import Options
from emu.fault_bench import FaultBench
from emu.firmware import ModelFirmware
from emu.update_rig import UpdateRig
from tests.emu.helpers import COARSE, rig_on
from updater.errors import UpdateRefused
from updater.slot_writer import SlotWriter


def ground_on(rig: UpdateRig | None = None, **options: Any) -> Ground:
    rig = rig or rig_on()
    return Ground(FaultBench(rig), rig.bounds, Options(**{"tears": COARSE, "keeps_new": rig.keeps_new} | options))


def kind_on(name: str, rig: UpdateRig | None = None, **options: Any) -> FaultKind:
    return FAULT_KINDS[name](ground_on(rig, **options))


def report_on(name: str, only: str = "", rig: UpdateRig | None = None, **options: Any) -> FaultReport:
    ground = ground_on(rig, **options)
    return FaultCampaign(ground.specimen, ground.bounds, ground.options, [name], only=only).run()


def words(report: FaultReport) -> dict[str, dict[str, int]]:
    """What became of the faults, by place."""
    return {count.place: dict(count.words) for count in report.counts}


class TakesOnce(ModelFirmware):
    """A slot that is not blank is not written to again: a refused update has left something in it."""

    name = "takes-once"

    class OnceWriter(SlotWriter):
        def _erase_up_to(self, end: int) -> None:
            first = self._erases and self._erases[0][0] < end
            if first and parse_header(self._flash.read(0, 256)) == "erased":
                raise UpdateRefused(-12, "Write failed", "the slot was erased before")
            super()._erase_up_to(end)

    writer_class = OnceWriter
