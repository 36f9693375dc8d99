"""The flash map: where operations stand, what their places lead to, and that it reads without colour."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest

from emu.campaign.update_map import Spot, UpdateMap
from emu.report.html.flash_map import bands_of, flash_map
from emu.report.html.leads import EITHER, FINDING, LEADS, NEW_RUNS, OLD_RUNS, SETTLED, UNSETTLED, UNTRIED, Lead, lead_of
from emu.rig import Outcome
from tests.emu.html.pages import Page, broken, held, mutant

OLD, NEW = (str(Outcome("settled", image, committed=True)) for image in ("old", "new"))


@pytest.mark.parametrize(
    ("outcomes", "findings", "lead"),
    [
        ([OLD], 0, OLD_RUNS),
        ([NEW], 0, NEW_RUNS),
        ([OLD, NEW], 0, EITHER),
        ([OLD, NEW], 2, FINDING),
        ([str(Outcome("settled", "unknown", committed=True))], 0, UNSETTLED),
        ([OLD, str(Outcome("halted", detail="old image runs, not"))], 0, UNSETTLED),
        ([str(Outcome("hung", detail="no timer"))], 0, UNSETTLED),
        ([str(Outcome("reset", cause="watchdog"))], 0, UNSETTLED),
        ([str(Outcome("settled", "new"))], 0, NEW_RUNS),
        ([str(Outcome("settled"))], 0, SETTLED),
        ([str(Outcome("settled")), str(Outcome("hung", detail="no timer"))], 0, UNSETTLED),
        ([str(Outcome("settled"))], 1, FINDING),
        ([], 0, UNTRIED),
    ],
)
def test_what_a_cut_leads_to_is_the_worst_of_its_outcomes(outcomes: list[str], findings: int, lead: Lead) -> None:
    assert lead_of(Counter(outcomes), findings) is lead


def test_every_lead_has_a_letter_and_a_pattern_of_its_own() -> None:
    assert len({lead.letter for lead in LEADS}) == len(LEADS)
    style = held().page.partition("</style>")[0]
    patterns = [re.search(rf"^i\.{lead.letter} {{ (.*) }}$", style, re.MULTILINE) for lead in LEADS[1:]]
    assert len({found[1] for found in patterns if found}) == len(LEADS) - 1  # the first one is plain


def drawn(update: UpdateMap) -> Page:
    return Page(flash_map(update))


def number(page_value: str | None) -> float:
    assert page_value is not None
    return float(page_value)


def percent(style: str | None, name: str) -> float:
    found = re.search(rf"{name}:([\d.]+)%", style or "")
    assert found is not None
    return float(found[1])


def test_every_operation_is_a_rectangle_in_the_band_of_its_partition() -> None:
    update = held().update
    (group,) = drawn(update).all("g")
    rectangles = [e for e in group.inside if e.name == "rect"]
    bands = {band.name: band for band in bands_of(update)}
    assert len(rectangles) == len(update.spots)
    for spot, rectangle in zip(update.spots, rectangles, strict=True):
        name = next(r.name for r in update.regions if r.address <= spot.address < r.address + r.size)
        top, height = number(rectangle.attributes["y"]), number(rectangle.attributes["height"])
        band = bands[name]
        assert band.top - 0.01 <= top
        assert top + height <= band.top + band.height + 0.01
        assert rectangle.classes == [lead_of(spot.outcomes, spot.findings).letter, "e" if spot.kind == "erase" else "p"]
        if spot.kind == "erase" and spot.length == band.end - band.start:
            assert (top, height) == pytest.approx((band.top, band.height), abs=0.01)


@pytest.mark.parametrize("count", [1, 3, 26, 400, 1700])
def test_operations_fill_the_width_from_left_to_right(count: int) -> None:
    update = held().update
    spots = tuple(replace(update.spots[n % len(update.spots)], entry=n) for n in range(count))
    (group,) = drawn(replace(update, spots=spots)).all("g")
    at = 0.0
    for rectangle in group.inside:
        assert number(rectangle.attributes["x"]) == pytest.approx(at, abs=0.01 * count)
        assert number(rectangle.attributes["width"]) > 0
        at = number(rectangle.attributes["x"]) + number(rectangle.attributes["width"])
    assert at == pytest.approx(100, abs=0.5)


def test_the_few_that_matter_are_wide_among_the_many() -> None:
    update = held().update
    many = [s for s in update.spots if s.session == 0 and s.kind == "program"][:1]
    few = [s for s in update.spots if s.session == 1]
    spots = tuple(many * 1600 + few)
    widths = [number(e.attributes["width"]) for e in drawn(replace(update, spots=spots)).all("g")[0].inside]
    assert min(widths[1600:]) > 1
    assert max(widths[:1600]) < 0.1


def test_letters_under_the_map_tell_the_runs_in_their_order() -> None:
    run = broken()
    (letters,) = drawn(run.update).all("div", class_="letters")
    leads = [lead_of(spot.outcomes, spot.findings).letter for spot in run.update.spots]
    runs = [letter for n, letter in enumerate(leads) if n == 0 or leads[n - 1] != letter]
    assert [e.text for e in letters.inside] == runs
    assert "F" in runs
    strip = drawn(run.update).all("div", class_="strip")[0].inside
    assert [e.classes for e in strip] == [[letter] for letter in runs]
    assert sum(percent(e.attributes["style"], "width") for e in strip) == pytest.approx(100, abs=0.1)


def test_the_legend_counts_the_operations_of_each_kind() -> None:
    run = broken()
    (legend,) = drawn(run.update).all("ul", class_="legend")
    counts = {found[0]: int(found[1]) for found in re.findall(r"([A-Z]) [a-z ,]+? (\d+) operation", legend.text)}
    assert counts == Counter(lead_of(spot.outcomes, spot.findings).letter for spot in run.update.spots)


def test_every_partition_is_named_at_the_side() -> None:
    update = held().update
    labels = drawn(update).all("div", class_="band")
    assert [label.inside[0].text for label in labels] == [region.name for region in update.regions]
    assert ["idle" in label.classes for label in labels] == [False, False, True, False]


def test_an_operation_outside_every_partition_has_a_band_of_its_own() -> None:
    update = held().update
    stray = replace(update.spots[0], address=0x80_0000, length=4096)
    bands = bands_of(replace(update, spots=(*update.spots, stray)))
    assert [band.name for band in bands][-1] == "no partition"
    assert bands[-1].start <= stray.address < bands[-1].end
    assert len(drawn(replace(update, spots=(*update.spots, stray))).all("g")[0].inside) == len(update.spots) + 1


def test_an_operation_behind_the_array_and_a_chip_erase_are_drawn() -> None:
    update = held().update
    (_, size) = update.chips[0]
    behind = replace(update.spots[0], address=size, length=16, kind="write")
    whole = replace(update.spots[0], address=0, length=size)
    for extra in (behind, whole):
        spots: tuple[Spot, ...] = (*update.spots, extra)
        last = drawn(replace(update, spots=spots)).all("g")[0].inside[-1]
        assert number(last.attributes["height"]) > 0
    bands = bands_of(replace(update, spots=(whole,)))
    assert (bands[0].start, bands[-1].end) == (0, size)
    assert all(one.end == other.start for one, other in pairwise(bands))


def test_the_table_of_operations_says_what_the_map_draws() -> None:
    run = mutant("bad-record-first")
    rows = Page(run.page).table("operations-table")
    assert len(rows) == len(run.update.spots)
    for count, (row, spot) in enumerate(zip(rows, run.update.spots, strict=True), 1):
        assert row[:4] == [str(count), str(spot.session + 1), str(spot.entry), spot.kind]
        assert int(row[5], 16) == spot.address
        assert row[9][0] == lead_of(spot.outcomes, spot.findings).letter
        assert int(row[10].replace(",", "")) == spot.outcomes.total()
        assert row[12] == str(spot.findings)
