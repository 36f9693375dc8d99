"""Where firmware of the user's came from.

Neighbours: `own_firmware` makes one; `scenario` and `firmware` carry it, so that a rig names it among its inputs and
another process can load the same.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Source:
    """``path`` of the file as it was given, the ``name`` in it, and a SHA-256 over its content, in hex. What the file
    imports is not in it."""

    path: str
    name: str
    digest: str

    def __str__(self) -> str:
        return f"{self.path}:{self.name}"
