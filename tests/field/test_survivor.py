"""A variable that survives a reset: no campaign finds it, a fresh interpreter does."""

from __future__ import annotations

import pytest

from emu.campaign.engines import WorkSpec
from emu.campaign.explore import Explorer, Options
from emu.campaign.fresh import record_of, repeat_in_fresh_interpreter
from emu.rig import DeviceState
from flash.tears import TEAR_SETS
from tests.campaigns.exhaustive import exhaustive
from tests.field.bug import BOUNDS
from tests.field.survivor import make

NONE = TEAR_SETS["none"]


def spec(variant: str) -> WorkSpec:
    return WorkSpec("tests.field.survivor:make", (variant,))


def states(variant: str) -> list[DeviceState]:
    """Every state clean cuts lead to."""
    return [device for device, _ in exhaustive(make(variant), BOUNDS, NONE).runs.values()]


@pytest.mark.parametrize("variant", ["wrong", "right"])
def test_no_cut_shows_it(variant: str) -> None:
    verdict = Explorer(make(variant), BOUNDS, Options(tears=TEAR_SETS["T1"], depth=2)).explore()
    assert (verdict.word, verdict.findings) == ("held", [])


def test_sessions_of_the_wrong_one_differ_in_a_fresh_interpreter() -> None:
    found = repeat_in_fresh_interpreter(spec("wrong"), states("wrong"))
    assert found
    assert any("the primary image says it has 255 bytes" in difference.what for difference in found)


def test_sessions_of_the_right_one_are_the_same_everywhere() -> None:
    sampled = states("right")
    assert len(sampled) > 5
    assert repeat_in_fresh_interpreter(spec("right"), sampled) == []


def test_every_session_gets_an_interpreter_of_its_own() -> None:
    """The factory state is repeated after all others, and is as unspoilt as if it came first."""
    factory, *others = states("wrong")
    found = repeat_in_fresh_interpreter(spec("wrong"), [*others, factory])
    assert len(others) not in {difference.number for difference in found}


def test_a_record_is_of_the_run_and_of_nothing_else() -> None:
    state = make("right").initial(1)
    assert record_of(make("right").run(state)) == record_of(make("right").run(state))
    assert record_of(make("right").run(state)) != record_of(make("right").run(make("right").initial(0)))
