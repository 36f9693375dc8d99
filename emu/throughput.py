"""Chunk throughput of an update: how fast the device takes it, and what it waits for.

Device time is virtual: the sum of what flash and link take. It is held against the cheapest legal list of erases,
programs and read-backs for the same bytes on the same part, found here independently of the updater. Host time says
how fast the emulation itself is.

Neighbours: `update_rig` makes the device, `cli.bench` prints the table. Knows no campaign.
"""

from __future__ import annotations

from dataclasses import dataclass

from bootloader.image import HEADER_SIZE
from emu.board import Board
from emu.clock import Stopwatch
from emu.errors import ScenarioError
from emu.firmware import ModelFirmware
from emu.update_rig import UpdateRig
from flash.geometry import Geometry
from flash.journal import Journal
from flash.part import Part
from flash.timing import Timing

CHUNK_SIZES = (64, 256, 512, 1024, 4096, 16384, 65536)


@dataclass(frozen=True, slots=True)
class Throughput:
    """One row. Times in microseconds of device time unless they say host. ``share``: cheapest / flash time."""

    chunk_size: int
    size: int
    total_us: int
    link_us: int
    erase_us: int
    program_us: int
    read_us: int
    finish_us: int
    cheapest_us: int
    host_s: float

    @property
    def device_kib_per_s(self) -> float:
        return self.size / 1024 / (self.total_us / 1e6)

    @property
    def host_mb_per_s(self) -> float:
        return self.size / 1e6 / self.host_s

    @property
    def share(self) -> float:
        return self.cheapest_us / (self.total_us - self.link_us)

    @property
    def limit(self) -> str:
        """What takes the largest part of the time."""
        parts = {"link": self.link_us, "erase": self.erase_us, "program": self.program_us, "read-back": self.read_us}
        return max(parts, key=lambda name: parts[name])


def measure(rig: UpdateRig, chunk_size: int, link_bytes_per_s: int) -> Throughput:
    """Send the rig's update in chunks of ``chunk_size`` over a link (0: no limit). Raises ScenarioError if refused."""
    device = rig.device
    for chip, snapshot in zip(device.chips, rig.initial(1).memory, strict=True):
        chip.restore(snapshot)
    session = device.reset("power", Journal(), None, {})
    firmware = ModelFirmware()
    decision = firmware.boot(session).decision
    before = [(chip.statistics.erase_time_us, chip.statistics.program_time_us) for chip in device.chips]
    start_us = session.clock.now_us
    context, target = firmware.begin_update(session, decision)
    if context is None:
        raise ScenarioError(f"the update is refused: {target.log[-1]}")
    link_us, stopwatch = 0, Stopwatch()
    for start in range(0, len(rig.bundle), chunk_size):
        chunk = rig.bundle[start : start + chunk_size]
        if link_bytes_per_s:
            wait_us = len(chunk) * 1_000_000 // link_bytes_per_s
            link_us += wait_us
            session.wait(wait_us)
        if firmware.process(context, chunk):
            raise ScenarioError(f"the update is refused: {context.status_msg}: {context.detail}")
    host_s = stopwatch.seconds
    total_us = session.clock.now_us - start_us
    erase_us = sum(chip.statistics.erase_time_us - e for chip, (e, _) in zip(device.chips, before, strict=True))
    program_us = sum(chip.statistics.program_time_us - p for chip, (_, p) in zip(device.chips, before, strict=True))
    if firmware.finish(context) != 1:
        raise ScenarioError(f"the update is refused: {context.status_msg}: {context.detail}")
    return Throughput(
        chunk_size=chunk_size,
        size=len(rig.images.new),
        total_us=total_us,
        link_us=link_us,
        erase_us=erase_us,
        program_us=program_us,
        read_us=total_us - link_us - erase_us - program_us,
        finish_us=session.clock.now_us - start_us - total_us,
        cheapest_us=cheapest_us(rig),
        host_s=host_s,
    )


def _slot_part(board: Board) -> Part:
    """The part the slots are on."""
    document = board.document
    return next(board.parts[p.flash] for p in document.partition if p.name == document.layout.slots[1])


def cheapest_us(rig: UpdateRig) -> int:
    """The least device time any legal list of erases, programs and read-backs takes to put the new image into a slot.

    Every byte is read back once; a program carries the smallest run of units that holds its page's bytes.
    """
    slot, image, part = rig.device.layout.slots[1], rig.images.new, _slot_part(rig.board)
    timing = Timing(part, worn=False)
    geometry = slot.flash.geometry
    erase = _cheapest_erases(geometry, timing, HEADER_SIZE + len(image), slot.fs_offset)
    program = 0
    for offset, length in geometry.programs(HEADER_SIZE, len(image)):
        piece = image[offset - HEADER_SIZE : offset - HEADER_SIZE + length]
        used = len(piece.rstrip(bytes([part.erased])))
        head = len(piece) - len(piece.lstrip(bytes([part.erased])))
        if used:
            low, high = geometry.align_down(head, part.program.unit), geometry.align_up(used, part.program.unit)
            program += timing.program_us(0, high - low, 0)
    return erase + program + timing.read_us(len(image))


def _cheapest_erases(geometry: Geometry, timing: Timing, end: int, limit: int) -> int:
    """Exact, by dynamic programming over sector boundaries: ``best[a]`` is the least time to clear [0, a)."""
    best: dict[int, int] = {0: 0}
    for sector in geometry.sectors_in(0, limit):
        if sector.address not in best:
            continue
        for size in geometry.erase_sizes_at(sector.address):
            stop = sector.address + size
            if stop <= limit:
                time_us = best[sector.address] + timing.erase_us(sector.address, size, 0)
                best[stop] = min(time_us, best.get(stop, time_us))
    return min(time_us for stop, time_us in best.items() if stop >= end)
