"""A stream over an engine that only maps: what was put is mapped together, when somebody waits for it.

Neighbours: `inline` and `dask` make streams so. `workers` has one that does not wait.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from emu.campaign.engines import Died, Listener

Map = Callable[[Sequence[Any], Listener | None], list[Any | Died]]


class MappedStream:
    """Puts aside what it is given, until it is asked for. ``most``: items of one map, the urgent ones first."""

    def __init__(self, work: Map, most: int) -> None:
        self._map = work
        self._most = most
        self._count = 0
        self._open: deque[tuple[int, Any]] = deque()

    def put(self, item: Any, *, is_urgent: bool = False) -> int:
        self._count += 1
        if is_urgent:
            self._open.appendleft((self._count, item))
        else:
            self._open.append((self._count, item))
        return self._count

    def collect(self, listener: Listener | None = None) -> list[tuple[int, Any | Died]]:
        if listener is None or not self._open:
            return []
        taken = [self._open.popleft() for _ in range(min(self._most, len(self._open)))]
        results = self._map([item for _, item in taken], _Ticks(listener))
        return [
            (number, Died(number, result.how) if isinstance(result, Died) else result)
            for (number, _), result in zip(taken, results, strict=True)
        ]

    def close(self) -> None:
        self._open.clear()


class _Ticks(Listener):
    """Passes on that time passes."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def tick(self) -> None:
        self._listener.tick()
