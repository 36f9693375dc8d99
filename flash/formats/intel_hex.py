"""Intel HEX records: text in, bytes at addresses out, and back.

Records go through intelhex, which does the addresses and finds overlaps; here is what it lets pass: a file without
end, records after it, offsets that wrap inside a 64 KiB segment (record type 02), data past 4 GiB.

Neighbours: universal_hex.py chooses the records of one board and hands them here; images.py asks for the text of
an image. Knows text and records: no files.
"""

from __future__ import annotations

import re
from binascii import unhexlify
from collections.abc import Sequence
from io import StringIO
from typing import NoReturn

import intelhex

from flash.errors import ImageError
from flash.formats.segments import ADDRESS_END, Image, Segment, entry_below, image_from_segments

HEX_START = re.compile(rb"\s*:[0-9A-Fa-f]{8}")  # a colon alone may also begin a raw binary

DATA, END_OF_FILE = 0x00, 0x01
SEGMENT_BASE, LINEAR_BASE = 0x02, 0x04
_SEGMENT_SIZE = 1 << 16

# Most particular first: the exceptions of intelhex derive from one another.
_FAULTS: tuple[tuple[type[Exception], str], ...] = (
    (intelhex.RecordChecksumError, "checksum does not match"),
    (intelhex.RecordLengthError, "the record is not as long as it says"),
    (intelhex.RecordTypeError, "unknown record type"),
    (intelhex.EOFRecordError, "malformed end-of-file record"),
    (intelhex.ExtendedAddressRecordError, "malformed extended address record"),
    (intelhex.DuplicateStartAddressRecordError, "second start address record"),
    (intelhex.StartAddressRecordError, "malformed start address record"),
    (intelhex.HexReaderError, "not an Intel HEX record"),
)


def read_records(source: str, records: Sequence[str]) -> Image:
    """The image of plain records, one a line, "" where a line is left out. ImageError names the line at fault."""
    reader = intelhex.IntelHex()
    lines, numbers = _unwrapped(source, records)
    try:
        reader.loadhex(StringIO("\n".join(lines)))
    except intelhex.AddressOverlapError as exc:
        raise ImageError(
            f"{source}: line {numbers[exc.line - 1]}: address {exc.address:#x} has content already; "
            "keep one of the two",
            address=exc.address,
            length=1,
        ) from exc
    except intelhex.HexReaderError as exc:
        fail(source, numbers[exc.line - 1], next(words for fault, words in _FAULTS if isinstance(exc, fault)))
    pieces = [Segment(start, bytes(reader.tobinstr(start, end - 1))) for start, end in reader.segments()]
    if not pieces:
        raise ImageError(f"{source}: the file holds no data; export or download it again")
    start = reader.start_addr or {}
    entry = start["CS"] * 16 + start["IP"] if "CS" in start else start.get("EIP")
    return image_from_segments(source, pieces, entry)


def write_hex(image: Image) -> bytes:
    """16-byte records with 32-bit addresses, and the entry when there is one."""
    if image.span().end > ADDRESS_END:
        raise ImageError(f"{image.source}: Intel HEX addresses end at 0xffffffff; select a region below that")
    entry_below(image.source, image.entry, ADDRESS_END, "Intel HEX")
    writer = intelhex.IntelHex()
    for segment in image.segments:
        writer.puts(segment.address, segment.data)
    if image.entry is not None:
        writer.start_addr = {"EIP": image.entry}
    text = StringIO()
    writer.write_hex_file(text)
    return text.getvalue().encode("ascii")


def record_lines(content: bytes) -> list[str]:
    """The lines of ``content``, whatever ends them, without space around."""
    text = content.decode("latin-1").replace("\r\n", "\n").replace("\r", "\n")
    return [line.strip() for line in text.split("\n")]


def decode_record(source: str, number: int, line: str) -> bytes:
    """One record, length and checksum verified: length, offset (2 bytes), type, data, checksum."""
    try:
        raw = unhexlify(line[1:]) if line.startswith(":") else b""
    except ValueError:
        raw = b""
    if len(raw) < 5:
        fail(source, number, "not an Intel HEX record")
    if len(raw) != raw[0] + 5:
        fail(source, number, "the record is not as long as it says")
    if sum(raw) & 0xFF:
        fail(source, number, "checksum does not match")
    return raw


def encode_record(kind: int, offset: int, data: bytes) -> str:
    body = bytes([len(data)]) + offset.to_bytes(2, "big") + bytes([kind]) + data
    return ":" + (body + bytes([-sum(body) & 0xFF])).hex().upper()


def check_end(source: str, lines: Sequence[str]) -> None:
    """intelhex takes a file without an end for whole, and stops at the first end there is.

    Type 0x0E after the end is passed over: MakeCode keeps its project there, content for no memory.
    """
    ended, last = False, 0
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        kind, last = line[7:9].upper(), number
        if ended and kind != "0E":
            raise ImageError(f"{source}: line {number}: record after the end of file; keep one image a file")
        ended = ended or kind == "01"
    if not ended:
        fail(source, last, "the last record is not an end of file, the rest is missing")


def fail(source: str, number: int, what: str) -> NoReturn:
    raise ImageError(f"{source}: line {number}: {what}; export or download the file again")


def _unwrapped(source: str, records: Sequence[str]) -> tuple[list[str], list[int]]:
    """``records`` with each one that wraps split in two, and the line number of each.

    Under a type 02 base, offsets go on at 0 after 0xffff: the format says so, intelhex runs on instead. Records that
    are no records pass, for intelhex to refuse. ImageError for one that a type 04 base places past 4 GiB.
    """
    lines: list[str] = []
    numbers: list[int] = []
    segmented, base = False, 0
    for number, line in enumerate(records, start=1):
        kind = line[7:9]
        lines.append(line)
        numbers.append(number)
        if kind == "01":
            break
        if kind in ("02", "04"):
            segmented = kind == "02"
            base = int.from_bytes(decode_record(source, number, line)[4:-1], "big") << (4 if segmented else 16)
        elif kind == "00" and (segmented or base == ADDRESS_END - _SEGMENT_SIZE):
            raw = decode_record(source, number, line)
            offset, data = int.from_bytes(raw[1:3], "big"), raw[4:-1]
            room = _SEGMENT_SIZE - offset
            if len(data) > room and not segmented:
                fail(source, number, "data runs past address 0xffffffff")
            if len(data) > room:
                lines[-1] = encode_record(DATA, offset, data[:room])
                lines.append(encode_record(DATA, 0, data[room:]))
                numbers.append(number)
    return lines, numbers
