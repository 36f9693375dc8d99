"""A Python file of the user's: read, and executed as a module of its own. Whatever is wrong with it is one line.

Neighbours: `own_firmware` finds firmware in one, `elf.oracle_file` the oracles of a board, `elf.update` a host. Knows
none of them.
"""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from types import ModuleType

from emu.errors import ScenarioError
from flash.files import read_bounded

MAX_SIZE = 1 << 22


def content_of(path: str, advice: str) -> bytes:
    """What is in it. Raises ScenarioError, with ``advice``, where it cannot be read."""
    try:
        return read_bounded(Path(path), MAX_SIZE)
    except OSError as wrong:
        raise ScenarioError(f"{path}: cannot be read: {wrong.strerror or wrong}; {advice}") from None


def load_module(path: str, raw: bytes) -> ModuleType:
    """The file as a module, under a name of its own. Files beside it can be imported, also later, by what it calls.
    Raises ScenarioError for one that is no Python, or raises."""
    module = ModuleType(f"own.{Path(path).stem}")
    module.__file__ = path
    folder = str(Path(path).resolve().parent)
    if folder not in sys.path:
        sys.path.append(folder)
    before = sys.modules.get(module.__name__)
    sys.modules[module.__name__] = module  # dataclasses and pickles look there
    try:
        exec(compile(raw, path, "exec"), vars(module))
    except (Exception, SystemExit) as wrong:
        if before is None:
            del sys.modules[module.__name__]
        else:
            sys.modules[module.__name__] = before
        raise ScenarioError(f"{path}{_line_of(wrong, path)}: {type(wrong).__name__}: {_words(wrong)}") from None
    return module


def _line_of(wrong: BaseException, path: str) -> str:
    if isinstance(wrong, SyntaxError) and wrong.filename == path:
        return f": line {wrong.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(wrong.__traceback__) if frame.filename == path]
    return f": line {lines[-1]}" if lines else ""


def _words(wrong: BaseException) -> str:
    return (wrong.msg if isinstance(wrong, SyntaxError) else str(wrong)) or "without a word"
