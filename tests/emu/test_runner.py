"""Any-depth campaigns on engines: the very graph of one process, whoever executes, whatever dies meanwhile."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

import emu.campaign.ahead as ahead_room
import emu.campaign.closure as closure_room
import emu.campaign.post as post_room
import emu.campaign.runner as runner_room
from emu.campaign.cache import RunCache
from emu.campaign.closure import Closure
from emu.campaign.engines import Engine, EngineName, Listener, WorkSpec, make_engine
from emu.campaign.engines.inline import InlineEngine
from emu.campaign.graph import Node
from emu.campaign.options import ANY, Options
from emu.campaign.parcels import Item, Lacks, PackedRun, packed_run, packed_state
from emu.campaign.runner import Runner, make, runner_spec
from emu.campaign.token import parse_token, token_for
from emu.campaign.verdict import KILLED, KILLED_NOTE, Finding, Verdict
from emu.cli.stories import tellable
from emu.errors import ScenarioError
from emu.rig import Capabilities
from emu.rig_spec import rig_spec, spec_by_name
from emu.update_rig import UpdateRig
from flash.tears import TEAR_SETS
from tests.emu.broken import EagerLoader, InterruptedRig, LimitedRig
from tests.emu.deadly import Deadly, DeadlyTwice
from tests.emu.harassed import Harassed
from tests.emu.helpers import COARSE, NONE, known_edges, rig_on
from tests.properties.small_firmwares import BOUNDS, rig_of, small_firmware

WEAK = ("as-new", "as-old", "alternating")


def closure(rig: UpdateRig, engine: Engine | None = None, **options: Any) -> Closure:
    asked = replace(Options(tears=COARSE, depth=ANY, attempts=2, keeps_new=rig.keeps_new), **options)
    return Closure(rig, rig.board.document.checks, asked, None, engine)


def engine_for(rig: UpdateRig, name: EngineName = "inline", jobs: int = 1) -> Engine:
    return make_engine(name, runner_spec(rig_spec(rig), rig), jobs)


def prints(made: Closure) -> list[tuple[Any, ...]]:
    """All nodes in the order in which they were met: the state, and how."""

    def told(node: Node) -> tuple[Any, ...]:
        birth = node.birth and (node.birth.parent.number, node.birth.reading, node.birth.entry, node.birth.how)
        return (*node.kind, node.prints.whole, node.live, node.cuts, birth, node.resolutions)

    return [told(node) for node in made.graph.nodes]


def told(findings: Sequence[Finding]) -> list[tuple[Any, ...]]:
    return [(f.key, f.path, f.harsh, f.message, f.count, f.readings) for f in findings]


def assert_same(one: Closure, other: Closure) -> None:
    verdicts: list[Verdict] = [each.explore() for each in (one, other)]
    assert prints(one) == prints(other)
    assert told(verdicts[0].findings) == told(verdicts[1].findings)
    assert verdicts[0].digest == verdicts[1].digest
    assert verdicts[0].notes == verdicts[1].notes
    assert len(one.graph.nodes) > 20


# -- the same graph --------------------------------------------------------------------------------------


CAMPAIGNS: list[tuple[str, Any, dict[str, Any]]] = [
    ("demo", None, {}),
    ("demo", None, {"events": ("reset", "timer"), "attempts": 1}),
    ("demo", EagerLoader(), {"tears": NONE, "attempts": 1}),
    ("stm32f103", None, {"tears": TEAR_SETS["T3-coarse"], "resolutions": WEAK, "attempts": 1}),
    ("stm32f103", None, {"exhaustive": True, "attempts": 1}),
]


@pytest.mark.parametrize(("board", "firmware", "options"), CAMPAIGNS)
def test_a_campaign_on_an_engine_has_the_graph_of_one_without(
    board: str, firmware: Any, options: dict[str, Any]
) -> None:
    one, other = (rig_on(board, firmware=firmware) for _ in range(2))
    made = closure(one, **options), closure(other, engine_for(other), **options)
    assert_same(*made)
    assert (made[0].cover.boots, made[0].cover.runs) == (made[1].cover.boots, made[1].cover.runs)
    assert any(len(node.sessions) > 1 for node in made[0].graph.nodes) == ("resolutions" in options)


def test_two_processes_make_the_graph_of_one() -> None:
    one, other = (rig_on("demo") for _ in range(2))
    with closing(engine_for(other, "workers", 2)) as engine:
        assert_same(closure(one), closure(other, engine))


@pytest.mark.parametrize("batch", [1, 7])
def test_only_the_size_of_a_batch_decides_the_order_of_nodes(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closure_room, "BATCH", batch)
    one, other = (rig_on("demo") for _ in range(2))
    assert_same(closure(one), closure(other, engine_for(other)))


@pytest.mark.parametrize("width", [1, 1000])
def test_how_far_ahead_workers_are_does_not_matter(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead_room, "PER_JOB", width)
    one, other = (rig_on("demo") for _ in range(2))
    made = closure(one), closure(other, engine_for(other))
    assert_same(*made)
    assert made[0].judge.cache.misses == made[1].judge.cache.misses


def test_killing_workers_at_random_leaves_the_graph_as_it_is() -> None:
    one, other = (rig_on("demo") for _ in range(2))
    with closing(Harassed(runner_spec(rig_spec(other), other), 2, every=200)) as engine:
        assert_same(closure(one, exhaustive=True), closure(other, engine, exhaustive=True))
    assert len(engine.killed) > 4


@pytest.mark.parametrize("seed", range(0, 40, 4))
def test_small_firmwares_of_ones_own_make_the_same_graph_on_an_engine(seed: int) -> None:
    firmware = small_firmware(seed)
    rig, options = rig_of(firmware), Options(tears=COARSE, depth=ANY, attempts=firmware.attempts, keep_going=True)
    options = replace(options, keeps_new=rig.keeps_new)
    spec = spec_by_name("tests.properties.small_firmwares:rig_of", rig, firmware)
    one, other = (
        Closure(rig_of(firmware), BOUNDS, options),
        Closure(rig, BOUNDS, options, None, InlineEngine(runner_spec(spec, rig))),
    )
    verdicts = [one.explore(), other.explore()]
    assert prints(one) == prints(other)
    assert verdicts[0].digest == verdicts[1].digest


# -- trials that kill their worker -----------------------------------------------------------------------


def killing(rig: UpdateRig, **options: Any) -> tuple[Closure, Verdict]:
    with closing(engine_for(rig, "workers", 2)) as engine:
        made = closure(rig, engine, tears=NONE, events=("reset",), attempts=1, keep_going=True, **options)
        return made, made.explore()


def test_a_state_that_kills_its_worker_is_a_finding_and_costs_no_other() -> None:
    rig = rig_on("demo", firmware=Deadly())
    made, verdict = killing(rig)
    (node,) = (node for node in made.graph.nodes if node.killed_by)
    assert (node.was_run, node.is_abandoned, node.live) == (False, True, made.space.everything)
    (found,) = verdict.findings
    assert (found.key.check, found.key.tears, found.key.outcome) == ("boots", ("reset",), KILLED)
    assert (found.message, found.harsh, found.cuts) == ("the trial killed its worker: exit code 3", 0, 1)
    assert (verdict.word, verdict.complete, verdict.notes) == ("findings", True, [KILLED_NOTE])
    assert verdict.coverage.outcomes[KILLED] >= 1
    assert sum(verdict.coverage.outcomes.values()) == verdict.coverage.edges
    assert all(other.was_run for other in made.graph.nodes if other is not node)
    assert parse_token(str(token_for(1, rig.inputs, found.path))).path == found.path


def test_a_life_that_ends_in_such_a_state_ends_there() -> None:
    made, verdict = killing(rig_on("demo", firmware=DeadlyTwice()))
    deadly = [node for node in made.graph.nodes if node.killed_by]
    assert {made.lives.outcome(node) for node in deadly} == {KILLED}
    assert {(found.key.check, found.cuts, found.key.outcome) for found in verdict.findings} == {("boots", 2, KILLED)}
    assert verdict.coverage.outcomes[KILLED] >= len(deadly) > 0


def test_the_state_that_killed_a_worker_is_not_run_a_second_time() -> None:
    rig = rig_on("demo", firmware=Deadly())
    with closing(engine_for(rig, "workers", 1)) as engine:
        made = closure(rig, engine, tears=NONE, events=("reset",), attempts=1)
        made.explore()
        (node,) = (node for node in made.graph.nodes if node.killed_by)
        runner = Runner(rig, RunCache(rig), engine)
        first = list(runner.sessions([(node.state, None), (rig.initial(0), None)]))
        before = engine.pids  # type: ignore[attr-defined]
        again = list(runner.sessions([(rig.initial(0), None), (node.state, None)]))
        assert engine.pids == before  # type: ignore[attr-defined]
    assert [type(each).__name__ for each in (*first, *again)] == ["Died", "Session", "Session", "Died"]
    assert first[0].how == again[1].how == "exit code 3"  # type: ignore[union-attr]


def test_no_story_is_told_of_a_trial_that_would_kill_its_teller() -> None:
    _, verdict = killing(rig_on("demo", firmware=Deadly()))
    assert verdict.findings
    assert tellable(verdict) == []


# -- ending early ----------------------------------------------------------------------------------------


def test_what_was_run_before_ctrl_c_is_judged() -> None:
    rig = InterruptedRig(rig_on("demo").board, rig_on("demo").images)
    rig.runs_left = 30
    made = closure(rig)
    verdict = made.explore()
    assert (made.interrupted, verdict.complete, verdict.notes) == (True, False, ["stopped by the user"])
    run = [node for node in made.graph.nodes if node.was_run]
    assert len(run) >= 20
    assert all(len(node.judged) == len(node.sessions) == len(node.ends) for node in run)


@pytest.mark.parametrize("name", ["inline", "workers"])
def test_a_budget_ends_a_campaign_on_an_engine(name: EngineName) -> None:
    rig = rig_on("demo")
    with closing(engine_for(rig, name, 1)) as engine:
        verdict = closure(rig, engine, tears=TEAR_SETS["T1"], exhaustive=True, budget_s=0.4).explore()
    assert (verdict.word, verdict.complete, verdict.notes) == ("inconclusive", False, ["the budget is spent"])
    assert verdict.seconds < 5


# -- what travels ----------------------------------------------------------------------------------------


class Weighs(InlineEngine):
    """Notes what goes to and fro, pickled as it would be."""

    jobs = 2

    def __init__(self, spec: WorkSpec) -> None:
        super().__init__(spec)
        self.items: list[Item] = []
        self.answers: list[PackedRun | Lacks] = []

    def map(self, items: Sequence[Item], listener: Listener | None = None) -> list[Any]:
        answers = super().map(pickle.loads(pickle.dumps(list(items))), listener)
        self.items += items
        self.answers += pickle.loads(pickle.dumps(answers))
        return answers


def test_contents_of_blocks_travel_a_few_times_only() -> None:
    rig = rig_on("demo")
    engine = Weighs(runner_spec(rig_spec(rig), rig))
    closure(rig, engine, exhaustive=True).explore()
    sent = [key for item in engine.items for key in item.contents]
    assert max(sent.count(key) for key in set(sent)) <= post_room.SENT_PER_JOB * engine.jobs
    assert sum(len(item.state.keys) for item in engine.items) > 2 * len(sent)
    assert not any(isinstance(answer, Lacks) for answer in engine.answers)
    assert all(set(item.contents) <= set(item.state.keys) for item in engine.items)


def test_a_worker_that_has_forgotten_is_sent_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_room, "KEPT_BLOCKS", 1)
    one, other = (rig_on("demo") for _ in range(2))
    engine = Weighs(runner_spec(rig_spec(other), other))
    made = closure(other, engine, attempts=1, exhaustive=True)
    assert_same(closure(one, attempts=1, exhaustive=True), made)
    lacking = [number for number, answer in enumerate(engine.answers) if isinstance(answer, Lacks)]
    assert lacking
    sessions = sum(len(node.sessions) for node in made.graph.nodes)
    assert sessions <= len(engine.answers) - len(lacking) < 1.05 * sessions  # a guess may be in vain


@pytest.mark.parametrize("board", ["demo", "stm32l476", "stm32f103"])
def test_a_state_and_a_run_come_back_as_they_were(board: str) -> None:
    rig, edges = known_edges(board)
    base = rig.initial(0).memory
    for _, _, child in edges[:: max(1, len(edges) // 40)]:
        used: dict[bytes, Any] = {}
        packed = pickle.loads(pickle.dumps(packed_state(child.state, base, used)))
        state = packed.unpacked(base, used)
        assert state.key == child.state.key
        assert [s.wear for s in state.memory] == [s.wear for s in child.state.memory]
        run = rig.stretch(state)
        again = pickle.loads(pickle.dumps(packed_run(run, state, {}))).unpacked(state, rig.grids, {})
        assert (again.entries, again.outcome, again.end_us, again.met_weak) == (
            run.entries, run.outcome, run.end_us, run.met_weak,
        )  # fmt: skip
        assert again.end.key == run.end.key
        assert [s.wear for s in again.end.memory] == [s.wear for s in run.end.memory]
        assert run.trace is not None
        assert again.trace is not None
        for name in ("consulted_units", "determined", "written"):
            assert getattr(again.trace, name) == getattr(run.trace, name)
        assert list(again.trace.consulted_units) == list(run.trace.consulted_units)


# -- contracts -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lacks", ["snapshot", "deterministic"])
def test_a_rig_nobody_can_stand_in_for_takes_no_engine(lacks: str) -> None:
    can = replace(Capabilities(snapshot=True, tears=True, deterministic=True, virtual_time=True), **{lacks: False})
    rig = LimitedRig(rig_on("demo"), can)
    with pytest.raises(ScenarioError, match="use --engine inline"):
        runner_spec(rig_spec(rig_on("demo")), rig)


def test_a_worker_that_makes_another_rig_is_our_own_fault() -> None:
    spec = runner_spec(rig_spec(rig_on("stm32f103")), rig_on("demo"))
    with pytest.raises(AssertionError, match="another rig"):
        make(*spec.arguments)


@pytest.mark.parametrize(
    ("factory", "data", "said"),
    [
        ("tests.properties.small_firmwares:rig_of", (small_firmware(1),), "makes another rig: its 'board' differs"),
        ("tests.properties.small_firmwares:rig_off", (), "no rig is made by"),
        ("no.such.module:rig", (), "give package.module:function"),
        ("nocolon", (), "no rig is made by 'nocolon'"),
    ],
)
def test_a_rig_by_name_must_be_the_like_of_the_one_at_hand(factory: str, data: tuple[Any, ...], said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        spec_by_name(factory, rig_on("demo"), *data)
