"""The timed sweep on a rig whose time is a number: what is found, how often it comes back, what is never claimed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emu.campaign.sweep import Sweep, SweepOptions, cut_times
from emu.campaign.sweep_token import time_of, time_token
from emu.campaign.sweep_verdict import AFTER, BEFORE, ON_TRIAL, SweepVerdict
from emu.errors import NothingToRun, RigLost, ScenarioError, TokenError
from emu.report.sweep import sweep_text, to_sweep_document, to_sweep_junit
from emu.rig import Capabilities, Input, Outcome
from emu.timed_rig import Said, SaidKind, Stay

ALL = ("boots", "whole", "durable", "reverts", "retries")
RUNS_OLD = Outcome("settled", image="old", committed=True)
RUNS_NEW = Outcome("settled", image="new", committed=True)
TRIAL_MS, COMMIT_MS = 800.0, 1000.0


def stay(outcome: Outcome, *kinds: SaidKind) -> Stay:
    return Stay(tuple(Said(kind, f"{kind} line", 1.0) for kind in kinds), outcome, tail=("a line", *kinds))


OLD_STAY, NEW_STAY = stay(RUNS_OLD, "old", "committed"), stay(RUNS_NEW, "new", "committed")


NOTHING = Capabilities(snapshot=False, tears=False, deterministic=False, virtual_time=False)


@dataclass
class Numbers:
    """A device that enters the new image at TRIAL_MS of its update and commits at COMMIT_MS. ``wrong``: what comes up
    instead, by the time of the cut (infinite: none) and how many updates began."""

    wrong: Callable[[float, int], Stay | None] = lambda at_ms, updates: None
    checks: tuple[str, ...] = ALL
    lost_after: int = 10**9
    retry: Stay | None = None
    capabilities: Capabilities = NOTHING
    name: ClassVar[str] = "numbers"
    notes: ClassVar[tuple[str, ...]] = ("a note of the rig",)
    lacks: ClassVar[Mapping[str, str]] = {"wear": "a console does not show erases"}
    inputs: ClassVar[Mapping[str, Input]] = {
        "rig": Input("my rig.toml", "11112222" * 8), "update": Input("new.bin, 7 bytes", "33334444" * 8),
    }  # fmt: skip
    updates: int = 0
    calls: list[str] = field(default_factory=list)
    cut_at: float | None = None
    is_on: bool = False

    def restore(self) -> None:
        assert not self.is_on
        self.calls.append("restore")
        if self.calls.count("restore") > self.lost_after:
            raise RigLost("restore: the programmer is gone")
        self.cut_at = None

    def power_on(self) -> Stay:
        assert not self.is_on
        self.is_on = True
        if self.cut_at is None:
            return OLD_STAY
        right = NEW_STAY if self.cut_at >= COMMIT_MS else OLD_STAY
        return self.wrong(self.cut_at, self.updates) or right

    def update(self, cut_ms: float | None) -> Stay:
        assert self.is_on
        self.updates += 1
        retry = self.retry if cut_ms is None and self.cut_at is not None else None
        self.cut_at = float("inf") if cut_ms is None else cut_ms
        events: list[tuple[float, SaidKind]] = [(TRIAL_MS, "new"), (TRIAL_MS, "trial"), (COMMIT_MS, "committed")]
        said = tuple(Said(kind, f"{kind} line", at_ms) for at_ms, kind in events if at_ms <= self.cut_at)
        if cut_ms is None:
            return retry or Stay(said, RUNS_NEW)
        self.is_on = False
        return Stay(said, Outcome("cut"), cut_ms + 0.5, ("a line",))

    def power_off(self) -> None:
        self.is_on = False
        self.calls.append("off")


def window(first: float, last: float, what: Stay) -> Callable[[float, int], Stay | None]:
    return lambda at_ms, updates: what if first <= at_ms < last else None


DEAD = stay(Outcome("halted", detail="no config"), "dead")


def swept(rig: Numbers, cuts: int = 20, **options: object) -> SweepVerdict:
    return Sweep(rig, SweepOptions(cuts=cuts, **options)).explore()  # type: ignore[arg-type]


# -- what is claimed ---------------------------------------------------------------------------------------


def test_a_right_device_is_sampled_and_never_held() -> None:
    verdict = swept(Numbers())
    assert (verdict.word, verdict.exit_code, verdict.findings) == ("sampled", 0, [])
    assert (verdict.length_ms, verdict.coverage.cuts, verdict.planned) == (COMMIT_MS, 21, 21)
    assert verdict.coverage.reached == {BEFORE: 16, ON_TRIAL: 4, AFTER: 1}
    assert verdict.coverage.late_ms == 0.5
    assert {result.name: result.result for result in verdict.results} == dict.fromkeys(ALL, "nothing found") | {
        "wear": "left out"
    }
    for text in (sweep_text(verdict), json.dumps(to_sweep_document(verdict)), to_sweep_junit(verdict)):
        assert "sampled" in text
        assert "held" not in text


def test_the_device_is_restored_before_every_cut_and_off_in_the_end() -> None:
    rig = Numbers()
    swept(rig, cuts=5)
    assert rig.calls.count("restore") == 6
    assert not rig.is_on


# -- what is found -----------------------------------------------------------------------------------------


def test_a_dead_device_is_found_at_its_times_and_tried_again() -> None:
    verdict = swept(Numbers(window(400, 600, DEAD)))
    (finding,) = verdict.findings
    times = [one.at_ms for one in finding.sightings]
    assert finding.check == "boots" and str(finding.middle.message) == "bricked: no config"
    assert len(times) == 4 and all(at_ms is not None and 400 <= at_ms < 600 for at_ms in times)
    assert times == sorted(times)  # type: ignore[type-var]
    assert finding.middle.at_ms == times[1]
    assert (finding.tried, finding.reproduced, verdict.coverage.again) == (3, 3, 3)
    assert (verdict.word, verdict.exit_code) == ("findings", 1)


def test_how_often_a_finding_comes_back_is_said_as_it_is() -> None:
    verdict = swept(Numbers(lambda at_ms, updates: DEAD if 400 <= at_ms < 600 and updates % 4 else None), tries=8)
    (finding,) = verdict.findings
    assert finding.tried == 8
    assert 0 < finding.reproduced < 8
    assert f"{finding.reproduced} of 8 cuts at" in sweep_text(verdict)


CASES: dict[str, tuple[str, str, Callable[[float, int], Stay | None]]] = {
    "silent": ("boots", "hangs: no image", window(0, 100, stay(Outcome("hung", detail="no image says so")))),
    "torn": ("whole", "neither of the known ones: 'unknown line'",
             window(0, 100, stay(Outcome("settled", image="unknown"), "unknown"))),
    "lost": ("durable", "commit had returned, and the old image runs again",
             lambda at_ms, updates: OLD_STAY if at_ms == float("inf") and updates == 1 else None),
    "lost-later": ("durable", "the old image runs again",
                   window(0, 100, stay(RUNS_OLD, "new", "trial", "committed", "old", "committed"))),
    "again": ("reverts", "entered a second time", window(900, 1000, stay(RUNS_NEW, "new", "trial", "committed"))),
    "stays": ("reverts", "stays without commit",
              window(0, 100, stay(Outcome("settled", image="new", committed=False), "new"))),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_each_check_has_a_device_it_catches(name: str) -> None:
    check, message, wrong = CASES[name]
    verdict = swept(Numbers(wrong))
    assert [finding.check for finding in verdict.findings] == [check]
    assert message in verdict.findings[0].middle.message
    assert verdict.results[ALL.index(check)].result == "broken"
    left_out = swept(Numbers(wrong, checks=tuple(one for one in ALL if one != check)))
    assert left_out.findings == []


def test_an_update_that_cannot_be_repeated_is_found() -> None:
    verdict = swept(Numbers(retry=stay(RUNS_OLD, "old", "committed"), wrong=window(0, 100, OLD_STAY)))
    (finding,) = verdict.findings
    assert finding.check == "retries"
    assert finding.middle.message == "one more uncut update ends with: old image runs, committed"


def test_a_commit_that_was_not_said_is_not_owed() -> None:
    """Old or new after a cut on trial: both are right, and so is a second entry after the commit was said."""
    assert swept(Numbers(window(800, 1000, NEW_STAY))).findings == []
    late = window(900, 1000, stay(RUNS_NEW, "new", "committed"))
    assert swept(Numbers(late)).findings == []


def test_findings_of_one_sort_are_one_and_checks_have_an_order() -> None:
    def wrong(at_ms: float, updates: int) -> Stay | None:
        return stay(Outcome("halted", detail=f"panic at {at_ms}")) if at_ms < 300 else CASES["stays"][2](at_ms - 300, 0)

    verdict = swept(Numbers(wrong))
    assert [(one.check, one.sort, len(one.sightings)) for one in verdict.findings] == [
        ("boots", "halted", 6), ("reverts", "stays", 2),
    ]  # fmt: skip


# -- what ends it early ------------------------------------------------------------------------------------


def test_a_rig_that_is_lost_leaves_what_is_known() -> None:
    lost = swept(Numbers(lost_after=5))
    assert (lost.word, lost.exit_code, lost.complete) == ("inconclusive", 3, False)
    assert lost.notes[-1] == "restore: the programmer is gone"
    assert lost.coverage.cuts == 5
    found = swept(Numbers(window(0, 1000, DEAD), lost_after=5))
    assert (found.word, found.exit_code, found.complete) == ("findings", 1, False)
    assert found.findings[0].tried == 0
    assert "not tried: the sweep ended before" in sweep_text(found)


def test_a_device_that_does_not_come_back_is_a_lost_rig() -> None:
    class Stuck(Numbers):
        def power_on(self) -> Stay:
            stays = super().power_on()
            return DEAD if self.calls.count("restore") > 2 else stays

    verdict = Sweep(Stuck(), SweepOptions(cuts=4)).explore()
    assert verdict.word == "inconclusive"
    assert verdict.notes[-1] == (
        "the old image is not back after a restore: bricked: no config (the console said last: 'dead')"
    )


def test_a_budget_ends_it() -> None:
    verdict = swept(Numbers(), budget_s=1e-9)
    assert (verdict.word, verdict.notes[-1], verdict.coverage.cuts) == ("inconclusive", "the budget is spent", 1)


def test_the_user_ends_it() -> None:
    def interrupted(at_ms: float, updates: int) -> Stay | None:
        if updates > 3:
            raise KeyboardInterrupt
        return None

    verdict = swept(Numbers(interrupted))
    assert (verdict.interrupted, verdict.complete, verdict.word) == (True, False, "inconclusive")
    assert verdict.notes[-1] == "stopped by the user"


def test_what_does_not_work_uncut_is_not_swept() -> None:
    class Bricked(Numbers):
        def power_on(self) -> Stay:
            return DEAD

    class Refuses(Numbers):
        def update(self, cut_ms: float | None) -> Stay:
            return OLD_STAY

    with pytest.raises(ScenarioError, match="as restored does not run the old image: bricked: no config"):
        swept(Bricked())
    with pytest.raises(ScenarioError, match="the uncut update ends with: old image runs, committed"):
        swept(Refuses())
    with pytest.raises(NothingToRun, match="no check is left"):
        swept(Numbers(checks=()))


def test_a_rig_that_could_be_tested_exactly_is_refused() -> None:
    for able in (Capabilities(True, False, False, False), Capabilities(False, True, False, False)):
        with pytest.raises(ScenarioError, match="a sweep would only sample it"):
            swept(Numbers(capabilities=able))


# -- times and tokens --------------------------------------------------------------------------------------


@given(st.integers(1, 200), st.integers(0, 1 << 62))
def test_every_part_of_the_update_has_its_cut(cuts: int, seed: int) -> None:
    times = cut_times(1000.0, cuts, seed)
    assert sorted(int(at_ms * cuts / 1000 + 1e-6 * cuts) for at_ms in times) == pytest.approx(range(cuts), abs=1)
    assert len(times) == cuts and all(0 <= at_ms <= 1000 for at_ms in times)
    assert times == cut_times(1000.0, cuts, seed)


def test_times_cover_the_update_coarsely_at_once_and_follow_the_seed() -> None:
    first = sorted(cut_times(1000.0, 64, 1)[:8])
    assert [int(at_ms // 125) for at_ms in first] == list(range(8))
    assert cut_times(1000.0, 64, 1) != cut_times(1000.0, 64, 2)


def test_a_finding_replays_at_its_time() -> None:
    rig = Numbers(window(400, 600, DEAD))
    verdict = swept(rig)
    token = time_token(verdict.inputs, verdict.findings[0].middle.at_ms)
    assert f"brownout sweep 'my rig.toml' --at {token}" in sweep_text(verdict)
    again = Sweep(rig, SweepOptions(at_ms=(time_of(token, rig.inputs),), tries=2)).explore()
    assert (again.word, again.findings[0].tried, again.findings[0].reproduced) == ("findings", 2, 2)
    assert again.coverage.cuts == again.planned == 2


def test_a_replay_that_finds_nothing_shows_nothing() -> None:
    verdict = Sweep(Numbers(), SweepOptions(at_ms=(10.0, None))).explore()
    assert (verdict.word, verdict.exit_code, verdict.complete) == ("inconclusive", 3, True)
    assert sweep_text(verdict).startswith("inconclusive: not reproduced in 6 cuts; a time is not a place")
    assert "not reproduced" in to_sweep_junit(verdict)


@given(st.one_of(st.none(), st.integers(0, 10**12)))
def test_tokens_name_times_to_the_microsecond(us: int | None) -> None:
    at_ms = None if us is None else us / 1000
    assert time_of(time_token(Numbers.inputs, at_ms), Numbers.inputs) == at_ms


def test_a_token_of_something_else_is_refused() -> None:
    token = time_token(Numbers.inputs, 1.0)
    others = {**Numbers.inputs, "update": Input("other.bin", "0" * 64)}
    with pytest.raises(TokenError, match=r"made with another update .token 33334444, given 00000000: other\.bin"):
        time_of(token, others)
    with pytest.raises(TokenError, match="is no token of brownout sweep"):
        time_of(token[:-1] + "x", Numbers.inputs)


# -- reports -----------------------------------------------------------------------------------------------


def test_the_documents_have_the_same_facts() -> None:
    verdict = swept(Numbers(window(400, 600, DEAD)))
    document = to_sweep_document(verdict)
    assert (document["schema"], document["verdict"], document["cuts"]) == ("brownout/sweep/1", "findings", 21)
    assert document["findings"][0]["reproduced"] == document["findings"][0]["tried_again"] == 3
    assert len(document["findings"][0]["times_ms"]) == 4
    assert document["uncut"][-1] == {"at_ms": 1000.0, "kind": "committed", "line": "committed line"}
    suite = ElementTree.fromstring(to_sweep_junit(verdict).split("\n", 1)[1])
    cases = {case.get("name"): case for case in suite.findall("testcase")}
    assert list(cases) == [*ALL, "wear"]
    failure = cases["boots"].find("failure")
    assert failure is not None and failure.text is not None and "--at bt1:" in failure.text
    assert cases["wear"].find("skipped") is not None
    assert {key: suite.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "6", "failures": "1", "errors": "0", "skipped": "1",
    }  # fmt: skip


def test_a_check_that_nothing_exercised_is_no_success() -> None:
    verdict = Sweep(Numbers(), SweepOptions(at_ms=(10.0,))).explore()
    results = {result.name: result.result for result in verdict.results}
    assert (results["durable"], results["reverts"], results["boots"]) == ("not exercised",) * 2 + ("nothing found",)
    assert "NOT EXERCISED" in sweep_text(verdict)
    suite = ElementTree.fromstring(to_sweep_junit(verdict).split("\n", 1)[1])
    assert (suite.get("skipped"), suite.get("errors")) == ("3", "1")
