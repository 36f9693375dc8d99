"""The log as the host reads it: what has to stand there, whatever the firmware says of it.

Two pages. A page counts when its header is whole (a sequence number and its CRC-32); of two, the larger number. Records
follow 32 bytes behind the header: key, eight letters, CRC-32. The last whole one of a key is its value.
"""

from __future__ import annotations

import struct
import zlib

from emu.ledger import NOTHING, shown
from emu.oracle import Contents
from flash.errors import EccFault

PAGE, FIRST, RECORDS = 0x800, 32, 3
HEADER, RECORD = struct.Struct("<II"), struct.Struct("<I8sI")
KEYS = ("volume", "mode")


def records(contents: Contents) -> str:
    """Every value that was told stands in a whole record of the page that counts."""
    held = values(contents)
    for key in contents.keys:
        value, allowed = held.get(key, NOTHING), contents.allowed(key)
        if value not in allowed:
            return f"{key} stands as {shown(value)}; it was told or asked to be {' or '.join(map(shown, allowed))}"
    return ""


def values(contents: Contents) -> dict[str, str]:
    """By key, what the log holds."""
    pages = [(sequence, page) for page in (0, PAGE) if (sequence := sequence_of(contents, page)) is not None]
    found: dict[str, str] = {}
    if not pages:
        return found
    start = max(pages)[1] + FIRST
    for at in range(start, start + RECORDS * RECORD.size, RECORD.size):
        raw = whole(contents, at, RECORD.size)
        if raw is not None and RECORD.unpack(raw)[0] < len(KEYS):
            key, letters, _ = RECORD.unpack(raw)
            found[KEYS[key]] = letters.decode("latin-1")
    return found


def sequence_of(contents: Contents, page: int) -> int | None:
    """Of a page with a whole header; erased flash has none, though its checksum would be right."""
    raw = whole(contents, page, HEADER.size)
    return None if raw is None or raw[:4] == b"\xff" * 4 else int(HEADER.unpack(raw)[0])


def whole(contents: Contents, at: int, size: int) -> bytes | None:
    """Bytes that end with the CRC-32 of those before; None: they do not, or error correction gives up on them."""
    try:
        raw = contents.read("log", at, size)
    except EccFault:
        return None
    return raw if zlib.crc32(raw[:-4]) == int.from_bytes(raw[-4:], "little") else None
