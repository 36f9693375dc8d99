"""Items that wait for a worker: in which order they go out, how many at a time, and to whom.

Items of one kin go to the worker that got the first of them. A worker that finds only others' kin takes the last item,
which its owner would come to last.

Neighbours: `workers` hands them out. Knows no process.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

MAX_SHARD = 256


class Owner(Protocol):
    """Whoever wants the result of an item."""

    def take(self, number: int, result: Any) -> None: ...


@dataclass(eq=False, slots=True)
class Item:
    """``deaths``: workers that died at it, so many of which had been given nothing else."""

    number: int
    content: Any
    owner: Owner
    kin: int | None = None
    deaths: int = 0
    deaths_alone: int = 0


class Waiting:
    """Items nobody has begun. A suspect, at which a worker has died, is given out alone and before all others."""

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._open: deque[Item] = deque()
        self._suspects: deque[Item] = deque()
        self._doers: dict[int, object] = {}

    def __len__(self) -> int:
        return len(self._open) + len(self._suspects)

    def add(self, item: Item, *, is_urgent: bool) -> None:
        if is_urgent:
            self._open.appendleft(item)
        else:
            self._open.append(item)

    def give_back(self, items: Iterable[Item]) -> None:
        """Items that were given out in vain."""
        for item in reversed(list(items)):
            if item.deaths:
                self._suspects.append(item)
            else:
                self._open.appendleft(item)

    def forget(self, owner: Owner) -> None:
        """Nobody wants the results of ``owner``."""
        self._open = deque(item for item in self._open if item.owner is not owner)
        self._suspects = deque(item for item in self._suspects if item.owner is not owner)

    def gone(self, who: object) -> None:
        """A worker is no more: its kin is everybody's."""
        self._doers = {kin: doer for kin, doer in self._doers.items() if doer is not who}

    def shard(self, who: object, least: int) -> list[Item]:
        """For a worker that has nothing: a suspect alone, or a share of what is left, so that the last shards are small
        and all workers end together; ``least`` of them if there is enough for everybody."""
        if self._suspects:
            return [self._suspects.popleft()]
        share = len(self._open) // (4 * self._jobs)
        return self.some(who, max(1, min(MAX_SHARD, share), min(least, len(self._open) // self._jobs)))

    def some(self, who: object, most: int) -> list[Item]:
        """The next items for a worker, no suspects."""
        found: list[Item] = []
        passed: list[Item] = []
        while self._open and len(found) < most:
            item = self._open.popleft()
            is_own = item.kin is None or self._doers.setdefault(item.kin, who) is who
            (found if is_own else passed).append(item)
        self._open.extendleft(reversed(passed))
        if not found and self._open and most > 0:
            found.append(self._open.pop())
        return found
