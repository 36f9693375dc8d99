"""The verdict, its digest, and the documents made of it: JSON, JUnit and the page for people."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from typing import Any
from xml.etree import ElementTree

import pytest

from emu.campaign.token import parse_token
from emu.campaign.verdict import Coverage, Finding, FindingKey, Step, Verdict
from emu.report.document import to_document, to_junit
from emu.report.summary import summary
from emu.rig import Input
from tests.emu.broken import EagerLoader
from tests.emu.helpers import NONE, campaign, rig_on

INPUTS = {
    "board": Input("demo", "aa" * 32),
    "from": Input("100 bytes", "bb" * 32),
    "to": Input("200 bytes", "cc" * 32),
    "workload": Input("model|healthy|typ|0", "dd" * 32),
}
REQUIRED = {
    "schema", "verdict", "board", "depth", "complete", "attempts", "operations", "edges", "edges_executed",
    "edges_inherited", "edge_kinds", "boots", "runs", "seconds", "tears", "checks", "findings", "digest",
}  # fmt: skip


def finding(entry: int = 5, *, how: str = "cut", count: int = 1) -> Finding:
    key = FindingKey("whole", ((0, entry),), (how.rpartition("-")[0] or how,), "unknown image runs, committed")
    return Finding(key, (Step(0, entry, how),), int(how != "cut"), "slot 1 runs a mix", count)


def verdict(*findings: Finding, complete: bool = True) -> Verdict:
    coverage = Coverage(
        operations=Counter(program=3, erase=1),
        edge_kinds=Counter(cut=5, prefix=15),
        outcomes=Counter({"old image runs, committed": 18, "new image runs, committed": 2}),
        exercised=Counter(boots=20, whole=20),
        edges_executed=4,
        edges_inherited=16,
        boots=30,
        runs=6,
        depth_done=int(complete),
    )
    notes = [] if complete else ["the budget is spent"]
    return Verdict(
        "demo", 1, 1, "T1", ("reset",), ("boots", "whole", "durable"), coverage, list(findings), complete, 1.5, notes
    )


@cache
def real(*, broken: bool) -> tuple[Verdict, dict[str, Any]]:
    rig = rig_on("stm32f103", firmware=EagerLoader() if broken else None)
    judged = campaign(rig, events=("reset", "hang"))
    return judged, to_document(judged, rig.inputs)


# -- the word and the digest -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "complete", "word", "code"),
    [
        (False, True, "held", 0),
        (True, True, "findings", 1),
        (False, False, "inconclusive", 3),
        (True, False, "findings", 1),
    ],
)
def test_the_word_and_the_exit_code_follow_from_findings_and_completeness(
    found: bool, complete: bool, word: str, code: int
) -> None:
    judged = verdict(*[finding()] * found, complete=complete)
    assert (judged.word, judged.exit_code) == (word, code)


def change(**attributes: Any) -> Callable[[Verdict], None]:
    def apply(judged: Verdict) -> None:
        for name, value in attributes.items():
            setattr(judged, name, value)

    return apply


def cover(**attributes: Any) -> Callable[[Verdict], None]:
    def apply(judged: Verdict) -> None:
        for name, value in attributes.items():
            setattr(judged.coverage, name, value)

    return apply


@pytest.mark.parametrize(
    "without_effect",
    [
        change(seconds=99.0),
        change(notes=["something"]),
        cover(edges_executed=20, edges_inherited=0),
        cover(boots=1),
        cover(runs=1),
        cover(exercised=Counter(boots=1)),
        cover(operations=Counter(erase=1, program=3)),
    ],
)
def test_the_digest_does_not_know_time_and_what_was_cached(without_effect: Callable[[Verdict], None]) -> None:
    changed = verdict(finding())
    without_effect(changed)
    assert changed.digest == verdict(finding()).digest


@pytest.mark.parametrize(
    "with_effect",
    [
        change(board="other"),
        change(depth=2),
        change(attempts=2),
        change(tears="none"),
        change(events=()),
        change(checks=("boots",)),
        change(complete=False),
        change(findings=[]),
        change(findings=[finding(6)]),
        change(findings=[finding(how="prefix-3")]),
        change(findings=[finding(count=2)]),
        change(findings=[finding(), finding(7)]),
        cover(operations=Counter(program=4, erase=1)),
        cover(edge_kinds=Counter(cut=6, prefix=15)),
        cover(outcomes=Counter({"old image runs, committed": 20})),
    ],
)
def test_the_digest_knows_verdict_findings_outcomes_and_coverage(with_effect: Callable[[Verdict], None]) -> None:
    changed = verdict(finding())
    with_effect(changed)
    assert changed.digest != verdict(finding()).digest
    assert len(changed.digest) == 64


def test_the_digest_is_the_same_each_time_it_is_asked_for() -> None:
    judged = verdict(finding())
    assert judged.digest == judged.digest == deepcopy(judged).digest


def test_findings_rank_by_cuts_then_clean_before_torn_then_place() -> None:
    def ranked(*steps: Step, torn: int = 0) -> Finding:
        return Finding(FindingKey("boots", (), (), ""), steps, torn, "")

    uncut, clean, late = ranked(), ranked(Step(0, 9, "cut")), ranked(Step(1, 2, "cut"))
    torn = ranked(Step(0, 1, "prefix-1"), torn=1)
    twice = ranked(Step(0, 1, "cut"), Step(0, 1, "cut"))
    order = [uncut, clean, late, torn, twice]
    assert sorted([twice, torn, uncut, late, clean], key=lambda f: f.rank) == order
    assert [f.cuts for f in order] == [0, 1, 1, 1, 2]


# -- JSON ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("broken", [False, True])
def test_the_document_has_every_key_and_counts_that_add_up(broken: bool) -> None:
    judged, document = real(broken=broken)
    assert document.keys() >= REQUIRED
    assert document["edges"] == document["edges_executed"] + document["edges_inherited"]
    assert document["edges"] == sum(document["edge_kinds"].values()) == sum(document["outcomes"].values())
    assert document["operations"] == sum(document["operation_kinds"].values())
    assert document["schema"] == "brownout/run/1"
    assert (document["verdict"], document["complete"]) == (judged.word, True)
    assert (document["digest"], document["board"], document["tears"]) == (judged.digest, "stm32f103", "T1")
    assert (document["depth"], document["attempts"], document["events"]) == (1, 1, ["reset", "hang"])
    assert set(document["checks"]) == set(judged.checks)
    assert all(check["promise"] and check["exercised"] >= 0 for check in document["checks"].values())
    assert json.loads(json.dumps(document)) == document


def test_findings_in_the_document_carry_a_token_that_reads_back() -> None:
    judged, document = real(broken=True)
    assert len(document["findings"]) == len(judged.findings) > 1
    for item, found in zip(document["findings"], judged.findings, strict=True):
        assert item.keys() >= {"check", "token", "cuts", "count", "message"}
        assert parse_token(item["token"]).path == found.path
        assert (item["check"], item["cuts"], item["count"]) == (found.key.check, len(found.path), found.count)
        assert item["message"] == found.message
    assert sum(item["count"] for item in document["findings"]) <= document["edges"] * len(judged.checks)


def test_an_incomplete_verdict_says_so_in_the_document() -> None:
    document = to_document(verdict(complete=False), INPUTS)
    assert (document["verdict"], document["complete"], document["depth_done"]) == ("inconclusive", False, 0)
    assert document["notes"] == ["the budget is spent"]


# -- JUnit -----------------------------------------------------------------------------------------------


def suite_of(judged: Verdict) -> ElementTree.Element:
    suite = ElementTree.fromstring(to_junit(judged, INPUTS))
    assert suite.tag == "testsuite"
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert int(suite.get(attribute, "-1")) == len(suite.findall(f"testcase/{tag}"))
    assert int(suite.get("tests", "-1")) == len(suite.findall("testcase"))
    return suite


def test_junit_has_one_case_per_check() -> None:
    suite = suite_of(verdict())
    assert [case.get("name") for case in suite.findall("testcase")] == ["boots", "whole", "durable"]
    assert [case.find("skipped") is not None for case in suite.findall("testcase")] == [False, False, True]


def test_junit_fails_the_case_of_a_broken_check_with_its_shortest_token() -> None:
    suite = suite_of(verdict(finding(5), finding(6)))
    (failure,) = suite.findall("testcase[@name='whole']/failure")
    assert failure.get("message") == "slot 1 runs a mix"
    assert failure.text is not None
    assert "2 findings" in failure.text
    assert "brownout replay bo1:1:aaaaaaaa:bbbbbbbb:cccccccc:dddddddd:0.5.cut" in failure.text


def test_junit_of_an_incomplete_campaign_has_a_case_that_errs() -> None:
    suite = suite_of(verdict(complete=False))
    (error,) = suite.findall("testcase[@name='complete']/error")
    assert error.get("message") == "the budget is spent"


def test_junit_escapes_what_xml_would_trip_over() -> None:
    awkward = finding()
    awkward.message = "a < b & \"c\" > 'd'"
    (failure,) = suite_of(verdict(awkward)).findall("testcase/failure")
    assert failure.get("message") == awkward.message


def test_junit_of_a_real_campaign_parses_with_one_case_per_check() -> None:
    judged, _ = real(broken=True)
    names = [case.get("name") for case in suite_of(judged).findall("testcase")]
    assert names == list(judged.checks)


# -- the page --------------------------------------------------------------------------------------------


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
    lines = summary(judged, INPUTS, 0.5).splitlines()
    assert lines[0] == headline
    assert lines[-1] == f"digest     {judged.digest}"


def test_the_page_says_what_was_tried_and_which_check_had_nothing_to_judge() -> None:
    page = summary(verdict(), INPUTS, 0.5)
    assert "20 in 1.5 s: 4 executed, 16 inherited" in page
    assert "one interruption, tears T1, events reset" in page
    assert "1 erases, 3 programs" in page
    assert "  durable     NOT EXERCISED" in page
    assert "  boots       held" in page


def test_the_page_shows_five_findings_of_a_check_and_counts_the_rest() -> None:
    page = summary(verdict(*(finding(n) for n in range(8))), INPUTS, 0.5)
    assert page.count("brownout replay bo1:") == 5
    assert "and 3 more" in page


def test_an_incomplete_page_never_says_held_without_saying_how_far_it_came() -> None:
    page = summary(verdict(complete=False), INPUTS, 0.5)
    assert "complete   no: the budget is spent; depth 0 of 1 is done" in page


def test_a_real_page_holds_the_figures_of_its_verdict() -> None:
    rig = rig_on("stm32f103")
    judged = campaign(rig, tears=NONE)
    page = summary(judged, rig.inputs, 0.9)
    assert f"{judged.coverage.edges:,} in " in page
    assert "(90.0% recognised)" in page
    assert "NOT EXERCISED" not in page
