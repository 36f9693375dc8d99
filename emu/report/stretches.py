"""Operations in stretches, each told in one line: those that carry on where the last were, and those that go round a
few places in turn, as a swap of two slots does.

Neighbours: `story` has the lines around them. Knows operations and no sessions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flash.journal import Operation

NEAR = 4096
MOST_PLACES = 4
"""Two slots, a scratch sector, and flags."""
ROUNDS = 3
"""How often places are gone round, at least, before it is told as one thing."""
LAST = 4
"""Stretches right before a cut that are not folded: what surrounds it."""


@dataclass(frozen=True, slots=True)
class _Place:
    device: str
    low: int
    high: int

    def is_near(self, other: _Place) -> bool:
        return other.device == self.device and self.gap(other) <= NEAR

    def gap(self, other: _Place) -> int:
        """Bytes between the two; below 0: they overlap."""
        return max(self.low - other.high, other.low - self.high)

    def with_(self, other: _Place) -> _Place:
        return _Place(self.device, min(self.low, other.low), max(self.high, other.high))


@dataclass(frozen=True, slots=True)
class Stretch:
    """Operations in a row, and the places where they were."""

    done: list[Operation]
    places: list[_Place]

    @property
    def words(self) -> str:
        kinds = Counter(operation.kind for operation in self.done)
        counted = ", ".join(f"{count:,} {kind}s" if count > 1 else kind for kind, count in sorted(kinds.items()))
        took = (self.done[-1].end_us - self.done[0].start_us) / 1000
        return f"{counted} in {_where(self.places)}, {took:,.1f} ms"


def stretches_of(done: Sequence[Operation], *, is_cut: bool) -> Iterator[Stretch]:
    """All of ``done``, in order. ``is_cut``: something strikes behind the last of them."""
    plain = _carrying_on(done)
    folded = max(0, len(plain) - LAST) if is_cut else len(plain)
    first = 0
    while first < folded:
        one = _in_turn(plain[first:folded])
        yield one
        count = len(one.done)
        while count:
            count -= len(plain[first].done)
            first += 1
    yield from plain[folded:]


def _carrying_on(done: Sequence[Operation]) -> list[Stretch]:
    """Each in one place."""
    found: list[Stretch] = []
    for operation in done:
        here = _Place(operation.device, operation.address, operation.address + operation.length)
        if found and found[-1].places[0].is_near(here):
            found[-1].done.append(operation)
            found[-1].places[0] = found[-1].places[0].with_(here)
        else:
            found.append(Stretch([operation], [here]))
    return found


def _in_turn(stretches: Sequence[Stretch]) -> Stretch:
    """The first of them, with those behind it that go round the same places; alone where they do not."""
    places: list[_Place] = []
    visits: list[int] = []
    """Which place each stretch is at."""
    for stretch in stretches:
        here = stretch.places[0]
        near = [at for at, place in enumerate(places) if place.is_near(here)]
        at = min(near, key=lambda at: places[at].gap(here), default=len(places))
        if at == MOST_PLACES:
            break
        places[at : at + 1] = [places[at].with_(here) if near else here]
        visits.append(at)
    while visits and visits.count(visits[-1]) == 1:
        places.pop(visits.pop())
    if visits.count(0) < ROUNDS or len(visits) < ROUNDS * len(places):
        return stretches[0]
    return Stretch([operation for stretch in stretches[: len(visits)] for operation in stretch.done], places)


def _where(places: Sequence[_Place]) -> str:
    """In the order in which they were first gone to."""
    told, device = [], ""
    for place in places:
        span = f"{place.low:#x}..{place.high:#x}"
        told.append(span if place.device == device else f"{place.device} {span}")
        device = place.device
    if len(told) == 1:
        return told[0]
    return f"{', '.join(told[:-1])} and {told[-1]} in turn"
