"""What campaigns find in the published designs: the checks that break, with how few cuts and how; and those that hold.

A row is a promise of README and SPEC. What is a design's own doing and what is our model's stands in SPEC, "Published
designs".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import msgspec
import pytest

from emu.board import ALL_CHECKS
from emu.campaign.faults.campaign import FaultCampaign, FaultReport
from emu.campaign.options import Options
from emu.designs.table import DESIGNS
from emu.plain_rig import PlainRig
from emu.proof import Ask, Proof, prove, replayed
from emu.scenario import Scenario
from emu.scenario_bench import ScenarioBench
from tests.emu.designs.lives import design

JUDGED = ("boots", "whole", "durable", "reverts", "retries", "legal-flash", "wear")


@dataclass(frozen=True)
class Row:
    """``broken``: by check, the fewest cuts and the kinds of interruption of the shortest path, and what the message
    begins with. Every check that is not named has nothing to say."""

    design: str
    tears: str
    broken: dict[str, tuple[int, tuple[str, ...], str]]
    attempts: int = 2

    def __str__(self) -> str:
        return f"{self.design}-{self.tears}"


AGAIN = "the new image was not committed, and is entered a second time"
ROWS = (
    Row("mos1-stm32", "none", {}),
    Row("mos1-stm32", "T1", {"legal-flash": (1, ("all-but-one-bit",), "spif0 (W25Q64JV): program of 0x01 at 0xe0f")}),
    Row("mos1-rs14100", "none", {}),
    Row("mos1-rs14100", "T1", {"legal-flash": (1, ("all-but-one-bit",), "flash (W25Q64JV): program of 0x3c at 0x1e")}),
    Row(
        "mos1-stm32-one-log", "none",
        {"retries": (1, ("cut",), "the next update does not succeed: old image runs, committed (OTA is"),
         "reverts": (1, ("cut",), "the new image stays without commit; no timer resets the board")},
    ),
    Row("cc3200", "none", {"reverts": (1, ("cut",), AGAIN)}),
    Row(
        "cc3200", "T1",
        {"reverts": (1, ("cut",), AGAIN), "boots": (1, ("prefix",), "bricked: X: mg-boot.cfg.1 names a file that is")},
        attempts=1,
    ),
    Row("cc3200-sealed", "T1", {"reverts": (1, ("cut",), AGAIN)}),
    Row(
        "cc3200-in-place", "none",
        {"boots": (1, ("cut",), "bricked: X: mg-boot.cfg.0 names a file that is not there"),
         "whole": (1, ("cut",), "slot 6 runs, and is none of the known images"),
         "reverts": (1, ("cut",), AGAIN)},
    ),
)  # fmt: skip


@cache
def proof(name: str, tears: str, attempts: int = 2) -> Proof:
    return prove(design(name), Ask(tears=tears, attempts=attempts))


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_the_shortest_findings_are_those_that_are_told(row: Row) -> None:
    verdict = proof(row.design, row.tears, row.attempts).verdict
    found: dict[str, tuple[int, tuple[str, ...], str]] = {}
    for finding in verdict.findings:  # the mildest first
        found.setdefault(finding.key.check, (finding.cuts, finding.key.tears, finding.message))
    assert set(found) == set(row.broken)
    for check, (cuts, how, begins) in row.broken.items():
        assert found[check][:2] == (cuts, how)
        assert found[check][2].startswith(begins)
    assert verdict.word == ("findings" if row.broken else "held")


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_every_check_had_something_to_judge(row: Row) -> None:
    verdict = proof(row.design, row.tears, row.attempts).verdict
    silent = {check for check in JUDGED if not verdict.coverage.exercised[check]}
    assert silent <= {"retries", "durable"} if row.broken else not silent


@pytest.mark.parametrize("row", [row for row in ROWS if row.broken], ids=str)
def test_every_finding_replays(row: Row) -> None:
    ran = proof(row.design, row.tears, row.attempts)
    for finding, token in zip(ran.verdict.findings, ran.tokens, strict=True):
        story, _ = replayed(design(row.design), token, Ask(tears=row.tears))
        assert finding.key.check in {breach.check for breach in story.breaches}


def without(scenario: Scenario, *checks: str) -> Scenario:
    """The scenario with some checks not claimed."""
    applied = tuple(check for check in ALL_CHECKS if check not in checks)
    return replace(scenario, checks=msgspec.structs.replace(scenario.checks, apply=applied))


def test_a_file_store_that_seals_files_holds_but_for_the_second_entry() -> None:
    ran = prove(without(design("cc3200-sealed"), "reverts"), Ask(tears="T1-coarse"))
    assert ran.held, ran.text


def test_without_tears_the_tombstone_is_the_one_weakness() -> None:
    ran = prove(without(design("cc3200"), "reverts"), Ask(tears="none"))
    assert ran.held, ran.text


@pytest.mark.slow
def test_no_number_of_coarsely_torn_cuts_breaks_the_log_but_by_asking_for_ones() -> None:
    """876 interruptions in a row are the most that lead anywhere new."""
    ran = prove(without(design("mos1-rs14100"), "legal-flash"), Ask(tears="T1-coarse", attempts=1))
    assert ran.held, ran.text


def test_one_cut_that_disturbs_an_old_record_bricks_the_stm32() -> None:
    """The scan ends at the disturbed record, an old one counts, and it names the image that was swapped out."""
    scenario, asked = design("mos1-stm32"), Ask(tears="T3", attempts=1, resolution="as-new")
    ran = prove(scenario, asked)
    boots = [n for n, finding in enumerate(ran.verdict.findings) if finding.key.check == "boots"]
    first = ran.verdict.findings[boots[0]]
    assert (first.cuts, first.key.tears) == (1, ("disturb",))
    assert "FAIL: App CRC mismatch!" in replayed(scenario, ran.tokens[boots[0]], asked)[1]


@pytest.mark.parametrize("app", ["hangs", pytest.param("never-commits", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["mos1-stm32", "mos1-rs14100"])
def test_an_image_that_never_commits_is_left_whatever_is_cut(name: str, app: str) -> None:
    ran = prove(design(name, app), Ask(tears="none", events=("reset", "hang")))
    assert ran.held, ran.text


# -- bit errors at rest ----------------------------------------------------------------------------------------


def at_rest(name: str, only: str) -> FaultReport:
    rig = PlainRig(design(name))
    options = Options(keeps_new=rig.keeps_new)
    return FaultCampaign(ScenarioBench(rig), rig.bounds, options, ["rest"], only=only).run()


@pytest.mark.parametrize(
    ("name", "only", "words", "broken"),
    [
        ("mos1-stm32", "rest.4.app0", {"nothing runs"}, {"boots"}),
        ("mos1-stm32", "rest.4.appT", {"the new image boots"}, set()),
        ("mos1-stm32", "rest.2.app1", {"the old image boots"}, set()),
        ("mos1-stm32", "rest.0.bcfg0", {"the old image boots", "nothing runs"}, {"boots", "legal-flash"}),
        ("mos1-rs14100", "rest.4.app1", {"nothing runs"}, {"boots"}),
        ("mos1-rs14100", "rest.4.app0", {"the new image boots"}, set()),
        ("cc3200", "rest.2.file-3", {"the unknown image boots"}, {"boots", "whole"}),
        ("cc3200", "rest.2.file-2", {"the new image boots"}, set()),
    ],
)
def test_a_bit_error_at_rest_leads_to(name: str, only: str, words: set[str], broken: set[str]) -> None:
    report = at_rest(name, only)
    assert sum(count.tried for count in report.counts) > 60
    assert {word for count in report.counts for word in count.words} == words
    uncut = {finding.key.check for finding in report.findings if not finding.cuts}
    assert uncut - {"stands"} == broken


def test_every_design_is_tried_here() -> None:
    assert {row.design for row in ROWS} == set(DESIGNS)
