"""Campaigns in shards: the very verdict of one process, whoever works, in whatever pieces, whatever dies meanwhile."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

import emu.campaign.sharded as sharded
from emu.campaign.edges import EVENT_NAMES
from emu.campaign.engines import Died, EngineName, Listener, WorkSpec, make_engine
from emu.campaign.engines.inline import InlineEngine
from emu.campaign.explore import Explorer, Seen
from emu.campaign.judge import Chain, Judge, State
from emu.campaign.options import Options
from emu.campaign.sharded import ShardedExplorer
from emu.campaign.shards import Shard, ShardWorker, StateKey, make, shard_spec
from emu.campaign.token import parse_token, token_for
from emu.campaign.verdict import KILLED, Coverage, Finding, Verdict
from emu.errors import ScenarioError
from emu.firmware import ModelFirmware
from emu.rig import Capabilities
from emu.rig_spec import rig_spec
from emu.update_rig import UpdateRig
from tests.emu.broken import EagerLoader, LimitedRig, NeverQuiet, OnceOnly, TwicePulled
from tests.emu.deadly import Deadly, DeadlyTwice, Stuck
from tests.emu.harassed import Harassed
from tests.emu.helpers import COARSE, NONE, T1, board_with, rig_on
from tests.mutants.zoo import ZOO, Mutant


@pytest.fixture(params=[(1, 7), (50, 50), (32, 4000)], ids=["tiny", "fifty", "usual"])
def cut(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards of other sizes than usual."""
    monkeypatch.setattr(sharded, "MIN_EDGES", request.param[0])
    monkeypatch.setattr(sharded, "MAX_EDGES", request.param[1])


def options_for(rig: UpdateRig, **options: Any) -> Options:
    return replace(Options(keeps_new=rig.keeps_new), **options)


def inline(rig: UpdateRig, **options: Any) -> Verdict:
    return Explorer(rig, rig.board.document.checks, options_for(rig, **options)).explore()


def in_shards(
    rig: UpdateRig, name: EngineName = "inline", jobs: int = 1, limit_s: float = 0.0, **options: Any
) -> Verdict:
    asked, bounds = options_for(rig, **options), rig.board.document.checks
    with closing(make_engine(name, shard_spec(rig_spec(rig), rig, bounds, asked), jobs, "", limit_s)) as engine:
        return ShardedExplorer(rig, bounds, asked, engine).explore()


def told(findings: Sequence[Finding]) -> list[tuple[Any, ...]]:
    return [(f.key, f.path, f.harsh, f.message, f.count) for f in findings]


def assert_same(one: Verdict, other: Verdict) -> None:
    assert told(one.findings) == told(other.findings)
    assert one.digest == other.digest
    assert (one.word, one.complete, one.notes) == (other.word, other.complete, other.notes)
    assert [r.result for r in one.results] == [r.result for r in other.results]
    assert one.coverage.edges == other.coverage.edges


CAMPAIGNS: list[tuple[str, ModelFirmware | None, dict[str, Any]]] = [
    ("stm32f103", None, {"tears": T1, "events": EVENT_NAMES}),
    ("stm32l476", EagerLoader(), {"tears": COARSE, "events": EVENT_NAMES, "depth": 2}),
    ("demo", OnceOnly(), {"tears": NONE, "events": ("reset",), "depth": 2}),
    ("demo", NeverQuiet(), {"tears": NONE, "events": EVENT_NAMES, "depth": 2, "attempts": 2}),
    ("stm32f405", TwicePulled(), {"tears": NONE, "events": EVENT_NAMES, "depth": 2}),
]


@pytest.mark.usefixtures("cut")
@pytest.mark.parametrize(("board", "firmware", "options"), CAMPAIGNS)
def test_a_campaign_in_shards_has_the_verdict_of_one_in_one_piece(
    board: str, firmware: ModelFirmware | None, options: dict[str, Any]
) -> None:
    assert_same(
        inline(rig_on(board, firmware=firmware), **options), in_shards(rig_on(board, firmware=firmware), **options)
    )


