"""The uncut update in device time, session by session, to scale.

Per session: erases, programs, the commit timer, and every event with its time. The bar on top has all sessions on one
scale; below, each session has the scale of its own that its axis shows.

Neighbours: `update_map` has the times, `story` the words of events. Everything is placed in per cent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from emu.campaign.update_map import MISUSE, Mark, Span, Spot, UpdateMap
from emu.events import ARMED, COMMIT_TIMER, FED, STOPPED
from emu.report.columns import duration
from emu.report.html.leads import lead_of
from emu.report.html.markup import Column, Markup, Row, element, joined, table
from emu.report.story import event_words
from emu.words import counted

WIDTH, HEIGHT = 100_000, 72
"""Units a session is wide: fine enough for one microsecond in 0.1 s."""
TOGETHER = 0.014
"""Events closer than this share of a session are one tick."""
STEPS = (1, 2, 5)
LATE = 94
"""Per cent of a session from where on labels stand to the left of their place."""


def timeline(update: UpdateMap) -> Markup:
    """The whole section but for its heading."""
    return joined([_overview(update.sessions), *(_session(span, update) for span in update.sessions)])


def _overview(sessions: Sequence[Span]) -> Markup:
    """Every session on one scale, back to back."""
    total = sum(span.end_us for span in sessions)
    if not total:
        return element("p", "The update takes no device time.")
    bars, at = [], 0
    for span in sessions:
        bars.append(
            element(
                "div",
                element("span", f"session {span.number + 1}, {duration(span.end_us)}"),
                style=f"left:{100 * at / total:.3f}%;width:{100 * span.end_us / total:.3f}%",
            )
        )
        at += span.end_us
    return joined(
        [
            element("p", f"{duration(total)} of device time in {counted(len(sessions), 'session')}, on one scale:"),
            element("div", *bars, class_="overview"),
        ]
    )


def _session(span: Span, update: UpdateMap) -> Markup:
    spots = [spot for spot in update.spots if spot.session == span.number]
    marks = [mark for mark in update.marks if mark.session == span.number]
    busy = sum(spot.end_us - spot.start_us for spot in spots)
    facts = (
        f"{duration(span.end_us)}; {_operations(spots)}; flash works for {duration(busy)}. In the rest, the waits, it "
        "is read, or link, application and timers are waited for."
    )
    return element(
        "div",
        element("h3", f"Session {span.number + 1}: reset by {span.cause}"),
        element("p", facts, class_="aside"),
        element("div", _track(span, spots, marks), class_="scroll"),
        _events(span, marks),
        class_="session",
    )


def _operations(spots: list[Spot]) -> str:
    kinds = sorted({spot.kind for spot in spots})
    counts = [counted(sum(spot.kind == kind for spot in spots), kind) for kind in kinds]
    return ", ".join(counts) or "no flash operation"


def _track(span: Span, spots: list[Spot], marks: list[Mark]) -> Markup:
    """Four lanes of one drawing, the ticks of the events above it and the axis below."""
    scale = WIDTH / max(1, span.end_us)
    lanes = [
        _bars("erase", [(s.start_us, s.end_us) for s in spots if s.kind == "erase"], scale, 2),
        _bars("program", [(s.start_us, s.end_us) for s in spots if s.kind != "erase"], scale, 20),
        _bars("wait", list(_waits(span, spots)), scale, 38),
        _bars("timer", list(_armed(span, marks)), scale, 56),
    ]
    ticks = list(_ticks([*(mark.time_us for mark in marks), span.end_us]))
    heads = []
    for at, label in ticks:
        share = _share(at, span)
        heads.append(element("b", label, style=f"left:{share:.3f}%", class_="late" if share > LATE else None))
    return element(
        "div",
        element(
            "div",
            element("span", "erase"),
            element("span", "program"),
            element("span", "wait"),
            element("span", "timer"),
            class_="lanes",
        ),
        element(
            "div",
            element("div", *heads, class_="ticks"),
            element(
                "svg",
                *lanes,
                *(_line(at * scale) for at, _ in ticks),
                viewBox=f"0 0 {WIDTH} {HEIGHT}",
                preserveAspectRatio="none",
                aria_hidden="true",
            ),
            element("div", *_axis(span), class_="axis"),
            class_="drawing",
        ),
        class_="track",
    )


def _bars(name: str, intervals: Iterable[tuple[int, int]], scale: float, top: int) -> Markup:
    """Intervals in microseconds as one path; neighbours that touch are one bar."""
    path, open_bar = [], None
    for start, end in sorted(intervals):
        if open_bar is not None and start <= open_bar[1]:
            open_bar = (open_bar[0], max(open_bar[1], end))
            continue
        if open_bar is not None:
            path.append(open_bar)
        open_bar = (start, end)
    if open_bar is not None:
        path.append(open_bar)
    drawn = "".join(
        f"M{start * scale:.0f} {top}h{max(1, (end - start) * scale):.0f}v14h-{max(1, (end - start) * scale):.0f}z"
        for start, end in path
    )
    return element("path", class_=name, d=drawn)


def _line(x: float) -> Markup:
    return element("path", class_="tick", d=f"M{x:.0f} 0v{HEIGHT}")


def _armed(span: Span, marks: list[Mark]) -> Iterator[tuple[int, int]]:
    """When the commit timer runs."""
    since: int | None = None
    for mark in marks:
        if mark.name == ARMED and since is None:
            since = mark.time_us
        elif mark.name in (STOPPED, FED) and since is not None:
            yield since, mark.time_us
            since = None
    if since is not None:
        yield since, span.end_us


def _waits(span: Span, spots: list[Spot]) -> Iterator[tuple[int, int]]:
    """When no operation is under way: flash is read, or link, application or timer are waited for."""
    since = 0
    for spot in sorted(spots, key=lambda spot: spot.start_us):
        if spot.start_us > since:
            yield since, spot.start_us
        since = max(since, spot.end_us)
    if span.end_us > since:
        yield since, span.end_us


def _ticks(times_us: list[int]) -> list[tuple[int, str]]:
    """Events by their numbers, each at its time; those too close to be told apart as one, at the time of the first. The
    last of ``times_us`` is the end of the session."""
    names = [*map(str, range(1, len(times_us))), "end"]
    ticks: list[tuple[int, str]] = []
    for name, at in zip(names, times_us, strict=True):
        if ticks and at - ticks[-1][0] <= TOGETHER * times_us[-1]:
            first, label = ticks[-1]
            ticks[-1] = (first, f"{label.partition('–')[0]}–{name}")
        else:
            ticks.append((at, name))
    return ticks


def _axis(span: Span) -> Iterator[Markup]:
    """A label at every round time, six at most and none where the end is."""
    if not span.end_us:
        return
    raw = span.end_us / 6
    power = 1
    while power * 10 <= raw:
        power *= 10
    step = next((s * power for s in STEPS if s * power >= raw), 10 * power)
    for at in range(0, span.end_us, step):
        if _share(at, span) < LATE:
            yield element("span", duration(at) if at else "0", style=f"left:{_share(at, span):.3f}%")
    yield element("span", duration(span.end_us), class_="end")


def _share(time_us: int, span: Span) -> float:
    return 100 * time_us / max(1, span.end_us)


def _events(span: Span, marks: list[Mark]) -> Markup:
    """Every event by its number, with what an interruption right before it leads to."""
    rows: list[Row] = [
        (number, mark.entry, f"{mark.time_us / 1000:,.3f}", _words(mark), *_leads_to(mark.outcomes, mark.findings))
        for number, mark in enumerate(marks, 1)
    ]
    last = f"{span.end_us / 1000:,.3f}", element("strong", _end(span))
    rows.append(("end", "", *last, *_leads_to(span.outcomes, span.findings)))
    columns = (
        Column("event", "n"), Column("entry", "n"), Column("at, ms", "n"), Column("what happens", "w"),
        Column("a cut right before leads to"), Column("edges", "n"),
    )  # fmt: skip
    return table(f"events-{span.number + 1}", f"Events of session {span.number + 1}", columns, rows)


def _leads_to(outcomes: Counter[str], findings: int) -> tuple[str, str]:
    lead = lead_of(outcomes, findings)
    return f"{lead.letter} {lead.words}", f"{outcomes.total():,}"


def _words(mark: Mark) -> str:
    return f"MISUSE {mark.facts[0]}" if mark.name == MISUSE else event_words(mark.name, mark.facts)


def _end(span: Span) -> str:
    fires = span.outcome.kind == "reset" and span.outcome.cause == COMMIT_TIMER
    return f"{span.outcome}{': the time to commit is up' if fires else ''}"
