"""New images from old ones: merged, cut, filled, patched. The old ones stay as they are.

All four are one idea: bytes laid over, or under, other bytes. Neighbours: `flash.images` holds what an image is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from flash.errors import ImageError
from flash.images import MAX_FILE_SIZE, Image, Region, Segment, image_from_segments

Overlap = Literal["error", "first", "last"]


def merge(images: Sequence[Image], overlap: Overlap = "error") -> Image:
    """All of ``images`` in one. Where two claim one address, ``first`` or ``last`` keeps that image's byte.

    Raises ImageError naming both images where they overlap and ``overlap`` is ``error``. The entry is that of the
    first (for ``last``: the last) image which has one.
    """
    merged = images[0]
    for position, image in enumerate(images[1:], 1):
        if overlap == "error":
            _refuse_overlap(images[:position], image)
        low, high = (merged, image) if overlap == "last" else (image, merged)
        entry = high.entry if high.entry is not None else low.entry
        kept = [*uncovered(low.segments, high.segments), *high.segments]
        merged = image_from_segments(merged.source, kept, entry)
    return merged


def cut(image: Image, region: Region) -> Image:
    """What lies in ``region``. Raises ImageError when that is nothing."""
    inside, _ = image.select(region)
    if not inside.segments:
        raise ImageError(f"{image.source}: nothing lies in --region {region}; its content is in {image.span()}")
    return inside


def fill(image: Image, region: Region, value: int, *, overwrite: bool = False) -> Image:
    """``region`` without gaps: ``value`` wherever the image says nothing, or everywhere with ``overwrite``."""
    if region.size > MAX_FILE_SIZE:
        raise ImageError(f"region {region} has {region.size} bytes, more than the {MAX_FILE_SIZE} an image may have")
    block = Segment(region.start, bytes([value]) * region.size)
    if overwrite:
        return patch(image, region.start, block.data)
    kept = [*image.segments, *uncovered([block], image.segments)]
    return image_from_segments(image.source, kept, image.entry)


def patch(image: Image, address: int, data: bytes) -> Image:
    """``data`` at ``address``, whatever was there."""
    written = Segment(address, data)
    kept = [*uncovered(image.segments, [written]), written]
    return image_from_segments(image.source, kept, image.entry)


def uncovered(segments: Iterable[Segment], covers: Sequence[Segment]) -> list[Segment]:
    """The pieces of ``segments`` that no one of ``covers`` lies over. Both sorted; one pass."""
    pieces: list[Segment] = []
    first = 0
    for segment in segments:
        while first < len(covers) and covers[first].end <= segment.address:
            first += 1
        at, index = segment.address, first
        while index < len(covers) and covers[index].address < segment.end:
            if covers[index].address > at:
                pieces.append(_piece(segment, at, covers[index].address))
            at = covers[index].end
            index += 1
        if at < segment.end:
            pieces.append(_piece(segment, at, segment.end))
    return pieces


def _piece(segment: Segment, start: int, end: int) -> Segment:
    return Segment(start, segment.data[start - segment.address : end - segment.address])


def _refuse_overlap(earlier: Sequence[Image], image: Image) -> None:
    for other in earlier:
        left = uncovered(image.segments, other.segments)
        shared = uncovered(image.segments, left)
        if shared:
            raise ImageError(
                f"{other.source} and {image.source} both have {shared[0]}; cut one of them, or choose with "
                "--overlap first or --overlap last",
                address=shared[0].address,
                length=len(shared[0].data),
            )
