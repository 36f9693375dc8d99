"""What the files given say together: where their bytes stand, where the core would begin, what their code touches.

Neighbours: `vectors`, `constants` and `attributes` read bytes; `candidate` holds chips against an `Evidence`, `layout`
finds slots with it. Knows no chip and runs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from emu.elf.survey.attributes import CORES, CoreAttributes, core_attributes
from emu.elf.survey.constants import Constants, constants_in
from emu.elf.survey.vectors import VectorTable, first_table
from flash.errors import ImageError
from flash.files import read_bounded, read_file
from flash.images import Image, Segment, format_name, load_image

MAX_SIZE = 8 << 20
"""Bytes of content: more than any of these chips has."""
MAX_FILE = 64 << 20
_REGISTERS = range(0x4000_0000, 0x6000_0000)
_MEMORY_BITS = 0xFF00_0000


@dataclass(frozen=True)
class FirmwareFile:
    """One file. ``is_raw``: it has no addresses of its own; ``image`` then begins where its vectors point to."""

    path: Path
    image: Image
    attributes: CoreAttributes
    is_raw: bool

    @property
    def name(self) -> str:
        return self.path.name

    @cached_property
    def lead(self) -> Segment:
        return self.image.segments[0]

    @cached_property
    def table(self) -> VectorTable | None:
        """Near its beginning."""
        return first_table(self.lead.data, None if self.is_raw else self.lead.address)

    @cached_property
    def constants(self) -> tuple[Constants, ...]:
        return tuple(constants_in(segment.data, segment.address) for segment in self.image.segments)

    @property
    def values(self) -> frozenset[int]:
        return frozenset().union(*(each.values for each in self.constants))


def read_firmware(path: Path) -> FirmwareFile:
    """Raises ImageError, one line, for whatever is no firmware of a Cortex-M."""
    try:
        content = read_bounded(path, MAX_FILE)
    except OSError as wrong:
        raise ImageError(f"{path}: cannot be read ({wrong.strerror or wrong}); give a firmware file") from None
    if not content:
        raise ImageError(f"{path}: the file is empty; build or download it again")
    attributes = core_attributes(path.name, content)
    is_raw = format_name(content) == "raw binary"
    image = load_image(path, base_address=_base(read_file(path)) if is_raw else 0)
    size = sum(len(segment.data) for segment in image.segments)
    if size > MAX_SIZE:
        raise ImageError(
            f"{path}: {size:,} bytes of content, and the largest chips of this kind have {MAX_SIZE:,}; give the "
            "firmware of the microcontroller"
        )
    return FirmwareFile(path, image, attributes, is_raw)


def _base(content: bytes) -> int:
    """Of a raw binary: the memory its reset vector points into."""
    table = first_table(content)
    return 0 if table is None else table.entry & _MEMORY_BITS


@dataclass(frozen=True)
class Evidence:
    """``files``: what the factory programs, the bootloader first; ``others``: the update."""

    files: tuple[FirmwareFile, ...]
    others: tuple[FirmwareFile, ...] = ()

    @property
    def all(self) -> tuple[FirmwareFile, ...]:
        return (*self.files, *self.others)

    @cached_property
    def placed(self) -> tuple[FirmwareFile, ...]:
        """What the factory programs, as far as it is known where: of raw binaries that all seem to begin one memory,
        the one whose code begins first."""
        return tuple(file for file in self.files if not any(_hides(other, file) for other in self.files))

    @cached_property
    def segments(self) -> list[Segment]:
        """Of what is `placed`."""
        return [segment for file in self.placed for segment in file.image.segments]

    @cached_property
    def extent(self) -> tuple[int, int]:
        return min(each.address for each in self.segments), max(each.end for each in self.segments)

    @cached_property
    def touched(self) -> frozenset[int]:
        """Addresses of registers that code reads or writes."""
        return frozenset(
            at for file in self.all for each in file.constants for base, at in each.touched
            if at in _REGISTERS and base in _REGISTERS
        )  # fmt: skip

    @cached_property
    def values(self) -> frozenset[int]:
        return frozenset().union(*(file.values for file in self.all))

    @cached_property
    def core(self) -> str:
        """The smallest core that runs all of it, as far as the files say; "" where none does."""
        known = [file.attributes.core for file in self.all if file.attributes.core]
        return max(known, key=CORES.index, default="")

    @cached_property
    def core_words(self) -> str:
        """Which file says so, and how."""
        file = next(file for file in self.all if file.attributes.core == self.core)
        return f"{file.name} is compiled for a {file.attributes}"

    @cached_property
    def is_thumb2(self) -> bool:
        return any(each.is_thumb2 for file in self.all for each in file.constants)

    @cached_property
    def interrupts(self) -> int:
        """Of the longest vector table."""
        return max((file.table.interrupts for file in self.all if file.table is not None), default=0)


def _hides(other: FirmwareFile, file: FirmwareFile) -> bool:
    """Whether ``file``, a raw binary, cannot be where it seems to be because ``other`` is."""
    at = file.lead.address
    if other is file or not file.is_raw or not any(s.address <= at < s.end for s in other.image.segments):
        return False
    if not other.is_raw or file.table is None:
        return True
    return other.table is not None and other.table.lowest_code < file.table.lowest_code
