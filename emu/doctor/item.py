"""What a look at an installation finds: one line each.

Neighbours: every room of `emu.doctor` makes them, `cli.doctor` prints them. Knows no check.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "missing", "warning", "broken"]
"""``missing``: something optional that is not there. ``warning``: it works, and not as well as it could. ``broken``:
brownout does not work as it should."""


@dataclass(frozen=True, slots=True)
class Item:
    """``said``: what is there, or what is wrong with it. ``do``: what to do about it; "" where nothing has to be."""

    group: str
    name: str
    status: Status
    said: str
    do: str = ""
