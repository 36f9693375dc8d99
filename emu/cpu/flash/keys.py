"""A lock that two keys open, in order.

A wrong key jams it until the next reset: what else it does (a bus fault, nothing) differs from chip to chip and is the
controller's business. Other accesses between the two keys do not matter. Knows no register.
"""

from __future__ import annotations

from typing import Literal

KeyOutcome = Literal["taken", "opened", "wrong", "jammed", "already-open"]


class Lock:
    """Closed after a reset. ``is_open`` says whether the keys were given since."""

    __slots__ = ("_keys", "_step", "is_jammed", "is_open")

    def __init__(self, first: int, second: int) -> None:
        self._keys = (first, second)
        self.reset()

    def reset(self) -> None:
        self.is_open = False
        self.is_jammed = False
        self._step = 0

    def close(self) -> None:
        """Closed again; the keys open it again."""
        self.is_open = False
        self._step = 0

    def offer(self, key: int) -> KeyOutcome:
        """A key is written. "already-open" and "jammed": nothing changes."""
        if self.is_jammed:
            return "jammed"
        if self.is_open:
            return "already-open"
        if key != self._keys[self._step]:
            self.is_jammed = True
            return "wrong"
        self._step += 1
        if self._step < len(self._keys):
            return "taken"
        self.is_open = True
        self._step = 0
        return "opened"
