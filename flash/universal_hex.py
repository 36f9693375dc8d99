"""Reads Intel HEX text, and the micro:bit Universal Hex, its superset for files that serve several boards.

Plain records go through intelhex, which does the addresses and finds overlaps; here is what it lets pass
(no end of file, records after it, segment wrap) and what it does not know. Source of the latter: "micro:bit
Universal Hex Format Specification" 0.4.0, both packings, sections and 512-byte blocks. A block opens with
an address record and a block start naming its board; up to the block end, all belongs to that board alone:

    0x0A  block start    first two data bytes: board id, big-endian (0x9900 micro:bit V1, 0x9903 V2)
    0x0B  block end      its data is padding
    0x0C  padded data    content ignored
    0x0D  custom data    a data record (0x00) that a V1 board must not see
    0x0E  other data     for other tools, ignored

Neighbours: images.py makes images of what this returns. Knows text and records: no files, no images.
"""

from __future__ import annotations

from binascii import unhexlify
from collections.abc import Sequence
from io import StringIO
from typing import NoReturn

import intelhex

from flash.errors import ImageError

_DATA, _END_OF_FILE = 0x00, 0x01
_ADDRESS_KINDS = (0x02, 0x04)
_START_KINDS = (0x03, 0x05)
_BLOCK_START, _BLOCK_END, _PADDED_DATA, _CUSTOM_DATA, _OTHER_DATA = range(0x0A, 0x0F)

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


def read_hex(source: str, content: bytes, board_id: int | None) -> tuple[list[tuple[int, bytes]], int | None]:
    """(address, data) of each contiguous piece, by address, and the start address if the file states one.

    ``board_id`` picks the records of one board: needed for a Universal Hex, refused for any other.
    ImageError names ``source`` and, where one is at fault, the line.
    """
    lines = _lines(content)
    records: Sequence[str] = lines
    if _is_universal(lines):
        boards = _split_boards(source, lines)
        if board_id not in boards:
            known = ", ".join(f"0x{one:04X}" for one in boards)
            asked = "images for more than one board" if board_id is None else f"no board 0x{board_id:04X}"
            raise ImageError(f"{source}: a Universal Hex, with {asked}; pass --board-id, one of {known}")
        records = [boards[board_id].get(number, "") for number in range(1, len(lines) + 1)]
    elif board_id is not None:
        raise ImageError(f"{source}: plain Intel HEX, made for one board; leave out --board-id")
    reader = intelhex.IntelHex()
    try:
        reader.loadhex(StringIO("\n".join(records)))
    except intelhex.AddressOverlapError as exc:
        raise ImageError(
            f"{source}: line {exc.line}: address {exc.address:#x} has content already; keep one of the two",
            address=exc.address,
            length=1,
        ) from exc
    except intelhex.HexReaderError as exc:
        _fail(source, exc.line, next(words for fault, words in _FAULTS if isinstance(exc, fault)))
    _check_end(source, lines)
    _check_wrap(source, records)
    pieces = [(start, bytes(reader.tobinstr(start, end - 1))) for start, end in reader.segments()]
    if not pieces:
        raise ImageError(f"{source}: the file holds no data; export or download it again")
    if reader.maxaddr() >= 1 << 32:
        raise ImageError(f"{source}: data runs past address 0xffffffff; export or download the file again")
    start = reader.start_addr or {}
    return pieces, start["CS"] * 16 + start["IP"] if "CS" in start else start.get("EIP")


def board_ids(source: str, content: bytes) -> tuple[int, ...]:
    """Ids of the boards in a Universal Hex, in order of appearance; () for plain Intel HEX."""
    lines = _lines(content)
    return tuple(_split_boards(source, lines)) if _is_universal(lines) else ()


def _lines(content: bytes) -> list[str]:
    text = content.decode("latin-1").replace("\r\n", "\n").replace("\r", "\n")
    return [line.strip() for line in text.split("\n")]


def _is_universal(lines: Sequence[str]) -> bool:
    """Whether a block start comes before the end of file. Type fields alone; checksums come later."""
    kinds = (line[7:9].upper() for line in lines)
    return next((kind for kind in kinds if kind in ("0A", "01")), "01") == "0A"


def _split_boards(source: str, lines: Sequence[str]) -> dict[int, dict[int, str]]:
    """Board id -> line number (from 1) -> the plain Intel HEX record to read in place of that line.

    Checks every record up to the end of file, whichever board it belongs to. A block without an address
    record before its start is refused: reading it on from where the block before it stopped is a guess.
    A block without an end is closed by the next start, as boards in the field do.
    """
    boards: dict[int, dict[int, str]] = {}
    current: dict[int, str] | None = None
    address_line: int | None = None  # of the record just before this one, when that was an address record
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        raw = _decode(source, number, line)
        kind = raw[3]
        if kind == _END_OF_FILE:
            for records in boards.values():
                records[number] = line
            break
        if kind == _BLOCK_START:
            if address_line is None:
                _fail(source, number, "block start without an extended address record before it")
            if raw[0] < 2:
                _fail(source, number, "block start without a board id")
            current = boards.setdefault(int.from_bytes(raw[4:6], "big"), {})
            current[address_line] = lines[address_line - 1]
        elif kind == _BLOCK_END:
            current = None
        elif kind in (_DATA, _CUSTOM_DATA):
            if current is None:
                _fail(source, number, "data outside any block, for no board")
            current[number] = _as_data(raw)
        elif kind in _ADDRESS_KINDS or kind in _START_KINDS:
            if current is not None:
                current[number] = line
        elif kind not in (_PADDED_DATA, _OTHER_DATA):
            _fail(source, number, f"unknown record type 0x{kind:02X}")
        address_line = number if kind in _ADDRESS_KINDS else None
    return boards


def _decode(source: str, number: int, line: str) -> bytes:
    """One record, length and checksum verified: length, offset (2 bytes), type, data, checksum."""
    try:
        raw = unhexlify(line[1:]) if line.startswith(":") else b""
    except ValueError:
        raw = b""
    if len(raw) < 5:
        _fail(source, number, "not an Intel HEX record")
    if len(raw) != raw[0] + 5:
        _fail(source, number, "the record is not as long as it says")
    if sum(raw) & 0xFF:
        _fail(source, number, "checksum does not match")
    return raw


def _as_data(raw: bytes) -> str:
    body = raw[:3] + bytes([_DATA]) + raw[4:-1]
    return ":" + (body + bytes([-sum(body) & 0xFF])).hex().upper()


def _check_end(source: str, lines: Sequence[str]) -> None:
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
        _fail(source, last, "the last record is not an end of file, the rest is missing")


def _check_wrap(source: str, records: Sequence[str]) -> None:
    """Under a type 02 base, offsets wrap at 64 KiB in the format, run on in intelhex: refused."""
    segmented = False
    for number, line in enumerate(records, start=1):
        kind = line[7:9]
        if kind in ("02", "04"):
            segmented = kind == "02"
        elif segmented and kind == "00" and int(line[3:7], 16) + int(line[1:3], 16) > 1 << 16:
            raise ImageError(f"{source}: line {number}: record leaves its 64 KiB segment; split it there")


def _fail(source: str, number: int, what: str) -> NoReturn:
    raise ImageError(f"{source}: line {number}: {what}; export or download the file again")
