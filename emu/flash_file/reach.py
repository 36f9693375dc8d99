"""Whether images can be brought onto a part by erases and programs it accepts, and what they would do to each other.

It is tried, on a strict `FlashDevice`: each image erases the sectors it touches and is programmed in commands the part
knows, its edges padded to whole program units with erased bytes. Then everything is read back.

Neighbours: `brownout flash check` shows the result. Knows no board.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from flash.device import FlashDevice
from flash.errors import ImageError
from flash.images import Image, Region, Segment
from flash.part import Part


@dataclass(frozen=True, slots=True)
class Sharing:
    """Two neighbouring segments of one image in one ``grain`` (``unit`` or ``sector``), which starts at ``address``."""

    grain: str
    address: int
    size: int
    first: Segment
    second: Segment


@dataclass(frozen=True, slots=True)
class Loss:
    """``segment`` of image ``source`` does not read back after all images were programmed; ``culprit`` took it."""

    source: str
    segment: Segment
    culprit: str


@dataclass(frozen=True)
class Reach:
    """What it took, and what came of it. ``padded_bytes``: erased bytes added at edges of segments."""

    erases: int
    programs: int
    padded_bytes: int
    sharings: tuple[Sharing, ...]
    losses: tuple[Loss, ...]


def check(images: Sequence[Image], part: Part) -> Reach:
    """Program ``images`` one after the other. Raises ImageError for what lies outside the part."""
    window = Region(part.base, part.base + part.size)
    for image in images:
        for segment in image.segments:
            if segment.address < window.start or segment.end > window.end:
                raise ImageError(
                    f"{image.source}: {segment} lies outside the {part.name}, {window}; "
                    "cut the image, or choose another part",
                    address=segment.address,
                    length=len(segment.data),
                )
    device = FlashDevice(part, strict=True)
    padded = sum(_program(device, image) for image in images)
    sharings = [sharing for image in images for sharing in _sharings(image, part)]
    return Reach(
        device.statistics.erases,
        device.statistics.programs,
        padded,
        tuple(sharings),
        tuple(_losses(device, images)),
    )


def _program(device: FlashDevice, image: Image) -> int:
    """Erase what ``image`` touches and program it; returns how many bytes were added to fill units."""
    geometry, base = device.geometry, device.part.base
    sectors = {
        sector.address: sector.size
        for segment in image.segments
        for sector in geometry.sectors_in(segment.address - base, len(segment.data))
    }
    for address, size in sectors.items():
        device.erase(address, size)
    padded = 0
    for address, data in _units(image, device):
        for start, length in geometry.programs(address, len(data)):
            device.program(start, data[start - address : start - address + length])
        padded += len(data)
    return padded - sum(len(segment.data) for segment in image.segments)


def _units(image: Image, device: FlashDevice) -> list[tuple[int, bytes]]:
    """The content as runs of whole units: segments that meet in one unit are one run."""
    geometry, base = device.geometry, device.part.base
    runs: list[tuple[int, bytearray]] = []
    for segment in image.segments:
        start = geometry.align_down(segment.address - base, geometry.unit)
        end = geometry.align_up(segment.end - base, geometry.unit)
        if not runs or start >= runs[-1][0] + len(runs[-1][1]):
            runs.append((start, bytearray()))
        address, data = runs[-1]
        data.extend(bytes([geometry.erased]) * (end - address - len(data)))
        offset = segment.address - base - address
        data[offset : offset + len(segment.data)] = segment.data
    return [(address, bytes(data)) for address, data in runs]


def _sharings(image: Image, part: Part) -> list[Sharing]:
    found = []
    geometry, base = part.geometry, part.base
    for one, other in pairwise(image.segments):
        last, first = one.end - 1 - base, other.address - base
        unit = geometry.align_down(first, geometry.unit)
        sector = geometry.sector_at(first)
        if geometry.align_down(last, geometry.unit) == unit:
            found.append(Sharing("unit", unit + base, geometry.unit, one, other))
        elif geometry.sector_at(last) == sector:
            found.append(Sharing("sector", sector.address + base, sector.size, one, other))
    return found


def _losses(device: FlashDevice, images: Sequence[Image]) -> list[Loss]:
    found = []
    geometry, base = device.geometry, device.part.base
    for position, image in enumerate(images):
        for segment in image.segments:
            if device.read(segment.address - base, len(segment.data)) == segment.data:
                continue
            assert position < len(images) - 1, "the last image does not read back: please report"
            touched = {s.index for s in geometry.sectors_in(segment.address - base, len(segment.data))}
            culprit = next(
                later.source
                for later in images[position + 1 :]
                for other in later.segments
                for sector in geometry.sectors_in(other.address - base, len(other.data))
                if sector.index in touched
            )
            found.append(Loss(image.source, segment, culprit))
    return found
