"""What the devices of this folder run and receive: images, and the filesystems they come with.

A model of ours. Images are bytes that look like nothing else; a filesystem is 1 KiB that begins with its CRC-32 and the
name of its image. Nothing is merged and no file is written: what counts is whether the right one is where the boot
config says.

Neighbours: the devices; `mos1` mounts a filesystem before anything else. Knows no slot.
"""

from __future__ import annotations

import hashlib
import zlib

from flash.contract import NorFlash
from flash.errors import EccFault

FS_SIZE = 1_024
_NAME_SIZE = 8


def content(name: str, size: int) -> bytes:
    """Bytes that look like nothing else, the same each time."""
    return hashlib.shake_128(name.encode()).digest(size)


def filesystem(image: str) -> bytes:
    """What ``image`` is shipped with."""
    body = image.encode().ljust(_NAME_SIZE, b"\0") + content(f"{image} filesystem", FS_SIZE - 4 - _NAME_SIZE)
    return zlib.crc32(body).to_bytes(4, "little") + body


def mount(flash: NorFlash, image: str) -> str:
    """Why what stands there is no filesystem of ``image``; "" when it is one."""
    try:
        raw = flash.read(0, FS_SIZE)
    except EccFault as fault:
        return str(fault)
    if zlib.crc32(raw[4:]) != int.from_bytes(raw[:4], "little"):
        return "there is none"
    owner = raw[4 : 4 + _NAME_SIZE].rstrip(b"\0").decode("latin-1")
    return "" if owner == image else f"it is that of the {owner} image"
