"""Each bug of the field is found, at its depth and with its tears, with a token that replays; its right twin holds."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from emu.campaign.explore import Explorer, Options
from emu.campaign.judge import State
from emu.campaign.monitor import Monitor
from emu.campaign.replay import follow
from emu.campaign.token import parse_token, token_for
from emu.campaign.verdict import CutPath, Verdict
from emu.plain_rig import PlainRig
from flash.journal import Event, Operation
from flash.tears import TEAR_SETS
from flash.weak import RESOLUTIONS
from tests.campaigns.exhaustive import Explored, exhaustive
from tests.field import (
    after_the_last_erase,
    cycles,
    deferred_commit,
    disturbed,
    read_twice,
    second_interruption,
    single_config,
    torn_magic,
)
from tests.field.bug import FieldBug

BUGS = tuple(
    module.BUG
    for module in (
        torn_magic, after_the_last_erase, cycles, single_config, second_interruption, read_twice, disturbed,
        deferred_commit,
    )
)  # fmt: skip
LAYERED = tuple(bug for bug in BUGS if not bug.walked)


def each(bugs: tuple[FieldBug, ...]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("bug", bugs, ids=lambda bug: bug.name)


def explorer(rig: PlainRig, bug: FieldBug, tears: str, depth: int) -> Explorer:
    options = Options(tears=TEAR_SETS[tears], depth=depth, attempts=bug.attempts, keeps_new=rig.keeps_new)
    return Explorer(rig, bug.bounds, options)


@cache
def verdict(bug: FieldBug) -> Verdict:
    """What the layers find in the wrong one."""
    return explorer(bug.rig(bug.wrong), bug, bug.tears, bug.cuts).explore()


@cache
def walked(bug: FieldBug, tears: str) -> Explored:
    """What is in the wrong one at any depth."""
    return exhaustive(bug.rig(bug.wrong), bug.bounds, TEAR_SETS[tears], attempts=bug.attempts)


def broken_by(bug: FieldBug, path: CutPath) -> set[str]:
    """The checks a token breaks, for a rig and a judge that know nothing of the search."""
    rig = bug.rig(bug.wrong)
    token = parse_token(str(token_for(bug.attempts, rig.inputs, path)))
    return {breach.check for breach in follow(rig, explorer(rig, bug, bug.tears, 1).judge, token).breaches}


@each(BUGS)
def test_the_uncut_life_of_the_wrong_one_is_right(bug: FieldBug) -> None:
    rig = bug.rig(bug.wrong)
    chain = explorer(rig, bug, "none", 1).judge.chain(State(rig.initial(bug.attempts), Monitor()))
    assert chain.breaches == []
    assert chain.outcome.kind == "settled"


@each(LAYERED)
def test_it_is_found_with_as_many_cuts_as_it_takes(bug: FieldBug) -> None:
    found = [finding for finding in verdict(bug).findings if finding.key.check == bug.check]
    assert min(finding.cuts for finding in found) == bug.cuts
    assert {finding.key.check for finding in verdict(bug).findings} == {bug.check}


@each(LAYERED)
def test_its_token_replays(bug: FieldBug) -> None:
    assert bug.check in broken_by(bug, verdict(bug).findings[0].path)


@each(tuple(bug for bug in LAYERED if bug.milder))
def test_what_is_milder_does_not_show_it(bug: FieldBug) -> None:
    milder = explorer(bug.rig(bug.wrong), bug, bug.milder, bug.cuts).explore()
    assert (milder.word, milder.findings) == ("held", [])


@each(tuple(bug for bug in BUGS if not bug.milder))
def test_clean_cuts_at_any_depth_show_it_and_fewer_do_not(bug: FieldBug) -> None:
    found = walked(bug, "none")
    assert found.complete
    assert {check for check, _ in found.findings} == {bug.check}
    assert found.cuts(bug.check) == bug.cuts
    assert broken_by(bug, found.path(bug.check)) == {bug.check}


@each(tuple(bug for bug in BUGS if bug.milder == "none"))
def test_clean_cuts_at_any_depth_do_not_show_it(bug: FieldBug) -> None:
    found = walked(bug, "none")
    assert (found.complete, found.findings) == (True, set())


@each(BUGS)
def test_the_right_one_holds_in_the_same_campaign_and_deeper(bug: FieldBug) -> None:
    held = explorer(bug.rig(bug.right), bug, bug.right_tears, bug.right_depth).explore()
    assert (held.word, held.findings) == ("held", [])
    assert held.coverage.exercised[bug.check]


@each(BUGS)
def test_the_right_one_holds_under_clean_cuts_at_any_depth(bug: FieldBug) -> None:
    found = exhaustive(bug.rig(bug.right), bug.bounds, TEAR_SETS["none"], attempts=bug.attempts)
    assert (found.complete, found.findings) == (True, set())


# -- one by one ------------------------------------------------------------------------------------------


def test_the_cut_after_the_last_erase_comes_before_its_function_returns() -> None:
    """Right after an erase, and before anything else is done: a simulator that cuts before operations steps over it."""
    bug = after_the_last_erase.BUG
    step = verdict(bug).findings[0].path[0]
    rig = bug.rig(bug.wrong)
    state = rig.initial(bug.attempts)
    for _ in range(step.run):
        state = rig.run(state).end
    before, after = rig.run(state).entries[step.entry - 1 : step.entry + 1]
    assert step.how == "cut"
    assert isinstance(before, Operation) and before.kind == "erase"
    assert isinstance(after, Event)


def test_two_hundred_and_fifty_six_cuts_take_a_few_states_each() -> None:
    found = walked(cycles.BUG, "none")
    assert found.states < 4 * cycles.ENTRIES
    assert [step.how for step in found.path("boots")] == ["cut"] * 256


def test_with_fewer_entries_fewer_cuts_fill_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cycles, "ENTRIES", 7)
    found = exhaustive(cycles.BUG.rig(cycles.wrong), cycles.BUG.bounds, TEAR_SETS["none"])
    assert found.cuts("boots") == 7


def test_a_walk_that_may_not_go_on_says_so() -> None:
    bug = cycles.BUG
    found = exhaustive(bug.rig(bug.wrong), bug.bounds, TEAR_SETS["none"], max_states=100)
    assert (found.complete, found.states, found.findings) == (False, 100, set())


@pytest.mark.parametrize("resolution", RESOLUTIONS)
def test_one_read_and_a_second_flag_hold_however_weak_bits_read(resolution: str) -> None:
    bug = read_twice.BUG
    held = explorer(bug.rig(bug.right, resolution=resolution), bug, "T3-coarse", 1).explore()  # type: ignore[call-arg]
    assert (held.word, held.findings) == ("held", [])


@pytest.mark.parametrize("seed", range(3))
def test_the_other_sector_holds_whatever_is_disturbed(seed: int) -> None:
    """At any depth: nothing the log relies on is in reach of a write."""
    bug = disturbed.BUG
    tears = replace(TEAR_SETS["T3-coarse"], seed=seed)
    found = exhaustive(bug.rig(bug.right), bug.bounds, tears, attempts=bug.attempts)
    assert (found.complete, found.findings) == (True, set())
