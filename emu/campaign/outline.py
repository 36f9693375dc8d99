"""What a walk needs to know of a stretch, worked out once: which units each operation can touch, whole or torn, which
it needs, which it settles for good, and which events move more than the journal.

Neighbours: `walk` reads it, `space` numbers units, `flash.tears` says what a tear reaches and needs. Knows no state.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence, Sized
from itertools import accumulate

from emu.campaign.cache import Piece
from emu.campaign.edges import TOGETHER, EdgeWalker
from emu.campaign.flights import flights
from emu.campaign.monitor import MOVED_BY
from emu.campaign.space import Space, Units
from emu.events import ARMED, FED, RETAINED, STOPPED
from emu.rig import Kept, Rig, Run
from flash.cells import Cells
from flash.journal import Entry, Event, Operation
from flash.part import Part
from flash.replay import replay
from flash.tears import TearSet, points_of, rows_of

TIMED = (ARMED, STOPPED, FED, RETAINED)
"""Events that matter besides to what a reset line or a timer does."""


class Surveyor:
    """Says of an operation what it and all its tears can touch and need; remembers by place. Of ``bench`` only the
    shape matters."""

    def __init__(self, rig: Rig, space: Space, tears: TearSet, bench: EdgeWalker) -> None:
        self._space = space
        self._tears = tears
        self._cells: dict[str, Cells] = {name: bench.cells(name) for name in rig.chip_names}
        self._parts: dict[str, Part] = dict(zip(rig.chip_names, rig.parts, strict=True))
        self._known: dict[tuple[str, str, int, int], tuple[Units, Units, Units]] = {}
        self.suffixes = Suffixes()

    def survey(self, operation: Operation) -> tuple[Units, Units, Units]:
        """(reach, inputs, kills). Reach: every unit the operation, or a tear of it, may change; inputs: every unit that
        determines what a tear leaves in another one; kills: units that are settled once it is complete, whatever was
        there."""
        key = (operation.device, operation.kind, operation.address, operation.length)
        found = self._known.get(key)
        if found is None or operation.tear is not None:
            found = self._look(operation)
            if operation.tear is None:
                self._known[key] = found
        return found

    def _look(self, operation: Operation) -> tuple[Units, Units, Units]:
        name, cells, space = operation.device, self._cells[operation.device], self._space
        own = [(operation.address, operation.length)]
        reach, inputs = space.touched(name, own), 0
        rows = list(rows_of(self._parts[name], operation, self._tears))
        if operation.tear is not None:
            rows.append(operation.tear.row)
        for row in rows:
            reach |= space.touched(name, row.reach(cells, operation))
            inputs |= space.touched(name, row.inputs(cells, operation))
        kills = 0
        if operation.kind == "erase" and operation.tear is None:
            kills = space.within(name, operation.address, operation.length)
        return reach, inputs, kills


class Outline:
    """One stretch, entry by entry. ``timed``: reset lines and timers strike as well."""

    def __init__(self, run: Run, surveyor: Surveyor, space: Space, *, timed: bool) -> None:
        self.entries: list[Entry] = run.entries
        self.footprint: Units = space.everything if run.trace is None else space.footprint(run.trace)
        looked = [surveyor.survey(e) if isinstance(e, Operation) else (0, 0, 0) for e in run.entries]
        self.reach = [reach for reach, _, _ in looked]
        self.inputs = [inputs for _, inputs, _ in looked]
        self._kills = [(index, kills) for index, (_, _, kills) in enumerate(looked) if kills]
        self._kill_places = [index for index, _ in self._kills]
        self.together = flights(run.entries)
        self._add_flights()
        names = (*MOVED_BY, *TIMED) if timed else MOVED_BY
        kept = run.kept if timed else ()
        self._moving = [
            i
            for i, e in enumerate(run.entries)
            if (isinstance(e, Event) and e.name in names) or (kept and kept[i] != kept[i + 1])
        ]
        self._ahead = self._suffixes()
        is_stamped = bool(self.together) or (timed and not kept)
        self.rest = surveyor.suffixes.of(run, timed=is_stamped, kept=kept)
        self.kills_all = self.kills(0, len(run.entries))

    def kills(self, first: int, stop: int) -> Units:
        """What is settled by the operations of entries first..stop-1."""
        found = 0
        for index in range(bisect_left(self._kill_places, first), len(self._kills)):
            place, kills = self._kills[index]
            if place >= stop:
                break
            found |= kills
        return found

    def flying(self, index: int) -> list[Entry]:
        """Entry ``index``, and the operations in flight with it."""
        return [self.entries[place] for place in (index, *self.together.get(index, ()))]

    def next_moving(self, first: int) -> int:
        """The first entry at or behind ``first`` that moves workload or monitor, or what a reset finds in RAM; the end
        if there is none."""
        at = bisect_left(self._moving, first)
        return self._moving[at] if at < len(self._moving) else len(self.entries)

    def first_meeting(self, first: int, live: Units) -> int:
        """The first entry at or behind ``first`` that moves something, or is an operation that may touch ``live``."""
        stop = self.next_moving(first)
        if first < stop and self._ahead[first] & live:
            for index in range(first, stop):
                if self.reach[index] & live:
                    return index
        return stop

    def reach_of(self, first: int, stop: int) -> Units:
        """What entries first..stop-1, up to the next moving event, may touch."""
        if first < stop == self.next_moving(first):
            return self._ahead[first]
        found = 0
        for index in range(first, stop):
            found |= self.reach[index]
        return found

    def _add_flights(self) -> None:
        """A cut inside an operation may tear all that are in flight with it."""
        reach, inputs = list(self.reach), list(self.inputs)
        for index, others in self.together.items():
            for other in others:
                reach[index] |= self.reach[other]
                inputs[index] |= self.inputs[other]
        self.reach, self.inputs = reach, inputs

    def _suffixes(self) -> list[Units]:
        """For every entry: what it and all that follow it before the next moving event may touch."""
        found = [0] * len(self.entries)
        moving = set(self._moving)
        ahead = 0
        for index in range(len(self.entries) - 1, -1, -1):
            further = 0 if index in moving else ahead | self.reach[index]
            if further != ahead:  # equal sets are one object: there are thousands of entries
                ahead = further
            found[index] = ahead
        return found


class Suffixes:
    """Numbers for what follows a point of a session: two points with equal futures have the same one.

    A future is the next entry and the number of the future behind it, so equal numbers mean equal entries, one by one.
    """

    def __init__(self) -> None:
        self._numbers: dict[tuple[object, ...], int] = {}

    def of(self, run: Run, *, timed: bool, kept: Sequence[Kept] = ()) -> list[int]:
        """For every point of a stretch. ``timed``: when it happens matters; ``kept``: so does what a reset finds."""
        last, numbers = run.outcome, self._numbers
        ending = ("end", last.kind, last.image, last.committed, last.cause, last.detail)
        behind = numbers.setdefault(ending, len(numbers))
        found = [behind]
        after: Sequence[Kept | None] = kept[1:] or (None,) * len(run.entries)
        for entry, then in zip(reversed(run.entries), reversed(after), strict=True):
            what: tuple[object, ...]
            if isinstance(entry, Operation):
                what = (behind, then, entry.kind, entry.device, entry.address, entry.length, entry.data, entry.tear)
                what = (*what, entry.start_us, entry.end_us) if timed else what
            elif isinstance(entry, Event):
                what = (behind, then, entry.name, entry.facts, entry.time_us if timed else 0)
            else:
                what = (
                    behind,
                    then,
                    entry.device,
                    entry.address,
                    entry.length,
                    entry.rule,
                    entry.time_us if timed else 0,
                )
            behind = numbers.setdefault(what, len(numbers))
            found.append(behind)
        return found[::-1]


class TearCounter:
    """How many tears there are, without making their states: by stretch, and worked out once for each."""

    def __init__(self, rig: Rig, tears: TearSet, bench: EdgeWalker) -> None:
        self._tears = tears
        self._bench = bench
        self._cells: dict[str, Cells] = {name: bench.cells(name) for name in rig.chip_names}
        self._parts: dict[str, Part] = dict(zip(rig.chip_names, rig.parts, strict=True))
        self._known: dict[int, dict[str, list[int]]] = {}

    def between(self, piece: Piece, first: int, stop: int) -> dict[str, int]:
        """Tears by kind, inside entries first..stop-1 of a stretch."""
        sums = self._known.get(id(piece.run))
        if sums is None:
            sums = self._known[id(piece.run)] = self._sums(piece)
        return {kind: totals[stop] - totals[first] for kind, totals in sums.items() if totals[stop] > totals[first]}

    def _sums(self, piece: Piece) -> dict[str, list[int]]:
        """For every kind: how many there are before each entry."""
        self._bench.stand(piece.start.memory)
        entries = piece.run.entries
        together = flights(entries)
        sums: dict[str, list[int]] = {}
        for index, entry in enumerate(entries):
            counts = self._counts(entry) if isinstance(entry, Operation) else {}
            for other in together.get(index, ()):
                counts = {TOGETHER: (1 + sum(counts.values())) * (1 + self._all(entries[other])) - 1}
            for kind, count in counts.items():
                if kind not in sums:
                    sums[kind] = [0] * (len(entries) + 1)
                sums[kind][index + 1] = count
            if isinstance(entry, Operation):
                replay(self._cells[entry.device], entry)
        return {kind: list(accumulate(totals)) for kind, totals in sums.items()}

    def _counts(self, operation: Operation) -> dict[str, int]:
        part, cells = self._parts[operation.device], self._cells[operation.device]
        found = {}
        for row in rows_of(part, operation, self._tears):
            points = points_of(row, cells, operation, self._tears)
            found[row.name] = len(points) if isinstance(points, Sized) else sum(1 for _ in points)
        return found

    def _all(self, entry: Entry) -> int:
        return sum(self._counts(entry).values()) if isinstance(entry, Operation) else 0
