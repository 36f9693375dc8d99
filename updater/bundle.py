"""Make a firmware .zip (manifest first, every entry stored, sizes in the local headers), or take one apart.

The same input gives the same bytes. `open_bundle` takes one apart again, with the parser the device uses. Neighbours:
`archive` and `manifest`. Knows no device.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from dataclasses import dataclass
from typing import Any

from updater.archive import at_end, parse_entry
from updater.errors import UpdateRefused
from updater.manifest import Manifest, parse_manifest

_STAMP = (2000, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Firmware:
    """What goes into an update. ``app`` as it will stand in the slot; ``fs`` b'': no filesystem part."""

    name: str
    platform: str
    version: str
    build_id: str
    app: bytes
    load_address: int = 0
    fs: bytes = b""


def manifest_of(firmware: Firmware) -> dict[str, Any]:
    """The manifest, with the keys of Mongoose OS firmware parts."""
    parts = {"app": {"type": "app", "addr": firmware.load_address, **_entry("app.bin", firmware.app)}}
    if firmware.fs:
        parts["fs"] = {"type": "fs", **_entry("fs.img", firmware.fs)}
    return {
        "name": firmware.name,
        "platform": firmware.platform,
        "version": firmware.version,
        "build_id": firmware.build_id,
        "parts": parts,
    }


def make_bundle(firmware: Firmware) -> bytes:
    """The .zip, ready to feed to `updater_process`."""
    files = [("manifest.json", json.dumps(manifest_of(firmware), sort_keys=True).encode()), ("app.bin", firmware.app)]
    if firmware.fs:
        files.append(("fs.img", firmware.fs))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files:
            archive.writestr(zipfile.ZipInfo(f"{firmware.name}-{firmware.version}/{name}", _STAMP), content)
    return out.getvalue()


def open_bundle(raw: bytes, *, platform: str) -> tuple[Manifest, dict[str, bytes]]:
    """The manifest and every entry behind it, by name. Raises UpdateRefused for what a device would refuse to read."""
    entries: dict[str, bytes] = {}
    at = 0
    while not at_end(raw[at : at + 4]):
        header = parse_entry(raw[at : at + 1024])
        if header is None or at + header.header_size + header.size > len(raw):
            raise UpdateRefused(-1, "Malformed archive", f"the archive ends inside an entry, at byte {len(raw)}")
        start = at + header.header_size
        content = raw[start : start + header.size]
        if header.crc32 and zlib.crc32(content) != header.crc32:
            raise UpdateRefused(-1, "Invalid CRC", f"{header.name}: CRC-32 is not {header.crc32:08x}")
        if not entries and header.name != "manifest.json":
            raise UpdateRefused(-1, "", f"the first entry is {header.name!r}, it must be manifest.json")
        entries[header.name] = content
        at = start + header.size
    if not entries:
        raise UpdateRefused(-1, "", "the archive is empty, it must begin with manifest.json")
    manifest = parse_manifest(entries["manifest.json"], platform=platform)
    missing = [part.src for part in (manifest.app, manifest.fs) if part is not None and part.src not in entries]
    if missing:
        raise UpdateRefused(-2, "Incomplete update package", f"not in the archive: {', '.join(missing)}")
    return manifest, entries


def _entry(src: str, content: bytes) -> dict[str, Any]:
    return {
        "src": src,
        "size": len(content),
        "cs_sha1": hashlib.sha1(content).hexdigest(),
        "cs_sha256": hashlib.sha256(content).hexdigest(),
    }
