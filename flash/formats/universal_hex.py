"""Intel HEX text, and the micro:bit Universal Hex, its superset for files that serve several boards.

Plain records go on to intel_hex.py; here is what that does not know. Source: "micro:bit Universal Hex Format
Specification" 0.4.0, both packings, sections and 512-byte blocks. A block opens with an address record and a block
start naming its board; up to the block end, all belongs to that board alone:

    0x0A  block start    first two data bytes: board id, big-endian (0x9900 micro:bit V1, 0x9903 V2)
    0x0B  block end      its data is padding
    0x0C  padded data    content ignored
    0x0D  custom data    a data record (0x00) that a V1 board must not see
    0x0E  other data     for other tools, ignored

Neighbours: intel_hex.py makes images of the records chosen here; images.py calls this. Knows text and records: no
files.
"""

from __future__ import annotations

from collections.abc import Sequence

from flash.errors import ImageError
from flash.formats.intel_hex import (
    DATA,
    END_OF_FILE,
    LINEAR_BASE,
    SEGMENT_BASE,
    check_end,
    decode_record,
    encode_record,
    fail,
    read_records,
    record_lines,
)
from flash.formats.segments import Image

_ADDRESS_KINDS = (SEGMENT_BASE, LINEAR_BASE)
_START_KINDS = (0x03, 0x05)
_BLOCK_START, _BLOCK_END, _PADDED_DATA, _CUSTOM_DATA, _OTHER_DATA = range(0x0A, 0x0F)


def read_hex(source: str, content: bytes, board_id: int | None) -> Image:
    """The image in Intel HEX text.

    ``board_id`` picks the records of one board: needed for a Universal Hex, refused for any other.
    ImageError names ``source`` and, where one is at fault, the line.
    """
    lines = record_lines(content)
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
    image = read_records(source, records)
    check_end(source, lines)
    return image


def board_ids(source: str, content: bytes) -> tuple[int, ...]:
    """Ids of the boards in a Universal Hex, in order of appearance; () for plain Intel HEX."""
    lines = record_lines(content)
    return tuple(_split_boards(source, lines)) if _is_universal(lines) else ()


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
        raw = decode_record(source, number, line)
        kind = raw[3]
        if kind == END_OF_FILE:
            for records in boards.values():
                records[number] = line
            break
        if kind == _BLOCK_START:
            if address_line is None:
                fail(source, number, "block start without an extended address record before it")
            if raw[0] < 2:
                fail(source, number, "block start without a board id")
            current = boards.setdefault(int.from_bytes(raw[4:6], "big"), {})
            current[address_line] = lines[address_line - 1]
        elif kind == _BLOCK_END:
            current = None
        elif kind in (DATA, _CUSTOM_DATA):
            if current is None:
                fail(source, number, "data outside any block, for no board")
            current[number] = encode_record(DATA, int.from_bytes(raw[1:3], "big"), raw[4:-1])
        elif kind in _ADDRESS_KINDS or kind in _START_KINDS:
            if current is not None:
                current[number] = line
        elif kind not in (_PADDED_DATA, _OTHER_DATA):
            fail(source, number, f"unknown record type 0x{kind:02X}")
        address_line = number if kind in _ADDRESS_KINDS else None
    return boards
