"""Firmware images: Intel HEX, ELF and raw binary files in and out, as bytes at addresses.

ELF goes through pyelftools, Intel HEX through intelhex, and whatever they raise leaves here as one line of
ImageError that names the file. An image keeps its gaps until somebody asks for flat bytes.

Neighbours: universal_hex.py reads Intel HEX, also where one file serves several boards; rigs put images on a
device. Knows file formats only: nothing of bootloaders, slots, boards or parts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO, StringIO
from itertools import pairwise
from pathlib import Path

import intelhex
from elftools.elf.elffile import ELFFile

from flash.errors import ImageError
from flash.universal_hex import board_ids, read_hex

# No one memory has a hole this large between two pieces of firmware, while the configuration words of an
# nRF51 or nRF52 (UICR, 0x10001000) lie 256 MiB above its flash: filling that hole is never what was meant.
MAX_FILE_SIZE = 512 << 20
MAX_GAPS = 64 << 20

_ELF_MAGIC = b"\x7fELF"
_HEX_START = re.compile(rb"\s*:[0-9A-Fa-f]{8}")  # a colon alone may also begin a raw binary
_HEX_SUFFIXES = (".hex", ".ihex", ".ihx")
_ELF_SUFFIXES = (".elf", ".axf")
_REGION = re.compile(r"(0x[0-9a-f]{1,16}|[0-9]{1,20})([:+])(0x[0-9a-f]{1,16}|[0-9]{1,20})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Region:
    """The addresses from ``start`` up to, not including, ``end``."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.end:
            raise ImageError(f"region {self} runs backwards or below 0; give its lower end first")

    @classmethod
    def parse(cls, text: str) -> Region:
        """``start:end`` or ``start+length``, each number decimal or 0x hexadecimal."""
        match = _REGION.fullmatch(text.strip())
        if match is not None:
            start, last = (int(part, 16 if part[:2] in ("0x", "0X") else 10) for part in match.group(1, 3))
            end = last if match[2] == ":" else start + last
            if start < end:
                return cls(start, end)
        raise ImageError(
            f"{text!r} is not a region; write start:end or start+length, for instance 0x8000:0x9000 "
            "or 0x8000+4096, with at least one byte in it"
        )

    @property
    def size(self) -> int:
        return self.end - self.start

    def __str__(self) -> str:
        return f"{self.start:#x}:{self.end:#x}"


@dataclass(frozen=True, slots=True)
class Segment:
    """``data`` found at ``address``."""

    address: int
    data: bytes

    @property
    def end(self) -> int:
        return self.address + len(self.data)

    def __str__(self) -> str:
        return f"{self.address:#x}:{self.end:#x}"


@dataclass(frozen=True, slots=True)
class Image:
    """What one file puts where. ``segments`` are sorted, not empty, and have a gap between each two.

    ``source`` is a file name for messages. ``entry`` is the start address the file states, as it states it.
    Made by load_image and image_from_segments.
    """

    source: str
    segments: tuple[Segment, ...]
    entry: int | None = None

    def __post_init__(self) -> None:
        for segment in self.segments:
            if segment.address < 0 or not segment.data:
                raise ImageError(f"{self.source}: {segment} is empty or below address 0; leave it out")
        for low, high in pairwise(self.segments):
            if low.end >= high.address:
                raise ImageError(f"{self.source}: {low} and {high} need image_from_segments to sort and join")

    def span(self) -> Region:
        """From the first byte to the last, gaps included. ImageError for an image without data."""
        if not self.segments:
            raise ImageError(f"{self.source}: the image holds no data and so has no span; name a region")
        return Region(self.segments[0].address, self.segments[-1].end)

    @property
    def size(self) -> int:
        """Length of the span, bytes; 0 without data."""
        return self.span().size if self.segments else 0

    def flatten(self, region: Region | None = None, *, fill: int = 0xFF) -> bytes:
        """The bytes of ``region`` (of the span when None), with ``fill`` wherever the file says nothing.

        ImageError when a segment leaves the region, and when no region is given and the gaps together
        exceed MAX_GAPS.
        """
        if not 0 <= fill <= 0xFF:
            raise ImageError(f"{self.source}: fill {fill} is not a byte; give a value from 0 to 255")
        if region is None:
            region = self.span()
            gaps = region.size - sum(len(segment.data) for segment in self.segments)
            if gaps > MAX_GAPS:
                raise ImageError(
                    f"{self.source}: {region} has {gaps} bytes without content; select one region first",
                    address=region.start,
                    length=region.size,
                )
        flat = bytearray([fill]) * region.size
        for segment in self.segments:
            if segment.address < region.start or segment.end > region.end:
                raise ImageError(
                    f"{self.source}: {segment} lies outside {region}; select the region first, or widen it",
                    address=segment.address,
                    length=len(segment.data),
                )
            flat[segment.address - region.start : segment.end - region.start] = segment.data
        return bytes(flat)

    def select(self, region: Region) -> tuple[Image, tuple[Segment, ...]]:
        """The part inside ``region`` as an image (``entry`` unchanged), and the rest, cut at its edges."""
        inside: list[Segment] = []
        outside: list[Segment] = []
        for segment in self.segments:
            for pieces, start, end in (
                (outside, segment.address, min(segment.end, region.start)),
                (inside, max(segment.address, region.start), min(segment.end, region.end)),
                (outside, max(segment.address, region.end), segment.end),
            ):
                if start < end:
                    data = segment.data[start - segment.address : end - segment.address]
                    pieces.append(Segment(start, data))
        return Image(self.source, tuple(inside), self.entry), tuple(outside)


