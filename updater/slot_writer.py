"""Stream bytes into a part of a slot: erase ahead, program, read back.

Every attempt starts from erased sectors and trusts nothing that an earlier attempt left, however good it reads.
What is written depends on the bytes alone, not on how they were cut into chunks. Erases are the cheapest cover the
part offers; bytes that equal erased flash are not programmed but are read back like all others.

Neighbours: `context` opens one writer per part. Works on a NorFlash window; knows nothing of archives or configs.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from bootloader.crc import Crc, CrcName
from flash.contract import NorFlash
from flash.errors import EccFault
from updater.errors import UpdateRefused


@dataclass(frozen=True, slots=True)
class Digest:
    """The value of a hash that has taken everything."""

    raw: bytes

    def digest(self) -> bytes:
        return self.raw

    def hexdigest(self) -> str:
        return self.raw.hex()


class SlotWriter:
    """Writes [offset, offset + length) of ``flash``; never erases at or beyond ``limit``.

    ``erase_from``: the first offset that has to be erased as well, for what will be programmed there later (None:
    ``offset``). It matters on parts whose sectors are smaller than what lies in front: the header's own sectors
    would otherwise keep what an earlier, torn attempt left in them.

    ``crc``, ``sha1`` and ``sha256`` are taken over what was read back, not over what was asked for.
    """

    def __init__(
        self,
        flash: NorFlash,
        offset: int,
        length: int,
        limit: int,
        crc: CrcName = "crc-32",
        *,
        erase_from: int | None = None,
    ) -> None:
        first = offset if erase_from is None else erase_from
        geometry = flash.geometry
        self._flash = flash
        self._start = self._at = offset
        self._end = offset + length
        self._pending = bytearray()
        self._erases = geometry.erase_cover(first, self._end - first, limit) if length else []
        self._step = geometry.page_size or geometry.burst_size
        self.crc = Crc(crc)
        self.sha1 = hashlib.sha1()
        self.sha256 = hashlib.sha256()

    def __getstate__(self) -> dict[str, Any]:
        """A writer that is done can be pickled: of its hashes the values remain. One at work cannot."""
        state = dict(self.__dict__)
        if self._at >= self._end:
            state |= {"sha1": Digest(self.sha1.digest()), "sha256": Digest(self.sha256.digest())}
        return state

    @property
    def written(self) -> int:
        """Bytes on flash so far."""
        return self._at - self._start

    def write(self, data: bytes | memoryview) -> None:
        """Take more bytes. Raises UpdateRefused when flash does not hold what was written."""
        self._pending += data
        while self._at < self._end:
            geometry = self._flash.geometry
            stop = min(geometry.align_down(self._at, self._step) + self._step, self._end)
            if len(self._pending) < stop - self._at:
                return
            piece = bytes(self._pending[: stop - self._at])
            del self._pending[: stop - self._at]
            self._put(piece)

    def _put(self, piece: bytes) -> None:
        self._erase_up_to(self._at + len(piece))
        self._program(self._at, piece)
        held = read_back(self._flash, self._at, len(piece))
        if held != piece:
            wrong = next(i for i, (a, b) in enumerate(zip(piece, held, strict=True)) if a != b)
            raise UpdateRefused(
                -12,
                "Write failed",
                f"offset {self._at + wrong:#x} reads {held[wrong]:#04x}, {piece[wrong]:#04x} was written",
            )
        self.crc.update(held)
        self.sha1.update(held)
        self.sha256.update(held)
        self._at += len(piece)

    def _erase_up_to(self, end: int) -> None:
        while self._erases and self._erases[0][0] < end:
            address, size = self._erases.pop(0)
            self._flash.erase(address, size)

    def _program(self, offset: int, piece: bytes) -> None:
        """Program the smallest run of whole units that holds every byte that is not erased."""
        geometry = self._flash.geometry
        blank = bytes([geometry.erased])
        head = len(piece) - len(piece.lstrip(blank))
        if head == len(piece):
            return
        tail = len(piece.rstrip(blank))
        low, high = geometry.align_down(head, geometry.unit), geometry.align_up(tail, geometry.unit)
        self._flash.program(offset + low, piece[low:high].ljust(high - low, blank))


def read_back(flash: NorFlash, offset: int, length: int) -> bytes:
    """What flash holds now. Raises UpdateRefused where the silicon cannot say."""
    try:
        return flash.read(offset, length)
    except EccFault as fault:
        raise UpdateRefused(-12, "Write failed", f"read back: {fault}") from None
