"""The engine of supervised processes: one pipe each, no pool that breaks as a whole.

Items go out in shards, large ones first and single ones at the end; short items are queued at their worker, so that it
goes on while the coordinator does something else. Results come back one at a time, so it is known which item a worker
was at when it died, and nothing needs to be bisected: that item is given to a worker alone, and the rest of its shard
to whoever is free. A worker that dies is replaced, between items as well.

Neighbours: `process` is one worker, `waiting` the items nobody has begun. Knows no campaign.
"""

from __future__ import annotations

import pickle
import selectors
from collections import deque
from collections.abc import Sequence
from contextlib import closing
from itertools import count
from typing import Any

from emu.campaign.engines import ALONE_DEATHS, Died, EngineName, Listener, Raised, WorkSpec
from emu.campaign.engines.child import can_fork
from emu.campaign.engines.process import WorkerProcess
from emu.campaign.engines.waiting import Item, Owner, Waiting
from emu.clock import Stopwatch
from emu.errors import EngineLost

TICK_S = 0.2
QUEUED_S, MOST_QUEUED = 0.025, 8
"""How long a worker can go on with what is queued at it, if items are that short; and of how many items."""
MAX_STILLBORN = 8
"""Workers in a row that die before they can work."""


class _Worker:
    """A process and what it was given. ``shard``: items without result, in the order they are worked on."""

    def __init__(self, process: WorkerProcess) -> None:
        self.process = process
        self.is_ready = False
        self.is_alone = self.has_suspect = False
        self.shard: deque[Item] = deque()
        self.watch = Stopwatch()

    @property
    def is_idle(self) -> bool:
        return self.is_ready and not self.shard


