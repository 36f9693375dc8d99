"""DfuSe files (ST UM0391): one or more targets, each a memory of the device, with elements of data at addresses.

    prefix   11 bytes    'DfuSe', version 1, length of all but the suffix, number of targets
    target   274 bytes   'Target', alt setting, whether it is named, name, length of its elements, their number
    element  8 bytes     address, length; then its data
    suffix   16 bytes    device, product, vendor, 0x011A, 'UFD', 16, CRC-32 without its last complement

Neighbours: images.py calls this. Knows bytes only: no files. USB ids and target names say which device a file is
for, and are not read.
"""

from __future__ import annotations

import struct
from typing import NoReturn
from zlib import crc32

from flash.errors import ImageError
from flash.formats.segments import ADDRESS_END, Image, Segment, image_from_segments

DFUSE_MAGIC = b"DfuSe"

_PREFIX = struct.Struct("<5sBIB")
_TARGET = struct.Struct("<6sBI255s2I")
_ELEMENT = struct.Struct("<2I")
_SUFFIX = struct.Struct("<4H3sB")  # and the CRC
_SUFFIX_SIZE = 16
_VERSION, _DFU_VERSION = 1, 0x011A
# The bootloader in ROM of the STM32, which is what the format is for; dfu-util compares them with the device's.
_VENDOR, _PRODUCT, _ANY_DEVICE = 0x0483, 0xDF11, 0xFFFF


def read_dfuse(source: str, content: bytes, alt_setting: int | None) -> Image:
    """All targets together where no two write one address; else ``alt_setting`` says whose elements to take.

    ImageError names the offset in the file that is at fault.
    """
    found: dict[int, tuple[list[Segment], list[str]]] = {}
    for alt, segment, place in _elements(source, content):
        segments, places = found.setdefault(alt, ([], []))
        segments.append(segment)
        places.append(place)
    known = ", ".join(str(alt) for alt in sorted(found))
    if alt_setting is not None:
        if alt_setting not in found:
            raise ImageError(
                f"{source}: a DfuSe file, with no alt setting {alt_setting}; pass --board-id, one of {known}"
            )
        found = {alt_setting: found[alt_setting]}
    images = [image_from_segments(source, segments, places=places) for segments, places in found.values()]
    try:
        image = image_from_segments(source, (segment for one in images for segment in one.segments))
    except ImageError as exc:
        raise ImageError(
            f"{source}: alt settings {known} of this DfuSe file write the same addresses; pass --board-id, one of them",
            address=exc.address,
            length=exc.length,
        ) from exc
    if not image.segments:
        raise ImageError(f"{source}: the file holds no data; export or download it again")
    return image


def alt_settings(source: str, content: bytes) -> tuple[int, ...]:
    """Those of the targets that hold elements, ascending."""
    return tuple(sorted({alt for alt, _, _ in _elements(source, content)}))


def write_dfuse(image: Image) -> bytes:
    """One target, alt setting 0, an element for each segment; the entry is lost. Made out to ST's bootloader."""
    if image.span().end > ADDRESS_END:
        raise ImageError(f"{image.source}: DfuSe addresses end at 0xffffffff; select a region below that")
    elements = b"".join(_ELEMENT.pack(one.address, len(one.data)) + one.data for one in image.segments)
    target = _TARGET.pack(b"Target", 0, 0, b"", len(elements), len(image.segments))
    length = _PREFIX.size + _TARGET.size + len(elements)
    suffix = _SUFFIX.pack(_ANY_DEVICE, _PRODUCT, _VENDOR, _DFU_VERSION, b"UFD", _SUFFIX_SIZE)
    whole = _PREFIX.pack(DFUSE_MAGIC, _VERSION, length, 1) + target + elements + suffix
    return whole + struct.pack("<I", _crc(whole))


def _crc(content: bytes) -> int:
    return ~crc32(content) & 0xFFFF_FFFF


def _elements(source: str, content: bytes) -> list[tuple[int, Segment, str]]:
    """(alt setting, data, where in the file) of each element, every length and the CRC verified."""
    length, targets = _prefix_and_suffix(source, content)
    found: list[tuple[int, Segment, str]] = []
    offset = _PREFIX.size
    for _ in range(targets):
        if offset + _TARGET.size > length:
            _fail(source, offset, f"the file ends where one of {targets} targets should begin")
        signature, alt, _, _, size, elements = _TARGET.unpack_from(content, offset)
        if signature != b"Target":
            _fail(source, offset, "no target where one should begin")
        end = offset + _TARGET.size + size
        if end > length:
            _fail(source, offset, f"a target of {size} bytes reaches past the end of the file")
        offset += _TARGET.size
        for _ in range(elements):
            if offset + _ELEMENT.size > end:
                _fail(source, offset, f"the target ends where one of its {elements} elements should begin")
            address, size = _ELEMENT.unpack_from(content, offset)
            place, offset = offset, offset + _ELEMENT.size
            if offset + size > end:
                _fail(source, place, f"an element of {size} bytes reaches past the end of its target")
            found.append((alt, Segment(address, content[offset : offset + size]), f"element at offset {place:#x}"))
            offset += size
        if offset != end:
            _fail(source, offset, f"{end - offset} bytes in a target after the last of its {elements} elements")
    if offset != length:
        _fail(source, offset, f"{length - offset} bytes after the last of {targets} targets")
    return found


def _prefix_and_suffix(source: str, content: bytes) -> tuple[int, int]:
    """Length of all but the suffix, and the number of targets."""
    end = len(content) - _SUFFIX_SIZE
    if end < _PREFIX.size:
        _fail(source, len(content), "cut short, the file ends inside its prefix or suffix")
    _, _, _, dfu_version, signature, suffix_size = _SUFFIX.unpack_from(content, end)
    if signature != b"UFD":
        _fail(source, end, "no suffix, the rest of the file is missing")
    if suffix_size != _SUFFIX_SIZE or dfu_version != _DFU_VERSION:
        _fail(source, end, f"not the suffix of a DfuSe file (version {dfu_version:#06x}, {suffix_size} bytes)")
    if (crc := int.from_bytes(content[-4:], "little")) != _crc(content[:-4]):
        _fail(source, end, f"CRC {crc:#010x} does not match the content, {_crc(content[:-4]):#010x}")
    _, version, length, targets = _PREFIX.unpack_from(content)
    if version != _VERSION:
        _fail(source, 5, f"format version {version} is not 1")
    if length != end:
        _fail(source, 6, f"states a length of {length} bytes without the suffix, has {end}")
    return end, targets


def _fail(source: str, offset: int, what: str) -> NoReturn:
    raise ImageError(f"{source}: offset {offset:#x}: {what}; export or download the file again")
