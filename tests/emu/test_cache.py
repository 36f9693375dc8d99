"""The run cache: what is a hit, what must never be one, and that switched off it runs everything.

That recognised sessions are exact is in `tests/properties/test_cache_is_exact.py`.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from emu.campaign.cache import RunCache, Session
from emu.rig import Capabilities, DeviceState
from emu.update_rig import ImagePair, UpdateRig
from tests.emu.broken import Blind, LimitedRig
from tests.emu.helpers import NEW_APP, OLD_APP, rig_on

FAR = 0x800000
"""An address of the demo chip that no firmware looks at."""


def runs_of(session: Session) -> list[int]:
    """The very runs a session is made of."""
    return [id(piece.run) for piece in session.pieces]


def changed_at(rig: UpdateRig, state: DeviceState, address: int) -> DeviceState:
    cells = rig.bench_cells()[0]
    cells.restore(state.memory[0])
    cells.put_bytes(address, bytes([cells.read(address, 1)[0] ^ 0xFF]))
    return replace(state, memory=(cells.snapshot(),))


def test_the_same_state_is_run_once() -> None:
    rig = rig_on()
    sessions, state = RunCache(rig), rig.initial(1)
    first, second = sessions.session(state), sessions.session(state)
    assert (first.executed, second.executed) == (True, False)
    assert runs_of(second) == runs_of(first)
    assert second.end.key == first.end.key
    assert sessions.hits == sessions.misses == len(first.pieces) == 4  # boot, begin, receive, finish


def test_content_nobody_looks_at_makes_no_difference_and_is_carried_along() -> None:
    rig = rig_on()
    sessions, state = RunCache(rig), rig.initial(1)
    plain = sessions.session(state)
    marked = sessions.session(changed_at(rig, state, FAR))
    assert not marked.executed
    assert runs_of(marked) == runs_of(plain)
    assert marked.end.key != plain.end.key
    assert marked.end.key == changed_at(rig, plain.end, FAR).key


def test_an_older_session_is_found_again_after_others() -> None:
    rig = rig_on()
    sessions, state = RunCache(rig), rig.initial(1)
    first = sessions.session(state)
    other = sessions.session(first.end)
    assert other.executed
    again = sessions.session(changed_at(rig, state, FAR))
    assert runs_of(again) == runs_of(first)


@pytest.mark.parametrize("address", [0x10000, 0x10100, 0x0, 0x40, 0x1000])
def test_content_the_firmware_or_a_check_looks_at_makes_another_session(address: int) -> None:
    rig = rig_on()
    sessions, state = RunCache(rig), rig.initial(1)
    sessions.session(state)
    assert sessions.session(changed_at(rig, state, address)).executed


def test_what_only_the_rig_looks_at_to_tell_the_image_makes_another_session() -> None:
    """A firmware that runs an image without reading it: the bytes still decide which image it is."""
    rig = rig_on(firmware=Blind(), images=ImagePair(OLD_APP * 20, NEW_APP))
    sessions, state = RunCache(rig), rig.initial(0)
    assert sessions.session(state).run.outcome.image == "old"
    assert sessions.session(changed_at(rig, state, 0x12000)).run.outcome.image == "unknown"


def test_the_kind_of_reset_the_workload_and_the_ram_make_another_session() -> None:
    rig = rig_on()
    sessions, state = RunCache(rig), rig.initial(1)
    for other in (state, replace(state, cause="pin"), replace(state, attempts_left=0), replace(state, ram=(("a", 1),))):
        assert sessions.session(other).executed


def test_only_whether_an_attempt_is_left_makes_another_session() -> None:
    rig = rig_on()
    sessions, state = RunCache(rig), rig.initial(1)
    sessions.session(state)
    with_three = sessions.session(replace(state, attempts_left=3))
    assert not with_three.executed
    assert with_three.end.attempts_left == 2


def test_switched_off_everything_is_run() -> None:
    rig = rig_on()
    sessions = RunCache(rig, enabled=False)
    assert all(sessions.session(rig.initial(1)).executed for _ in range(3))
    assert (sessions.hits, sessions.misses) == (0, 3)


@pytest.mark.parametrize(
    "can", [Capabilities(True, True, False, True), Capabilities(False, True, True, True)], ids=["chance", "no snapshot"]
)
def test_a_rig_that_does_not_repeat_itself_is_always_run(can: Capabilities) -> None:
    rig = LimitedRig(rig_on(), can)
    sessions = RunCache(rig)
    assert all(sessions.session(rig.initial(1)).executed for _ in range(2))


def test_a_rig_that_traces_nothing_is_never_recognised() -> None:
    """Without a trace there is no footprint: any state would be taken for any other."""
    rig = rig_on(traced=False)
    sessions, state = RunCache(rig), rig.initial(1)
    sessions.session(state)
    spoiled = changed_at(rig, state, 0x10100)
    assert sessions.session(spoiled).run.outcome == rig.run(spoiled).outcome
