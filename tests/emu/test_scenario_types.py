"""What a Scenario is made of: a wrong type is one line that names the field, what was given and what it takes."""

from __future__ import annotations

from typing import Any

import pytest

from emu.board import CheckEntry, TimerEntry
from emu.errors import ScenarioError
from emu.plain_rig import PlainRig
from emu.proof import Ask, prove
from emu.reset import Reset
from emu.scenario import Scenario, Window
from emu.source import Source
from flash import put

A = {"a": Window(0, 0x1000)}


def boot(reset: Reset) -> None:
    put(reset.flash["a"], 0, b"\x00")


def scenario(**given: Any) -> Scenario:
    whole: dict[str, Any] = {"firmware": boot, "parts": "w25q128jv", "windows": A}
    return Scenario(**(whole | given))


def refused(**given: Any) -> str:
    with pytest.raises(ScenarioError) as wrong:
        PlainRig(scenario(**given))
    assert "\n" not in str(wrong.value)
    return str(wrong.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"firmware": "boot"}, "firmware: 'boot' does not fit: it takes a function that is called at every reset"),
        ({"parts": 5}, "parts: 5 does not fit: it takes a part, the name of one, or a dict of them"),
        ({"parts": {}}, "parts: {} does not fit"),
        ({"parts": {"flash": 5}}, "parts['flash']: 5 does not fit: it takes a part, or the name of one"),
        ({"windows": ["a"]}, """windows: ['a'] does not fit: it takes a dict, like {"slot": Window(0, 0x1000)}"""),
        ({"windows": {"a": (0, 0x1000)}}, "windows['a']: (0, 4096) does not fit: it takes a Window"),
        ({"windows": {1: Window(0, 0x1000)}}, "windows, a name: 1 does not fit: it takes names that are strings"),
        ({"windows": {"a": Window("0", 0x1000)}}, "windows['a'], offset: '0' does not fit"),  # type: ignore[arg-type]
        ({"windows": {"a": Window(0, 4096.0)}}, "windows['a'], size: 4096.0 does not fit"),  # type: ignore[arg-type]
        ({"windows": {"a": Window(0, 4096, 1)}}, "windows['a'], chip: 1 does not fit"),  # type: ignore[arg-type]
        ({"factory": b"x"}, """factory: b'x' does not fit: it takes a dict, like {"slot": b"content"}"""),
        ({"factory": {"a": "text"}}, "factory['a']: 'text' does not fit: it takes bytes"),
        ({"images": {"old": "text\n" * 99}}, "images['old']: 'text\\ntext"),
        ({"work": "text"}, "work: 'text' does not fit: it takes bytes"),
        ({"commits": "yes"}, "commits: 'yes' does not fit: it takes True or False"),
        ({"timers": 8}, "timers: 8 does not fit: it takes a TimerEntry, like TimerEntry(watchdog_s=8)"),
        ({"timers": TimerEntry(watchdog_s="8")}, "timers: TimerEntry("),  # type: ignore[arg-type]
        ({"oracles": [boot]}, "does not fit: it takes a list of Oracle"),
        ({"fine": "a"}, """fine: 'a' does not fit: it takes a list of windows, like ["config"]"""),
        ({"checks": "boots"}, """checks: 'boots' does not fit: it takes a list of checks, like ["boots"]"""),
        ({"checks": ["bots"]}, "checks: there is no 'bots' (did you mean `boots`?)"),
        ({"checks": []}, "checks: [] does not fit"),
        ({"checks": CheckEntry(max_resets=0)}, "checks: CheckEntry("),
        ({"stuck_after_s": 0}, "stuck_after_s: 0 does not fit: it takes host seconds, more than 0"),
        ({"stuck_after_s": -1.5}, "stuck_after_s: -1.5 does not fit"),
        ({"stuck_after_s": float("nan")}, "stuck_after_s: nan does not fit"),
        ({"name": 5}, "name: 5 does not fit: it takes a string"),
    ],
)
def test_a_wrong_type_is_one_line(given: dict[str, Any], said: str) -> None:
    assert said in refused(**given)


def test_a_scenario_of_a_file_is_named() -> None:
    assert refused(commits=1, source=Source("own.py", "device", "0")).startswith("own.py:device: commits: 1 does not")


def test_windows_share_no_sector() -> None:
    shared = {"a": Window(0, 0x2000), "b": Window(0x1000, 0x1000)}
    assert refused(windows=shared) == "windows 'a' and 'b' overlap: give each sector to one of them"
    apart = {"a": Window(0, 0x1000), "b": Window(0x1000, 0x1000), "c": Window(0x2000, 0x1000)}
    PlainRig(scenario(windows=apart))
    chips = {"one": "w25q128jv", "other": "w25q128jv"}
    PlainRig(scenario(parts=chips, windows={"a": Window(0, 0x1000, "one"), "b": Window(0, 0x1000, "other")}))


def test_checks_may_be_names() -> None:
    assert PlainRig(scenario(checks=["boots", "wear", "boots"])).bounds == CheckEntry(apply=("boots", "wear"))
    proof = prove(scenario(checks=["boots"]))
    assert proof.held
    assert set(proof.verdict.checks) == {"boots"}


@pytest.mark.parametrize("thing", [boot, None, 5])
def test_what_is_no_scenario_is_told_so(thing: Any) -> None:
    with pytest.raises(ScenarioError, match="is no Scenario; make "):
        prove(thing)


@pytest.mark.parametrize(("option", "value"), [("keep_going", "yes"), ("budget_s", float("nan")), ("budget_s", "5")])
def test_an_option_of_the_wrong_type_is_named(option: str, value: Any) -> None:
    with pytest.raises(ScenarioError, match=f"{option}: "):
        Ask(**{option: value})
