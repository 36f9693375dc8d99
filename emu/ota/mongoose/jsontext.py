"""JSON as text: members taken out of an object without being reformatted, strings written as a device writes them.

A device prints results from templates and their spaces reach the wire, so params, results and auth travel as the text
they arrived or were written in. Neighbours: `wire` and everybody who reads params. Knows no frame.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

import msgspec

MAX_DEPTH = 64
"""Objects and lists inside each other. Without a bound it would be the stack of the moment that decides."""

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_STRING = msgspec.json.Decoder(str)
_BYTES_OF_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_BRACKETS = re.compile(rb"[\[{]|[\]}]")
_NUMBER_START = "-0123456789"
_SPECIAL = re.compile(r'["\\\x00-\x1f\x7f]')
_NUMBER = re.compile(r"0|[1-9][0-9]*")
_SHORT = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")


def members(text: str | bytes) -> dict[str, str] | None:
    """The members of a JSON object, each as its text; of two with one name, the last. None: it is no JSON object.

    None too for one nested deeper than `MAX_DEPTH`, and for bytes that are not UTF-8.
    """
    data = text.encode() if isinstance(text, str) else text
    if _is_too_deep(data):
        return None
    try:
        return {name: bytes(raw).decode() for name, raw in _OBJECT.decode(data).items()}
    except (msgspec.MsgspecError, UnicodeError):
        return None


def scalar(text: str) -> str | None:
    """What a string says, or the digits of a number as they stand. None: anything else."""
    if text[:1] == '"':
        try:
            return _STRING.decode(text)
        except (msgspec.MsgspecError, UnicodeError):
            return None
    return text if text[:1] and text[:1] in _NUMBER_START else None


def quoted(text: str) -> str:
    """``text`` as a JSON string, escaped as a device escapes it: \\u00xx for other controls, UTF-8 as it is."""
    return f'"{_SPECIAL.sub(_escape, text)}"'


def number_or_quoted(text: str) -> str:
    """Digits as a number, anything else as a string: what came as a string of digits leaves as a number."""
    return text if _NUMBER.fullmatch(text) else quoted(text)


def ascii_only(text: str) -> str:
    """The same JSON with everything above 7 bits escaped. Outside strings JSON has nothing to escape."""
    return text if text.isascii() else _NOT_ASCII.sub(lambda found: json.dumps(found[0])[1:-1], text)


def device_object(fields: Mapping[str, str]) -> str:
    """An object printed from a device's template: a space after each colon and comma. Values are JSON text."""
    return "{" + ", ".join(f"{quoted(name)}: {value}" for name, value in fields.items()) + "}"


def _escape(found: re.Match[str]) -> str:
    return _SHORT.get(found[0]) or f"\\u{ord(found[0]):04x}"


def _is_too_deep(data: bytes) -> bool:
    if data.count(b"[") + data.count(b"{") <= MAX_DEPTH:
        return False
    depth = deepest = 0
    for found in _BRACKETS.finditer(_BYTES_OF_STRINGS.sub(b"", data)):
        depth += 1 if found[0] in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest > MAX_DEPTH
