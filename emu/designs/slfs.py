"""A file store as a CC3200 has one, in the least that its updates need: create, write, close, read, delete.

A model of ours; the format of the real one is not public. Each file has an extent of its own: a sector with its entry
(name, room, CRC-32), and whole sectors with its bytes, which are erased when it is created. So the directory survives
any cut: an entry is whole or not there. What is not protected is content: bytes are programmed where they belong, and a
file that was never closed can be read (``sealed`` False), as long as it was created, erased where nothing was written.
With ``sealed`` True a file that was not closed cannot be read.

    entry: 0 magic "FILE", 4 name[56], 60 room u32, 64 CRC-32 of bytes 0 to 63; 128 length u32 and its complement,
    programmed at close; 136 eight bytes that are FF until it is deleted

Neighbours: `cc3200` keeps its boot configs and images here. Knows neither.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from flash.bulk import put, wipe
from flash.contract import NorFlash
from flash.errors import FlashError

MAGIC = b"FILE"
ENTRY_SIZE = 68
_CLOSED_AT, _DELETED_AT, _MARK_SIZE = 128, 136, 8
_NAME_SIZE = 56


class SlfsError(FlashError):
    """A file that cannot be made: no extent is free that has the room."""


@dataclass(frozen=True, slots=True)
class File:
    """A file that is there. ``length``: of its content; as long as it is open, all of its room."""

    extent: int
    length: int


class OpenFile:
    """A file between `Slfs.create` and `close`."""

    def __init__(self, entry: NorFlash, data: NorFlash) -> None:
        self._entry = entry
        self._data = data
        self._length = 0

    def write(self, piece: bytes) -> None:
        put(self._data, self._length, piece)
        self._length += len(piece)

    def close(self) -> None:
        both = (self._length, self._length ^ 0xFFFF_FFFF)
        put(self._entry, _CLOSED_AT, b"".join(word.to_bytes(4, "little") for word in both))


class Slfs:
    """``flash``: windows "entry-N" of one sector and "file-N", for N from 0 on."""

    def __init__(self, flash: Mapping[str, NorFlash], *, sealed: bool) -> None:
        count = sum(name.startswith("entry-") for name in flash)
        self._entries = [flash[f"entry-{number}"] for number in range(count)]
        self._datas = [flash[f"file-{number}"] for number in range(count)]
        self._sealed = sealed

    def find(self, name: bytes) -> File | None:
        """The file of that name, if it can be read."""
        for extent in range(len(self._entries)):
            found = self._entry(extent)
            if found is not None and found[0] == name:
                room, closed = found[1], self._entries[extent].read(_CLOSED_AT, _MARK_SIZE)
                length, complement = int.from_bytes(closed[:4], "little"), int.from_bytes(closed[4:], "little")
                if length == complement ^ 0xFFFF_FFFF and length <= room:
                    return File(extent, length)
                return None if self._sealed else File(extent, room)
        return None

    def read(self, name: bytes) -> bytes | None:
        """The content of a file, None where it cannot be read."""
        file = self.find(name)
        return None if file is None else self._datas[file.extent].read(0, file.length)

    def delete(self, name: bytes) -> None:
        for extent, entry in enumerate(self._entries):
            found = self._entry(extent)
            if found is not None and found[0] == name:
                put(entry, _DELETED_AT, bytes(_MARK_SIZE))

    def create(self, name: bytes, room: int) -> OpenFile:
        """A new file with ``room`` bytes, in the first extent that has as many. Raises SlfsError where none has."""
        for extent, data in enumerate(self._datas):
            if data.geometry.size >= room and self._entry(extent) is None:
                wipe(data)
                wipe(self._entries[extent])
                body = MAGIC + name.ljust(_NAME_SIZE, b"\0") + room.to_bytes(4, "little")
                put(self._entries[extent], 0, body + zlib.crc32(body).to_bytes(4, "little"))
                return OpenFile(self._entries[extent], data)
        raise SlfsError(f"no extent is free that holds {room} bytes for {name.decode('latin-1')}")

    def _entry(self, extent: int) -> tuple[bytes, int] | None:
        """Name and room of the file that has an extent; None: it is free."""
        raw = self._entries[extent].read(0, ENTRY_SIZE)
        if raw[:4] != MAGIC or zlib.crc32(raw[:-4]) != int.from_bytes(raw[-4:], "little"):
            return None
        if self._entries[extent].read(_DELETED_AT, _MARK_SIZE) != b"\xff" * _MARK_SIZE:
            return None
        return raw[4 : 4 + _NAME_SIZE].rstrip(b"\0"), int.from_bytes(raw[60:64], "little")


def shipped(files: Mapping[str, tuple[bytes, bytes]]) -> dict[str, bytes]:
    """What the factory puts into the windows: extent number -> name and content, each closed."""
    windows: dict[str, bytes] = {}
    for number, (name, content) in files.items():
        body = MAGIC + name.ljust(_NAME_SIZE, b"\0") + len(content).to_bytes(4, "little")
        entry = (body + zlib.crc32(body).to_bytes(4, "little")).ljust(_CLOSED_AT, b"\xff")
        both = (len(content), len(content) ^ 0xFFFF_FFFF)
        windows[f"entry-{number}"] = entry + b"".join(word.to_bytes(4, "little") for word in both)
        windows[f"file-{number}"] = content
    return windows
