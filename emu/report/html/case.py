"""One finding told at length: the graph of its path, the story of every session on it, torn bytes, how to replay it.

A case is the mildest of findings that differ only in place (`report.groups`). Its story was followed by whoever made
the case: a report runs nothing.

Neighbours: `page` lists cases, `path_graph` draws the path, `report.story` has the words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from bootloader.config import Configs
from emu.campaign.replay import Session, Story, Torn
from emu.campaign.update_map import Span
from emu.campaign.verdict import Finding
from emu.report.groups import Group, at_places, grouped
from emu.report.html.markup import Column, Markup, Row, element, joined, table, text
from emu.report.html.path_graph import path_graph, struck_us
from emu.report.story import broken, hexdump, interruption_words, lines_of, reading_words
from emu.words import counted, lives_with_faults

MAX_CASES = 12
SHOWN_PLACES = 12
_BYTE = re.compile(r"([\[{])([0-9a-f]{2})([\]}])")


@dataclass(frozen=True)
class Case:
    """A finding to tell: ``index`` in the list of the document, its ``story``, and the findings it stands for."""

    index: int
    story: Story
    others: tuple[Finding, ...] = ()


def to_tell(findings: Sequence[Finding], limit: int = MAX_CASES) -> list[Group]:
    """The groups that are told at length, in the order of ``findings``: the first of every check before the second of
    any, ``limit`` at most."""
    groups = grouped(findings)
    nth: dict[str, int] = {}
    turns = []
    for number, group in enumerate(groups):
        check = group.mildest.key.check
        nth[check] = nth.get(check, 0) + 1
        turns.append((nth[check], number))
    return [groups[number] for number in sorted(number for _, number in sorted(turns)[:limit])]


def case_section(case: Case, finding: Mapping[str, Any], uncut: Sequence[Span], number: int) -> Markup:
    """The whole case. ``number`` counts from 1 and makes its ids unique; the first one is open."""
    tears = " then ".join([*filter(None, [finding.get("fault", "")]), *finding["tears"]]) or "uncut"
    facts = f"{_how_many(finding)} by {tears}; ends with: {finding['outcome']}"
    title = f"Path to finding {case.index + 1}: {finding['message']}"
    story = element(
        "details",
        element("summary", f"The story, {counted(len(case.story.sessions), 'session')}"),
        *_sessions(case.story.sessions),
        _verdict(case.story),
        open=number == 1,
        class_="story",
    )
    return element(
        "article",
        element("h3", element("span", finding["check"], class_="check"), " ", finding["message"]),
        element("p", facts, class_="aside"),
        element("p", f"The fault: {case.story.told}.") if case.story.told else "",
        path_graph(case.story, uncut, title),
        command(finding["replay"], f"case-{number}-replay"),
        _others(case),
        story,
        id=f"case-{number}",
        class_="case",
    )


def command(line: str, name: str) -> Markup:
    """A line for a shell, with a button that copies it."""
    return element(
        "div",
        element("code", line, id=name, tabindex=0),
        element("button", "Copy", type="button", class_="copy js", data_copies=name, aria_label="Copy the command"),
        class_="command",
    )


def _how_many(finding: Mapping[str, Any]) -> str:
    many = counted(finding["count"], "edge") if "fault" not in finding else lives_with_faults(finding["count"])
    return f"{many} {'leads' if finding['count'] == 1 else 'lead'} here"


def _others(case: Case) -> Markup:
    if not case.others:
        return Markup("")
    where = at_places(case.others, SHOWN_PLACES)
    return element("p", f"Stands for {counted(len(case.others), 'other finding')} of the same kind, {where}.")


def _verdict(story: Story) -> Markup:
    if not story.breaches:
        return element("p", "Every check held on this path.")
    items = [element("li", element("b", f"BROKEN {check}"), f": {message}") for check, message in broken(story)]
    return element("ul", *items, class_="broken")


# -- one session -----------------------------------------------------------------------------------------


def _sessions(sessions: Sequence[Session]) -> Iterator[Markup]:
    """Every session of the story; those in a row that are alike to the last entry are told once."""
    number = 0
    for told, alike in groupby((session.state.cause, _session(session)) for session in sessions):
        cause, body = told
        first, number = number + 1, number + sum(1 for _ in alike)
        name = f"Session {first}" if first == number else f"Sessions {first} to {number}, each the same"
        yield element("div", element("h4", f"{name}: reset by {cause}"), body, class_="told")


def _session(session: Session) -> Markup:
    end = len(session.run.entries) if session.step is None else session.step.entry
    rows: list[Row] = [
        (line.entry, f"{line.start_us / 1000:,.3f}", line.text)
        for line in lines_of(session.run.entries[:end], is_cut=session.step is not None)
    ]
    outcome = session.run.outcome
    if session.step is not None:
        words = element("strong", f"✕ {interruption_words(session, session.step)}", class_="cut")
        rows.append((session.step.entry, f"{struck_us(session) / 1000:,.3f}", words))
    if outcome.kind != "cut":
        rows.append(("end", f"{session.run.end_us / 1000:,.3f}", element("strong", str(outcome))))
    columns = (Column("entry", "n"), Column("at, ms", "n"), Column("what happened", "w"))
    return joined(
        [
            element("ul", *_configs(session.configs), class_="configs"),
            table("", "Entries of the session", columns, rows),
            "" if session.torn is None else _dump(session.torn),
        ]
    )


def _configs(configs: Configs | None) -> list[Markup]:
    """What the boot found on flash: both config copies, and which one counts; nothing where there are none."""
    if configs is None:
        return []
    return [
        element(
            "li",
            f"config copy {copy}: ",
            reading_words(reading),
            element("b", f" ← counts ({configs.why})") if copy == configs.newest else "",
        )
        for copy, reading in enumerate(configs.copies)
    ]


def _dump(torn: Torn) -> Markup:
    """The bytes the tear could reach, as it left them; changed ones in [brackets], ones with a weak bit in {braces}."""
    lines = (_marked(line.removeprefix("    ")) for line in hexdump(torn.before, torn.after, torn.address, torn.weak))
    weak = sum(bits.bit_count() for bits in torn.weak)
    words = "Flash after the cut. [..] changed by the torn operation" + (
        f"; {{..}} holds weak bits, {counted(weak, 'weak bit')} in all" if weak else ""
    )
    return joined(
        [
            element("p", f"{words}.", class_="aside"),
            element("div", element("pre", joined(lines, Markup("\n"))), class_="scroll", tabindex=0, role="region",
                    aria_label="Flash after the cut"),
        ]
    )  # fmt: skip


def _marked(line: str) -> Markup:
    """A line of a hexdump with what stands in brackets or braces as elements of their own."""
    return Markup(_BYTE.sub(_byte, text(line)))


def _byte(found: re.Match[str]) -> str:
    return element("mark" if found[1] == "[" else "em", found[0])
