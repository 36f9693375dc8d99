"""The pytest plugin, used by test files of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

SCENARIO = """
from emu.scenario import Scenario, Window
from flash import put, wipe

def wrong(reset):
    flash = reset.flash["flag"]
    if flash.read(0, 1) not in (b"\\xff", b"\\x00"):
        return "torn"
    put(flash, 0, b"\\x00")

def right(reset):
    put(reset.flash["flag"], 0, b"\\x00")

def scenario(firmware):
    return Scenario(firmware, "w25q128jv", windows={"flag": Window(0, 0x1000)}, name="flag")
"""
TORN = """
import pytest
from flash import put

@pytest.mark.power_cuts(part="W25Q80DL")
def test_torn(flash):
    assert flash.read(0, 1) in (b"\\xff", b"\\x00"), "torn"
    put(flash, 0, b"\\x00")

@pytest.mark.power_cuts(part="W25Q80DL")
def test_right(flash):
    put(flash, 0, b"\\x00")
"""


def run(pytester: pytest.Pytester, text: str, *options: str) -> pytest.RunResult:
    pytester.makepyfile(scenarios=SCENARIO)
    pytester.makepyfile(test_it=text)
    plugins = ("-p", "no:hypothesispytest", "-p", "no:benchmark", *(() if "xdist" in options else ("-p", "no:xdist")))
    return pytester.runpytest_subprocess("--strict-markers", *plugins, "-q", *options)


def token_in(result: pytest.RunResult) -> str:
    """The one there is. Where ``CI`` is set, pytest's short summary says every message again."""
    (token,) = {line.rpartition(" ")[2] for line in result.outlines if "--brownout-replay bo1:" in line}
    return token


@pytest.fixture
def token(pytester: pytest.Pytester) -> str:
    """That of TORN, which is the same in every run."""
    if not _tokens:
        _tokens.append(token_in(run(pytester, TORN)))
    return _tokens[0]


_tokens: list[str] = []


def test_a_body_is_run_under_every_cut(pytester: pytest.Pytester) -> None:
    result = run(pytester, TORN)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "boots: bricked: the test fails: AssertionError: torn*1 cut*",
            "*POWER CUT inside program of 1 bytes at flash 0x0*",
            "BROKEN boots:*",
            "the last failure at *test_it.py:6: AssertionError: torn",
            "",
            'replay: pytest "test_it.py::test_torn" --brownout-replay bo1:*',
            "=* short test summary info *=",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")


def test_a_token_replays_in_its_own_test_alone(pytester: pytest.Pytester, token: str) -> None:
    again = run(pytester, TORN, "--brownout-replay", token)
    again.assert_outcomes(failed=1, skipped=1)
    assert token_in(again) == token
    fixed = TORN.replace('assert flash.read(0, 1) in (b"\\xff", b"\\x00"), "torn"', "pass")
    cured = run(pytester, fixed, "--brownout-replay", token, "-rs")
    cured.assert_outcomes(passed=1, skipped=1)
    assert cured.ret == 0
    cured.stdout.fnmatch_lines(["SKIPPED * test_it.py:*: the token of --brownout-replay is of another test*"])
    cured.stdout.no_fnmatch_line("*no test took the token*")


@pytest.mark.parametrize("options", [(), ("-k", "right"), ("-p", "xdist", "-n", "2")])
def test_a_token_that_no_test_took_is_no_success(
    pytester: pytest.Pytester, options: tuple[str, ...], token: str
) -> None:
    other = TORN if "-k" in options else TORN.replace("test_torn", "test_other")
    nobody = run(pytester, other, "--brownout-replay", token, *options)
    assert nobody.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    nobody.stdout.fnmatch_lines(["brownout: no test took the token of --brownout-replay: nothing was replayed"])
    if "xdist" in options:
        taken = run(pytester, TORN, "--brownout-replay", token, *options)
        assert taken.ret == 1
        taken.stdout.no_fnmatch_line("*no test took the token*")


