"""A board for an ELF, described in TOML: the chip, what is programmed into it, and how one sees that it works.

    chip = "STM32F103xB"                  # this key makes it a board for an ELF
    accept = ["new"]

    [[file]]                              # what the factory programs
    path = "bootloader.elf"

    [[slot]]
    name = "a"
    address = 0x0800_2000
    size = 0x800

    [[image]]                             # what may stand in a slot; "old" is what the factory shipped
    name = "old"
    path = "app-1.elf"

    [[staged]]                            # the update, as it waits in flash
    path = "app-2.elf"
    address = 0x0800_3000

Neighbours: `elf_rig` makes something of it that can be cut. Content travels: an `ElfBoard` is plain data. It knows no
core.
"""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Annotated

import msgspec

from emu.board import U32, CheckEntry, Name, Positive
from emu.cpu.chip import Chip, bundled_chip, load_chip
from emu.errors import BoardError
from emu.events import NEW, OLD, UNKNOWN
from flash.errors import FlashError, ImageError
from flash.files import read_file
from flash.images import Image, load_image
from flash.part import bundled_part
from flash.tomlfile import MAX_TOML_SIZE, read_toml

Seconds = Annotated[float, msgspec.Meta(gt=0, le=3600)]
MAX_SP_ALIGNMENT = 4


class FileEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file as the factory programs it: ELF, HEX, or another format with addresses. ``address``: of a raw binary."""

    path: str
    address: U32 | None = None


class StagedEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file whose bytes stand at ``address``, wherever it is linked."""

    path: str
    address: U32


class SlotEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where an application runs, on erase boundaries."""

    name: Name
    address: U32
    size: Positive


class ImageEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bytes that may stand at the beginning of a slot, from the file's first address to its last."""

    name: Name
    path: str


class AliveEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What shows that an image works: it was entered, said ``uart`` (on any port), and ran on for ``stays_s``; then
    ``word`` in RAM, [address, value], has that value."""

    uart: str = ""
    stays_s: Seconds = 0.5
    word: tuple[U32, U32] | None = None


class CommitEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new image is on trial until it says ``uart``."""

    uart: Annotated[str, msgspec.Meta(min_length=1)]


class LimitEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A session that has not settled when both are over hangs: virtual seconds, and a multiple of the longest session
    of the uncut update. A hang is tried once more with ``confirm_times`` of that."""

    session_s: Seconds = 10.0
    times_uncut: Positive = 4
    confirm_times: Positive = 3


class ElfBoardFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The document. ``chip``: a bundled chip, or ``chip_file`` beside the board file. ``accept``: the images the device
    may settle with, once the update has been staged."""

    file: Annotated[tuple[FileEntry, ...], msgspec.Meta(min_length=1)]
    slot: Annotated[tuple[SlotEntry, ...], msgspec.Meta(min_length=1)]
    image: Annotated[tuple[ImageEntry, ...], msgspec.Meta(min_length=1)]
    chip: str = ""
    chip_file: str = ""
    name: str = ""
    staged: tuple[StagedEntry, ...] = ()
    accept: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)] = (OLD, NEW)
    alive: AliveEntry = AliveEntry()
    commit: CommitEntry | None = None
    limits: LimitEntry = LimitEntry()
    checks: CheckEntry = CheckEntry()


@dataclass(frozen=True, slots=True)
class Placed:
    """``data`` at an address of the core. ``source``: the file, for messages."""

    source: str
    address: int
    data: bytes


@dataclass(frozen=True)
class ElfBoard:
    """A board with everything it is made of. ``files``: what the factory programs, piece by piece; ``staged`` after
    it. ``images`` by name. ``programs``: the files by name, for functions and lines. ``paths``: all that was read."""

    name: str
    document: ElfBoardFile
    chip: Chip
    files: tuple[Placed, ...]
    staged: tuple[Placed, ...]
    images: dict[str, bytes]
    programs: tuple[tuple[str, bytes], ...]
    paths: tuple[str, ...]

    @property
    def digest(self) -> str:
        """Of what describes the hardware and what is expected of it, in hex; file contents are inputs of their own."""
        return hashlib.sha256(msgspec.json.encode(self.document) + msgspec.json.encode(self.chip)).hexdigest()


def is_elf_board(path: Path) -> bool:
    """Whether a board file is one of these. What cannot be read is left to whoever reads it whole."""
    try:
        if path.stat().st_size > MAX_TOML_SIZE:
            return False
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return "chip" in document or "chip_file" in document


def load_elf_board(path: Path) -> ElfBoard:
    """Raises BoardError, ImageError or PartError: one line with the file, the key and what to do."""
    where = str(path)
    document = read_toml(path, ElfBoardFile, error=BoardError)
    chip = _chip(document, path.parent, where)
    read = partial(_read, path.parent, where, chip)
    images: dict[str, bytes] = {}
    for image in document.image:
        if image.name in images or image.name == UNKNOWN:
            raise BoardError(f"{where}: [[image]] {image.name!r}: each needs a name of its own, and not {UNKNOWN!r}")
        images[image.name] = _flat(read(image.path), chip)
    files = tuple(piece for file in document.file for piece in _pieces(read(file.path, file.address)))
    staged = tuple(Placed(entry.path, entry.address, _flat(read(entry.path), chip)) for entry in document.staged)
    _check_document(document, images, where)
    _check_places(document, chip, files, staged, images, where)
    names = list(dict.fromkeys([*(each.path for each in document.file), *(each.path for each in document.image)]))
    programs = tuple((name, read_file(path.parent / name)) for name in names)
    beside = dict.fromkeys([*names, *(each.path for each in document.staged), *filter(None, [document.chip_file])])
    paths = (where, *(str(path.parent / name) for name in beside))
    return ElfBoard(document.name or path.stem, document, chip, files, staged, images, programs, paths)


