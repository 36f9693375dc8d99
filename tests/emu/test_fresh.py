"""Sessions repeated in a fresh interpreter: the same journal, or the first entry that differs."""

from __future__ import annotations

import os
import sys
import time
from contextlib import closing

import pytest

from emu.campaign import fresh
from emu.campaign.engines import WorkSpec
from emu.campaign.fresh import (
    Difference,
    FreshInterpreter,
    Record,
    differences,
    fresh_records,
    record_of,
    repeat_in_fresh_interpreter,
    rig_of,
)
from emu.errors import ScenarioError
from emu.plain_rig import PlainRig
from emu.reset import Reset
from emu.scenario import Scenario
from emu.update_rig import UpdateRig
from flash.journal import Interruption
from tests.emu.helpers import rig_on
from tests.flash.small_parts import SERIAL

_calls: list[str] = []


def talkative(what: str) -> PlainRig:
    """Prints, and does as it is told: nothing, raises, counts its calls, names the process it is forked from, takes
    its time, or ends everything."""

    def firmware(reset: Reset) -> None:
        print("hello from the firmware")
        _calls.append(what)
        if what == "counts":
            reset.flash["flash"].program(len(_calls), b"\x00")
        if what == "parent":
            reset.flash["flash"].program(0, os.getppid().to_bytes(4, "little"))
        if what == "sleeps":
            time.sleep(1)

    if what == "ends":
        print("that was it", file=sys.stderr, flush=True)
        os._exit(0)
    if what == "raises":
        raise ScenarioError("no such thing as this rig")
    return PlainRig(Scenario(firmware, SERIAL))


def demo() -> UpdateRig:
    return rig_on("demo")


def spec(what: str) -> WorkSpec:
    return WorkSpec("tests.emu.test_fresh:talkative", (what,))


def test_the_model_firmware_runs_alike_everywhere() -> None:
    rig = demo()
    states = [rig.initial(1), rig.run(rig.initial(1)).end, rig.run(rig.initial(1), Interruption(9)).end]
    assert repeat_in_fresh_interpreter(WorkSpec("tests.emu.test_fresh:demo"), states) == []


def test_what_is_kept_between_sessions_shows_in_all_but_the_first() -> None:
    _calls.clear()
    states = [talkative("counts").initial(1)] * 4
    found = repeat_in_fresh_interpreter(spec("counts"), states)
    assert [difference.number for difference in found] == [1, 2, 3]
    assert found[0].what == (
        "entry 0: program flash 0x2+1 00 [0, 160] us; where nothing has run before: program flash 0x1+1 00 [0, 160] us"
    )


def test_what_a_firmware_prints_is_no_answer() -> None:
    state = talkative("nothing").initial(1)
    assert fresh_records(spec("nothing"), [state]) == [record_of(talkative("nothing").run(state))]


def test_one_interpreter_answers_all_questions_and_each_session_is_its_first() -> None:
    with closing(FreshInterpreter(lambda: spec("parent"))) as other:
        state = talkative("parent").initial(1)
        (once,), (again, third) = other.records([state]), other.records([state] * 2)
        assert once == again == third != record_of(talkative("parent").run(state))
    with closing(FreshInterpreter(lambda: spec("counts"))) as other:
        assert {*other.records([state]), *other.records([state] * 2)} == set(fresh_records(spec("counts"), [state]))


def test_it_is_not_there_before_it_is_asked_nor_after_it_is_closed() -> None:
    other = FreshInterpreter(lambda: spec("nothing"))
    assert other._process is None
    other.records([talkative("nothing").initial(1)])
    process = other._process
    assert process is not None and process.poll() is None
    other.close()
    assert process.poll() is not None


def test_one_that_dies_is_told_with_its_last_words() -> None:
    with pytest.raises(ScenarioError, match="cannot repeat sessions: that was it"):
        fresh_records(spec("ends"), [talkative("nothing").initial(1)])


def test_one_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    state = talkative("nothing").initial(1)
    with closing(FreshInterpreter(lambda: spec("sleeps"))) as other:
        assert other.records([state])[0].lines[-1].startswith("Outcome")
        monkeypatch.setattr(fresh, "TIMEOUT_S", 0.1)
        with pytest.raises(ScenarioError, match="did not repeat 1 sessions in"):
            other.records([state])


def test_nothing_to_repeat_needs_no_interpreter() -> None:
    assert fresh_records(WorkSpec("nowhere:nothing"), []) == []


@pytest.mark.parametrize(
    ("factory", "data", "message"),
    [
        ("tests.emu.test_fresh:talkative", ("raises",), "no such thing as this rig"),
        ("tests.emu.test_fresh:missing", (), "no rig is made by 'tests.emu.test_fresh:missing'"),
        ("no.such.module:at_all", (), "No module named 'no'"),
        ("tests.emu.test_fresh", (), "no rig is made by 'tests.emu.test_fresh'"),
    ],
)
def test_a_rig_that_cannot_be_made_there_is_one_clear_line(factory: str, data: tuple[str, ...], message: str) -> None:
    with pytest.raises(ScenarioError) as wrong:
        fresh_records(WorkSpec(factory, data), [talkative("nothing").initial(1)])
    assert message in str(wrong.value)
    assert "\n" not in str(wrong.value)


@pytest.mark.parametrize("factory", ["tests.emu.test_fresh:missing", "no.such.module:at_all", "nocolon", ""])
def test_a_spec_that_names_nothing_says_what_to_give(factory: str) -> None:
    with pytest.raises(ScenarioError, match=r"give package\.module:function"):
        rig_of(WorkSpec(factory))


def test_the_first_difference_is_named() -> None:
    short, long, other = Record(("a", "b")), Record(("a", "b", "c")), Record(("a", "x"))
    assert differences([short, short, short], [short, long, other]) == [
        Difference(1, "2 lines; where nothing has run before: 3"),
        Difference(2, "entry 1: b; where nothing has run before: x"),
    ]
