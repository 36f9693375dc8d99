"""The HTML page: well-formed, offline, escaped, and true to the document it is made from."""

from __future__ import annotations

import base64
import hashlib
import re
from copy import deepcopy
from dataclasses import replace
from functools import cache
from importlib import resources

import pytest

from emu.campaign.update_map import Layer
from emu.report.document import to_document
from emu.report.html.markup import element, text
from emu.report.html.page import to_html
from emu.report.html.tables import MAX_FINDINGS
from emu.rig import Region
from tests.emu.html.pages import Page, broken, held, mutant
from tests.emu.verdicts import ASKED, finding, verdict, without_retries

HOSTILE = "a<b>\"c'&amp;</script><img src=x>\x1b[31m\x00\udc80\u202e\n"
SHOWN = "a<b>\"c'&amp;</script><img src=x>\\x1b[31m\\x00\\udc80\\u202e\\n"


@cache
def pages() -> dict[str, str]:
    return {
        "held": held().page,
        "findings": broken().page,
        "two cuts": mutant("bad-record-first").page,
        "inconclusive": to_html(to_document(verdict(complete=False), ASKED)),
        "no map": to_html(to_document(without_retries(finding(5), finding(6)), ASKED)),
    }


NAMES = ("held", "findings", "two cuts", "inconclusive", "no map")


# -- the file --------------------------------------------------------------------------------------------


