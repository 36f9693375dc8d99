"""Charts: labels apart from each other, axes round, every value where it belongs."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emu.report.html.chart import HEIGHT_PX, LABEL_PX, MAX_BARS, SCALE, Curve, bars, curves

PERCENT = re.compile(r'<span class="[A-Z]" style="top:([\d.-]+)%">')


def heights(page: str) -> list[list[tuple[float, float]]]:
    """The points of every curve, in per cent from the left and from the bottom."""
    drawn = re.findall(r'<path class="curve [^"]*" d="M([^"]*)">', page)
    points = [[tuple(map(float, pair.split())) for pair in path.split("L")] for path in drawn]
    return [[(100 * x / SCALE, 100 - 100 * y / SCALE) for x, y in path] for path in points]


def test_a_decade_is_as_high_as_another() -> None:
    ((a, b, c, d),) = heights(curves(["1", "2", "3", "4"], [Curve("one", [1, 10, 100, 1000])], "KiB/s"))
    assert [x for x, _ in (a, b, c, d)] == pytest.approx([0, 100 / 3, 200 / 3, 100], abs=0.1)
    assert [y for _, y in (a, b, c, d)] == pytest.approx([0, 100 / 3, 200 / 3, 100], abs=0.1)


def test_values_that_are_alike_get_an_axis_of_a_decade() -> None:
    page = curves(["64", "256"], [Curve("a", [177.2, 177.2])], "KiB/s")
    assert re.findall(r">(\d+)</span>", page.split('class="field"')[0]) == ["20", "50", "100", "200"]
    ((first, last),) = heights(page)
    assert first[1] == last[1] < 100


def test_a_curve_without_a_name_is_dashed_in_the_colour_of_the_one_before() -> None:
    page = curves(["1", "2"], [Curve("a", [1, 2]), Curve("", [2, 3]), Curve("b", [3, 4])], "x")
    assert re.findall(r'class="(curve [^"]*)"', page) == ["curve O", "curve O dashed", "curve N"]


@given(st.lists(st.floats(0.01, 1e5), min_size=1, max_size=10))
def test_names_stand_apart_and_inside(values: list[float]) -> None:
    page = curves(["1", "2"], [Curve(f"c{n}", [value, value]) for n, value in enumerate(values)], "x")
    tops = [float(found) for found in PERCENT.findall(page)]
    assert len(tops) == len(values)
    apart = 100 * LABEL_PX / HEIGHT_PX - 0.02
    assert all(b - a >= apart for a, b in pairwise(tops))
    assert all(-0.01 <= top <= 100.01 for top in tops)


def test_one_step_is_a_stroke_and_many_steps_have_few_labels() -> None:
    assert '<path class="curve O" d="M0 ' in curves(["4k"], [Curve("a", [5])], "x")
    labels = [str(n) for n in range(40)]
    shown = re.findall(r"left:[^>]*>(\d+)<", curves(labels, [Curve("a", [1.0] * 40)], "x"))
    assert len(shown) <= 9
    assert shown[-1] == "39"


def test_bars_begin_at_zero_and_the_axis_is_above_the_largest() -> None:
    page = bars([10, 160, 0], "ms")
    tops = [float(top) for top in re.findall(r"V([\d.]+)h", page)]
    assert [1 - top / SCALE for top in tops] == pytest.approx([10 / 200, 160 / 200, 0])
    assert "200</span>" in page


def test_more_bars_than_fit_show_the_largest_of_their_neighbours() -> None:
    values = [1.0] * (MAX_BARS * 3)
    values[700] = 100.0
    page = bars(values, "ms")
    tops = [round(1 - float(top) / SCALE, 4) for top in re.findall(r"V([\d.]+)h", page)]
    assert len(tops) == MAX_BARS
    assert [n for n, top in enumerate(tops) if top == 1] == [700 // 3]
    assert "each bar is the longest of 3 chunks" in page


def test_nothing_but_zeros_can_be_drawn() -> None:
    assert "bars" in bars([0.0, 0.0], "ms")
