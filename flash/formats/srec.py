"""Motorola S-records: text in, an image out, and back.

A record is ``S``, a type, and hexadecimal pairs: count (of the bytes after it), address, data, and the ones'
complement of the sum of all bytes before it.

    S0            header, its content ignored
    S1  S2  S3    data at a 16, 24 or 32-bit address
    S5  S6        how many data records came before, in 16 or 24 bits
    S9  S8  S7    the end, with a 16, 24 or 32-bit entry; 0 means none

A file without S7, S8 or S9 is whole when a count record ends it, as some tools leave the entry away.
Neighbours: images.py calls this. Knows text and records: no files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NoReturn

from flash.errors import ImageError
from flash.formats.segments import Image, Segment, entry_below, image_from_segments

SREC_START = re.compile(rb"\s*S[0-35-9][0-9A-Fa-f]{6}")  # a capital S alone may also begin a raw binary

_ADDRESS_SIZES = {"0": 2, "1": 2, "2": 3, "3": 4, "5": 2, "6": 3, "7": 4, "8": 3, "9": 2}
_DATA, _COUNTS, _ENDS = "123", "56", "789"
_DATA_OF_A_RECORD = 32


def read_srec(source: str, content: bytes) -> Image:
    """ImageError names the line at fault: syntax, count, checksum, number of records, overlap, what is missing."""
    segments: list[Segment] = []
    places: list[str] = []
    entry: int | None = None
    counted, last, number = 0, "0", 0
    for number, kind, body in _records(source, content):
        address, data = int.from_bytes(body[: _ADDRESS_SIZES[kind]], "big"), body[_ADDRESS_SIZES[kind] :]
        if last in _ENDS:
            raise ImageError(f"{source}: line {number}: record after the end (S{last}); keep one image a file")
        last = kind
        if kind in _DATA:
            segments.append(Segment(address, data))
            places.append(f"line {number}")
        elif data and kind != "0":
            _fail(source, number, f"S{kind} record with data in it")
        elif kind in _ENDS:
            entry = address or None
        elif kind in _COUNTS:
            # "records before this one" is read as of the file by some tools, as since the last count by others
            if address not in (len(segments), len(segments) - counted):
                _fail(source, number, f"counts {address} data records where {len(segments)} are, some are missing")
            counted = len(segments)
    if last not in _COUNTS + _ENDS:
        _fail(source, number, "the last record is neither an end (S7, S8, S9) nor a count, the rest is missing")
    if not any(one.data for one in segments):
        raise ImageError(f"{source}: the file holds no data; export or download it again")
    return image_from_segments(source, segments, entry, places=places)


def write_srec(image: Image, address_size: int | None = None) -> bytes:
    """32-byte data records, their count, and the entry (0 when there is none).

    ``address_size``: 2, 3 or 4 bytes, for S1, S2 or S3; None takes the smallest that holds addresses and entry.
    """
    end, entry = image.span().end, image.entry or 0
    if address_size is None:
        address_size = next((size for size in (2, 3) if max(end - 1, entry) < 1 << 8 * size), 4)
    limit = 1 << 8 * address_size
    if end > limit:
        hint = "name the file .srec" if address_size < 4 else "select a region below that"
        raise ImageError(f"{image.source}: S{address_size - 1} addresses end at {limit - 1:#x}; {hint}")
    entry_below(image.source, image.entry, limit, f"an S{11 - address_size} record")
    lines = [_encode("0", 2, 0, b"")]
    for segment in image.segments:
        for start in range(0, len(segment.data), _DATA_OF_A_RECORD):
            data = segment.data[start : start + _DATA_OF_A_RECORD]
            lines.append(_encode(str(address_size - 1), address_size, segment.address + start, data))
    count = len(lines) - 1
    if count < 1 << 24:
        lines.append(_encode("5", 2, count, b"") if count < 1 << 16 else _encode("6", 3, count, b""))
    lines.append(_encode(str(11 - address_size), address_size, entry, b""))
    return "".join(line + "\n" for line in lines).encode("ascii")


def _records(source: str, content: bytes) -> Iterator[tuple[int, str, bytes]]:
    """(line number from 1, type, address and data) of each record, its count and checksum verified."""
    text = content.decode("latin-1").rstrip("\x1a\0 \t\r\n")  # 0x1A ended a text file once, and some tools still
    for number, line in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), start=1):
        line = line.strip()
        if not line:
            continue
        kind = line[1:2]
        try:
            raw = bytes.fromhex(line[2:]) if line[0] == "S" and line[2:].isalnum() else b""
        except ValueError:
            raw = b""
        if not raw:
            _fail(source, number, "not an S-record")
        if kind not in _ADDRESS_SIZES:
            _fail(source, number, f"unknown record type S{kind}")
        if len(raw) != raw[0] + 1 or raw[0] < _ADDRESS_SIZES[kind] + 1:
            _fail(source, number, "the record is not as long as it says")
        if sum(raw) & 0xFF != 0xFF:
            _fail(source, number, "checksum does not match")
        yield number, kind, raw[1:-1]


def _encode(kind: str, address_size: int, address: int, data: bytes) -> str:
    body = bytes([address_size + len(data) + 1]) + address.to_bytes(address_size, "big") + data
    return f"S{kind}" + (body + bytes([~sum(body) & 0xFF])).hex().upper()


def _fail(source: str, number: int, what: str) -> NoReturn:
    raise ImageError(f"{source}: line {number}: {what}; export or download the file again")
