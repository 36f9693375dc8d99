"""Small words of reports. Neighbours: `summary` and `document`, errors. Knows nothing of what it counts."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """``1 edge``, ``4,891 edges``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def lives_with_faults(count: int) -> str:
    """``1 life with a fault``, ``6 lives with a fault``."""
    return f"{count:,} {'life' if count == 1 else 'lives'} with a fault"


def printable(text: str) -> str:
    """``text`` on one line, whatever a stranger called his file: control characters, line ends and bytes that are not
    UTF-8 as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
