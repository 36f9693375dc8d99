"""The engine that is none: items one after another, in this process. What the other engines are held against.

An item that ends the process ends the campaign, and no time limit holds. Neighbours: the contract is the package's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from emu.campaign.engines import Died, EngineName, Listener, WorkSpec
from emu.campaign.engines.mapped import MappedStream


class InlineEngine:
    """Works in this process."""

    name: EngineName = "inline"
    jobs = 1

    def __init__(self, spec: WorkSpec) -> None:
        self._spec = spec
        self._work: Callable[[Any], Any] | None = None

    def map(self, items: Sequence[Any], listener: Listener | None = None) -> list[Any | Died]:
        told = listener or Listener()
        if self._work is None:
            self._work = self._spec.resolve()
        results = []
        for index, item in enumerate(items):
            told.tick()
            results.append(self._work(item))
            told.result(index, results[-1])
        return results

    def stream(self) -> MappedStream:
        return MappedStream(self.map, 1)

    def close(self) -> None:
        self._work = None
