"""What an image is in memory: bytes at addresses, with its gaps kept until somebody asks for flat bytes.

Neighbours: the format modules (elf, intel_hex, srec, uf2, dfuse) make images of files and files of images; images.py
is the face all of it is used by. Knows no format and touches no file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise, repeat

from flash.errors import ImageError

# No one memory has a hole this large between two pieces of firmware, while the configuration words of an
# nRF51 or nRF52 (UICR, 0x10001000) lie 256 MiB above its flash: filling that hole is never what was meant.
MAX_GAPS = 64 << 20
ADDRESS_END = 1 << 32  # every format here but ELF64 ends there, and so does every part with NOR in it

_REGION = re.compile(r"(0x[0-9a-f]{1,16}|[0-9]{1,20})([:+])(0x[0-9a-f]{1,16}|[0-9]{1,20})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Region:
    """The addresses from ``start`` up to, not including, ``end``."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.end:
            raise ImageError(f"region {self} runs backwards or below 0; give its lower end first")

    @classmethod
    def parse(cls, text: str) -> Region:
        """``start:end`` or ``start+length``, each number decimal or 0x hexadecimal."""
        match = _REGION.fullmatch(text.strip())
        if match is not None:
            start, last = (int(part, 16 if part[:2] in ("0x", "0X") else 10) for part in match.group(1, 3))
            end = last if match[2] == ":" else start + last
            if start < end:
                return cls(start, end)
        raise ImageError(
            f"{text!r} is not a region; write start:end or start+length, for instance 0x8000:0x9000 "
            "or 0x8000+4096, with at least one byte in it"
        )

    @property
    def size(self) -> int:
        return self.end - self.start

    def __str__(self) -> str:
        return f"{self.start:#x}:{self.end:#x}"


@dataclass(frozen=True, slots=True)
class Segment:
    """``data`` found at ``address``."""

    address: int
    data: bytes

    @property
    def end(self) -> int:
        return self.address + len(self.data)

    def __str__(self) -> str:
        return f"{self.address:#x}:{self.end:#x}"


@dataclass(frozen=True, slots=True)
class Image:
    """What one file puts where. ``segments`` are sorted, not empty, and have a gap between each two.

    ``source`` is a file name for messages. ``entry`` is the start address the file states, as it states it.
    Made by load_image and image_from_segments.
    """

    source: str
    segments: tuple[Segment, ...]
    entry: int | None = None

    def __post_init__(self) -> None:
        for segment in self.segments:
            if segment.address < 0 or not segment.data:
                raise ImageError(f"{self.source}: {segment} is empty or below address 0; leave it out")
        for low, high in pairwise(self.segments):
            if low.end >= high.address:
                raise ImageError(f"{self.source}: {low} and {high} need image_from_segments to sort and join")

    def span(self) -> Region:
        """From the first byte to the last, gaps included. ImageError for an image without data."""
        if not self.segments:
            raise ImageError(f"{self.source}: the image holds no data and so has no span; name a region")
        return Region(self.segments[0].address, self.segments[-1].end)

    @property
    def size(self) -> int:
        """Length of the span, bytes; 0 without data."""
        return self.span().size if self.segments else 0

    def flatten(self, region: Region | None = None, *, fill: int = 0xFF) -> bytes:
        """The bytes of ``region`` (of the span when None), with ``fill`` wherever the file says nothing.

        ImageError when a segment leaves the region, and when no region is given and the gaps together
        exceed MAX_GAPS.
        """
        if not 0 <= fill <= 0xFF:
            raise ImageError(f"{self.source}: fill {fill} is not a byte; give a value from 0 to 255")
        if region is None:
            region = self.span()
            gaps = region.size - sum(len(segment.data) for segment in self.segments)
            if gaps > MAX_GAPS:
                raise ImageError(
                    f"{self.source}: {region} has {gaps} bytes without content; select one region first",
                    address=region.start,
                    length=region.size,
                )
        flat = bytearray([fill]) * region.size
        for segment in self.segments:
            if segment.address < region.start or segment.end > region.end:
                raise ImageError(
                    f"{self.source}: {segment} lies outside {region}; select the region first, or widen it",
                    address=segment.address,
                    length=len(segment.data),
                )
            flat[segment.address - region.start : segment.end - region.start] = segment.data
        return bytes(flat)

    def select(self, region: Region) -> tuple[Image, tuple[Segment, ...]]:
        """The part inside ``region`` as an image (``entry`` unchanged), and the rest, cut at its edges."""
        inside: list[Segment] = []
        outside: list[Segment] = []
        for segment in self.segments:
            for pieces, start, end in (
                (outside, segment.address, min(segment.end, region.start)),
                (inside, max(segment.address, region.start), min(segment.end, region.end)),
                (outside, max(segment.address, region.end), segment.end),
            ):
                if start < end:
                    data = segment.data[start - segment.address : end - segment.address]
                    pieces.append(Segment(start, data))
        return Image(self.source, tuple(inside), self.entry), tuple(outside)


def image_from_segments(
    source: str, segments: Iterable[Segment], entry: int | None = None, *, places: Iterable[str] = ()
) -> Image:
    """Sorts ``segments``, joins neighbours, leaves out empty ones.

    ``places`` says of each segment where in the file it stands ("line 7"), for the message. ImageError when two
    segments claim one address, and when one runs past 4 GiB.
    """
    runs: list[tuple[int, bytearray]] = []
    previous, before = None, ""
    placed = zip(segments, places or repeat(""), strict=False)
    for segment, place in sorted((one for one in placed if one[0].data), key=lambda one: one[0].address):
        if previous is not None and segment.address < previous.end:
            where = f"{before} and {place}: " if place else ""
            raise ImageError(
                f"{source}: {where}{previous} and {segment} overlap; keep one of them",
                address=segment.address,
                length=min(previous.end, segment.end) - segment.address,
            )
        if segment.end > ADDRESS_END:
            where = f"{place}: " if place else ""
            raise ImageError(
                f"{source}: {where}{segment} runs past address 0xffffffff; place it below, or leave it out",
                address=segment.address,
                length=len(segment.data),
            )
        if previous is not None and segment.address == previous.end:
            runs[-1][1].extend(segment.data)
        else:
            runs.append((segment.address, bytearray(segment.data)))
        previous, before = segment, place
    return Image(source, tuple(Segment(address, bytes(data)) for address, data in runs), entry)


def entry_below(source: str, entry: int | None, end: int, what: str) -> None:
    """ImageError unless ``what`` can state this entry, with addresses below ``end``."""
    if entry is not None and not 0 <= entry < end:
        raise ImageError(f"{source}: {what} states no entry beyond {end - 1:#x}, this is {entry:#x}; link it lower")