def image_from_segments(source: str, segments: Iterable[Segment], entry: int | None = None) -> Image:
    """Sorts ``segments``, joins neighbours, leaves out empty ones. ImageError when two claim one address."""
    runs: list[tuple[int, bytearray]] = []
    previous: Segment | None = None
    for segment in sorted((one for one in segments if one.data), key=lambda one: one.address):
        if previous is not None and segment.address < previous.end:
            raise ImageError(
                f"{source}: {previous} and {segment} overlap; keep one of them",
                address=segment.address,
                length=min(previous.end, segment.end) - segment.address,
            )
        if previous is not None and segment.address == previous.end:
            runs[-1][1].extend(segment.data)
        else:
            runs.append((segment.address, bytearray(segment.data)))
        previous = segment
    return Image(source, tuple(Segment(address, bytes(data)) for address, data in runs), entry)


def load_image(path: Path, *, base_address: int = 0, board_id: int | None = None) -> Image:
    """Reads ``path`` by what it holds: ELF by its magic, Intel HEX by its first record, else raw binary.

    A file named as HEX or ELF that is not one is refused, not taken for a binary. ``base_address`` places a
    raw binary; the other formats carry their addresses. ``board_id`` picks one board of a Universal Hex and
    is refused for any other file. ImageError for whatever cannot be read, placed or told apart.
    """
    content = _read(path)
    kind = _format_of(path, content)
    if kind == "hex":
        pieces, entry = read_hex(path.name, content, board_id)
        return image_from_segments(path.name, (Segment(*piece) for piece in pieces), entry)
    if board_id is not None:
        raise ImageError(f"{path.name}: only a Universal Hex holds several boards; leave out --board-id")
    if kind == "elf":
        return _load_elf(path.name, content)
    return image_from_segments(path.name, [Segment(base_address, content)])


def universal_board_ids(path_or_text: Path | str) -> tuple[int, ...]:
    """Ids of the boards in a Universal Hex, in file order; () for any other file.

    A Path is read; a str is the text itself, and ImageError says so when it is not Intel HEX.
    """
    if isinstance(path_or_text, str):
        if not path_or_text.lstrip().startswith(":"):
            raise ImageError("the text given is not Intel HEX; pass a Path to have a file read")
        return board_ids("text", path_or_text.encode("utf-8"))
    content = _read(path_or_text)
    return board_ids(path_or_text.name, content) if _format_of(path_or_text, content) == "hex" else ()


def save_bin(image: Image, path: Path, fill: int = 0xFF) -> None:
    """Writes the span of ``image`` as raw bytes; its addresses and entry are lost. See Image.flatten."""
    _write(path, image.flatten(fill=fill))


def save_hex(image: Image, path: Path) -> None:
    """Writes 16-byte Intel HEX records with 32-bit addresses, and the entry when there is one."""
    if image.span().end > 1 << 32 or (image.entry is not None and not 0 <= image.entry < 1 << 32):
        raise ImageError(f"{image.source}: Intel HEX addresses end at 0xffffffff; select a region below that")
    writer = intelhex.IntelHex()
    for segment in image.segments:
        writer.puts(segment.address, segment.data)
    if image.entry is not None:
        writer.start_addr = {"EIP": image.entry}
    text = StringIO()
    writer.write_hex_file(text)
    _write(path, text.getvalue().encode("ascii"))


def _read(path: Path) -> bytes:
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise ImageError(f"{path}: not a regular file; give the path of an image file")
        if path.is_file() and path.stat().st_size > MAX_FILE_SIZE:
            raise ImageError(
                f"{path}: has {path.stat().st_size} bytes, more than the {MAX_FILE_SIZE} an image may have"
            )
        content = path.read_bytes()
    except (OSError, ValueError) as exc:  # ValueError: a NUL in the name
        reason = getattr(exc, "strerror", None) or exc
        raise ImageError(f"{path}: cannot be read ({reason}); give the path of an image file") from exc
    if not content:
        raise ImageError(f"{path.name}: the file is empty; build or download it again")
    return content


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or exc
        raise ImageError(f"{path}: cannot be written ({reason}); give another path") from exc


def _format_of(path: Path, content: bytes) -> str:
    """``elf``, ``hex`` or ``bin``."""
    suffix = path.suffix.lower()
    if content.startswith(_ELF_MAGIC):
        return "elf"
    if _HEX_START.match(content) or (suffix in _HEX_SUFFIXES and content.lstrip().startswith(b":")):
        return "hex"
    for suffixes, what in ((_HEX_SUFFIXES, "Intel HEX"), (_ELF_SUFFIXES, "ELF")):
        if suffix in suffixes:
            raise ImageError(f"{path.name}: named as {what} but is not; export it again, or name it .bin")
    return "bin"


def _load_elf(source: str, content: bytes) -> Image:
    """PT_LOAD content at p_paddr: initialised data lies in flash there, p_vaddr is where it will run."""
    try:
        elf = ELFFile(BytesIO(content))
        entry = elf.header["e_entry"] or None  # the ABI writes "no entry point" as 0
        found = [
            (segment["p_paddr"], segment["p_filesz"], segment.data())
            for segment in elf.iter_segments("PT_LOAD")
            if segment["p_filesz"] > 0
        ]
    except Exception as exc:  # corrupt headers escape pyelftools as KeyError, OverflowError and others too
        reason = " ".join(str(exc).split()) or type(exc).__name__
        raise ImageError(f"{source}: not a readable ELF file ({reason}); link or download it again") from exc
    for address, size, data in found:
        if len(data) != size:
            raise ImageError(
                f"{source}: cut short, {len(data)} of {size} bytes for {address:#x}; download it again",
                address=address,
                length=size,
            )
    if not found:
        raise ImageError(f"{source}: this ELF file loads nothing; give a linked program")
    return image_from_segments(source, (Segment(address, data) for address, _, data in found), entry)
