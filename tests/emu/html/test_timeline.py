"""The timeline: device time to scale, with every event and what an interruption there leads to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from emu.campaign.update_map import UpdateMap
from emu.events import ARMED, STOPPED
from emu.report.html.leads import lead_of
from emu.report.html.timeline import WIDTH, timeline
from tests.emu.helpers import NONE, board_with, explorer_on, rig_on
from tests.emu.html.pages import Page, held


def bars(page: Page, name: str) -> list[list[tuple[float, float]]]:
    """Start and width of every bar of one lane, session by session, as shares of the session."""
    paths = [e.attributes["d"] or "" for e in page.all("path", class_=name)]
    return [
        [(int(x) / WIDTH, int(w) / WIDTH) for x, w in re.findall(r"M(\d+) \d+h(\d+)v14h-\d+z", path)] for path in paths
    ]


def times(update: UpdateMap, session: int, *kinds: str) -> Iterator[tuple[float, float]]:
    end = update.sessions[session].end_us
    for spot in update.spots:
        if spot.session == session and spot.kind in kinds:
            yield spot.start_us / end, (spot.end_us - spot.start_us) / end


def test_erases_and_programs_stand_to_scale() -> None:
    update = held().update
    page = Page(timeline(update))
    for name in ("erase", "program"):
        for session, drawn in enumerate(bars(page, name)):
            real = list(times(update, session, name))
            assert drawn[0][0] == pytest.approx(real[0][0], abs=2e-5)
            assert sum(width for _, width in drawn) == pytest.approx(sum(width for _, width in real), abs=1e-3)


def test_work_and_waits_fill_a_session() -> None:
    page = Page(timeline(held().update))
    for lanes in zip(*(bars(page, name) for name in ("erase", "program", "wait")), strict=True):
        assert sum(width for lane in lanes for _, width in lane) == pytest.approx(1, abs=1e-3)


def test_the_commit_timer_runs_from_armed_to_stopped() -> None:
    update = held().update
    longer = tuple(replace(span, end_us=2 * span.end_us) for span in update.sessions)
    update = replace(update, sessions=longer)
    page = Page(timeline(update))
    first, second = bars(page, "timer")
    assert first == []
    at = {mark.name: mark.time_us for mark in update.marks if mark.session == 1}
    end = update.sessions[1].end_us
    assert second == [pytest.approx((at[ARMED] / end, (at[STOPPED] - at[ARMED]) / end), abs=1e-4)]


def test_a_timer_that_expires_runs_to_the_end_and_says_so() -> None:
    rig = rig_on(board_with("demo", timers={"watchdog_s": 0}), app="hangs")
    explorer = explorer_on(rig, tears=NONE)
    explorer.explore()
    update = explorer.update_map(rig.regions)
    page = Page(timeline(update))
    expired = next(n for n, span in enumerate(update.sessions) if span.outcome.cause == "commit-timer")
    ((start, width),) = bars(page, "timer")[expired]
    assert start + width == pytest.approx(1, abs=1e-4)
    assert page.table(f"events-{expired + 1}")[-1][3] == "reset by commit-timer: the time to commit is up"


def test_every_event_is_listed_with_its_time_and_what_a_cut_before_it_leads_to() -> None:
    update = held().update
    page = Page(timeline(update))
    for span in update.sessions:
        rows = page.table(f"events-{span.number + 1}")
        marks = [mark for mark in update.marks if mark.session == span.number]
        assert len(rows) == len(marks) + 1
        for row, mark in zip(rows, marks, strict=False):
            assert row[1:3] == [str(mark.entry), f"{mark.time_us / 1000:,.3f}"]
            assert row[4] == "{0.letter} {0.words}".format(lead_of(mark.outcomes, mark.findings))
            assert row[5] == str(mark.outcomes.total())
        assert rows[-1][0] == "end"
        assert rows[-1][3].startswith(str(span.outcome))


def test_numbers_above_a_track_cover_every_event_once_and_the_end() -> None:
    update = held().update
    for ticks, span in zip(Page(timeline(update)).all("div", class_="ticks"), update.sessions, strict=True):
        count = sum(mark.session == span.number for mark in update.marks)
        seen: list[int] = []
        for tick in ticks.inside:
            first, _, last = tick.text.partition("–")
            names = [count + 1 if name == "end" else int(name) for name in (first, last or first)]
            seen += range(names[0], names[1] + 1)
        assert seen == list(range(1, count + 2))


def test_sessions_share_one_scale_above() -> None:
    update = held().update
    (overview,) = Page(timeline(update)).all("div", class_="overview")
    widths = [
        float(found[1])
        for e in overview.inside
        if (found := re.search(r"width:([\d.]+)%", e.attributes.get("style") or ""))
    ]
    total = sum(span.end_us for span in update.sessions)
    assert widths == pytest.approx([100 * span.end_us / total for span in update.sessions], abs=0.01)
