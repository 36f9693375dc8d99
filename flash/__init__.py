"""What the silicon does: a byte-accurate NOR flash, its parts, its power, its tears.

This floor knows nothing of bootloaders, updates or campaigns. Start with `FlashDevice(bundled_part("W25Q128JV"))`.
"""

from flash.bulk import put, wipe
from flash.cells import Cells
from flash.contract import Clock, ElapsedTime, NorFlash
from flash.device import FlashDevice, Statistics
from flash.errors import (
    EccFault,
    FlashError,
    FlashMisuse,
    HardwareFault,
    ImageError,
    Interrupted,
    OutOfBounds,
    PartError,
    PowerLost,
    ResetAsserted,
)
from flash.geometry import Geometry, Sector, SectorRun
from flash.journal import Event, Interruption, Journal, Misuse, Operation
from flash.part import Part, bundled_part, load_part, part_names
from flash.partition import Partition
from flash.snapshot import Snapshot
from flash.supply import Supply
from flash.tears import TEAR_SETS, TEARS, Tear, TearSet, tear_named, tears_of
from flash.timing import Timing

__all__ = [
    "TEARS",
    "TEAR_SETS",
    "Cells",
    "Clock",
    "EccFault",
    "ElapsedTime",
    "Event",
    "FlashDevice",
    "FlashError",
    "FlashMisuse",
    "Geometry",
    "HardwareFault",
    "ImageError",
    "Interrupted",
    "Interruption",
    "Journal",
    "Misuse",
    "NorFlash",
    "Operation",
    "OutOfBounds",
    "Part",
    "PartError",
    "Partition",
    "PowerLost",
    "ResetAsserted",
    "Sector",
    "SectorRun",
    "Snapshot",
    "Statistics",
    "Supply",
    "Tear",
    "TearSet",
    "Timing",
    "bundled_part",
    "load_part",
    "part_names",
    "put",
    "tear_named",
    "tears_of",
    "wipe",
]
