"""Make a firmware .zip (manifest first, every entry stored, sizes in the local headers), sign it, or take one apart.

Two signatures are possible, by different keys for different readers. `make_bundle` signs the manifest, for the updater
(see `signature`): the transport. `sign_image` signs the image header, for the bootloader (`bootloader.verify`): the
slot. The same input gives the same bytes, signatures included. `open_bundle` takes an archive apart again, with the
parser the device uses; it verifies no signature, since it has no keys.

Neighbours: `archive`, `manifest` and `signature`. Knows no device.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils

from bootloader.crc import CrcName
from bootloader.image import SignatureScheme, header_for, signed_digest, version_number
from updater.archive import MANIFEST_NAME, at_end, check_first, extra_field, parse_entry
from updater.errors import UpdateRefused
from updater.manifest import Manifest, parse_manifest
from updater.signature import Signer, attributes_for

_STAMP = (2000, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Firmware:
    """What goes into an update. ``app`` as it will stand in the slot; ``fs`` b'': no filesystem part.

    ``signature`` is the image header's, made by `sign_image`; anything changed afterwards invalidates it.
    """

    name: str
    platform: str
    version: str
    build_id: str
    app: bytes
    load_address: int = 0
    fs: bytes = b""
    signature_scheme: SignatureScheme = "none"
    signature: bytes = b""


def sign_image(
    firmware: Firmware, key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey, *, crc: CrcName = "crc-32"
) -> Firmware:
    """``firmware`` with the signature of its image header, over the SHA-256 of the header's first 56 bytes.

    ``crc`` is the device's algorithm (its board's): the header, and so the signature, covers the application's CRC.
    ECDSA is deterministic (RFC 6979). Raises ValueError for a key that is not on P-256, UnsupportedAlgorithm where
    OpenSSL is older than 3.2.
    """
    number = version_number(firmware.version)
    digest = signed_digest(header_for(firmware.app, load_address=firmware.load_address, app_version=number, crc=crc))
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return replace(firmware, signature_scheme="ed25519", signature=key.sign(digest))
    if not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("an image header is signed with Ed25519 or ECDSA P-256 keys only")
    algorithm = ec.ECDSA(utils.Prehashed(hashes.SHA256()), deterministic_signing=True)
    return replace(firmware, signature_scheme="ecdsa-p256", signature=key.sign(digest, algorithm))


def manifest_of(firmware: Firmware) -> dict[str, Any]:
    """The manifest, with the keys of Mongoose OS firmware parts."""
    parts = {"app": {"type": "app", "addr": firmware.load_address, **_entry("app.bin", firmware.app)}}
    if firmware.signature:
        parts["app"] |= {"signature_scheme": firmware.signature_scheme, "signature": firmware.signature.hex()}
    if firmware.fs:
        parts["fs"] = {"type": "fs", **_entry("fs.img", firmware.fs)}
    return {
        "name": firmware.name,
        "platform": firmware.platform,
        "version": firmware.version,
        "build_id": firmware.build_id,
        "parts": parts,
    }


def make_bundle(firmware: Firmware, signers: Sequence[Signer] = ()) -> bytes:
    """The .zip, ready to feed to `updater_process`. ``signers``: (N, private key) for each ``sigN`` of the manifest.

    Raises ValueError and UnsupportedAlgorithm as `attributes_for` does.
    """
    manifest = json.dumps(manifest_of(firmware), sort_keys=True).encode()
    attributes = attributes_for(manifest, signers)
    files = [(MANIFEST_NAME, manifest), ("app.bin", firmware.app)]
    if firmware.fs:
        files.append(("fs.img", firmware.fs))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files:
            info = zipfile.ZipInfo(f"{firmware.name}-{firmware.version}/{name}", _STAMP)
            if name == MANIFEST_NAME and attributes:
                info.extra = extra_field(attributes)
            archive.writestr(info, content)
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
        if not entries:
            check_first(header)
        entries[header.name] = content
        at = start + header.size
    if not entries:
        raise UpdateRefused(-1, "", "the archive is empty, it must begin with manifest.json")
    manifest = parse_manifest(entries[MANIFEST_NAME], platform=platform)
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
