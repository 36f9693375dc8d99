"""What a firmware says about the values it keeps: lines of text, and what they mean to the ledger.

    storing = "storing {key}={value}"      # from here on the old value or this one
    stored = "stored {key}={value}"        # from here on this one
    read = ["read {key}={value}", "no {key}"]

A whole line has to match; `*` stands for anything. ``{key}`` is a word, ``{value}`` any text. A pattern without
``{value}`` says that the key holds nothing; one without ``{key}`` is about the only key there is.

Neighbours: `document` has the keys, `life` hears. Knows no journal and no port.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from emu.elf.document import StorageEntry, texts
from emu.errors import BoardError, ScenarioError
from emu.events import OFFERED, TOLD
from emu.ledger import NOTHING
from emu.words import printable

KINDS = {"storing": OFFERED, "stored": TOLD, "read": TOLD}
"""Keys of [storage], and the event each makes."""
ONLY_KEY = "value"
_PIECES = {"{key}": r"(?P<key>\S+?)", "{value}": r"(?P<value>.+?)", "*": ".*"}
_SPLIT = re.compile(r"(\{[^}]*\}?|\*)")


@dataclass(frozen=True, slots=True)
class Meaning:
    """``kind``: a key of `KINDS`. ``key`` and ``value`` of the ledger."""

    kind: str
    key: str
    value: str

    @property
    def event(self) -> str:
        return KINDS[self.kind]


class Phrases:
    """The patterns of a board. Raises BoardError for what is none."""

    def __init__(self, entry: StorageEntry) -> None:
        self._rows = [(kind, compiled(text, kind)) for kind in KINDS for text in texts(getattr(entry, kind))]

    @property
    def kinds(self) -> tuple[str, ...]:
        """Those the board has patterns for."""
        return tuple(dict.fromkeys(kind for kind, _ in self._rows))

    def meaning(self, line: str) -> Meaning | None:
        """What a line says; None: nothing about a value. Raises ScenarioError for one that may mean either."""
        found = [(kind, match) for kind, pattern in self._rows if (match := pattern.fullmatch(line))]
        if not found:
            return None
        kind, match = found[0]
        other = next((other for other, _ in found if other != kind), "")
        if other:
            raise ScenarioError(
                f"storage: the line {printable(line)!r} fits both {kind} and {other}; make the patterns differ"
            )
        held = match.groupdict()
        return Meaning(kind, held.get("key", ONLY_KEY), held.get("value", NOTHING))


class Lines:
    """Bytes of one session put together to lines, port by port."""

    def __init__(self) -> None:
        self._begun: dict[str, bytes] = {}

    def ended_by(self, port: str, data: bytes) -> Iterator[str]:
        """The lines that ``data`` brings to an end; empty ones are none."""
        so_far = self._begun.get(port, b"") + data
        if b"\n" not in data and b"\r" not in data:
            self._begun[port] = so_far
            return
        *whole, self._begun[port] = re.split(rb"[\r\n]", so_far)
        for line in whole:
            text = line.decode("latin-1").strip()
            if text:
                yield text


def compiled(text: str, kind: str) -> re.Pattern[str]:
    """A pattern of a board file. Raises BoardError."""
    pieces = [piece for piece in _SPLIT.split(text.strip()) if piece]
    for piece in pieces:
        if piece.startswith("{") and piece not in _PIECES:
            raise BoardError(f"storage.{kind}: {piece} in {text!r} stands for nothing; {{key}} and {{value}} do")
    for name in ("{key}", "{value}"):
        if pieces.count(name) > 1:
            raise BoardError(f"storage.{kind}: {text!r} has {name} twice; put * where the other one is")
    if not any(name in pieces for name in ("{key}", "{value}")):
        raise BoardError(f"storage.{kind}: {text!r} has neither {{key}} nor {{value}}: which value is it about?")
    return re.compile("".join(_PIECES.get(piece) or re.escape(piece) for piece in pieces))
