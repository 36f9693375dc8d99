"""The path to a finding as a graph: sessions are nodes, restarts and interruptions are edges, the end is what broke.

One lane per number of interruptions so far. The first lane goes on, dashed, to where the uncut update ends; an
interruption leads down, to the session that finds what it left.

Neighbours: `case` shows it above the story, which tells the same in words. Knows no rig.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from emu.campaign.replay import Session, Story
from emu.campaign.update_map import Span
from emu.campaign.verdict import Step
from emu.events import DECIDED, HANDOVER
from emu.report.columns import duration
from emu.report.html.markup import Markup, element
from emu.report.story import disturbances, interruption_words
from flash.journal import Event

NODE_WIDTH, NODE_HEIGHT = 200.0, 62.0
GAP, DROP, MARGIN = 34.0, 76.0, 6.0
END_WIDTH = 280.0
CUT_WIDTH = 360.0
LINE = 16.0
PER_LINE, END_PER_LINE, CUT_PER_LINE = 25, 36, 44
"""Characters: 7 pixels each in the widest of the usual fonts."""


@dataclass(frozen=True, slots=True)
class Node:
    """A box of the graph. ``style``: "was" for what did not come to pass, "end held", "end broken", or ""."""

    lane: int
    column: int
    lines: tuple[str, ...]
    style: str = ""

    @property
    def x(self) -> float:
        return MARGIN + self.column * (NODE_WIDTH + GAP)

    @property
    def y(self) -> float:
        return MARGIN + self.lane * (NODE_HEIGHT + DROP)

    @property
    def width(self) -> float:
        return END_WIDTH if self.style.startswith("end") else NODE_WIDTH

    @property
    def height(self) -> float:
        return max(NODE_HEIGHT, LINE * len(self.lines) + 14)


def path_graph(story: Story, uncut: Sequence[Span], title: str) -> Markup:
    """The graph of one story. ``uncut``: the sessions of the uncut update; empty: not known."""
    nodes: list[Node] = []
    lines: list[Markup] = []
    lane = column = number = 0
    for (cause, words, _), members in groupby(story.sessions, key=_told):
        alike = list(members)
        session = alike[0]
        first, number = number + 1, number + len(alike)
        name = f"session {first}" if first == number else f"sessions {first}–{number}"
        node = Node(lane, column, (f"{name}: {cause}", *words))
        if nodes and nodes[-1].lane == lane:
            lines.append(_along(nodes[-1], node))
        nodes.append(node)
        if session.step is None:
            column += 1
        else:
            if lane == 0:
                lines += _not_taken(node, uncut)
            lines.append(_down(node, _cut_lines(session)))
            lane += 1
    end = Node(lane, column, _end_lines(story), "end broken" if story.breaches else "end held")
    if nodes[-1].lane == lane:
        lines.append(_along(nodes[-1], end))
    boxes = [_box(node) for node in (*nodes, end)]
    width = max([end.x + END_WIDTH, *(node.x + CUT_WIDTH for node in nodes[:-1])]) + MARGIN
    if uncut and lane:
        width = max(width, MARGIN + len(uncut) * (NODE_WIDTH + GAP) + END_WIDTH + MARGIN)
    height = end.y + max(node.height for node in (*nodes, end)) + MARGIN
    drawing = element(
        "svg",
        *lines,
        *boxes,
        viewBox=f"0 0 {width:.0f} {height:.0f}",
        width=f"{width:.0f}",
        height=f"{height:.0f}",
        role="img",
        aria_label=title,
        class_="path",
    )
    return element("div", drawing, class_="scroll", tabindex=0, role="region", aria_label=title)


def _told(session: Session) -> tuple[str, tuple[str, ...], Step | None]:
    """What a node shows of a session; those in a row that show the same are one node."""
    return session.state.cause, _session_lines(session), session.step


# -- words -----------------------------------------------------------------------------------------------


def _session_lines(session: Session) -> tuple[str, ...]:
    """What the bootloader decided, what ran, and what the network did to a frame."""
    end = len(session.run.entries) if session.step is None else session.step.entry
    events = {e.name: e.facts for e in session.run.entries[:end] if isinstance(e, Event)}
    lines: list[str] = []
    if DECIDED not in events:
        lines.append("boot does not decide")
    else:
        rule, slot, _ = events[DECIDED]
        lines.append(f"{rule}, {f'slot {slot}' if slot >= 0 else 'no slot'}")
    if HANDOVER in events:
        image, trial = events[HANDOVER][1:3]
        lines.append(f"runs the {image} image{', trial' if trial else ''}")
    lines += disturbances(session.run.entries[:end])
    return tuple(textwrap.shorten(line, PER_LINE, placeholder="…") for line in lines)


def _cut_lines(session: Session) -> tuple[str, ...]:
    assert session.step is not None, "an interruption has a step: please report"
    entry = session.step.entry
    words = textwrap.wrap(interruption_words(session, session.step), CUT_PER_LINE)[:2]
    return (*words, f"at entry {entry}, {duration(struck_us(session))} after its reset")


def struck_us(session: Session) -> int:
    """When a session was interrupted, in microseconds since its reset; for a tear, when its operation began."""
    return session.run.end_us if session.torn is None else session.torn.operation.start_us


def _end_lines(story: Story) -> tuple[str, ...]:
    """How the device ends, and every check that is broken on the way, each named once."""
    lines = textwrap.wrap(str(story.outcome), END_PER_LINE)[:3]
    checks = list(dict.fromkeys(breach.check for breach in story.breaches))
    broken = [f"✕ {check} broken" for check in checks] or ["✓ every check held"]
    return (*lines, *broken)


# -- what is drawn ---------------------------------------------------------------------------------------


def _box(node: Node) -> Markup:
    words = [
        element("text", line, x=node.x + 10, y=node.y + 20 + LINE * n, class_="first" if n == 0 else None)
        for n, line in enumerate(node.lines)
    ]
    frame = element("rect", x=node.x, y=node.y, width=node.width, height=node.height, rx=3)
    return element("g", frame, *words, class_=f"node {node.style}".strip())


def _along(one: Node, other: Node, style: str = "restart") -> Markup:
    return _arrow(one.x + one.width, one.y + NODE_HEIGHT / 2, other.x, one.y + NODE_HEIGHT / 2, style)


def _arrow(x1: float, y1: float, x2: float, y2: float, style: str) -> Markup:
    """A line with its head: to the right or downwards."""
    head = f"M{x2:.0f} {y2:.0f}l-7 -4v8z" if y1 == y2 else f"M{x2:.0f} {y2:.0f}l-4 -7h8z"
    line = element("path", d=f"M{x1:.0f} {y1:.0f}L{x2:.0f} {y2:.0f}", class_="line")
    return element("g", line, element("path", d=head, class_="head"), class_=style)


def _down(node: Node, words: tuple[str, ...]) -> Markup:
    """The interruption of ``node``: an arrow to the lane below, crossed out, with its words."""
    x, top, bottom = node.x + 28, node.y + node.height, node.y + NODE_HEIGHT + DROP
    cross = element("path", d=f"M{x - 6:.0f} {top + 8:.0f}h12M{x - 6:.0f} {top + 13:.0f}h12", class_="line")
    label = [
        element("text", line, x=x + 16, y=top + 21 + LINE * n, class_="first" if n < len(words) - 1 else None)
        for n, line in enumerate(words)
    ]
    return element("g", _arrow(x, top, x, bottom, "fall"), cross, *label, class_="cut")


def _not_taken(node: Node, uncut: Sequence[Span]) -> list[Markup]:
    """Where the first lane would have gone without the interruption: dashed."""
    drawn: list[Markup] = []
    before = node
    for span in uncut[node.column + 1 :]:
        lines = (f"session {span.number + 1}: {span.cause}", "without the cut")
        after = Node(0, span.number, lines, "was")
        drawn += [_along(before, after, "restart was"), _box(after)]
        before = after
    if uncut:
        end = Node(0, len(uncut), ("without the cut:", *textwrap.wrap(str(uncut[-1].outcome), PER_LINE)[:2]), "was")
        drawn += [_along(before, end, "restart was"), _box(end)]
    return drawn