def test_a_scenario_of_wrong_types_is_one_line(pytester: pytest.Pytester) -> None:
    text = """
import pytest
from scenarios import right
@pytest.mark.power_cuts(timers=5)
def test_timers(flash): pass
@pytest.mark.power_cuts(windows={"a": (0, 100)})
def test_windows(flash): pass
def test_function(campaign): campaign(right)
@pytest.mark.power_cuts(checks=["boots"])
def test_checks(flash): flash.program(0, b"\\x00")
"""
    result = run(pytester, text)
    result.assert_outcomes(passed=1, failed=3)
    result.stdout.fnmatch_lines(
        ["timers: 5 does not fit*", "windows*: (0, 100) does not fit*", "<function right at *> is no Scenario; make *"]
    )
    result.stdout.no_fnmatch_line("*Error*")


def test_what_was_found_is_tried_first_the_next_time(pytester: pytest.Pytester) -> None:
    swapped = TORN.replace("test_torn", "test_z").replace("test_right", "test_a")
    text = swapped + "\n@pytest.mark.power_cuts()\ndef test_last(flash):\n    put(flash, 0, b'\\x07')\n"
    text = text.replace("def test_z", "def test_middle")
    text = "import pytest\nfrom flash import put\n\ndef test_first():\n    pass\n" + text
    assert run(pytester, text, "-vv").parseoutcomes()["failed"] == 1
    second = run(pytester, text, "-vv")
    shown = [line for line in second.outlines if "::test_" in line and ("PASSED" in line or "FAILED" in line)]
    assert "test_middle" in shown[0]
    second.stdout.fnmatch_lines(["remembered from an earlier run: boots: bricked*"])
    fixed = text.replace('assert flash.read(0, 1) in (b"\\xff", b"\\x00"), "torn"', "pass")
    assert "failed" not in run(pytester, fixed).parseoutcomes()
    third = run(pytester, fixed, "-vv")
    shown = [line for line in third.outlines if "::test_" in line and "PASSED" in line]
    assert "test_first" in shown[0], "what was fixed is forgotten"


def test_without_a_cache_nothing_is_remembered_and_all_else_works(pytester: pytest.Pytester) -> None:
    for _ in range(2):
        result = run(pytester, TORN, "-p", "no:cacheprovider")
        result.assert_outcomes(passed=1, failed=1)
        result.stdout.no_fnmatch_line("remembered*")


def test_a_campaign_on_a_scenario(pytester: pytest.Pytester) -> None:
    text = """
from scenarios import right, scenario, wrong

def test_right(campaign):
    assert campaign(scenario(right), depth="any").held

def test_wrong(campaign):
    campaign(scenario(wrong), tears="T1")

def test_wrong_with_clean_cuts(campaign):
    campaign(scenario(wrong), tears="none")
"""
    result = run(pytester, text)
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["boots: bricked: torn*"])
    again = run(pytester, text, "--brownout-replay", token_in(result))
    assert again.parseoutcomes()["failed"] >= 1


WRONG = [
    ("@pytest.mark.power_cuts(tear='T1')", "flash", "pass", "*takes no 'tear' (did you mean `tears`?)*"),
    ("@pytest.mark.power_cuts(tears='T9')", "flash", "pass", "tears: there is no 'T9' (*"),
    ("@pytest.mark.power_cuts(depth=3)", "flash", "pass", "depth: there is no 3 (known: 1, 2, any)"),
    ("@pytest.mark.power_cuts(attempts=-1)", "flash", "pass", "attempts: -1 is no number from 0 to 8"),
    ("@pytest.mark.power_cuts(events='reset')", "flash", "pass", "events: 'reset' is one word*"),
    ("@pytest.mark.power_cuts('w25q128jv')", "flash", "pass", "*takes names*"),
    ("@pytest.mark.power_cuts(part='w25q')", "flash", "pass", "no part named 'w25q'*"),
    ("@pytest.mark.power_cuts()", "flash", "pass", "never wrote to flash*"),
    ("@pytest.mark.power_cuts()", "flash", "flash.read(0, 4)", "never wrote to flash*"),
    ("", "campaign", "pass", "*took the fixture `campaign` and ran none*"),
    ("", "campaign", "campaign(None, depth='all')", "depth: there is no 'all' (known: 1, 2, any)"),
    ("", "reset", "pass", "the fixture `reset` is for tests with @pytest.mark.power_cuts"),
]


