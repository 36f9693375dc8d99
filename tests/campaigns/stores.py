"""Stores that live on a flash, for the campaigns of this folder: littlefs, and one that is too naive.

Every session builds them anew over a `NorFlash`, as a reset does.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from littlefs import LittleFSError, lfs
from littlefs.context import UserContext

from flash.cells import Cells
from flash.contract import NorFlash
from flash.device import FlashDevice
from flash.journal import Journal, Operation
from flash.part import Part
from flash.partition import Partition
from flash.replay import replay
from flash.snapshot import Snapshot
from flash.tears import Tear, TearSet, tears_of

BLOCK, BLOCKS = 4096, 8
SIZE = BLOCK * BLOCKS
FLAGS_WRITE = 2 | 0x100 | 0x400  # write only, create, truncate
FLAGS_READ = 1


class _Context(UserContext):
    """littlefs' block device on a NOR flash. An error must not cross the C code: it is kept, and -5 given instead."""

    def __init__(self, flash: NorFlash) -> None:
        self.flash = flash
        self.failed: BaseException | None = None

    def read(self, cfg: lfs.LFSConfig, block: int, off: int, size: int) -> bytearray:
        return bytearray(self.flash.read(block * BLOCK + off, size))

    def prog(self, cfg: lfs.LFSConfig, block: int, off: int, data: bytes) -> int:
        return self._do(lambda: self._program(block * BLOCK + off, bytes(data)))

    def erase(self, cfg: lfs.LFSConfig, block: int) -> int:
        return self._do(lambda: self.flash.erase(block * BLOCK, BLOCK))

    def sync(self, cfg: lfs.LFSConfig) -> int:
        return 0

    def _program(self, address: int, data: bytes) -> None:
        for at, length in self.flash.geometry.programs(address, len(data)):
            self.flash.program(at, data[at - address : at - address + length])

    def _do(self, act: Callable[[], None]) -> int:
        try:
            act()
        except BaseException as failed:  # an exception cannot cross the C code; the store raises it again
            self.failed = failed
            return -5
        return 0


class LittleFs:
    """littlefs by its raw API (the file object of the package asserts after an I/O error)."""

    def __init__(self, flash: NorFlash) -> None:
        self._context = _Context(flash)
        self._config = lfs.LFSConfig(
            context=self._context, block_size=BLOCK, block_count=BLOCKS, read_size=16, prog_size=256, cache_size=256
        )
        self._fs = lfs.LFSFilesystem()

    def format(self) -> None:
        lfs.format(self._fs, self._config)

    def mount(self) -> None:
        lfs.mount(self._fs, self._config)

    def write(self, name: str, content: bytes) -> None:
        file = lfs.file_open(self._fs, name, FLAGS_WRITE)
        lfs.file_write(self._fs, file, content)
        lfs.file_close(self._fs, file)

    def rename(self, old: str, new: str) -> None:
        lfs.rename(self._fs, old, new)

    def read(self, name: str) -> bytes | None:
        try:
            file = lfs.file_open(self._fs, name, FLAGS_READ)
        except LittleFSError as missing:
            if missing.code == LittleFSError.Error.LFS_ERR_NOENT:
                return None
            raise
        content = bytes(lfs.file_read(self._fs, file, lfs.file_size(self._fs, file)))
        lfs.file_close(self._fs, file)
        return content


class NaiveStore:
    """Two sectors, a counter and a CRC per record; and one shortcut: a sector whose first bytes are FF counts as blank.

    Without a torn erase the shortcut is right: a sector is either a record or erased.
    """

    def __init__(self, flash: NorFlash) -> None:
        self._flash = flash

    def read(self) -> bytes:
        found = max((self._record(sector) for sector in range(2)), key=lambda record: record[0])
        return found[1]

    def write(self, content: bytes) -> None:
        records = [self._record(sector) for sector in range(2)]
        newest = max(range(2), key=lambda sector: records[sector][0])
        other = 1 - newest
        if self._flash.read(other * BLOCK, 4) != b"\xff" * 4:
            self._flash.erase(other * BLOCK, BLOCK)
        body = (records[newest][0] + 1).to_bytes(4, "little") + content
        record = body + zlib.crc32(body).to_bytes(4, "little")
        self._flash.program(other * BLOCK, record)

    def _record(self, sector: int) -> tuple[int, bytes]:
        raw = self._flash.read(sector * BLOCK, 24)
        if zlib.crc32(raw[:20]).to_bytes(4, "little") != raw[20:]:
            return 0, b""
        return int.from_bytes(raw[:4], "little"), raw[4:20]


@dataclass(frozen=True)
class CutState:
    """What one cut leaves: before operation ``entry``, or inside it."""

    entry: int
    tear: Tear | None
    memory: Snapshot


def states_of(part: Part, start: Snapshot, operations: list[Operation], tears: TearSet) -> Iterator[CutState]:
    """Every state a cut of this sequence of operations leaves, each point and each tear."""
    cells = Cells(part)
    cells.restore(start)
    for entry, operation in enumerate(operations):
        before = cells.snapshot()
        yield CutState(entry, None, before)
        for tear in list(tears_of(part, cells, operation, tears)):
            tear.apply(cells, operation)
            yield CutState(entry, tear, cells.snapshot())
            cells.restore(before)
        replay(cells, operation)
    yield CutState(len(operations), None, cells.snapshot())


Front = Callable[[FlashDevice], NorFlash]


def powered(part: Part, memory: Snapshot, front: Front) -> tuple[Partition, Journal]:
    """A chip with this content, just switched on, and the store's partition on it."""
    journal = Journal()
    device = FlashDevice(part, journal=journal)
    device.restore(memory)
    flash = front(device)
    return Partition("store", flash, 0x10000, SIZE), journal
