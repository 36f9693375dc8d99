"""The flash map: where each operation of the uncut update strikes, and what a cut there leads to.

Operations from left to right in their order, addresses from top to bottom, each partition to a scale of its own. Long
runs of operations that lead to the same are narrow, so that the few that matter can be seen. Below stands a strip with
the same operations as patterns and letters, so that the map reads without colour.

Neighbours: `leads` says what a cut leads to; `page.js` moves the cursor and fills the read-out from the table of
operations that `tables` makes. Everything is placed in per cent: the map is as wide as its box.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import log2

from emu.campaign.update_map import Spot, UpdateMap
from emu.report.columns import size_text
from emu.report.html.leads import LEADS, Lead, lead_of
from emu.report.html.markup import Markup, element, joined
from emu.rig import Region
from emu.words import counted

LOW_BAND, HIGH_BAND, PER_DOUBLING = 18.0, 30.0, 24.0
LEAST_HEIGHT = 4.0
PER_CENT = 100.0
SHORT_RUN, WIDE, WIDE_IN_ALL = 4, 1.4, 50.0
"""Runs of up to so many operations are drawn wide: so many per cent each, and no more than half the map in all."""
LATE = 92.0
NARROWEST = 480.0
"""Pixels of the map on a small screen, where its box scrolls."""
LETTER_WIDTH, LETTER_LINE, LETTER_ROWS = 15.0, 1.15, 4
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
    edges = _edges(update.spots, leads, bands)
    letters, rows = _letters(leads, edges)
    plot = element(
        "div",
        element("div", *_sessions(update.spots, edges), class_="heads"),
        _drawing(update.spots, leads, edges, bands, height),
        element("div", *_strip(leads, edges), class_="strip"),
        element("div", *letters, class_="letters", style=f"height:{rows * LETTER_LINE:.2f}em"),
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
                element(
                    "div",
                    element("div", *map(_label, bands), class_="bands", style=f"height:{height:.0f}px"),
                    element("div", "a cut leads to", class_="leads-to"),
                ),
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


def _drawing(spots: Sequence[Spot], leads: list[Lead], edges: list[float], bands: list[Band], height: float) -> Markup:
    """One rectangle per operation. Erases are frames, programs are solid."""
    stripes = [
        element("rect", class_="band", x=0, y=band.top, width=PER_CENT, height=band.height)
        for number, band in enumerate(bands)
        if number % 2
    ]
    marks = []
    for spot, lead, left, right in zip(spots, leads, edges, edges[1:], strict=False):
        struck = _struck(spot, bands)
        low, high = struck[0].y(spot.address), struck[-1].y(spot.address + spot.length)
        tall = max(LEAST_HEIGHT, high - low)
        low = min(low, struck[-1].top + struck[-1].height - tall)
        kind = "e" if spot.kind == "erase" else "p"
        marks.append(element("rect", class_=f"{lead.letter} {kind}", x=left, y=low, width=right - left, height=tall))
    return element(
        "svg",
        *stripes,
        element("g", *marks, class_="spots"),
        viewBox=f"0 0 {PER_CENT} {height:.3f}",
        preserveAspectRatio="none",
        style=f"height:{height:.0f}px",
        aria_hidden="true",
    )


def _struck(spot: Spot, bands: list[Band]) -> list[Band]:
    """The bands an operation strikes; there is one for every byte of it."""
    end = spot.address + spot.length
    return [band for band in bands if band.chip == spot.chip and band.start < end and spot.address < band.end]


def _edges(spots: Sequence[Spot], leads: list[Lead], bands: list[Band]) -> list[float]:
    """Where each operation begins, in per cent of the map's width, and where the last one ends.

    Operations in a row with the same lead, in the same place, are a run. In a short run every operation is wide enough
    to be seen; what is left of the width is shared by all others.
    """
    places = [(spot.session, lead, _struck(spot, bands)[0].top) for spot, lead in zip(spots, leads, strict=True)]
    short: list[bool] = []
    for _, members in groupby(places):
        length = sum(1 for _ in members)
        short += [length <= SHORT_RUN] * length
    wide = min(WIDE, WIDE_IN_ALL / max(1, sum(short)))
    rest = PER_CENT / len(spots)
    if rest < wide and not all(short):
        rest = (PER_CENT - wide * sum(short)) / (len(spots) - sum(short))
    else:
        wide = rest
    edges = [0.0]
    for is_short in short:
        edges.append(edges[-1] + (wide if is_short else rest))
    return edges


def _sessions(spots: Sequence[Spot], edges: list[float]) -> Iterator[Markup]:
    """A heading where the operations of each session begin; to the left of that place where there is no room."""
    for session, members in groupby(enumerate(spots), key=lambda item: item[1].session):
        left = edges[next(members)[0]]
        late = "late" if left > LATE else None
        yield element("span", f"session {session + 1}", style=f"left:{left:.3f}%", class_=late)


def _label(band: Band) -> Markup:
    name = element("b", band.name)
    where = element("span", f"{band.start:#x}", class_="aside") if band.written else ""
    size = element("span", size_text(band.end - band.start), class_="aside") if band.height > 2 * HIGH_BAND else ""
    return element(
        "div", name, where, size,
        style=f"top:{band.top:.0f}px;height:{band.height:.0f}px",
        class_=f"band{'' if band.written else ' idle'}{' low' if band.height <= HIGH_BAND else ''}",
        title=f"{band.name}: {band.chip} {band.start:#x} to {band.end:#x}, {size_text(band.end - band.start)}",
    )  # fmt: skip


def _runs(leads: list[Lead]) -> Iterator[tuple[Lead, int, int]]:
    """Operations in a row that lead to the same: what, the first, how many."""
    at = 0
    for lead, members in groupby(leads):
        count = sum(1 for _ in members)
        yield lead, at, count
        at += count


def _strip(leads: list[Lead], edges: list[float]) -> Iterator[Markup]:
    for lead, first, count in _runs(leads):
        left, right = edges[first], edges[first + count]
        yield element("i", class_=lead.letter, style=f"left:{left:.3f}%;width:{right - left:.3f}%")


def _letters(leads: list[Lead], edges: list[float]) -> tuple[list[Markup], int]:
    """The letter of each run below its middle, on the first row where there is room for it on a small screen, and how
    many rows that takes. Letters that find no room on the last row are left to the table."""
    half = LETTER_WIDTH / 2 * PER_CENT / NARROWEST
    taken = [-1.0] * LETTER_ROWS
    letters: list[Markup] = []
    for lead, first, count in _runs(leads):
        middle = min((edges[first] + edges[first + count]) / 2, PER_CENT - half)
        row = next((n for n, end in enumerate(taken) if middle - half >= end), None)
        if row is not None:
            taken[row] = middle + half
            place = f"left:{middle:.3f}%;top:{row * LETTER_LINE:.2f}em"
            letters.append(element("b", lead.letter, style=place))
    return letters, sum(end > 0 for end in taken)


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
