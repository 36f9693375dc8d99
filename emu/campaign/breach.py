"""A check that did not hold.

Neighbours: `checks` and `wear` yield them, `judge` collects them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Breach:
    """A check that did not hold, at an entry of the session's journal."""

    check: str
    entry: int
    message: str
