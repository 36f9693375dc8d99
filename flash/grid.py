"""The grid of a campaign: into which units the state of an array is cut when footprints are taken.

Coarse where images are (a unit is a snapshot block), fine where records are: a sector that holds one record of 128
bytes is looked at in its first bytes only, and two states that differ behind them behave the same. One grid is fixed
for a whole campaign; units are numbered, so that a set of units is one integer.

Neighbours: `trace` asks which units an access touches, campaigns ask what a unit holds in a state. Knows nothing of
what the bytes mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from flash.cells import Cells
from flash.part import Part
from flash.snapshot import Block, SnapshotTree, TreePart

FINE_SIZE = 256


class Footing:
    """What some units hold in one state. ``pieces``: of each block that is cut up, its number, how it is in that state,
    and the bits of its content that are looked at."""

    __slots__ = ("_blocks", "_pieces")

    def __init__(self, blocks: TreePart, pieces: list[tuple[int, Block, int]]) -> None:
        self._blocks = blocks
        self._pieces = pieces

    def fits(self, tree: SnapshotTree) -> bool:
        """Whether they hold the same in another state: as if `Grid.held` were asked of each."""
        if not self._blocks.fits(tree):
            return False
        for index, block, mask in self._pieces:
            other = tree.block(index)
            if other is not block and (_as_number(other) ^ _as_number(block)) & mask:
                return False
        return True


def _as_number(block: Block) -> int:
    """Its content as one number; planes that are left out count as zeros."""
    return int.from_bytes(block.content, "little")


class Grid:
    """Units of one array of ``part``. ``fine``: (address, length) of ranges to be cut into pieces of ``fine_size``
    bytes (rounded out to whole snapshot blocks); everything else is in snapshot blocks.

    Units are numbered from 0: blocks first, then the pieces of the fine ones; the numbers of their blocks are not used.
    """

    def __init__(self, part: Part, fine: Sequence[tuple[int, int]] = (), fine_size: int = FINE_SIZE) -> None:
        cells = Cells(part)
        self.block_size = cells.block_size
        self.block_count = cells.size // cells.block_size
        self.piece_size = max(min(fine_size, self.block_size), part.geometry.unit)
        self._unit = part.geometry.unit
        self._planes = (cells.uses is not None) + (cells.broken is not None)
        self._plain = self.block_size + self._planes * (self.block_size // self._unit)
        self._pieces = self.block_size // self.piece_size
        blocks = sorted({b for at, size in fine for b in cells.blocks_in(at, size)}) if self._pieces > 1 else []
        self._first_piece = {block: self.block_count + n * self._pieces for n, block in enumerate(blocks)}
        self._fine_blocks = blocks
        self._low, self._high = (blocks[0], blocks[-1] + 1) if blocks else (0, 0)
        self.count = self.block_count + len(blocks) * self._pieces
        self._slices = [self._slices_of(piece) for piece in range(self._pieces)]
        self._masks: dict[tuple[int, ...], int] = {}

    def units_in(self, address: int, length: int) -> Sequence[int]:
        """The units that share a byte with the range."""
        size = self.block_size
        first, last = address // size, -(-(address + length) // size)
        if last <= self._low or first >= self._high:
            return range(first, last)
        units: list[int] = []
        for block in range(first, last):
            base = self._first_piece.get(block)
            if base is None:
                units.append(block)
                continue
            start, stop = max(address - block * size, 0), min(address + length - block * size, size)
            units += range(base + start // self.piece_size, base + -(-stop // self.piece_size))
        return units

    def units_within(self, address: int, length: int) -> list[int]:
        """The units that lie wholly inside the range."""
        return [unit for unit in self.units_in(address, length) if self._is_within(unit, address, length)]

    def block_of(self, unit: int) -> int:
        """The snapshot block that holds ``unit``."""
        if unit < self.block_count:
            return unit
        return self._fine_blocks[(unit - self.block_count) // self._pieces]

    def units_of(self, block: int) -> Sequence[int]:
        """All units of one snapshot block."""
        base = self._first_piece.get(block)
        return (block,) if base is None else range(base, base + self._pieces)

    def units_changed(self, before: SnapshotTree, after: SnapshotTree, block: int) -> Sequence[int]:
        """The units of one snapshot block that hold something else in ``after`` (a block that is one unit: always)."""
        base = self._first_piece.get(block)
        if base is None:
            return (block,)
        old, new = before.block(block).content, after.block(block).content
        if len(old) != len(new):
            return range(base, base + self._pieces)
        return [
            base + piece for piece, slices in enumerate(self._slices) if any(old[part] != new[part] for part in slices)
        ]

    def extent(self, unit: int) -> tuple[int, int]:
        """(address, length) of a unit."""
        if unit < self.block_count:
            return unit * self.block_size, self.block_size
        block, piece = self.block_of(unit), (unit - self.block_count) % self._pieces
        return block * self.block_size + piece * self.piece_size, self.piece_size

    def held(self, tree: SnapshotTree, unit: int) -> bytes:
        """What a unit holds in a state: equal bytes, equal content (a digest where the unit is a block)."""
        if unit < self.block_count:
            return tree.block(unit).key
        number, piece = divmod(unit - self.block_count, self._pieces)
        content = tree.block(self._fine_blocks[number]).content
        slices = self._slices[piece]
        if len(content) == self.block_size:
            return content[slices[0]]
        if len(content) == self._plain:  # nothing is weak
            return b"".join([content[part] for part in slices[:-2]])
        weak = b"".join([content[piece] for piece in slices[-2:]])  # of another piece of the block, perhaps
        return b"".join([content[piece] for piece in slices[:-2]]) + (weak if any(weak) else b"")

    def footing(self, tree: SnapshotTree, units: Iterable[int]) -> Footing:
        """What ``units`` hold in a state, to be held against others."""
        blocks: list[int] = []
        pieces: dict[int, list[int]] = {}
        for unit in units:
            if unit < self.block_count:
                blocks.append(unit)
            else:
                pieces.setdefault(self.block_of(unit), []).append((unit - self.block_count) % self._pieces)
        masked = [(block, tree.block(block), self._mask(tuple(sorted(own)))) for block, own in pieces.items()]
        return Footing(tree.part(blocks), masked)

    def spliced(self, block: Block, other: Block, units: Sequence[int]) -> Block:
        """``block`` with ``units`` as they are in ``other``."""
        if len(units) == self._pieces:
            return other
        content, theirs = bytearray(block.content), other.content
        if len(content) != len(theirs):  # one of them has weak bits: the shorter one has none
            size = max(len(content), len(theirs))
            content, theirs = content.ljust(size, b"\0"), theirs.ljust(size, b"\0")
        for unit in units:
            for piece in self._slices[(unit - self.block_count) % self._pieces]:
                content[piece] = theirs[piece]
        if not any(content[self._plain :]):
            del content[self._plain :]
        return Block(bytes(content))

    def _is_within(self, unit: int, address: int, length: int) -> bool:
        at, size = self.extent(unit)
        return address <= at and at + size <= address + length

    def _mask(self, pieces: tuple[int, ...]) -> int:
        """The bits of a block's content that belong to ``pieces``."""
        if pieces not in self._masks:
            content = bytearray()
            for piece in pieces:
                for part in self._slices[piece]:
                    content.extend(bytes(max(part.stop - len(content), 0)))
                    content[part] = b"\xff" * (part.stop - part.start)
            self._masks[pieces] = int.from_bytes(content, "little")
        return self._masks[pieces]

    def _slices_of(self, piece: int) -> list[slice]:
        """Where a piece's content, uses, error correction and weak bits stand in a block's content."""
        size, unit = self.piece_size, self._unit
        slices, base = [slice(piece * size, (piece + 1) * size)], self.block_size
        for _ in range(self._planes):
            slices.append(slice(base + piece * size // unit, base + (piece + 1) * size // unit))
            base += self.block_size // unit
        for _ in range(2):
            slices.append(slice(base + piece * size, base + (piece + 1) * size))
            base += self.block_size
        return slices


Grids = Mapping[str, Grid]
"""The grid of every device of a campaign, by the device's name."""