def _chip(document: ElfBoardFile, folder: Path, where: str) -> Chip:
    if bool(document.chip) == bool(document.chip_file):
        raise BoardError(f"{where}: give chip or chip_file, one of them")
    try:
        return bundled_chip(document.chip) if document.chip else load_chip(folder / document.chip_file)
    except BoardError as wrong:
        raise BoardError(f"{where}: chip: {wrong}") from None


def _read(folder: Path, where: str, chip: Chip, name: str, address: int | None = None) -> Image:
    try:
        return load_image(folder / name, base_address=chip.flash.address if address is None else address)
    except ImageError as wrong:
        raise BoardError(f"{where}: {wrong}") from None


def _flat(image: Image, chip: Chip) -> bytes:
    return image.flatten(fill=bundled_part(chip.flash.part).erased)


def _pieces(image: Image) -> list[Placed]:
    return [Placed(Path(str(image.source)).name, segment.address, bytes(segment.data)) for segment in image.segments]


def _check_document(document: ElfBoardFile, images: dict[str, bytes], where: str) -> None:
    if OLD not in images:
        raise BoardError(f"{where}: [[image]]: one has to be called {OLD!r}: the image the factory shipped")
    for name in document.accept:
        if name not in images:
            raise BoardError(f"{where}: accept: {name!r} is no [[image]]; known: {', '.join(images)}")
    if not document.staged:
        raise BoardError(f"{where}: no [[staged]]: without an update that waits in flash there is nothing to cut")
    names = [slot.name for slot in document.slot]
    if len(set(names)) != len(names):
        raise BoardError(f"{where}: two [[slot]] share a name; give each one of its own")
    largest = max(document.slot, key=lambda slot: slot.size)
    for name, data in images.items():
        if len(data) > largest.size:
            raise BoardError(
                f"{where}: [[image]] {name!r} has {len(data):,} bytes and the largest slot, {largest.name!r}, "
                f"{largest.size:,}; give the slot its real size, or an image that fits"
            )
    for one, other in combinations(document.slot, 2):
        if one.address < other.address + other.size and other.address < one.address + one.size:
            raise BoardError(f"{where}: slots {one.name!r} and {other.name!r} overlap; give each its own addresses")


def _check_places(
    document: ElfBoardFile, chip: Chip, files: tuple[Placed, ...], staged: tuple[Placed, ...],
    images: dict[str, bytes], where: str,
) -> None:  # fmt: skip
    """Everything has to lie in the flash of the chip, and the factory has to leave a vector table."""
    part = bundled_part(chip.flash.part)
    bases = (chip.flash.address, *chip.flash.aliases)

    def offset(what: str, address: int, size: int) -> int:
        for base in bases:
            if base <= address and address + size <= base + part.size:
                return address - base
        raise BoardError(
            f"{where}: {what}: [{address:#x}, {address + size:#x}) is not in the flash of {chip.name}, "
            f"[{bases[0]:#x}, {bases[0] + part.size:#x}); name the chip it is linked for, or its right address"
        )

    for slot in document.slot:
        try:
            part.geometry.window(offset(f"slot {slot.name!r}", slot.address, slot.size), slot.size)
        except FlashError as wrong:
            raise BoardError(
                f"{where}: slot {slot.name!r}: {wrong} on {chip.name}; is it the right chip? Slots stand on erase "
                "boundaries"
            ) from None
    content = {offset(f"file {each.source}", each.address, len(each.data)): each for each in files}
    for each in staged:
        offset(f"staged {each.source}", each.address, len(each.data))
        for slot in document.slot:
            room = slot.address + slot.size - each.address
            if slot.address <= each.address < slot.address + slot.size and len(each.data) > room:
                raise BoardError(
                    f"{where}: staged {each.source}: {len(each.data):,} bytes at {each.address:#x} leave slot "
                    f"{slot.name!r}, where {room:,} are left; give the slot its real size, or an image that fits"
                )
    _check_vectors(content, chip, bases, where)


def _check_vectors(content: dict[int, Placed], chip: Chip, bases: tuple[int, ...], where: str) -> None:
    boot = next((chip.boot - base for base in bases if base <= chip.boot), 0)
    holder = next((each for at, each in content.items() if at <= boot and boot + 8 <= at + len(each.data)), None)
    lowest = min(each.address for each in content.values())
    if holder is None:
        raise BoardError(
            f"{where}: no vector table: {chip.name} boots from {chip.boot:#x} and no [[file]] has bytes there (the "
            f"lowest are at {lowest:#x}); add the bootloader's file, or link it for {chip.boot:#x}"
        )
    start = next(at for at, each in content.items() if each is holder)
    stack, entry = (int.from_bytes(holder.data[at : at + 4], "little") for at in (boot - start, boot - start + 4))
    in_ram = (
        any(base < stack <= base + ram.size for ram in chip.ram for base in (ram.address, *ram.aliases))
        and not stack % MAX_SP_ALIGNMENT
    )
    if not in_ram or not entry & 1:
        rams = ", ".join(f"[{ram.address:#x}, {ram.address + ram.size:#x})" for ram in chip.ram)
        why = f"a stack pointer {stack:#010x} outside RAM, {rams}" if not in_ram else f"an even entry {entry:#010x}"
        raise BoardError(
            f"{where}: {holder.source} is no vector table of {chip.name} at {chip.boot:#x}: {why}; name the chip it is "
            "linked for"
        )
