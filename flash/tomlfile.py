"""Read one TOML document into one frozen struct, and say precisely what is wrong with it.

Neighbours: `part` here, `emu.board` above. Knows nothing of what the structs mean.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

import msgspec

T = TypeVar("T", bound=msgspec.Struct)

_UNKNOWN = re.compile(r"unknown field `([^`]*)`")


def decode_toml(text: str, kind: type[T], *, where: str, error: type[Exception]) -> T:
    """Decode ``text`` as ``kind``; ``where`` (a file name) leads every message, raised as ``error``."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as wrong:
        raise error(f"{where}: not valid TOML: {wrong}") from None
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as wrong:
        raise error(f"{where}: {_explain(str(wrong), kind)}") from None


def read_toml(path: Path, kind: type[T], *, error: type[Exception]) -> T:
    """Like ``decode_toml``, from a file."""
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise error(f"{path}: not a regular file")
        text = path.read_text(encoding="utf-8")
    except OSError as wrong:
        raise error(f"{path}: cannot be read: {wrong.strerror}") from None
    except UnicodeDecodeError:
        raise error(f"{path}: not a UTF-8 text file") from None
    except ValueError as wrong:
        raise error(f"{str(path)!r}: cannot be read: {wrong}") from None
    return decode_toml(text, kind, where=str(path), error=error)


def nearest(name: str, known: Iterator[str] | list[str] | tuple[str, ...]) -> str:
    """`` (did you mean `x`?)``, or the list of what is known when nothing is near."""
    choices = sorted(set(known))
    near = difflib.get_close_matches(name, choices, n=1, cutoff=0.5)
    return f" (did you mean `{near[0]}`?)" if near else f" (known: {', '.join(choices)})"


def _explain(message: str, kind: type[msgspec.Struct]) -> str:
    found = _UNKNOWN.search(message)
    if found is None:
        return message
    return message + nearest(found.group(1), list(_field_names(kind, set())))


def _field_names(kind: Any, seen: set[Any]) -> Iterator[str]:
    if kind in seen:
        return
    seen.add(kind)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        for name, annotation in get_type_hints(kind).items():
            yield name
            yield from _field_names(annotation, seen)
        return
    for argument in get_args(kind):
        yield from _field_names(argument, seen)