@pytest.mark.usefixtures("cut")
@pytest.mark.parametrize("depth", [1, 2])
def test_without_the_cache_every_count_is_the_same(depth: int) -> None:
    options = {"tears": NONE, "events": ("reset",), "depth": depth, "cache": False}
    one, other = (run(rig_on("stm32f405", firmware=TwicePulled()), **options) for run in (inline, in_shards))
    assert_same(one, other)
    assert one.coverage == other.coverage


@pytest.mark.parametrize("mutant", ZOO, ids=lambda mutant: mutant.name)
def test_every_mutant_is_told_the_same_in_shards(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharded, "MIN_EDGES", 5)
    rigs = [mutant.campaign.rig(mutant.firmware) for _ in range(2)]
    options = vars(mutant.campaign.options)
    assert_same(inline(rigs[0], **options), in_shards(rigs[1], **options))


@pytest.mark.parametrize(("board", "firmware", "options"), CAMPAIGNS[1:3])
def test_two_processes_come_to_the_same_verdict(
    board: str, firmware: ModelFirmware, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharded, "MAX_EDGES", 60)
    rigs = [rig_on(board, firmware=firmware) for _ in range(2)]
    assert_same(inline(rigs[0], **options), in_shards(rigs[1], "workers", 2, **options))


def test_killing_workers_at_random_leaves_the_digest_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharded, "MAX_EDGES", 20)
    options = {"tears": NONE, "events": ("reset",), "depth": 2, "cache": False}
    rigs = [rig_on("stm32f405", firmware=TwicePulled()) for _ in range(2)]
    asked, bounds = options_for(rigs[1], **options), rigs[1].board.document.checks
    with closing(Harassed(shard_spec(rig_spec(rigs[1]), rigs[1], bounds, asked), 2, every=8)) as engine:
        verdict = ShardedExplorer(rigs[1], bounds, asked, engine).explore()
    assert len(engine.killed) > 1
    assert_same(inline(rigs[0], **options), verdict)


# -- trials that kill their worker -----------------------------------------------------------------------


def killing(verdict: Verdict) -> list[Finding]:
    return [finding for finding in verdict.findings if finding.key.outcome == KILLED]


def test_a_trial_that_kills_its_worker_is_a_finding_and_costs_no_other() -> None:
    options = {"tears": COARSE, "events": ("reset",)}
    sane, deadly = (
        inline(rig_on("demo"), **options),
        in_shards(rig_on("demo", firmware=Deadly()), "workers", 2, **options),
    )
    found = killing(deadly)
    assert len(found) == 1 == len(deadly.findings)
    assert (found[0].key.check, found[0].key.tears, found[0].harsh, found[0].count) == ("boots", ("reset",), 0, 1)
    assert found[0].message == "the trial killed its worker: exit code 3"
    assert (deadly.word, deadly.exit_code, deadly.complete) == ("findings", 1, True)
    assert deadly.coverage.edge_kinds == sane.coverage.edge_kinds
    assert sum(deadly.coverage.outcomes.values()) == deadly.coverage.edges == sane.coverage.edges
    assert deadly.coverage.outcomes[KILLED] == 1
    assert any("kills brownout replay" in note for note in deadly.notes)
    rig = rig_on("demo", firmware=Deadly())
    token = parse_token(str(token_for(1, rig.inputs, found[0].path)))
    assert token.path == found[0].path


def test_a_trial_that_never_ends_is_a_finding_when_its_time_is_up() -> None:
    verdict = in_shards(rig_on("demo", firmware=Stuck()), "workers", 2, 2.0, tears=NONE, events=("reset",))
    assert [(f.key.outcome, f.message) for f in verdict.findings] == [
        (KILLED, "the trial killed its worker: time limit of 2 s")
    ]
    assert verdict.complete


