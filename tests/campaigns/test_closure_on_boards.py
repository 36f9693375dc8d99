"""Any depth on boards and on the bugs of the field: every mutant and every wrong one is found with as few cuts as it
takes, every correct twin holds however often it is cut, and merging changes nothing."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from emu.campaign import audit as audit_room
from emu.campaign.audit import Auditor
from emu.campaign.closure import Closure
from emu.campaign.explore import Explorer
from emu.campaign.options import ANY
from emu.campaign.verdict import Verdict
from emu.firmware import ModelFirmware
from flash.tears import TEAR_SETS
from tests.field.bug import FieldBug
from tests.field.test_field_bugs import BUGS
from tests.mutants.test_zoo import TWINS, Twin, twin_id, verdict_of
from tests.mutants.zoo import ZOO, Campaign, Mutant
from tests.properties.closures import closure_of, unreplayed, violations

each_mutant = pytest.mark.parametrize("mutant", ZOO, ids=lambda mutant: mutant.name)
each_bug = pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
each_twin = pytest.mark.parametrize("twin", TWINS, ids=twin_id)


@cache
def closed(firmware: type[ModelFirmware], campaign: Campaign, **more: Any) -> tuple[Closure, Verdict]:
    """A campaign to the layer of the first finding, unless told otherwise."""
    rig = campaign.rig(firmware)
    options = replace(campaign.options, depth=ANY, **more)
    closure = Closure(rig, rig.board.document.checks, options)
    return closure, closure.explore()


def least_cuts(verdict: Verdict) -> dict[str, int]:
    return {
        check: min(finding.cuts for finding in verdict.findings if finding.key.check == check)
        for check in {finding.key.check for finding in verdict.findings}
    }


def ends_of(closure: Closure) -> set[object]:
    """Where devices come to rest: how, with which image, with what in their config copies, and what is remembered."""
    found = set()
    places = closure.rig.places.configs
    for node in closure.graph.nodes:
        if node.mode == "cut":
            for session, judged in zip(node.sessions, node.judged, strict=True):
                outcome = session.outcome
                if outcome.kind != "reset":
                    configs = tuple(
                        session.end.memory[place.chip].tree.block(place.address // block_size(closure, place.chip)).key
                        for place in places
                    )
                    found.add((outcome.kind, outcome.image, outcome.committed, configs, judged.after))
    return found


def block_size(closure: Closure, chip: int) -> int:
    return closure.rig.grids[closure.rig.chip_names[chip]].block_size


@each_twin
def test_a_twin_holds_at_any_depth(twin: Twin) -> None:
    closure, verdict = closed(*twin)
    assert (verdict.word, verdict.findings) == ("held", [])
    assert verdict.coverage.depth_closed > 1
    assert violations(closure) == []


@each_mutant
def test_a_mutant_is_found_with_as_few_cuts_as_layers_need(mutant: Mutant) -> None:
    _, verdict = closed(mutant.firmware, mutant.campaign)
    found = least_cuts(verdict)
    layered = least_cuts(verdict_of(mutant.firmware, mutant.campaign))
    assert found[mutant.check] == mutant.campaign.depth == min(found.values())
    assert {check: cuts for check, cuts in found.items() if cuts <= mutant.campaign.depth} == layered


@each_mutant
def test_first_findings_replay_from_their_tokens(mutant: Mutant) -> None:
    closure, verdict = closed(mutant.firmware, mutant.campaign)
    assert unreplayed(closure.rig, closure, verdict.findings[:2]) == []


@each_mutant
def test_a_sample_of_what_was_dropped_is_as_it_was_taken_to_be(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_room, "LEAST", 60)
    closure, _ = closed(mutant.twin, mutant.campaign)
    audit = Auditor(closure).audit(0.0, 1)
    assert audit.audited == min(audit.dropped, 60)


SMALL = [mutant for mutant in ZOO if mutant.campaign.tears == "none"]


@pytest.mark.slow
@pytest.mark.parametrize("mutant", SMALL, ids=lambda mutant: mutant.name)
@pytest.mark.parametrize("which", ["firmware", "twin"])
def test_without_merging_the_same_is_found(mutant: Mutant, which: str) -> None:
    firmware = getattr(mutant, which)
    (closure, verdict), (each, all_of_them) = (
        closed(firmware, mutant.campaign, keep_going=True, exhaustive=exhaustive) for exhaustive in (False, True)
    )
    assert all_of_them.complete
    assert least_cuts(verdict) == least_cuts(all_of_them)
    assert {(f.key.check, f.message) for f in verdict.findings} == {
        (f.key.check, f.message) for f in all_of_them.findings
    }
    assert ends_of(closure) == ends_of(each)


# -- bugs of the field -----------------------------------------------------------------------------------


@each_bug
def test_a_wrong_one_is_found_with_as_few_cuts_as_it_takes(bug: FieldBug) -> None:
    rig = bug.rig(bug.wrong)
    closure = closure_of(rig, bug.bounds, tears=TEAR_SETS[bug.tears], attempts=bug.attempts, keep_going=False)
    verdict = closure.explore()
    assert least_cuts(verdict)[bug.check] == bug.cuts == min(least_cuts(verdict).values())
    assert unreplayed(rig, closure, verdict.findings[:1]) == []


@each_bug
def test_a_right_one_holds_under_clean_cuts_at_any_depth(bug: FieldBug) -> None:
    closure = closure_of(bug.rig(bug.right), bug.bounds, tears=TEAR_SETS["none"], attempts=bug.attempts)
    assert closure.explore().word == "held"
    assert violations(closure) == []


@each_bug
def test_a_right_one_is_never_found_wrong_with_its_tears(bug: FieldBug) -> None:
    tears = TEAR_SETS[bug.right_tears]
    closure = closure_of(bug.rig(bug.right), bug.bounds, tears=tears, attempts=bug.attempts, budget_s=3)
    verdict = closure.explore()
    assert verdict.word == ("held" if verdict.complete else "inconclusive")
    assert not verdict.complete or violations(closure) == []


def test_layers_find_nothing_that_any_depth_does_not() -> None:
    """What two cuts break on the canary's twin's board with two attempts, any number breaks too: nothing."""
    campaign = Campaign(depth=2, attempts=2)
    rig = campaign.rig(ModelFirmware)
    assert Explorer(rig, rig.board.document.checks, campaign.options).explore().word == "held"
    assert closed(ModelFirmware, campaign)[1].word == "held"
