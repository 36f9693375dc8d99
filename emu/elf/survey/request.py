"""What a board is asked for: the files, and what is known of them.

Neighbours: the command makes one, `survey` answers it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Request:
    """``files``: what the factory programs, in any order. ``old``: its application, where that is a file of its own.
    ``new``: the update. ``chip``: its name, "" to propose one. ``keeps_values``: nothing is updated."""

    files: tuple[Path, ...]
    old: Path | None = None
    new: Path | None = None
    chip: str = ""
    keeps_values: bool = False
