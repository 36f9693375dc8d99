"""What a console says: bytes into lines, lines into what they mean.

Neighbours: `external_rig` feeds it, `settling` draws conclusions. Pure: knows no wire and no time.
"""

from __future__ import annotations

import re
from collections import deque

from emu.hil.rig_file import ConsoleEntry
from emu.timed_rig import SaidKind
from emu.words import printable

LONGEST_LINE = 1 << 14
KEPT_LINES = 12
_SHOWN = 160


class Meanings:
    """The expressions of a rig file. A line may say which image runs, in which state it is, or both."""

    def __init__(self, entry: ConsoleEntry) -> None:
        self._images: list[tuple[SaidKind, re.Pattern[str]]] = [
            ("new", re.compile(entry.new)), ("old", re.compile(entry.old)), *_compiled("unknown", entry.image)
        ]  # fmt: skip
        self._states = [
            *_compiled("dead", entry.dead), *_compiled("trial", entry.trial), *_compiled("committed", entry.committed)
        ]  # fmt: skip

    def of(self, line: str) -> list[SaidKind]:
        """What ``line`` means: which image says that it runs, and in which state; [] for a line like any other."""
        image = next((kind for kind, pattern in self._images if pattern.search(line)), None)
        states = [kind for kind, pattern in self._states if pattern.search(line)]
        return ([] if image is None else [image]) + states


class Lines:
    """Bytes into lines. A line without an end is one when it grows beyond LONGEST_LINE."""

    def __init__(self) -> None:
        self._rest = b""
        self._asked_at = 0
        self.tail: deque[str] = deque(maxlen=KEPT_LINES)

    def feed(self, data: bytes) -> list[str]:
        """The lines that ``data`` completes."""
        *whole, self._rest = re.split(rb"\r?\n|\r(?!\Z)", self._rest + data)
        if len(self._rest) > LONGEST_LINE:
            whole, self._rest = [*whole, self._rest], b""
        if whole:
            self._asked_at = 0
        lines = [line.decode("utf-8", "replace") for line in whole]
        self.tail.extend(shown(line) for line in lines if line.strip())
        return lines

    def ask(self) -> None:
        """From here on `rest` is an answer: a prompt that was there before is none."""
        self._asked_at = len(self._rest)

    @property
    def rest(self) -> str:
        """What has come since the last line end, or since `ask`."""
        return self._rest[self._asked_at :].decode("utf-8", "replace")


def shown(line: str) -> str:
    """A line of a stranger, fit for a terminal and not too long."""
    text = printable(line.strip())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _compiled(kind: SaidKind, text: str) -> list[tuple[SaidKind, re.Pattern[str]]]:
    return [(kind, re.compile(text))] if text else []