class WorkersEngine:
    """Works in up to ``jobs`` processes, which are kept for the next map. They are started at once where that is
    cheap, or else when there is work."""

    name: EngineName = "workers"

    def __init__(self, spec: WorkSpec, jobs: int, time_limit_s: float = 0.0) -> None:
        self.jobs = jobs
        self._spec = pickle.dumps(spec)
        self._time_limit_s = time_limit_s
        self._workers: list[_Worker] = []
        self._waiting = Waiting(jobs)
        self._selector = selectors.DefaultSelector()
        self._stillborn = 0
        self._pace_s = QUEUED_S
        self._looked = Stopwatch()
        self.numbers = count()
        while len(self._workers) < jobs and can_fork():
            self._begin()

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes at work now."""
        return tuple(worker.process.pid for worker in self._workers)

    def map(self, items: Sequence[Any], listener: Listener | None = None) -> list[Any | Died]:
        told = listener or Listener()
        results: list[Any | Died] = [None] * len(items)
        with closing(self.stream()) as stream:
            indexes = {stream.put(item): index for index, item in enumerate(items)}
            while indexes:
                for number, result in stream.collect(told):
                    index = indexes.pop(number)
                    if isinstance(result, Raised):
                        result.again()
                    results[index] = Died(index, result.how) if isinstance(result, Died) else result
                    told.result(index, results[index])
        return results

    def stream(self) -> WorkersStream:
        return WorkersStream(self)

    def close(self) -> None:
        self._dismiss(list(self._workers))
        self._selector.close()

    # -- for streams ---------------------------------------------------------------------------------------

    def add(self, item: Item, *, is_urgent: bool) -> None:
        """Have ``item`` worked on."""
        self._waiting.add(item, is_urgent=is_urgent)

    def go_on(self, seconds: float) -> None:
        """Hand out and take in, and wait for results at most as long."""
        self._hand_out()
        self._take_in(seconds)
        self._hand_out()

    def forget(self, owner: Owner) -> None:
        """Nobody wants the results of ``owner`` any more; who is busy with them is ended."""
        self._waiting.forget(owner)
        busy = [worker for worker in self._workers if any(item.owner is owner for item in worker.shard)]
        self._dismiss(busy)
        for worker in busy:
            self._waiting.give_back([item for item in worker.shard if item.owner is not owner])

    # -- supervision ---------------------------------------------------------------------------------------

    def _hand_out(self) -> None:
        """Give every worker something to do, and start workers for what nobody is there for."""
        if not self._waiting:
            return
        queued = max(1, min(MOST_QUEUED, int(QUEUED_S / self._pace_s))) if self._pace_s else MOST_QUEUED
        for worker in sorted(self._workers, key=lambda worker: len(worker.shard)):
            if worker.is_idle and self._waiting and worker.process.is_there:  # nobody is blamed for an earlier death
                items = self._waiting.shard(worker, queued)
                worker.has_suspect = any(item.deaths for item in items)
                worker.is_alone = len(items) == 1
                worker.watch = Stopwatch()
                self._send(worker, items)
            elif worker.is_ready and not worker.has_suspect and len(worker.shard) <= queued // 2:
                items = self._waiting.some(worker, queued - len(worker.shard))
                worker.is_alone = worker.is_alone and not items
                self._send(worker, items)
        starting = sum(not worker.is_ready for worker in self._workers)
        while len(self._workers) < self.jobs and starting < len(self._waiting):
            self._begin()
            starting += 1

    def _send(self, worker: _Worker, items: Sequence[Item]) -> None:
        if items:
            worker.shard += items
            worker.process.send([(item.number, pickle.dumps(item.content)) for item in items])
            self._watch(worker)

    def _begin(self) -> None:
        worker = _Worker(WorkerProcess(self._spec))
        self._workers.append(worker)
        self._selector.register(worker.process, selectors.EVENT_READ, worker)
        self._watch(worker)

    def _take_in(self, seconds: float) -> None:
        """Wait a moment for results; now and then look after the dead and the late."""
        heard = [key.data for key, _ in self._selector.select(seconds)]
        if (seconds and not heard) or self._looked.seconds > TICK_S:
            heard, self._looked = list(self._workers), Stopwatch()
        for worker in heard:
            worker.process.flush()
            self._watch(worker)
            messages, alive = worker.process.receive()
            for message in messages:
                self._heed(worker, message)
            if not alive:
                self._remove(worker)
                self._lost(worker, worker.process.bury())
            elif worker.shard and self._time_limit_s and worker.watch.seconds > self._time_limit_s:
                self._dismiss([worker])
                self._lost(worker, f"time limit of {self._time_limit_s:g} s")

    def _watch(self, worker: _Worker) -> None:
        """Wake up when the worker says something, and while there is something to send when the pipe takes it."""
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if worker.process.is_sending else 0)
        if self._selector.get_key(worker.process).events != events:
            self._selector.modify(worker.process, events, worker)

    def _heed(self, worker: _Worker, message: tuple[Any, ...]) -> None:
        match message:
            case ("ready",):
                worker.is_ready = True
                self._stillborn = 0
            case ("done", number, result, seconds):
                assert worker.shard and worker.shard[0].number == number, "a result out of turn: please report"
                self._pace_s += (seconds - self._pace_s) / 8
                self._finish(worker.shard.popleft(), result)
                worker.watch = Stopwatch()
            case ("raised", wrong, text) if worker.shard:
                self._finish(worker.shard.popleft(), Raised(wrong, text))
                worker.watch = Stopwatch()
            case ("raised", wrong, text):
                Raised(wrong, text).again()  # its work could not be made

    def _finish(self, item: Item, result: Any) -> None:
        item.owner.take(item.number, result)

    def _lost(self, worker: _Worker, how: str) -> None:
        """A worker is gone: what it had goes to others, and the item it was at is a suspect."""
        if not worker.is_ready:
            self._stillborn += 1
            if self._stillborn == MAX_STILLBORN:
                raise EngineLost(
                    f"{MAX_STILLBORN} worker processes in a row ended before they could begin, the last by {how}; "
                    "see what they said above, or use --engine inline"
                )
        if worker.shard:
            suspect = worker.shard.popleft()
            suspect.deaths += 1
            suspect.deaths_alone += worker.is_alone
            if suspect.deaths_alone == ALONE_DEATHS:
                self._finish(suspect, Died(suspect.number, how))
            else:
                self._waiting.give_back([suspect])
            self._waiting.give_back(worker.shard)

    def _dismiss(self, workers: Sequence[_Worker]) -> None:
        for worker in workers:
            self._remove(worker)
            worker.process.kill()

    def _remove(self, worker: _Worker) -> None:
        self._selector.unregister(worker.process)
        self._workers.remove(worker)
        self._waiting.gone(worker)


class WorkersStream:
    """Items of one caller."""

    def __init__(self, engine: WorkersEngine) -> None:
        self._engine = engine
        self._done: list[tuple[int, Any]] = []
        self._unfinished = 0

    def put(self, item: Any, *, is_urgent: bool = False) -> int:
        number = next(self._engine.numbers)
        self._unfinished += 1
        self._engine.add(Item(number, item, self, getattr(item, "kin", None)), is_urgent=is_urgent)
        return number

    def take(self, number: int, result: Any) -> None:
        """The engine has a result."""
        self._unfinished -= 1
        self._done.append((number, result))

    def collect(self, listener: Listener | None = None) -> list[tuple[int, Any]]:
        try:
            if listener is None:
                self._engine.go_on(0.0)
            else:
                listener.tick()
                while self._unfinished and not self._done:
                    self._engine.go_on(TICK_S)
                    listener.tick()
        except BaseException:
            self.close()
            raise
        done, self._done = self._done, []
        return done

    def close(self) -> None:
        self._engine.forget(self)
        self._unfinished = 0
