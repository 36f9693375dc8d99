"""littlefs images that are wrong and do not look it: metadata changed, and its checksums made right again.

Neighbours: tests of `updater.filesystem`. Knows of littlefs what its SPEC.md says about tags and commits.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator

COMMIT_CRC = (0x500, 0x501)
FILE_NAME, DIR_STRUCT, CTZ_STRUCT = 0x001, 0x200, 0x202
DELETED = 0x3FF
Change = Callable[[int, bytes], bytes]
"""From a tag's type and data to what the data shall be; of the same length."""


def forged(image: bytes, block_size: int, change: Change) -> bytes:
    """Every metadata block of ``image`` with its tags' data as ``change`` wants it."""
    blocks = [image[at : at + block_size] for at in range(0, len(image), block_size)]
    return b"".join(_forged(block, change) for block in blocks)


def _forged(block: bytes, change: Change) -> bytes:
    made = bytearray(block)
    crc = _crc(0xFFFF_FFFF, block[:4])
    for kind, at, size in _tags(block):
        crc = _crc(crc, made[at - 4 : at])
        if kind in COMMIT_CRC:
            made[at : at + 4] = crc.to_bytes(4, "little")
            crc = 0xFFFF_FFFF
            continue
        made[at : at + size] = change(kind, bytes(made[at : at + size]))
        crc = _crc(crc, made[at : at + size])
    return bytes(made)


def _tags(block: bytes) -> Iterator[tuple[int, int, int]]:
    """Type, and offset and length of the data, of each tag of a metadata block; none for any other block."""
    found: list[tuple[int, int, int]] = []
    crc, before, at, whole = _crc(0xFFFF_FFFF, block[:4]), 0xFFFF_FFFF, 4, 0
    while at + 4 <= len(block):
        tag = int.from_bytes(block[at : at + 4], "big") ^ before
        kind, size = tag >> 20 & 0x7FF, tag & 0x3FF
        size = 0 if size == DELETED else size
        if tag >> 31 or at + 4 + size > len(block):
            break
        crc, before = _crc(crc, block[at : at + 4]), tag
        found.append((kind, at + 4, size))
        if kind in COMMIT_CRC:
            if crc != int.from_bytes(block[at + 4 : at + 8], "little"):
                break
            before ^= (kind & 1) << 31
            crc, whole = 0xFFFF_FFFF, len(found)
        else:
            crc = _crc(crc, block[at + 4 : at + 4 + size])
        at += 4 + size
    return iter(found[:whole])


def _crc(crc: int, data: bytes | bytearray) -> int:
    return zlib.crc32(data, crc ^ 0xFFFF_FFFF) ^ 0xFFFF_FFFF
