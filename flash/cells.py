"""The bytes, and everything else a cell remembers.

A program moves bits away from the erased value (AND where erased is FF, OR where it is 00); an erase brings
them back. Beside the bytes there may be two planes with one entry per program unit: how often it was programmed
since its erase, and the state of its error correction. One count of erases per sector. And, once a tear of tier 3 has
left some, a plane of weak bits (`weak`).

Neighbours: `device` decides whether an operation happens at all, `tears` makes the states an interrupted one
leaves, `snapshot` copies blocks in and out. This room knows no command, no time, no power. The arrays stay at
one address for life: an emulated core maps them.

Behind the array a serial part has an *annex*: its non-volatile registers in one block, then one block for each
security register. They are flash as well, so they are torn, snapshotted and compared like everything else; only
`spi` reaches them, at addresses from ``geometry.size`` on.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from flash.blank import blank_array
from flash.defects import Defects
from flash.geometry import Geometry
from flash.part import Part
from flash.snapshot import Block, Snapshot, SnapshotTree
from flash.weak import LIFTED_ABOVE, LIFTED_BELOW, WeakPlane

MAX_BLOCK_SIZE = 4096
REGISTER_ROW_SIZE = 16

ECC_FAULT, ECC_CORRECTED, ECC_UNSTABLE = 1, 2, 3
"""What ``broken`` says of a granule: uncorrectable; read right, but only by correction; one or the other, per read."""


class Cells:
    """State of one array. ``data`` is the content; ``uses`` and ``broken`` exist only where the part has them.

    ``defects``: bits that do not follow; None: the array is sound. They belong to the array, not to a snapshot of it.
    """

    def __init__(self, part: Part) -> None:
        geometry = part.geometry
        self.geometry: Geometry = geometry
        self.erased = geometry.erased
        self.block_size = block_size_of(geometry)
        self.size = geometry.size + annex_blocks(part) * self.block_size
        self.data: NDArray[np.uint8] = blank_array(self.size, geometry.erased)
        units = self.size // geometry.unit
        self.uses: NDArray[np.uint8] | None = np.zeros(units, np.uint8) if part.program.max_per_erase else None
        self.broken: NDArray[np.uint8] | None = np.zeros(units, np.uint8) if part.kind == "mcu-ecc" else None
        self.wear: NDArray[np.uint32] = np.zeros(geometry.sector_count, np.uint32)
        self.weak: WeakPlane | None = None
        self.defects: Defects | None = None
        self._view = self.data.data
        self._most_uses = part.program.max_per_erase
        self._uses_view = memoryview(b"") if self.uses is None else self.uses.data
        self._wear_view = self.wear.data
        self._broken_count = 0
        self._dirty: set[int] = set()
        self._worn = False
        self._is_ff = geometry.erased == 0xFF
        self._blank = bytes([geometry.erased]) * geometry.burst_size
        self._blank_block = bytes([geometry.erased]) * self.block_size
        self._current = self._blank_snapshot()

    # -- content ------------------------------------------------------------------------------------------

    def read(self, address: int, length: int) -> bytes:
        return self._view[address : address + length].tobytes()

    def view(self, address: int, length: int) -> memoryview:
        """Read-only window, no copy: for comparing and hashing."""
        return self._view[address : address + length].toreadonly()

    def first_broken(self, address: int, length: int) -> int | None:
        """Address of the first unit in the range that cannot be relied on to read right, or None."""
        hits = [at for at, code in self.ecc_states(address, length) if code != ECC_CORRECTED]
        return hits[0] if hits else None

    def ecc_states(self, address: int, length: int) -> list[tuple[int, int]]:
        """(address, ECC_... code) of every unit in the range whose error correction has something to say."""
        if self.broken is None or not self._broken_count or not length:
            return []
        unit = self.geometry.unit
        first, last = address // unit, -(-(address + length) // unit)
        hits = np.flatnonzero(self.broken[first:last])
        return [((first + int(hit)) * unit, int(self.broken[first + hit])) for hit in hits]

    def is_weak(self, address: int, length: int) -> bool:
        """Whether a bit of the range is weak, whatever it would read as now."""
        return self.weak is not None and self.weak.any_in(address, length)

    def mark_weak(self, address: int, bits: NDArray[np.uint8], temper: int) -> None:
        """Set bits of ``bits`` (one byte per byte of the range) are weak from now on."""
        if self.weak is None:
            self.weak = WeakPlane(self.size, self.erased)
        self._touch(address, address + len(bits))
        self.weak.mark(address, bits, temper)

    def shift(self, address: int, data: bytes) -> None:
        """Content moves as nobody asked for: uses are not counted, weak bits stay weak."""
        self._touch(address, address + len(data))
        self._view[address : address + len(data)] = data

    def program(self, address: int, data: bytes) -> bool:
        """Move bits away from erased. Returns whether that is all ``data`` asked for: no bit had to move back.

        What weak cells make of it is nobody's misuse.
        """
        end = address + len(data)
        old = self._view[address:end].tobytes()
        self._touch(address, end)
        if self.uses is not None:
            self.count_use(address, len(data))
            if self._broken_count:
                self.mend(address, len(data))
        if self.weak is not None and self.weak.any_in(address, len(data)):
            asked = combined(old, data, self._is_ff)
            self._view[address:end] = self.weak.programmed(address, old, asked)
            return asked == data
        if self.defects is not None:
            return self._program_worn(self.defects, address, old, data)
        if old == self._blank[: len(data)]:
            self._view[address:end] = data
            return True
        new = combined(old, data, self._is_ff)
        self._view[address:end] = new
        return new == data

    def programmed(self, address: int, length: int) -> None:
        """Units were programmed by whoever maps the array: content and uses stand, that they changed is told now."""
        self._touch(address, address + length)

    def erase(self, address: int, length: int) -> None:
        """Bring the range back to erased, and count the erase on every sector in it."""
        self.put(address, length, self.erased)
        unit = self.geometry.unit
        if self.uses is not None:
            self.uses[address // unit : (address + length) // unit] = 0
        if self._broken_count:
            self.mend(address, length)
        if self.weak is not None and address < self.geometry.size:
            self._unlift_neighbours(address, length)
        self.count_erase(address, length)

    # -- what an interrupted operation does (used by `tears`, and to set up a factory state) -------------

    def put(self, address: int, length: int, value: int) -> None:
        """Every byte of the range becomes ``value``, whatever it was."""
        end = address + length
        self._touch(address, end)
        if self.weak is not None:
            self.weak.clear(address, length)
        if value == self.erased and length == self.block_size:
            self._view[address:end] = self._blank_block
        else:
            self.data[address:end] = value
        if self.defects is not None and value == self.erased:
            for at, mask in self.defects.after_erase(address, length):
                self._view[at] = self.erased ^ mask

    def put_bytes(self, address: int, data: bytes) -> None:
        """The range becomes ``data``, whatever it was: factory programming, or the result of a tear."""
        end = address + len(data)
        self._touch(address, end)
        if self.weak is not None:
            self.weak.clear(address, len(data))
        self._view[address:end] = data

    def load(self, address: int, data: bytes) -> None:
        """Factory programming of whole units: content, and what the part remembers about it."""
        self.put_bytes(address, data)
        unit = self.geometry.unit
        first, count = address // unit, self.geometry.units_in(len(data))
        if self.uses is not None:
            grains = self.data[first * unit : (first + count) * unit].reshape(count, unit)
            self.uses[first : first + count] = (grains != self.erased).any(axis=1)
        if self._broken_count:
            self.mend(first * unit, count * unit)

    def mark_used(self, address: int, length: int) -> None:
        """The units count as programmed once, though they may read blank."""
        if self.uses is not None:
            unit = self.geometry.unit
            self.uses[address // unit : (address + length) // unit] = 1
            self._touch(address, address + length)

    def count_use(self, address: int, length: int) -> None:
        """One more program of these units. More than one too many is not told apart."""
        if self.uses is not None:
            unit = self.geometry.unit
            first = address // unit
            if length == unit:  # far the most frequent, and numpy takes twenty times as long
                self._uses_view[first] += self._uses_view[first] <= self._most_uses
            else:
                counts = self.uses[first : (address + length) // unit]
                counts += counts <= self._most_uses
            self._touch(address, address + length)

    def uses_in(self, address: int, length: int) -> int:
        """Programs since their erase, summed over the units of the aligned piece that holds ``address``."""
        if self.uses is None:
            return 0
        unit = self.geometry.unit
        if length == unit:
            single: int = self._uses_view[address // unit]
            return single
        first = self.geometry.align_down(address, length) // unit
        return int(self.uses[first : first + length // unit].sum())

    def mark_broken(self, address: int, length: int, code: int = ECC_FAULT) -> None:
        """Error correction of these units is in the state ``code`` says."""
        if self.broken is None:
            return
        unit = self.geometry.unit
        self.broken[address // unit : (address + length) // unit] = code
        self._broken_count = int(np.count_nonzero(self.broken))
        self._touch(address, address + length)

    def count_erase(self, address: int, length: int) -> None:
        if address >= self.geometry.size:
            return
        self._worn = True
        first = self.geometry.sector_index(address)
        last = self.geometry.sector_index(address + length - 1)
        if first == last:
            self._wear_view[first] += 1
        else:
            self.wear[first : last + 1] += 1

    def cycles_at(self, address: int) -> int:
        """Erases so far of the sector that holds ``address``; the annex is not counted."""
        if address >= self.geometry.size:
            return 0
        return self._wear_view[self.geometry.sector_index(address)]

    # -- snapshots ----------------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """The present state. Costs O(blocks changed since the last snapshot or restore)."""
        changed = {index: self._block(index) for index in self._dirty}
        wear = self.wear.tobytes() if self._worn else self._current.wear
        if changed or self._worn:
            self._current = Snapshot(self._current.tree.replaced(changed), wear)
            self._dirty.clear()
            self._worn = False
        return self._current

    def restore(self, snapshot: Snapshot) -> None:
        """Become ``snapshot``. Costs O(blocks that differ)."""
        stale = self._dirty | set(self._current.tree.differing(snapshot.tree))
        for index in stale:
            self._restore_block(index, snapshot.tree.block(index))
        if self.broken is not None and stale:
            self._broken_count = int(np.count_nonzero(self.broken))
        if self._worn or snapshot.wear is not self._current.wear:
            self.wear[:] = np.frombuffer(snapshot.wear, np.uint32)
        self._dirty.clear()
        self._worn = False
        self._current = snapshot

    def blocks_in(self, address: int, length: int) -> range:
        """Indexes of the snapshot blocks that share a byte with the range."""
        return range(address // self.block_size, -(-(address + length) // self.block_size))

    def mend(self, address: int, length: int) -> None:
        """Data and check bits belong together again: the units were erased, or programmed whole."""
        if self.broken is None or not self._broken_count:
            return
        unit = self.geometry.unit
        self.broken[address // unit : (address + length) // unit] = 0
        self._touch(address, address + length)
        self._broken_count = int(np.count_nonzero(self.broken))

    def neighbours(self, address: int, length: int) -> list[tuple[int, int, int]]:
        """(address, length, temper) of the sectors beside the range, and what the range would have lifted in them."""
        beside = []
        if address >= self.geometry.size:
            return []
        if address:
            below = self.geometry.sector_at(address - 1)
            beside.append((below.address, below.size, LIFTED_ABOVE))
        if address + length < self.geometry.size:
            above = self.geometry.sector_at(address + length)
            beside.append((above.address, above.size, LIFTED_BELOW))
        return beside

    def _unlift_neighbours(self, address: int, length: int) -> None:
        assert self.weak is not None
        for start, size, temper in self.neighbours(address, length):
            self._touch(start, start + size)
            self.weak.unlift(start, size, temper)

    def _program_worn(self, defects: Defects, address: int, old: bytes, data: bytes) -> bool:
        """A program where bits may be stuck. Check bits are made for ``data``: where it does not stand, correction has
        more to do than it can."""
        asked = combined(old, data, self._is_ff)
        new = defects.after_program(address, old, asked)
        self._view[address : address + len(data)] = new
        if self.broken is not None:
            unit = self.geometry.unit
            for at in range(0, len(data), unit):
                if new[at : at + unit] != data[at : at + unit]:
                    self.mark_broken(address + at, unit)
        return asked == data

    def _touch(self, address: int, end: int) -> None:
        size = self.block_size
        first, last = address // size, (end - 1) // size
        if first == last:
            self._dirty.add(first)
        else:
            self._dirty.update(range(first, last + 1))

    def _block(self, index: int) -> Block:
        low = index * self.block_size
        high = low + self.block_size
        unit = self.geometry.unit
        content = self._view[low:high].tobytes()
        if self.uses is not None:
            content += self.uses[low // unit : high // unit].tobytes()
        if self.broken is not None:
            content += self.broken[low // unit : high // unit].tobytes()
        if self.weak is not None:
            content += self.weak.block(low, high)
        return Block(content)

    def _restore_block(self, index: int, block: Block) -> None:
        size, unit = self.block_size, self.geometry.unit
        low, units = index * size, size // unit
        content = block.content
        self._view[low : low + size] = content[:size]
        first, at = low // unit, size
        if self.uses is not None:
            self.uses[first : first + units] = np.frombuffer(content, np.uint8, units, at)
            at += units
        if self.broken is not None:
            self.broken[first : first + units] = np.frombuffer(content, np.uint8, units, at)
            at += units
        if self.weak is None and len(content) > at:
            self.weak = WeakPlane(self.size, self.erased)
        if self.weak is not None:
            self.weak.restore_block(low, low + size, content[at:])

    def _blank_snapshot(self) -> Snapshot:
        return Snapshot(_uniform_tree(self._block(0).content, self.size // self.block_size), self.wear.tobytes())


@lru_cache(maxsize=64)
def _uniform_tree(content: bytes, count: int) -> SnapshotTree:
    """One for all arrays that are alike: what one has written is all that another has to restore."""
    return SnapshotTree.uniform(Block(content), count)


def block_size_of(geometry: Geometry) -> int:
    """Bytes of content in one snapshot block: a sector, or 4 KiB of a larger one."""
    return min(geometry.smallest_sector_size, MAX_BLOCK_SIZE)


def annex_blocks(part: Part) -> int:
    """Snapshot blocks behind the array: registers, and security registers; 0 without a serial command set."""
    if part.serial is None:
        return 0
    return 1 + (0 if part.serial.security is None else part.serial.security.count)


def combined(old: bytes, data: bytes, erased_is_ff: bool) -> bytes:
    """What a program of ``data`` over ``old`` leaves: AND where erased is FF, OR where it is 00."""
    left, right = int.from_bytes(old, "little"), int.from_bytes(data, "little")
    return (left & right if erased_is_ff else left | right).to_bytes(len(data), "little")
