"""How workers begin: as a child of this process or in a new interpreter, with nothing of ours in their hands."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import emu.campaign.engines.child as child_room
import emu.campaign.engines.workers as workers_room
import tests.emu.engine_work as engine_work
from emu.campaign.engines import Died, make_engine
from emu.campaign.engines.child import can_fork, start
from tests.emu.test_engines import ORPHANS, all_gone, outlived, spec

ALONE = threading.active_count() == 1
forks = pytest.mark.skipif(sys.platform != "linux" or not ALONE, reason="nothing is forked here")


@pytest.fixture(params=[pytest.param("forked", marks=forks), "new"])
def begun(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How workers begin in this test."""
    if request.param == "new":
        for room in (child_room, workers_room):
            monkeypatch.setattr(room, "can_fork", lambda: False)
    return str(request.param)


def mapped(work: Any, items: list[Any], jobs: int = 2) -> list[Any]:
    with closing(make_engine("workers", work, jobs)) as engine:
        return engine.map(items)


def test_a_child_knows_what_its_parent_knows_and_a_new_interpreter_does_not(
    begun: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_work, "SAID", "a word")
    assert set(mapped(spec("knows"), [1, 2, 3])) == {"a word" if begun == "forked" else "nothing"}


def test_items_that_kill_are_named_however_workers_begin(begun: str) -> None:
    items = list(range(20))
    expected = [Died(item, "exit code 9") if item in (3, 19) else item for item in items]
    assert mapped(spec("kills", "exit", 3, 19), items) == expected


def test_a_worker_holds_its_pipe_and_nothing_else(begun: str) -> None:
    with Path(os.devnull).open() as _, socket_of_another_engine():
        for open_ones in mapped(spec("descriptors"), [1, 2, 3, 4], 3):
            assert open_ones == ["socket"]


def socket_of_another_engine() -> closing[Any]:
    engine = make_engine("workers", spec("doubles"), 1)
    engine.map([1])
    return closing(engine)


def test_what_stands_in_our_buffers_is_said_once(begun: str, capfd: pytest.CaptureFixture[str]) -> None:
    sys.stdout.write("ours\n")
    sys.stderr.write("ours too\n")
    with closing(make_engine("workers", spec("says", "theirs"), 1)) as engine:
        engine.map([0, 1])
    out, err = capfd.readouterr()
    assert out == "ours\n"
    assert sorted(err.splitlines()) in (["ours too"], ["ours too", "theirs theirs"])  # nobody has flushed it


def test_our_handlers_of_signals_are_not_theirs(begun: str) -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    try:
        with closing(make_engine("workers", spec("who"), 1)) as engine:
            (pid,) = engine.map([1])
            os.kill(pid, signal.SIGTERM)
            assert all_gone([pid])
    finally:
        signal.signal(signal.SIGTERM, before)
    assert not heard


@forks
def test_a_process_with_another_thread_is_not_forked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_work, "SAID", "a word")
    assert can_fork()
    with another_thread():
        assert not can_fork()
        assert mapped(spec("knows"), [1]) == ["nothing"]
    assert can_fork()


class another_thread:  # noqa: N801 - it reads as what it is
    """While it runs, this process has two."""

    def __enter__(self) -> None:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._over.wait)
        self._thread.start()

    def __exit__(self, *failed: object) -> None:
        self._over.set()
        self._thread.join()


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_workers_in_new_interpreters_do_not_outlive_their_coordinator(end: signal.Signals) -> None:
    """Forked ones are seen to in `test_engines`."""
    late = "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n" + ORPHANS
    assert not outlived(late, end)


# -- the child itself ------------------------------------------------------------------------------------


def leaves(descriptor: int) -> None:
    os._exit(7)


def comes_back(descriptor: int) -> None:
    """A stack that goes on below here would be ours."""


def raises(descriptor: int) -> None:
    raise ValueError("for its own reasons")


def stays(descriptor: int) -> None:
    threading.Event().wait()


@pytest.fixture
def descriptor() -> Iterator[int]:
    number = os.open(os.devnull, os.O_RDONLY)
    yield number
    os.close(number)


@forks
@pytest.mark.parametrize(("main", "code"), [(leaves, 7), (comes_back, 1), (raises, 1)])
def test_a_child_ends_with_its_work_and_says_how(
    main: Any, code: int, descriptor: int, capfd: pytest.CaptureFixture[str]
) -> None:
    child = start(main, descriptor)
    assert child.wait(10) == code
    assert child.poll() == code
    child.kill()  # nobody is there: nothing happens
    assert ("for its own reasons" in capfd.readouterr().err) == (main is raises)


@forks
def test_a_child_that_stays_is_waited_for_in_vain_and_can_be_ended(descriptor: int) -> None:
    child = start(stays, descriptor)
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(0.05)
    assert child.poll() is None
    child.kill()
    assert child.wait(10) == -signal.SIGKILL