def test_a_second_interruption_that_kills_its_worker_is_found_with_both() -> None:
    rig = rig_on("stm32f405", firmware=DeadlyTwice())
    verdict = in_shards(rig, "workers", 2, tears=NONE, events=("reset",), depth=2)
    found = killing(verdict)
    assert found
    assert {finding.cuts for finding in found} == {2}
    assert {finding.key.tears for finding in found} == {("reset", "reset")}
    assert verdict.complete
    again = in_shards(rig_on("stm32f405", firmware=DeadlyTwice()), "workers", 1, tears=NONE, events=("reset",), depth=2)
    assert again.digest == verdict.digest


def test_where_boots_does_not_apply_a_killing_trial_is_told_under_a_check_that_does() -> None:
    board = board_with(checks={"apply": ("whole", "legal-flash")})
    verdict = in_shards(rig_on(board, firmware=Deadly()), "workers", 1, tears=NONE, events=("reset",))
    assert [(f.key.check, f.key.outcome) for f in verdict.findings] == [("whole", KILLED)]


class DyingEngine(InlineEngine):
    """Says of every shard that holds one of ``deadly`` edges of the uncut update that it died."""

    deadly: frozenset[tuple[int, int]] = frozenset()
    maps = 0

    def map(self, items: Sequence[Shard], listener: Listener | None = None) -> list[Any]:
        self.maps += 1
        told = listener or Listener()
        results: list[Any] = []
        for index, shard in enumerate(items):
            edges = {(p.session, n) for p in shard.pieces for n in range(p.start, p.stop)}
            dead = edges & self.deadly
            results.append(Died(index, "test") if dead else super().map([shard])[0])
            told.result(index, results[-1])
        return results


@pytest.mark.parametrize("deadly", [{(0, 0)}, {(0, 40), (0, 41), (1, 3)}])
def test_dead_shards_are_cut_until_one_edge_is_left_and_all_others_are_judged(deadly: set[tuple[int, int]]) -> None:
    rig = rig_on("demo")
    asked, bounds = options_for(rig, tears=COARSE), rig.board.document.checks
    engine = DyingEngine(shard_spec(rig_spec(rig), rig, bounds, asked))
    engine.deadly = frozenset(deadly)
    verdict = ShardedExplorer(rig, bounds, asked, engine).explore()
    whole = inline(rig_on("demo"), tears=COARSE)
    assert verdict.coverage.outcomes[KILLED] == len(deadly) == sum(f.count for f in verdict.findings)
    assert sum(verdict.coverage.outcomes.values()) == whole.coverage.edges
    assert verdict.coverage.edge_kinds == whole.coverage.edge_kinds
    assert engine.maps > 1


class Backwards(InlineEngine):
    """Has the last shard done first."""

    def map(self, items: Sequence[Shard], listener: Listener | None = None) -> list[Any]:
        told = listener or Listener()
        results: dict[int, Any] = {}
        for index in reversed(range(len(items))):
            results[index] = super().map([items[index]])[0]
            told.result(index, results[index])
        return [results[index] for index in range(len(items))]


def test_the_order_in_which_shards_are_done_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharded, "MIN_EDGES", 5)
    board, firmware, options = CAMPAIGNS[1]
    rig = rig_on(board, firmware=firmware)
    asked, bounds = options_for(rig, **options), rig.board.document.checks
    engine = Backwards(shard_spec(rig_spec(rig), rig, bounds, asked))
    verdict = ShardedExplorer(rig, bounds, asked, engine).explore()
    assert_same(inline(rig_on(board, firmware=firmware), **options), verdict)
    assert any(finding.count > 1 for finding in verdict.findings)


class Forgetful(InlineEngine):
    """A new worker for every shard."""

    def map(self, items: Sequence[Shard], listener: Listener | None = None) -> list[Any]:
        told = listener or Listener()
        results: list[Any] = []
        for index, shard in enumerate(items):
            results += super().map([shard])
            told.result(index, results[-1])
            self.close()
        return results


