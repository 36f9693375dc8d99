"""Executing ahead: whatever is begun before it is asked for, the campaign is the one nobody has helped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

import emu.campaign.ahead as ahead_room
from emu.campaign.ahead import Asked
from emu.campaign.cache import RunCache
from emu.campaign.engines import Died, Listener, Raised
from emu.campaign.engines.inline import InlineEngine
from emu.campaign.parcels import Item
from emu.campaign.runner import Runner, runner_spec
from emu.rig import DeviceState
from emu.rig_spec import rig_spec
from emu.update_rig import UpdateRig
from flash.tears import TEAR_SETS
from tests.emu.helpers import NONE, rig_on
from tests.emu.test_runner import WEAK, assert_same, closure


class _Eager:
    """Works on all it was given whenever it is asked for anything: the last first, guesses like everything else."""

    def __init__(self, engine: Eager) -> None:
        self._engine = engine
        self._items: list[tuple[int, Item]] = []

    def put(self, item: Item, *, is_urgent: bool = False) -> int:
        self._engine.put += 1
        self._engine.urgent += is_urgent
        self._items.append((self._engine.put, item))
        return self._engine.put

    def collect(self, listener: Listener | None = None) -> list[tuple[int, Any]]:
        items, self._items = self._items, []
        return [(number, self._engine.answer(item)) for number, item in reversed(items)]

    def close(self) -> None:
        self._engine.closed += 1


class Eager(InlineEngine):
    """``put``: items it was given, so many of them ``urgent``."""

    jobs = 2

    def __init__(self, rig: UpdateRig) -> None:
        super().__init__(runner_spec(rig_spec(rig), rig))
        self.put = self.urgent = self.closed = 0

    def stream(self) -> _Eager:  # type: ignore[override]
        return _Eager(self)

    def answer(self, item: Item) -> Any:
        return self.map([item])[0]


CAMPAIGNS: list[tuple[str, dict[str, Any]]] = [
    ("demo", {"attempts": 1}),
    ("demo", {"attempts": 1, "events": ("reset", "timer")}),
    ("stm32f103", {"tears": TEAR_SETS["T3-coarse"], "resolutions": WEAK, "attempts": 1}),
    ("stm32f103", {"exhaustive": True, "attempts": 1, "tears": NONE}),
]


@pytest.mark.parametrize("kept", [1, 64])
@pytest.mark.parametrize(("board", "options"), CAMPAIGNS)
def test_what_was_executed_ahead_does_not_show(
    board: str, options: dict[str, Any], kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead_room, "PER_JOB", 40)
    monkeypatch.setattr(ahead_room, "KEPT_PER_JOB", kept)
    monkeypatch.setattr(ahead_room, "LOOK_EVERY_S", -1.0)
    one, other = (rig_on(board) for _ in range(2))
    engine = Eager(other)
    made = closure(one, **options), closure(other, engine, **options)
    assert_same(*made)
    assert (made[0].cover.boots, made[0].cover.runs) == (made[1].cover.boots, made[1].cover.runs)
    caches = [each.judge.cache for each in made]
    assert (caches[0].hits, caches[0].misses) == (caches[1].hits, caches[1].misses)
    assert engine.urgent < engine.put / 2
    assert engine.closed == 1


# -- sessions one asks for -------------------------------------------------------------------------------


class Moody(Eager):
    """``answers``: what it says of some states instead, by attempts left."""

    answers: dict[int, Any] = {}  # noqa: RUF012 - set once, in a test

    def answer(self, item: Item) -> Any:
        return self.answers.get(item.state.attempts_left) or super().answer(item)


def runner_on(engine: Eager, rig: UpdateRig) -> Runner:
    return Runner(rig, RunCache(rig), engine)


def guesses(runner: Runner, *states: DeviceState) -> None:
    """Have ``runner`` told once each that these come next."""
    left: list[Asked] = [(state, None) for state in states]
    runner.foresee(lambda: left.pop(0) if left else None)


def asked(runner: Runner, *states: DeviceState) -> list[Any]:
    return list(runner.sessions([(state, None) for state in states]))


@pytest.fixture
def rig() -> UpdateRig:
    return rig_on("stm32f103")


@pytest.mark.parametrize("bad", [Died(0, "signal SIGSEGV"), Raised(ValueError("of its own"), "somewhere")])
def test_a_wrong_guess_that_goes_wrong_is_nobodys_trouble(rig: UpdateRig, bad: Any) -> None:
    engine = Moody(rig)
    engine.answers = {7: bad}
    runner = runner_on(engine, rig)
    guesses(runner, rig.initial(7))
    (session,) = asked(runner, rig.initial(0))
    assert session.run.entries == RunCache(rig).session(rig.initial(0)).run.entries
    assert engine.put >= 2


def test_what_goes_wrong_is_told_when_it_is_asked_for(rig: UpdateRig) -> None:
    engine = Moody(rig)
    engine.answers = {7: Died(0, "signal SIGSEGV"), 8: Raised(ValueError("of its own"), "somewhere")}
    runner = runner_on(engine, rig)
    guesses(runner, rig.initial(7), rig.initial(8))
    first, second = asked(runner, rig.initial(0), rig.initial(7))
    assert (type(first).__name__, second) == ("Session", Died(1, "signal SIGSEGV"))
    put = engine.put
    assert asked(runner, rig.initial(7)) == [Died(0, "signal SIGSEGV")]
    assert engine.put == put
    with pytest.raises(ValueError, match="of its own"):
        asked(runner, rig.initial(8))


def test_a_guess_that_comes_true_is_not_executed_again(rig: UpdateRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead_room, "LOOK_EVERY_S", -1.0)
    engine = Eager(rig)
    runner = runner_on(engine, rig)
    asked(runner, rig.initial(0))
    before = engine.put
    guesses(runner, rig.initial(1))
    runner.go_on()
    ahead = engine.put - before
    (session,) = asked(runner, rig.initial(1))
    assert 0 < ahead <= engine.put - before == sum(piece.executed for piece in session.pieces)


def test_a_state_that_stands_twice_in_a_batch_is_put_once(rig: UpdateRig) -> None:
    engine = Eager(rig)
    sessions = asked(runner_on(engine, rig), *[rig.initial(0)] * 50)
    assert [session.executed for session in sessions] == [True, *[False] * 49]
    assert engine.put == len(sessions[0].pieces)


def test_the_runner_looks_at_a_tick_each_time(rig: UpdateRig) -> None:
    ticks: list[int] = []
    states: Sequence[Asked] = [(rig.initial(0), None), (rig.initial(1), None)]
    list(runner_on(Eager(rig), rig).sessions(states, lambda: ticks.append(1)))
    assert len(ticks) >= 2
