"""Make a firmware .zip: manifest first, every entry stored, sizes in the local headers.

The same input gives the same bytes. Neighbours: `archive` and `manifest` read what this writes. Knows no device.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass
from typing import Any

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


def _entry(src: str, content: bytes) -> dict[str, Any]:
    return {
        "src": src,
        "size": len(content),
        "cs_sha1": hashlib.sha1(content).hexdigest(),
        "cs_sha256": hashlib.sha256(content).hexdigest(),
    }
