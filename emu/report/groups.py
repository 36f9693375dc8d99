"""Findings that differ only in place, told once.

A cause that strikes at many points of a journal is one finding per point; a person wants to read it once, with the
mildest way to it and a list of the other places. Neighbours: `summary` prints groups; `document` lists every finding.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from emu.campaign.verdict import Finding

_NUMBER = re.compile(r"0x[0-9a-f]+|[0-9]+")
_ADDRESS = re.compile(r"0x[0-9a-f]+")


@dataclass(frozen=True)
class Group:
    """Findings of one check with one outcome by one kind of interruptions; never empty, the mildest first."""

    findings: tuple[Finding, ...]

    @property
    def mildest(self) -> Finding:
        return self.findings[0]

    @property
    def others(self) -> tuple[Finding, ...]:
        return self.findings[1:]


def grouped(findings: Iterable[Finding]) -> list[Group]:
    """``findings`` in groups; both keep the order they come in."""
    groups: dict[tuple[object, ...], list[Finding]] = {}
    for finding in findings:
        groups.setdefault(_cause(finding), []).append(finding)
    return [Group(tuple(members)) for members in groups.values()]


def _cause(finding: Finding) -> tuple[object, ...]:
    """What is left of a finding without its place: a message and an outcome say addresses and counts, which come with
    the place."""
    key = finding.key
    return key.check, _NUMBER.sub("#", key.outcome), key.tears, _NUMBER.sub("#", finding.message)


def outcome_kinds(outcomes: Mapping[str, int]) -> list[tuple[str, int]]:
    """Outcomes with how many edges lead there, in the order of their words. Those that differ in addresses alone are
    one; other numbers may be in the names of images."""
    kinds: dict[str, list[str]] = {}
    for outcome in sorted(outcomes):
        kinds.setdefault(_ADDRESS.sub("#", outcome), []).append(outcome)
    return [(_with_others(alike), sum(outcomes[each] for each in alike)) for alike in kinds.values()]


def _with_others(alike: list[str]) -> str:
    return alike[0] + (f"; and {len(alike) - 1:,} with other addresses" if alike[1:] else "")


def places(findings: Iterable[Finding], limit: int) -> str:
    """Where interruptions strike, as tokens write it (session.entry, several joined by +). Places in a row are one;
    beyond ``limit`` of these the rest is counted."""
    rows: list[list[Spot]] = []
    for spot in sorted({finding.key.place for finding in findings}):
        if rows and _follows(spot, rows[-1][-1]):
            rows[-1].append(spot)
        else:
            rows.append([spot])
    shown = [_written(row[0]) if len(row) == 1 else f"{_written(row[0])}..{_written(row[-1])}" for row in rows[:limit]]
    rest = sum(len(row) for row in rows[limit:])
    return ", ".join([*shown, *([f"and {rest:,} more"] if rest else [])])


def at_places(findings: Iterable[Finding], limit: int) -> str:
    """``at`` the places of the journal; findings with a fault are counted by its place instead: ``by`` these."""
    findings = list(findings)
    faults = list(dict.fromkeys(finding.key.fault for finding in findings if finding.key.fault))
    plain = [finding for finding in findings if not finding.key.fault]
    rest = [f"and {len(faults) - limit:,} more"] if len(faults) > limit else []
    said = [f"at {places(plain, limit)}"] if plain else []
    return "; ".join([*said, *([f"by {', '.join([*faults[:limit], *rest])}"] if faults else [])])


Spot = tuple[tuple[int, int], ...]
"""Session and entry of each interruption."""


def _follows(spot: Spot, before: Spot) -> bool:
    """Whether ``spot`` ends one entry later and is equal but for that."""
    return bool(before) and spot == (*before[:-1], (before[-1][0], before[-1][1] + 1))


def _written(spot: Spot) -> str:
    return "+".join(f"{session}.{entry}" for session, entry in spot) or "uncut"
