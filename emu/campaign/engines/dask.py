"""The engine of a dask cluster: the one of ``scheduler``, or processes of this machine. The only file that knows dask.

A task is a shard of items, and its results come as a whole. dask gives a task to another worker when its worker dies,
and gives up after a number of deaths (its setting `distributed.scheduler.allowed-failures`). Then nobody is blamed yet:
tasks that were only waiting at that worker are counted in by dask as well. Suspect shards are run again, one at a time
with nothing else on the cluster, and halved until the item that takes its worker along is alone.

Neighbours: the contract is the package's. Works on any cluster whose workers can import this package.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from emu.campaign.engines import ALONE_DEATHS, Died, EngineName, Listener, WorkRaised, WorkSpec
from emu.campaign.engines.mapped import MappedStream
from emu.campaign.engines.process import EXIT_OUT_OF_MEMORY, raised
from emu.clock import Stopwatch
from emu.errors import EngineLost, MissingExtra, UsageError

try:
    import dask
    import distributed
    from distributed.scheduler import KilledWorker
except ImportError as missing:
    raise MissingExtra(
        f"--engine dask needs a package that is not installed ({missing.name}): pip install 'brownout[dask]'"
    ) from None

TICK_S = 0.2
CONNECT_S = 15
LOST_AFTER_S = 60.0
MAX_SHARD = 256
STREAMED_PER_JOB = 8
"""Items of a stream that are mapped together, for each worker."""
_Shard = list[int]


class DaskEngine:
    """Works on a cluster. ``jobs``: processes of the embedded one; a cluster of your own says itself how many."""

    name: EngineName = "dask"

    def __init__(self, spec: WorkSpec, jobs: int, scheduler: str = "", time_limit_s: float = 0.0) -> None:
        self._spec = pickle.dumps(spec)
        self._time_limit_s = time_limit_s
        self._cluster: Any = None
        self._client: Any = None
        where = f"--scheduler {scheduler}" if scheduler else "a dask cluster of this machine"
        try:
            self._cluster = None if scheduler else _embedded(jobs)
            self._client = distributed.Client(scheduler or self._cluster, timeout=CONNECT_S, set_as_default=False)
            self._client.wait_for_workers(1 if scheduler else jobs, timeout=CONNECT_S)
        except (OSError, ValueError, RuntimeError) as wrong:
            self.close()
            raise UsageError(
                f"{where} cannot be used: {_first_line(wrong)}; it needs a scheduler and workers"
            ) from None
        self.jobs = sum(self._client.nthreads().values())

    def map(self, items: Sequence[Any], listener: Listener | None = None) -> list[Any | Died]:
        work = _Map(self, items, listener or Listener())
        size = max(1, min(MAX_SHARD, len(items) // (8 * self.jobs)))
        shards = [list(range(at, min(at + size, len(items)))) for at in range(0, len(items), size)]
        suspects = deque(work.run(shards))
        while suspects:
            shard = suspects.popleft()
            if not work.run([shard]):
                continue
            if len(shard) == 1:
                work.finish(shard, [Died(shard[0], "its worker died, again and again (dask does not say of what)")])
            else:
                middle = len(shard) // 2
                suspects.extendleft([shard[middle:], shard[:middle]])
        return work.results

    def stream(self) -> MappedStream:
        return MappedStream(self.map, STREAMED_PER_JOB * self.jobs)

    def submit(self, items: Sequence[Any]) -> Any:
        """A future of the results of ``items``."""
        pickled = [pickle.dumps(item) for item in items]
        return self._client.submit(_work_on, self._spec, self._time_limit_s, pickled, pure=False)

    def cancel(self, futures: Sequence[Any]) -> None:
        self._client.cancel(list(futures))

    @property
    def has_workers(self) -> bool:
        return self._client.status == "running" and bool(self._client.nthreads())

    def close(self) -> None:
        client, cluster = self._client, self._cluster
        self._client = self._cluster = None
        if client is not None:
            client.close()
        if cluster is not None:
            cluster.close()


class _Map:
    """The items of one map, and what is known of them."""

    def __init__(self, engine: DaskEngine, items: Sequence[Any], listener: Listener) -> None:
        self.results: list[Any | Died] = [None] * len(items)
        self._engine = engine
        self._items = items
        self._listener = listener
        self._nobody: Stopwatch | None = None

    def run(self, shards: Sequence[_Shard]) -> list[_Shard]:
        """Work on ``shards``, all at a time; returns those that dask gave up."""
        done: queue.SimpleQueue[Any] = queue.SimpleQueue()
        waiting: dict[Any, _Shard] = {}
        given_up = []
        try:
            for shard in shards:
                future = self._engine.submit([self._items[index] for index in shard])
                waiting[future] = shard
                future.add_done_callback(done.put)
            while waiting:
                for future in self._some_of(done):
                    if future.status in ("pending", "lost"):  # its worker died with the results: dask makes them anew
                        future.add_done_callback(done.put)
                        continue
                    shard = waiting.pop(future)
                    if self._is_killed(future):
                        given_up.append(shard)
                    else:
                        self.finish(shard, _unpacked(future.result()))
        except BaseException:
            self._engine.cancel(list(waiting))
            raise
        return sorted(given_up)

    def finish(self, shard: _Shard, results: Sequence[Any]) -> None:
        for index, result in zip(shard, results, strict=True):
            self.results[index] = result
            self._listener.result(index, result)

    def _some_of(self, done: queue.SimpleQueue[Any]) -> list[Any]:
        """A future that is done, or none after a moment."""
        self._listener.tick()
        with contextlib.suppress(queue.Empty):
            future = done.get(timeout=TICK_S)
            self._nobody = None  # somebody was there, even if nobody ever is when we look: deadly items, slow starts
            return [future]
        if self._engine.has_workers:
            self._nobody = None
        else:
            self._nobody = self._nobody or Stopwatch()
            if self._nobody.seconds > LOST_AFTER_S:
                raise EngineLost(f"the dask cluster has had no worker for {LOST_AFTER_S:g} s")
        return []

    def _is_killed(self, future: Any) -> bool:
        if future.status == "cancelled":
            raise EngineLost("the dask cluster has dropped the work: its scheduler is gone, or was told to")
        wrong = future.exception() if future.status == "error" else None
        if wrong is not None and not isinstance(wrong, KilledWorker):
            raise EngineLost(
                f"a dask worker cannot work: {_first_line(wrong)}; install the same version of brownout where the "
                "workers are"
            )
        return wrong is not None


def _embedded(jobs: int) -> Any:
    """A quiet cluster of this machine. Its scheduler gives a task up at the death that blames it."""
    with dask.config.set({"distributed.scheduler.allowed-failures": ALONE_DEATHS - 1}):
        return distributed.LocalCluster(
            n_workers=jobs, threads_per_worker=1, processes=True, scheduler_kwargs={"dashboard": False},
            dashboard_address="127.0.0.1:0", silence_logs=logging.CRITICAL,
        )  # fmt: skip


def _unpacked(answer: tuple[list[Any], bytes]) -> list[Any]:
    """The results of a shard, or what its work raised."""
    results, trouble = answer
    if trouble:
        _, wrong, text = pickle.loads(trouble)
        raise wrong from WorkRaised(text)
    return results


def _first_line(wrong: BaseException) -> str:
    return next(iter(str(wrong).splitlines()), type(wrong).__name__)


# -- in a worker -----------------------------------------------------------------------------------------

_made = threading.local()


def _work_on(spec: bytes, limit_s: float, items: list[bytes]) -> tuple[list[Any], bytes]:
    """The results of a shard; or, pickled, what its work raised."""
    results = []
    for item in items:
        timer = threading.Timer(limit_s, os._exit, (1,)) if limit_s else None
        if timer is not None:
            timer.start()
        try:
            results.append(_work_of(spec)(pickle.loads(item)))
        except MemoryError:
            os._exit(EXIT_OUT_OF_MEMORY)
        except BaseException as wrong:
            return [], raised(wrong)
        finally:
            if timer is not None:
                timer.cancel()
    return results, b""


def _work_of(spec: bytes) -> Callable[[Any], Any]:
    """What the spec makes, made once per thread of a worker: it need not share anything with another one."""
    if getattr(_made, "spec", None) != spec:
        _made.work, _made.spec = pickle.loads(spec).resolve(), spec
    work: Callable[[Any], Any] = _made.work
    return work
