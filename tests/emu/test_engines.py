"""Engines: what all of them promise, and what becomes of workers that die, hang, are killed or left alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from time import monotonic, sleep
from typing import Any

import pytest

from emu.campaign.engines import Died, Engine, EngineName, Listener, WorkRaised, WorkSpec, make_engine
from emu.campaign.engines.process import WorkFailed
from emu.campaign.engines.workers import WorkersEngine
from emu.errors import EngineLost, UsageError

ROOT = Path(__file__).resolve().parents[2]
HERE: tuple[EngineName, ...] = ("inline", "workers")
every_engine = pytest.mark.parametrize("name", HERE)


def spec(function: str, *arguments: Any) -> WorkSpec:
    return WorkSpec(f"tests.emu.engine_work:{function}", arguments)


def mapped(name: EngineName, work: WorkSpec, items: list[Any], jobs: int = 2, **options: Any) -> list[Any]:
    with closing(make_engine(name, work, jobs, **options)) as engine:
        return engine.map(items)


@pytest.fixture
def workers() -> Iterator[Any]:
    """Makes engines of processes that are closed afterwards."""
    made: list[Engine] = []

    def make(work: WorkSpec, jobs: int = 2, **options: Any) -> WorkersEngine:
        made.append(make_engine("workers", work, jobs, **options))
        assert isinstance(made[-1], WorkersEngine)
        return made[-1]

    yield make
    for engine in made:
        engine.close()


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def all_gone(pids: list[int], within_s: float = 5.0) -> bool:
    end = monotonic() + within_s
    while any(map(is_alive, pids)) and monotonic() < end:
        sleep(0.02)
    return not any(map(is_alive, pids))


# -- what every engine promises --------------------------------------------------------------------------


@every_engine
@pytest.mark.parametrize("count", [0, 1, 2, 1000])
def test_results_come_in_the_order_of_their_items(name: EngineName, count: int) -> None:
    assert mapped(name, spec("doubles"), list(range(count))) == [2 * item for item in range(count)]


@every_engine
def test_arguments_of_the_spec_reach_the_work(name: EngineName) -> None:
    assert mapped(name, spec("adds", 5), [1, 2]) == [6, 7]


@every_engine
def test_an_engine_maps_more_than_once_and_is_closed_more_than_once(name: EngineName) -> None:
    engine = make_engine(name, spec("doubles"), 2)
    assert [engine.map([1, 2]), engine.map([3])] == [[2, 4], [6]]
    engine.close()
    engine.close()


@every_engine
def test_an_exception_of_the_work_is_raised_here(name: EngineName) -> None:
    with pytest.raises(ValueError, match="item 7 is not to my liking"):
        mapped(name, spec("fails", 7), list(range(20)))


class Tells(Listener):
    def __init__(self) -> None:
        self.told: dict[int, Any] = {}
        self.ticks = 0

    def result(self, index: int, result: Any) -> None:
        assert index not in self.told
        self.told[index] = result

    def tick(self) -> None:
        self.ticks += 1


@every_engine
def test_a_listener_is_told_each_result_once(name: EngineName) -> None:
    with closing(make_engine(name, spec("doubles"), 2)) as engine:
        tells = Tells()
        results = engine.map(range(100), tells)
    assert dict(enumerate(results)) == tells.told
    assert tells.ticks


class Stops(Tells):
    def result(self, index: int, result: Any) -> None:
        super().result(index, result)
        if len(self.told) == 3:
            raise KeyboardInterrupt


@every_engine
def test_what_a_listener_raises_ends_the_map_and_not_the_engine(name: EngineName) -> None:
    with closing(make_engine(name, spec("sleeps", 0.01), 2)) as engine:
        stops = Stops()
        with pytest.raises(KeyboardInterrupt):
            engine.map(range(200), stops)
        assert len(stops.told) == 3
        assert engine.map([1, 2]) == [-1, -2]


@pytest.mark.parametrize(
    ("name", "jobs", "limit", "said"),
    [("cluster", 1, 0.0, "inline, workers, dask"), ("workers", 0, 0.0, "0 jobs"), ("workers", 1, -1.0, "no time")],
)
def test_engines_that_cannot_be_are_refused(name: Any, jobs: int, limit: float, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        make_engine(name, spec("doubles"), jobs, time_limit_s=limit)


# -- processes -------------------------------------------------------------------------------------------


def test_each_process_makes_its_work_once_and_is_kept(tmp_path: Path, workers: Any) -> None:
    engine = workers(spec("is_made", str(tmp_path)), 2)
    for _ in range(3):
        engine.map(list(range(50)))
    made = {int(mark.name) for mark in tmp_path.iterdir()}
    assert made
    assert made <= set(engine.pids)  # the other one may still be starting
    assert 1 <= len(engine.pids) <= 2
    assert os.getpid() not in engine.pids


def test_work_is_spread_over_as_many_processes_as_there_are_jobs(workers: Any) -> None:
    engine = workers(spec("sleeps", 0.02), 3)
    engine.map(list(range(60)))
    assert len(engine.pids) == 3


def test_an_exception_brings_the_traceback_of_its_worker(workers: Any) -> None:
    with pytest.raises(ValueError, match="item 7") as caught:
        workers(spec("fails", 7)).map(list(range(20)))
    assert isinstance(caught.value.__cause__, WorkRaised)
    assert "engine_work.py" in str(caught.value.__cause__)
    assert "in work" in str(caught.value.__cause__)


@pytest.mark.parametrize(("work", "said"), [(spec("clings"), "Clings: 1 and 2"), (spec("leaves", 3), "SystemExit: 3")])
def test_what_cannot_travel_or_must_not_is_told_in_words(workers: Any, work: WorkSpec, said: str) -> None:
    with pytest.raises(WorkFailed, match=said):
        workers(work).map([1])


def test_work_that_cannot_be_made_says_why(workers: Any) -> None:
    with pytest.raises(ValueError, match="because"):
        workers(spec("fails_to_make", "because")).map([1])
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        workers(WorkSpec("no_such_module:make")).map([1])


def test_workers_that_never_begin_end_the_map(workers: Any) -> None:
    with pytest.raises(EngineLost, match=r"8 worker processes in a row .* exit code 5; .* --engine inline"):
        workers(spec("dies_being_made")).map([1, 2, 3])


def test_items_and_results_may_be_larger_than_a_pipe(workers: Any) -> None:
    items = [bytes([n]) * (3 << 20) for n in range(6)]
    assert workers(spec("doubles")).map(items) == [item * 2 for item in items]


def test_what_work_prints_is_no_result(capfd: pytest.CaptureFixture[str], workers: Any) -> None:
    workers(spec("prints"), 1).map([4])
    out, err = capfd.readouterr()
    assert (out, err) == ("", "item 4 says hello\n")


# -- blame -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "said"), [("exit", "exit code 9"), ("signal", "signal SIGSEGV"), ("memory", "out of memory")]
)
@pytest.mark.parametrize("jobs", [1, 2])
def test_an_item_that_kills_its_worker_is_named_and_costs_nobody_else(
    workers: Any, how: str, said: str, jobs: int
) -> None:
    items = list(range(60))
    expected = [Died(item, said) if item in (0, 31, 32, 59) else item for item in items]
    assert workers(spec("kills", how, 0, 31, 32, 59), jobs).map(items) == expected


def test_an_item_that_hangs_is_named_when_its_time_is_up(workers: Any) -> None:
    engine = workers(spec("kills", "hangs", 3), 2, time_limit_s=0.4)
    assert engine.map(list(range(8))) == [0, 1, 2, Died(3, "time limit of 0.4 s"), 4, 5, 6, 7]


def test_the_time_limit_is_for_one_item_not_for_a_shard(workers: Any) -> None:
    engine, seen = workers(spec("sleeps", 0.05), 1, time_limit_s=0.7), set()

    class Looks(Listener):
        def tick(self) -> None:
            seen.update(engine.pids)

    items = list(range(80))  # the first shard takes a second
    assert engine.map(items, Looks()) == [-item for item in items]
    assert len(seen) == 1


def test_killing_workers_at_random_changes_only_the_time(workers: Any) -> None:
    engine, random, done = workers(spec("sleeps", 0.01), 3), Random(4), threading.Event()
    killed = []

    def kill() -> None:
        while not done.wait(random.uniform(0.2, 0.5)):
            pids = engine.pids
            if pids:
                killed.append(random.choice(pids))
                os.kill(killed[-1], random.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGABRT]))

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        results = engine.map(list(range(500)))
    finally:
        done.set()
        killer.join()
    assert results == [-item for item in range(500)]
    assert len(killed) > 3


def test_a_worker_that_dies_between_maps_is_replaced(workers: Any) -> None:
    engine = workers(spec("who"), 1)
    (first,) = engine.map([1])
    os.kill(first, signal.SIGKILL)
    assert all_gone([first])
    (second,) = engine.map([1])
    assert second not in (first, os.getpid())


# -- nobody is left behind -------------------------------------------------------------------------------

ORPHANS = """
import sys
from emu.campaign.engines import Listener, WorkSpec, make_engine
engine = make_engine("workers", WorkSpec("tests.emu.engine_work:sleeps", (30.0,)), 2)
class Tells(Listener):
    said = False
    def tick(self):
        if not self.said and all(worker.is_ready and worker.shard for worker in engine._workers):
            self.said = len(engine.pids) == 2 and not print(*engine.pids, flush=True)
engine.map(range(4), Tells())
"""


def outlived(script: str, end: signal.Signals) -> bool:
    """Whether the two workers of ``script``, which prints their numbers, are there after its ``end``."""
    child = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    pids = [int(word) for word in child.stdout.readline().split()]
    assert len(pids) == 2
    assert all(map(is_alive, pids))
    child.send_signal(end)
    child.communicate(timeout=10)
    return not all_gone(pids)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_workers_do_not_outlive_their_coordinator(end: signal.Signals) -> None:
    assert not outlived(ORPHANS, end)


def test_closing_ends_every_worker(workers: Any) -> None:
    engine = workers(spec("sleeps", 0.0), 2)
    engine.map(list(range(20)))
    pids = list(engine.pids)
    engine.close()
    assert pids
    assert not any(map(is_alive, pids))
