"""The verdict, its digest, and the documents made of it: JSON and JUnit."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import cache
from typing import Any
from xml.etree import ElementTree

import pytest

from emu.campaign.checks import CHECKS
from emu.campaign.token import parse_token
from emu.campaign.verdict import Finding, FindingKey, Step, Verdict, killed_by
from emu.report.document import scenario_of, to_document, to_junit
from emu.report.summary import summary
from emu.rig import Input
from tests.emu.broken import EagerLoader
from tests.emu.helpers import NONE, campaign, explorer_on, rig_on
from tests.emu.verdicts import ASKED, OPTIONS, TOKEN, as_asked, finding, verdict, without_retries

REQUIRED = {
    "schema", "verdict", "board", "depth", "complete", "attempts", "operations", "edges", "edges_executed",
    "edges_inherited", "edge_kinds", "boots", "runs", "seconds", "tears", "checks", "findings", "digest",
}  # fmt: skip


@cache
def real(*, broken: bool) -> tuple[Verdict, dict[str, Any]]:
    rig = rig_on("stm32f103", firmware=EagerLoader() if broken else None)
    judged = campaign(rig, events=("reset", "hang"))
    return judged, to_document(judged, as_asked(rig))


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


def test_findings_rank_by_cuts_then_clean_before_torn_and_tame_before_harsh_then_place() -> None:
    def ranked(*steps: Step, harsh: int = 0) -> Finding:
        return Finding(FindingKey("boots", (), (), ""), steps, harsh, "")

    uncut, clean, late = ranked(), ranked(Step(0, 9, "cut")), ranked(Step(1, 2, "cut"))
    torn = ranked(Step(0, 1, "prefix-1"), harsh=1)
    weak = ranked(Step(0, 0, "metastable-1"), harsh=3)
    twice = ranked(Step(0, 1, "cut"), Step(0, 1, "cut"))
    order = [uncut, clean, late, torn, weak, twice]
    assert sorted([twice, weak, torn, uncut, late, clean], key=lambda f: f.rank) == order
    assert [f.cuts for f in order] == [0, 1, 1, 1, 1, 2]


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
    document = to_document(verdict(complete=False), ASKED)
    assert (document["verdict"], document["complete"], document["depth_done"]) == ("inconclusive", False, 0)
    assert document["notes"] == ["the budget is spent"]


def test_every_check_has_a_result_with_its_promise_counts_and_reason() -> None:
    results = to_document(without_retries(finding(5, count=3), finding(6)), ASKED)["results"]
    assert [tuple(item[key] for key in ("name", "result", "exercised", "findings", "edges")) for item in results] == [
        ("boots", "held", 20, 0, 0),
        ("whole", "broken", 20, 2, 4),
        ("durable", "not exercised", 0, 0, 0),
        ("retries", "not applicable", 0, 0, 0),
    ]
    assert [item["promise"] for item in results] == [CHECKS[item["name"]].promise for item in results]
    assert [item["reason"] for item in results] == [
        "", "slot 1 at 0x5 runs a mix", "nothing in this campaign gave it something to judge", "because it is so",
    ]  # fmt: skip


def test_a_check_of_an_unfinished_campaign_has_not_held() -> None:
    results = {item["name"]: item for item in to_document(without_retries(complete=False), ASKED)["results"]}
    assert (results["boots"]["result"], results["retries"]["result"]) == ("inconclusive", "not applicable")
    assert "did not finish" in results["boots"]["reason"]


def test_a_campaign_knows_what_it_left_out_and_counts_every_session() -> None:
    left_out = campaign(rig_on("demo", app="hangs"), tears=NONE).inapplicable
    assert left_out.keys() == {"retries", "truthful", "keeps-files", "steady"}
    explorer = explorer_on(rig_on("demo"), tears=NONE)
    cover = explorer.explore().coverage
    assert 0 < cover.runs < cover.boots < explorer.judge.cache.hits + explorer.judge.cache.misses
    assert cover.recognised == cover.boots - cover.runs


def test_what_does_not_apply_is_no_part_of_the_digest() -> None:
    """`checks` is: it has what applies."""
    assert without_retries().digest == verdict().digest


def test_an_update_that_writes_nothing_is_said_to() -> None:
    tried = verdict(finding(5))
    silent = replace(tried, coverage=replace(tried.coverage, operations=Counter()))
    assert "\nupdate     1 erase, 3 programs\n" in summary(tried, ASKED)
    assert "\nupdate     no operation\n" in summary(silent, ASKED)


def test_the_document_says_which_files_and_which_workload_were_tried() -> None:
    document = to_document(verdict(), ASKED)
    asked = ("app", "timing", "seed", "resolution")
    assert tuple(document[key] for key in asked) == ("hangs", "max", 7, "as-old")
    assert document["resolutions"] == ["as-old"]
    assert document["versions"] == {"from": "1.0.0", "to": "2.0.0"}
    assert document["inputs"]["from"] == {"label": "old.bin, 100 bytes", "sha256": "bb" * 32, "file": "old.bin"}
    assert document["inputs"]["to"]["file"] == "my new.bin"
    assert "file" not in document["inputs"]["board"]


def test_a_finding_in_the_document_carries_the_whole_command() -> None:
    (item,) = to_document(verdict(finding()), ASKED)["findings"]
    assert item["replay"] == f"brownout replay {item['token']} {OPTIONS}"
    assert shlex.split(item["replay"])[3:] == list(ASKED.arguments)


def test_sessions_in_the_document_add_up() -> None:
    document = to_document(verdict(), ASKED)
    assert (document["boots"], document["runs"], document["recognised"]) == (30, 6, 24)


# -- JUnit -----------------------------------------------------------------------------------------------


def suite_of(judged: Verdict) -> ElementTree.Element:
    suite = ElementTree.fromstring(to_junit(judged, ASKED))
    assert suite.tag == "testsuite"
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert int(suite.get(attribute, "-1")) == len(suite.findall(f"testcase/{tag}"))
    assert int(suite.get("tests", "-1")) == len(suite.findall("testcase"))
    return suite


def test_junit_has_one_case_per_check() -> None:
    suite = suite_of(verdict())
    assert [case.get("name") for case in suite.findall("testcase")] == ["boots", "whole", "durable"]
    assert [case.find("skipped") is not None for case in suite.findall("testcase")] == [False, False, True]


def test_junit_skips_with_the_reason() -> None:
    skipped = {case.get("name"): case.find("skipped") for case in suite_of(without_retries()).findall("testcase")}
    reasons = {name: element.get("message") for name, element in skipped.items() if element is not None}
    assert reasons == {
        "durable": "not exercised: nothing in this campaign gave it something to judge",
        "retries": "not applicable: because it is so",
    }


def test_junit_fails_the_case_of_a_broken_check_with_its_shortest_token() -> None:
    suite = suite_of(verdict(finding(5), finding(6)))
    (failure,) = suite.findall("testcase[@name='whole']/failure")
    assert failure.get("message") == "slot 1 at 0x5 runs a mix"
    assert failure.text is not None
    assert "2 findings" in failure.text
    assert failure.text.splitlines()[-1] == f"brownout replay {TOKEN}:0.5.cut {OPTIONS}"


def test_junit_of_an_incomplete_campaign_has_a_case_that_errs() -> None:
    suite = suite_of(verdict(complete=False))
    (error,) = suite.findall("testcase[@name='complete']/error")
    assert error.get("message") == "the budget is spent"
    passed = [case.get("name") for case in suite.findall("testcase") if len(case) == 0]
    assert passed == [], "what was not finished does not pass"
    said = suite.find("testcase[@name='boots']/skipped")
    assert said is not None
    assert said.get("message") == "inconclusive: nothing so far, and the campaign did not finish"


def test_junit_escapes_what_xml_would_trip_over() -> None:
    awkward = finding()
    awkward.message = "a < b & \"c\" > 'd'"
    (failure,) = suite_of(verdict(awkward)).findall("testcase/failure")
    assert failure.get("message") == awkward.message


def test_junit_of_a_real_campaign_parses_with_one_case_per_check() -> None:
    judged, _ = real(broken=True)
    names = [case.get("name") for case in suite_of(judged).findall("testcase")]
    assert names == [*judged.checks, *judged.inapplicable]


def test_a_case_of_junit_is_a_scenario_and_a_check_with_the_token_in_it() -> None:
    suite = suite_of(verdict(finding(5)))
    assert suite.get("name") == "brownout demo: old.bin -> my new.bin, app hangs"
    assert {case.get("classname") for case in suite.iter("testcase")} == {
        "brownout.demo: old_bin -> my new_bin, app hangs"
    }
    tokens = {case.get("name"): case.findall("properties/property") for case in suite.iter("testcase")}
    assert [(name, [item.attrib for item in found]) for name, found in tokens.items() if found] == [
        ("whole", [{"name": "token", "value": f"{TOKEN}:0.5.cut"}])
    ]


def test_a_scenario_of_the_users_has_its_own_name() -> None:
    assert scenario_of(verdict(), replace(ASKED, files={})) == "demo"
    assert scenario_of(verdict(), replace(ASKED, app="healthy")) == "demo: old.bin -> my new.bin"
    own = replace(ASKED, inputs={**ASKED.inputs, "firmware": Input("mine.py:Mine", "ee" * 32)})
    assert scenario_of(verdict(), own) == "demo: old.bin -> my new.bin, firmware mine.py:Mine, app hangs"


def test_junit_says_what_the_verdict_holds_for() -> None:
    rig = rig_on("demo")
    found = campaign(rig, tears=NONE)
    suite = ElementTree.fromstring(to_junit(found, as_asked(rig)))
    told = {item.get("name"): item.get("value") for item in suite.iter("property")}
    assert (told["tears"], told["seed"], told["resolution"], told["depth"]) == ("none", "0", "seeded", "1")
    assert told["digest"] == found.digest
    assert told["board"] is not None
    assert told["board"].endswith(rig.board.digest)


def test_a_worker_killed_from_outside_is_not_blamed_on_the_trial_alone() -> None:
    assert killed_by("exit code 3") == "the trial killed its worker: exit code 3"
    assert "somebody kills processes" in killed_by("signal SIGKILL")
