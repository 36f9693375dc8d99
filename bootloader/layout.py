"""Where things are: two config copies in their own erase sectors, and the slots.

A slot holds an image header, the application behind it, and at its end room for a filesystem image. Neighbours:
`config_store`, `verify` and the updater ask for offsets here. Knows nothing of content.
"""

from __future__ import annotations

from dataclasses import dataclass

from bootloader.config import RECORD_SIZE, SLOT_COUNT
from bootloader.errors import LayoutError
from bootloader.image import HEADER_SIZE
from flash.contract import NorFlash
from flash.geometry import Geometry


@dataclass(frozen=True)
class Slot:
    """One place for an image. Offsets and sizes in bytes, inside ``flash``."""

    index: int
    name: str
    flash: NorFlash
    fs_size: int = 0

    @property
    def app_offset(self) -> int:
        return HEADER_SIZE

    @property
    def app_capacity(self) -> int:
        return self.fs_offset - HEADER_SIZE

    @property
    def fs_offset(self) -> int:
        return self.flash.geometry.size - self.fs_size


@dataclass(frozen=True)
class Layout:
    """The two config copies and the slots. Raises LayoutError for what could never work."""

    configs: tuple[NorFlash, NorFlash]
    slots: tuple[Slot, Slot]

    def __post_init__(self) -> None:
        if len(self.slots) != SLOT_COUNT:
            raise LayoutError(f"the boot config knows {SLOT_COUNT} slots, {len(self.slots)} were given")
        for number, copy in enumerate(self.configs):
            if copy.geometry.size < RECORD_SIZE:
                raise LayoutError(f"config copy {number} has {copy.geometry.size} bytes, a record takes {RECORD_SIZE}")
        for slot in self.slots:
            problem = slot_problem(slot.flash.geometry, slot.fs_size)
            if problem:
                raise LayoutError(f"slot {slot.name!r}: {problem}")


def slot_problem(geometry: Geometry, fs_size: int) -> str:
    """Why a window of this shape cannot be a slot with ``fs_size`` bytes of filesystem; "" when it can."""
    fs_offset = geometry.size - fs_size
    if fs_offset <= HEADER_SIZE:
        return (
            f"{geometry.size:#x} bytes leave no room for an application beside a header of {HEADER_SIZE:#x} "
            f"and a filesystem of {fs_size:#x}"
        )
    if fs_size and geometry.sector_end(fs_offset) != fs_offset:
        return (
            f"the filesystem would start at {fs_offset:#x}, inside a sector; "
            f"the next boundary is {geometry.sector_end(fs_offset):#x}"
        )
    return ""
