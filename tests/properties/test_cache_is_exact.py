"""A recognised session is the session that would have been run: same entries, same outcome, same state left behind.

States come in the order a campaign would never choose, because exactness must not depend on the order.
"""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emu.campaign.cache import RunCache
from emu.campaign.edges import EVENT_NAMES, Child, EdgeWalker
from emu.firmware import ModelFirmware
from emu.rig import DeviceState, Rig
from emu.update_rig import UpdateRig
from flash.tears import TEAR_SETS, TearSet
from tests.emu.broken import EagerLoader, TwicePulled
from tests.emu.helpers import BOARDS, COARSE, NONE, T1, board_with, campaign, edges_of, known_edges, life, rig_on
from tests.properties.test_prefix_replay_is_live_cut import RACES

every_board = pytest.mark.parametrize("board", BOARDS)


def assert_exact(rig: Rig, cache_: RunCache, state: DeviceState) -> None:
    session = cache_.session(state)
    fresh = rig.run(state)
    assert session.run.entries == fresh.entries
    assert session.run.outcome == fresh.outcome
    assert session.end.key == fresh.end.key
    assert [s.key for s in session.end.memory] == [s.key for s in fresh.end.memory]
    assert (session.end.cause, session.end.attempts_left, session.end.ram) == (
        fresh.end.cause,
        fresh.end.attempts_left,
        fresh.end.ram,
    )


def states_of(children: list[Child]) -> list[DeviceState]:
    return [child.state for child in children]


@cache
def first_states(board: str) -> tuple[UpdateRig, list[DeviceState]]:
    rig, edges = known_edges(board)
    return rig, states_of([child for _, _, child in edges])


@cache
def walker(board: str) -> EdgeWalker:
    return EdgeWalker(known_edges(board)[0], T1, EVENT_NAMES)


@every_board
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_sessions_from_random_edges_are_recognised_exactly(board: str, data: st.DataObject) -> None:
    rig, states = first_states(board)
    sessions = RunCache(rig)
    for state in data.draw(st.lists(st.sampled_from(states), min_size=8, max_size=20)):
        assert_exact(rig, sessions, state)
        # and what follows it, up to where the device comes to rest
        end = sessions.session(state).end
        assert_exact(rig, sessions, end)
    assert sessions.hits, "the same state twice is a hit, at least"


@every_board
@settings(max_examples=5, deadline=None)
@given(data=st.data())
def test_sessions_after_a_second_interruption_are_recognised_exactly(board: str, data: st.DataObject) -> None:
    rig, states = first_states(board)
    sessions = RunCache(rig)
    for state in data.draw(st.lists(st.sampled_from(states), min_size=2, max_size=4)):
        below = states_of(list(walker(board).children(state, sessions.session(state).run)))
        for nested in data.draw(st.lists(st.sampled_from(below), min_size=3, max_size=6)):
            assert_exact(rig, sessions, nested)


@pytest.mark.parametrize("firmware", [EagerLoader(), TwicePulled()], ids=lambda firmware: firmware.name)
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_sessions_of_a_broken_firmware_are_recognised_exactly(firmware: ModelFirmware, data: st.DataObject) -> None:
    rig, states = broken_states(firmware.__class__)
    sessions = RunCache(rig)
    for state in data.draw(st.lists(st.sampled_from(states), min_size=10, max_size=20)):
        assert_exact(rig, sessions, state)


@cache
def broken_states(firmware: type[ModelFirmware]) -> tuple[UpdateRig, list[DeviceState]]:
    rig = rig_on("stm32l476", firmware=firmware())
    return rig, states_of([child for _, _, child in edges_of(rig, life(rig))])


def test_neighbouring_edges_are_mostly_recognised_and_all_exactly() -> None:
    rig, states = first_states("demo")
    sessions = RunCache(rig)
    for state in states[::7]:
        assert_exact(rig, sessions, state)
    assert sessions.hits > 3 * sessions.misses


@every_board
def test_what_a_timer_leaves_of_a_torn_erase_is_in_the_footprint(board: str) -> None:
    """Two states that differ only in the sector whose erase the commit timer tears run to different ends."""
    rig = rig_on(board_with(board, timers={"commit_timeout_s": 5}), app=RACES)
    trial = next(state for state, run in life(rig) if run.outcome.cause == "commit-timer")
    chip, target = _target_of_commit(rig, trial)
    part, sessions = rig.parts[0], RunCache(rig)
    for offset in (None, 0, part.geometry.sector_at(target).size // 2, part.geometry.sector_at(target).size - 16):
        cells = rig.bench_cells()[chip]
        cells.restore(trial.memory[chip])
        if offset is not None:
            cells.put(target + offset, 16, part.erased ^ 0xFF)
        assert_exact(rig, sessions, DeviceState((cells.snapshot(),), trial.cause, trial.attempts_left, trial.ram))


def _target_of_commit(rig: UpdateRig, trial: DeviceState) -> tuple[int, int]:
    """Chip and address of the sector the commit erases: the last operation of the trial."""
    last = rig.run(trial).entries[-1]
    return 0, last.address  # type: ignore[union-attr]


# -- whole campaigns -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("board", "tears", "firmware"),
    [
        ("stm32f103", T1, None),
        ("demo", COARSE, None),
        ("stm32l476", COARSE, EagerLoader()),
        ("demo", TEAR_SETS["T3-coarse"], None),
        ("stm32l476", TEAR_SETS["T3-coarse"], None),
    ],
    ids=["stm32f103", "demo", "eager-loader", "weak-cells", "ecc"],
)
def test_a_campaign_without_the_cache_has_the_same_digest(
    board: str, tears: TearSet, firmware: ModelFirmware | None
) -> None:
    with_cache = campaign(rig_on(board, firmware=firmware), tears=tears, events=EVENT_NAMES)
    without = campaign(rig_on(board, firmware=firmware), tears=tears, events=EVENT_NAMES, cache=False)
    assert with_cache.digest == without.digest
    assert without.coverage.edges_inherited == 0
    assert with_cache.coverage.runs < without.coverage.runs
    found = [[(f.key, f.path, f.count) for f in verdict.findings] for verdict in (with_cache, without)]
    assert found[0] == found[1]


def test_at_depth_two_the_digest_is_the_same_without_the_cache() -> None:
    options = {"depth": 2, "events": ("reset",), "tears": NONE}
    rigs = [rig_on("stm32f405", firmware=TwicePulled()) for _ in range(2)]
    assert campaign(rigs[0], **options).digest == campaign(rigs[1], cache=False, **options).digest
