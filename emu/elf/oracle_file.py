"""Oracles of a board: `FILE.py:NAME` in a file of the user's beside it, an `Oracle` or a function of `Contents`.

    def records(contents: Contents) -> str:
        '''Every value that was told stands in a whole record.'''

Content counts: another process that loads the same path must find the same bytes.

Neighbours: `board` names them, `rig` asks them. `own_file` executes the file. Knows no rig.
"""

from __future__ import annotations

import hashlib
import inspect
from pathlib import Path
from types import ModuleType

from emu.errors import BoardError, ScenarioError
from emu.oracle import Oracle
from emu.own_file import content_of, load_module
from emu.source import Source
from flash.tomlfile import nearest

_ADVICE = "oracles of [storage] are FILE.py:NAME, beside the board file"


def oracle_source(text: str, folder: Path, where: str) -> Source:
    """Where an oracle is, as a board file has it. Raises BoardError."""
    file, _, name = text.rpartition(":")
    if not file or not name.isidentifier():
        raise BoardError(f"{where}: storage: {text!r} names no oracle; write FILE.py:NAME")
    path = str(folder / file)
    try:
        content = content_of(path, _ADVICE)
    except ScenarioError as wrong:
        raise BoardError(f"{where}: {wrong}") from None
    return Source(path, name, hashlib.sha256(content).hexdigest())


def load_oracle(source: Source) -> Oracle:
    """Raises ScenarioError for a file that has changed, raises, or has nothing of that name that could judge."""
    raw = content_of(source.path, _ADVICE)
    if hashlib.sha256(raw).hexdigest() != source.digest:
        raise ScenarioError(f"{source.path}: has changed since the campaign began; run it again")
    module = load_module(source.path, raw)
    thing = vars(module).get(source.name)
    if isinstance(thing, Oracle):
        return thing
    if inspect.isfunction(thing):
        return _of_function(source, thing.__doc__ or "", thing)
    raise ScenarioError(f"{source.path}: {_misnamed(source.name, thing, module)}")


def _of_function(source: Source, words: str, judge: object) -> Oracle:
    lines = words.strip().splitlines()
    promise = lines[0][:1].lower() + lines[0][1:].rstrip(".") if lines else f"{source.name} finds nothing wrong"
    return Oracle(source.name.replace("_", "-"), promise, judge)  # type: ignore[arg-type]  # asked, it says what is wrong


def _misnamed(name: str, thing: object, module: ModuleType) -> str:
    known = [
        key
        for key, value in vars(module).items()
        if isinstance(value, Oracle) or (inspect.isfunction(value) and value.__module__ == module.__name__)
    ]
    choice = f"; it has {', '.join(known)}" if known else ""
    if thing is None:
        return f"nothing is called {name!r}{nearest(name, known)}{choice}"
    return f"{name!r} is a {type(thing).__name__}, no Oracle and no function of the contents{choice}"
