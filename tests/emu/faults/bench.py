"""What the tests of faults work on: one kind on one rig. Asserts nothing."""

from __future__ import annotations

from typing import Any

from emu.campaign.faults.campaign import FaultCampaign, FaultReport
from emu.campaign.faults.kind import FaultKind, Ground
from emu.campaign.faults.kinds import FAULT_KINDS
from emu.campaign.options import Options
from emu.fault_bench import FaultBench
from emu.update_rig import UpdateRig
from tests.emu.helpers import COARSE, rig_on


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