def test_the_title_has_the_whole_name_of_an_update_without_a_version() -> None:
    """What waits in flash is called by its size, which has a comma of its own."""
    document = deepcopy(to_document(verdict(), ASKED))
    document["inputs"]["to"]["label"] = "65,536 bytes staged"
    document["inputs"]["from"]["label"] = "app-1.bin, build 7"
    (title,) = (e.text for e in Page(to_html(document)).elements if e.name == "title")
    assert re.search(r"app-1\.bin \S* ?→ 65,536 bytes staged", title)


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_well_formed_and_every_reference_in_it_leads_somewhere(name: str) -> None:
    page = Page(pages()[name])
    ids = [e.attributes["id"] for e in page.elements if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    for e in page.elements:
        for attribute in ("for", "aria-describedby", "aria-labelledby", "data-copies"):
            assert attribute not in e.attributes or e.attributes[attribute] in ids
        if e.name == "a":
            assert (e.attributes["href"] or "").removeprefix("#") in ids


@pytest.mark.parametrize("name", NAMES)
def test_a_page_asks_nobody_for_anything(name: str) -> None:
    source = pages()[name]
    assert not re.search(r"https?:|//[a-z]|@import|url\(", source.replace("// ", ""))
    page = Page(source)
    assert not [e for e in page.elements if e.name in ("img", "iframe", "object", "embed", "form", "base")]
    assert [e.attributes["href"] for e in page.all("link")] == ["data:,"]
    assert not [e for e in page.elements if "src" in e.attributes or "srcset" in e.attributes]
    assert not [key for e in page.elements for key in e.attributes if key.startswith("on")]


def test_the_policy_of_a_page_allows_its_own_script_and_no_request() -> None:
    page = Page(pages()["held"])
    (policy,) = [e.attributes["content"] or "" for e in page.all("meta") if "http-equiv" in e.attributes]
    (script,) = page.all("script")
    digest = base64.b64encode(hashlib.sha256(script.text.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; ")
    assert "connect-src" not in policy


def test_a_page_of_1600_operations_stays_below_a_megabyte() -> None:
    run = held()
    spots = tuple(replace(run.update.spots[n % len(run.update.spots)], entry=n) for n in range(1700))
    page = to_html(run.document, replace(run.update, spots=spots))
    assert len(page.encode()) < 1_000_000
    assert len(Page(page).table("operations-table")) == 1700


# -- at a glance -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "word", "said"),
    [
        ("held", "held", "Every check that had something to judge held"),
        ("findings", "findings", "the update can be broken"),
        ("inconclusive", "inconclusive", "it proves nothing"),
    ],
)
def test_the_verdict_comes_first_in_words_and_with_a_sign(name: str, word: str, said: str) -> None:
    page = Page(pages()[name])
    (box,) = page.all("div", class_="verdict")
    assert word in box.classes
    (h1,) = page.all("h1")
    sign = {"held": "✓", "findings": "✕", "inconclusive": "?"}[word]
    assert h1.text.startswith(f"{sign}{word}")
    assert said in box.text


def test_a_page_that_is_not_held_never_says_so() -> None:
    for name in ("findings", "inconclusive", "no map"):
        (box,) = Page(pages()[name]).all("div", class_="verdict")
        assert "held" not in box.text.lower()


def test_findings_of_an_unfinished_campaign_say_that_there_may_be_more() -> None:
    document = to_document(verdict(finding(), complete=False), ASKED)
    (box,) = Page(to_html(document)).all("div", class_="verdict")
    assert "did not finish: there may be more" in box.text


def test_edges_executed_and_inherited_and_sessions_are_told_apart() -> None:
    document = to_document(verdict(), ASKED)
    (tiles,) = Page(to_html(document)).all("dl")
    for said in ("4 executed + 16 inherited", "6 run + 24 recognised (80.0 %)", "1 erase, 3 programs"):
        assert said in tiles.text


def test_a_share_that_is_not_all_is_not_100_per_cent() -> None:
    document = to_document(verdict(), ASKED) | {"boots": 1_000_000, "runs": 1, "recognised": 999_999}
    assert "recognised (99.9 %)" in Page(to_html(document)).all("dl")[0].text


def test_every_check_is_listed_with_result_and_exercised_count() -> None:
    document = to_document(without_retries(finding(5, count=3), finding(6)), ASKED)
    rows = Page(to_html(document)).table("checks-table")
    assert [row[:5] for row in rows] == [
        ["boots", "✓ held", "20", "0", "0"],
        ["whole", "✕ broken", "20", "2", "4"],
        ["durable", "! not exercised", "0", "0", "0"],
        ["retries", "– not applicable", "0", "0", "0"],
    ]
    assert rows[3][5].endswith("because it is so")


def test_outcomes_and_kinds_of_edges_are_those_of_the_document() -> None:
    run = held()
    page = Page(run.page)
    outcomes = {row[0]: int(row[1].replace(",", "")) for row in page.table("outcomes-table")}
    kinds = {row[0]: int(row[1].replace(",", "")) for row in page.table("kinds-table")}
    assert (outcomes, kinds) == (run.document["outcomes"], run.document["edge_kinds"])


# -- what is optional ------------------------------------------------------------------------------------


def test_a_page_without_a_map_has_no_empty_sections() -> None:
    page = Page(pages()["no map"])
    sections = [e.attributes["id"] for e in page.all("section")]
    assert sections == ["coverage", "checks", "findings", "outcomes", "inputs"]
    assert [e.attributes["href"] for e in page.all("a")] == [f"#{name}" for name in sections]


def test_a_certificate_and_layers_are_tables_when_there_are_some() -> None:
    document = to_document(verdict(), ASKED)
    certificate = {"attempts": 1, "digests": {"bits": 128}, "complete": True, "tears": ["T1", "T2"], "cuts": 12345}
    page = Page(to_html(document, certificate=certificate, layers=[Layer(0, 1, 0), Layer(1, 2000, 30)]))
    assert page.table("certificate-table") == [
        ["attempts", "1"], ["digests.bits", "128"], ["complete", "yes"], ["tears", "T1, T2"], ["cuts", "12,345"],
    ]  # fmt: skip
    assert [row[:3] for row in page.table("layers-table")] == [["0", "1", "0"], ["1", "2,000", "30"]]


def test_more_findings_than_are_listed_are_counted() -> None:
    document = to_document(verdict(finding()), ASKED)
    document["findings"] = [deepcopy(document["findings"][0]) for _ in range(MAX_FINDINGS + 7)]
    page = Page(to_html(document))
    assert len(page.table("findings-table")) == MAX_FINDINGS
    assert "And 7 more findings" in page.by_id("findings").text


# -- escaping --------------------------------------------------------------------------------------------


def test_no_name_can_break_the_page() -> None:
    run = broken()
    document = deepcopy(run.document)
    document["board"] = document["app"] = HOSTILE
    document["notes"] = [HOSTILE]
    for item in document["inputs"].values():
        item["label"] = HOSTILE
    for found in document["findings"]:
        found["message"] = found["outcome"] = HOSTILE
    document["outcomes"] = {HOSTILE: document["edges"]}
    update = replace(
        run.update,
        regions=tuple(Region(r.chip, HOSTILE, r.address, r.size) for r in run.update.regions),
        marks=tuple(replace(mark, facts=(HOSTILE, 0, HOSTILE)) for mark in run.update.marks if mark.name == "decided"),
    )
    source = to_html(document, update, run.cases, {HOSTILE: HOSTILE}, [])
    source.encode()
    assert not [c for c in source if not c.isprintable() and c != "\n"]
    page, plain = Page(source), Page(run.page)
    assert not page.all("img")
    assert len(page.all("script")) == 1
    assert {e.name for e in page.elements} == {e.name for e in plain.elements}
    assert page.table("inputs-table")[0][1] == SHOWN
    assert page.table("certificate-table") == [[SHOWN, SHOWN]]
    assert page.table("outcomes-table")[0][0] == SHOWN
    assert page.all("div", within="map", class_="band")[0].attributes["title"] is not None
    assert SHOWN in (page.all("div", within="map", class_="band")[0].attributes["title"] or "")


def test_text_is_escaped_once_and_markup_never() -> None:
    assert text("<&>") == "&lt;&amp;&gt;"
    assert text(text("<&>")) == "&lt;&amp;&gt;"
    assert element("p", element("b", "1 < 2"), " & ", 3) == "<p><b>1 &lt; 2</b> &amp; 3</p>"


def test_attributes_are_quoted_and_left_out_when_there_is_nothing_to_say() -> None:
    made = element(
        "a", "x", class_="k", data_copies='"><b>', title=None, hidden=False, open=True, x=1.50001, y=0, z=0.0
    )
    assert made == '<a class="k" data-copies="&quot;&gt;&lt;b&gt;" open x="1.5" y="0" z="0">x</a>'


# -- colours ---------------------------------------------------------------------------------------------


def colours(scheme: str) -> dict[str, str]:
    folder = resources.files("emu.report.html")
    source = folder.joinpath("style.css").read_text(encoding="utf-8").partition("}")[0]
    found = dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6})", source))
    if scheme == "dark":
        dark = folder.joinpath("dark.css").read_text(encoding="utf-8")
        found |= dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6})", dark))
    return found


def contrast(one: str, other: str) -> float:
    """The ratio of WCAG 2.2."""

    def luminance(colour: str) -> float:
        channels = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
        linear = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
        return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_and_marks_stand_out_from_what_is_behind_them(scheme: str) -> None:
    named = colours(scheme)
    assert len(named) == 13
    for behind in ("bg", "panel"):
        for words in ("ink", "muted", "link", "new", "unsettled", "finding"):
            assert contrast(named[words], named[behind]) >= 4.5, (words, behind)
        for mark in ("old", "new", "either", "unsettled", "finding", "untried"):
            assert contrast(named[mark], named[behind]) >= 3, (mark, behind)


def test_dark_has_every_colour_that_light_has() -> None:
    dark = resources.files("emu.report.html").joinpath("dark.css").read_text(encoding="utf-8")
    assert set(re.findall(r"--([a-z]+):", dark)) == set(colours("light"))
