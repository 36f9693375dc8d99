"""Sequence counters of a firmware, at their least.

A bootloader that numbers its records counts on with every install, so no state ever comes back and a campaign of any
depth has no end. Where the firmware only compares such numbers and adds one to the largest, states that differ in them
alone have the same future, and one of each kind is enough: the one with the smallest numbers in the same order.
Differences of one stay one; larger ones become two. That the firmware does nothing else with them is the user's word;
the closure tries it on a sample (`emu.campaign.renaming`).

    [[counter]]
    address = 0x0801_e000
    size = 4                      # bytes, little-endian
    crc32 = { from = 0x0801_e000, to = 0x0801_e008, at = 0x0801_e008 }   # where a checksum covers it

    memory = "nor"                # where it is one beside the chip, whose addresses count from 0

A number that counts up and is programmed in part (its last bytes are erased) is one of which only those bytes stand:
what is erased stays erased. A checksum that was right, as far as it stands, is right afterwards.

Neighbours: `document` has the keys, `rig` owns one. Knows cells, no core.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence

from emu.elf.document import CounterEntry
from flash.cells import Cells
from flash.part import Part
from flash.snapshot import Snapshot

MOST_APART = 2
_CRC_BYTES = 4


def counters_by_chip(
    entries: Sequence[CounterEntry], parts: Sequence[Part], names: Sequence[str], offset_of: Callable[[int], int],
    first: Sequence[Snapshot],
) -> dict[int, Counters]:  # fmt: skip
    """Those of each chip that has some, by its number: of ``parts``, called ``names``, as they left the factory.
    ``offset_of``: in the array, of an address of the core."""
    found: dict[int, Counters] = {}
    for number, (part, name) in enumerate(zip(parts, names, strict=True)):
        place = "" if number == 0 else name
        own = [entry for entry in entries if entry.memory == place]
        if own:
            found[number] = Counters(own, part, (lambda at: at) if place else offset_of, first[number])
    return found


class Counters:
    """``entries`` on an array of ``part``; ``offset_of`` makes an offset of an address. ``first``: the array as it left
    the factory, which says where counting begins."""

    def __init__(
        self, entries: Sequence[CounterEntry], part: Part, offset_of: Callable[[int], int], first: Snapshot
    ) -> None:
        self._entries = entries
        self._offset_of = offset_of
        self._cells = Cells(part)
        self._erased = part.erased
        self._known: dict[tuple[bytes, ...], dict[int, bytes]] = {}
        self._groups: dict[str, list[CounterEntry]] = {}
        for entry in entries:
            self._groups.setdefault(entry.group, []).append(entry)
        self._cells.restore(first)
        self._least = {name: self._lowest(group) for name, group in self._groups.items()}

    def renamed(self, snapshot: Snapshot) -> Snapshot:
        """The same array with its counters at their least; ``snapshot`` itself where they are."""
        blocks = sorted({block for entry in self._entries for block in self._blocks(entry)})
        key = tuple(snapshot.tree.block(block).key for block in blocks)
        changes = self._known.get(key)
        if changes is None:
            self._cells.restore(snapshot)
            changes = self._known[key] = self._changes()
        if not changes:
            return snapshot
        self._cells.restore(snapshot)
        for at, content in changes.items():
            self._cells.put_bytes(at, content)
        return self._cells.snapshot()

    # -- inside --------------------------------------------------------------------------------------------

    def _blocks(self, entry: CounterEntry) -> list[int]:
        found = list(self._cells.blocks_in(self._offset_of(entry.address), entry.size))
        if entry.crc32 is not None:
            start, end = self._offset_of(entry.crc32.start), self._offset_of(entry.crc32.end)
            found += self._cells.blocks_in(start, end - start)
            found += self._cells.blocks_in(self._offset_of(entry.crc32.at), _CRC_BYTES)
        return found

    def _changes(self) -> dict[int, bytes]:
        """What has to stand where, in the cells as they are."""
        changes: dict[int, bytes] = {}
        for name, group in self._groups.items():
            numbers = {entry.address: self._number(entry) for entry in group}
            small: dict[int, int] = {}
            last, new = -1, self._least[name]
            for value in sorted({number for number in numbers.values() if number is not None}):
                new = new if last < 0 else new + min(MOST_APART, value - last)
                small[value], last = new, value
            for entry in group:
                number = numbers[entry.address]
                if number is not None and small[number] != number:
                    self._change(entry, small[number], changes)
        return changes

    def _change(self, entry: CounterEntry, number: int, changes: dict[int, bytes]) -> None:
        at = self._offset_of(entry.address)
        before, after = self._cells.read(at, entry.size), self._shown(entry, number)
        written = after if entry.counts == "down" else self._as_far_as(before, after)
        changes[at] = written
        if entry.crc32 is None:
            return
        start, stop = self._offset_of(entry.crc32.start), self._offset_of(entry.crc32.end)
        place = self._offset_of(entry.crc32.at)
        covered, held = self._cells.read(start, stop - start), self._cells.read(place, _CRC_BYTES)
        right, begin = _crc32(covered), at - start
        new = _crc32(covered[:begin] + written + covered[begin + entry.size :])
        if held == right:
            changes[place] = new
        elif held == self._as_far_as(held, right):
            changes[place] = self._as_far_as(held, new)

    def _as_far_as(self, before: bytes, after: bytes) -> bytes:
        """``after``, erased from where ``before`` is."""
        stands = len(before.rstrip(bytes([self._erased])))
        return after[:stands] + before[stands:]

    def _number(self, entry: CounterEntry) -> int | None:
        """How far it has counted; None: it is erased."""
        held = self._cells.read(self._offset_of(entry.address), entry.size)
        if held == bytes([self._erased]) * entry.size:
            return None
        if entry.counts == "down":
            return (1 << 8 * entry.size) - 1 - int.from_bytes(held, "little")
        return int.from_bytes(held.rstrip(bytes([self._erased])), "little")

    def _shown(self, entry: CounterEntry, number: int) -> bytes:
        value = (1 << 8 * entry.size) - 1 - number if entry.counts == "down" else number
        return value.to_bytes(entry.size, "little")

    def _lowest(self, group: Sequence[CounterEntry]) -> int:
        return min((number for entry in group if (number := self._number(entry)) is not None), default=1)


def _crc32(covered: bytes) -> bytes:
    return zlib.crc32(covered).to_bytes(_CRC_BYTES, "little")
