"""When power goes: distributions, and the files they come from."""

from __future__ import annotations

import math
import random

import pytest

from emu.campaign.cut_times import CutTimes, read_cut_times
from emu.errors import UsageError


def test_uniform_is_the_share_of_the_time() -> None:
    times = CutTimes.uniform(200)
    assert [times.share(*span) for span in ((0, 200), (50, 100), (150, 300), (200, math.inf))] == [1, 0.25, 0.25, 0]


def test_single_cuts_count_from_their_own_moment_on() -> None:
    times = read_cut_times("10\n20\n20\n# a remark\n\n40.5\n", "cuts.txt")
    assert (times.total, times.source) == (4, "cuts.txt")
    assert [times.share(*span) for span in ((0, 10), (10, 20), (20, 21), (40, 40.5), (40.5, 41))] == [
        0, 0.25, 0.5, 0, 0.25
    ]  # fmt: skip


def test_a_bin_is_spread_evenly() -> None:
    times = read_cut_times("0,100,30\n 100 , 200 , 10 \n150\n", "cuts.csv")
    assert times.total == 41
    assert times.share(0, 50) == pytest.approx(15 / 41)
    assert times.share(90, 110) == pytest.approx(4 / 41)
    assert times.share(150, 200) == pytest.approx(6 / 41)
    assert times.share(200, math.inf) == 0


def test_bins_may_overlap_and_leave_gaps() -> None:
    draw = random.Random(5)
    bins = [(a, a + draw.randint(1, 60), draw.randint(1, 9)) for a in (draw.randint(0, 400) for _ in range(40))]
    points = [draw.randint(0, 400) for _ in range(20)]
    times = read_cut_times("\n".join([*(f"{a},{b},{n}" for a, b, n in bins), *map(str, points)]), "x")
    for _ in range(200):
        start = draw.uniform(0, 500)
        end = start + draw.uniform(0, 100)
        plain = sum(n * max(0, min(b, end) - max(a, start)) / (b - a) for a, b, n in bins)
        plain += sum(start <= point < end for point in points)
        assert times.share(start, end) == pytest.approx(plain / times.total, abs=1e-12)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("12\nabc\n", "cuts.txt, line 2: 'abc' is neither a time in microseconds nor FROM,TO,COUNT"),
        ("-4\n", "line 1: '-4' is neither"),
        ("1,2\n", "line 1: '1,2' is neither"),
        ("1e9\n", "line 1: '1e9' is neither"),
        ("nan\n", "line 1: 'nan' is neither"),
        ("5,5,1\n", "line 1: the bin ends at 5, not behind 5"),
        ("", "has no cut times"),
        ("# nothing\n0,10,0\n", "has no cut times"),
        ("\x1b[31m\n", "line 1: '\\\\x1b[31m' is neither"),
    ],
)
def test_a_line_that_says_nothing_is_named(text: str, said: str) -> None:
    with pytest.raises(UsageError) as wrong:
        read_cut_times(text, "cuts.txt")
    assert said in str(wrong.value)
    assert "\n" not in str(wrong.value)
