"""Where results go: stdout, or files that are checked before the work begins.

A path that cannot be written, or that names what the work is about, is found out before an hour of work; a file is
written whole or not at all. Neighbours: every command that writes; `flash.files` does the writing. Knows no format.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable
from itertools import combinations
from pathlib import Path
from typing import Any, TypeVar

import click

from emu.errors import UsageError
from flash.files import write_file

F = TypeVar("F", bound=Callable[..., Any])


def result_option(name: str, help: str) -> Callable[[F], F]:
    """``--NAME FILE|-``: a file that a result is written to, or stdout. The command receives ``NAME_file``."""
    return click.option(f"--{name}", f"{name}_file", type=click.Path(path_type=Path), metavar="FILE|-", help=help)


def check_writable(target: Path | None, inputs: Iterable[Path | None] = ()) -> None:
    """Raise UsageError unless a file can be made at ``target`` without replacing one of ``inputs``. "-" is stdout."""
    if target is None or str(target) == "-":
        return
    for path in inputs:
        if path is not None and _is_same(target, path):
            raise UsageError(f"{target}: is an input too and would be overwritten; give another path")
    if _is_special(target):
        if not os.access(target, os.W_OK):
            raise UsageError(f"{target}: cannot be written")
        return
    target = _resolved(target)
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


def check_apart(*outputs: tuple[str, Path | None]) -> None:
    """Raise UsageError when two outputs, given as (option, target), would go to one place."""
    given = [(option, target) for option, target in outputs if target is not None]
    for (first, one), (second, other) in combinations(given, 2):
        if str(one) == str(other) == "-":
            raise UsageError(f"{first} and {second} both go to stdout; give one of them a file")
        if _resolved(one) == _resolved(other) or _is_same(one, other):
            raise UsageError(f"{first} and {second} both go to {one}; give them different files")


def owns_stdout(*targets: Path | None) -> bool:
    """Whether a document goes to stdout: then nothing else does."""
    return any(str(target) == "-" for target in targets)


def write_text(target: Path, text: str) -> None:
    """Write ``text`` to a file, whole or not at all; "-" is stdout. Raises ImageError as `write_file` does."""
    if str(target) == "-":
        click.echo(text, nl=not text.endswith("\n"))
        return
    write_file(target, (text if text.endswith("\n") else text + "\n").encode())


def _resolved(target: Path) -> Path:
    try:
        return target.resolve()
    except (OSError, ValueError, RuntimeError):  # a NUL in the name; links in a circle
        raise UsageError(f"{str(target)!r}: no such path can be written; give another one") from None


def _is_same(one: Path, other: Path) -> bool:
    """Whether both name one file that exists. A device is no file: what goes to /dev/null replaces nothing."""
    return one.is_file() and other.is_file() and one.samefile(other)


def _is_special(target: Path) -> bool:
    """A pipe or a device: written to as it is, never replaced."""
    return target.exists() and not target.is_file() and not target.is_dir()