def test_what_is_asked_for_wrongly_is_one_line_and_the_run_goes_on(pytester: pytest.Pytester) -> None:
    tests = [
        f"{marker}\ndef test_wrong_{number}({fixture}):\n    {body}\n"
        for number, (marker, fixture, body, _) in enumerate(WRONG)
    ]
    result = run(pytester, "\n".join(["import pytest\n", *tests, "def test_other(): pass\n"]))
    counted = result.parseoutcomes()
    assert counted["passed"] == 1
    assert sum(counted.get(word, 0) for word in ("failed", "errors")) == len(WRONG)
    lines = result.outlines
    for number, (_, _, _, said) in enumerate(WRONG):
        (heading,) = [
            at for at, line in enumerate(lines) if re.search(rf"_ (ERROR at setup of )?test_wrong_{number} _", line)
        ]
        assert fnmatch(lines[heading + 1], said), lines[heading + 1]
        assert lines[heading + 2].startswith(("_", "=")), "one line"


def test_a_body_that_fails_without_any_cut_is_an_ordinary_failure(pytester: pytest.Pytester) -> None:
    body = "    put(flash, 0, b'\\x00')\n    assert flash.read(0, 1) == b'\\x01'\n"
    result = run(
        pytester, f"import pytest\nfrom flash import put\n\n@pytest.mark.power_cuts()\ndef test_it(flash):\n{body}"
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([">*assert flash.read(0, 1) == b'\\x01'"])


def test_a_body_that_hangs_is_a_finding_and_the_run_goes_on(pytester: pytest.Pytester) -> None:
    text = """
import pytest
from flash import put

@pytest.mark.power_cuts(stuck_after_s=0.2)
def test_hangs(flash):
    if flash.read(0, 1) == b"\\xff":
        put(flash, 0, b"\\x00")
    while flash.read(0, 1) != b"\\x00":
        pass

def test_other(): pass
"""
    result = run(pytester, text)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["boots: hangs: *"])


def test_fixtures_without_a_marker(pytester: pytest.Pytester) -> None:
    text = """
def test_it(flash, board, device):
    assert device.board is board and board.name == "stm32f103"
    assert flash.part.name == "STM32F103"
    flash.erase(0, 1024)
"""
    pytester.makeini("[pytest]\nbrownout_part = STM32F103\nbrownout_board = stm32f103\n")
    run(pytester, text).assert_outcomes(passed=1)


def test_junit_has_what_a_campaign_covered_and_the_tokens(pytester: pytest.Pytester) -> None:
    result = run(pytester, TORN, "--junitxml=out.xml")
    text = (pytester.path / "out.xml").read_text(encoding="utf-8")
    assert text.count('name="brownout_digest"') == 2
    assert 'name="brownout_verdict" value="held"' in text
    assert f'name="brownout_token" value="{token_in(result)}"' in text


def test_it_works_with_xdist(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=TORN)
    result = pytester.runpytest_subprocess("-n", "2", "-q")
    result.assert_outcomes(passed=1, failed=1)
    again = pytester.runpytest_subprocess("-n", "2", "-q")
    again.stdout.fnmatch_lines(["remembered from an earlier run: *"])


def test_a_test_that_asks_for_nothing_costs_nothing(tmp_path: Path) -> None:
    """Nothing of brownout but the plugin is imported, and no library that takes long."""
    (tmp_path / "test_it.py").write_text("def test_it(): pass\n", encoding="utf-8")
    (tmp_path / "conftest.py").write_text(
        "import sys\n"
        "def pytest_sessionfinish():\n"
        "    ours = [n for n in sys.modules if n.split('.')[0] in ('emu', 'flash', 'numpy', 'click', 'msgspec')]\n"
        "    print('LOADED', sorted(ours))\n",
        encoding="utf-8",
    )
    ran = subprocess.run(
        [sys.executable, "-P", "-m", "pytest", "-q", "-s", "-p", "no:xdist"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "LOADED ['emu', 'emu.pytest_plugin']" in ran.stdout
