"""Everything a cell remembers, one entry per byte, to be compared, mixed and made at random."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from hypothesis import strategies as st

from emu import strategies
from flash.cells import Cells, block_size_of
from flash.journal import Operation
from flash.part import Part
from flash.tears import Tear
from flash.weak import LIFTED_ABOVE

Extents = list[tuple[int, int]]


def size_of(part: Part) -> int:
    """Bytes of the array and of what lies behind it."""
    return Cells(part).size


@dataclass(frozen=True)
class Planes:
    """Everything of a state that later behaviour can depend on, one entry per byte of the array and its annex."""

    data: np.ndarray
    uses: np.ndarray
    broken: np.ndarray
    mask: np.ndarray
    temper: np.ndarray
    wear: np.ndarray

    @classmethod
    def of(cls, cells: Cells) -> Planes:
        unit, none = cells.geometry.unit, np.zeros(cells.size, np.uint8)
        uses = none if cells.uses is None else np.repeat(cells.uses, unit)
        broken = none if cells.broken is None else np.repeat(cells.broken, unit)
        mask, temper = (none, none) if cells.weak is None else (cells.weak.mask.copy(), cells.weak.temper.copy())
        sizes = [size for run in cells.geometry.runs for size in [run.size] * run.count]
        wear = np.zeros(cells.size, np.uint32)
        wear[: cells.geometry.size] = np.repeat(cells.wear, sizes)
        return cls(cells.data.copy(), uses, broken, mask, temper, wear)

    @classmethod
    def random(cls, part: Part, seed: int, *, weak: bool = False) -> Planes:
        """A reachable state: sectors are blank (the first one always), programmed, or torn; so are annex blocks.

        ``weak``: bytes of the torn ones may hold weak bits of any temper.
        """
        draw = np.random.default_rng(seed)
        unit, total = part.program.unit, size_of(part)
        sizes = [size for run in part.sectors for size in [run.size] * run.count]
        block = block_size_of(part.geometry)
        sizes += [block] * ((total - part.size) // block)
        moods = draw.integers(0, 3, len(sizes))
        moods[0] = 0
        mood = np.repeat(moods, sizes)
        data = np.where(mood, draw.integers(0, 256, total, np.uint8), np.uint8(part.erased)).astype(np.uint8)
        limit = part.program.max_per_erase
        uses = np.where(mood[::unit], draw.integers(1, min(limit, 2) + 1, total // unit), 0) if limit else None
        codes = draw.integers(0, 4, total // unit) * (mood[::unit] == 2) if part.kind == "mcu-ecc" else None
        none = np.zeros(total // unit, np.uint8)
        marked = (mood == 2) & (draw.integers(0, 4, total) == 0) & weak & (np.arange(total) < part.size)
        mask = np.where(marked, draw.integers(1, 256, total), 0).astype(np.uint8)
        temper = np.where(marked, draw.integers(1, LIFTED_ABOVE + 1, total), 0).astype(np.uint8)
        used = np.repeat(none if uses is None else uses.astype(np.uint8), unit)
        broken = np.repeat(none if codes is None else codes.astype(np.uint8), unit)
        return cls(data, used, broken, mask, temper, np.zeros(total, np.uint32))

    def where(self, chosen: np.ndarray, other: Planes) -> Planes:
        """This state where ``chosen``, the other elsewhere."""
        return Planes(*(np.where(chosen, getattr(self, f.name), getattr(other, f.name)) for f in fields(self)))

    def mirrored(self) -> Planes:
        """The same history on a part with the other erased value."""
        return Planes(~self.data, self.uses, self.broken, self.mask, self.temper, self.wear)

    def cells(self, part: Part) -> Cells:
        cells, unit = Cells(part), part.program.unit
        cells.load(0, self.data.astype(np.uint8).tobytes())
        if cells.uses is not None:
            cells.uses[:] = self.uses[::unit]
        for at in np.flatnonzero(self.broken[::unit]):
            cells.mark_broken(int(at) * unit, unit, int(self.broken[at * unit]))
        for temper in range(1, LIFTED_ABOVE + 1):
            bits = np.where(self.temper == temper, self.mask, 0).astype(np.uint8)
            if bits.any():
                cells.mark_weak(0, bits, temper)
        return cells

    def same(self, other: Planes, where: np.ndarray) -> list[str]:
        """Names of the planes that differ there, erase counts aside; []: none."""
        names = ("data", "uses", "broken", "mask", "temper")
        return [n for n in names if not np.array_equal(getattr(self, n)[where], getattr(other, n)[where])]


def random_state(part: Part, seed: int, *, weak: bool = False) -> Cells:
    return Planes.random(part, seed, weak=weak).cells(part)


def mask_of(part: Part, extents: Extents) -> np.ndarray:
    """Which bytes the extents cover."""
    found = np.zeros(size_of(part), bool)
    for address, length in extents:
        found[address : address + length] = True
    return found


def torn(cells: Cells, op: Operation, tear: Tear) -> Planes:
    """What the tear leaves; ``cells`` is as it was afterwards."""
    start = cells.snapshot()
    tear.apply(cells, op)
    left = Planes.of(cells)
    cells.restore(start)
    return left


@st.composite
def operations(draw: st.DrawFn, part: Part, cells: Cells, kind: str | None = None) -> Operation:
    """One operation the part really executes on this content: in the array, in the annex, or on the whole chip."""
    chosen = kind or draw(st.sampled_from(["program", "erase"] + ["chip", "annex"] * (cells.size > part.size)))
    if chosen == "annex":
        return draw(annex_operations(part))
    if chosen == "chip":
        return Operation("erase", "flash", 0, part.size, b"", 0, 1)
    return draw(strategies.operations(part, cells, kinds=[chosen], careless=True))


@st.composite
def annex_operations(draw: st.DrawFn, part: Part) -> Operation:
    """A register write, or a program or erase of a security register."""
    block = block_size_of(part.geometry)
    assert part.serial is not None
    assert part.serial.security is not None
    kind, length = draw(st.sampled_from(["write", "program", "erase"])), part.serial.security.size
    if kind == "write":
        return Operation("write", "flash", part.size, 3, draw(st.binary(min_size=3, max_size=3)), 0, 1)
    address = part.size + draw(st.integers(1, part.serial.security.count)) * block
    if kind == "erase":
        return Operation("erase", "flash", address, length, b"", 0, 1)
    data = draw(st.binary(min_size=1, max_size=part.geometry.burst_size))
    return Operation("program", "flash", address, len(data), data, 0, 1)
