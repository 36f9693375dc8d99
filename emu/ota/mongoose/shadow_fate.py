"""What became of an update that was desired by shadow, as far as its device has said so.

GEN-2 keys (SPEC.md, "Shadow"): in what a device reports, a ``code`` below 0 is a failure, and one above 0 a success
once the device reports the ``url`` that was desired; 0 is under way.

Neighbours: `shadow_serving` tells it what is reported. Sans-IO.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

TOLD = 200
"""Characters of what a device says; more are a stranger's."""


@dataclass
class Fate:
    """``url``: what was desired. ``message`` and ``code``: the last that was said of it."""

    url: str
    has_asked: bool = False
    """The device has been there: it has asked for its shadow, or reported something."""
    has_begun: bool = False
    is_over: bool = False
    code: int = 0
    message: str = ""

    @property
    def is_success(self) -> bool:
        return self.is_over and self.code > 0

    def reported(self, now: dict[str, Any], held: dict[str, Any]) -> None:
        """``now``: the ``ota`` of one report; ``held``: all that is reported of it by now."""
        self.has_asked = True
        code, message = now.get("code"), now.get("message")
        if self.is_over:
            return
        if isinstance(message, str):
            self.message = message[:TOLD]
        if not isinstance(code, int) or isinstance(code, bool):
            return
        self.code, self.has_begun = code, True
        self.is_over = code < 0 or (code > 0 and held.get("url") == self.url)
