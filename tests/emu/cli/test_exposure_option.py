"""`brownout run --exposure`: how likely findings are, in every report, and what it says of files that are no trace."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.emu.cli.command import Brownout
from tests.emu.html.pages import Page

CARELESS = '''
from emu.scenario import Scenario, Window
from flash import bundled_part


def firmware(reset):
    """One record, erased and written anew; blank is the end."""
    record = reset.flash["record"]
    if record.read(0, 1) == b"\\xff":
        return "no record"
    reset.handover("record")
    if reset.attempt() is not None:
        record.erase(0, 4096)
        reset.wait(45_000)
        record.program(0, b"\\x00")
        reset.restart()
    return None


careless = Scenario(
    firmware, bundled_part("W25Q128JV"), windows={"record": Window(0, 4096)},
    images={"old": b"\\x01", "new": b"\\x00"}, factory={"record": b"\\x01"},
)
'''
"""The erase takes 45 ms, and so does the time in which the record is blank."""


@pytest.fixture
def own(tmp_path: Path) -> tuple[str, str]:
    path = tmp_path / "careless.py"
    path.write_text(CARELESS, encoding="utf-8")
    return "--firmware", f"{path}:careless"


def test_every_report_has_the_same_figures(brownout: Brownout, own: tuple[str, str], tmp_path: Path) -> None:
    as_json, as_html = tmp_path / "out.json", tmp_path / "out.html"
    ran = brownout("run", *own, "--tears", "none", "--exposure", "uniform", "--json", as_json, "--html", as_html)
    assert (ran.code, ran.err) == (1, "")
    document = json.loads(as_json.read_text(encoding="utf-8"))
    entry = document["exposure"]
    (total,) = entry["any"]
    blank_us = 45_000 / 2 + 45_000 + 700 / 2
    assert total["per_million"] == pytest.approx(1_000_000 * blank_us / entry["device_us"], rel=0.01)
    assert [item["token"] for item in entry["findings"]] == [item["token"] for item in document["findings"]]
    shown = f"{total['per_million']:,.0f}"
    assert re.search(rf"^ +{shown}  any finding$", ran.out, re.MULTILINE)
    assert "assumed: an operation lasts from start to end of its journal entry" in ran.out
    page = Page(as_html.read_text(encoding="utf-8"))
    rows = page.table("exposure-table")
    assert [row[:3] for row in rows[:2]] == [["1", "any", shown], ["1", "boots", shown]]
    assert rows[0][3] == f"one in {1_000_000 / total['per_million']:,.0f}"
    assert len(rows) == 2 + len(document["findings"])
    assert "all moments alike" in page.by_id("exposure").text


def test_without_it_no_report_speaks_of_it(brownout: Brownout, own: tuple[str, str], tmp_path: Path) -> None:
    as_json, as_html = tmp_path / "out.json", tmp_path / "out.html"
    ran = brownout("run", *own, "--tears", "none", "--json", as_json, "--html", as_html)
    assert "exposure" not in ran.out
    assert "exposure" not in json.loads(as_json.read_text(encoding="utf-8"))
    assert not Page(as_html.read_text(encoding="utf-8")).has("exposure")


def test_the_digest_does_not_depend_on_it(brownout: Brownout, own: tuple[str, str]) -> None:
    with_it, without = (
        json.loads(brownout("run", *own, "--tears", "none", "--json", "-", *more).out)["digest"]
        for more in (("--exposure", "uniform"), ())
    )
    assert with_it == without


def test_cut_times_from_a_file(brownout: Brownout, own: tuple[str, str], tmp_path: Path) -> None:
    trace = tmp_path / "cuts.csv"
    trace.write_text("# from the field\n60000\n0,10,2\n999999999\n", encoding="utf-8")
    ran = brownout("run", *own, "--tears", "none", "--exposure", trace, "--json", "-")
    entry = json.loads(ran.out)["exposure"]
    assert entry["cut_times"] == str(trace)
    assert [item["per_million"] for item in entry["any"]] == [250_000]
    assert entry["after_the_update"] == 250_000


def test_what_holds_is_exposed_to_nothing(brownout: Brownout) -> None:
    ran = brownout("run", "--tears", "none", "--exposure", "uniform")
    assert ran.code == 0
    assert "nothing was found, so no moment of it leads to a finding" in ran.out


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no such file"),
        (b"", "has no cut times"),
        (b"1\nx\n", "line 2: 'x' is neither a time in microseconds nor FROM,TO,COUNT"),
        (b"\xff\xfe\x00", "is no text file"),
    ],
)
def test_a_file_without_cut_times_is_refused(
    brownout: Brownout, tmp_path: Path, content: bytes | None, said: str
) -> None:
    trace = tmp_path / "cuts.csv"
    if content is not None:
        trace.write_bytes(content)
    line = brownout.refused("run", "--exposure", trace)
    assert said in line
    assert str(trace) in line


def test_brute_force_has_no_graph_to_read_it_off(brownout: Brownout) -> None:
    assert "--exposure is for --depth any" in brownout.refused("run", "--depth", "1", "--exposure", "uniform")


def test_the_trace_is_an_input_and_not_overwritten(brownout: Brownout, tmp_path: Path) -> None:
    trace = tmp_path / "cuts.csv"
    trace.write_text("5\n", encoding="utf-8")
    assert "is an input too" in brownout.refused("run", "--exposure", trace, "--json", trace)
    assert trace.read_text(encoding="utf-8") == "5\n"


def test_a_folder_is_no_trace(brownout: Brownout, tmp_path: Path) -> None:
    assert "cannot be read" in brownout.refused("run", "--exposure", tmp_path)
