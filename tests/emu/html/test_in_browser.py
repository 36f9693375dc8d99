"""The page in a headless Chromium: it does what it says, asks nobody for anything, and fits a desktop and a phone.

Skipped where no Chromium is installed (`apt-get install chromium`); `.ci/run` installs it.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.emu.html.browser import Browser, browser, chromium
from tests.emu.html.pages import broken, held, mutant

pytestmark = pytest.mark.skipif(chromium() is None, reason="no chromium is installed")

PAGES = {"held": held, "findings": broken, "two-cuts": lambda: mutant("bad-record-first")}
COLUMN = "[...document.querySelectorAll('#operations-table tbody tr')].map(r => r.cells[{}].textContent)"
HEADING = "document.querySelectorAll('#operations-table th')[{}]"
ADDRESS, TIME, LEADS = 5, 7, 9
OUTSIDE = (
    "e => !e.closest('.scroll, .unseen, svg, .bands, .overview') && e.getBoundingClientRect().right > innerWidth + 1"
)
"""What stands out of the window, in no box that scrolls."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("pages")
    for name, run in PAGES.items():
        (folder / f"{name}.html").write_text(run().page, encoding="utf-8")
    return {name: (folder / f"{name}.html").as_uri() for name in PAGES}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture
def chrome(running: Browser) -> Browser:
    running.prefer(prefers_color_scheme="light")
    return running


def as_number(text: str) -> float:
    return int(text, 16) if text.startswith("0x") else float(text.replace(",", ""))


def column(chrome: Browser, number: int) -> list[str]:
    return list(chrome.run(COLUMN.format(number)))


# -- nothing goes wrong, nothing goes out -----------------------------------------------------------------


def test_no_page_logs_raises_or_asks_for_anything(chrome: Browser, files: dict[str, str]) -> None:
    for url in files.values():
        chrome.open(url)
        chrome.run("document.getElementById('theme').click()")
        assert chrome.heard("Runtime.exceptionThrown") == []
        assert chrome.heard("Runtime.consoleAPICalled") == []
        assert chrome.heard("Log.entryAdded") == []
        asked = {event["request"]["url"] for event in chrome.heard("Network.requestWillBeSent")}
        assert {address for address in asked if not address.startswith("data:")} == {url}


def test_the_policy_stops_a_script_and_a_request_that_are_not_the_pages_own(
    chrome: Browser, files: dict[str, str]
) -> None:
    chrome.open(files["held"])
    chrome.run("document.body.append(Object.assign(document.createElement('script'), {text: 'window.stranger = 1'}))")
    assert chrome.run("window.stranger === undefined")
    assert chrome.run("fetch('http://127.0.0.1:9/').then(() => 'sent', () => 'stopped')") == "stopped"
    said = [event["entry"]["text"] for event in chrome.heard("Log.entryAdded")]
    assert [text for text in said if "127.0.0.1" in text and "Content Security Policy" in text], said


# -- it fits ----------------------------------------------------------------------------------------------


def test_no_page_scrolls_sideways_at_any_width(chrome: Browser, files: dict[str, str]) -> None:
    for url in files.values():
        for width, height in ((1280, 900), (768, 1024), (390, 844), (320, 640)):
            chrome.open(url, width=width, height=height)
            chrome.run("document.querySelectorAll('details').forEach(d => { d.open = true })")
            assert chrome.run("document.documentElement.scrollWidth") == width
            outside = chrome.run(f"[...document.querySelectorAll('body *')].filter({OUTSIDE}).map(e => e.outerHTML)")
            assert outside == []


def test_words_of_the_graph_stay_inside_their_boxes(chrome: Browser, files: dict[str, str]) -> None:
    for name in ("findings", "two-cuts"):
        chrome.open(files[name])
        spilled = chrome.run(
            "[...document.querySelectorAll('svg.path .node')].flatMap(g => { const box = g.querySelector('rect')"
            ".getBoundingClientRect(); return [...g.querySelectorAll('text')].filter(t => "
            "t.getBoundingClientRect().right > box.right).map(t => t.textContent) })"
        )
        assert spilled == []


# -- light and dark ---------------------------------------------------------------------------------------


def test_the_page_follows_the_system_and_then_its_own_button(chrome: Browser, files: dict[str, str]) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    chrome.open(files["held"])
    light = chrome.run(background)
    chrome.run("document.getElementById('theme').click()")
    dark = chrome.run(background)
    assert light == "rgb(255, 255, 255)"
    assert dark != light
    chrome.prefer(prefers_color_scheme="dark")
    chrome.open(files["held"])
    assert chrome.run(background) == dark
    assert chrome.run("document.getElementById('theme').textContent") == "Light"
    chrome.run("document.getElementById('theme').click()")
    assert chrome.run(background) == light


def test_print_is_light_shows_every_story_and_no_button(chrome: Browser, files: dict[str, str]) -> None:
    chrome.ask(
        "Emulation.setEmulatedMedia", media="print", features=[{"name": "prefers-color-scheme", "value": "dark"}]
    )
    chrome.open(files["findings"])
    chrome.run("dispatchEvent(new Event('beforeprint'))")
    assert chrome.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert chrome.run("document.querySelectorAll('details.story:not([open])').length") == 0
    assert chrome.run("getComputedStyle(document.querySelector('.copy')).display") == "none"
    assert chrome.run("document.querySelector('#checks-table th').offsetHeight") > 0
    chrome.run("dispatchEvent(new Event('afterprint'))")
    assert chrome.run("document.querySelectorAll('details.story[open]').length") == 1
    chrome.ask("Emulation.setEmulatedMedia", media="", features=[])


