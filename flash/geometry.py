"""Sizes, boundaries and address arithmetic.

Neighbours: every room above asks here; nobody else uses % and // on addresses. Knows nothing of content,
time or power.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby

from flash.errors import FlashError


@dataclass(frozen=True, slots=True)
class SectorRun:
    """``count`` neighbouring sectors of ``size`` bytes each."""

    count: int
    size: int


@dataclass(frozen=True, slots=True)
class Sector:
    """The smallest piece that can be erased at its place. ``index`` counts from 0 over the whole device."""

    index: int
    address: int
    size: int

    @property
    def end(self) -> int:
        return self.address + self.size


@dataclass(frozen=True)
class Geometry:
    """Shape of a flash array.

    ``unit``: smallest program, bytes. ``page_size``: a program never leaves its page (0: no pages).
    ``burst_size``: most bytes one program call may carry. ``block_sizes``: erase units larger than a sector
    that the part offers, aligned to their own size. ``block_ranges``: (size, start, end) for a block size that is
    offered only inside some ranges (SST26: what D8h erases depends on the address); others are offered everywhere.
    ``is_erasable`` False: there is no erase command (an EEPROM); sectors are its pages then.
    ``erase_times_us``: typical time per erase size, as an SFDP table would tell; it only ranks covers. ``erased``:
    0xFF or 0x00.
    """

    size: int
    unit: int
    page_size: int
    burst_size: int
    runs: tuple[SectorRun, ...]
    block_sizes: tuple[int, ...] = ()
    erase_times_us: tuple[tuple[int, int], ...] = ()
    erased: int = 0xFF
    block_ranges: tuple[tuple[int, int, int], ...] = ()
    is_erasable: bool = True
    _starts: tuple[int, ...] = field(init=False, repr=False, compare=False)
    _first_index: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        starts, indexes, address, index = [], [], 0, 0
        for run in self.runs:
            starts.append(address)
            indexes.append(index)
            address += run.count * run.size
            index += run.count
        if address != self.size:
            raise FlashError(f"sector runs cover {address:#x} bytes, but the size is {self.size:#x}")
        object.__setattr__(self, "_starts", tuple(starts))
        object.__setattr__(self, "_first_index", tuple(indexes))

    # -- sectors ----------------------------------------------------------------------------------------

    @cached_property
    def sector_count(self) -> int:
        return sum(run.count for run in self.runs)

    @cached_property
    def smallest_sector_size(self) -> int:
        return min(run.size for run in self.runs)

    @cached_property
    def is_uniform(self) -> bool:
        return len(self.runs) == 1

    def sector_at(self, address: int) -> Sector:
        """The sector that holds ``address``. Raises FlashError outside the device."""
        if not 0 <= address < self.size:
            raise FlashError(f"address {address:#x} is outside the device of {self.size:#x} bytes", address=address)
        number = bisect_right(self._starts, address) - 1
        run, start = self.runs[number], self._starts[number]
        within = (address - start) // run.size
        return Sector(self._first_index[number] + within, start + within * run.size, run.size)

    def sector_index(self, address: int) -> int:
        """Index of the sector that holds ``address``, which must be on the device."""
        if len(self.runs) == 1:
            return address // self.runs[0].size
        return self.sector_at(address).index

    def sectors_in(self, address: int, length: int) -> Iterator[Sector]:
        """Every sector that shares a byte with [address, address + length)."""
        at, end = address, address + length
        while at < end:
            sector = self.sector_at(at)
            yield sector
            at = sector.end

    # -- erase units ------------------------------------------------------------------------------------

    @cached_property
    def erase_sizes(self) -> tuple[int, ...]:
        """Every erase size the part knows, ascending."""
        if not self.is_erasable:
            return ()
        return tuple(sorted({run.size for run in self.runs} | set(self.block_sizes)))

    def erase_sizes_at(self, address: int) -> tuple[int, ...]:
        """Erase sizes that may start exactly at ``address``, ascending; empty off a sector boundary."""
        sector = self.sector_at(address)
        if sector.address != address or not self.is_erasable:
            return ()
        return (sector.size, *sorted(b for b in self.block_sizes if self.is_block(address, b)))

    def is_block(self, address: int, size: int) -> bool:
        """Whether one of the part's blocks of ``size`` bytes, larger than a sector, starts at ``address``."""
        if address % size or address + size > self.size:
            return False
        ranges = [(start, end) for of, start, end in self.block_ranges if of == size]
        return not ranges or any(start <= address and address + size <= end for start, end in ranges)

    def is_erase(self, address: int, length: int) -> bool:
        """Whether [address, address + length) is exactly one erase unit of the part."""
        if length == self.runs[0].size and len(self.runs) == 1 and self.is_erasable:
            return address % length == 0 and 0 <= address < self.size
        return 0 <= address < self.size and length in self.erase_sizes_at(address)

    def erase_cover(self, address: int, length: int, limit: int) -> list[tuple[int, int]]:
        """The cheapest erases, as (address, size), that bring [address, address + length) back to erased.

        None starts before the sector of ``address`` or reaches beyond ``limit``. Cheapest by ``erase_times_us``
        (by size where a time is missing).
        """
        cost = dict(self.erase_times_us)
        start = self.sector_at(address).address
        cover = [(s.address, s.size) for s in self.sectors_in(start, address + length - start)]
        for block in sorted(self.block_sizes):
            cover = self._merged(cover, block, start, limit, cost)
        return cover

    def _merged(
        self, cover: list[tuple[int, int]], block: int, start: int, limit: int, cost: dict[int, int]
    ) -> list[tuple[int, int]]:
        """The cover with members exchanged for one erase of ``block`` bytes wherever that is cheaper."""
        merged: list[tuple[int, int]] = []
        for base, members in groupby(cover, key=lambda piece: self.align_down(piece[0], block)):
            pieces = list(members)
            fits = base >= start and base + block <= limit and self.is_block(base, block)
            if fits and cost.get(block, block) < sum(cost.get(size, size) for _, size in pieces):
                pieces = [(base, block)]
            merged += pieces
        return merged

    def align_down(self, address: int, size: int) -> int:
        return address - address % size

    def align_up(self, address: int, size: int) -> int:
        return -(-address // size) * size

    def sector_end(self, address: int) -> int:
        """The first sector boundary at or after ``address``."""
        if address == self.size:
            return address
        sector = self.sector_at(address)
        return address if sector.address == address else sector.end

    # -- programs ---------------------------------------------------------------------------------------

    def is_program(self, address: int, length: int) -> bool:
        """Whether a program of ``length`` bytes at ``address`` is one legal command."""
        if length < 1 or address < 0 or address + length > self.size or length > self.burst_size:
            return False
        if address % self.unit or length % self.unit:
            return False
        return not self.page_size or address % self.page_size + length <= self.page_size

    def programs(self, address: int, length: int) -> Iterator[tuple[int, int]]:
        """Cut [address, address + length) into legal program commands, as (address, length)."""
        at, end = address, address + length
        step = self.page_size or self.burst_size
        while at < end:
            stop = min(end, at - at % step + step)
            yield at, stop - at
            at = stop

    def units_in(self, length: int) -> int:
        """How many program units ``length`` bytes take, rounded up."""
        return -(-length // self.unit)

    def window(self, address: int, size: int) -> Geometry:
        """The geometry of a sector-aligned part of this device, starting at its own address 0."""
        end = address + size
        if size <= 0 or address < 0 or end > self.size:
            raise FlashError(
                f"[{address:#x}, {end:#x}) does not fit a device of {self.size:#x} bytes",
                address=address,
                length=size,
            )
        if self.sector_at(address).address != address:
            raise FlashError(
                f"start {address:#x} is inside a sector; the sector starts at {self.sector_at(address).address:#x}",
                address=address,
                length=size,
            )
        if self.sector_end(end) != end:
            raise FlashError(
                f"end {end:#x} is inside a sector; the next boundary is {self.sector_end(end):#x}",
                address=address,
                length=size,
            )
        runs: list[SectorRun] = []
        for run, start in zip(self.runs, self._starts, strict=True):
            low, high = max(start, address), min(start + run.count * run.size, end)
            if low < high:
                runs.append(SectorRun((high - low) // run.size, run.size))
        ranges = tuple((b, max(0, low - address), min(size, high - address)) for b, low, high in self.block_ranges)
        limited = {b for b, _, _ in ranges}
        ranges = tuple((b, low, high) for b, low, high in ranges if low < high)
        kept = {b for b in self.block_sizes if address % b == 0 and b <= size}
        kept -= limited - {b for b, _, _ in ranges}
        kept -= {b for b in limited if not any(low // -b * -b + b <= high for c, low, high in ranges if c == b)}
        ranges = tuple(limits for limits in ranges if limits[0] in kept)
        blocks = tuple(b for b in self.block_sizes if b in kept)
        return replace(self, size=size, runs=tuple(runs), block_sizes=blocks, block_ranges=ranges)
