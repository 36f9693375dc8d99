"""Every mutant of `faulty` holds against power cuts, and falls to its kind of fault; the right firmware holds against
both. Its findings replay."""

from __future__ import annotations

import pytest

from emu.campaign.faults.campaign import FaultCampaign, FaultReport
from emu.campaign.faults.kind import Ground
from emu.campaign.faults.retrace import follow_fault
from emu.campaign.options import Options
from emu.campaign.token import parse_token, token_for
from emu.errors import TokenError
from emu.fault_bench import FaultBench
from emu.firmware import ModelFirmware
from tests.emu.helpers import COARSE, board_with, campaign, rig_on
from tests.mutants.faulty import FAULTY, Faulty

EACH = pytest.mark.parametrize("mutant", FAULTY, ids=lambda mutant: mutant.firmware.name)
BOARD = board_with(verify={"refuse_downgrade": True})


def bench(firmware: ModelFirmware | None = None) -> FaultBench:
    return FaultBench(rig_on(BOARD, firmware=firmware))


def tried(mutant: Faulty, firmware: ModelFirmware | None) -> FaultReport:
    options = Options(tears=COARSE)
    return FaultCampaign(bench(firmware), BOARD.document.checks, options, [mutant.kind], only=mutant.only).run()


@EACH
def test_it_is_caught_by_its_declared_check_with_its_declared_number_of_cuts(mutant: Faulty) -> None:
    report = tried(mutant, mutant.firmware())
    found = [finding for finding in report.findings if finding.key.check == mutant.check]
    assert found
    assert min(finding.cuts for finding in found) == mutant.cuts
    assert all(finding.fault.startswith(mutant.only) for finding in found)
    assert sum(count.findings for count in report.counts) == len(report.findings)


@EACH
def test_the_right_firmware_holds_against_the_same_faults(mutant: Faulty) -> None:
    report = tried(mutant, None)
    assert report.is_complete
    assert report.findings == []
    assert sum(count.tried for count in report.counts) > 0


@EACH
def test_power_cuts_alone_do_not_find_it(mutant: Faulty) -> None:
    assert campaign(rig_on(BOARD, firmware=mutant.firmware()), tears=COARSE).word == "held"


@EACH
def test_its_finding_replays_from_its_token_on_a_bench_that_knows_nothing_of_the_campaign(mutant: Faulty) -> None:
    report = tried(mutant, mutant.firmware())
    finding = next(finding for finding in report.findings if finding.key.check == mutant.check)
    fresh = bench(mutant.firmware())
    text = str(token_for(finding.attempts, fresh.rig.inputs, finding.path, fault=finding.fault))
    ground = Ground(fresh, BOARD.document.checks, Options())
    story = follow_fault(ground, parse_token(text))
    assert mutant.check in {breach.check for breach in story.breaches}
    token = parse_token(str(token_for(finding.attempts, bench().rig.inputs, finding.path, fault=finding.fault)))
    sound = Ground(bench(), BOARD.document.checks, Options())
    if mutant.writes_more:
        with pytest.raises(TokenError, match="does not exist: session 0 has the places"):
            follow_fault(sound, token)
    else:
        assert follow_fault(sound, token).breaches == []
