"""The state of a device as numbered units, so that a set of them is one integer.

Neighbours: `flash.grid` cuts one chip into units, this room puts the chips one behind the other. `closure` compares
states on sets of units. Knows no session and no check.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b

from emu.rig import Rig
from flash.snapshot import KEY_BYTES, Snapshot
from flash.tears.row import Extent
from flash.trace import ATTEMPTS, Trace, UnitAddress

Units = int
"""A set of units: bit n stands for unit n."""

MOST_CHANGED = 64
"""Changes a print carries itself; where more change at once (a slot was written), they become an anchor."""
_MASK = (1 << 8 * KEY_BYTES) - 1


class Print:
    """What tells a state from the reference: 128 bits for every unit that holds something else.

    Sums of them, on a set of units, are what states are compared by; a sum is changed in the time of what changed.
    ``anchor``: the units not in ``changed`` are as in it (0: as in the reference); many states share one.
    """

    __slots__ = ("_sums", "anchor", "changed")

    def __init__(self, changed: dict[int, int], anchor: Print | None = None) -> None:
        self.changed = changed
        self.anchor: Print | None = anchor
        assert anchor is None or anchor.anchor is None, "an anchor stands by itself: please report"
        self._sums: dict[Units, int] = {}

    @property
    def units(self) -> dict[int, int]:
        """Every unit that differs from the reference."""
        both = self.changed if self.anchor is None else self.anchor.changed | self.changed
        return {at: hashed for at, hashed in both.items() if hashed}

    def unit(self, at: int) -> int:
        """What stands for one unit."""
        found = self.changed.get(at)
        if found is None:
            found = 0 if self.anchor is None else self.anchor.changed.get(at, 0)
        return found

    def on(self, units: Units, bits: frozenset[int]) -> bytes:
        """The key on a set of units, given as a number and as what is in it."""
        return (self._sum(units, bits) & _MASK).to_bytes(KEY_BYTES, "little")

    @property
    def whole(self) -> bytes:
        """The key on all units."""
        total = sum(self.changed.values())
        if self.anchor is not None:
            before = self.anchor.changed
            total += self.anchor.total - sum(before.get(at, 0) for at in self.changed)
        return (total & _MASK).to_bytes(KEY_BYTES, "little")

    @property
    def total(self) -> int:
        """The sum on all units, of an anchor."""
        known = self._sums.get(-1)
        if known is None:
            known = self._sums[-1] = sum(self.changed.values())
        return known

    def _sum(self, units: Units, bits: frozenset[int]) -> int:
        known = self._sums.get(units)
        if known is not None:
            return known
        if self.anchor is None:
            known = sum(hashed for at, hashed in self.changed.items() if at in bits)
        else:
            before = self.anchor.changed
            known = self.anchor._sum(units, bits)
            known += sum(hashed - before.get(at, 0) for at, hashed in self.changed.items() if at in bits)
        self._sums[units] = known
        return known


class Space:
    """All units of all chips of ``rig``. States are told apart by their `Print` against ``reference``."""

    def __init__(self, rig: Rig, reference: Sequence[Snapshot]) -> None:
        self._grids = [rig.grids[name] for name in rig.chip_names]
        self._chip = {name: number for number, name in enumerate(rig.chip_names)}
        self._first: list[int] = []
        self.count = 0
        for grid in self._grids:
            self._first.append(self.count)
            self.count += grid.count
        self._reference = tuple(reference)
        self._held: dict[int, bytes] = {}
        self._anchors: dict[int, Print] = {}
        self._hashes: dict[tuple[int, bytes], int] = {}
        self._ranges: dict[tuple[str, int, int], Units] = {}

    @property
    def everything(self) -> Units:
        return (1 << self.count) - 1

    def units(self, addresses: Iterable[UnitAddress]) -> Units:
        """What a trace recorded, as one set; attempts are not flash."""
        found = 0
        for address in addresses:
            if address[0] != ATTEMPTS[0]:
                found |= 1 << self._first[self._chip[address[0]]] + address[1]
        return found

    def footprint(self, trace: Trace) -> Units:
        return self.units(trace.consulted_units)

    def touched(self, device: str, extents: Iterable[Extent]) -> Units:
        """The units that share a byte with the ranges of one chip."""
        found = 0
        for address, length in extents:
            key = (device, address, length)
            known = self._ranges.get(key)
            if known is None:
                chip = self._chip[device]
                known = self.units((device, unit) for unit in self._grids[chip].units_in(address, length))
                self._ranges[key] = known
            found |= known
        return found

    def within(self, device: str, address: int, length: int) -> Units:
        """The units that lie wholly in a range."""
        return self.units((device, unit) for unit in self._grids[self._chip[device]].units_within(address, length))

    def print_of(self, memory: Sequence[Snapshot]) -> Print:
        """The print of a state, from nothing."""
        found: dict[int, int] = {}
        for number, (snapshot, reference) in enumerate(zip(memory, self._reference, strict=True)):
            grid, first, tree = self._grids[number], self._first[number], snapshot.tree
            for block in tree.differing(reference.tree):
                for unit in grid.units_of(block):
                    hashed = self._hash(number, first + unit, unit, grid.held(tree, unit))
                    if hashed:
                        found[first + unit] = hashed
        return Print(found)

    def print_from(self, base: Print, before: Sequence[Snapshot], memory: Sequence[Snapshot]) -> Print:
        """As `print_of``(memory)``, in the time of what differs from ``before``, whose print is ``base``."""
        found: dict[int, int] = {}
        for number, (old, new) in enumerate(zip(before, memory, strict=True)):
            if old.tree is new.tree:
                continue
            grid, first, tree = self._grids[number], self._first[number], new.tree
            for block in tree.differing(old.tree):
                for unit in grid.units_changed(old.tree, tree, block):
                    found[first + unit] = self._hash(number, first + unit, unit, grid.held(tree, unit))
        if len(found) <= MOST_CHANGED:
            return Print(base.changed | found, base.anchor)
        rest = {at: hashed for at, hashed in base.units.items() if at not in found}
        return Print(rest, self._anchored({at: hashed for at, hashed in found.items() if hashed}))

    def _anchored(self, units: dict[int, int]) -> Print:
        """One print for all who hold the same in so many units."""
        key = sum(units.values()) & _MASK
        return self._anchors.setdefault(key, Print(units))

    def difference(self, one: Sequence[Snapshot], other: Sequence[Snapshot]) -> Units:
        """The units in which two states hold different things."""
        left, right = self.print_of(one), self.print_of(other)
        found = 0
        for at in {*left.units, *right.units}:
            if left.unit(at) != right.unit(at):
                found |= 1 << at
        return found

    def extents(self, units: Units) -> Iterator[tuple[str, int, int]]:
        """(chip, address, length) of every unit in a set: for people."""
        names = list(self._chip)
        for at in bits_of(units):
            number = self._chip_of(at)
            yield names[number], *self._grids[number].extent(at - self._first[number])

    def _chip_of(self, at: int) -> int:
        number = len(self._first) - 1
        while self._first[number] > at:
            number -= 1
        return number

    def _hash(self, number: int, at: int, unit: int, held: bytes) -> int:
        """128 bits that stand for unit ``at`` holding ``held``; 0: what the reference holds."""
        reference = self._held.get(at)
        if reference is None:
            reference = self._held[at] = self._grids[number].held(self._reference[number].tree, unit)
        if held == reference:
            return 0
        known = self._hashes.get((at, held))
        if known is None:
            hashed = blake2b(held, digest_size=KEY_BYTES, key=b"%d" % at).digest()
            known = self._hashes[at, held] = int.from_bytes(hashed, "little")
        return known


def bits_of(units: Units) -> Iterator[int]:
    """The numbers in a set, smallest first."""
    while units:
        low = units & -units
        yield low.bit_length() - 1
        units ^= low
