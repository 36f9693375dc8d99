"""Where results go: stdout, or files that are checked before the work begins.

A path that cannot be written is found out before an hour of work, and a file is written whole or not at all.
Neighbours: `run` and `bench`. Knows no format.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import click

from emu.errors import UsageError


def check_writable(target: Path | None) -> None:
    """Raise UsageError unless a file can be made at ``target``. "-" is stdout."""
    if target is None or str(target) == "-":
        return
    if _is_special(target):
        if not os.access(target, os.W_OK):
            raise UsageError(f"{target}: cannot be written")
        return
    target = target.resolve()
    folder = target.parent
    if not folder.is_dir():
        raise UsageError(f"{target}: there is no folder {folder}")
    if target.is_dir():
        raise UsageError(f"{target}: is a folder; name a file in it")
    try:
        handle, probe = tempfile.mkstemp(prefix=".brownout-", dir=folder)
        os.close(handle)
        Path(probe).unlink()
    except OSError as wrong:
        raise UsageError(f"{target}: cannot be written: {wrong.strerror}") from None
    if target.exists() and not os.access(target, os.W_OK):
        raise UsageError(f"{target}: cannot be written: it is read-only")


def check_apart(json_file: Path | None, junit_file: Path | None) -> None:
    """Raise UsageError when both documents would go to one place."""
    if json_file is None or junit_file is None:
        return
    if str(json_file) == str(junit_file) == "-":
        raise UsageError("--json and --junit both go to stdout; give one of them a file")
    if json_file.resolve() == junit_file.resolve():
        raise UsageError(f"--json and --junit both go to {json_file}; give them different files")


def owns_stdout(*targets: Path | None) -> bool:
    """Whether a document goes to stdout: then nothing else does."""
    return any(str(target) == "-" for target in targets)


def write_text(target: Path, text: str) -> None:
    """Write ``text`` to a file, whole or not at all; "-" is stdout."""
    if str(target) == "-":
        click.echo(text, nl=not text.endswith("\n"))
        return
    temporary: str | None = None
    try:
        if _is_special(target):
            target.write_text(text if text.endswith("\n") else text + "\n", encoding="utf-8")
            return
        target = target.resolve()
        handle, temporary = tempfile.mkstemp(prefix=".brownout-", dir=target.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(text if text.endswith("\n") else text + "\n")
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)
        Path(temporary).replace(target)
    except OSError as wrong:
        raise UsageError(f"{target}: cannot be written: {wrong.strerror}") from None
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def _is_special(target: Path) -> bool:
    """A pipe or a device: written to as it is, never replaced."""
    return target.exists() and not target.is_file() and not target.is_dir()
