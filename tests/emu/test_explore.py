"""Campaigns: what a correct firmware earns, what a broken one is told, and how a campaign ends early."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

from emu.app import APP_MODELS, AppModel
from emu.board import make_board
from emu.campaign.edges import EVENT_NAMES, EventName
from emu.campaign.explore import Explorer
from emu.campaign.judge import State
from emu.campaign.monitor import Monitor
from emu.campaign.options import Options
from emu.campaign.verdict import Coverage, Step, Verdict
from emu.errors import NothingToRun, ScenarioError
from emu.firmware import ModelFirmware
from emu.rig import Capabilities, DeviceState, Run
from emu.update_rig import ImagePair, UpdateRig
from flash.journal import Interruption, Operation
from tests.emu.broken import (
    Crasher,
    EagerLoader,
    InterruptedRig,
    LimitedRig,
    NeverQuiet,
    OnceOnly,
    Refuser,
    TwicePulled,
)
from tests.emu.helpers import (
    BOARDS,
    COARSE,
    IMAGES,
    NEW_APP,
    NONE,
    OLD_APP,
    T1,
    board_with,
    campaign,
    edges_of,
    explorer_on,
    life,
    rig_on,
)

ALL_ABLE = Capabilities(snapshot=True, tears=True, deterministic=True, virtual_time=True)


def consistent(verdict: Verdict) -> bool:
    """Every edge that was made was judged: executed or inherited, and with one outcome."""
    cover = verdict.coverage
    return cover.edges == sum(cover.edge_kinds.values()) == sum(cover.outcomes.values())


# -- a correct firmware ----------------------------------------------------------------------------------


@pytest.mark.parametrize("board", BOARDS)
def test_the_model_firmware_holds_on_every_board_with_every_tear_and_event(board: str) -> None:
    verdict = campaign(rig_on(board), tears=T1, events=EVENT_NAMES)
    assert [(f.key.check, f.message) for f in verdict.findings] == []
    assert (verdict.word, verdict.exit_code, verdict.complete, verdict.coverage.depth_done) == ("held", 0, True, 1)
    assert consistent(verdict)


def test_coverage_counts_exactly_the_edges_of_the_uncut_life() -> None:
    rig = rig_on("demo")
    sessions = life(rig)
    edges = list(edges_of(rig, sessions, T1, EVENT_NAMES))
    cover = campaign(rig_on("demo"), tears=T1, events=EVENT_NAMES).coverage
    assert cover.edges == len(edges)
    points = sum(len(run.entries) + 1 for _, run in sessions)
    assert (cover.edge_kinds["cut"], cover.edge_kinds["reset"]) == (points, points)
    kinds = [entry.kind for _, run in sessions for entry in run.entries if isinstance(entry, Operation)]
    assert cover.operations == {"erase": kinds.count("erase"), "program": kinds.count("program")}
    assert cover.edges_executed < cover.edges_inherited
    assert all(cover.exercised[name] for name in explorer_on(rig).checks)


@pytest.mark.parametrize(("tears", "events"), [(NONE, EVENT_NAMES), (COARSE, ())])
def test_depth_two_holds_on_the_demo_board(tears: object, events: tuple[str, ...]) -> None:
    verdict = campaign(rig_on("demo"), tears=tears, events=events, depth=2)
    assert (verdict.word, verdict.coverage.depth_done, verdict.findings) == ("held", 2, [])
    assert consistent(verdict)
    first = campaign(rig_on("demo"), tears=tears, events=events, depth=1)
    assert verdict.coverage.edges > 2 * first.coverage.edges


def test_only_the_checks_a_board_applies_are_judged() -> None:
    board = board_with(checks={"apply": ("boots", "legal-flash")})
    verdict = campaign(rig_on(board, firmware=EagerLoader()), tears=COARSE)
    assert (verdict.checks, verdict.word) == (("boots", "legal-flash"), "held")


def test_the_progress_callback_sees_every_edge_of_its_layer() -> None:
    seen: list[tuple[int, int, str]] = []
    rig = rig_on("stm32f103")

    def progress(coverage: Coverage, layer: int, where: str) -> None:
        seen.append((coverage.edges, layer, where))

    verdict = Explorer(rig, rig.board.document.checks, Options(tears=NONE, depth=2), progress).explore()
    assert [edges for edges, _, _ in seen] == list(range(1, verdict.coverage.edges + 1))
    assert {layer for _, layer, _ in seen} == {1, 2}


# -- what a broken firmware is told ----------------------------------------------------------------------


@cache
def eager() -> Verdict:
    return campaign(rig_on("demo", firmware=EagerLoader()))


def test_a_loader_that_runs_half_written_images_is_found_with_clean_cuts_first() -> None:
    verdict = eager()
    assert (verdict.word, verdict.exit_code) == ("findings", 1)
    assert consistent(verdict)
    mixes = [f for f in verdict.findings if f.key.check == "whole"]
    assert mixes[0].key.tears == ("cut",)
    assert mixes[0].message == "slot 1 runs, and is none of the known images"
    assert [f.rank for f in verdict.findings] == sorted(f.rank for f in verdict.findings)
    assert [f.harsh for f in verdict.findings] == sorted(f.harsh for f in verdict.findings), (
        "clean cuts before torn ones"
    )


def test_findings_are_grouped_by_check_place_tear_and_outcome() -> None:
    verdict = eager()
    keys = [finding.key for finding in verdict.findings]
    assert len(set(keys)) == len(keys)
    torn = [f for f in verdict.findings if f.key.check == "whole" and f.key.tears == ("prefix",)]
    assert torn
    # pages after the first: whatever prefix of them is there, the first page is not blank and a mix runs
    pages = [entry.length for _, run in life(rig_on("demo")) for entry in run.entries if isinstance(entry, Operation)]
    assert {f.count for f in torn} <= {length - 1 for length in pages}
    assert all(f.path[0].how.startswith("prefix-") for f in torn)
    first = min(torn, key=lambda f: f.path)
    same = [f for f in torn if f.key.place == first.key.place]
    assert same == [first], "all prefixes of one program are one finding"


def test_a_finding_carries_the_mildest_path_to_it() -> None:
    verdict = eager()
    finding = next(f for f in verdict.findings if f.key.tears == ("prefix",))
    assert (finding.cuts, len(finding.path), finding.harsh) == (1, 1, 1)
    assert finding.path[0].how == "prefix-1"


def test_a_bug_that_needs_two_interruptions_is_found_at_depth_two_and_not_before() -> None:
    def verdict(depth: int) -> Verdict:
        return campaign(rig_on("stm32f103", firmware=TwicePulled()), tears=NONE, events=("reset",), depth=depth)

    assert verdict(1).word == "held"
    found = verdict(2)
    assert found.word == "findings"
    assert {(f.key.check, f.cuts, f.key.tears) for f in found.findings} == {("boots", 2, ("reset", "reset"))}
    assert all(f.key.outcome == "bricked: worn out" for f in found.findings)
    assert all(step.how == "reset" for f in found.findings for step in f.path)


def test_what_one_interruption_finds_is_not_found_again_with_two() -> None:
    options = {"tears": NONE, "events": ()}
    one = campaign(rig_on("stm32f103", firmware=EagerLoader()), depth=1, **options)
    two = campaign(rig_on("stm32f103", firmware=EagerLoader()), depth=2, **options)
    assert one.findings
    assert [(f.key, f.path, f.count) for f in two.findings] == [(f.key, f.path, f.count) for f in one.findings]
    assert two.coverage.edges > one.coverage.edges


@pytest.mark.parametrize(
    ("event", "check", "firmware"), [("hang", "reverts", None), ("timer", "durable", NeverQuiet())]
)
def test_what_is_seen_at_the_interruption_itself_is_not_found_again_with_two(
    event: EventName, check: str, firmware: ModelFirmware | None
) -> None:
    """A cut before the update begins leads back to the factory state: what follows is the first layer once more."""
    timers = {"watchdog_s": 0, "commit_timeout_s": 60 if firmware else 0}

    def verdict(depth: int) -> Verdict:
        rig = rig_on(board_with(timers=timers), firmware=firmware)
        return campaign(rig, tears=NONE, events=(event,), depth=depth)

    one, two = verdict(1), verdict(2)
    assert {finding.key.check for finding in one.findings} == {check}
    assert [finding.path for finding in two.findings] == [finding.path for finding in one.findings]


def test_findings_of_the_second_layer_come_after_those_of_the_first() -> None:
    """With a second attempt, a cut on the way leads to half-written images that one cut cannot make."""
    found = campaign(rig_on("stm32f103", firmware=EagerLoader()), tears=NONE, attempts=2, depth=2).findings
    cuts = [finding.cuts for finding in found]
    assert set(cuts) == {1, 2}
    assert cuts == sorted(cuts), "fewest cuts first"


def test_a_firmware_that_cannot_retry_is_told_so() -> None:
    verdict = campaign(rig_on("demo", firmware=OnceOnly()), tears=NONE)
    assert {f.key.check for f in verdict.findings} == {"retries"}
    assert verdict.findings[0].message == (
        "the next update does not succeed: old image runs, committed (the slot was begun before)"
    )


def test_retries_are_not_asked_of_an_image_that_shall_not_stay() -> None:
    verdict = campaign(rig_on("demo", app="hangs"), tears=NONE)
    assert "retries" not in verdict.checks
    assert verdict.coverage.exercised["retries"] == 0


def test_what_the_uncut_update_breaks_is_a_finding_without_cuts() -> None:
    verdict = campaign(rig_on("demo", firmware=Crasher()), tears=NONE)
    first = verdict.findings[0]
    assert (first.cuts, first.path, first.key.tears) == (0, (), ())


@pytest.mark.parametrize(("max_resets", "loops"), [(1, True), (2, False)])
def test_a_boot_loop_is_found_behind_the_boards_bound(max_resets: int, loops: bool) -> None:
    """The crasher resets twice (after the update, and by the watchdog in the commit) before the old image stays."""
    rig = rig_on(board_with(checks={"max_resets": max_resets, "apply": ("boots",)}), firmware=Crasher())
    chain = explorer_on(rig).judge.chain(State(rig.initial(1), Monitor()))
    assert [run.outcome.kind for _, run in life(rig)] == ["reset", "reset", "settled"]
    assert [breach.message for breach in chain.breaches] == (
        ["boot loop: 1 resets in a row without settling"] if loops else []
    )


# -- campaigns that cannot begin -------------------------------------------------------------------------


def test_a_workload_that_writes_no_flash_is_nothing_to_run() -> None:
    with pytest.raises(NothingToRun, match="makes no flash operation") as error:
        campaign(rig_on("demo"), attempts=0)
    assert error.value.exit_code == 5


def test_an_uncut_update_that_is_refused_is_a_scenario_error_with_the_reason() -> None:
    document = board_with().document
    smaller = tuple(msgspec.structs.replace(p, size=0x1000) if p.name == "slot-b" else p for p in document.partition)
    board = make_board(msgspec.structs.replace(document, partition=smaller), Path(), "small")
    images = ImagePair(OLD_APP, NEW_APP * 4)
    with pytest.raises(ScenarioError, match=r"the uncut update is refused: .*slot-b has 3840"):
        campaign(rig_on(board, images=images))


def test_a_refused_update_is_refused_also_when_nothing_was_written() -> None:
    with pytest.raises(ScenarioError, match="the uncut update is refused: not on a Sunday"):
        campaign(rig_on("demo", firmware=Refuser()))


def test_an_update_that_ends_with_the_wrong_image_is_never_held() -> None:
    timers, app = {"commit_timeout_s": 1}, {"self_test_ms": 2000}
    with pytest.raises(ScenarioError, match="ends with: old image runs, committed; the new image should run"):
        campaign(rig_on(board_with(timers=timers, app=app, checks={"apply": ("boots", "whole")})))
    judged = campaign(rig_on(board_with(timers=timers, app=app)), tears=NONE)
    assert (judged.findings[0].key.check, judged.findings[0].cuts) == ("retries", 0)


def test_a_model_that_stays_although_it_should_not_is_a_scenario_error() -> None:
    liar = AppModel("liar", "says it does not stay, and commits", False, APP_MODELS["healthy"].trial)
    with pytest.raises(ScenarioError, match="ends with: new image runs, committed; the old image should run"):
        campaign(rig_on("demo", app=liar))


def test_a_rig_without_snapshots_is_cut_live_at_every_point_of_the_first_layer() -> None:
    rig = LimitedRig(rig_on("stm32f103"), replace(ALL_ABLE, snapshot=False))
    verdict = campaign(rig, depth=2, events=EVENT_NAMES)
    exact = campaign(rig_on("stm32f103"), tears=NONE, events=("reset",))
    assert (verdict.word, verdict.depth, verdict.tears, verdict.events) == ("held", 1, "none", ("reset",))
    assert "in-place" not in verdict.checks
    assert verdict.coverage.edge_kinds == exact.coverage.edge_kinds
    assert verdict.coverage.outcomes == exact.coverage.outcomes
    assert verdict.coverage.edges_inherited == 0
    assert len(verdict.notes) == 1
    assert "takes no snapshots" in verdict.notes[0]


def test_a_rig_without_snapshots_finds_what_an_exact_campaign_finds_with_clean_cuts() -> None:
    exact = campaign(rig_on("stm32f103", firmware=EagerLoader()), tears=NONE)
    live = campaign(LimitedRig(rig_on("stm32f103", firmware=EagerLoader()), replace(ALL_ABLE, snapshot=False)))
    assert exact.findings
    assert [(f.key, f.path, f.count) for f in live.findings] == [
        (f.key, f.path, f.count) for f in exact.findings if f.key.check != "in-place"
    ]


def test_a_rig_in_real_time_is_said_to_be_one() -> None:
    verdict = campaign(LimitedRig(rig_on("stm32f103"), replace(ALL_ABLE, virtual_time=False)), tears=NONE)
    assert (verdict.word, len(verdict.notes)) == ("held", 1)
    assert "real time" in verdict.notes[0]


def test_a_rig_that_cannot_tear_gets_clean_cuts_and_the_verdict_says_so() -> None:
    verdict = campaign(LimitedRig(rig_on("stm32f103"), replace(ALL_ABLE, tears=False)))
    assert (verdict.word, verdict.tears) == ("held", "none")
    assert set(verdict.coverage.edge_kinds) == {"cut"}
    assert verdict.notes == ["the rig cannot tear operations: clean cuts only"]


def test_a_rig_that_is_not_deterministic_has_every_edge_executed_and_the_verdict_says_so() -> None:
    verdict = campaign(LimitedRig(rig_on("stm32f103"), replace(ALL_ABLE, deterministic=False)), tears=NONE)
    assert verdict.coverage.edges_inherited == 0
    assert verdict.notes == ["the rig is not deterministic: every edge is executed, the result is a sample"]


def test_a_rig_that_is_not_deterministic_may_end_differently_from_one_state() -> None:
    class Moody(LimitedRig):
        """Every third session ends in a brick."""

        runs = 0

        def run(self, state: DeviceState, interruption: Interruption | None = None, **options: str | None) -> Run:
            run = super().run(state, interruption, **options)
            self.runs += 1
            if self.runs > 9 and self.runs % 3 == 0:
                return replace(run, outcome=replace(run.outcome, kind="halted", detail="moody"))
            return run

    verdict = campaign(Moody(rig_on("stm32f103"), replace(ALL_ABLE, deterministic=False)), tears=NONE)
    assert {f.message for f in verdict.findings if f.key.check == "boots"} == {"bricked: moody"}


# -- campaigns that end early ----------------------------------------------------------------------------


def test_a_spent_budget_is_inconclusive_and_never_held() -> None:
    verdict = campaign(rig_on("demo"), budget_s=1e-9)
    assert (verdict.word, verdict.exit_code, verdict.complete) == ("inconclusive", 3, False)
    assert verdict.coverage.depth_done == 0
    assert verdict.notes == ["the budget is spent"]
    assert consistent(verdict)


def test_ctrl_c_in_the_second_layer_keeps_the_first() -> None:
    rig = rig_on("stm32f103")
    one = campaign(rig_on("stm32f103"), tears=NONE).coverage.edges
    explorer = stopping(rig, one + 5, KeyboardInterrupt, depth=2, tears=NONE)
    verdict = explorer.explore()
    assert (verdict.word, verdict.coverage.depth_done, verdict.coverage.edges) == ("inconclusive", 1, one + 5)


def test_a_budget_that_is_large_enough_changes_nothing() -> None:
    assert campaign(rig_on("stm32f103"), budget_s=3600.0).digest == campaign(rig_on("stm32f103")).digest


def test_ctrl_c_keeps_the_results_and_is_not_complete() -> None:
    explorer = stopping(rig_on("demo"), 40, KeyboardInterrupt)
    verdict = explorer.explore()
    assert (verdict.word, verdict.complete, explorer.interrupted) == ("inconclusive", False, True)
    assert (verdict.coverage.edges, verdict.coverage.depth_done) == (40, 0)
    assert verdict.notes == ["stopped by the user"]
    assert consistent(verdict)


def test_findings_made_before_ctrl_c_are_findings() -> None:
    explorer = stopping(rig_on("demo", firmware=EagerLoader()), 600, KeyboardInterrupt)
    verdict = explorer.explore()
    assert (verdict.word, verdict.exit_code, verdict.complete) == ("findings", 1, False)


@pytest.mark.parametrize("after", [3, 4, 5, 8, 13])
def test_ctrl_c_in_the_middle_of_a_session_leaves_counts_that_add_up(after: int) -> None:
    rig = InterruptedRig(rig_on("demo").board, IMAGES)
    rig.runs_left = after
    verdict = explorer_on(rig).explore()
    assert verdict.word == "inconclusive"
    assert consistent(verdict)


def test_any_other_exception_is_ours_and_is_not_swallowed() -> None:
    with pytest.raises(ZeroDivisionError):
        stopping(rig_on("demo"), 3, ZeroDivisionError).explore()


@dataclass
class Stop:
    """A progress callback that raises at the ``edges``-th edge."""

    edges: int
    error: type[BaseException]

    def __call__(self, coverage: Coverage, layer: int, where: str) -> None:
        if coverage.edges == self.edges:
            raise self.error


def stopping(rig: UpdateRig, edges: int, error: type[BaseException], **options: Any) -> Explorer:
    return Explorer(rig, rig.board.document.checks, replace(Options(), **options), Stop(edges, error))


# -- repeating -------------------------------------------------------------------------------------------


def test_two_campaigns_have_the_same_digest_and_another_workload_has_another() -> None:
    digests = [campaign(rig_on("stm32f103")).digest for _ in range(2)]
    assert digests[0] == digests[1]
    others = [
        campaign(rig_on("stm32f103"), tears=COARSE).digest,
        campaign(rig_on("stm32f103"), events=("hang",)).digest,
        campaign(rig_on("stm32f103"), attempts=2).digest,
        campaign(rig_on("stm32f103", app="hangs")).digest,
        campaign(rig_on("stm32f103", firmware=EagerLoader())).digest,
    ]
    assert len({*digests, *others}) == 1 + len(others)


def test_a_step_names_session_entry_and_how() -> None:
    verdict = campaign(rig_on("demo", firmware=EagerLoader()), tears=NONE)
    assert verdict.findings[0].path == (Step(0, verdict.findings[0].key.place[0][1], "cut"),)


def test_judging_a_chain_from_the_factory_state_is_the_uncut_life() -> None:
    rig = rig_on("demo")
    explorer, root = explorer_on(rig), State(rig.initial(1), Monitor())
    chain = explorer.judge.chain(root)
    assert [judged.run.entries for judged in chain.sessions] == [run.entries for _, run in life(rig_on("demo"))]
    assert (str(chain.outcome), chain.breaches, chain.executed) == ("new image runs, committed", [], True)
    assert not explorer.judge.chain(root).executed
