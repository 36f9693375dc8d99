"""Aligned lines for people: rows of columns, labels, wrapped sentences. Knows no document.

Nothing that comes out of a file reaches a terminal as a control character.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

from emu.words import printable

WIDTH = 100
MAX_LABEL = 40


def heading(text: str) -> list[str]:
    return ["", *sentence(text, 0)]


def sentence(text: str, indent: int = 2) -> list[str]:
    """One paragraph, wrapped."""
    return _wrapped(" " * indent + printable(text), WIDTH, rest=" " * (indent + 2))


def labelled(pairs: Iterable[tuple[str, object]], indent: int = 2) -> list[str]:
    """``label   value`` with values in one column; long values go on below themselves, and so do long labels."""
    rows = [(printable(label), printable(str(value))) for label, value in pairs]
    room = min(MAX_LABEL, max((len(label) for label, _ in rows), default=0)) + 2
    start = " " * (indent + room)
    lines: list[str] = []
    for label, value in rows:
        *above, last = _wrapped(label, room - 2)
        first, *below = _wrapped(value, WIDTH - len(start))
        lines += [" " * indent + piece for piece in above]
        lines.append((" " * indent + last.ljust(room) + first).rstrip())
        lines += [start + piece for piece in below]
    return lines


def table(head: Sequence[str], rows: Iterable[Sequence[object]], right: str = "", indent: int = 2) -> list[str]:
    """Columns as wide as their widest cell; those named in ``right`` (a letter per column, r) align right.

    The last column goes on below itself where it does not fit the width.
    """
    cells = [list(head), *([printable(str(cell)) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    lines = []
    for row in cells:
        line = " " * indent
        for column, cell in enumerate(row[:-1]):
            is_right = right[column : column + 1] == "r"
            line += (cell.rjust(widths[column]) if is_right else cell.ljust(widths[column])) + "  "
        is_right = right[len(head) - 1 : len(head)] == "r"
        last = [row[-1].rjust(widths[-1])] if is_right else _wrapped(row[-1], max(20, WIDTH - len(line)))
        lines += [(line + last[0]).rstrip(), *(" " * len(line) + more for more in last[1:])]
    return lines


def _wrapped(text: str, width: int, rest: str = "") -> list[str]:
    """At least one line; names with hyphens in them stay whole."""
    return textwrap.wrap(text, width, subsequent_indent=rest, break_on_hyphens=False) or [""]
