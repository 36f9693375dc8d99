"""The flash map: where each operation of the uncut update strikes, and what a cut there leads to.

Operations from left to right in their order, addresses from top to bottom, each partition to a scale of its own. Below
stands a strip with the same operations in words of one letter each, so that the map reads without colour.

Neighbours: `leads` says what a cut leads to; `page.js` moves the cursor and fills the read-out from the table that
`operations` makes. Everything is placed in per cent: the map is as wide as its box.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from math import log2

from emu.campaign.update_map import Region, Spot, UpdateMap
from emu.report.columns import size_text
from emu.report.html.leads import LEADS, Lead, lead_of
from emu.report.html.markup import Markup, element, joined
from emu.words import counted

LOW_BAND, HIGH_BAND, PER_DOUBLING = 18.0, 30.0, 24.0
LEAST_HEIGHT = 4.0
NARROWEST = 720.0
"""Pixels of the map on a small screen, where its box scrolls."""
LETTER_WIDTH, LETTER_ROWS = 15.0, 3
NO_PARTITION = "no partition"


@dataclass(frozen=True, slots=True)
class Band:
    """A stripe of the map: bytes ``start`` to ``end`` of a chip, ``height`` pixels from ``top`` on. ``written``: an
    operation strikes in it."""

    chip: str
    name: str
    start: int
    end: int
    top: float
    height: float
    written: bool

    def y(self, address: int) -> float:
        """Where ``address``, or the nearest one of the band, lies."""
        within = min(max(address, self.start), self.end) - self.start
        return self.top + self.height * within / (self.end - self.start)


def flash_map(update: UpdateMap) -> Markup:
    """The map with its legend. There is at least one operation."""
    bands = bands_of(update)
    height = bands[-1].top + bands[-1].height
    leads = [lead_of(spot.outcomes, spot.findings) for spot in update.spots]
    plot = element(
        "div",
        element("div", *_sessions(update), class_="heads"),
        _drawing(update.spots, leads, bands, height),
        element("div", *_strip(leads), class_="strip"),
        element("div", *_letters(leads), class_="letters"),
        element("div", class_="cursor", hidden=True),
        id="map-plot",
        class_="plot",
        tabindex=0,
        role="slider",
        aria_label="operation of the uncut update",
        aria_valuemin=1,
        aria_valuemax=len(leads),
        aria_valuenow=1,
        aria_valuetext="no operation chosen",
        aria_describedby="map-readout",
    )
    return joined(
        [
            element(
                "div",
                element("div", *map(_label, bands), class_="bands", style=f"height:{height:.0f}px"),
                element("div", plot, class_="scroll"),
                class_="map",
            ),
            element(
                "p",
                "Point at the map, or focus it and use the arrow keys, to read one operation.",
                id="map-readout",
                class_="readout js",
            ),
            _legend(leads),
        ]
    )


def bands_of(update: UpdateMap) -> list[Band]:
    """Every partition, and what lies between two where an operation strikes; chip by chip, from top to bottom."""
    bands: list[Band] = []
    top = 0.0
    for region in _places(update):
        end = region.address + region.size
        written = any(_hits(spot, region) for spot in update.spots)
        height = HIGH_BAND + PER_DOUBLING * max(0.0, log2(region.size / 4096)) if written else LOW_BAND
        bands.append(Band(region.chip, region.name, region.address, end, top, height, written))
        top += height
    return bands


def _places(update: UpdateMap) -> Iterator[Region]:
    for chip, size in update.chips:
        at = 0
        last = max((spot.address + spot.length for spot in update.spots if spot.chip == chip), default=0)
        for region in (*(r for r in update.regions if r.chip == chip), Region(chip, "", max(size, last), 0)):
            gap = Region(chip, NO_PARTITION, at, region.address - at)
            if gap.size > 0 and any(_hits(spot, gap) for spot in update.spots):
                yield gap
            if region.size:
                yield region
            at = region.address + region.size


def _hits(spot: Spot, region: Region) -> bool:
    return (
        spot.chip == region.chip
        and spot.address < region.address + region.size
        and region.address < spot.address + spot.length
    )


# -- what is drawn ---------------------------------------------------------------------------------------


def _drawing(spots: Iterable[Spot], leads: list[Lead], bands: list[Band], height: float) -> Markup:
    """One rectangle per operation, one unit wide. Erases are frames, programs are solid."""
    count = len(leads)
    stripes = [
        element("rect", class_="band", x=0, y=band.top, width=count, height=band.height)
        for number, band in enumerate(bands)
        if number % 2
    ]
    marks = []
    for number, (spot, lead) in enumerate(zip(spots, leads, strict=True)):
        struck = [
            b for b in bands if b.chip == spot.chip and b.start < spot.address + spot.length and spot.address < b.end
        ]
        low, high = struck[0].y(spot.address), struck[-1].y(spot.address + spot.length)
        tall = max(LEAST_HEIGHT, high - low)
        low = min(low, struck[-1].top + struck[-1].height - tall)
        kind = "e" if spot.kind == "erase" else "p"
        marks.append(element("rect", class_=f"{lead.letter} {kind}", x=number, y=low, width=1, height=tall))
    return element(
        "svg",
        *stripes,
        element("g", *marks, class_="spots dense" if count > NARROWEST / 4 else "spots"),
        viewBox=f"0 0 {count} {height:.3f}",
        preserveAspectRatio="none",
        style=f"height:{height:.0f}px",
        aria_hidden="true",
    )


def _sessions(update: UpdateMap) -> Iterator[Markup]:
    """A heading where the operations of each session begin."""
    count = len(update.spots)
    for session, spots in groupby(enumerate(update.spots), key=lambda item: item[1].session):
        first = next(spots)[0]
        yield element("span", f"session {session + 1}", style=f"left:{100 * first / count:.3f}%")


def _label(band: Band) -> Markup:
    name = element("b", band.name)
    where = element("span", f"{band.start:#x}", class_="aside") if band.written else ""
    size = element("span", size_text(band.end - band.start), class_="aside") if band.height > 2 * HIGH_BAND else ""
    return element(
        "div", name, where, size,
        style=f"top:{band.top:.0f}px;height:{band.height:.0f}px",
        class_="band" if band.written else "band idle",
        title=f"{band.name}: {band.chip} {band.start:#x} to {band.end:#x}, {size_text(band.end - band.start)}",
    )  # fmt: skip


def _runs(leads: list[Lead]) -> Iterator[tuple[Lead, int, int]]:
    """Operations in a row that lead to the same: what, the first, how many."""
    at = 0
    for lead, members in groupby(leads):
        count = sum(1 for _ in members)
        yield lead, at, count
        at += count


def _strip(leads: list[Lead]) -> Iterator[Markup]:
    scale = 100 / len(leads)
    for lead, first, count in _runs(leads):
        yield element("i", class_=lead.letter, style=f"left:{first * scale:.3f}%;width:{count * scale:.3f}%")


def _letters(leads: list[Lead]) -> Iterator[Markup]:
    """The letter of each run below its middle, on the first of three rows where there is room for it on a small screen;
    letters that find none are left to the table."""
    scale = NARROWEST / len(leads)
    taken = [-LETTER_WIDTH] * LETTER_ROWS
    for lead, first, count in _runs(leads):
        middle = (first + count / 2) * scale
        row = next((n for n, end in enumerate(taken) if middle - LETTER_WIDTH / 2 >= end), None)
        if row is not None:
            taken[row] = middle + LETTER_WIDTH / 2
            yield element("b", lead.letter, style=f"left:{100 * middle / NARROWEST:.3f}%;top:{row * 1.15:.2f}em")


def _legend(leads: list[Lead]) -> Markup:
    """What the letters mean, with how many operations each stands for."""
    entries = [
        element(
            "li",
            element("i", class_=f"swatch {lead.letter}"),
            element("b", lead.letter),
            f" {lead.words} ",
            element("span", counted(leads.count(lead), "operation"), class_="aside"),
        )
        for lead in LEADS
        if lead in leads
    ]
    return element("ul", *entries, class_="legend")
