"""Markdown for a CI service: appended where it asks, true to the verdict, and never in the way of the exit code."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from emu.cli.step_summary import VARIABLE
from emu.report.document import to_document
from emu.report.markdown import to_markdown
from tests.emu.cli.command import Brownout, pair, stuck_board
from tests.emu.verdicts import ASKED, TOKEN, finding, verdict, without_retries


def page(judged: object, asked: object = ASKED) -> str:
    return to_markdown(judged, asked, to_document(judged, asked))  # type: ignore[arg-type]


def table(text: str, head: str) -> list[list[str]]:
    """The cells of the table whose head begins so."""
    lines = text.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {head} |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return rows


# -- the text --------------------------------------------------------------------------------------------


def test_verdict_coverage_checks_and_tokens() -> None:
    text = page(without_retries(finding(5), finding(6)))
    assert text.startswith("## ❌ brownout: demo: old.bin -\\> my new.bin, app hangs\n\n**FINDINGS: the update can be")
    coverage = dict(table(text, "coverage"))
    assert coverage["edges"] == "20: 4 executed, 16 inherited"
    assert coverage["uncut update"] == "1 erase, 3 programs"
    checks = {row[0]: row[1:] for row in table(text, "check")}
    assert checks["`whole`"][:3] == ["broken", "20", "2"]
    assert checks["`retries`"][0] == "not applicable"
    assert checks["`retries`"][3] == "because it is so"
    (row,) = table(text[text.index("### Findings") :], "check")
    assert row[3] == f"`{TOKEN}:0.5.cut`"
    assert "0.5..0.6" in row[2]
    assert f"brownout replay {TOKEN}:0.5.cut --from old.bin" in text


@pytest.mark.parametrize(
    ("judged", "sign", "headline"),
    [
        (verdict(), "✅", "HELD"),
        (verdict(complete=False), "❔", "INCONCLUSIVE"),
        (verdict(finding()), "❌", "FINDINGS"),
    ],
)
def test_each_verdict_has_its_sign(judged: object, sign: str, headline: str) -> None:
    text = page(judged)
    assert text.startswith(f"## {sign} brownout: ")
    assert f"**{headline}: " in text
    assert ("### Findings" in text) == (headline == "FINDINGS")


def test_an_incomplete_campaign_says_why() -> None:
    text = page(verdict(complete=False))
    assert "- the budget is spent" in text
    assert dict(table(text, "coverage"))["complete"] == "no; depth 0 is complete"


def test_nothing_breaks_out_of_its_cell() -> None:
    awkward = finding()
    awkward.message = "a | b <img src=x> [link](http://x) `code` *bold*\n\n# heading \x1b[31m"
    judged = verdict(awkward)
    text = page(judged)
    (row,) = table(text[text.index("### Findings") :], "check")
    assert len(row) == 4
    assert row[1] == (
        r"a \| b \<img src=x\> \[link\](http://x) \`code\` \*bold\*\\n\\n\# heading \\x1b\[31m"
    )  # fmt: skip
    asked = replace(ASKED, arguments=("--from", "a```b"))
    fenced = page(judged, asked).split("````sh\n")[1].split("\n````")[0]
    assert fenced.endswith("--from 'a```b'")


def test_many_kinds_of_findings_are_cut_off_and_counted() -> None:
    found = []
    for number in range(30):
        one = finding(number)
        one.message = f"kind {'x' * number}"
        found.append(one)
    text = page(verdict(*found))
    assert len(table(text[text.index("### Findings") :], "check")) == 20
    assert "And 10 more of other kinds" in text


# -- the command -----------------------------------------------------------------------------------------


def test_it_is_appended_never_overwritten(brownout: Brownout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "summary.md"
    target.write_text("# an earlier step\n", encoding="utf-8")
    monkeypatch.setenv(VARIABLE, str(target))
    for _ in range(2):
        ran = brownout("run", *pair(tmp_path), "--tears", "none", "--json", "-")
        assert (ran.code, ran.err) == (0, "")
        assert json.loads(ran.out)["verdict"] == "held"
    text = target.read_text(encoding="utf-8")
    assert text.startswith("# an earlier step\n")
    assert text.count("## ✅ brownout: demo: ") == 2


def test_findings_are_there_with_their_tokens_and_how_likely_they_are(
    brownout: Brownout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "summary.md"
    monkeypatch.setenv(VARIABLE, str(target))
    flags = (*pair(tmp_path), "--board", stuck_board(tmp_path), "--events", "hang", "--tears", "none")
    ran = brownout("run", *flags, "--json", "-", "--exposure", "uniform")
    text, document = target.read_text(encoding="utf-8"), json.loads(ran.out)
    assert ran.code == 1
    assert document["findings"][0]["token"] in text
    assert document["findings"][0]["replay"] in text
    assert "### Findings per million updates (cut times: uniform)" in text


@pytest.mark.parametrize("where", ["no/such/folder/summary.md", "."])
def test_a_summary_that_cannot_be_written_is_one_line_and_no_exit_code(
    brownout: Brownout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / where))
    ran = brownout("run", *pair(tmp_path), "--tears", "none")
    assert ran.code == 0
    assert ran.out.startswith("HELD")
    (line,) = ran.err.splitlines()
    assert line.startswith(f"note: {VARIABLE}: ")
    assert line.endswith("(the summary is not written there)")


def test_an_empty_variable_asks_for_nothing(
    brownout: Brownout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "")
    ran = brownout("run", *pair(tmp_path), "--tears", "none")
    assert (ran.code, ran.err) == (0, "")
