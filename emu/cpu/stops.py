"""Why a slice of code ended: what the engine tells the core.

Neighbours: `engine` makes them, `core` reacts; the bus raises `Refused`. Knows neither.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

StopKind = Literal[
    "slice", "sleep", "event-wait", "call", "breakpoint", "fetch", "undefined", "no-coprocessor", "not-thumb",
    "unaligned", "stack-limit", "read", "write", "refused-store", "refused-access", "halted",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stop:
    """Why a slice ended. ``address``: of the access nobody answered. The program counter is at the instruction, or
    behind it for "sleep", "event-wait" and "call"."""

    kind: StopKind
    address: int = 0


NOTHING = Stop("slice")
SLEEP = Stop("sleep")


class Halted(Exception):
    """Raised by a callback: the core stands still before the instruction that led there has done anything, and goes on
    with it when it runs again."""


class Refused(Exception):
    """Raised by a register callback: the bus answers with an error, and the instruction takes a fault."""
