"""Bytes as lines: address, sixteen bytes, and the printable ones as text. Knows no format."""

from __future__ import annotations

from collections.abc import Iterator

from flash.images import Image

PER_LINE = 16


def hexdump(data: bytes, address: int = 0) -> Iterator[str]:
    """Lines of at most 78 columns, at multiples of 16. Equal lines in a row are one line and a ``*``."""
    start = address - address % PER_LINE
    previous: bytes | None = None
    starred = False
    for at in range(start, address + len(data), PER_LINE):
        low, high = max(at, address), min(at + PER_LINE, address + len(data))
        piece = data[low - address : high - address]
        is_last = at + PER_LINE >= address + len(data)
        if piece == previous and len(piece) == PER_LINE and not is_last:
            if not starred:
                yield "*"
            starred = True
            continue
        previous, starred = piece, False
        yield _line(at, low - at, piece)


def image_dump(image: Image) -> Iterator[str]:
    """Every segment, with a line for each gap between two."""
    end: int | None = None
    for segment in image.segments:
        if end is not None:
            yield f"-- {segment.address - end:,} bytes say nothing"
        yield from hexdump(segment.data, segment.address)
        end = segment.end


def _line(at: int, skipped: int, piece: bytes) -> str:
    numbers = ["  "] * skipped + [f"{byte:02x}" for byte in piece]
    left, right = " ".join(numbers[:8]), " ".join(numbers[8:])
    text = " " * skipped + "".join(chr(byte) if 32 <= byte < 127 else "." for byte in piece)
    return f"{at:08x}  {left:<23}  {right:<23}  |{text}|"
