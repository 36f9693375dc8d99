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

    [[staged]]                            # the update, as it waits in flash; or [update], as it comes over a UART
    path = "app-2.elf"
    address = 0x0800_3000

Neighbours: `document` has the keys, `fits` says what cannot be right, `rig` makes something of it that can be cut.
Content travels: an `ElfBoard` is plain data. It knows no core.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import msgspec

from emu.cpu.chip import Chip, bundled_chip, load_chip
from emu.cpu.elf import check_machine
from emu.cpu.wiring import MemoryEntry
from emu.elf.blanks import check_filled
from emu.elf.document import ORACLES, WAITING, ElfBoardFile, texts
from emu.elf.factory import into_rows, windows_into_rows
from emu.elf.fits import check_document, check_places
from emu.elf.memories import check_memories, memories_of
from emu.elf.oracle_file import oracle_source
from emu.elf.pins import check_pins
from emu.elf.placed import Placed
from emu.elf.update import Update, check_update, host_source
from emu.errors import BoardError
from emu.events import UNKNOWN
from emu.source import Source
from flash.errors import ImageError
from flash.files import read_file
from flash.images import Image, format_name, load_image
from flash.part import bundled_part
from flash.tomlfile import read_toml

OLDER = "older"
"""The image that is staged instead of the update where an older one is tried."""


@dataclass(frozen=True)
class ElfBoard:
    """A board with everything it is made of. ``files``: what the factory programs, piece by piece; ``staged`` after
    it; ``older``: what is staged where an older image is delivered, b"" where the board names none. ``images`` by name.
    ``programs``: the files by name, for functions and lines. ``paths``: all that was read. ``memories``: beside the
    chip. ``update``: what comes over a UART; None: nothing does. ``oracles``: where they are, by key of [storage]."""

    name: str
    document: ElfBoardFile
    chip: Chip
    files: tuple[Placed, ...]
    staged: tuple[Placed, ...]
    images: dict[str, bytes]
    programs: tuple[tuple[str, bytes], ...]
    paths: tuple[str, ...]
    older: bytes = b""
    memories: tuple[MemoryEntry, ...] = ()
    update: Update | None = None
    oracles: Mapping[str, tuple[Source, ...]] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Of what describes the hardware and what is expected of it, in hex; file contents are inputs of their own."""
        return hashlib.sha256(msgspec.json.encode(self.document) + msgspec.json.encode(self.chip)).hexdigest()


def load_elf_board(path: Path) -> ElfBoard:
    """Raises BoardError, ImageError or PartError: one line with the file, the key and what to do."""
    where = str(path)
    document = read_toml(path, ElfBoardFile, error=BoardError)
    check_filled(path.read_text(encoding="utf-8"), where)
    chip = _chip(document, path.parent, where)
    memories = memories_of(document, path.parent, chip, where)
    read = partial(_read, path.parent, where, chip)
    images: dict[str, bytes] = {}
    older = b""
    for image in document.image:
        if image.name in images or image.name in (UNKNOWN, WAITING):
            raise BoardError(
                f"{where}: [[image]] {image.name!r}: each needs a name of its own, and not {UNKNOWN!r} or {WAITING!r}"
            )
        what = f"{where}: [[image]] {image.name!r}"
        images[image.name] = _flat(read(image.path), chip, what)
        if image.name == OLDER:
            older = _flat(read(image.delivered or image.path), chip, what)
        elif image.delivered:
            raise BoardError(f"{what}: delivered is for {OLDER!r}; [[staged]] is the update")
    for file in document.file:
        if not file.memory:
            _check_address(path.parent / file.path, file.address, where)
    files = tuple(
        piece
        for file in document.file
        for piece in _pieces(read(file.path, 0 if file.memory and file.address is None else file.address), file.memory)
    )
    staged = tuple(
        Placed(entry.path, entry.address, _flat(read(entry.path), chip, f"{where}: [[staged]]"), entry.memory)
        for entry in document.staged
    )
    update = _update(document, chip, read, path.parent, where)
    check_pins(document, chip, where)
    check_document(document, images, where)
    check_memories(document, memories, (*files, *staged), where)
    files = into_rows(files, chip)
    document = msgspec.structs.replace(document, window=windows_into_rows(document.window, chip))
    inside = [tuple(each for each in placed if not each.memory) for placed in (files, staged)]
    check_places(document, chip, inside[0], inside[1], images, where)
    names = list(dict.fromkeys([*(each.path for each in document.file), *(each.path for each in document.image)]))
    programs = tuple((name, read_file(path.parent / name)) for name in names)
    delivered = [each.path for each in document.staged] + [each.delivered for each in document.image]
    described = [document.chip_file, *(each.part_file for each in document.memory)]
    beside = dict.fromkeys([*names, *filter(None, [*delivered, *described])])
    sent = () if document.update is None else (str(path.parent / document.update.send),)
    own = () if update is None or update.source is None else (update.source.path,)
    named = {} if document.storage is None else {key: texts(getattr(document.storage, key)) for key in ORACLES}
    oracles = {key: tuple(oracle_source(text, path.parent, where) for text in named[key]) for key in named}
    judges = dict.fromkeys(oracle.path for sources in oracles.values() for oracle in sources)
    paths = (where, *(str(path.parent / name) for name in beside), *sent, *own, *judges)
    name = document.name or path.stem
    return ElfBoard(name, document, chip, files, staged, images, programs, paths, older, memories, update, oracles)


def _update(
    document: ElfBoardFile, chip: Chip, read: Callable[[str], Image], folder: Path, where: str
) -> Update | None:
    entry = document.update
    if entry is None:
        return None
    check_update(entry, chip, where)
    source = host_source(entry.host, folder, where) if entry.host else None
    return Update(entry, _flat(read(entry.send), chip, f"{where}: update.send"), source)


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


def _check_address(path: Path, address: int | None, where: str) -> None:
    """A raw binary does not say where it lies; everything else does."""
    try:
        content = read_file(path)
        is_raw = format_name(content) == "raw binary"
        if format_name(content) == "ELF":
            check_machine(path.name, content)
    except ImageError as wrong:
        raise BoardError(f"{where}: {wrong}") from None
    if is_raw and address is None:
        raise BoardError(f"{where}: [[file]] {path.name} is a raw binary: it does not say where it lies; add address")
    if not is_raw and address is not None:
        raise BoardError(f"{where}: [[file]] {path.name} has addresses of its own; leave out address = {address:#x}")


def _flat(image: Image, chip: Chip, what: str) -> bytes:
    """From the first byte to the last."""
    size = bundled_part(chip.flash.part).size
    if image.size > size:
        raise BoardError(
            f"{what}: {image.source} has bytes from {image.span().start:#x} to {image.span().end:#x}, more than the "
            f"{size:,} of the flash of {chip.name}; keep the application alone with `brownout flash cut`"
        )
    return image.flatten(fill=bundled_part(chip.flash.part).erased)


def _pieces(image: Image, memory: str) -> list[Placed]:
    source = Path(str(image.source)).name
    return [Placed(source, segment.address, bytes(segment.data), memory) for segment in image.segments]
