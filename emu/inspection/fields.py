"""The records of SPEC.md as maps: which bytes are which field, and what a value means in words.

Neighbours: `content` lays them over what a flash holds, whole or torn. Whether a record counts is for the bootloader to
say, never for a map.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from bootloader.config import COMMITTED, ERASED_SEQUENCER, FIRST_BOOT, MERGE_FS, NO_SLOT, SLOT_COUNT

Style = Literal["hex", "decimal", "bytes"]
_FLAGS = ((COMMITTED, "committed"), (FIRST_BOOT, "first boot"), (MERGE_FS, "merge filesystem"))
_SCHEMES = ("none", "Ed25519", "ECDSA P-256")
_SLOT_SIZE = 28


@dataclass(frozen=True, slots=True)
class Field:
    """``size`` bytes at ``offset``. ``meaning`` gets the value and the whole record."""

    name: str
    offset: int
    size: int
    style: Style
    meaning: Callable[[Any, bytes], str]

    def read(self, record: bytes) -> dict[str, Any]:
        raw = record[self.offset : self.offset + self.size]
        number = int.from_bytes(raw, "little")
        shown = {"hex": f"0x{number:0{2 * self.size}x}", "decimal": str(number), "bytes": raw.hex()}[self.style]
        value: int | str = shown if self.style == "bytes" else number
        meaning = self.meaning(raw if self.style == "bytes" else number, record)
        return {
            "name": self.name, "offset": self.offset, "size": self.size,
            "value": value, "shown": shown, "meaning": meaning,
        }  # fmt: skip


def read_fields(record: bytes, fields: Iterable[Field]) -> list[dict[str, Any]]:
    """Every field: name, offset, size, value (a number, or bytes in hex), how it is shown, its meaning."""
    return [field.read(record) for field in fields]


def version_text(number: int) -> str:
    """The dotted form of an ordered version number."""
    return f"version {number >> 24}.{number >> 16 & 0xFF}.{number & 0xFFFF}" if number else "not known"


# -- meanings ----------------------------------------------------------------------------------------------


def _magic(value: bytes, record: bytes) -> str:
    return "".join(chr(byte) if 32 <= byte < 127 else "." for byte in value)


def _nothing(value: object, record: bytes) -> str:
    return ""


def _reserved(value: bytes, record: bytes) -> str:
    return "FF, as written" if not value.strip(b"\xff") else "not FF: not looked at"


def _sequencer(value: int, record: bytes) -> str:
    if value == ERASED_SEQUENCER:
        return "never written"
    return f"smaller is newer; {value:,} more can be written"


def _active(value: int, record: bytes) -> str:
    return f"run slot {value}" if value < SLOT_COUNT else "there is no such slot"


def _revert(value: int, record: bytes) -> str:
    if value == NO_SLOT:
        return "nothing to go back to"
    return f"go back to slot {value}" if value < SLOT_COUNT else "there is no such slot"


def _flags(value: int, record: bytes) -> str:
    names = [name for bit, name in _FLAGS if value & bit]
    if not value & (COMMITTED | FIRST_BOOT):
        names.insert(0, "entered, not committed")
    unknown = value & ~(COMMITTED | FIRST_BOOT | MERGE_FS)
    return ", ".join(names + ([f"bits {unknown:#x} mean nothing"] if unknown else []))


def _timeout(value: int, record: bytes) -> str:
    return f"{value} s to commit" if value else "no commit timer"


def _length(value: int, record: bytes) -> str:
    return f"{value:,} bytes" if value else "none"


def _offset(value: int, record: bytes) -> str:
    return "in the slot" if value else ""


def _version(value: int, record: bytes) -> str:
    return version_text(value)


def _scheme(value: int, record: bytes) -> str:
    return _SCHEMES[value] if value < len(_SCHEMES) else "not known"


def _seal(value: int, record: bytes) -> str:
    computed = zlib.crc32(record[:-4])
    return "matches the record" if value == computed else f"does not match: computed {computed:#010x}"


# -- the maps ----------------------------------------------------------------------------------------------


def _slot(index: int, start: int) -> list[Field]:
    def name(field: str) -> str:
        return f"slots[{index}].{field}"

    return [
        Field(name("app_length"), start, 4, "decimal", _length),
        Field(name("load_address"), start + 4, 4, "hex", _nothing),
        Field(name("app_crc"), start + 8, 4, "hex", _nothing),
        Field(name("app_version"), start + 12, 4, "hex", _version),
        Field(name("fs_offset"), start + 16, 4, "hex", _offset),
        Field(name("fs_length"), start + 20, 4, "decimal", _length),
        Field(name("fs_crc"), start + 24, 4, "hex", _nothing),
    ]


CONFIG_FIELDS = (
    Field("magic", 0, 4, "bytes", _magic),
    Field("version", 4, 2, "decimal", _nothing),
    Field("reserved", 6, 2, "bytes", _reserved),
    Field("sequencer", 8, 4, "hex", _sequencer),
    Field("active_slot", 12, 1, "decimal", _active),
    Field("revert_slot", 13, 1, "decimal", _revert),
    Field("flags", 14, 2, "hex", _flags),
    Field("commit_timeout_s", 16, 4, "decimal", _timeout),
    *(field for index in range(SLOT_COUNT) for field in _slot(index, 20 + index * _SLOT_SIZE)),
    Field("padding", 76, 48, "bytes", _reserved),
    Field("crc", 124, 4, "hex", _seal),
)

HEADER_FIELDS = (
    Field("magic", 0, 4, "bytes", _magic),
    Field("version", 4, 2, "decimal", _nothing),
    Field("header_length", 6, 2, "decimal", _length),
    Field("app_length", 8, 4, "decimal", _length),
    Field("load_address", 12, 4, "hex", _nothing),
    Field("app_version", 16, 4, "hex", _version),
    Field("app_crc", 20, 4, "hex", _nothing),
    Field("app_sha256", 24, 32, "bytes", _nothing),
    Field("signature_scheme", 56, 1, "decimal", _scheme),
    Field("signature_length", 57, 1, "decimal", _length),
    Field("signature", 58, 80, "bytes", _nothing),
    Field("padding", 138, 114, "bytes", _reserved),
    Field("crc", 252, 4, "hex", _seal),
)
