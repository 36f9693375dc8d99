"""What will happen at a time to come: a transfer ends, a counter overflows. Reset timers are alarms of the clock
instead.

Neighbours: `core` runs what is due between two slices, and sleeps until the next entry. Knows nothing of what it calls.
"""

from __future__ import annotations

from collections.abc import Callable


class Agenda:
    """Actions by name, each at a microsecond. Entries of one moment run in the order of their names."""

    def __init__(self) -> None:
        self._entries: dict[str, tuple[int, Callable[[], None]]] = {}
        self.next_us: int | None = None

    def at(self, name: str, us: int, action: Callable[[], None]) -> None:
        """Replaces an earlier entry of that name."""
        self._entries[name] = (us, action)
        self._look()

    def cancel(self, name: str) -> None:
        if self._entries.pop(name, None) is not None:
            self._look()

    def clear(self) -> None:
        self._entries.clear()
        self.next_us = None

    def run_due(self, now_us: int) -> None:
        """Everything whose time has come. An action may make new entries."""
        while self.next_us is not None and self.next_us <= now_us:
            name = min(self._entries, key=lambda each: (self._entries[each][0], each))
            action = self._entries.pop(name)[1]
            self._look()
            action()

    def _look(self) -> None:
        self.next_us = min((us for us, _ in self._entries.values()), default=None)
