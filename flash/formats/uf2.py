"""UF2: 512-byte blocks, each with its address, number and the family of chips it is for.

    0    magic 0x0A324655, magic 0x9E5D5157, flags, address, payload size, block number, number of blocks,
         family id (or the size of a file, or 0): eight 32-bit little-endian numbers
    32   476 bytes: the payload, then optional parts and padding
    508  magic 0x0AB16F30

    flags   0x0001  not main flash: comments, no content
            0x1000  file container: a piece of a file, no content of a flash
            0x2000  the family id is one
            0x4000  MD5 of a region, in the last 24 bytes of the 476
            0x8000  extension tags after the payload, not read

Blocks come in any order and more than once. A block of another family than the chosen one is ignored, its numbers
too; one without a family is for all. esptool numbers the blocks of each file it merges from 0 again, so one number
may stand for several blocks, if each number of that series does.

Source: github.com/microsoft/uf2. Neighbours: images.py calls this. Knows bytes only: no files.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import md5
from typing import NoReturn

from flash.errors import ImageError
from flash.formats.segments import ADDRESS_END, Image, Region, Segment, image_from_segments

UF2_MAGIC = b"UF2\n"

_BLOCK = struct.Struct("<8I476sI")
_MAGIC_START, _MAGIC_SECOND, _MAGIC_END = 0x0A324655, 0x9E5D5157, 0x0AB16F30
_NOT_MAIN_FLASH, _FILE_CONTAINER, _HAS_FAMILY, _HAS_MD5 = 0x0001, 0x1000, 0x2000, 0x4000
_PAYLOAD_MAX = 476
_MD5_PART = struct.Struct("<2I16s")
_ERASE_SIZE_MAX = 256 << 10  # of the NOR a UF2 bootloader writes; what an MD5 may cover beyond the content
_PAGE = 256  # "always correct", says the format; the boot ROM of the RP2040 takes nothing else


@dataclass(frozen=True, slots=True)
class _Block:
    offset: int
    flags: int
    address: int
    size: int
    number: int
    count: int
    family_or_size: int
    data: bytes

    @property
    def family(self) -> int | None:
        return self.family_or_size if self.flags & _HAS_FAMILY else None

    @property
    def payload(self) -> bytes:
        return self.data[: self.size]

    @property
    def place(self) -> str:
        return f"block at offset {self.offset:#x}"


def read_uf2(source: str, content: bytes, family_id: int | None) -> Image:
    """What the file writes to the main flash of ``family_id``; None where the file knows one family or none.

    ImageError names the block at fault, by its offset in the file.
    """
    blocks = _chosen(source, list(_blocks(source, content)), family_id)
    for block in blocks:
        _check(source, block)
    _check_numbers(source, blocks)
    mine = [block for block in blocks if not block.flags & (_NOT_MAIN_FLASH | _FILE_CONTAINER)]
    once: dict[tuple[int, bytes], _Block] = {}
    for block in mine:
        once.setdefault((block.address, block.payload), block)
    image = image_from_segments(
        source,
        [Segment(*key) for key in once],
        places=[block.place for block in once.values()],
    )
    if not image.segments:
        raise ImageError(f"{source}: no block of this file holds content of the main flash; build it again")
    _check_digests(source, mine, image)
    return image


def family_ids(source: str, content: bytes) -> tuple[int, ...]:
    """The families named in the file, in order of appearance."""
    found = (block.family for block in _blocks(source, content))
    return tuple(dict.fromkeys(family for family in found if family is not None))


def write_uf2(image: Image, *, family_id: int | None, fill: int) -> bytes:
    """Whole pages of 256 bytes, with ``fill`` where the image has none of their bytes; the entry is lost.

    Blocks state ``family_id``, or no family when None.
    """
    if image.span().end > ADDRESS_END:
        raise ImageError(f"{image.source}: UF2 addresses end at 0xffffffff; select a region below that")
    if family_id is not None and not 0 <= family_id < 1 << 32:
        raise ImageError(f"{image.source}: family {family_id:#x} is no 32-bit number; give one such as 0xE48BFF56")
    payloads = [
        (address + start, data[start : start + _PAGE])
        for address, data in _pages(image, fill)
        for start in range(0, len(data), _PAGE)
    ]
    flags = 0 if family_id is None else _HAS_FAMILY
    head = (_MAGIC_START, _MAGIC_SECOND, flags)
    return b"".join(
        _BLOCK.pack(*head, address, _PAGE, number, len(payloads), family_id or 0, payload, _MAGIC_END)
        for number, (address, payload) in enumerate(payloads)
    )


def _pages(image: Image, fill: int) -> list[tuple[int, bytearray]]:
    """(address, bytes) of each run of pages that the image touches; in one pass over its segments."""
    runs: list[tuple[int, bytearray]] = []
    for segment in image.segments:
        start, end = segment.address // _PAGE * _PAGE, -(-segment.end // _PAGE) * _PAGE
        if not runs or start > runs[-1][0] + len(runs[-1][1]):
            runs.append((start, bytearray()))
        address, data = runs[-1]
        data.extend(bytes([fill]) * (end - address - len(data)))
        data[segment.address - address : segment.end - address] = segment.data
    return runs


def _blocks(source: str, content: bytes) -> Iterator[_Block]:
    for offset in range(0, len(content), _BLOCK.size):
        if offset + _BLOCK.size > len(content):
            _fail(source, offset, f"the file ends after {len(content) - offset} of 512 bytes")
        start, second, flags, address, size, number, count, family, data, last = _BLOCK.unpack_from(content, offset)
        for magic, right in ((start, _MAGIC_START), (second, _MAGIC_SECOND), (last, _MAGIC_END)):
            if magic != right:
                _fail(source, offset, f"magic number {magic:#010x} is not {right:#010x}")
        yield _Block(offset, flags, address, size, number, count, family, data)


def _chosen(source: str, blocks: list[_Block], family_id: int | None) -> list[_Block]:
    families = tuple(dict.fromkeys(block.family for block in blocks if block.family is not None))
    known = ", ".join(f"0x{one:08X}" for one in families)
    if family_id is None:
        if len(families) > 1:
            raise ImageError(f"{source}: a UF2 with firmware for several families; pass --board-id, one of {known}")
        return blocks
    if not families:
        raise ImageError(f"{source}: a UF2 that names no family, made for one; leave out --board-id")
    if family_id not in families:
        raise ImageError(f"{source}: a UF2 with no family 0x{family_id:08X}; pass --board-id, one of {known}")
    return [block for block in blocks if block.family in (family_id, None)]


def _check(source: str, block: _Block) -> None:
    if block.size > _PAYLOAD_MAX:
        _fail(source, block.offset, f"a payload of {block.size} bytes, a block holds at most {_PAYLOAD_MAX}")
    if block.flags & _HAS_MD5 and block.size > _PAYLOAD_MAX - _MD5_PART.size:
        _fail(source, block.offset, f"a payload of {block.size} bytes leaves no room for the MD5 it announces")
    if block.number >= block.count:
        _fail(source, block.offset, f"block {block.number} of {block.count}, numbers go from 0 to one below that")


def _check_numbers(source: str, blocks: list[_Block]) -> None:
    """Whether blocks are missing. A number that stands for several blocks must not be alone in that."""
    series: dict[int, dict[int, set[tuple[int, bytes]]]] = {}
    for block in blocks:
        series.setdefault(block.count, {}).setdefault(block.number, set()).add((block.address, block.payload))
    for count, numbers in series.items():
        missing = next((number for number in range(count) if number not in numbers), None)
        if missing is not None:
            raise ImageError(f"{source}: block {missing} of {count} is missing; copy or download the file again")
        times = {number: len(found) for number, found in numbers.items()}
        fewest, most = min(times, key=times.__getitem__), max(times, key=times.__getitem__)
        if times[fewest] != times[most]:
            raise ImageError(
                f"{source}: block {most} of {count} stands for {times[most]} addresses or contents, block {fewest} for "
                f"{times[fewest]}; some are missing, copy or download the file again"
            )


def _check_digests(source: str, blocks: list[_Block], image: Image) -> None:
    """The MD5 of each region that a block announces, over the image with 0xFF for what the file leaves erased."""
    right: set[bytes] = set()  # the blocks of one region all carry the same
    for block in blocks:
        if not block.flags & _HAS_MD5:
            continue
        # Where the format has it, and where esptool puts it: right after the payload, which may be short.
        parts = block.data[-_MD5_PART.size :], block.data[block.size : block.size + _MD5_PART.size]
        if any(part in right for part in parts):
            continue
        found = next((part for part in parts if _digest_matches(part, image)), None)
        if found is None:
            _fail(source, block.offset, "the MD5 it carries does not match the content")
        right.add(found)


def _digest_matches(part: bytes, image: Image) -> bool:
    start, length, digest = _MD5_PART.unpack(part)
    region = Region(start, start + length)
    content = image.select(region)[0]
    if length - sum(len(one.data) for one in content.segments) > _ERASE_SIZE_MAX:
        return False
    return bool(md5(content.flatten(region), usedforsecurity=False).digest() == digest)


def _fail(source: str, offset: int, what: str) -> NoReturn:
    raise ImageError(f"{source}: block at offset {offset:#x}: {what}; build or download the file again")
