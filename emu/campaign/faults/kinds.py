"""The table of kinds.

Neighbours: `campaign` and `retrace` look here; a kind is a row. Of some there is another where the update waits in
flash instead of being sent.
"""

from __future__ import annotations

from emu.campaign.faults.downgrade import DowngradeFaults
from emu.campaign.faults.image import ImageFaults
from emu.campaign.faults.kind import FaultKind, Ground
from emu.campaign.faults.rest import RestFaults
from emu.campaign.faults.specimen import StagedSpecimen
from emu.campaign.faults.staged import StagedFaults
from emu.campaign.faults.staged_downgrade import StagedDowngrade
from emu.campaign.faults.staged_wear import StagedWear
from emu.campaign.faults.wear import WearFaults

FAULT_KINDS: dict[str, type[FaultKind]] = {
    row.name: row for row in (ImageFaults, RestFaults, WearFaults, DowngradeFaults)
}
STAGED_KINDS: dict[str, type[FaultKind]] = FAULT_KINDS | {
    row.name: row for row in (StagedFaults, StagedWear, StagedDowngrade)
}


def kind_named(name: str, ground: Ground) -> FaultKind:
    """The kind ``name`` as it is on ``ground``."""
    is_staged = isinstance(ground.specimen, StagedSpecimen)
    return (STAGED_KINDS if is_staged else FAULT_KINDS)[name](ground)
