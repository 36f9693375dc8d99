"""The engine of supervised processes: one pipe each, no pool that breaks as a whole.

Items go out in shards, large ones first and single ones at the end. Results come back one at a time, so it is known
which item a worker was at when it died, and nothing needs to be bisected: that item is given to a worker alone, and the
rest of its shard to whoever is free. A worker that dies is replaced, between items as well.

Neighbours: `process` is one worker. Knows no campaign.
"""

from __future__ import annotations

import pickle
import selectors
from collections import Counter, deque
from collections.abc import Sequence
from typing import Any

from emu.campaign.engines import ALONE_DEATHS, Died, EngineName, Listener, WorkSpec
from emu.campaign.engines.process import WorkerProcess, WorkRaised
from emu.clock import Stopwatch
from emu.errors import EngineLost

TICK_S = 0.2
MAX_SHARD = 256
MAX_STILLBORN = 8
"""Workers in a row that die before they can work."""


class _Worker:
    """A process and what it was given. ``shard``: items without result, in the order they are worked on."""

    def __init__(self, process: WorkerProcess) -> None:
        self.process = process
        self.is_ready = False
        self.is_alone = False
        self.shard: deque[int] = deque()
        self.watch = Stopwatch()

    @property
    def is_idle(self) -> bool:
        return self.is_ready and not self.shard


class WorkersEngine:
    """Works in up to ``jobs`` processes, which are started when there is work and kept for the next map."""

    name: EngineName = "workers"

    def __init__(self, spec: WorkSpec, jobs: int, time_limit_s: float = 0.0) -> None:
        self.jobs = jobs
        self._spec = pickle.dumps(spec)
        self._time_limit_s = time_limit_s
        self._workers: list[_Worker] = []
        self._selector = selectors.DefaultSelector()
        self._stillborn = 0

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes at work now."""
        return tuple(worker.process.pid for worker in self._workers)

    def map(self, items: Sequence[Any], listener: Listener | None = None) -> list[Any | Died]:
        work = _Map(items, self.jobs, listener or Listener())
        try:
            while work.is_unfinished:
                self._hand_out(work)
                self._take_in(work)
                work.listener.tick()
        except BaseException:
            self._dismiss([worker for worker in self._workers if not worker.is_idle])
            raise
        return work.results

    def close(self) -> None:
        self._dismiss(list(self._workers))
        self._selector.close()

    # -- supervision ---------------------------------------------------------------------------------------

    def _hand_out(self, work: _Map) -> None:
        """Give every idle worker something to do, and start workers for what nobody is there for."""
        for worker in self._workers:
            if worker.is_idle and work.is_waiting:
                worker.shard = work.next_shard()
                worker.is_alone = len(worker.shard) == 1
                worker.watch = Stopwatch()
                worker.process.send([(index, work.pickled(index)) for index in worker.shard])
                self._watch(worker)
        starting = sum(not worker.is_ready for worker in self._workers)
        while len(self._workers) < self.jobs and starting < work.waiting:
            worker = _Worker(WorkerProcess(self._spec))
            self._workers.append(worker)
            self._selector.register(worker.process, selectors.EVENT_READ, worker)
            self._watch(worker)
            starting += 1

    def _take_in(self, work: _Map) -> None:
        """Wait a moment for results; look after the dead and the late."""
        self._selector.select(TICK_S)
        for worker in list(self._workers):
            worker.process.flush()
            self._watch(worker)
            messages, alive = worker.process.receive()
            for message in messages:
                self._heed(worker, message, work)
            if not alive:
                self._remove(worker)
                self._lost(worker, worker.process.bury(), work)
            elif worker.shard and self._time_limit_s and worker.watch.seconds > self._time_limit_s:
                self._dismiss([worker])
                self._lost(worker, f"time limit of {self._time_limit_s:g} s", work)

    def _watch(self, worker: _Worker) -> None:
        """Wake up when the worker says something, and while there is something to send when the pipe takes it."""
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if worker.process.is_sending else 0)
        if self._selector.get_key(worker.process).events != events:
            self._selector.modify(worker.process, events, worker)

    def _heed(self, worker: _Worker, message: tuple[Any, ...], work: _Map) -> None:
        match message:
            case ("ready",):
                worker.is_ready = True
                self._stillborn = 0
            case ("done", index, result):
                assert worker.shard and worker.shard[0] == index, "a result out of turn: please report"
                worker.shard.popleft()
                worker.watch = Stopwatch()
                work.finish(index, result)
            case ("raised", wrong, text):
                raise wrong from WorkRaised(text)

    def _lost(self, worker: _Worker, how: str, work: _Map) -> None:
        """A worker is gone: what it had goes to others, and the item it was at is a suspect."""
        if not worker.is_ready:
            self._stillborn += 1
            if self._stillborn == MAX_STILLBORN:
                raise EngineLost(
                    f"{MAX_STILLBORN} worker processes in a row ended before they could begin, the last by {how}; "
                    "see what they said above, or use --engine inline"
                )
        if worker.shard:
            work.suspect(worker.shard.popleft(), how, was_alone=worker.is_alone)
            work.give_back(worker.shard)

    def _dismiss(self, workers: Sequence[_Worker]) -> None:
        for worker in workers:
            self._remove(worker)
            worker.process.kill()

    def _remove(self, worker: _Worker) -> None:
        self._selector.unregister(worker.process)
        self._workers.remove(worker)


class _Map:
    """The items of one map: which wait, which are suspected, which are done."""

    def __init__(self, items: Sequence[Any], jobs: int, listener: Listener) -> None:
        self.listener = listener
        self.results: list[Any | Died] = [None] * len(items)
        self._items = items
        self._jobs = jobs
        self._open = deque(range(len(items)))
        self._suspects: deque[int] = deque()
        self._unfinished = len(items)
        self._alone_deaths: Counter[int] = Counter()

    @property
    def is_unfinished(self) -> bool:
        return self._unfinished > 0

    @property
    def is_waiting(self) -> bool:
        return bool(self._open or self._suspects)

    @property
    def waiting(self) -> int:
        """How many workers could be given something."""
        return len(self._suspects) + len(self._open)

    def pickled(self, index: int) -> bytes:
        return pickle.dumps(self._items[index])

    def next_shard(self) -> deque[int]:
        """Items for one worker: a suspect alone, or a share of what is left, so that the last shards are small and all
        workers end together."""
        if self._suspects:
            return deque([self._suspects.popleft()])
        size = max(1, min(MAX_SHARD, len(self._open) // (4 * self._jobs)))
        return deque(self._open.popleft() for _ in range(size))

    def finish(self, index: int, result: Any) -> None:
        self.results[index] = result
        self._unfinished -= 1
        self.listener.result(index, result)

    def suspect(self, index: int, how: str, *, was_alone: bool) -> None:
        """A worker died at this item. ``was_alone``: it had been given nothing else."""
        self._alone_deaths[index] += was_alone
        if self._alone_deaths[index] == ALONE_DEATHS:
            self.finish(index, Died(index, how))
        else:
            self._suspects.append(index)

    def give_back(self, rest: deque[int]) -> None:
        """Items nobody has begun."""
        self._open.extendleft(reversed(rest))
