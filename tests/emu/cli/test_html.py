"""`brownout run --html`: one page, in a file or on stdout, beside the other documents and without changing them."""

from __future__ import annotations

import json
import re
import shutil
from copy import deepcopy
from pathlib import Path

from emu.campaign.options import ANY, Options
from emu.cli.campaign import campaign_on
from emu.cli.engine import EngineChoice
from emu.cli.html import html_page
from emu.report.document import to_document
from tests.emu.broken import EagerLoader
from tests.emu.cli.command import ROOT, Brownout, pair, stuck_board
from tests.emu.helpers import NONE, rig_on
from tests.emu.html.pages import Page
from tests.emu.verdicts import as_asked


def stable(document: str) -> dict[str, object]:
    return {key: value for key, value in json.loads(document).items() if key != "seconds"}


def test_the_page_tells_what_the_json_document_says(brownout: Brownout, tmp_path: Path) -> None:
    given = ("run", *pair(tmp_path), "--board", stuck_board(tmp_path), "--events", "hang")
    alone = brownout(*given, "--json", tmp_path / "alone.json")
    both = brownout(*given, "--json", tmp_path / "both.json", "--html", tmp_path / "r.html")
    assert alone.code == both.code == 1
    assert both.err == ""
    documents = [(tmp_path / name).read_text(encoding="utf-8") for name in ("alone.json", "both.json")]
    assert stable(documents[0]) == stable(documents[1]), "following tokens for the page must not count as boots"
    document = json.loads(documents[1])
    page = Page((tmp_path / "r.html").read_text(encoding="utf-8"))
    assert f"{document['edges']:,}" in page.by_id("coverage").text
    assert document["digest"] in page.by_id("inputs").text
    assert [row[7].removeprefix("Copy ") for row in page.table("findings-table")] == [
        finding["token"] for finding in document["findings"]
    ]
    assert page.by_id("case-1-replay").text == document["findings"][0]["replay"]


def test_following_tokens_leaves_the_counts_of_the_campaign_alone() -> None:
    rig = rig_on("stm32f103", firmware=EagerLoader())
    for depth in (ANY, 1):
        with campaign_on(EngineChoice(), rig, Options(tears=NONE, depth=depth), None, None) as campaign:
            judged = campaign.explore()
        before = deepcopy(judged.coverage)
        assert "case-1" in html_page(rig, campaign, judged, as_asked(rig), to_document(judged, as_asked(rig)), None)
        assert judged.coverage == before


def test_the_command_of_a_case_replays_it(brownout: Brownout, tmp_path: Path) -> None:
    board = stuck_board(tmp_path)
    brownout("run", *pair(tmp_path), "--board", board, "--events", "hang", "--html", tmp_path / "r.html")
    page = Page((tmp_path / "r.html").read_text(encoding="utf-8"))
    words = page.by_id("case-1-replay").text.split()
    ran = brownout(*words[1:])
    assert ran.code == 1
    broken = re.findall(r"^BROKEN (.*)$", ran.out, re.MULTILINE)
    (told,) = page.all("ul", within="case-1", class_="broken")
    assert [item.text.removeprefix("BROKEN ") for item in told.inside if item.name == "li"] == broken


def test_partitions_of_the_board_are_on_the_map(brownout: Brownout, tmp_path: Path) -> None:
    assert brownout("run", *pair(tmp_path), "--tears", "none", "--html", tmp_path / "r.html").code == 0
    page = Page((tmp_path / "r.html").read_text(encoding="utf-8"))
    names = [band.inside[0].text for band in page.all("div", within="map", class_="band")]
    assert names == ["config-0", "config-1", "slot-a", "slot-b"]


def test_seeded_tears_are_followed_with_their_seed(brownout: Brownout, tmp_path: Path) -> None:
    """What the seed draws at this place is not what the default seed draws."""
    for seed in ("0", "5"):
        ran = brownout("run", "--tears", "T3", "--seed", seed, "--html", tmp_path / "r.html")
        page = Page((tmp_path / "r.html").read_text(encoding="utf-8"))
        assert (ran.code == 1) == page.has("findings")
        for article in page.all("article"):
            assert "BROKEN" in article.text


def test_a_page_on_stdout_is_alone_there(brownout: Brownout, tmp_path: Path) -> None:
    ran = brownout("run", *pair(tmp_path), "--tears", "none", "--html", "-")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("<!doctype html>")
    assert ran.out.endswith("</html>\n")
    Page(ran.out)


def test_a_spent_budget_leaves_a_page_that_says_so(brownout: Brownout, tmp_path: Path) -> None:
    assert brownout("run", *pair(tmp_path), "--budget", "0.000001s", "--html", tmp_path / "r.html").code == 3
    page = Page((tmp_path / "r.html").read_text(encoding="utf-8"))
    assert page.all("h1")[0].text.startswith("?inconclusive")
    assert "X not tried" in page.by_id("map").text


def test_a_page_that_cannot_be_written_is_refused_before_the_work(brownout: Brownout, tmp_path: Path) -> None:
    said = brownout.refused("run", *pair(tmp_path), "--html", tmp_path / "missing" / "r.html")
    assert said == f"{tmp_path}/missing/r.html: there is no folder {tmp_path}/missing"
    same = tmp_path / "same"
    assert "both go to" in brownout.refused("run", *pair(tmp_path), "--html", same, "--json", same)
    assert "both go to stdout" in brownout.refused("run", *pair(tmp_path), "--html", "-", "--json", "-")
    assert not same.exists()


def test_a_page_never_replaces_what_it_is_about(brownout: Brownout, tmp_path: Path) -> None:
    board = tmp_path / "board.toml"
    shutil.copy(ROOT / "emu" / "boards" / "demo.toml", board)
    before = board.read_bytes()
    said = brownout.refused("run", "--board", board, "--tears", "none", "--html", board)
    assert said == f"{board}: is an input too and would be overwritten; give another path"
    assert board.read_bytes() == before
