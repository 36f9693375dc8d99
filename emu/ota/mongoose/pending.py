"""Calls that were sent and not yet answered. Both ends have such a table.

Neighbours: `wire`. Knows no link and no time: who waits too long is for the caller to say (`forget`).
"""

from __future__ import annotations

from collections.abc import Callable

from emu.ota.mongoose.wire import Answer, ErrorResponse

MAX_QUEUE_LENGTH = 25


class PendingCalls:
    """At most ``limit`` calls; one more ends the oldest with error 429."""

    def __init__(self, limit: int = MAX_QUEUE_LENGTH) -> None:
        self._limit = max(1, limit)
        self._waiting: dict[str, Callable[[Answer], None]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, number: str, done: Callable[[Answer], None]) -> None:
        """Expect an answer with the id ``number``, which is waited for only once at a time."""
        while len(self._waiting) >= self._limit:
            oldest = next(iter(self._waiting))
            self._waiting.pop(oldest)(ErrorResponse(oldest, 429, "Request queue overflow"))
        self._waiting[number] = done

    def settle(self, answer: Answer) -> bool:
        """Hand an answer to who waits for it; False if nobody does."""
        done = self._waiting.pop(answer.id, None)
        if done is not None:
            done(answer)
        return done is not None

    def forget(self, number: str) -> None:
        """Nobody waits for this answer any more."""
        self._waiting.pop(number, None)
