"""Where a firmware .zip can be damaged: its headers, its bodies, and what lies behind them.

Neighbours: `image` damages it, `updater.bundle` reads it with the device's own parser. Bytes in, values out.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from updater.archive import MANIFEST_NAME
from updater.bundle import open_bundle, read_entries

_CRC_AT, _SIZES_AT = 14, 18


@dataclass(frozen=True, slots=True)
class Extent:
    """A piece of an archive, by what it is: ``manifest.header``, ``app.body``, ``directory``."""

    place: str
    start: int
    size: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. ``role``: manifest, app, fs, or entry-N for what no part names."""

    role: str
    header: bytes
    content: bytes

    @property
    def raw(self) -> bytes:
        return self.header + self.content

    def holding(self, content: bytes) -> Entry:
        """The entry with other content, and a header that is right about it."""
        header = bytearray(self.header)
        struct.pack_into("<I", header, _CRC_AT, zlib.crc32(content))
        struct.pack_into("<II", header, _SIZES_AT, len(content), len(content))
        return Entry(self.role, bytes(header), content)


@dataclass(frozen=True)
class Archive:
    """A whole update. ``tail``: the central directory, which a device does not read."""

    entries: tuple[Entry, ...]
    tail: bytes

    @classmethod
    def of(cls, raw: bytes, platform: str) -> Archive:
        """Raises UpdateRefused for what no device of ``platform`` would take."""
        manifest, _ = open_bundle(raw, platform=platform)
        roles = {MANIFEST_NAME: "manifest", manifest.app.src: "app"}
        if manifest.fs is not None:
            roles[manifest.fs.src] = "fs"
        entries: list[Entry] = []
        at = 0
        for number, (start, header, content) in enumerate(read_entries(raw)):
            end = start + header.header_size
            role = roles.pop(header.name, f"entry-{number}")
            entries.append(Entry(role, raw[start:end], content))
            at = end + len(content)
        return cls(tuple(entries), raw[at:])

    @property
    def extents(self) -> list[Extent]:
        """All of it, in order, without a gap."""
        found: list[Extent] = []
        at = 0
        for entry in self.entries:
            for place, piece in ((f"{entry.role}.header", entry.header), (f"{entry.role}.body", entry.content)):
                found.append(Extent(place, at, len(piece)))
                at += len(piece)
        return [*found, Extent("directory", at, len(self.tail))]

    def entry(self, role: str) -> Entry | None:
        return next((entry for entry in self.entries if entry.role == role), None)

    def with_entries(self, *entries: Entry) -> bytes:
        """The archive of these entries; its directory stays what it was."""
        return b"".join([*(entry.raw for entry in entries), self.tail])
