"""One whole update without an interruption: when it boots, when it has committed, what it wears out.

Sessions run as they do in a campaign, from the factory until the new image is committed, and then once more from a
power-on. Neighbours: `update_rig` runs the sessions, `measurements` names the figures. Knows no campaign.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from emu.board import PartitionEntry
from emu.errors import ScenarioError
from emu.events import COMMIT_BEGUN, COMMIT_RETURNED, HANDOVER, NEW, REFUSED
from emu.rig import Run
from emu.update_rig import UpdateRig
from flash.journal import Event, Operation
from flash.part import Part


@dataclass(frozen=True, slots=True)
class SectorWear:
    """A sector that the update erased. ``partition``: "" where none is."""

    chip: str
    partition: str
    address: int
    size: int
    erases: int


@dataclass(frozen=True, slots=True)
class PartitionWear:
    """``sectors``: how many of the ``of_sectors`` were erased at all; ``erases``: of all sectors together."""

    name: str
    chip: str
    of_sectors: int
    sectors: int
    erases: int
    worst_sector_erases: int
    rated_cycles: int


@dataclass(frozen=True, slots=True)
class Uncut:
    """Microseconds of device time. ``boot_us``: from a power-on to the hand-over, nothing to decide, the slower of the
    old and the new image. ``trial_boot_us``: the same where the new image is entered for the first time.
    ``commit_us``: from that reset until the new image's commit has returned; ``commit_call_us``: the call alone.
    """

    boot_us: int
    trial_boot_us: int
    commit_us: int
    commit_call_us: int
    erase_operations: int
    sectors: tuple[SectorWear, ...]
    partitions: tuple[PartitionWear, ...]


def run_uncut(rig: UpdateRig) -> Uncut:
    """Update the rig's device once, with the board's own link. Raises ScenarioError unless it ends with the new image
    committed."""
    runs = [rig.run(rig.initial(1))]
    for _ in range(rig.board.document.checks.max_resets):
        if runs[-1].outcome.kind != "reset":
            break
        runs.append(rig.run(runs[-1].end))
    outcome = runs[-1].outcome
    if not (outcome.kind == "settled" and outcome.image == NEW and outcome.committed):
        refused = [event for run in runs for event in _events(run, REFUSED)]
        because = f" (refused: {refused[-1].facts[0]})" if refused else ""
        raise ScenarioError(
            f"the update does not end with the new image committed: {outcome}{because}; `brownout run` with the same "
            "options tells the whole story"
        )
    trial = next(run for run in runs if _events(run, COMMIT_RETURNED))
    begun, returned = (_events(trial, name)[-1].time_us for name in (COMMIT_BEGUN, COMMIT_RETURNED))
    afterwards = rig.run(replace(runs[-1].end, cause="power", ram=()))
    operations = [e for run in runs for e in run.entries if isinstance(e, Operation) and e.kind == "erase"]
    sectors = _sectors(rig, operations)
    return Uncut(
        boot_us=max(_handover_us(runs[0]), _handover_us(afterwards)),
        trial_boot_us=_handover_us(trial),
        commit_us=returned,
        commit_call_us=returned - begun,
        erase_operations=len(operations),
        sectors=sectors,
        partitions=tuple(
            _partition_wear(entry, rig.board.parts[entry.flash], sectors) for entry in rig.board.document.partition
        ),
    )


def _events(run: Run, name: str) -> list[Event]:
    return [entry for entry in run.entries if isinstance(entry, Event) and entry.name == name]


def _handover_us(run: Run) -> int:
    return _events(run, HANDOVER)[0].time_us


def _sectors(rig: UpdateRig, erases: list[Operation]) -> tuple[SectorWear, ...]:
    """An erase of a block wears every sector in it."""
    chips = {chip.name: chip for chip in rig.device.chips}
    counts = Counter(
        (operation.device, sector.address, sector.size)
        for operation in erases
        for sector in chips[operation.device].geometry.sectors_in(operation.address, operation.length)
    )
    return tuple(
        SectorWear(chip, _partition_at(rig, chip, address), address, size, count)
        for (chip, address, size), count in sorted(counts.items())
    )


def _partition_at(rig: UpdateRig, chip: str, address: int) -> str:
    for entry in rig.board.document.partition:
        if entry.flash == chip and entry.offset <= address < entry.offset + entry.size:
            return entry.name
    return ""


def _partition_wear(entry: PartitionEntry, part: Part, sectors: tuple[SectorWear, ...]) -> PartitionWear:
    erases = [sector.erases for sector in sectors if sector.partition == entry.name]
    return PartitionWear(
        name=entry.name,
        chip=entry.flash,
        of_sectors=sum(1 for _ in part.geometry.sectors_in(entry.offset, entry.size)),
        sectors=len(erases),
        erases=sum(erases),
        worst_sector_erases=max(erases, default=0),
        rated_cycles=part.endurance.cycles,
    )
