"""What is sent to a device: a firmware .zip from a file or from the web, looked through before anything is sent.

Neighbours: `ota` sends it; `emu.inspection` reads archives as a device does. Knows no device and no link.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from emu.errors import UsageError
from emu.inspection.archive import inspect_archive
from emu.inspection.files import EMPTY_ZIP_MAGIC, ZIP_MAGIC
from flash.files import MAX_FILE_SIZE, read_bounded

FETCH_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Archive:
    """``shown``: what it says it is, for the page."""

    content: bytes
    shown: str


def is_url(source: str) -> bool:
    return re.match(r"https?://", source, re.IGNORECASE) is not None


def read_archive(source: str, *, checked: bool) -> Archive:
    """The archive at a path or a URL. ``checked``: refuse what no device would take.

    Errors: UsageError, or OSError for a file that cannot be read.
    """
    content = _fetched(source) if is_url(source) else read_bounded(Path(source), MAX_FILE_SIZE)
    if not content:
        raise UsageError(f"{source}: is empty; give a firmware .zip")
    if not checked:
        return Archive(content, Path(source).name)
    if content[:4] not in (ZIP_MAGIC, EMPTY_ZIP_MAGIC):
        raise UsageError(f"{source}: no firmware .zip, so nothing was sent; `brownout pack` makes one of an image")
    found = inspect_archive(content)
    problem = found["problem"]
    if problem is not None:
        said = ": ".join(text for text in (problem["message"], problem["detail"]) if text)
        raise UsageError(f"{source}: a device would refuse it, so nothing was sent: {said} (--unchecked sends it)")
    if not found["whole"]:
        raise UsageError(f"{source}: {_damage(found)}, so nothing was sent (--unchecked sends it)")
    manifest = found["manifest"]
    return Archive(content, f"{manifest.get('name') or 'firmware'} {manifest['version']} ({manifest['build_id']}) for "
                            f"{manifest['platform']}")  # fmt: skip


def _damage(found: dict[str, object]) -> str:
    entries, parts = found["entries"], found["parts"]
    assert isinstance(entries, list) and isinstance(parts, list), "an archive without lists: please report"
    broken = [f"{entry['name']}: CRC-32 mismatch" for entry in entries if entry["crc_state"] == "mismatch"]
    broken += [f"part {part['part']}: {part['state']}" for part in parts if part["state"] != "ok"]
    return "; ".join(broken)


def _fetched(url: str) -> bytes:
    try:
        with urlopen(url, timeout=FETCH_TIMEOUT_S) as reply:
            content: bytes = reply.read(MAX_FILE_SIZE + 1)
    except HTTPError as wrong:
        with wrong:
            raise UsageError(f"{url}: HTTP {wrong.code} {wrong.reason}") from None
    except (URLError, OSError, ValueError, HTTPException) as wrong:
        raise UsageError(f"{url}: cannot be fetched: {getattr(wrong, 'reason', None) or wrong}") from None
    if len(content) > MAX_FILE_SIZE:
        raise UsageError(f"{url}: more than {MAX_FILE_SIZE:,} bytes; give a firmware .zip")
    return content
