"""The firmware .zip as a stream: local headers only, stored entries only.

A device has no room to seek in an archive, so nothing but the local header in front of each entry is believed
(facts: Mongoose OS ota-common 3567b13). Sizes and CRC must stand there; data descriptors, compression and
encryption are refused, and so is a name that would climb out of its directory. Of extra fields one is read, and on
the manifest alone: 0x293a, a JSON object that carries the update signatures. All others are skipped.

Neighbours: `reception` drives it, `signature` knows what the JSON object means. Bytes in, values out: no flash, no
clock.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from updater.errors import UpdateRefused

LOCAL_HEADER = 0x04034B50
CENTRAL_HEADER = 0x02014B50
END_RECORD = 0x06054B50
HEADER_SIZE = 30
MAX_NAME = 50
MAX_HEADER_SIZE = 1024
"""Most bytes of a local header, name and extra fields included, that a device keeps."""
MANIFEST_NAME = "manifest.json"
ATTRIBUTES_ID = 0x293A
_FIELDS = struct.Struct("<IHHHHHIIIHH")
_EXTRA = struct.Struct("<HH")
_ENCRYPTED, _DESCRIPTOR = 1 << 0, 1 << 3
MALFORMED = "Malformed archive"


@dataclass(frozen=True, slots=True)
class EntryHeader:
    """A local header. ``name`` has its first directory removed; ``size`` is both stored and original.

    ``path`` is the name as it stands there. ``attributes`` is the JSON object of extra field 0x293a, on the manifest
    only; {} where there is none.
    """

    name: str
    size: int
    crc32: int
    header_size: int
    path: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict, hash=False)


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
    path = _path(window[HEADER_SIZE : HEADER_SIZE + name_size])
    name = _name(path)
    if len(window) < header_size:
        return None
    attributes = _attributes(window[HEADER_SIZE + name_size : header_size]) if name == MANIFEST_NAME else {}
    return EntryHeader(name, stored, crc32, header_size, path, attributes)


def check_first(header: EntryHeader) -> None:
    """Raise UpdateRefused unless ``header`` is the manifest's: nothing may come before it."""
    if header.name == MANIFEST_NAME:
        return
    if header.path.endswith("/"):
        found = f"the first entry is the folder {header.path!r}, it must be {MANIFEST_NAME}"
        raise UpdateRefused(-1, "", f"{found}: name it first, and leave folder entries out (zip -0 -D)")
    raise UpdateRefused(
        -1, "", f"the first entry is {header.path!r}, it must be {MANIFEST_NAME}, at most one folder deep"
    )


def extra_field(attributes: Mapping[str, Any]) -> bytes:
    """Extra field 0x293a with ``attributes`` in it, the shortest JSON in the order they are given in."""
    raw = json.dumps(attributes, separators=(",", ":")).encode()
    return _EXTRA.pack(ATTRIBUTES_ID, len(raw)) + raw


def _attributes(extra: bytes) -> dict[str, Any]:
    """The JSON object of the field 0x293a among the extra fields of the manifest; {}: there is none."""
    found: list[bytes] = []
    at = 0
    while at < len(extra):
        kind, size = _EXTRA.unpack_from(extra, at) if at + _EXTRA.size <= len(extra) else (0, len(extra))
        content = extra[at + _EXTRA.size : at + _EXTRA.size + size]
        if len(content) < size:
            raise _malformed_extra(f"they end inside the field at byte {at} of {len(extra)}")
        if kind == ATTRIBUTES_ID:
            found.append(content)
        at += _EXTRA.size + size
    if not found:
        return {}
    if len(found) > 1:
        raise _malformed_extra(f"{ATTRIBUTES_ID:#06x} is there twice")
    try:
        attributes = json.loads(found[0].decode("utf-8"))
    except (ValueError, RecursionError) as wrong:
        raise _malformed_extra(f"{ATTRIBUTES_ID:#06x} holds no JSON: {wrong}") from None
    if not isinstance(attributes, dict):
        raise _malformed_extra(f"{ATTRIBUTES_ID:#06x} holds JSON that is no object")
    return attributes


def _malformed_extra(why: str) -> UpdateRefused:
    return UpdateRefused(-1, MALFORMED, f"the extra fields of {MANIFEST_NAME} are malformed: {why}")


def _path(raw: bytes) -> str:
    try:
        path = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise UpdateRefused(-1, MALFORMED, f"entry name {raw!r} is not UTF-8") from None
    if path.startswith("/") or "\\" in path or "\0" in path or ".." in path.split("/"):
        raise UpdateRefused(-1, MALFORMED, f"entry name {path!r} leaves its directory")
    return path


def _name(path: str) -> str:
    """``path`` without its first directory."""
    stripped = path.partition("/")[2] if "/" in path else path
    if len(stripped.encode()) >= MAX_NAME:
        raise UpdateRefused(
            -1, "Too long file name", f"{stripped!r} has {len(stripped)} characters, below {MAX_NAME} fit"
        )
    return stripped
