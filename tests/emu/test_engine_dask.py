"""The dask engine: the same promises on a cluster. Left out, with the reason, where dask is not installed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("distributed", reason="dask is not installed: pip install 'brownout[dask]'")

from emu.campaign.engines import Died, Listener, WorkRaised, WorkSpec, make_engine
from emu.campaign.engines.dask import DaskEngine
from emu.campaign.engines.process import WorkFailed
from emu.campaign.explore import Explorer
from emu.campaign.options import Options
from emu.campaign.runner import runner_spec
from emu.campaign.sharded import ShardedExplorer
from emu.campaign.shards import shard_spec
from emu.errors import UsageError
from emu.rig_spec import rig_spec
from tests.emu.broken import EagerLoader
from tests.emu.helpers import COARSE, rig_on
from tests.emu.test_runner import assert_same, closure

ROOT = Path(__file__).resolve().parents[2]


def spec(function: str, *arguments: Any) -> WorkSpec:
    return WorkSpec(f"tests.emu.engine_work:{function}", arguments)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A scheduler with two workers, in processes that are not ours."""
    import distributed

    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=2, dashboard_address="127.0.0.1:0", silence_logs=50
    ) as cluster:
        yield cluster.scheduler_address


@pytest.fixture
def dask(address: str) -> Iterator[Any]:
    made: list[DaskEngine] = []

    def make(work: WorkSpec, **options: Any) -> DaskEngine:
        made.append(DaskEngine(work, 1, address, **options))
        return made[-1]

    yield make
    for engine in made:
        engine.close()


@pytest.mark.parametrize("count", [0, 1, 300])
def test_results_come_in_the_order_of_their_items(dask: Any, count: int) -> None:
    engine = dask(spec("doubles"))
    assert engine.map(range(count)) == [2 * item for item in range(count)]
    assert engine.jobs == 4


def test_an_exception_is_raised_here_with_the_traceback_of_its_worker(dask: Any) -> None:
    engine = dask(spec("fails", 7))
    with pytest.raises(ValueError, match="item 7 is not to my liking") as caught:
        engine.map(range(20))
    assert isinstance(caught.value.__cause__, WorkRaised)
    assert "engine_work.py" in str(caught.value.__cause__)
    assert engine.map(range(3)) == [0, 1, 2]
    with pytest.raises(WorkFailed, match="SystemExit: 3"):
        dask(spec("leaves", 3)).map([1])


def test_a_listener_is_told_each_result_once_and_may_end_the_map(dask: Any) -> None:
    class Stops(Listener):
        def __init__(self) -> None:
            self.told: dict[int, Any] = {}

        def result(self, index: int, result: Any) -> None:
            assert index not in self.told
            self.told[index] = result
            if len(self.told) == 40:
                raise KeyboardInterrupt

    stops = Stops()
    engine = dask(spec("doubles"))
    with pytest.raises(KeyboardInterrupt):
        engine.map(range(200), stops)
    assert all(result == 2 * index for index, result in stops.told.items())
    assert engine.map([4]) == [8]


def test_an_item_that_kills_its_worker_is_named_and_costs_nobody_else() -> None:
    with closing(make_engine("dask", spec("kills", "exit", 5, 33), 2)) as engine:
        results = engine.map(range(48))
    assert [result for result in results if not isinstance(result, Died)] == [n for n in range(48) if n not in (5, 33)]
    assert [result.item for result in results if isinstance(result, Died)] == [5, 33]
    assert all("worker died" in result.how for result in results if isinstance(result, Died))


def test_an_item_that_hangs_is_named_when_its_time_is_up() -> None:
    with closing(make_engine("dask", spec("kills", "hangs", 1), 1, time_limit_s=1.0)) as engine:
        results = engine.map(range(3))
    assert (results[0], results[2]) == (0, 2)
    assert isinstance(results[1], Died)


def test_a_campaign_on_a_cluster_has_the_digest_of_one_process(address: str) -> None:
    rig, other = (rig_on("stm32l476", firmware=EagerLoader()) for _ in range(2))
    asked, bounds = Options(tears=COARSE, events=("reset",), depth=2), rig.board.document.checks
    with closing(make_engine("dask", shard_spec(rig_spec(rig), rig, bounds, asked), 1, address)) as engine:
        verdict = ShardedExplorer(rig, bounds, asked, engine).explore()
    one = Explorer(other, bounds, replace(asked)).explore()
    assert verdict.digest == one.digest
    assert [(f.key, f.path, f.count) for f in verdict.findings] == [(f.key, f.path, f.count) for f in one.findings]
    assert verdict.findings


def test_a_campaign_of_any_depth_on_a_cluster_has_the_graph_of_one_process(address: str) -> None:
    one, other = (rig_on("demo") for _ in range(2))
    with closing(make_engine("dask", runner_spec(rig_spec(other), other), 1, address)) as engine:
        assert_same(closure(one), closure(other, engine))


def test_a_scheduler_that_cannot_be_is_refused() -> None:
    with pytest.raises(UsageError, match="--scheduler nonsense cannot be used: missing port"):
        make_engine("dask", spec("doubles"), 1, "nonsense")


def test_without_dask_the_line_that_installs_it_is_named() -> None:
    code = "import sys; sys.modules['dask'] = None; from emu.cli import main; main(['run', '--engine', 'dask'])"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (4, "")
    assert (
        ran.stderr
        == "brownout: --engine dask needs a package that is not installed (dask): pip install 'brownout[dask]'\n"
    )
