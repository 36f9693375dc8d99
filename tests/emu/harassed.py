"""An engine whose workers are killed from outside, again and again: now and then one, after so many results.

Counting results and not seconds, it kills as often on a busy machine, and never the same item twice.

Neighbours: the tests of campaigns on engines. Asserts nothing.
"""

from __future__ import annotations

import os
import signal
from random import Random
from typing import Any

from emu.campaign.engines import WorkSpec
from emu.campaign.engines.workers import WorkersEngine


class Harassed(WorkersEngine):
    """Loses a worker after every ``every`` results. ``killed``: which processes it has lost so."""

    def __init__(self, spec: WorkSpec, jobs: int, every: int) -> None:
        super().__init__(spec, jobs)
        self.killed: list[int] = []
        self._every = every
        self._results = 0
        self._random = Random(7)

    def _heed(self, worker: Any, message: tuple[Any, ...]) -> None:
        super()._heed(worker, message)
        self._results += message[0] == "done"
        if message[0] == "done" and self._results % self._every == 0:
            self.killed.append(self._random.choice(self.pids))
            os.kill(self.killed[-1], signal.SIGKILL)
