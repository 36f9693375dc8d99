"""Make a firmware .zip (manifest first, every entry stored, sizes in the local headers), sign it, or take one apart.

Two signatures are possible, by different keys for different readers. `make_bundle` signs the manifest, for the updater
(see `signature`): the transport. `sign_image` signs the image header, for the bootloader (`bootloader.verify`): the
slot. The same input gives the same bytes, signatures included. `open_bundle` takes an archive apart again, with the
parser the device uses, and refuses what every device refuses; it verifies no signature, since it has no keys.

Neighbours: `archive`, `manifest` and `signature`; `reception` does to a stream, on a device, what is done to a whole
archive here, and has the limits. Knows no device.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils

from bootloader.crc import CrcName
from bootloader.image import SignatureScheme, header_for, signed_digest, version_number
from updater.archive import (
    MALFORMED,
    MANIFEST_NAME,
    MAX_HEADER_SIZE,
    EntryHeader,
    at_end,
    check_first,
    extra_field,
    parse_entry,
)  # fmt: skip
from updater.errors import UpdateRefused
from updater.manifest import Manifest, PartInfo, parse_manifest
from updater.reception import MAX_ENTRIES, MAX_MANIFEST_SIZE
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
    """The manifest and the entries behind it, by name; of two that no part names, the first.

    Raises UpdateRefused for what every device of ``platform`` refuses, however large its slots and whatever its keys.
    """
    read = read_entries(raw)
    _, header, content = next(read)
    check_manifest(header, content)
    manifest = parse_manifest(content, platform=platform)
    parts = {part.src: part for part in (manifest.app, manifest.fs) if part is not None}
    entries: dict[str, bytes] = {}
    for _, header, content in read:
        if header.name in parts:
            if header.name in entries:
                raise UpdateRefused(-1, MALFORMED, f"{header.name} is in the archive twice")
            _check_part(parts[header.name], header, content)
        entries.setdefault(header.name, content)
    missing = [src for src in parts if src not in entries]
    if missing:
        raise UpdateRefused(-2, "Incomplete update package", f"not in the archive: {', '.join(missing)}")
    return manifest, entries


def read_entries(raw: bytes) -> Iterator[tuple[int, EntryHeader, bytes]]:
    """Offset, header and content of every entry, in the archive's order; at least one.

    Raises UpdateRefused where a device cannot read on: of an entry it names no part for, it checks the header only.
    """
    if at_end(raw):
        raise UpdateRefused(-1, "", f"the archive is empty, it must begin with {MANIFEST_NAME}")
    at = behind_manifest = 0
    while not at_end(raw[at : at + 4]):
        window = raw[at : at + MAX_HEADER_SIZE]
        header = parse_entry(window)
        if header is None and len(window) == MAX_HEADER_SIZE:
            raise UpdateRefused(-1, MALFORMED, f"a local header of more than {MAX_HEADER_SIZE} bytes")
        if behind_manifest > MAX_ENTRIES:
            raise UpdateRefused(-1, MALFORMED, f"more than {MAX_ENTRIES} entries")
        if header is None or at + header.header_size + header.size > len(raw):
            ends = f"the file ends inside the entry, at byte {len(raw)}; download it again"
            raise UpdateRefused(-1, MALFORMED, ends)
        start = at + header.header_size
        yield at, header, raw[start : start + header.size]
        at = start + header.size
        behind_manifest += 1


def check_manifest(header: EntryHeader, content: bytes) -> None:
    """Raise UpdateRefused unless the first entry is the manifest, and one that a device keeps to parse it."""
    check_first(header)
    if header.size > MAX_MANIFEST_SIZE:
        claims = f"{MANIFEST_NAME} claims {header.size} bytes, {MAX_MANIFEST_SIZE} at most"
        raise UpdateRefused(-1, "Failed to parse manifest", claims)
    _check_crc(header, content)


def _check_part(part: PartInfo, header: EntryHeader, content: bytes) -> None:
    if part.size is not None and part.size != header.size:
        raise UpdateRefused(-7, "Invalid size", f"{part.src} has {header.size} bytes, the manifest says {part.size}")
    if not content:
        raise UpdateRefused(-7, "Invalid size", f"{part.src} has 0 bytes, no slot takes less than 1")
    _check_crc(header, content)
    for name, claimed, found in (
        ("SHA-1", part.sha1, hashlib.sha1(content).hexdigest()),
        ("SHA-256", part.sha256, hashlib.sha256(content).hexdigest()),
    ):
        if claimed and claimed != found:
            raise UpdateRefused(-10, "Digest mismatch", f"{part.src}: {name} is {found}, the manifest says {claimed}")


def _check_crc(header: EntryHeader, content: bytes) -> None:
    found = zlib.crc32(content)
    if header.crc32 and header.crc32 != found:
        said = f"{header.name}: CRC-32 is {found:08x}, the archive says {header.crc32:08x}"
        raise UpdateRefused(-1, "Invalid CRC", said)


def _entry(src: str, content: bytes) -> dict[str, Any]:
    return {
        "src": src,
        "size": len(content),
        "cs_sha1": hashlib.sha1(content).hexdigest(),
        "cs_sha256": hashlib.sha256(content).hexdigest(),
    }
