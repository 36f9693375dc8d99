"""The table of kinds.

Neighbours: `campaign` and `retrace` look here; a kind is a row.
"""

from __future__ import annotations

from emu.campaign.faults.downgrade import DowngradeFaults
from emu.campaign.faults.image import ImageFaults
from emu.campaign.faults.kind import FaultKind
from emu.campaign.faults.rest import RestFaults
from emu.campaign.faults.wear import WearFaults

FAULT_KINDS: dict[str, type[FaultKind]] = {
    row.name: row for row in (ImageFaults, RestFaults, WearFaults, DowngradeFaults)
}