@pytest.mark.parametrize(("board", "firmware", "options"), CAMPAIGNS[1:])
def test_what_fewer_interruptions_lead_to_is_not_run_again(
    board: str, firmware: ModelFirmware, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharded, "MIN_EDGES", 1_000_000)
    monkeypatch.setattr(sharded, "MAX_EDGES", 1_000_000)
    rigs = [rig_on(board, firmware=firmware) for _ in range(2)]
    asked, bounds = options_for(rigs[1], **options), rigs[1].board.document.checks
    engine = Forgetful(shard_spec(rig_spec(rigs[1]), rigs[1], bounds, asked))
    asked_for: dict[int, list[StateKey]] = {1: [], 2: []}
    met = ShardWorker._met

    def noted(self: ShardWorker, state: State, layer: int) -> tuple[Seen, bool]:
        asked_for[layer].append(state.key)
        return met(self, state, layer)

    monkeypatch.setattr(ShardWorker, "_met", noted)
    verdict = ShardedExplorer(rigs[1], bounds, asked, engine).explore()
    assert_same(inline(rigs[0], **options), verdict)
    first, second = map(set, asked_for.values())
    assert min(len(first), len(second)) > 5
    assert not first & second


def test_what_a_state_leads_to_is_explored_by_who_met_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each shard says whose kin it is: of the shard of the layer before that met all of its parents first."""
    monkeypatch.setattr(sharded, "MIN_EDGES", 20)
    board, firmware, options = CAMPAIGNS[1]
    rig = rig_on(board, firmware=firmware)
    asked, bounds = options_for(rig, **options), rig.board.document.checks
    below: list[tuple[int, set[Any]]] = []
    nested: list[tuple[int, set[Any]]] = []

    class Watched(InlineEngine):
        def map(self, items: Sequence[Shard], listener: Listener | None = None) -> list[Any]:
            results = super().map(items, listener)
            for shard, partial in zip(items, results, strict=True):
                below.append((shard.kin, {position for position, _ in partial.below.values()}))
                nested.append((shard.kin, {piece.parent for piece in shard.pieces if piece.parent}))
            return results

    ShardedExplorer(rig, bounds, asked, Watched(shard_spec(rig_spec(rig), rig, bounds, asked))).explore()
    met = {position: kin for kin, positions in below for position in positions}
    assert all(met[parent] == kin for kin, parents in nested for parent in parents)
    assert len({kin for kin, parents in nested if parents}) > 3


# -- ending early ----------------------------------------------------------------------------------------


class Ends:
    """A progress callback that raises when so many edges are known."""

    def __init__(self, edges: int, error: type[BaseException]) -> None:
        self.edges, self.error = edges, error

    def __call__(self, coverage: Coverage, layer: int, where: str) -> None:
        if coverage.edges >= self.edges:
            raise self.error


@pytest.mark.parametrize("name", ["inline", "workers"])
def test_a_campaign_that_is_interrupted_keeps_the_shards_that_are_done(
    name: EngineName, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharded, "MIN_EDGES", 10)
    rig = rig_on("demo", firmware=EagerLoader())
    asked, bounds = options_for(rig, tears=COARSE), rig.board.document.checks
    with closing(make_engine(name, shard_spec(rig_spec(rig), rig, bounds, asked), 2)) as engine:
        explorer = ShardedExplorer(rig, bounds, asked, engine, Ends(70, KeyboardInterrupt))
        verdict = explorer.explore()
    assert explorer.interrupted
    assert (verdict.complete, verdict.notes) == (False, ["stopped by the user"])
    assert 70 <= verdict.coverage.edges < inline(rig_on("demo"), tears=COARSE).coverage.edges
    assert verdict.coverage.edges == sum(verdict.coverage.outcomes.values())


def test_a_budget_ends_a_campaign_in_shards() -> None:
    rig = rig_on("demo")
    verdict = in_shards(rig, "workers", 1, tears=T1, cache=False, budget_s=0.3)
    assert (verdict.word, verdict.complete, verdict.notes) == ("inconclusive", False, ["the budget is spent"])
    assert verdict.seconds < 5


# -- contracts -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lacks", ["snapshot", "deterministic"])
def test_a_rig_nobody_can_stand_in_for_takes_no_engine(lacks: str) -> None:
    can = replace(Capabilities(snapshot=True, tears=True, deterministic=True, virtual_time=True), **{lacks: False})
    rig = LimitedRig(rig_on("demo"), can)
    with pytest.raises(ScenarioError, match="use --engine inline"):
        in_shards(rig)


def test_a_worker_that_makes_another_rig_is_our_own_fault() -> None:
    rig, other = rig_on("demo"), rig_on("stm32f103")
    spec = shard_spec(rig_spec(other), rig, rig.board.document.checks, Options())
    with pytest.raises(AssertionError, match="another rig"):
        spec.resolve()


def test_shards_are_small_to_send_and_results_small_to_return() -> None:
    """Bytes, not megabytes: neither images nor states travel with a shard. Towards the end of a layer they are small in
    edges as well: nobody waits long for the last one."""
    rig = rig_on("demo")
    asked, bounds = options_for(rig, tears=T1), rig.board.document.checks
    spec = shard_spec(rig_spec(rig), rig, bounds, asked)
    sizes: list[tuple[int, int, int]] = []

    class Weighs(InlineEngine):
        def map(self, items: Sequence[Shard], listener: Listener | None = None) -> list[Any]:
            results = super().map(items, listener)
            for shard, partial in zip(items, results, strict=True):
                sizes.append((shard.edges, len(pickle.dumps(shard)), len(pickle.dumps(partial))))
            return results

    ShardedExplorer(rig, bounds, asked, Weighs(spec)).explore()
    edges = [each for each, _, _ in sizes]
    assert edges == sorted(edges, reverse=True)
    assert edges[0] == max(sum(edges) // sharded.SHARDS_PER_JOB, sharded.MIN_EDGES) > sharded.MIN_EDGES
    assert edges[-2] == sharded.MIN_EDGES
    assert max(sent for _, sent, _ in sizes) < 400
    assert max(returned for _, _, returned in sizes) < 1200


def test_what_follows_a_state_is_asked_once_whatever_shards_meet_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharded, "MAX_EDGES", 32)
    asked: list[bytes] = []
    chain = Judge.chain

    def counted(self: Judge, state: State, readings: Iterable[str] = ()) -> Chain:
        asked.append(state.key[0])
        return chain(self, state, readings)

    monkeypatch.setattr(Judge, "chain", counted)
    rig = rig_on("stm32f103", firmware=EagerLoader())
    whole = inline(rig, tears=NONE, depth=2)
    in_one = len(asked)
    asked.clear()
    assert in_shards(rig, tears=NONE, depth=2).digest == whole.digest
    parents = 2 * whole.coverage.edges_executed + whole.coverage.edges // 32
    assert len(asked) < in_one + parents, "each shard asks for what follows its parents, and for no state twice"


def test_the_worker_of_a_spec_explores_a_shard_the_same_way_twice() -> None:
    rig = rig_on("stm32f103", firmware=EagerLoader())
    asked, bounds = options_for(rig, tears=COARSE, depth=2), rig.board.document.checks
    taken: list[Shard] = []

    class Keeps(InlineEngine):
        def map(self, items: Sequence[Shard], listener: Listener | None = None) -> list[Any]:
            taken.extend(items)
            return super().map(items, listener)

    spec: WorkSpec = shard_spec(rig_spec(rig), rig, bounds, asked)
    ShardedExplorer(rig, bounds, asked, Keeps(spec)).explore()
    forwards, backwards = make(*spec.arguments), make(*spec.arguments)
    results = {index: forwards(shard) for index, shard in enumerate(taken)}
    for index in reversed(range(len(taken))):
        again = backwards(taken[index])
        assert told(again.findings) == told(results[index].findings)
        assert (again.known, again.below) == (results[index].known, results[index].below)
        assert again.cover.outcomes == results[index].cover.outcomes
