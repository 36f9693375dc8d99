"""`brownout run` on engines: the same page whoever works, options that contradict each other, Ctrl-C."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep

import pytest

from emu.cli import engine
from emu.errors import UsageError
from tests.emu.cli.command import ROOT, Brownout, pair, stuck_board
from tests.emu.test_engines import all_gone


def page_without_times(page: str) -> str:
    """A page, but for what depends on who worked: times, and how much was recognised."""
    return re.sub(r"^(edges|sessions) .*$", r"\1", page, flags=re.M)


@pytest.mark.parametrize("depth", ["1", "2"])
def test_two_processes_print_the_page_of_one(brownout: Brownout, tmp_path: Path, depth: str) -> None:
    command = ["run", *pair(tmp_path), "--board", str(stuck_board(tmp_path)), "--app", "hangs", "--tears", "none"]
    command += ["--depth", depth, "--events", "all"]
    one = brownout(*command)
    two = brownout(*command, "--jobs", "2")
    assert (one.code, one.err) == (two.code, two.err) == (1, "")
    assert page_without_times(one.out) == page_without_times(two.out)
    assert "FINDINGS" in one.out


def test_without_the_cache_every_edge_is_executed_by_workers_too(brownout: Brownout, tmp_path: Path) -> None:
    command = ["run", *pair(tmp_path), "--board", "stm32f103", "--tears", "none", "--no-cache", "--depth", "1"]
    ran = brownout(*command, "--engine", "workers", "--jobs", "2")
    assert re.search(r"(\d+) executed, 0 inherited", ran.out)
    assert ran.code == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--engine", "inline", "--jobs", "2"), "--engine inline is one process; --jobs 2 takes --engine workers"),
        (
            ("--engine", "workers", "--scheduler", "tcp://a:1"),
            "--scheduler is a dask scheduler; --engine workers has none",
        ),
        (
            ("--scheduler", "tcp://a:1", "--jobs", "2"),
            "--jobs makes processes here, and the cluster of --scheduler has",
        ),
        (("--stuck-after", "9s"), "--stuck-after ends a worker, and --engine inline has none; give --jobs"),
        (("--jobs", "2", "--stuck-after", "soon"), "--stuck-after: 'soon' is no time; write 60s, 5m or 1h"),
        (("--jobs", "0"), "Invalid value for '--jobs'"),
        (("--engine", "cloud"), "Invalid value for '--engine': 'cloud' is not one of 'inline', 'workers', 'dask'"),
    ],
)
def test_options_that_make_no_sense_together_are_refused(brownout: Brownout, given: tuple[str, ...], said: str) -> None:
    assert said in brownout.refused("run", *given)


@pytest.mark.parametrize(
    ("given", "name", "jobs", "scheduler", "limit_s"),
    [
        (("--jobs", "3"), "workers", 3, "", 0.0),
        (("--jobs", "1", "--stuck-after", "2m"), "workers", 1, "", 120.0),
        (("--engine", "workers"), "workers", len(os.sched_getaffinity(0)), "", 0.0),
        (("--engine", "dask", "--jobs", "2"), "dask", 2, "", 0.0),
    ],
)
def test_options_choose_the_engine(
    brownout: Brownout, monkeypatch: pytest.MonkeyPatch, given: tuple[str, ...], name: str, jobs: int, scheduler: str,
    limit_s: float,
) -> None:  # fmt: skip
    asked: list[tuple[object, ...]] = []

    def refuse(name: object, spec: object, *options: object) -> None:
        asked.append((name, *options))
        raise UsageError("not today")

    monkeypatch.setattr(engine, "make_engine", refuse)
    assert brownout.refused("run", *given) == "not today"
    assert asked == [(name, jobs, scheduler, limit_s)]


def children_of(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(word) for word in listed.stdout.split()]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_campaign_prints_what_is_known_and_leaves_no_process_behind(how: signal.Signals) -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "emu", "run", "--no-cache", "--depth", "1", "--jobs", "2"], cwd=ROOT, env=os.environ,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    end = monotonic() + 20
    while len(children_of(child.pid)) < 2 and monotonic() < end:
        sleep(0.05)
    workers = children_of(child.pid)
    assert len(workers) == 2
    sleep(0.3)
    os.killpg(child.pid, how)
    out, err = child.communicate(timeout=20)
    assert child.returncode == 130, err
    assert "INCONCLUSIVE" in out
    assert "stopped by the user" in out
    assert "Traceback" not in err
    assert all_gone(workers)


def test_a_sigterm_that_whoever_started_it_ignores_stays_ignored() -> None:
    """As under `nohup` and the like: only who looks at it is ended by it."""
    child = subprocess.Popen(
        [sys.executable, "-m", "emu", "run", "--no-cache", "--depth", "2", "--engine", "inline"], cwd=ROOT,
        env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN),
    )  # fmt: skip
    sleep(1)
    child.terminate()
    sleep(0.5)
    assert child.poll() is None, "it goes on"
    child.send_signal(signal.SIGINT)
    out, _ = child.communicate(timeout=20)
    assert child.returncode == 130
    assert "stopped by the user" in out
