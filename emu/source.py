"""Where firmware came from: a file of the user's, or the designs that are bundled.

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


@dataclass(frozen=True, slots=True)
class Bundled:
    """A published design by its ``name`` in `emu.designs`; its new image does what model ``app`` of `emu.app` does."""

    name: str
    app: str

    def __str__(self) -> str:
        return self.name