# -- tables -----------------------------------------------------------------------------------------------


def test_a_heading_sorts_up_then_down_by_value_and_says_so(chrome: Browser, files: dict[str, str]) -> None:
    chrome.open(files["held"])
    assert chrome.run(f"{HEADING.format(ADDRESS)}.hasAttribute('aria-sort')") is False
    for number in (ADDRESS, TIME):
        before = column(chrome, number)
        assert number == ADDRESS or sorted(before) != sorted(before, key=as_number)
        for direction, backwards in (("ascending", False), ("descending", True)):
            chrome.run(f"{HEADING.format(number)}.querySelector('button').click()")
            assert chrome.run(f"{HEADING.format(number)}.getAttribute('aria-sort')") == direction
            assert column(chrome, number) == sorted(before, key=as_number, reverse=backwards)
    chrome.run(f"{HEADING.format(LEADS)}.querySelector('button').click()")
    assert column(chrome, LEADS) == sorted(column(chrome, LEADS))
    assert chrome.run("document.querySelectorAll('#operations-table [aria-sort]').length") == 1


def test_a_table_is_sorted_from_the_keyboard(chrome: Browser, files: dict[str, str]) -> None:
    chrome.open(files["held"])
    chrome.run(f"{HEADING.format(ADDRESS)}.querySelector('button').focus()")
    chrome.press("Enter", 13, "\r")
    assert chrome.run(f"{HEADING.format(ADDRESS)}.getAttribute('aria-sort')") == "ascending"


def test_a_filter_shows_rows_that_have_every_word_and_counts_them(chrome: Browser, files: dict[str, str]) -> None:
    chrome.open(files["held"])
    shown = "[...document.querySelectorAll('#operations-table tbody tr')].filter(r => r.offsetHeight).length"
    rows = held().update.spots
    assert chrome.run(shown) == len(rows)
    chrome.run("document.getElementById('operations-table-filter').focus()")
    for letter in "ERASE slot-b":
        chrome.press(letter, text=letter)
    expected = sum(spot.kind == "erase" and spot.address >= 0x20000 for spot in rows)
    assert 0 < expected < len(rows)
    assert chrome.run(shown) == expected
    assert chrome.run("document.getElementById('operations-table-count').textContent") == (
        f"{expected} of {len(rows)} rows"
    )


# -- the map ----------------------------------------------------------------------------------------------


def readout(chrome: Browser) -> str:
    return str(chrome.run("document.getElementById('map-readout').textContent"))


def test_the_map_tells_the_operation_under_the_pointer(chrome: Browser, files: dict[str, str]) -> None:
    chrome.open(files["findings"])
    chrome.run("document.getElementById('map-plot').scrollIntoView()")
    for number, spot in enumerate(broken().update.spots):
        x, y = chrome.run(
            f"(() => {{ const b = document.querySelectorAll('.spots rect')[{number}].getBoundingClientRect();"
            "return [b.x + b.width / 2, b.y + b.height / 2] })()"
        )
        chrome.move(x, y)
        said = readout(chrome)
        assert said.startswith(f"{number + 1} of {len(broken().update.spots)}: {spot.kind} of {spot.length:,} bytes")
        assert f"{spot.address:#x}, session {spot.session + 1}, entry {spot.entry}," in said
        assert f"{spot.outcomes.total():,} edges: " in said
        assert said.endswith(f"Findings: {spot.findings}.")


def test_the_map_is_read_with_the_arrow_keys_in_its_own_order(chrome: Browser, files: dict[str, str]) -> None:
    chrome.open(files["held"])
    count = len(held().update.spots)
    chrome.run(f"{HEADING.format(ADDRESS)}.querySelector('button').click()")
    chrome.run("document.getElementById('map-plot').focus()")
    assert readout(chrome).startswith(f"1 of {count}:")
    for key, expected in (("ArrowRight", 2), ("ArrowRight", 3), ("ArrowLeft", 2), ("End", count), ("Home", 1)):
        chrome.press(key)
        assert readout(chrome).startswith(f"{expected} of {count}:"), key
        assert chrome.run("document.getElementById('map-plot').getAttribute('aria-valuenow')") == str(expected)
    assert chrome.run("document.getElementById('map-plot').getAttribute('aria-valuetext')") == readout(chrome)
    ends = chrome.run(
        "(() => { const c = document.querySelector('.cursor').getBoundingClientRect(), "
        "r = document.querySelector('.spots rect').getBoundingClientRect(); "
        "return [c.left - r.left, c.width - r.width] })()"
    )
    assert all(abs(end) < 2 for end in ends), ends


# -- copying, and a browser without scripts ---------------------------------------------------------------


def test_the_button_copies_the_whole_command(chrome: Browser, files: dict[str, str]) -> None:
    chrome.open(files["findings"])
    chrome.ask("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
    chrome.run("document.querySelector('#case-1 .copy').click()")
    assert (
        chrome.run("navigator.clipboard.readText()") == broken().document["findings"][broken().cases[0].index]["replay"]
    )
    assert chrome.run("document.querySelector('#case-1 .copy').textContent") == "Copied"


def test_without_scripts_everything_is_there_and_no_dead_control_is(chrome: Browser, files: dict[str, str]) -> None:
    chrome.open(files["findings"], scripts=False)
    chrome.ask("Emulation.setScriptExecutionDisabled", value=False)
    assert chrome.run("document.querySelectorAll('#operations-table tbody tr').length") == len(broken().update.spots)
    visible = "[...document.querySelectorAll('button, input')].filter(e => e.offsetHeight).length"
    assert chrome.run(visible) == 0
    assert chrome.run("document.querySelector('#map svg').getBoundingClientRect().height") > 50
