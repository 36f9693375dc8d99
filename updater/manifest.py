"""manifest.json: what an update claims to be.

Checks and messages in the order of Mongoose OS ota-common 3567b13. Neighbours: `context` asks, `bundle` writes.
Bytes in, values out: no flash, no clock.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from bootloader.image import SignatureScheme, version_number
from updater.errors import UpdateRefused

_APP_TYPES = ("app", "app0")
_MAX_U32 = 0xFFFF_FFFF
_SCHEMES: tuple[SignatureScheme, ...] = ("none", "ed25519", "ecdsa-p256")


@dataclass(frozen=True, slots=True)
class PartInfo:
    """One part. ``size`` None: the manifest does not say. Digests in lower-case hex, '' where absent."""

    src: str
    size: int | None
    sha1: str
    sha256: str
    load_address: int = 0
    signature_scheme: SignatureScheme = "none"
    signature: bytes = b""


@dataclass(frozen=True, slots=True)
class Manifest:
    """A parsed manifest. ``app_version`` is the ordered number the bootloader compares."""

    name: str
    platform: str
    version: str
    build_id: str
    app_version: int
    app: PartInfo
    fs: PartInfo | None


@dataclass(frozen=True, slots=True)
class Claims:
    """What a manifest says about the whole update. ``parts`` is not looked into yet."""

    name: str
    platform: str
    version: str
    build_id: str
    app_version: int
    parts: dict[str, Any]


def parse_manifest(raw: bytes, *, platform: str) -> Manifest:
    """Parse and check a manifest for a device of ``platform``. Raises UpdateRefused."""
    return select_parts(parse_claims(raw, platform=platform))


def parse_claims(raw: bytes, *, platform: str) -> Claims:
    """The first half: required fields and the platform. Raises UpdateRefused."""
    document = _load(raw)
    name, claimed, version, build_id = (_text(document, key) for key in ("name", "platform", "version", "build_id"))
    parts = document.get("parts")
    missing = [k for k, v in (("platform", claimed), ("version", version), ("build_id", build_id)) if not v]
    if not isinstance(parts, dict) or not parts:
        missing.append("parts")
    if missing:
        raise UpdateRefused(-1, "Required manifest field missing", f"missing or empty: {', '.join(missing)}")
    assert isinstance(parts, dict)
    if claimed[: len(platform)].lower() != platform.lower():
        raise UpdateRefused(-1, "Wrong platform", f"the update is for {claimed!r}, this device is {platform!r}")
    number = document.get("version_number")
    if number is not None and not (type(number) is int and 0 <= number <= _MAX_U32):
        raise UpdateRefused(-1, "Failed to parse manifest", f"version_number {number!r} is no 32-bit number")
    return Claims(name, claimed, version, build_id, version_number(version) if number is None else number, parts)


def select_parts(claims: Claims) -> Manifest:
    """The second half: the parts a device installs. Raises UpdateRefused when one is missing or malformed."""
    app = _find(claims.parts, _APP_TYPES)
    if app is None or not app.src or not (app.sha1 or app.sha256):
        raise UpdateRefused(-2, "Incomplete update package", "no part of type app with src and cs_sha1 or cs_sha256")
    fs = _find(claims.parts, ("fs",))
    if fs is not None and (not fs.src or not (fs.sha1 or fs.sha256)):
        raise UpdateRefused(-2, "Incomplete update package", "the fs part lacks src, or cs_sha1 and cs_sha256")
    if fs is not None and fs.src == app.src:
        raise UpdateRefused(-2, "Incomplete update package", f"the app and fs parts both name {app.src!r}")
    return Manifest(claims.name, claims.platform, claims.version, claims.build_id, claims.app_version, app, fs)


def _load(raw: bytes) -> dict[str, Any]:
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError) as wrong:
        raise UpdateRefused(-1, "Failed to parse manifest", f"manifest.json: {wrong}") from None
    if not isinstance(document, dict):
        raise UpdateRefused(-1, "Failed to parse manifest", "manifest.json is not an object")
    return document


def _text(document: dict[str, Any], key: str) -> str:
    value = document.get(key, "")
    if not isinstance(value, str):
        raise UpdateRefused(-1, "Failed to parse manifest", f"{key} is not a string")
    return value


def _find(parts: dict[str, Any], types: tuple[str, ...]) -> PartInfo | None:
    for label, part in parts.items():
        if not isinstance(part, dict):
            raise UpdateRefused(-1, "Failed to parse manifest", f"part {label!r} is not an object")
        if part.get("type") in types:
            return _part(label, part)
    return None


def _part(label: str, part: dict[str, Any]) -> PartInfo:
    size = part.get("size")
    address = part.get("addr", part.get("load_addr"))
    for key, value in (("size", size), ("addr", address)):
        if value is not None and not (type(value) is int and 0 <= value <= _MAX_U32):
            raise UpdateRefused(-1, "Failed to parse manifest", f"part {label!r}: {key} {value!r} is no 32-bit number")
    scheme = part.get("signature_scheme", "none")
    if scheme not in _SCHEMES:
        raise UpdateRefused(-1, "Failed to parse manifest", f"part {label!r}: unknown signature_scheme {scheme!r}")
    try:
        signature = bytes.fromhex(_text(part, "signature"))
    except ValueError:
        raise UpdateRefused(-1, "Failed to parse manifest", f"part {label!r}: signature is not hex") from None
    if len(signature) > 80:
        raise UpdateRefused(-1, "Failed to parse manifest", f"part {label!r}: a signature has at most 80 bytes")
    return PartInfo(
        _text(part, "src"), size, _digest(label, part, "cs_sha1", 40), _digest(label, part, "cs_sha256", 64),
        address or 0, scheme, signature,
    )  # fmt: skip


def _digest(label: str, part: dict[str, Any], key: str, length: int) -> str:
    value = _text(part, key).lower()
    if value and (len(value) != length or set(value) - set("0123456789abcdef")):
        raise UpdateRefused(-4, "Invalid checksum format", f"part {label!r}: {key} is not {length} hex digits")
    return value
