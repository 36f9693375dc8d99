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
            geometry = slot.flash.geometry
            if slot.app_capacity <= 0:
                raise LayoutError(
                    f"slot {slot.name!r} has {geometry.size:#x} bytes: no room for a header of {HEADER_SIZE:#x} "
                    f"and a filesystem of {slot.fs_size:#x}"
                )
            if slot.fs_size and geometry.sector_end(slot.fs_offset) != slot.fs_offset:
                raise LayoutError(
                    f"slot {slot.name!r}: the filesystem would start at {slot.fs_offset:#x}, inside a sector; "
                    f"the next boundary is {geometry.sector_end(slot.fs_offset):#x}"
                )
