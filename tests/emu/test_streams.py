"""Streams of engines: items that are given one by one, while the one who gives them goes on."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

from emu.campaign.engines import Died, Engine, EngineName, Listener, Raised, Stream, WorkRaised, make_engine
from tests.emu.test_engines import all_gone, every_engine, spec


def all_of(stream: Stream, count: int) -> dict[int, Any]:
    """Results by number, until there are so many."""
    found: dict[int, Any] = {}
    while len(found) < count:
        for number, result in stream.collect(Listener()):
            assert number not in found
            found[number] = result
    return found


def engine_of(name: EngineName, work: str, *arguments: Any, jobs: int = 2, **options: Any) -> closing[Engine]:
    return closing(make_engine(name, spec(work, *arguments), jobs, **options))


def until(what: Callable[[], bool]) -> bool:
    end = monotonic() + 10
    while not what() and monotonic() < end:
        sleep(0.01)
    return what()


@every_engine
def test_each_result_comes_once_with_its_number(name: EngineName) -> None:
    with engine_of(name, "doubles") as engine, closing(engine.stream()) as stream:
        first = {stream.put(item): 2 * item for item in range(5)}
        assert all_of(stream, 5) == first
        second = {stream.put(item): 2 * item for item in range(5, 70)}
        assert all_of(stream, 65) == second
        assert not first.keys() & second.keys()
        assert stream.collect() == []


@every_engine
def test_nothing_is_waited_for_without_a_listener(name: EngineName, tmp_path: Path) -> None:
    with engine_of(name, "waits_for", str(tmp_path / "go")) as engine, closing(engine.stream()) as stream:
        number = stream.put(4)
        assert stream.collect() == []
        assert stream.collect() == []
        (tmp_path / "go").touch()
        assert all_of(stream, 1) == {number: 4}


@every_engine
def test_what_is_urgent_goes_first(name: EngineName) -> None:
    with engine_of(name, "sleeps", 0.05, jobs=1) as engine, closing(engine.stream()) as stream:
        for item in range(12):
            stream.put(item)
        urgent = stream.put(100, is_urgent=True)
        came: list[int] = []
        while urgent not in came:
            came += [number for number, _ in stream.collect(Listener())]
    assert len(came) < 12


def test_what_the_work_raises_is_told_to_whoever_wants_it_and_costs_nobody_else() -> None:
    with engine_of("workers", "fails", 7) as engine, closing(engine.stream()) as stream:
        numbers = {stream.put(item): item for item in range(12)}
        results = {numbers[number]: result for number, result in all_of(stream, 12).items()}
    raised = results.pop(7)
    assert results == {item: item for item in range(12) if item != 7}
    assert isinstance(raised, Raised)
    with pytest.raises(ValueError, match="item 7") as caught:
        raised.again()
    assert isinstance(caught.value.__cause__, WorkRaised)


def test_an_item_that_kills_its_worker_is_named_by_its_number() -> None:
    with engine_of("workers", "kills", "exit", 3, 4) as engine, closing(engine.stream()) as stream:
        stream.put(100)
        numbers = {item: stream.put(item) for item in range(6)}
        found = all_of(stream, 7)
    assert [found[numbers[item]] for item in range(6)] == [
        0, 1, 2, Died(numbers[3], "exit code 9"), Died(numbers[4], "exit code 9"), 5,
    ]  # fmt: skip


def test_short_items_are_queued_at_their_worker(tmp_path: Path) -> None:
    """It goes on while nobody looks."""
    (tmp_path / "go").touch()
    with engine_of("workers", "waits_for", str(tmp_path / "go"), jobs=1) as engine, closing(engine.stream()) as stream:
        for item in range(20):  # by now it is known how short they are
            stream.put(item)
        all_of(stream, 20)
        for item in range(100, 104):
            stream.put(item)
        stream.collect()
        assert until(lambda: len(list(tmp_path.glob("begun-10*"))) >= 3)


def primed(stream: Stream, go: Path) -> None:
    """By now it is known how short the items are; from here on they wait."""
    go.touch()
    for item in range(20):
        stream.put(item)
    all_of(stream, 20)
    go.unlink()


def test_a_worker_that_is_busy_is_given_more(tmp_path: Path) -> None:
    go = tmp_path / "go"
    with engine_of("workers", "waits_for", str(go), jobs=1) as engine, closing(engine.stream()) as stream:
        primed(stream, go)
        for item in (100, 101, 102):
            stream.put(item)
            stream.collect()
        (worker,) = engine._workers  # type: ignore[attr-defined]
        assert [item.content for item in worker.shard] == [100, 101, 102]


def test_an_item_is_not_blamed_for_a_death_it_had_company_in(tmp_path: Path) -> None:
    go, begun = tmp_path / "go", tmp_path / "begun-100"
    with engine_of("workers", "waits_for", str(go), jobs=1) as engine, closing(engine.stream()) as stream:
        primed(stream, go)
        numbers = {stream.put(item): item for item in (100, 101, 102)}
        for _ in range(2):
            assert until(lambda: stream.collect() == [] and begun.exists())
            begun.unlink()
            os.kill(engine.pids[0], 9)  # type: ignore[attr-defined]
        go.touch()
        assert all_of(stream, 3) == numbers


def test_long_items_are_not_kept_from_a_worker_that_has_nothing(tmp_path: Path) -> None:
    with engine_of("workers", "sleeps", 0.06, jobs=2) as engine, closing(engine.stream()) as stream:
        for item in range(12):
            stream.put(item)
        all_of(stream, 12)
        assert [len(worker.shard) for worker in engine._workers] == [0, 0]  # type: ignore[attr-defined]
        for item in range(3):
            stream.put(item)
        stream.collect()
        assert [len(worker.shard) for worker in engine._workers] == [1, 1]  # type: ignore[attr-defined]


def test_closing_a_stream_ends_who_is_busy_with_it_and_nobody_else(tmp_path: Path) -> None:
    with engine_of("workers", "waits_for", str(tmp_path / "go"), jobs=2) as engine:
        one, other = engine.stream(), engine.stream()
        one.put(1)
        wanted = other.put(2)
        assert until(lambda: one.collect() == [] and len(list(tmp_path.glob("begun-*"))) == 2)
        before = set(engine.pids)  # type: ignore[attr-defined]
        one.close()
        gone = before - set(engine.pids)  # type: ignore[attr-defined]
        assert len(gone) == 1
        assert all_gone(list(gone))
        (tmp_path / "go").touch()
        assert all_of(other, 1) == {wanted: 2}
        assert one.collect() == []
        assert engine.map([5, 6]) == [5, 6]


def test_what_a_closed_stream_waited_for_is_not_begun(tmp_path: Path) -> None:
    (tmp_path / "go").touch()
    with engine_of("workers", "waits_for", str(tmp_path / "go"), jobs=1) as engine:
        stream = engine.stream()
        for item in range(30):
            stream.put(item)
        stream.close()
        assert engine.map([77]) == [77]
    assert [path.name for path in tmp_path.glob("begun-*")] == ["begun-77"]


def test_a_worker_killed_from_outside_is_replaced_while_a_stream_goes_on() -> None:
    with engine_of("workers", "sleeps", 0.02, jobs=2) as engine, closing(engine.stream()) as stream:
        numbers = {stream.put(item): -item for item in range(40)}
        found = dict(stream.collect(Listener()))
        os.kill(engine.pids[0], 9)  # type: ignore[attr-defined]
        assert found | all_of(stream, 40 - len(found)) == numbers
