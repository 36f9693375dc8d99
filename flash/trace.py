"""Which blocks of a state a run consulted, and which it determined itself: its footprint.

A run is a deterministic function of the blocks in its footprint: two states that agree on them run alike, byte
for byte and entry for entry. Neighbours: `device` reports every access, `emu.campaign` compares footprints.
Knows nothing of firmware.

Exactness, per block of the snapshot grid: a block counts as determined once an erase that covers it whole has
been executed in this run; reads, programs and erases that cover only part of a block consult its old content
unless it is determined. So a block a run has touched is either determined or in the footprint, and the block
it leaves is the same in every state that agrees on the footprint.
"""

from __future__ import annotations

from flash.cells import Cells

BlockAddress = tuple[str, int]


class Trace:
    """Footprint of one run over all devices. ``consulted_blocks`` keeps the order of first consultation."""

    __slots__ = ("consulted_blocks", "determined", "written")

    def __init__(self) -> None:
        self.consulted_blocks: dict[BlockAddress, None] = {}
        self.determined: set[BlockAddress] = set()
        self.written: set[BlockAddress] = set()

    def consulted(self, device: str, cells: Cells, address: int, length: int) -> None:
        """Content was read, by the firmware, the silicon or a check."""
        known, determined = self.consulted_blocks, self.determined
        for index in cells.blocks_in(address, length):
            block = (device, index)
            if block not in known and block not in determined:
                known[block] = None

    def changed_in_part(self, device: str, cells: Cells, address: int, length: int) -> None:
        """A program, or an interrupted operation: what the range holds now depends on what it held."""
        self.consulted(device, cells, address, length)
        for index in cells.blocks_in(address, length):
            self.written.add((device, index))

    def erased(self, device: str, cells: Cells, address: int, length: int) -> None:
        """An erase was completed."""
        size = cells.block_size
        for index in cells.blocks_in(address, length):
            block = (device, index)
            self.written.add(block)
            if address <= index * size and (index + 1) * size <= address + length:
                self.determined.add(block)
            elif block not in self.determined:
                self.consulted_blocks.setdefault(block, None)
