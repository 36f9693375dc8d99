"""Read one TOML document into one frozen struct, and say precisely what is wrong with it.

Neighbours: `part` here, `emu.board` above. Knows nothing of what the structs mean.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from flash.files import read_bounded

T = TypeVar("T", bound=msgspec.Struct)

_PLACED = re.compile(r"(?P<what>.*?)(?: - at `(?P<at>[^`]*)`)?", re.DOTALL)
_STEP = re.compile(r"\.([^.\[\]]+)|\[([0-9]+)\]")
_UNKNOWN = re.compile(r"Object contains unknown field `([^`]*)`")
_MISSING = re.compile(r"Object missing required field `([^`]*)`")
_NO_CHOICE = re.compile(r"Invalid enum value .*", re.DOTALL)
_EXPECTED = re.compile(
    r"Expected `(?P<kind>[a-z]+)(?: \| null)?`"
    r"(?:, got `[a-z]+`| matching regex '(?P<form>.*)'| of length (?P<many>.*?)(?:, got [0-9]+)?"
    r"| (?P<bound>[<>]=? .*))?",
    re.DOTALL,
)
_KINDS = {
    "int": "a whole number", "float": "a number", "str": "text in quotes", "bool": "true or false", "array": "a list",
    "object": "a table",
}  # fmt: skip
_BOUNDS = {">=": "of at least", "<=": "of at most", ">": "above", "<": "below"}
_LONGEST = 40
MAX_TOML_SIZE = 1 << 20


def decode_toml(text: str, kind: type[T], *, where: str, error: type[Exception]) -> T:
    """Decode ``text`` as ``kind``; ``where`` (a file name) leads every message, raised as ``error``."""
    document = _table(text, where, error)
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as wrong:
        raise error(f"{where}: {_explain(str(wrong), document, kind)}") from None


def read_toml(path: Path, kind: type[T], *, error: type[Exception]) -> T:
    """Like ``decode_toml``, from a regular file of at most MAX_TOML_SIZE bytes."""
    return decode_toml(_text(path, error), kind, where=str(path), error=error)


def read_table(path: Path, *, error: type[Exception]) -> dict[str, Any]:
    """As `read_toml`, whatever its keys."""
    return _table(_text(path, error), str(path), error)


def _text(path: Path, error: type[Exception]) -> str:
    try:
        return read_bounded(path, MAX_TOML_SIZE).decode("utf-8")
    except OSError as wrong:
        raise error(f"{path}: cannot be read: {wrong.strerror}") from None
    except UnicodeDecodeError:
        raise error(f"{path}: not a UTF-8 text file") from None


def _table(text: str, where: str, error: type[Exception]) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as wrong:
        raise error(f"{where}: not valid TOML: {wrong}") from None


def nearest(name: str, known: Iterator[str] | list[str] | tuple[str, ...]) -> str:
    """`` (did you mean `x`?)``, or the list of what is known when nothing is near; "" where nothing is known."""
    choices = sorted(set(known))
    if not choices:
        return ""
    near = difflib.get_close_matches(name, choices, n=1, cutoff=0.5)
    return f" (did you mean `{near[0]}`?)" if near else f" (known: {', '.join(choices)})"


def _explain(message: str, document: dict[str, Any], kind: type[msgspec.Struct]) -> str:
    """The decoder's message in words: what is wrong, with the value that is there, and where."""
    parts = _PLACED.fullmatch(message)
    assert parts is not None, "every message has this shape: please report"
    at = parts["at"] or "$"
    steps = [name or int(index) for name, index in _STEP.findall(at)]
    what, (value, name), annotation = parts["what"], _value_at(document, steps), _annotation_at(kind, steps)
    where = "" if at == "$" else f", at {at}{f' ({name!r})' if name else ''}"
    unknown, missing, expected = _UNKNOWN.fullmatch(what), _MISSING.fullmatch(what), _EXPECTED.fullmatch(what)
    if unknown is not None:
        return f"unknown field `{unknown[1]}`{where}{nearest(unknown[1], _struct_of(annotation).__struct_fields__)}"
    if missing is not None:
        return f"the key `{missing[1]}` is missing{where}"
    if _NO_CHOICE.fullmatch(what):
        choices = [str(choice) for choice in _choices(annotation)]
        return f"{_shown(value)} is none of {', '.join(choices)}{where}"
    if expected is not None:
        return f"{_needed(expected)} is needed, not {_shown(value)}{where}"
    return f"{what}{where}"


def _needed(expected: re.Match[str]) -> str:
    """What the decoder would have taken."""
    needed = _KINDS.get(expected["kind"], expected["kind"])
    if expected["form"] is not None:
        return f"{needed} of the form {expected['form']}"
    if expected["many"] is not None:
        many = expected["many"].replace(">=", "at least")
        return f"{needed} of {many} {'entry' if many.split()[-1] == '1' else 'entries'}"
    if expected["bound"] is not None:
        sign, _, limit = expected["bound"].partition(" ")
        return f"{needed} {_BOUNDS[sign]} {limit}"
    return needed


def _shown(value: Any) -> str:
    """A value as its TOML has it, not too long."""
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    text = str(value).lower() if isinstance(value, bool) else repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _value_at(document: Any, steps: list[str | int]) -> tuple[Any, str]:
    """The value at a path, and the name of the innermost entry of a list on the way that has one."""
    name = ""
    for step in steps:
        document = document[step]
        if isinstance(step, int) and isinstance(document, dict) and isinstance(document.get("name"), str):
            name = document["name"]
    return document, name


def _annotation_at(kind: Any, steps: list[str | int]) -> Any:
    """The type that is declared at a path."""
    for step in steps:
        if isinstance(step, str):
            kind = get_type_hints(_struct_of(kind))[step]
        else:
            arguments = get_args(_members(kind)[0])
            kind = arguments[0] if arguments[-1] is Ellipsis else arguments[step]
    return kind


def _struct_of(kind: Any) -> type[msgspec.Struct]:
    return next(one for one in _members(kind) if isinstance(one, type) and issubclass(one, msgspec.Struct))


def _members(kind: Any) -> tuple[Any, ...]:
    """The alternatives of a union; of anything else, itself. None is no alternative here."""
    members = get_args(kind) if isinstance(kind, UnionType) or get_origin(kind) is Union else (kind,)
    return tuple(member for member in members if member is not type(None))


def _choices(kind: Any) -> tuple[Any, ...]:
    return tuple(choice for member in _members(kind) if get_origin(member) is Literal for choice in get_args(member))
