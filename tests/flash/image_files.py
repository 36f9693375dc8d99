"""Image files made by hand, from the formats' own descriptions and with none of the code under test.

Neighbours: the test_images*.py files.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import strategies as st

from flash.errors import ImageError
from flash.images import Segment, load_image

PT_LOAD, PT_NOTE = 1, 4
END = ":00000001FF"
RP2040, SAMD21 = 0xE48BFF56, 0x68ED2B88


def refused(path: Path, *words: str, board_id: int | None = None) -> ImageError:
    """The error of loading ``path``: one line, naming the file, with ``words`` in it."""
    with pytest.raises(ImageError) as caught:
        load_image(path, board_id=board_id)
    message = str(caught.value)
    assert "\n" not in message
    assert path.name in message
    for word in words:
        assert word in message, message
    return caught.value


@st.composite
def sparse_segments(draw: st.DrawFn) -> list[Segment]:
    """Disjoint, not adjacent, in order, often next to a 64 KiB boundary."""
    address = draw(st.sampled_from([0, 1, 0xFFF0, 0xFFFF, 0x10000, 0x1000_1000, 0xFFFE_FFF8]))
    segments = []
    for data, gap in draw(
        st.lists(st.tuples(st.binary(min_size=1, max_size=70), st.integers(1, 90)), min_size=1, max_size=6)
    ):
        segments.append(Segment(address, data))
        address += len(data) + gap
    return segments


# -- ELF, Intel HEX, S-records ---------------------------------------------------------------------------


def elf32(*segments: tuple[int, int, int, bytes, int], entry: int = 0) -> bytes:
    """An ARM executable of (p_type, p_vaddr, p_paddr, data, p_memsz); file offsets follow the headers."""
    offset = 52 + 32 * len(segments)
    headers, body = b"", b""
    for p_type, vaddr, paddr, data, memory_size in segments:
        headers += struct.pack("<8I", p_type, offset + len(body), vaddr, paddr, len(data), memory_size, 5, 4)
        body += data
    ident = b"\x7fELF\x01\x01\x01" + bytes(9)
    count = len(segments)
    return ident + struct.pack("<HHIIIIIHHHHHH", 2, 40, 1, entry, 52, 0, 0, 52, 32, count, 40, 0, 0) + headers + body


def record(kind: int, offset: int = 0, data: bytes = b"") -> str:
    """One Intel HEX record."""
    body = struct.pack(">BHB", len(data), offset, kind) + data
    return ":" + (body + bytes([-sum(body) & 0xFF])).hex().upper()


def base(upper: int) -> str:
    return record(4, 0, upper.to_bytes(2, "big"))


def s_record(kind: int, address: int, data: bytes = b"") -> str:
    """One Motorola S-record."""
    width = (2, 2, 3, 4, 2, 2, 3, 4, 3, 2)[kind]
    body = bytes([width + len(data) + 1]) + address.to_bytes(width, "big") + data
    return f"S{kind}" + (body + bytes([0xFF - sum(body) % 256])).hex().upper()


def written(tmp_path: Path, *lines: str, name: str = "fw.hex", newline: str = "\n") -> Path:
    path = tmp_path / name
    path.write_bytes("".join(line + newline for line in lines).encode("ascii"))
    return path


# -- UF2 -------------------------------------------------------------------------------------------------


def uf2_block(
    address: int,
    payload: bytes,
    number: int = 0,
    count: int = 1,
    *,
    family: int | None = None,
    flags: int = 0,
    size: int | None = None,
    tail: bytes = b"",
    field: int = 0,
) -> bytes:
    """One block; ``tail`` ends the 476 bytes, ``field`` is the file size of a block without a family."""
    if family is not None:
        flags, field = flags | 0x2000, family
    numbers = (flags, address, len(payload) if size is None else size, number, count, field)
    data = payload + bytes(476 - len(payload) - len(tail)) + tail
    block = struct.pack("<8I", 0x0A324655, 0x9E5D5157, *numbers) + data + struct.pack("<I", 0x0AB16F30)
    assert len(block) == 512
    return block


def md5_part(start: int, content: bytes) -> bytes:
    return struct.pack("<II", start, len(content)) + hashlib.md5(content, usedforsecurity=False).digest()


def uf2(*pieces: tuple[int, bytes], family: int | None = None) -> list[bytes]:
    """The blocks of one file, one for each (address, payload)."""
    return [
        uf2_block(address, payload, number, len(pieces), family=family)
        for number, (address, payload) in enumerate(pieces)
    ]


# -- DfuSe -----------------------------------------------------------------------------------------------


def dfuse_target(alt: int, *elements: tuple[int, bytes], name: str = "", size: int | None = None) -> bytes:
    body = b"".join(struct.pack("<2I", address, len(data)) + data for address, data in elements)
    length = len(body) if size is None else size
    return struct.pack("<6sBI255s2I", b"Target", alt, bool(name), name.encode(), length, len(elements)) + body


def dfuse(*targets: bytes, count: int | None = None, size: int | None = None, version: int = 1) -> bytes:
    body = b"".join(targets)
    length = 11 + len(body) if size is None else size
    prefix = struct.pack("<5sBIB", b"DfuSe", version, length, len(targets) if count is None else count)
    return dfu_suffix(prefix + body)


def dfu_suffix(content: bytes, version: int = 0x011A, signature: bytes = b"UFD", length: int = 16) -> bytes:
    """``content`` with a suffix and its CRC after it."""
    whole = content + struct.pack("<4H3sB", 0x0200, 0xDF11, 0x0483, version, signature, length)
    return whole + struct.pack("<I", 0xFFFF_FFFF & ~zlib.crc32(whole))
