"""Campaigns through a link: the peer's state and what is on its way are part of what is explored.

A small update, so that the state space closes in seconds. The wrong applications are found by their declared check,
with the least number of interruptions, and their tokens replay.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from emu.board import Board, load_board
from emu.campaign.audit import Auditor
from emu.campaign.closure import Closure
from emu.campaign.edges import EdgeWalker
from emu.campaign.explore import Explorer
from emu.campaign.options import ANY, Options
from emu.campaign.replay import follow
from emu.campaign.token import parse_token, token_for
from emu.campaign.verdict import Verdict
from emu.cli.mutants import with_firmware
from emu.errors import ScenarioError
from emu.events import CLAIMED, DETOURS, FRAME
from emu.link_choice import LINK_KINDS, SYSTEM_NAMES, LinkChoice, LinkKind
from emu.linked_rig import SYSTEMS, LinkedRig, System
from emu.mutants.table import MUTANTS
from emu.ota.mongoose.linked import LinkedMongoose, peer_for
from emu.ota.network import Outside
from emu.report.html.path_graph import path_graph
from emu.report.story import tell
from emu.rig import DeviceState, Run
from emu.update_rig import ImagePair, UpdateRig
from flash.journal import Event
from flash.tears import TEAR_SETS
from tests.emu.helpers import life
from tests.ota.linked.wrong import WRONG, NeverFrees
from tests.properties.closures import edges_by_hand, violations

IMAGES = ImagePair(bytes(n * 7 % 251 for n in range(500)), bytes(n * 11 % 253 for n in range(600)))
BOARD = load_board("demo")


def rig_over(kind: LinkKind = "connection", disturbed: int = 0, app: type[LinkedMongoose] | None = None) -> LinkedRig:
    make = None if app is None else System(peer_for, app)
    return LinkedRig(BOARD, IMAGES, LinkChoice("mongoose", kind, disturbed), system=make)


def options(tears: str = "none", **changed: Any) -> Options:
    return replace(Options(tears=TEAR_SETS[tears], depth=ANY, attempts=1, keeps_new=True), **changed)


@pytest.fixture(scope="module")
def one_disturbed() -> tuple[Closure, Verdict]:
    """The campaign with one frame of every path disturbed; two tests look at it, none changes it."""
    return closed(rig_over(disturbed=1))


def closed(rig: UpdateRig, tears: str = "none", **changed: Any) -> tuple[Closure, Verdict]:
    closure = Closure(rig, rig.bounds, options(tears, **changed))
    return closure, closure.explore()


def noted(run: Run, name: str) -> list[tuple[Any, ...]]:
    return [entry.facts for entry in run.entries if isinstance(entry, Event) and entry.name == name]


# -- one session after another -------------------------------------------------------------------------------


def test_every_system_a_command_may_name_is_there() -> None:
    assert tuple(SYSTEMS) == SYSTEM_NAMES


@pytest.mark.parametrize("kind", LINK_KINDS)
def test_an_update_that_nothing_disturbs_is_sent_applied_and_committed(kind: LinkKind) -> None:
    sessions = life(rig_over(kind))
    assert [str(run.outcome) for _, run in sessions] == ["reset by software", "new image runs, committed"]
    sent = [name for _, run in sessions for sender, name, _ in noted(run, FRAME) if sender == "peer"]
    methods = [name.split()[0] for name in sent]
    chunks = [method for method in methods if method == "OTA.Write"]
    assert len(chunks) == -(-len(rig_over().bundle) // 512)
    assert [*dict.fromkeys(methods)] == ["OTA.Status", "OTA.Begin", "OTA.Write", "OTA.End", "OTA.Commit"]
    assert [fact for _, run in sessions for fact in noted(run, CLAIMED)] == [("applied", True), ("kept", False)]


def test_a_board_whose_images_commit_at_once_needs_no_peer_and_is_refused() -> None:
    document = BOARD.document
    timers = msgspec.structs.replace(document.timers, commit_timeout_s=0)
    changed = msgspec.structs.replace(document, timers=timers)
    board = Board(changed, BOARD.parts, BOARD.policy, BOARD.update_keys, BOARD.digest)
    with pytest.raises(ScenarioError, match=r"commit_timeout_s 0.*give it a commit timeout"):
        LinkedRig(board, IMAGES, LinkChoice("mongoose"))


# -- detours -------------------------------------------------------------------------------------------------


def first_session(rig: LinkedRig) -> tuple[DeviceState, Run]:
    state = rig.initial(1)
    return state, rig.run(state)


def test_every_frame_can_go_every_other_way() -> None:
    for kind in LINK_KINDS:
        rig = rig_over(kind, 1)
        state, run = first_session(rig)
        detours = rig.detours(state, run)
        known = [how for how in DETOURS if kind == "connection" or how != "link-broken"]
        frames = [at for at, entry in enumerate(run.entries) if isinstance(entry, Event) and entry.name == FRAME]
        assert [(d.entry, d.how) for d in detours] == [(at, how) for at in frames for how in known]


def test_a_detour_is_the_same_session_up_to_its_frame_and_says_what_becomes_of_it() -> None:
    rig = rig_over(disturbed=1)
    state, run = first_session(rig)
    for detour in rig.detours(state, run):
        other = rig.run(replace(state, plan=detour.plan))
        assert other.entries[: detour.entry] == run.entries[: detour.entry]
        disturbed = other.entries[detour.entry]
        assert isinstance(disturbed, Event)
        assert disturbed.facts[2] == detour.how


def test_what_may_be_disturbed_is_used_up() -> None:
    for most in (0, 1, 2):
        rig = rig_over(disturbed=most)
        state, run = first_session(rig)
        for left in range(most, -1, -1):
            detours = rig.detours(state, run)
            assert bool(detours) == bool(left)
            if detours:
                numbers = [d.plan[-1][0] for d in detours]
                assert min(numbers) > max((-1, *(number for number, _ in state.plan)))
                state = replace(state, plan=detours[len(detours) // 2].plan)
                run = rig.run(state)
        assert isinstance(run.end.outside, Outside)
        assert run.end.outside.left == 0


def test_a_cut_before_the_frame_knows_nothing_of_what_would_have_become_of_it() -> None:
    """So it is the same state as in the session that nothing disturbs, and is not tried twice."""
    rig = rig_over(disturbed=1)
    state, run = first_session(rig)
    detour = rig.detours(state, run)[-1]
    other = rig.run(replace(state, plan=detour.plan))
    walker = EdgeWalker(rig, TEAR_SETS["none"], ())
    plain = [child.state for child in walker.children(state, run) if not child.edge.is_detour]
    disturbed = [child.state for child in walker.children(replace(state, plan=detour.plan), other)]
    assert [s.key for s in disturbed[: detour.entry]] == [s.key for s in plain[: detour.entry]]
    assert [s.key for s in disturbed[detour.entry + 3 :]] != [s.key for s in plain[detour.entry + 3 :]]


def test_states_that_differ_outside_or_in_their_plan_have_other_keys() -> None:
    state = rig_over(disturbed=1).initial(1)
    others = [replace(state, outside=Outside(left=2)), replace(state, plan=((0, "frame-lost"),)), state]
    assert len({other.key for other in others}) == len(others)


def test_frames_that_are_carried_use_nothing_up() -> None:
    for _, run in life(rig_over(disturbed=3)):
        assert isinstance(run.end.outside, Outside)
        assert run.end.outside.left == 3


# -- campaigns -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", LINK_KINDS)
def test_power_may_go_anywhere_and_any_number_of_times(kind: LinkKind) -> None:
    _, verdict = closed(rig_over(kind), "T1-coarse")
    assert (verdict.word, verdict.complete) == ("held", True)
    assert verdict.coverage.exercised["truthful"] > 10
    assert verdict.coverage.depth_closed > 3, "power goes again while the peer still waits"


def test_power_may_go_anywhere_and_one_frame_another_way(one_disturbed: tuple[Closure, Verdict]) -> None:
    closure, verdict = one_disturbed
    assert (verdict.word, verdict.complete) == ("held", True)
    assert {kind for kind in verdict.coverage.edge_kinds if kind in DETOURS} == set(DETOURS)
    assert not violations(closure)
    assert edges_by_hand(closure) == verdict.coverage.edges, "every session of every state has its detours"
    assert Auditor(closure).audit(0.0, 0).audited > 500


def test_any_depth_covers_what_brute_force_meets(one_disturbed: tuple[Closure, Verdict]) -> None:
    rig = rig_over(disturbed=1)
    brute = Explorer(rig, rig.bounds, options(depth=1)).explore()
    _, closed_at_1 = one_disturbed
    assert brute.word == closed_at_1.word == "held"
    walker, met = EdgeWalker(rig, TEAR_SETS["none"], ()), 0
    for state, run in life(rig):
        met += len(list(walker.children(state, run)))
    assert brute.coverage.edges == met
    assert set(brute.coverage.outcomes) <= set(closed_at_1.coverage.outcomes)


# -- wrong applications --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_application_is_found_by_its_check(name: str) -> None:
    wrong = WRONG[name]
    rig = rig_over("connection", wrong.disturbed, wrong.app)  # type: ignore[arg-type]
    closure, verdict = closed(rig)
    assert {finding.key.check for finding in verdict.findings} >= {wrong.check}
    finding = next(finding for finding in verdict.findings if finding.key.check == wrong.check)
    assert len(finding.path) == wrong.cuts
    token = parse_token(str(token_for(1, rig.inputs, finding.path)))
    story = follow(rig, closure.judge, token)
    assert wrong.check in {breach.check for breach in story.breaches}
    assert finding.message in tell(story)


def test_a_device_that_restarts_before_any_update_can_begin_is_a_finding() -> None:
    """Not a campaign with nothing to do: there is no flash operation because it never gets that far."""
    rig = with_firmware(rig_over(), MUTANTS["timer-always-armed"].firmware())
    _, verdict = closed(rig)
    assert (verdict.word, verdict.findings[0].key.check, verdict.findings[0].path) == ("findings", "boots", ())


def test_a_story_says_what_became_of_the_frame() -> None:
    rig = rig_over("connection", 1, NeverFrees)
    closure, verdict = closed(rig)
    finding = next(f for f in verdict.findings if f.key.tears == ("link-broken",))
    story = tell(follow(rig, closure.judge, token_for(1, rig.inputs, finding.path)))
    assert "device sends ok  *** THE LINK BREAKS" in story
    assert "the peer gives up: OTA.Begin: the link was lost" in story
    assert "an update that nobody continues stays open" in story


def test_the_picture_of_a_path_says_what_became_of_the_frame_also_where_nothing_is_cut() -> None:
    rig = rig_over("connection", 1, NeverFrees)
    closure, verdict = closed(rig)
    finding = next(f for f in verdict.findings if f.key.tears == ("link-broken",))
    story = follow(rig, closure.judge, token_for(1, rig.inputs, finding.path))
    assert len(story.sessions) == 1
    assert "the link breaks: ok" in path_graph(story, (), "a path")
