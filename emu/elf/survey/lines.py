"""Lines of a board file that is drafted: each with a comment, none too long.

Neighbours: `draft` and `keeping` write boards of them. Knows no key.
"""

from __future__ import annotations

from collections.abc import Iterator

_COLUMN = 40
_WIDTH = 118


def line_of(key: str, why: str) -> str:
    """Longer comments go above, so that no line runs away; the line still has one."""
    line = f"{key:<{_COLUMN - 2}}  # {why}"
    if len(line) <= _WIDTH:
        return line
    return "\n".join([*comment(why), f"{key:<{_COLUMN - 2}}  # see above"])


def comment(text: str) -> Iterator[str]:
    """``text`` as lines of comment, broken between words."""
    line = "#"
    for word in text.split():
        if len(line) + len(word) + 1 > _WIDTH and line != "#":
            yield line
            line = "#  "
        line += f" {word}"
    yield line


def quoted(value: str) -> str:
    """A TOML string."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{"".join(c if c.isprintable() else _escape(c) for c in escaped)}"'


def _escape(character: str) -> str:
    return f"\\u{ord(character):04X}" if ord(character) < 0x1_0000 else f"\\U{ord(character):08X}"
