"""Every mutant passes the uncut update, is caught by its declared check, and replays; its unpatched twin holds."""

from __future__ import annotations

from functools import cache

import pytest

from emu.board import ALL_CHECKS
from emu.campaign.closure import Closure
from emu.campaign.explore import Explorer
from emu.campaign.judge import State
from emu.campaign.monitor import Monitor
from emu.campaign.options import ANY, Options
from emu.campaign.replay import Story, follow
from emu.campaign.token import parse_token, token_for
from emu.campaign.verdict import Finding, Verdict
from emu.errors import ScenarioError
from emu.firmware import ModelFirmware
from emu.update_rig import UpdateRig
from flash.tears import TEAR_SETS
from flash.weak import RESOLUTIONS
from tests.field import read_twice
from tests.field.bug import FieldBug
from tests.mutants.zoo import CANARY, FAILS_UNCUT, FOUND_UNCUT, ZOO, Campaign, Mutant
from tests.ota.linked.wrong import WRONG

EACH = pytest.mark.parametrize("mutant", ZOO, ids=lambda mutant: mutant.name)
IN_THE_FIELD: dict[str, FieldBug] = {"steady": read_twice.BUG}
"""Checks whose mutant is not of the firmware here: it is not steady itself (DESIGN.md 6.2), so no twin of it holds."""
TWINS = sorted({(m.twin, m.campaign) for m in ZOO + FOUND_UNCUT}, key=lambda pair: (pair[0].name, repr(pair[1])))
Twin = tuple[type[ModelFirmware], Campaign]


def explorer_of(rig: UpdateRig, options: Options) -> Explorer:
    return Explorer(rig, rig.board.document.checks, options)


@cache
def verdict_of(firmware: type[ModelFirmware], campaign: Campaign) -> Verdict:
    return explorer_of(campaign.rig(firmware), campaign.options).explore()


def caught(mutant: Mutant) -> list[Finding]:
    """The findings of the declared check, mildest first."""
    return [f for f in verdict_of(mutant.firmware, mutant.campaign).findings if f.key.check == mutant.check]


def replayed(mutant: Mutant, finding: Finding) -> Story:
    """The story of a finding's token, told by a rig and an explorer that know nothing of the campaign."""
    rig = mutant.campaign.rig(mutant.firmware)
    token = parse_token(str(token_for(mutant.campaign.attempts, rig.inputs, finding.path)))
    return follow(rig, explorer_of(rig, Options(attempts=token.attempts)).judge, token)


def twin_id(twin: Twin) -> str:
    firmware, c = twin
    crowded = ["crowded"] if c.crowded else []
    return "-".join([firmware.name, c.board, *crowded, c.tears, *c.events, f"depth{c.depth}", f"attempts{c.attempts}"])


@EACH
def test_mutant_passes_the_uncut_update(mutant: Mutant) -> None:
    rig = mutant.campaign.rig(mutant.firmware)
    root = State(rig.initial(mutant.campaign.attempts), Monitor())
    chain = explorer_of(rig, mutant.campaign.options).judge.chain(root)
    assert chain.breaches == []
    assert (chain.outcome.kind, chain.outcome.image, chain.outcome.committed) == ("settled", "new", True)


@EACH
def test_mutant_is_caught_by_its_check_within_its_number_of_cuts(mutant: Mutant) -> None:
    verdict = verdict_of(mutant.firmware, mutant.campaign)
    assert verdict.complete
    assert verdict.word == "findings"
    assert min(f.cuts for f in verdict.findings) == mutant.campaign.depth
    assert [f.cuts for f in caught(mutant)][:1] == [mutant.campaign.depth]


@EACH
def test_first_findings_replay_from_their_tokens(mutant: Mutant) -> None:
    findings = verdict_of(mutant.firmware, mutant.campaign).findings[:1] + caught(mutant)[:1]
    assert findings
    for finding in findings:
        assert finding.key.check in {breach.check for breach in replayed(mutant, finding).breaches}


@pytest.mark.parametrize("twin", TWINS, ids=twin_id)
def test_unpatched_twin_holds_in_the_same_campaign(twin: Twin) -> None:
    verdict = verdict_of(*twin)
    assert (verdict.word, verdict.findings) == ("held", [])


@pytest.mark.parametrize("mutant", FOUND_UNCUT, ids=lambda mutant: mutant.name)
def test_a_mistake_that_needs_no_cut_is_found_without_one(mutant: Mutant) -> None:
    found = caught(mutant)[0]
    assert found.cuts == 0
    assert mutant.check in {breach.check for breach in replayed(mutant, found).breaches}


def test_canary_fails_uncut_and_bricks_with_one_cut() -> None:
    verdict = verdict_of(CANARY.firmware, CANARY.campaign)
    assert verdict.exit_code == 1
    assert caught(CANARY)[0].cuts == 0
    assert {f.cuts for f in verdict.findings if f.key.check == "boots"} == {1}


@pytest.mark.parametrize(("board", "firmware"), FAILS_UNCUT, ids=lambda item: getattr(item, "name", item))
def test_an_updater_that_does_not_erase_fails_before_any_cut(board: str, firmware: type[ModelFirmware]) -> None:
    campaign = Campaign(board=board)
    with pytest.raises(ScenarioError, match="the uncut update is refused: Write failed"):
        verdict_of(firmware, campaign)
    assert verdict_of(ModelFirmware, campaign).word == "held"


def test_every_check_has_a_mutant() -> None:
    in_the_zoo = {mutant.check for mutant in ZOO}
    over_a_link = {wrong.check for wrong in WRONG.values()} - in_the_zoo
    assert over_a_link == {"truthful"}
    assert in_the_zoo | IN_THE_FIELD.keys() | over_a_link == set(ALL_CHECKS)
    assert not in_the_zoo & IN_THE_FIELD.keys()


@pytest.mark.parametrize(("check", "bug"), IN_THE_FIELD.items())
def test_a_mutant_of_the_field_is_caught_by_its_check_and_its_twin_holds(check: str, bug: FieldBug) -> None:
    """At any depth, weak cells read in every way; `tests/field/test_steady.py` has the rest."""
    verdicts = []
    for firmware in (bug.wrong, bug.right):
        rig = bug.rig(firmware)
        options = Options(
            tears=TEAR_SETS[bug.tears], depth=ANY, resolutions=tuple(RESOLUTIONS), keeps_new=rig.keeps_new
        )
        verdicts.append(Closure(rig, bug.bounds, options).explore())
    caught_by, held = verdicts
    assert {finding.key.check for finding in caught_by.findings} == {check}
    assert min(finding.cuts for finding in caught_by.findings) == bug.cuts
    assert (held.word, check in held.checks) == ("held", True)


def test_names_in_the_zoo_are_unique() -> None:
    assert len({mutant.name for mutant in ZOO + FOUND_UNCUT}) == len(ZOO + FOUND_UNCUT)
