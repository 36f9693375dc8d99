"""Script: what is said to a device to start an update, step by step, and what it must answer.

Neighbours: `external_rig` sends what is due and feeds the answers. Pure: knows no wire and no time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from emu.hil.rig_file import StepEntry


class Script:
    """``steps`` with their placeholders filled."""

    def __init__(self, steps: Sequence[StepEntry]) -> None:
        self._steps = list(steps)
        self._next = 0
        self._awaited: re.Pattern[str] | None = None

    @property
    def is_done(self) -> bool:
        return self._awaited is None and self._next == len(self._steps)

    @property
    def awaits(self) -> str:
        """The answer that is waited for; "" if none."""
        return "" if self._awaited is None else self._awaited.pattern

    def due(self) -> bytes:
        """What is to be sent now; b"" when an answer has to come first, or nothing is left."""
        sent = b""
        while self._awaited is None and self._next < len(self._steps):
            step = self._steps[self._next]
            self._next += 1
            sent += step.send.encode("latin-1")
            self._awaited = re.compile(step.expect) if step.expect else None
        return sent

    def hear(self, line: str) -> None:
        """A line of the console, complete or not (a prompt has no end)."""
        if self._awaited is not None and self._awaited.search(line):
            self._awaited = None
