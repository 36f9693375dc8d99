"""What kind of file this is, before anything is made of it.

A raw binary has no mark of its own, so a file that is plainly something else (a picture, a text, another archive) is
refused here in one line; a file named as an image is left to `load_image`, and a .bin is taken at its word.
Neighbours: `flash.images` reads images.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from emu.errors import UsageError
from flash.files import MAX_FILE_SIZE, read_bounded
from flash.images import READABLE_SUFFIXES, format_name

ZIP_MAGIC = b"PK\x03\x04"
EMPTY_ZIP_MAGIC = b"PK\x05\x06"
_WANTED = "give a firmware .zip, an image (.elf .hex .uf2 .srec .dfu .bin) or the content of a flash"
_FOREIGN = (
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (b"GIF8", "a GIF picture"),
    (b"BM", "a BMP picture"),
    (b"%PDF-", "a PDF document"),
    (b"\x1f\x8b\x08", "a gzip file"),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ\0", "an xz file"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard file"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"!<arch>\n", "a library of object files"),
    (b"MZ", "a Windows program"),
    (b"\xcf\xfa\xed\xfe", "a macOS program"),
    (b"SQLite format 3\0", "an SQLite database"),
)


def read_whole(path: Path) -> bytes:
    """The bytes of a regular file of at most 512 MiB; b"" for anything else, for `load_image` to refuse."""
    try:
        return read_bounded(path, MAX_FILE_SIZE)
    except OSError:
        return b""


def is_archive(path: Path, raw: bytes) -> bool:
    """Whether this is a .zip. Raises UsageError for a file that is only named as one."""
    if raw[:4] in (ZIP_MAGIC, EMPTY_ZIP_MAGIC):
        return True
    if path.suffix.lower() == ".zip" and raw:
        raise UsageError(f"{path}: named as a .zip but is not a firmware archive; download it again")
    return False


def refuse_foreign(path: Path, raw: bytes) -> None:
    """Raise UsageError for what is no image at all. Only for files that would be taken for raw binaries."""
    if path.suffix.lower() in READABLE_SUFFIXES or not raw or format_name(raw) != "raw binary":
        return
    for magic, what in _FOREIGN:
        if raw.startswith(magic):
            raise UsageError(f"{path}: {what}, not firmware; {_WANTED}")
    if raw[257:262] == b"ustar":
        raise UsageError(f"{path}: a tar archive, not firmware; {_WANTED}")
    if _is_text(raw):
        raise UsageError(f"{path}: a text, not firmware; {_WANTED}")


def file_document(path: Path, raw: bytes) -> dict[str, Any]:
    name = "firmware archive" if raw[:4] in (ZIP_MAGIC, EMPTY_ZIP_MAGIC) else format_name(raw)
    return {"path": str(path), "format": name, "size": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}


def _is_text(raw: bytes) -> bool:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return all(c.isprintable() or c in "\t\n\r\f" for c in text)
