"""Firmware images in and out of files: ELF, UF2, DfuSe, Intel HEX, Motorola S-records and raw binary.

A file is read as what it holds, written as what it is named. Whatever a format finds wrong is one line of ImageError
that names the file and the place in it.

Neighbours: segments.py is what an image is; one module for each format turns bytes into images and back; rigs put
images on a device. Knows nothing of bootloaders, slots, boards or parts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from flash.errors import ImageError
from flash.files import MAX_FILE_SIZE, read_file, write_file
from flash.formats.dfuse import DFUSE_MAGIC, alt_settings, read_dfuse, write_dfuse
from flash.formats.elf import ELF_MAGIC, read_elf
from flash.formats.intel_hex import HEX_START, write_hex
from flash.formats.segments import MAX_GAPS, Image, Region, Segment, image_from_segments
from flash.formats.srec import SREC_START, read_srec, write_srec
from flash.formats.uf2 import UF2_MAGIC, family_ids, read_uf2, write_uf2
from flash.formats.universal_hex import board_ids, read_hex

__all__ = [
    "MAX_FILE_SIZE",
    "MAX_GAPS",
    "READABLE_SUFFIXES",
    "WRITABLE_SUFFIXES",
    "Image",
    "Region",
    "Segment",
    "firmware_ids",
    "format_name",
    "image_from_segments",
    "load_image",
    "save_image",
]


@dataclass(frozen=True, slots=True)
class _Saving:
    """What save_image was asked for besides the image."""

    suffix: str
    fill: int
    family_id: int | None


@dataclass(frozen=True)
class _Format:
    """``read(source, content, base_address, id)``; ``ids``: which firmwares one file holds, None: always one."""

    name: str
    suffixes: tuple[str, ...]
    begins: Callable[[bytes], bool]
    read: Callable[[str, bytes, int, int | None], Image]
    ids: Callable[[str, bytes], tuple[int, ...]] | None = None
    write: Callable[[Image, _Saving], bytes] | None = None


_SREC_ADDRESS_SIZES = {".s19": 2, ".s28": 3, ".s37": 4}

_FORMATS = (
    _Format(
        "ELF",
        (".elf", ".axf"),
        lambda content: content.startswith(ELF_MAGIC),
        lambda source, content, base, chosen: read_elf(source, content),
    ),
    _Format(
        "UF2",
        (".uf2",),
        lambda content: content.startswith(UF2_MAGIC),
        lambda source, content, base, chosen: read_uf2(source, content, chosen),
        family_ids,
        lambda image, asked: write_uf2(image, family_id=asked.family_id, fill=asked.fill),
    ),
    _Format(
        "DfuSe",
        (".dfu",),
        lambda content: content.startswith(DFUSE_MAGIC),
        lambda source, content, base, chosen: read_dfuse(source, content, chosen),
        alt_settings,
        lambda image, asked: write_dfuse(image),
    ),
    _Format(
        "Intel HEX",
        (".hex", ".ihex", ".ihx"),
        lambda content: HEX_START.match(content) is not None,
        lambda source, content, base, chosen: read_hex(source, content, chosen),
        board_ids,
        lambda image, asked: write_hex(image),
    ),
    _Format(
        "Motorola S-records",
        (".srec", ".s19", ".s28", ".s37", ".mot"),
        lambda content: SREC_START.match(content) is not None,
        lambda source, content, base, chosen: read_srec(source, content),
        None,
        lambda image, asked: write_srec(image, _SREC_ADDRESS_SIZES.get(asked.suffix)),
    ),
)
_RAW = _Format(
    "raw binary",
    (".bin",),
    lambda content: True,
    lambda source, content, base, chosen: image_from_segments(source, [Segment(base, content)]),
    None,
    lambda image, asked: image.flatten(fill=asked.fill),
)
# By which a half-empty or damaged text file of that suffix is still recognised, and refused with its line.
_TEXT_STARTS = {"Intel HEX": b":", "Motorola S-records": b"S"}

READABLE_SUFFIXES = tuple(suffix for one in (*_FORMATS, _RAW) for suffix in one.suffixes)
WRITABLE_SUFFIXES = tuple(suffix for one in (*_FORMATS, _RAW) if one.write for suffix in one.suffixes)


def load_image(path: Path, *, base_address: int = 0, board_id: int | None = None) -> Image:
    """Reads ``path`` by what it holds: by its magic or its first record, else as raw binary.

    A file named as one of the other formats that is none is refused, not taken for a binary. ``base_address`` places
    a raw binary; the other formats carry their addresses. ``board_id`` picks one of the firmwares in a file: the
    board of a Universal Hex, the family of a UF2, the alt setting of a DfuSe file; refused for a file that holds one
    by its nature. ImageError for whatever cannot be read, placed or told apart.
    """
    content = read_file(path)
    found = _format_of(path, content)
    if board_id is not None and found.ids is None:
        raise ImageError(
            f"{path.name}: only a Universal Hex holds several boards, a UF2 several families, a DfuSe file several "
            "alt settings; leave out --board-id"
        )
    return found.read(path.name, content, base_address, board_id)


def firmware_ids(path: Path) -> tuple[int, ...]:
    """What load_image takes as ``board_id`` for this file: boards, families or alt settings; () where nothing."""
    content = read_file(path)
    found = _format_of(path, content)
    return found.ids(path.name, content) if found.ids is not None else ()


def save_image(image: Image, path: Path, *, fill: int = 0xFF, family_id: int | None = None) -> None:
    """Writes ``image`` in the format that ``path`` is named as, whole or not at all.

    ``fill`` goes into the gaps of a raw binary, and around the content of a UF2, which has whole 256-byte pages.
    ``family_id`` is stated by a UF2, and refused for the others. Addresses and entry are lost in a raw binary, the
    entry in UF2 and DfuSe. ImageError for an unknown suffix, an image the format cannot hold, a path that cannot be
    written.
    """
    suffix = path.suffix.lower()
    found = next((one for one in (*_FORMATS, _RAW) if one.write and suffix in one.suffixes), None)
    if found is None or found.write is None:
        raise ImageError(f"{path}: no image format to write is named so; use one of {' '.join(WRITABLE_SUFFIXES)}")
    if family_id is not None and found.name != "UF2":
        raise ImageError(f"{path}: only a UF2 states a family; name the file .uf2, or leave the family out")
    if not 0 <= fill <= 0xFF:
        raise ImageError(f"{path}: fill {fill} is not a byte; give a value from 0 to 255")
    write_file(path, found.write(image, _Saving(suffix, fill, family_id)))


def format_name(content: bytes) -> str:
    """The name of the format ``content`` begins like; "raw binary" when it is none of the others."""
    return next(one.name for one in (*_FORMATS, _RAW) if one.begins(content))


def _format_of(path: Path, content: bytes) -> _Format:
    for one in _FORMATS:
        if one.begins(content):
            return one
    named = next((one for one in _FORMATS if path.suffix.lower() in one.suffixes), None)
    if named is None:
        return _RAW
    start = _TEXT_STARTS.get(named.name)
    if start is not None and content.lstrip().startswith(start):
        return named
    raise ImageError(
        f"{path.name}: named as {named.name} but is not; export it again, or name it .bin if it is a raw binary"
    )
