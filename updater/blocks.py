"""A window of NOR flash as blocks: what the littlefs library calls back.

An exception must not cross the C library, and a read cannot fail there. So whatever the flash raises is kept in
``failed``, and from then on nothing reaches the flash; and where error correction gives up the library is given erased
bytes, which its checksums refuse in metadata, and ``faults`` remembers it for whoever asked for the content of a file.

Neighbours: `filesystem` hands it to the library and looks at ``failed`` after every call. Knows no file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flash.contract import NorFlash
from flash.errors import EccFault
from flash.geometry import Geometry
from updater.errors import FilesystemError

SMALLEST_BLOCK = 512
SMALLEST_PROGRAM = 16
LARGEST_CACHE = 256
IO_ERROR = -5


@dataclass(frozen=True, slots=True)
class Shape:
    """How littlefs uses a window. Bytes, but for ``block_count``."""

    block_size: int
    block_count: int
    program_size: int
    cache_size: int


def shape_of(geometry: Geometry) -> Shape:
    """One block per erase sector, the largest one of the window, and at least 512 bytes. Raises FilesystemError.

    Refused where erased flash reads 00: the blank rest of an image would be programmed there, and littlefs would take
    it for erased and program it again.
    """
    if geometry.erased != 0xFF:
        raise FilesystemError("littlefs images take erased flash to read FF; on this part it reads 00")
    sector = max(run.size for run in geometry.runs)
    block = geometry.align_up(SMALLEST_BLOCK, sector)
    count = geometry.size // block
    if count < 2:
        raise FilesystemError(f"{geometry.size} bytes hold {count} blocks of {block}; littlefs needs two at least")
    if any(geometry.sector_end(number * block) != number * block for number in range(count)):
        raise FilesystemError(f"blocks of {block} bytes do not all begin on a sector of this window")
    program = geometry.align_up(SMALLEST_PROGRAM, geometry.unit)
    burst = min(geometry.page_size or geometry.burst_size, LARGEST_CACHE)
    return Shape(block, count, program, max(program, geometry.align_down(burst, program)))


class BlockDevice:
    """``failed``: why nothing is done any more. ``faults``: the reads that error correction could not repair."""

    def __init__(self, flash: NorFlash, shape: Shape, *, writable: bool) -> None:
        self.failed: BaseException | None = None
        self.faults: list[EccFault] = []
        self._flash = flash
        self._block_size = shape.block_size
        self._writable = writable

    def read(self, cfg: object, block: int, off: int, size: int) -> bytes:
        if self.failed is None:
            try:
                return self._flash.read(block * self._block_size + off, size)
            except EccFault as fault:
                self.faults.append(fault)
            except BaseException as failed:  # kept: see the module's docstring
                self.failed = failed
        return b"\xff" * size

    def prog(self, cfg: object, block: int, off: int, data: bytes) -> int:
        return self._change(lambda: self._program(block * self._block_size + off, data))

    def erase(self, cfg: object, block: int) -> int:
        return self._change(lambda: self._erase(block * self._block_size))

    def sync(self, cfg: object) -> int:
        return 0

    def _change(self, act: Callable[[], None]) -> int:
        if self.failed is None:
            try:
                assert self._writable, "a filesystem mounted for reading is being written: please report"
                act()
            except BaseException as failed:  # kept: see the module's docstring
                self.failed = failed
        return 0 if self.failed is None else IO_ERROR

    def _program(self, address: int, data: bytes) -> None:
        for at, length in self._flash.geometry.programs(address, len(data)):
            self._flash.program(at, data[at - address : at - address + length])

    def _erase(self, address: int) -> None:
        for at, length in self._flash.geometry.erase_cover(address, self._block_size, address + self._block_size):
            self._flash.erase(at, length)
