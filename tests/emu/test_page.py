"""The page for people: what was tried, what was checked, and every cause told once."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from emu.campaign.verdict import Finding, FindingKey, Verdict
from emu.report.groups import places
from emu.report.summary import summary
from tests.emu.helpers import NONE, campaign, rig_on
from tests.emu.verdicts import ASKED, OPTIONS, TOKEN, as_asked, finding, verdict, without_retries


@pytest.mark.parametrize(
    ("judged", "headline"),
    [
        (verdict(), "HELD: no way to break the update was found"),
        (verdict(finding()), "FINDINGS: the update can be broken"),
        (verdict(complete=False), "INCONCLUSIVE: the campaign did not finish"),
    ],
    ids=["held", "findings", "inconclusive"],
)
def test_the_page_begins_with_the_verdict_and_ends_with_the_digest(judged: Verdict, headline: str) -> None:
    lines = summary(judged, ASKED).splitlines()
    assert lines[0] == headline
    assert lines[-1] == f"digest     {judged.digest}"


def test_the_page_says_what_was_tried_and_which_check_had_nothing_to_judge() -> None:
    page = summary(verdict(), ASKED)
    assert "20 in 1.5 s: 4 executed, 16 inherited" in page
    assert "one interruption in 1 update attempt, tears T1, events reset" in page
    assert "update     1 erase, 3 programs" in page
    assert "  durable     NOT EXERCISED" in page
    assert "  boots       held" in page


def test_the_page_says_which_files_and_which_workload_were_tried() -> None:
    page = summary(verdict(), ASKED).splitlines()
    assert "from       old.bin, 100 bytes, SHA-256 bbbbbbbb..." in page
    assert "to         my new.bin, 200 bytes, SHA-256 cccccccc..." in page
    assert "workload   app hangs, timing max, seed 7, weak bits read as-old" in page


def test_the_page_names_the_attempts_beside_the_interruptions() -> None:
    judged = verdict()
    judged.attempts, judged.depth = 2, 2
    assert "tried      up to 2 interruptions in 2 update attempts, tears T1" in summary(judged, ASKED)


def test_sessions_on_the_page_add_up() -> None:
    """30 were judged and 6 run: the rest was recognised, and the share is of all of them."""
    assert "sessions   30 judged: 6 run, 24 recognised (80.0%)" in summary(verdict(), ASKED)


def test_a_check_that_does_not_apply_is_on_the_page_with_the_reason() -> None:
    lines = summary(without_retries(), ASKED).splitlines()
    at = next(n for n, line in enumerate(lines) if line.startswith("  retries     not applicable  from every"))
    assert lines[at + 1].strip() == "because it is so"


@pytest.mark.parametrize(
    ("depth", "done", "said"),
    [
        (1, 0, "complete   no: the budget is spent, within depth 1 of 1"),
        (2, 0, "complete   no: the budget is spent, within depth 1 of 2"),
        (2, 1, "complete   no: the budget is spent, within depth 2 of 2; depth 1 is complete"),
    ],
)
def test_an_incomplete_page_never_says_held_without_saying_how_far_it_came(depth: int, done: int, said: str) -> None:
    judged = verdict(complete=False)
    judged.depth, judged.coverage.depth_done = depth, done
    page = summary(judged, ASKED)
    assert said in page.splitlines()
    assert " held " not in page
    assert "  boots       nothing so far" in page


# -- findings on the page --------------------------------------------------------------------------------


def test_findings_that_differ_only_in_place_are_told_once_with_the_mildest() -> None:
    page = summary(verdict(*(finding(n, session=n // 4) for n in (1, 2, 3, 6))), ASKED).splitlines()
    at = page.index("whole: 4 findings, 4 edges lead there; the mildest first")
    assert page[at + 1 : at + 5] == [
        "  slot 1 at 0x1 runs a mix [cut; 1 edge]",
        f"    brownout replay {TOKEN}:0.1.cut {OPTIONS}",
        "    and 3 more like it, at 0.2..0.3, 1.6",
        "",
    ]


def test_findings_with_another_outcome_or_another_tear_are_told_apart() -> None:
    found = (finding(1), finding(2, how="prefix-9"), finding(3, outcome="bricked: no image"), finding(4))
    page = summary(verdict(*found), ASKED)
    for place in ("0.1.cut", "0.2.prefix-9", "0.3.cut"):
        assert f"brownout replay {TOKEN}:{place}" in page
    assert f"{TOKEN}:0.4.cut" not in page
    assert page.count("more like it") == 1
    assert "and 1 more like it, at 0.4" in page


def test_outcomes_that_differ_in_an_address_are_of_one_kind() -> None:
    ends = [f"hangs: it spins at 0x{0x800_6200 + n:08x} in HardFault" for n in range(3)]
    page = summary(verdict(*(finding(n, outcome=end) for n, end in enumerate(ends))), ASKED)
    assert "and 2 more like it, at 0.1..0.2" in page


def test_outcomes_are_told_once_whatever_their_addresses() -> None:
    judged = verdict()
    judged.coverage.outcomes.clear()
    judged.coverage.outcomes |= {f"hangs: it spins at 0x{n}": 10 + n for n in range(3)}
    judged.coverage.outcomes |= {f"the v{n} image runs, committed": n for n in (1, 2)}
    lines = summary(judged, ASKED).splitlines()
    at = lines.index("outcomes")
    assert [line.strip() for line in lines[at + 1 : at + 5]] == [
        "33  hangs: it spins at 0x0; and 2 with other addresses",
        "1  the v1 image runs, committed",
        "2  the v2 image runs, committed",
        "",
    ]


def test_the_page_shows_five_kinds_of_findings_of_a_check_and_counts_the_rest() -> None:
    page = summary(verdict(*(finding(n, outcome=f"bricked: {'x' * n}") for n in range(8))), ASKED)
    assert page.count("brownout replay bo1:") == 5
    assert "and 3 more of other kinds" in page


def test_many_places_are_counted_and_not_listed() -> None:
    assert places([finding(n) for n in (3, 1, 2)], 6) == "0.1..0.3"
    assert places([finding(2 * n) for n in range(5)], 3) == "0.0, 0.2, 0.4, and 2 more"
    assert places([finding(1), finding(2, session=1)], 6) == "0.1, 1.2"
    twice = finding()
    twice.key = replace(twice.key, place=((0, 5), (1, 3)))
    assert places([twice], 6) == "0.5+1.3"
    uncut = finding()
    uncut.key = replace(uncut.key, place=())
    assert places([uncut, finding(0)], 6) == "uncut, 0.0"


def test_what_the_uncut_life_breaks_is_no_edge() -> None:
    uncut = Finding(FindingKey("whole", (), (), "old"), (), 0, "a mix runs")
    page = summary(verdict(uncut, finding()), ASKED)
    assert "whole: 2 findings, 1 edge leads there" in page
    assert "  a mix runs [uncut]\n" in page


def test_one_of_anything_has_no_plural() -> None:
    page = summary(verdict(finding()), ASKED)
    assert "whole: 1 finding, 1 edge leads there" in page
    assert re.search(r"^  whole +1 finding  ", page, re.MULTILINE)
    assert not re.search(r"\b1 [a-z]+s\b(?! executed)", page)


def test_a_real_page_holds_the_figures_of_its_verdict() -> None:
    rig = rig_on("stm32f103")
    judged = campaign(rig, tears=NONE)
    page = summary(judged, as_asked(rig))
    assert f"{judged.coverage.edges:,} in " in page
    assert "NOT EXERCISED" not in page
