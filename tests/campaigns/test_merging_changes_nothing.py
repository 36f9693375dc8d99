"""Any depth on boards: merging changes no finding and no end, for the correct firmware and for every mutant.

The closure is held against itself without merging (states are one only when they are equal in everything), and against
brute force at the depth of each mutant. Mutants that take thousands of states without merging are left to the property
test on small firmwares.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from bootloader.config import RECORD_SIZE
from emu.campaign.closure import Closure
from emu.campaign.closure_map import layers_of, map_of_closure
from emu.campaign.config_watch import content_of
from emu.campaign.explore import Explorer
from emu.campaign.options import ANY, Options
from emu.campaign.verdict import Verdict
from emu.firmware import ModelFirmware
from flash.tears import TEAR_SETS
from tests.emu.helpers import rig_on
from tests.mutants.zoo import CANARY, ZOO, Campaign, Mutant

BUDGET_S = 120.0
End = tuple[object, ...]
MUTANTS = (CANARY, *ZOO)
SMALL = tuple(mutant for mutant in MUTANTS if mutant.campaign.tears == "none")
EACH = pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
EACH_SMALL = pytest.mark.parametrize("mutant", SMALL, ids=lambda mutant: mutant.name)
TWINS = sorted({(m.twin, m.campaign) for m in SMALL}, key=lambda pair: (pair[0].name, repr(pair[1])))


@cache
def explored(firmware: type[ModelFirmware], campaign: Campaign, exhaustive: bool = False) -> tuple[Closure, Verdict]:
    rig = campaign.rig(firmware)
    options = replace(campaign.options, depth=ANY, exhaustive=exhaustive, budget_s=BUDGET_S)
    closure = Closure(rig, rig.board.document.checks, options)
    return closure, closure.explore()


def found(verdict: Verdict) -> set[tuple[str, str]]:
    return {(finding.key.check, finding.message) for finding in verdict.findings}


def least_cuts(verdict: Verdict) -> dict[str, int]:
    checks = {finding.key.check for finding in verdict.findings}
    return {check: min(f.cuts for f in verdict.findings if f.key.check == check) for check in checks}


def ends(closure: Closure) -> set[End]:
    """Where devices come to rest: outcome, image, what both configs hold, what the checks remember."""
    at_rest: set[End] = set()
    for node in closure.graph.nodes:
        for session, judged in zip(node.sessions, node.judged, strict=True):
            if node.mode == "cut" and session.outcome.kind != "reset":
                outcome = session.outcome
                rig, state = closure.rig, session.end
                records = tuple(content_of(state, rig, place, RECORD_SIZE) for place in rig.places.configs)
                at_rest.add((outcome.kind, outcome.image, outcome.committed, judged.after, records))
    return at_rest


def same_with_and_without_merging(firmware: type[ModelFirmware], campaign: Campaign) -> None:
    merged, verdict = explored(firmware, campaign)
    exact, reference = explored(firmware, campaign, exhaustive=True)
    assert found(verdict) == found(reference)
    assert least_cuts(verdict) == least_cuts(reference)
    assert verdict.coverage.depth_done == reference.coverage.depth_done
    assert ends(merged) == ends(exact)
    assert verdict.coverage.states <= reference.coverage.states


@EACH_SMALL
def test_a_mutant_is_found_alike_with_and_without_merging(mutant: Mutant) -> None:
    same_with_and_without_merging(mutant.firmware, mutant.campaign)


@pytest.mark.parametrize("twin", TWINS, ids=lambda twin: f"{twin[0].name}-{twin[1].board}")
def test_a_right_firmware_holds_alike_with_and_without_merging(twin: tuple[type[ModelFirmware], Campaign]) -> None:
    same_with_and_without_merging(*twin)
    _, verdict = explored(*twin)
    assert (verdict.word, verdict.findings) == ("held", [])


@EACH
def test_a_mutant_is_found_by_its_check_with_its_cuts_and_no_fewer(mutant: Mutant) -> None:
    _, verdict = explored(mutant.firmware, mutant.campaign)
    assert least_cuts(verdict)[mutant.check] == mutant.campaign.depth if mutant is not CANARY else verdict.findings
    options = mutant.campaign.options
    rig = mutant.campaign.rig(mutant.firmware)
    brute = Explorer(rig, rig.board.document.checks, options).explore()
    assert least_cuts(verdict).items() >= {
        (check, cuts) for check, cuts in least_cuts(brute).items() if cuts <= verdict.coverage.depth_done
    }


@pytest.mark.parametrize("board", ["demo", "stm32l476"])
def test_the_map_is_that_of_brute_force(board: str) -> None:
    """Edge for edge: what one interruption leads to is the same, whether it was made, merged or inherited."""
    rig = rig_on(board)
    options = Options(tears=TEAR_SETS["T1-coarse"], depth=ANY, attempts=1)
    closure = Closure(rig, rig.board.document.checks, options)
    verdict = closure.explore()
    explorer = Explorer(rig_on(board), rig.board.document.checks, replace(options, depth=1))
    reference = explorer.explore()
    assert closure.tally is not None
    drawn = map_of_closure(closure.tally, verdict.findings, rig.regions)
    assert drawn == explorer.update_map(rig.regions)
    assert drawn.edges == reference.coverage.edges
    layers = layers_of(closure.tally)
    assert [layer.depth for layer in layers] == list(range(verdict.coverage.depth_closed + 1))
