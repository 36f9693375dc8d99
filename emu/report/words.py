"""Small words of reports. Neighbours: `summary` and `document`. Knows nothing of what it counts."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """``1 edge``, ``4,891 edges``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
