"""The firmware .zip as a stream: local headers only, stored entries only.

A device has no room to seek in an archive, so nothing but the local header in front of each entry is believed
(facts: Mongoose OS ota-common 3567b13). Sizes and CRC must stand there; data descriptors, compression and
encryption are refused, and so is a name that would climb out of its directory.

Neighbours: `context` drives it. Bytes in, values out: no flash, no clock.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from updater.errors import UpdateRefused

LOCAL_HEADER = 0x04034B50
CENTRAL_HEADER = 0x02014B50
END_RECORD = 0x06054B50
HEADER_SIZE = 30
MAX_NAME = 50
_FIELDS = struct.Struct("<IHHHHHIIIHH")
_ENCRYPTED, _DESCRIPTOR = 1 << 0, 1 << 3
MALFORMED = "Malformed archive"


@dataclass(frozen=True, slots=True)
class EntryHeader:
    """A local header. ``name`` has its first directory removed; ``size`` is both stored and original."""

    name: str
    size: int
    crc32: int
    header_size: int


def at_end(window: bytes) -> bool:
    """Whether the entries are over: the central directory begins (or, in an empty one, the end record)."""
    return len(window) >= 4 and int.from_bytes(window[:4], "little") in (CENTRAL_HEADER, END_RECORD)


def parse_entry(window: bytes) -> EntryHeader | None:
    """The local header at the start of ``window``; None: more bytes are needed. Raises UpdateRefused."""
    if len(window) >= 4 and int.from_bytes(window[:4], "little") != LOCAL_HEADER:
        raise UpdateRefused(
            -1, "Malformed archive (invalid file header)", f"no local header: the entry starts {window[:4].hex()}"
        )
    if len(window) < HEADER_SIZE:
        return None
    _, _, flags, method, _, _, crc32, stored, original, name_size, extra_size = _FIELDS.unpack_from(window)
    if method:
        raise UpdateRefused(-1, "Cannot handle compressed .zip", f"compression method {method}; store entries instead")
    if flags & _ENCRYPTED:
        raise UpdateRefused(-1, MALFORMED, "the entry is encrypted")
    if flags & _DESCRIPTOR:
        raise UpdateRefused(-1, MALFORMED, "sizes follow the data (flag bit 3); they must stand in the local header")
    if stored != original:
        raise UpdateRefused(-1, MALFORMED, f"stored size {stored} differs from original size {original}")
    header_size = HEADER_SIZE + name_size + extra_size
    if len(window) < HEADER_SIZE + name_size:
        return None
    name = _name(window[HEADER_SIZE : HEADER_SIZE + name_size])
    return None if len(window) < header_size else EntryHeader(name, stored, crc32, header_size)


def _name(raw: bytes) -> str:
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise UpdateRefused(-1, MALFORMED, f"entry name {raw!r} is not UTF-8") from None
    if name.startswith("/") or "\\" in name or "\0" in name or ".." in name.split("/"):
        raise UpdateRefused(-1, MALFORMED, f"entry name {name!r} leaves its directory")
    stripped = name.partition("/")[2] if "/" in name else name
    if len(stripped.encode()) >= MAX_NAME:
        raise UpdateRefused(
            -1, "Too long file name", f"{stripped!r} has {len(stripped)} characters, below {MAX_NAME} fit"
        )
    return stripped
