"""A session in device time: at which moment a power cut is which edge.

Between two entries of a journal a cut is the point before the second one. While an operation is on its way it is one of
the tears of that operation; which, its progress says where a tear has one, else nobody knows and each is as likely.

Neighbours: `edges` says which edges there are, `exposure` puts a distribution of cut times over them. Knows no state,
no check, and no distribution.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from emu.campaign.edges import tears_in
from emu.campaign.flights import flights
from flash.geometry import Geometry
from flash.journal import Entry, Operation
from flash.tears.progress import progress_of


@dataclass(frozen=True, slots=True)
class Moment:
    """From ``start_us`` to ``end_us`` a cut strikes at ``entry``: inside an operation in flight (``inside``), or else
    at the point before that entry (behind the last one, for the number of entries)."""

    entry: int
    start_us: int
    end_us: int
    inside: bool


@dataclass(frozen=True, slots=True)
class Portion:
    """A tear's part of its operation's time: ``weight`` of what strikes in the shares ``start`` to ``end`` of it."""

    weight: float
    start: float
    end: float

    def within(self, entry: Entry, start_us: float, end_us: float) -> tuple[float, float]:
        """In microseconds, as far as it lies between ``start_us`` and ``end_us``."""
        if not isinstance(entry, Operation):
            return start_us, end_us
        took = entry.end_us - entry.start_us
        first, last = (entry.start_us + share * took for share in (self.start, self.end))
        return min(max(first, start_us), end_us), min(max(last, start_us), end_us)


def moments(entries: Sequence[Entry], end_us: int) -> Iterator[Moment]:
    """The device time of a session, in pieces that follow each other without a gap; none is empty."""
    together = flights(entries)
    now = 0
    for index, entry in enumerate(entries):
        own = [entry] if isinstance(entry, Operation) else []
        others = [entries[other] for other in together.get(index, ())]
        end = entry.end_us if isinstance(entry, Operation) else entry.time_us
        begun = min((op.start_us for op in (*own, *others) if isinstance(op, Operation)), default=end)
        begun = min(max(begun, now), end)
        if begun > now:
            yield Moment(index, now, begun, inside=False)
        if end > begun:
            yield Moment(index, begun, end, inside=True)
        now = max(now, end)
    if end_us > now:
        yield Moment(len(entries), now, end_us, inside=False)


def portions(hows: Sequence[str], entry: Entry, geometries: Mapping[str, Geometry]) -> dict[str, Portion]:
    """How the tears ``hows`` share the time of the operation ``entry`` (or of what is in flight at another entry);
    ``geometries`` by chip.

    Each has an equal part of all. What the tears with a progress have is theirs together: each has the time from its
    own progress to that of the next, the first one also what lies before it.
    """
    known: dict[str, float] = {}
    for how in hows:
        tear, *others = tears_in(how)
        if tear is not None and not others and isinstance(entry, Operation):
            progress = progress_of(tear, entry, geometries[entry.device])
            if progress is not None:
                known[how] = progress
    equal = 1 / len(hows)
    steps = sorted(set(known.values()))
    alike = {step: sum(progress == step for progress in known.values()) for step in steps}
    found = {}
    for how in hows:
        if how not in known:
            found[how] = Portion(equal, 0.0, 1.0)
            continue
        at = known[how]
        after = bisect_right(steps, at)
        start, end = (0.0 if at == steps[0] else at), (steps[after] if after < len(steps) else 1.0)
        found[how] = Portion(equal * len(known) / alike[at], start, end)
    return found
