"""Chunk throughput of an update: how fast the device takes it, what it waits for, and for how long it takes nothing.

Device time is virtual: the sum of what flash and link take, from the begin of the update until it is staged (image
header and boot config written). What the flash takes for the image's bytes is held against the cheapest legal list of
erases, programs and read-backs for the same bytes on the same chip, by the same timing, found here independently of the
updater. Host time says how fast the emulation itself is.

Neighbours: `update_rig` makes the device, `measurements` names the figures. Knows no campaign.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bootloader.image import HEADER_SIZE
from emu.clock import Stopwatch
from emu.errors import ScenarioError
from emu.update_rig import UpdateRig
from flash.geometry import Geometry
from flash.journal import Journal, Operation
from flash.timing import Timing

CHUNK_SIZES = (64, 256, 512, 1024, 4096, 16384, 65536)
LINK_SPEEDS = (960, 11_520, 100_000, 1_000_000, 0)
"""Bytes per second: serial lines of 9,600 and 115,200 baud (ten bits a byte), 100 kB/s, 1 MB/s; 0: not the limit."""


@dataclass(frozen=True, slots=True)
class Stalls:
    """Stretches in which flash erases and takes nothing: erases with no pause between them are one."""

    count: int
    longest_us: int
    total_us: int


def stalls_of(operations: Iterable[Operation]) -> Stalls:
    """``operations`` in the order of a journal: by their ends."""
    stretches: list[list[int]] = []
    for operation in operations:
        if operation.kind != "erase":
            continue
        if stretches and stretches[-1][1] == operation.start_us:
            stretches[-1][1] = operation.end_us
        else:
            stretches.append([operation.start_us, operation.end_us])
    lengths = [end - start for start, end in stretches]
    return Stalls(len(lengths), max(lengths, default=0), sum(lengths))


@dataclass(frozen=True, slots=True)
class Throughput:
    """One row. ``size``: bytes of the image and the filesystem with it. Times in microseconds of device time unless
    they say host.

    ``total_us`` is the sum of ``link_us`` (waiting for chunks), ``erase_us``, ``program_us`` and ``read_us`` (of the
    image's bytes, with what begins the update) and ``finish_us`` (image header and boot config, read-back included).
    ``waits_us`` and ``chunks_us``: per chunk, how long its bytes travel, and how long the updater then works on it.
    ``stalls``: of the whole update, the finish included.
    """

    chunk_size: int
    link_bytes_per_s: int
    size: int
    total_us: int
    link_us: int
    erase_us: int
    program_us: int
    read_us: int
    finish_us: int
    cheapest_us: int
    waits_us: tuple[int, ...]
    chunks_us: tuple[int, ...]
    stalls: Stalls
    host_s: float

    @property
    def device_kib_per_s(self) -> float:
        """Image bytes over all of ``total_us``."""
        return self.size / 1024 / (self.total_us / 1e6)

    @property
    def two_buffers_us(self) -> int:
        """``total_us`` on hardware with two buffers of ``chunk_size``: one fills (by DMA, say) while the updater works
        on the other. Exact, because flash takes as long whenever it is told to."""
        arrived = freed = done = self.total_us - self.finish_us - self.link_us - sum(self.chunks_us)
        for wait_us, work_us in zip(self.waits_us, self.chunks_us, strict=True):
            arrived = max(arrived, freed) + wait_us
            freed, done = done, max(arrived, done) + work_us
        return done + self.finish_us

    @property
    def two_buffers_kib_per_s(self) -> float:
        return self.size / 1024 / (self.two_buffers_us / 1e6)

    @property
    def worst_chunk_us(self) -> int:
        """How long the updater works on the chunk that takes longest; nothing is taken from the link meanwhile."""
        return max(self.chunks_us)

    @property
    def host_mb_per_s(self) -> float:
        return self.size / 1e6 / self.host_s

    @property
    def share(self) -> float:
        """The cheapest list over what erases, programs and read-backs took; link and finish are in neither."""
        return self.cheapest_us / (self.erase_us + self.program_us + self.read_us)

    @property
    def limit(self) -> str:
        """What takes the largest part of the time."""
        parts = {
            "link": self.link_us, "erase": self.erase_us, "program": self.program_us, "read-back": self.read_us,
            "finish": self.finish_us,
        }  # fmt: skip
        return max(parts, key=lambda name: parts[name])


def measure(rig: UpdateRig, chunk_size: int, link_bytes_per_s: int) -> Throughput:
    """Send the rig's update in chunks of ``chunk_size`` over a link (0: no limit). Raises ScenarioError if refused."""
    device = rig.device
    for chip, snapshot in zip(device.chips, rig.initial(1).memory, strict=True):
        chip.restore(snapshot)
    journal = Journal()
    session = device.reset("power", journal, None, {})
    firmware = rig.firmware
    decision = firmware.boot(session).decision
    before = [(chip.statistics.erase_time_us, chip.statistics.program_time_us) for chip in device.chips]
    start_us, operations_before = session.clock.now_us, len(journal.entries)
    assert decision.slot is not None, "a device as shipped runs: please report"
    target = firmware.update_target(session, decision.slot)
    context = firmware.open_update(session, target)
    if context is None:
        raise ScenarioError(f"the update is refused: {target.log[-1]}")
    waits_us: list[int] = []
    chunks_us: list[int] = []
    stopwatch = Stopwatch()
    for start in range(0, len(rig.bundle), chunk_size):
        chunk = rig.bundle[start : start + chunk_size]
        waits_us.append(len(chunk) * 1_000_000 // link_bytes_per_s if link_bytes_per_s else 0)
        session.wait(waits_us[-1])
        arrived_us = session.clock.now_us
        if firmware.process(context, chunk):
            raise ScenarioError(f"the update is refused: {context.status_msg}: {context.detail}")
        chunks_us.append(session.clock.now_us - arrived_us)
    host_s = stopwatch.seconds
    received_us = session.clock.now_us - start_us
    link_us = sum(waits_us)
    erase_us = sum(chip.statistics.erase_time_us - e for chip, (e, _) in zip(device.chips, before, strict=True))
    program_us = sum(chip.statistics.program_time_us - p for chip, (_, p) in zip(device.chips, before, strict=True))
    if firmware.finish(context) != 1:
        raise ScenarioError(f"the update is refused: {context.status_msg}: {context.detail}")
    return Throughput(
        chunk_size=chunk_size,
        link_bytes_per_s=link_bytes_per_s,
        size=len(rig.images.new) + len(rig.images.new_fs),
        total_us=session.clock.now_us - start_us,
        link_us=link_us,
        erase_us=erase_us,
        program_us=program_us,
        read_us=received_us - link_us - erase_us - program_us,
        finish_us=session.clock.now_us - start_us - received_us,
        cheapest_us=cheapest_us(rig),
        waits_us=tuple(waits_us),
        chunks_us=tuple(chunks_us),
        stalls=stalls_of(e for e in journal.entries[operations_before:] if isinstance(e, Operation)),
        host_s=host_s,
    )


def cheapest_us(rig: UpdateRig) -> int:
    """The least device time any legal list of erases, programs and read-backs takes to put the new image, and the
    filesystem that comes with it, into a slot, by the timing of the rig's own chip.

    Every byte is read back once; a program carries the smallest run of units that holds its page's bytes.
    """
    slot, place = rig.device.layout.slots[1], rig.places.slots[1]
    area = _Area(slot.flash.geometry, rig.device.chips[place.chip].timing, place.address)
    total = area.cheapest_us(rig.images.new, erase_from=0, at=HEADER_SIZE, limit=slot.fs_offset)
    if rig.images.new_fs:
        total += area.cheapest_us(rig.images.new_fs, erase_from=slot.fs_offset, at=slot.fs_offset, limit=place.size)
    return total


@dataclass(frozen=True, slots=True)
class _Area:
    """A slot as its chip sees it; ``base``: the address of offset 0 on the chip, which sampled times depend on."""

    geometry: Geometry
    timing: Timing
    base: int

    def cheapest_us(self, content: bytes, *, erase_from: int, at: int, limit: int) -> int:
        """To put ``content`` at offset ``at`` of a slot that is not blank."""
        total = self._erases_us(erase_from, at + len(content), limit) + self.timing.read_us(len(content))
        geometry, blank = self.geometry, bytes([self.geometry.erased])
        for offset, length in geometry.programs(at, len(content)):
            piece = content[offset - at : offset - at + length]
            used, head = len(piece.rstrip(blank)), len(piece) - len(piece.lstrip(blank))
            if used:
                low, high = geometry.align_down(head, geometry.unit), geometry.align_up(used, geometry.unit)
                total += self.timing.program_us(self.base + offset + low, high - low, 0)
        return total

    def _erases_us(self, start: int, end: int, limit: int) -> int:
        """Exact, by dynamic programming over sector boundaries: ``best[a]`` is the least time to clear [start, a)."""
        best: dict[int, int] = {start: 0}
        for sector in self.geometry.sectors_in(start, limit - start):
            if sector.address not in best:
                continue
            for size in self.geometry.erase_sizes_at(sector.address):
                stop = sector.address + size
                if stop <= limit:
                    time_us = best[sector.address] + self.timing.erase_us(self.base + sector.address, size, 0)
                    best[stop] = min(time_us, best.get(stop, time_us))
        return min(time_us for stop, time_us in best.items() if stop >= end)
