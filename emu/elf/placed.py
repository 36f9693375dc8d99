"""Bytes at an address of the core: what a file of a board comes to.

Neighbours: `board` makes them, `fits` looks whether they can be right, `rig` programs them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Placed:
    """``data`` at an address of the core, or of a ``memory`` beside the chip. ``source``: the file, for messages."""

    source: str
    address: int
    data: bytes
    memory: str = ""
