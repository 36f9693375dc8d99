"""Replaying: every finding's token leads to the finding again, and a place that is not there is said to be missing."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from emu.campaign.edges import EVENT_NAMES
from emu.campaign.replay import Story, follow
from emu.campaign.token import Token, parse_token, token_for
from emu.campaign.verdict import CutPath, Finding, Step
from emu.errors import TokenError
from emu.report.story import tell
from emu.rig import Outcome
from emu.update_rig import UpdateRig
from flash.journal import Operation
from flash.tears import TEAR_SETS
from tests.emu.broken import BentRig, Crasher, EagerLoader, NeverQuiet, OnceOnly, TwicePulled
from tests.emu.helpers import COARSE, IMAGES, NONE, board_with, campaign, explorer_on, known_edges, life, rig_on


def replayed(rig: UpdateRig, path: CutPath) -> Story:
    """The story of a token that went through its written form."""
    token = parse_token(str(token_for(1, rig.inputs, path)))
    return follow(rig, explorer_on(rig).judge, token)


def step(text: str) -> Step:
    run, entry, how = text.split(".")
    return Step(int(run), int(entry), how)


def first_operation(rig: UpdateRig, kind: str) -> int:
    run = rig.run(rig.initial(1))
    return next(n for n, entry in enumerate(run.entries) if isinstance(entry, Operation) and entry.kind == kind)


# -- findings reproduce ----------------------------------------------------------------------------------


def reproduces(rig: UpdateRig, finding: Finding) -> None:
    story = replayed(rig, finding.path)
    assert (finding.key.check, finding.message) in [(breach.check, breach.message) for breach in story.breaches]
    if finding.key.outcome not in ("armed", "hangs"):  # those two are seen at the interruption, not at the end
        assert finding.key.outcome == str(story.outcome)
    assert [session.step for session in story.sessions if session.step] == list(finding.path)


@pytest.mark.parametrize("board", ["demo", "stm32f103", "stm32l072", "stm32l476"])
@pytest.mark.parametrize("firmware", [EagerLoader, OnceOnly, Crasher])
def test_every_finding_reproduces(board: str, firmware: type) -> None:
    rig = rig_on(board, firmware=firmware())
    findings = campaign(rig, tears=COARSE).findings
    assert findings
    for finding in findings[:20]:
        reproduces(rig, finding)


def test_a_finding_with_two_interruptions_reproduces() -> None:
    rig = rig_on("stm32f103", firmware=TwicePulled())
    findings = campaign(rig, tears=NONE, events=("reset",), depth=2).findings
    assert findings
    for finding in findings:
        reproduces(rig, finding)
        one = replayed(rig, finding.path[:1])
        assert one.breaches == []


def test_a_timer_that_was_left_running_after_commit_reproduces() -> None:
    rig = rig_on("demo", firmware=NeverQuiet())
    findings = campaign(rig, tears=NONE, events=("timer",)).findings
    assert {(f.key.check, f.key.outcome) for f in findings} == {("durable", "armed")}
    for finding in findings:
        reproduces(rig, finding)


def test_a_hang_on_probation_that_no_timer_ends_reproduces() -> None:
    rig = rig_on(board_with(timers={"watchdog_s": 0, "commit_timeout_s": 0}))
    findings = campaign(rig, tears=NONE, events=("hang",)).findings
    assert {(f.key.check, f.key.outcome) for f in findings} == {("reverts", "hangs")}
    for finding in findings:
        reproduces(rig, finding)
        assert "hung" in [session.run.outcome.kind for session in replayed(rig, finding.path).sessions]


@pytest.mark.parametrize("board", ["demo", "stm32f405"])
def test_from_any_edge_the_replay_ends_as_the_campaign_says(board: str) -> None:
    rig, edges = known_edges(board)
    explorer = explorer_on(rig)
    starts = [state.key for state, _ in life(rig)]
    for state, run, child in edges[::41]:
        if child.edge.how in EVENT_NAMES or child.edge.entry == len(run.entries):
            continue
        path = (Step(starts.index(state.key), child.edge.entry, child.edge.how),)
        story = follow(rig, explorer.judge, token_for(1, rig.inputs, path))
        assert (story.outcome.kind, story.breaches) == ("settled", [])


def test_an_uncut_token_tells_the_uncut_life() -> None:
    story = replayed(rig_on("demo"), ())
    assert [session.step for session in story.sessions] == [None, None]
    assert (story.outcome, story.breaches) == (Outcome("settled", "new", True), [])


def test_a_cut_at_the_very_end_of_a_session_is_a_cut_and_not_the_restart_that_would_follow() -> None:
    rig = rig_on("demo")
    whole = rig.run(rig.initial(1))
    assert whole.outcome == Outcome("reset", cause="software")
    story = replayed(rig, (Step(0, len(whole.entries), "cut"),))
    assert [session.state.cause for session in story.sessions[:2]] == ["power", "power"]
    assert story.sessions[0].run.outcome == Outcome("cut")


def test_a_torn_session_carries_the_range_before_and_after() -> None:
    rig = rig_on("demo")
    entry = first_operation(rig, "program")
    operation = rig.run(rig.initial(1)).entries[entry]
    assert isinstance(operation, Operation)
    torn = replayed(rig, (Step(0, entry, "prefix-5"),)).sessions[0].torn
    assert torn is not None
    assert torn.operation == operation
    assert torn.before == b"\xff" * operation.length
    assert torn.after == operation.data[:5] + b"\xff" * (operation.length - 5)


# -- places that are not there ---------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["0.999.cut", "2.0.cut", "9.0.cut", "0.0.prefix-3", "0.2.front-1"])
def test_a_place_that_does_not_exist_is_a_token_error(text: str) -> None:
    with pytest.raises(TokenError, match="does not exist"):
        replayed(rig_on("demo"), (step(text),))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            "9.99.cut",
            "there is no session 9 (counted from 0), the device comes to rest in session 1 (new image runs, committed)",
        ),
        ("0.99.cut", "session 0 has the places 0 to 14"),
        ("0.3.prefix-2", "erase of 4096 bytes cannot be interrupted like that"),
        ("0.0.timer", "what stands there cannot be interrupted like that"),
    ],
)
def test_a_place_that_does_not_exist_says_why(text: str, why: str) -> None:
    with pytest.raises(TokenError) as error:
        replayed(rig_on("demo"), (step(text),))
    assert str(error.value) == f"the token's place {text} does not exist: {why}"


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ("program", "front-1"),
        ("program", "preprogrammed-1"),
        ("program", "ecc-fault-0"),
        ("program", "prefix-99999"),
        ("program", "prefix-0"),
        ("erase", "prefix-3"),
        ("erase", "one-bit-1"),
        ("erase", "stopped-us-15"),
        ("erase", "erase-ecc-fault-1"),
        ("erase", "front-99999"),
    ],
)
def test_a_tear_this_operation_cannot_have_is_a_token_error(kind: str, how: str) -> None:
    rig = rig_on("demo")
    with pytest.raises(TokenError):
        replayed(rig, (Step(0, first_operation(rig, kind), how),))


def test_a_timer_that_is_not_running_cannot_fire() -> None:
    with pytest.raises(TokenError):
        replayed(rig_on("demo"), (Step(0, 0, "timer"),))


def test_after_a_hang_for_ever_the_story_goes_on_when_somebody_pulls_the_plug() -> None:
    rig = rig_on(board_with(timers={"watchdog_s": 0}))
    story = replayed(rig, (Step(0, 1, "hang"), Step(0, 1, "cut")))
    assert [(s.state.cause, s.run.outcome.kind) for s in story.sessions[:3]] == [
        ("power", "hung"), ("power", "cut"), ("power", "reset"),
    ]  # fmt: skip
    assert (story.outcome, story.breaches) == (Outcome("settled", "new", True), [])


def test_other_inputs_are_refused_before_anything_runs() -> None:
    rig = rig_on("demo")
    with pytest.raises(TokenError, match="made with other inputs: workload"):
        follow(rig, explorer_on(rig).judge, token_for(1, rig_on("demo", app="hangs").inputs, ()))
    with pytest.raises(TokenError, match="made with other inputs"):
        follow(rig, explorer_on(rig).judge, Token(1, ("0" * 8,) * 4, (Step(0, 0, "cut"),)))


def test_a_live_cut_that_differs_from_the_replayed_prefix_is_our_own_fault() -> None:
    rig = BentRig(rig_on("demo").board, IMAGES)
    with pytest.raises(AssertionError, match="differs from replaying the prefix: please report"):
        replayed(rig, (Step(0, 5, "cut"),))


@pytest.mark.parametrize("seed", [0, 5])
def test_a_finding_among_weak_cells_is_replayed_with_its_weak_bits(seed: int) -> None:
    rig = rig_on("demo", seed=seed)
    verdict = campaign(rig, tears=replace(TEAR_SETS["T3-coarse"], seed=seed))
    finding = next(f for f in verdict.findings if set(f.key.tears) & {"metastable", "decaying"})
    story = follow(rig, explorer_on(rig).judge, token_for(1, rig.inputs, finding.path), seed)
    assert (finding.key.check, finding.message) in [(breach.check, breach.message) for breach in story.breaches]
    (torn,) = [session.torn for session in story.sessions if session.torn is not None]
    assert sum(bits.bit_count() for bits in torn.weak) == 1
    page = tell(story)
    assert "1 weak bit, in {braces}" in page
    assert len(re.findall(r"\{[0-9a-f]{2}\}", page)) == 1


def test_a_tear_of_another_seed_has_no_place_in_the_token() -> None:
    rig = rig_on("demo")
    path = (step(f"0.{first_operation(rig, 'program')}.bit-subset-{16 * 3}"),)
    with pytest.raises(TokenError, match="cannot be interrupted like that"):
        follow(rig, explorer_on(rig).judge, token_for(1, rig.inputs, path))
    assert follow(rig, explorer_on(rig).judge, token_for(1, rig.inputs, path), 3).outcome.kind == "settled"
