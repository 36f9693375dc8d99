"""The page of a bench: it has every figure, it is well-formed, and it fits a desktop and a phone."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest

from emu.report.html.bench import bench_page
from tests.emu.cli.command import Brownout, pair, process
from tests.emu.html.browser import browser, chromium
from tests.emu.html.pages import Page

GATES = ("--fail-if", "boot_ms > 0", "--fail-if", "boot_ms > 400")


@cache
def document(*options: str) -> dict[str, object]:
    ran = process("bench", *options, "--json", "-")
    return dict(json.loads(ran.out))


def test_every_measurement_and_every_row_is_on_the_page() -> None:
    told = document()
    page = Page(bench_page(told))
    shown = {row[0]: row[1].replace(",", "") for row in page.table("measurements-table")}
    assert {name: float(value) for name, value in shown.items()} == {
        name: each["value"]
        for name, each in told["measurements"].items()  # type: ignore[attr-defined]
    }
    assert len(page.table("rows-table")) == len(told["rows"])  # type: ignore[arg-type]
    assert [row[0] for row in page.table("wear-table")] == ["config-0", "config-1", "slot-a", "slot-b"]


def test_gates_head_the_page_and_none_are_no_verdict() -> None:
    failed = Page(bench_page(document(*GATES)))
    assert [row[:2] for row in failed.table("gates-table")] == [
        ["✕ failed", "boot_ms > 0"],
        ["✓ passed", "boot_ms > 400"],
    ]
    assert "1 of 2 gates failed" in failed.source
    assert "gates-table" not in bench_page(document())


def test_names_of_strangers_are_text(brownout: Brownout, tmp_path: Path) -> None:
    told = document() | {"board": "<script>alert(1)</script>", "file": "<b>x</b>\x07"}
    page = bench_page(told)
    assert "<script>alert" not in page
    assert "&lt;b&gt;x&lt;/b&gt;\\x07" in page


def test_the_command_writes_the_page_and_keeps_the_table(brownout: Brownout, tmp_path: Path) -> None:
    ran = brownout("bench", *pair(tmp_path), "--html", tmp_path / "bench.html", *GATES)
    assert ran.code == 1
    assert ran.out.startswith("board demo, ")
    assert "1 of 2 gates failed" in (tmp_path / "bench.html").read_text(encoding="utf-8")
    alone = brownout("bench", *pair(tmp_path), "--html", "-")
    assert alone.out.startswith("<!doctype html>")
    assert alone.out.count("board demo, ") == 1
    same = brownout.refused("bench", *pair(tmp_path), "--html", tmp_path / "x", "--json", tmp_path / "x")
    assert "--json and --html both go to" in same


@pytest.fixture
def brownout(capsys: pytest.CaptureFixture[str]) -> Brownout:
    return Brownout(capsys)


@pytest.mark.skipif(chromium() is None, reason="no chromium is installed")
def test_a_bench_page_fits_asks_for_nothing_and_follows_the_theme(tmp_path: Path) -> None:
    url = tmp_path / "bench.html"
    url.write_text(bench_page(document(*GATES)), encoding="utf-8")
    with browser(tmp_path / "profile") as chrome:
        for theme, background in (("light", "rgb(255, 255, 255)"), ("dark", "rgb(21, 24, 27)")):
            chrome.prefer(prefers_color_scheme=theme)
            for width, height in ((1280, 900), (390, 844), (320, 640)):
                chrome.open(url.as_uri(), width=width, height=height)
                assert chrome.run("document.documentElement.scrollWidth") == width
                assert chrome.run("getComputedStyle(document.body).backgroundColor") == background
                curve = chrome.run("document.querySelector('.curve').getBoundingClientRect().width")
                assert curve > width / 3
                overlapping = chrome.run(
                    "(() => { const l = [...document.querySelectorAll('#throughput .names span')]"
                    ".map(e => e.getBoundingClientRect()).sort((a, b) => a.top - b.top);"
                    "return l.filter((box, n) => n && box.top < l[n - 1].bottom - 4).length })()"
                )
                assert overlapping == 0
        assert chrome.heard("Log.entryAdded") == []
        assert chrome.heard("Runtime.exceptionThrown") == []
        asked = {event["request"]["url"] for event in chrome.heard("Network.requestWillBeSent")}
        assert {address for address in asked if not address.startswith("data:")} == {url.as_uri()}
