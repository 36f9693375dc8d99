"""Curves over steps, and bars over time: SVG that fills the width it has, with words beside it that do not shrink.

The drawing is in per cent and is stretched; labels are HTML at the same per cent, so they stay readable on a phone.
Neighbours: `bench` draws with it. Knows nothing of what it draws.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from emu.report.html.markup import Markup, element, joined

HEIGHT_PX = 260
"""As in style.css: a label's place in per cent is known in pixels too."""
LABEL_PX = 17
"""Labels closer than this are moved apart."""
STYLES = "ONEUX"
"""Colours of the page, by the letters of its classes."""
MAX_LABELS = 9
MAX_BARS = 400
SCALE = 1000
"""Units a drawing is wide and high."""
LATE = 92
"""Per cent of the width from where on a label stands to the left of its place."""


@dataclass(frozen=True, slots=True)
class Curve:
    """``values``: above 0, one for each step. ``name``: "" for one that goes with the curve before it, in its colour,
    dashed."""

    name: str
    values: Sequence[float]


def curves(steps: Sequence[str], drawn: Sequence[Curve], unit: str) -> Markup:
    """Curves on a logarithmic scale. ``steps``: the labels of the horizontal axis, evenly spaced; at least one."""
    low, high = _decades([value for curve in drawn for value in curve.values])

    def height(value: float) -> float:
        return 100 * (1 - math.log(value / low) / math.log(high / low))

    places = [100 * n / (len(steps) - 1) if len(steps) > 1 else 50.0 for n in range(len(steps))]
    paths: list[Markup] = []
    ends: list[tuple[float, str, str]] = []
    style = STYLES[0]
    for curve in drawn:
        if curve.name:
            style = STYLES[len(ends) % len(STYLES)]
            ends.append((height(curve.values[-1]), curve.name, style))
        points = [(x, height(value)) for x, value in zip(places, curve.values, strict=True)]
        paths.append(element("path", class_=f"curve {style}{'' if curve.name else ' dashed'}", d=_line(points)))
    ticks = [(height(value), f"{value:g}") for value in _round_values(low, high)]
    every = math.ceil(len(steps) / MAX_LABELS)
    return _chart(ticks, list(zip(places, steps, strict=True))[::-every][::-1], paths, ends, unit)


def bars(values: Sequence[float], unit: str) -> Markup:
    """One bar for each value from 0 up; of more than `MAX_BARS`, the largest of as many neighbours as it takes."""
    each = math.ceil(len(values) / MAX_BARS)
    shown = [max(values[n : n + each]) for n in range(0, len(values), each)]
    step = _step(max(shown))
    high = step * max(1, math.ceil(max(shown) / step))
    width = SCALE / len(shown)
    path = "".join(
        f"M{n * width:.2f} {SCALE}V{SCALE * (1 - value / high):.2f}h{0.8 * width:.2f}V{SCALE}z"
        for n, value in enumerate(shown)
    )
    ticks = [(100 * (1 - n * step / high), f"{n * step:g}") for n in range(round(high / step) + 1)]
    across = [(0.0, "1"), (100.0, f"{len(values):,}")] if len(values) > 1 else [(50.0, "1")]
    said = unit if each == 1 else f"{unit}; each bar is the longest of {each} chunks"
    return _chart(ticks, across, [element("path", class_="bars", d=path)], [], said)


def _chart(
    ticks: Sequence[tuple[float, str]],
    across: Sequence[tuple[float, str]],
    paths: Sequence[Markup],
    ends: Sequence[tuple[float, str, str]],
    unit: str,
) -> Markup:
    grid = "".join(f"M0 {SCALE * at / 100:.1f}H{SCALE}" for at, _ in ticks)
    names = [
        element("span", name, class_=style, style=f"top:{at:.2f}%")
        for at, (_, name, style) in zip(_apart([at for at, _, _ in ends]), sorted(ends), strict=True)
    ]
    widths = [element("b", name) for _, name, _ in ends]  # unseen; the column is as wide as its longest name
    return element(
        "div",
        element("div", *(element("span", word, style=f"top:{at:.2f}%") for at, word in ticks), class_="up"),
        element(
            "div",
            element(
                "svg", element("path", class_="grid", d=grid), *paths,
                viewBox=f"0 0 {SCALE} {SCALE}", preserveAspectRatio="none", aria_hidden="true",
            ),
            class_="field",
        ),
        element("div", joined(widths), *names, class_="names"),
        element("div", *(_below(at, word) for at, word in across), class_="across"),
        element("div", unit, class_="unit"),
        class_="chart",
    )  # fmt: skip


def _below(at: float, word: str) -> Markup:
    style = "first" if at == 0 else "late" if at > LATE else None
    return element("span", word, class_=style, style=f"left:{at:.2f}%")


def _line(points: Sequence[tuple[float, float]]) -> str:
    """Through all of ``points``, in per cent; a single one is a stroke across."""
    if len(points) == 1:
        return f"M0 {SCALE * points[0][1] / 100:.1f}H{SCALE}"
    return "M" + "L".join(f"{SCALE * x / 100:.1f} {SCALE * y / 100:.1f}" for x, y in points)


def _apart(tops: Sequence[float]) -> list[float]:
    """``tops`` in order, each moved down as far as the one above it needs, and then all up as far as the last is out of
    the chart."""
    gap = 100 * LABEL_PX / HEIGHT_PX
    placed: list[float] = []
    for top in sorted(tops):
        placed.append(max(top, placed[-1] + gap) if placed else top)
    for n in range(len(placed) - 1, -1, -1):
        placed[n] = min(placed[n], 100 - gap * (len(placed) - 1 - n))
    return placed


def _decades(values: Sequence[float]) -> tuple[float, float]:
    """Bounds of a logarithmic axis: round, and at least a decade apart."""
    high = _round_up(max(values))
    low = min(values)
    power = 10.0 ** math.floor(math.log10(low))
    return min(max((step * power for step in (1, 2, 5) if step * power <= low), default=low), high / 10), high


def _round_up(value: float) -> float:
    power = 10.0 ** math.floor(math.log10(value))
    return next((step * power for step in (1, 2, 5) if step * power >= value), 10 * power)


def _round_values(low: float, high: float) -> list[float]:
    """1, 2 and 5 of every decade; the ones alone where there are more than eight of them."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1, 2, 5), (1,)):
        values = [step * 10.0**power for power in powers for step in steps]
        values = [value for value in values if low * 0.999 <= value <= high * 1.001]
        if len(values) <= 8:
            break
    return values


def _step(largest: float) -> float:
    """The round distance of at most five ticks up to ``largest``."""
    return _round_up(largest / 5) if largest else 1.0
