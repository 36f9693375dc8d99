"""The image header, byte for byte: what makes a slot's content an image.

256 bytes at the start of a slot, programmed last, little endian (SPEC.md has the worked hexdump):

    offset size field
    0      4    magic "BRIM"
    4      2    version, 1
    6      2    header length, 256
    8      4    application length
    12     4    load address
    16     4    application version, ordered as a number
    20     4    application CRC (the board's algorithm)
    24     32   application SHA-256
    56     1    signature scheme: 0 none, 1 Ed25519, 2 ECDSA P-256
    57     1    signature length
    58     80   signature over the SHA-256 of bytes 0 to 55, then FF
    138    114  reserved, FF
    252    4    CRC-32 of bytes 0 to 251

The signature covers the header's own bytes 0 to 55, and through the SHA-256 in them the application: length,
load address and version cannot be exchanged. Neighbours: `verify` checks, the updater writes. Knows no flash.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from dataclasses import dataclass
from typing import Literal

import construct as cs

from bootloader.crc import CrcName, crc_function

MAGIC = b"BRIM"
VERSION = 1
HEADER_SIZE = 256
SIGNED_SIZE = 56
MAX_SIGNATURE_SIZE = 80

SignatureScheme = Literal["none", "ed25519", "ecdsa-p256"]
_SCHEMES: tuple[SignatureScheme, ...] = ("none", "ed25519", "ecdsa-p256")

_FIELDS = cs.Struct(
    "magic" / cs.Bytes(4),
    "version" / cs.Int16ul,
    "header_length" / cs.Int16ul,
    "app_length" / cs.Int32ul,
    "load_address" / cs.Int32ul,
    "app_version" / cs.Int32ul,
    "app_crc" / cs.Int32ul,
    "app_sha256" / cs.Bytes(32),
    "signature_scheme" / cs.Int8ul,
    "signature_length" / cs.Int8ul,
    "signature" / cs.Bytes(MAX_SIGNATURE_SIZE),
    "padding" / cs.Bytes(114),
)


@dataclass(frozen=True, slots=True)
class ImageHeader:
    app_length: int
    load_address: int
    app_version: int
    app_crc: int
    app_sha256: bytes
    signature_scheme: SignatureScheme = "none"
    signature: bytes = b""


def header_for(app: bytes, *, load_address: int, app_version: int, crc: CrcName = "crc-32") -> ImageHeader:
    """An unsigned header for a whole application."""
    digest = hashlib.sha256(app).digest()
    return ImageHeader(len(app), load_address, app_version, crc_function(crc)(app), digest)


def signed_digest(header: ImageHeader) -> bytes:
    """The 32 bytes a signature is made over."""
    return hashlib.sha256(pack_header(header)[:SIGNED_SIZE]).digest()


def pack_header(header: ImageHeader) -> bytes:
    """The 256 bytes of a header. Raises ValueError for a signature that does not fit."""
    if len(header.signature) > MAX_SIGNATURE_SIZE:
        raise ValueError(f"a signature of {len(header.signature)} bytes does not fit {MAX_SIGNATURE_SIZE}")
    body: bytes = _FIELDS.build(
        {
            "magic": MAGIC,
            "version": VERSION,
            "header_length": HEADER_SIZE,
            "app_length": header.app_length,
            "load_address": header.load_address,
            "app_version": header.app_version,
            "app_crc": header.app_crc,
            "app_sha256": header.app_sha256,
            "signature_scheme": _SCHEMES.index(header.signature_scheme),
            "signature_length": len(header.signature),
            "signature": header.signature.ljust(MAX_SIGNATURE_SIZE, b"\xff"),
            "padding": b"\xff" * 114,
        }
    )
    return body + zlib.crc32(body).to_bytes(4, "little")


def parse_header(raw: bytes) -> ImageHeader | str:
    """A header, or why these 256 bytes are none. Never raises for content."""
    if raw[:4] != MAGIC:
        return "erased" if len(set(raw)) == 1 else f"no image magic (reads {raw[:4].hex()})"
    if zlib.crc32(raw[:-4]) != int.from_bytes(raw[-4:], "little"):
        return "header CRC mismatch"
    fields = _FIELDS.parse(raw[:-4])
    if fields.version != VERSION:
        return f"header version {fields.version}, this bootloader reads {VERSION}"
    if fields.header_length != HEADER_SIZE:
        return f"header length {fields.header_length}, this bootloader reads {HEADER_SIZE}"
    if fields.signature_scheme >= len(_SCHEMES):
        return f"signature scheme {fields.signature_scheme} is not known"
    if fields.signature_length > MAX_SIGNATURE_SIZE:
        return f"signature length {fields.signature_length}, at most {MAX_SIGNATURE_SIZE}"
    return ImageHeader(
        fields.app_length,
        fields.load_address,
        fields.app_version,
        fields.app_crc,
        fields.app_sha256,
        _SCHEMES[fields.signature_scheme],
        fields.signature[: fields.signature_length],
    )


def version_number(text: str) -> int:
    """A version string as an ordered 32-bit number: major 8 bits, minor 8, patch 16; 0 when it has none."""
    found = re.match(r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?![\d.])", text)
    if found is None:
        return 0
    major, minor, patch = (int(group or 0) for group in found.groups())
    if major > 0xFF or minor > 0xFF or patch > 0xFFFF:
        return 0
    return major << 24 | minor << 16 | patch
