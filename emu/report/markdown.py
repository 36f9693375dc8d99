"""A verdict as Markdown: what a CI service shows beside the log.

Neighbours: `document` has the facts, `groups` folds findings, the CLI appends it where a service asks for it. Whatever
files, boards and messages are called, it stays text. Runs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from emu.campaign.verdict import Verdict
from emu.report.asked import Asked
from emu.report.document import scenario_of
from emu.report.exposure import per_million
from emu.report.groups import Group, at_places, grouped
from emu.report.summary import headline
from emu.words import counted, printable

SIGNS = {"held": "✅", "findings": "❌", "inconclusive": "❔"}
SHOWN_GROUPS, SHOWN_PLACES = 20, 6
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|~#&@])")


def to_markdown(verdict: Verdict, asked: Asked, document: Mapping[str, Any]) -> str:
    """Verdict, what was tried, checks and findings with their tokens. ``document``: that of `to_document`."""
    groups = grouped(verdict.findings)
    lines = [
        f"## {SIGNS[verdict.word]} brownout: {_text(scenario_of(verdict, asked))}",
        "",
        f"**{headline(verdict.word, updates=asked.updates)}**",
        "",
        *(f"- {_text(note)}" for note in (*verdict.notes, *verdict.fault_notes)),
        *([""] if verdict.notes else []),
        *_table(("coverage", ""), _coverage(verdict, document)),
        "",
        *_table(("check", "result", "exercised", "findings", "promise or reason"), _checks(verdict)),
        *_findings(groups, verdict, asked),
        *_exposure(document.get("exposure")),
        "",
        f"Digest `{verdict.digest}`",
        "",
    ]
    return "\n".join(lines)


def _coverage(verdict: Verdict, document: Mapping[str, Any]) -> list[Sequence[str]]:
    cover = verdict.coverage
    inputs = [(role, f"{item['label']}, SHA-256 {item['sha256'][:8]}") for role, item in document["inputs"].items()]
    kinds = ", ".join(counted(count, kind) for kind, count in sorted(cover.operations.items()))
    states = [("states", f"{cover.states:,}")] if cover.states else []
    return [
        *((role, _text(label)) for role, label in inputs),
        ("uncut update", _text(kinds)),
        ("interruptions", f"{verdict.depth_word}, in {counted(verdict.attempts, 'update attempt')}"),
        ("complete", "yes" if verdict.complete else f"no; depth {cover.depth_done} is complete"),
        ("tears", verdict.tears),
        ("events", ", ".join(verdict.events) or "none"),
        ("edges", f"{cover.edges:,}: {cover.edges_executed:,} executed, {cover.edges_inherited:,} inherited"),
        *states,
        ("sessions judged", f"{cover.boots:,}"),
        ("seconds", f"{verdict.seconds:.1f}"),
    ]


def _checks(verdict: Verdict) -> list[Sequence[str]]:
    return [
        (
            _code(result.name), result.result, f"{result.exercised:,}", f"{result.findings:,}",
            _text(verdict.promise(result.name) if result.result in ("held", "broken") else result.reason),
        )
        for result in verdict.results
    ]  # fmt: skip


def _findings(groups: Sequence[Group], verdict: Verdict, asked: Asked) -> list[str]:
    if not groups:
        return []
    shown = groups[:SHOWN_GROUPS]
    rows = []
    for group in shown:
        mildest = group.mildest
        token = asked.token(verdict.attempts_of(mildest), mildest.path, mildest.readings, mildest.fault)
        by = f"{' then '.join(mildest.key.tears) or 'uncut'}, {at_places(group.findings, SHOWN_PLACES)}"
        rows.append((_code(mildest.key.check), _text(mildest.message), _text(by), _code(token)))
    rest = sum(len(group.findings) for group in groups[SHOWN_GROUPS:])
    first = shown[0].mildest
    command = asked.replay_command(verdict.attempts_of(first), first.path, first.readings, first.fault)
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", command)), default=0))
    return [
        "",
        "### Findings, the mildest first",
        "",
        *_table(("check", "what is broken", "by", "token of the mildest"), rows),
        *(["", f"And {rest:,} more of other kinds: the JSON document lists them all."] if rest else []),
        "",
        "The mildest, step by step:",
        "",
        f"{fence}sh",
        command,
        fence,
    ]


def _exposure(entry: Mapping[str, Any] | None) -> list[str]:
    if entry is None:
        return []
    rows = [
        (str(item["cuts"]), item.get("check", "any"), per_million(item["per_million"]))
        for item in (*entry["any"], *entry["checks"])
    ]
    title = f"### Findings per million updates (cut times: {_text(entry['cut_times'])})"
    none = "Nothing was found, so no moment of the update leads to a finding."
    return ["", title, "", *(_table(("cuts", "check", "per million"), rows) if rows else [none])]


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}", *(f"| {' | '.join(row)} |" for row in rows)]


def _text(text: str) -> str:
    """``text`` as it is, whatever Markdown would make of it."""
    return _SPECIAL.sub(r"\\\1", printable(text))


def _code(text: str) -> str:
    """A name or a token: neither has a backtick or a bar."""
    return f"`{text}`"
