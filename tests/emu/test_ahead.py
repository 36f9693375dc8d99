"""Executing ahead: whatever is begun before it is asked for, the campaign is the one nobody has helped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import pytest

import emu.campaign.ahead as ahead_room
from emu.campaign.ahead import Asked
from emu.campaign.cache import Piece, RunCache
from emu.campaign.edges import EdgeWalker
from emu.campaign.engines import Died, Listener, Raised
from emu.campaign.engines.inline import InlineEngine
from emu.campaign.parcels import Item, Lacks
from emu.campaign.runner import Runner, runner_spec
from emu.rig import DeviceState
from emu.rig_spec import rig_spec
from emu.update_rig import UpdateRig
from flash.tears import TEAR_SETS
from tests.emu.helpers import NONE, T1, life, rig_on
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
    """``put``: items it was given, so many of them ``urgent``; ``lacked``: those it has to be sent once more."""

    jobs = 2

    def __init__(self, rig: UpdateRig) -> None:
        super().__init__(runner_spec(rig_spec(rig), rig))
        self.put = self.urgent = self.lacked = self.closed = 0

    def stream(self) -> _Eager:  # type: ignore[override]
        return _Eager(self)

    def answer(self, item: Item) -> Any:
        (answer,) = self.map([item])
        self.lacked += isinstance(answer, Lacks)
        return answer


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


def test_where_a_walk_goes_on_is_told_before_it_gets_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when it was told too far once: what was live at one point is not what is live at the next."""
    monkeypatch.setattr(ahead_room, "LOOK_EVERY_S", -1.0)
    rig = rig_on("demo")
    engine = Eager(rig_on("demo"))
    closure(rig, engine, attempts=2).explore()
    assert engine.put > 100
    assert 6 * engine.urgent < engine.put


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
    runner.foresee(one_by_one(states), lambda: None)


def one_by_one(states: Sequence[DeviceState]) -> Callable[[], Asked | None]:
    left: list[Asked] = [(state, None) for state in states]
    return lambda: left.pop(0) if left else None


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


@pytest.fixture
def unlike(rig: UpdateRig) -> list[DeviceState]:
    """States of which none tells what happens from another."""
    return [replace(rig.initial(1), ram=(("word", n),)) for n in range(6)]


@pytest.fixture
def engine(rig: UpdateRig, monkeypatch: pytest.MonkeyPatch) -> Eager:
    monkeypatch.setattr(ahead_room, "LOOK_EVERY_S", -1.0)
    return Eager(rig)


def test_what_comes_later_is_begun_when_nothing_sooner_comes_to_mind(
    rig: UpdateRig, engine: Eager, unlike: list[DeviceState], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead_room, "PER_JOB", 1)
    monkeypatch.setattr(engine, "jobs", 1)
    runner = runner_on(engine, rig)
    runner.foresee(one_by_one(unlike[3:]), one_by_one(unlike[:3]))
    begun: dict[tuple[tuple[str, int], ...], None] = {}
    answer = engine.answer
    monkeypatch.setattr(engine, "answer", lambda item: (begun.setdefault(item.state.ram), answer(item))[1])
    for _ in range(40):
        runner.go_on()
    words = [n for _, n in chain(*begun)]
    assert words == [3, 4, 5, 0, 1, 2]
    put = engine.put
    assert all(each.executed for each in asked(runner, *unlike[:3]))
    assert engine.put == put


def test_only_so_much_is_begun_because_it_comes_later(
    rig: UpdateRig, engine: Eager, unlike: list[DeviceState], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead_room, "LATER_PER_JOB", 2)
    runner = runner_on(engine, rig)
    runner.foresee(lambda: None, one_by_one(unlike))
    for _ in range(20):
        runner.go_on()
    stretches = [len(RunCache(rig).session(each).pieces) for each in unlike]
    assert engine.put == sum(stretches[: 2 * engine.jobs]) < sum(stretches)
    asked(runner, *unlike[: 2 * engine.jobs])
    runner.go_on()
    assert engine.put > sum(stretches[: 2 * engine.jobs])
    asked(runner, *unlike)
    assert engine.put == sum(stretches)


def test_what_comes_later_is_not_forgotten_for_guesses(
    rig: UpdateRig, engine: Eager, unlike: list[DeviceState], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead_room, "KEPT_PER_JOB", 1)
    runner = runner_on(engine, rig)
    for guess, later in ((unlike[:0], unlike[:2]), (unlike[2:], unlike[:0])):
        runner.foresee(one_by_one(guess), one_by_one(later))
        for _ in range(20):
            runner.go_on()
    put = engine.put
    asked(runner, *unlike[:2])
    assert engine.put == put
    asked(runner, *unlike[2:])
    assert engine.put > put


def test_a_state_that_stands_twice_in_a_batch_is_put_once(rig: UpdateRig) -> None:
    engine = Eager(rig)
    sessions = asked(runner_on(engine, rig), *[rig.initial(0)] * 50)
    assert [session.executed for session in sessions] == [True, *[False] * 49]
    assert engine.put == len(sessions[0].pieces)


@pytest.mark.parametrize("board", ["stm32f103", "demo"])
def test_of_a_batch_nothing_is_executed_in_vain(board: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every edge of an update: most are recognised when it is their turn, and all are begun as early as can be."""
    monkeypatch.setattr(ahead_room, "PER_JOB", 1000)
    rig = rig_on(board)
    state, run = life(rig)[0]
    states = [child.state for child in EdgeWalker(rig, T1, ()).children(state, run)]
    cache, engine = RunCache(rig), Eager(rig)
    assert len(list(Runner(rig, cache, engine).sessions([(each, None) for each in states]))) == len(states)
    assert engine.put - engine.lacked == cache.misses < len(states)


@pytest.mark.parametrize("board", ["stm32f103", "demo"])
def test_what_leaves_elsewhere_is_not_recognised_by_what_is_learned_then(board: str) -> None:
    rig = rig_on(board)
    state, run = life(rig)[0]
    states = [child.state for child in EdgeWalker(rig, T1, ()).children(state, run)][::3]
    cache = RunCache(rig)
    alike = elsewhere = 0
    for known in range(0, len(states), 7):
        cache.session(states[known])
        left = [(each, mark) for each in states if not isinstance(mark := cache.foreseen(each), Piece)]
        if not left:
            break
        (first, mark), *others = left
        cache.session(first)
        for each, own in others:
            recognised = isinstance(cache.foreseen(each), Piece)
            assert not recognised or own == mark
            alike += recognised
            elsewhere += own != mark
    assert min(alike, elsewhere) > 0


def test_the_runner_looks_at_a_tick_each_time(rig: UpdateRig) -> None:
    ticks: list[int] = []
    states: Sequence[Asked] = [(rig.initial(0), None), (rig.initial(1), None)]
    list(runner_on(Eager(rig), rig).sessions(states, lambda: ticks.append(1)))
    assert len(ticks) >= 2
