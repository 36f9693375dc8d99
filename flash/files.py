"""Image files on disk: read whole, written whole or not at all.

Neighbours: images.py. Knows paths and bytes: no formats.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from flash.errors import ImageError

MAX_FILE_SIZE = 512 << 20


def read_file(path: Path) -> bytes:
    """The content of a regular file of 1 byte to MAX_FILE_SIZE. ImageError for all else."""
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise ImageError(f"{path}: not a regular file; give the path of an image file")
        if path.is_file() and path.stat().st_size > MAX_FILE_SIZE:
            raise ImageError(
                f"{path}: has {path.stat().st_size} bytes, more than the {MAX_FILE_SIZE} an image may have"
            )
        content = path.read_bytes()
    except (OSError, ValueError) as exc:  # ValueError: a NUL in the name
        raise ImageError(f"{path}: cannot be read ({_reason(exc)}); give the path of an image file") from exc
    if not content:
        raise ImageError(f"{path.name}: the file is empty; build or download it again")
    return content


def write_file(path: Path, content: bytes) -> None:
    """Replaces what ``path`` names, through a temporary file beside it: whatever fails, the old content stays.

    A pipe or a device is written to as it is. ImageError when the path cannot be written.
    """
    temporary: str | None = None
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(content)  # of a folder, this raises the reason
            return
        target = path.resolve()
        if target.exists() and not os.access(target, os.W_OK):
            raise ImageError(f"{path}: cannot be written (it is read-only); give another path")
        mode = target.stat().st_mode & 0o7777 if target.exists() else _mode_of_new_files()
        handle, temporary = tempfile.mkstemp(prefix=".brownout-", dir=target.parent)
        with os.fdopen(handle, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())  # or a power cut after the rename leaves an empty file
        Path(temporary).chmod(mode)
        Path(temporary).replace(target)
        temporary = None
    except (OSError, ValueError, RuntimeError) as exc:  # RuntimeError: links in a circle
        raise ImageError(f"{path}: cannot be written ({_reason(exc)}); give another path") from exc
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def _mode_of_new_files() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask


def _reason(exc: Exception) -> str:
    return str(getattr(exc, "strerror", None) or exc)
