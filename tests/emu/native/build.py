"""Shared libraries for tests, built by the compiler of this machine. Neighbours: the tests of firmware in C."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from emu.native import HEADER

COMPILER = shutil.which("cc")
HERE = Path(__file__).parent
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror")


def compiled(library: Path, source: Path | str, *flags: str, strict: bool = True) -> Path:
    """``library``, made of a file or of the text of one. Skips the test where there is no compiler."""
    if COMPILER is None:
        pytest.skip("no C compiler is installed")
    if isinstance(source, str):
        source = _written(library.with_suffix(".c"), source)
    command = [COMPILER, *(STRICT if strict else ()), "-g", "-fPIC", "-shared", f"-I{HEADER.parent}", *flags]
    made = subprocess.run([*command, "-o", library, source], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    return library


def _written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path
