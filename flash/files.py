"""Image files on disk: read whole, written whole or not at all.

Neighbours: images.py. Knows paths and bytes: no formats.
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from flash.errors import ImageError

MAX_FILE_SIZE = 512 << 20


def read_file(path: Path) -> bytes:
    """The content of a regular file of 1 byte to MAX_FILE_SIZE. ImageError for all else."""
    try:
        content = read_bounded(path, MAX_FILE_SIZE)
    except OSError as exc:
        raise ImageError(f"{path}: cannot be read ({_reason(exc)}); give the path of an image file") from exc
    if not content:
        raise ImageError(f"{path}: the file is empty; build or download it again")
    return content


def read_bounded(path: Path, limit: int) -> bytes:
    """The content of a regular file of at most ``limit`` bytes: everything a stranger names is read here.

    OSError for all else, before anything is read; its ``strerror`` is fit for a message.
    """
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        if path.is_file() and path.stat().st_size > limit:
            raise OSError(errno.EFBIG, f"has {path.stat().st_size} bytes, more than the {limit} it may have", str(path))
        return path.read_bytes()
    except ValueError as wrong:  # a NUL in the name
        raise OSError(errno.EINVAL, str(wrong), str(path)) from None


def write_file(path: Path, content: bytes) -> None:
    """Replaces what ``path`` names, through a temporary file beside it: whatever fails, the old content stays.

    A pipe or a device is written to as it is. ImageError when the path cannot be written.
    """
    write_files([(path, content)])


def write_files(contents: Sequence[tuple[Path, bytes]]) -> None:
    """`write_file` for several: nothing is replaced before all of them lie, complete, beside what they replace."""
    ready: list[tuple[Path, Path, Path]] = []  # (path, its temporary file, what that becomes)
    path = Path()
    try:
        for path, content in contents:
            if path.exists() and not path.is_file():
                continue
            target = path.resolve()
            if target.exists() and not os.access(target, os.W_OK):
                raise ImageError(f"{path}: cannot be written (it is read-only); give another path")
            mode = target.stat().st_mode & 0o7777 if target.exists() else _mode_of_new_files()
            handle, temporary = tempfile.mkstemp(prefix=".brownout-", dir=target.parent)
            ready.append((path, Path(temporary), target))
            with os.fdopen(handle, "wb") as out:
                out.write(content)
                out.flush()
                os.fsync(out.fileno())  # or a power cut after the rename leaves an empty file
            Path(temporary).chmod(mode)
        for path, content in contents:
            if path.exists() and not path.is_file():
                path.write_bytes(content)  # of a folder, this raises the reason
        for path, beside, target in ready:  # noqa: B007 - the message names it
            beside.replace(target)
    except (OSError, ValueError, RuntimeError) as exc:  # RuntimeError: links in a circle
        raise ImageError(f"{path}: cannot be written ({_reason(exc)}); give another path") from exc
    finally:
        for _, beside, _ in ready:
            beside.unlink(missing_ok=True)


def _mode_of_new_files() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask


def _reason(exc: Exception) -> str:
    return str(getattr(exc, "strerror", None) or exc)
