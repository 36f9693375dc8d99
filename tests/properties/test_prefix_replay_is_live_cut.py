"""Cutting the running firmware at an edge leaves what replaying the journal's prefix and tearing the cells leaves.

This is what makes a campaign exact: its states come from replayed prefixes, never from firmware run up to a point.
"""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emu.app import AppModel, Running
from emu.campaign.edges import EVENT_NAMES, Child, EdgeWalker
from emu.rig import DeviceState, Rig, Run
from emu.update_rig import UpdateRig
from flash.journal import Operation
from flash.tears import TEARS
from tests.emu.broken import TwicePulled
from tests.emu.helpers import BOARDS, NONE, T1, board_with, edges_of, known_edges, life, operations, rig_on

every_board = pytest.mark.parametrize("board", BOARDS)


def assert_live_cut_is(rig: Rig, state: DeviceState, child: Child) -> None:
    """The whole state is compared: content with its granule planes, reset cause, attempts, retained RAM."""
    live = rig.run(state, child.edge.interruption())
    assert [s.key for s in live.end.memory] == [s.key for s in child.state.memory], child.edge
    assert (live.end.attempts_left, live.end.ram) == (child.state.attempts_left, child.state.ram), child.edge
    assert live.end.cause == child.state.cause, child.edge
    assert live.end.key == child.state.key
    expected = "hung" if child.stuck else "reset" if child.edge.how in EVENT_NAMES else "cut"
    assert live.outcome.kind == expected, child.edge


# -- one interruption ------------------------------------------------------------------------------------


@every_board
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_live_cut_at_a_random_tear_leaves_exactly_what_the_walker_makes(board: str, data: st.DataObject) -> None:
    rig, edges = known_edges(board)
    torn = [edge for edge in edges if edge[2].edge.is_torn]
    state, _, child = data.draw(st.sampled_from(torn))
    assert_live_cut_is(rig, state, child)


@every_board
def test_every_kind_of_tear_of_every_operation_kind_is_made_alike_live_and_replayed(board: str) -> None:
    rig, edges = known_edges(board)
    last_of: dict[tuple[int, str], tuple[DeviceState, Child]] = {}
    for state, _, child in edges:
        if child.edge.is_torn:
            last_of[child.edge.entry // 4, child.edge.kind] = (state, child)
    kinds = {kind for _, kind in last_of}
    assert kinds == {row.name for row in TEARS if rig.parts[0].kind in row.kinds and row.tier == 1}
    for state, child in last_of.values():
        assert_live_cut_is(rig, state, child)


@every_board
def test_a_cut_before_every_entry_is_made_alike_live_and_replayed(board: str) -> None:
    rig, edges = known_edges(board)
    for state, run, child in edges:
        if child.edge.how == "cut" and child.edge.entry < len(run.entries):
            assert_live_cut_is(rig, state, child)


@every_board
@pytest.mark.parametrize("event", EVENT_NAMES)
def test_an_event_before_every_entry_is_made_alike_live_and_replayed(board: str, event: str) -> None:
    rig, edges = known_edges(board)
    here = [(s, child) for s, run, child in edges if child.edge.how == event and child.edge.entry < len(run.entries)]
    assert here
    for state, child in here:
        assert_live_cut_is(rig, state, child)


@every_board
@pytest.mark.parametrize("how", ["cut", "reset", "hang"])
def test_an_interruption_after_the_last_entry_is_made_alike_live_and_replayed(board: str, how: str) -> None:
    """Also in a session that ends by restarting itself: power can go just before it does."""
    rig, edges = known_edges(board)
    here = [(s, child) for s, run, child in edges if child.edge.how == how and child.edge.entry == len(run.entries)]
    assert len(here) == 2
    for state, child in here:
        assert_live_cut_is(rig, state, child)


@pytest.mark.parametrize(("watchdog_s", "commit_s"), [(8, 60), (60, 8), (0, 60), (8, 0), (0, 0)])
@pytest.mark.parametrize("app", ["healthy", "never-commits"])
@pytest.mark.parametrize("can_stop", [True, False])
def test_a_hang_is_ended_by_the_same_timer_live_and_replayed(
    watchdog_s: int, commit_s: int, app: str, can_stop: bool
) -> None:
    timers = {"watchdog_s": watchdog_s, "commit_timeout_s": commit_s, "commit_can_stop": can_stop}
    rig = rig_on(board_with(timers=timers), app=app)
    for state, run, child in edges_of(rig, life(rig), NONE, ("hang",)):
        if child.edge.how == "hang" and child.edge.entry < len(run.entries):
            assert_live_cut_is(rig, state, child)


def test_retained_ram_is_carried_alike_live_and_replayed() -> None:
    rig = rig_on("stm32f103", firmware=TwicePulled())
    pulled = DeviceState(rig.initial(1).memory, "pin", 1, (("kept", 5),))
    for state, run, child in edges_of(rig, [(pulled, rig.run(pulled))], NONE, ("reset",)):
        if child.edge.entry < len(run.entries):
            assert_live_cut_is(rig, state, child)


# -- two interruptions -----------------------------------------------------------------------------------


@cache
def second_walker(board: str) -> EdgeWalker:
    return EdgeWalker(known_edges(board)[0], T1, EVENT_NAMES)


@every_board
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_a_second_live_cut_leaves_exactly_what_the_walker_makes(board: str, data: st.DataObject) -> None:
    rig, edges = known_edges(board)
    _, _, first = data.draw(st.sampled_from(edges))
    run = rig.run(first.state)
    below = [child for child in second_walker(board).children(first.state, run) if child.edge.is_torn]
    if below:
        assert_live_cut_is(rig, first.state, data.draw(st.sampled_from(below)))


# -- sessions that a timer ends inside a flash operation -------------------------------------------------


def _commits_as_the_timer_fires(app: Running) -> None:
    app.wait(app.commit_timeout_us - 1_000)
    app.commit()


RACES = AppModel("races", "begins to commit 1 ms before the timeout", False, _commits_as_the_timer_fires)


@every_board
def test_after_a_timer_tore_an_operation_a_cut_leaves_what_the_timer_left(board: str) -> None:
    rig = rig_on(board_with(board, timers={"commit_timeout_s": 5}), app=RACES)
    trial, run = _trial_that_the_timer_ends(rig)
    torn = run.entries[-1]
    assert isinstance(torn, Operation)
    assert torn.kind == "erase", "the timer fires inside the commit's erase"
    children = [c for _, _, c in edges_of(rig, [(trial, run)], NONE, ()) if c.edge.entry == len(run.entries)]
    assert [child.edge.how for child in children] == ["cut"]
    for child in children:
        assert [s.key for s in child.state.memory] == [s.key for s in run.end.memory]


def _trial_that_the_timer_ends(rig: UpdateRig) -> tuple[DeviceState, Run]:
    found = [(s, run) for s, run in life(rig) if run.outcome.cause == "commit-timer" and operations(run)]
    assert len(found) == 1
    return found[0]
