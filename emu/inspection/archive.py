"""A firmware .zip, entry by entry, as a device reads it: local headers, manifest, parts, digests, signatures.

Neighbours: `updater.bundle` and `updater.manifest` read, `acceptance` asks a device of a board. Where a device would
stop, the document stops too, with the device's own words.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emu.errors import ScenarioError
from emu.inspection.fields import version_text
from updater.archive import MANIFEST_NAME, EntryHeader
from updater.bundle import check_manifest, open_bundle, read_entries
from updater.errors import UpdateRefused
from updater.manifest import Manifest, PartInfo, parse_manifest

MAX_DEPTH = 16


@dataclass(frozen=True)
class Archive:
    """Entries in file order with the offset of each and its content, and why reading stopped ("": it did not)."""

    entries: list[tuple[int, EntryHeader, bytes]]
    problem: dict[str, Any] | None


def open_archive(path: Path, raw: bytes, *, platform: str) -> tuple[Manifest, dict[str, bytes]]:
    """`open_bundle` of a file. Raises ScenarioError that names the file."""
    try:
        return open_bundle(raw, platform=platform)
    except UpdateRefused as refused:
        said = f"{refused.message}: " if refused.message else ""
        raise ScenarioError(f"{path}: {said}{refused.detail}") from None


def read_archive(raw: bytes) -> Archive:
    """Every entry up to the central directory, or up to what a device refuses. Never raises for content."""
    entries: list[tuple[int, EntryHeader, bytes]] = []
    end = 0
    try:
        for offset, header, content in read_entries(raw):
            entries.append((offset, header, content))
            end = offset + header.header_size + header.size
    except UpdateRefused as refused:
        return Archive(entries, _problem(end, refused))
    return Archive(entries, None)


def inspect_archive(raw: bytes) -> dict[str, Any]:
    """The ``archive`` document of the bytes of a .zip."""
    archive = read_archive(raw)
    first = archive.entries[0][1] if archive.entries else None
    fields, manifest, problem = None, None, archive.problem
    if first is not None:
        fields, manifest, refused = _manifest(first, archive.entries[0][2])
        problem = refused or problem  # a device meets the manifest first
    contents: dict[str, list[bytes]] = {}
    for _, header, content in archive.entries[1:]:
        contents.setdefault(header.name, []).append(content)
    parts = [] if manifest is None else [
        _part(role, part, contents.get(part.src, []))
        for role, part in (("app", manifest.app), ("fs", manifest.fs)) if part is not None
    ]  # fmt: skip
    entries = [_entry(*entry, parts) for entry in archive.entries]
    document: dict[str, Any] = {
        "entries": entries,
        "manifest": fields,
        "app_version": None if manifest is None else manifest.app_version,
        "app_version_meaning": "" if manifest is None else version_text(manifest.app_version),
        "parts": parts,
        "signatures": _signatures(first),
        "problem": problem,
    }
    document["whole"] = (
        problem is None
        and all(entry["crc_state"] != "mismatch" for entry in entries)
        and all(part["state"] == "ok" for part in parts)
    )
    return document


def _problem(offset: int, refused: UpdateRefused) -> dict[str, Any]:
    return {"offset": offset, "code": refused.code, "message": refused.message, "detail": refused.detail}


def _entry(offset: int, header: EntryHeader, content: bytes, parts: list[dict[str, Any]]) -> dict[str, Any]:
    computed = zlib.crc32(content)
    state = "not stated" if not header.crc32 else "ok" if computed == header.crc32 else "mismatch"
    use = "manifest" if not offset else next((part["part"] for part in parts if part["src"] == header.name), "skipped")
    return {
        "name": header.name,
        "path": header.path,
        "offset": offset,
        "data_offset": offset + header.header_size,
        "size": header.size,
        "crc32": header.crc32,
        "crc32_computed": computed,
        "crc_state": state,
        "use": use,
    }


def _manifest(header: EntryHeader, raw: bytes) -> tuple[Any, Manifest | None, dict[str, Any] | None]:
    """The manifest's JSON as it stands there, as a device takes it, and why a device would not."""
    problem, manifest, fields = None, None, None
    try:
        check_manifest(header, raw)
    except UpdateRefused as refused:
        problem = _problem(0, refused)
    if header.name != MANIFEST_NAME:
        return None, None, problem
    try:
        fields = _shallow(json.loads(raw), MAX_DEPTH)
    except (ValueError, RecursionError):
        fields = None
    try:
        manifest = parse_manifest(raw, platform="")
    except UpdateRefused as refused:
        problem = problem or _problem(0, refused)
    return fields, manifest, problem


def _shallow(value: Any, depth: int) -> Any:
    """``value`` without what is nested deeper than any manifest, so that it can be shown."""
    if not isinstance(value, dict | list):
        return value
    if not depth:
        return "(nested too deep to show)"
    if isinstance(value, dict):
        return {key: _shallow(member, depth - 1) for key, member in value.items()}
    return [_shallow(member, depth - 1) for member in value]


def _part(role: str, part: PartInfo, contents: list[bytes]) -> dict[str, Any]:
    """``contents``: of the entries that have the part's name; a device takes the first, and stops at a second."""
    content = contents[0] if contents else None
    document: dict[str, Any] = {
        "part": role,
        "src": part.src,
        "size": part.size,
        "size_found": None if content is None else len(content),
        "load_address": part.load_address,
        "digests": [],
        "signature_scheme": part.signature_scheme,
        "signature": part.signature.hex(),
        "state": "ok",
    }
    if content is None:
        document["state"] = "not in the archive"
        return document
    for name, claimed, found in (
        ("SHA-1", part.sha1, hashlib.sha1(content).hexdigest()),
        ("SHA-256", part.sha256, hashlib.sha256(content).hexdigest()),
    ):
        state = "not stated" if not claimed else "ok" if claimed == found else "mismatch"
        document["digests"].append({"digest": name, "claimed": claimed, "computed": found, "state": state})
        if state == "mismatch":
            document["state"] = f"{name} mismatch"
    if part.size is not None and part.size != len(content):
        document["state"] = f"{len(content)} bytes, the manifest says {part.size}"
    elif not content:
        document["state"] = "empty"
    elif len(contents) > 1:
        document["state"] = "in the archive twice"
    return document


def _signatures(first: EntryHeader | None) -> list[dict[str, Any]]:
    """The attributes of the manifest's local header (extra field 0x293a): ``sigN`` is a signature over the manifest."""
    if first is None:
        return []
    return [{"name": name, "value": value} for name, value in first.attributes.items()]
