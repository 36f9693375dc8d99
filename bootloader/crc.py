"""The checksum algorithms images and records are sealed with.

CRC-32 goes through zlib, the others through crcmod. `crc-32-mpeg` runs over bytes in order: what the CRC unit of an
STM32 computes when each word is fed to it byte-swapped.
Neighbours: `config`, `image`, `verify` and the updater. Knows nothing of records.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Literal, cast

import crcmod.predefined

CrcName = Literal["crc-32", "crc-32c", "crc-32-mpeg"]


class Crc:
    """A running checksum. ``value`` is the result so far."""

    def __init__(self, name: CrcName = "crc-32") -> None:
        self.name = name
        self._crc32 = name == "crc-32"
        self._other = None if self._crc32 else crcmod.predefined.PredefinedCrc(name)
        self._value = 0

    def update(self, data: bytes | memoryview) -> None:
        if self._other is None:
            self._value = zlib.crc32(data, self._value)
        else:
            self._other.update(bytes(data))

    @property
    def value(self) -> int:
        return self._value if self._other is None else int(self._other.crcValue)


def crc_function(name: CrcName) -> Callable[[bytes], int]:
    """The checksum of a whole byte string."""
    if name == "crc-32":
        return zlib.crc32
    return cast(Callable[[bytes], int], crcmod.predefined.mkPredefinedCrcFun(name))
