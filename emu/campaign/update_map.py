"""The uncut update, operation by operation, and what a cut at each leads to: the map a report is drawn from.

A campaign counts, per place of the uncut sessions, what the edges there lead to; this module puts these counts beside
what the sessions did. Every edge is counted once, at its first interruption, so the counts of a map add up to the
edges of the campaign.

Neighbours: `explore` counts and asks for a map, `report.html` draws it. Knows no rig and runs nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bootloader.decision import ResetCause
from emu.campaign.verdict import Finding
from emu.rig import Outcome, Region, Run
from flash.journal import Event, Operation, OperationKind

MISUSE = "misuse"
"""The name of a mark for something the silicon ignored; its only fact is the message."""

Place = tuple[int, int]
"""Session of the uncut update, and entry in it; both counted from 0."""

Tally = Mapping[Place, Counter[str]]
"""What the edges at each place lead to: edges by outcome in words."""


@dataclass(frozen=True, slots=True)
class Spot:
    """One flash operation of the uncut update. Times in microseconds since the reset of its ``session``.

    ``outcomes``: edges whose first interruption is right before it or inside it, by what they lead to. ``findings``:
    how many findings of the verdict begin there.
    """

    session: int
    entry: int
    kind: OperationKind
    chip: str
    address: int
    length: int
    start_us: int
    end_us: int
    outcomes: Counter[str]
    findings: int


@dataclass(frozen=True, slots=True)
class Mark:
    """One event of the uncut update (`emu.events`), or a MISUSE; counts as in `Spot`."""

    session: int
    entry: int
    name: str
    facts: tuple[Any, ...]
    time_us: int
    outcomes: Counter[str]
    findings: int


@dataclass(frozen=True, slots=True)
class Span:
    """One session of the uncut update: what reset it, how long it took, how it ended. ``outcomes`` and ``findings``
    count edges at its last point, behind every entry."""

    number: int
    cause: ResetCause
    end_us: int
    outcome: Outcome
    outcomes: Counter[str]
    findings: int


@dataclass(frozen=True, slots=True)
class Layer:
    """How many states so many interruptions reach: ``states`` that are new, ``merged`` into one known before."""

    depth: int
    states: int
    merged: int


@dataclass(frozen=True, slots=True)
class UpdateMap:
    """``chips``: name and size in bytes, in the order of the board. All sequences are in the order of time."""

    chips: tuple[tuple[str, int], ...]
    regions: tuple[Region, ...]
    sessions: tuple[Span, ...]
    spots: tuple[Spot, ...]
    marks: tuple[Mark, ...]

    @property
    def edges(self) -> int:
        """Edges counted anywhere on the map."""
        places: list[Spot | Mark | Span] = [*self.spots, *self.marks, *self.sessions]
        return sum(place.outcomes.total() for place in places)


def map_of(
    sessions: Sequence[tuple[ResetCause, Run]],
    tally: Tally,
    findings: Iterable[Finding],
    chips: Iterable[tuple[str, int]],
    regions: tuple[Region, ...],
) -> UpdateMap:
    """The map of the uncut ``sessions``, each with what reset it. ``findings``: those of the verdict; one that needs no
    interruption has no place on the map."""
    found = Counter(finding.key.place[0] for finding in findings if finding.key.place)
    spans: list[Span] = []
    spots: list[Spot] = []
    marks: list[Mark] = []
    for number, (cause, run) in enumerate(sessions):
        for index, entry in enumerate(run.entries):
            place = (number, index)
            counts = tally.get(place, Counter()), found[place]
            if isinstance(entry, Operation):
                spots.append(
                    Spot(
                        number, index, entry.kind, entry.device, entry.address, entry.length, entry.start_us,
                        entry.end_us, *counts,
                    )
                )  # fmt: skip
            elif isinstance(entry, Event):
                marks.append(Mark(number, index, entry.name, entry.facts, entry.time_us, *counts))
            else:
                marks.append(Mark(number, index, MISUSE, (entry.message,), entry.time_us, *counts))
        end = (number, len(run.entries))
        spans.append(Span(number, cause, run.end_us, run.outcome, tally.get(end, Counter()), found[end]))
    return UpdateMap(tuple(chips), regions, tuple(spans), tuple(spots), tuple(marks))
