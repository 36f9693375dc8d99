"""A device in its trial: the old filesystem in slot 0, the delivered one in slot 1, a boot config that asks to merge.

Neighbours: the tests of `updater.merge` and `updater.filesystem`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from bootloader.config import BootConfig, SlotConfig
from bootloader.layout import Layout, Slot
from flash.contract import Clock, ElapsedTime, NorFlash
from flash.device import FlashDevice
from flash.journal import Interruption, Journal, Misuse, Operation
from flash.part import bundled_part
from flash.partition import Partition
from flash.snapshot import Snapshot
from tests.filesystems import Tree, image_of, tree_of
from updater.merge import MergeReport, merge_filesystem

BLOCK, BLOCKS = 4096, 32
FS_SIZE = BLOCK * BLOCKS
APP_SIZE = 0x4000
SLOTS_AT = (0x10000, 0x40000)
OLD, NEW = 0, 1


@dataclass
class Trial:
    """One power session of it. ``wrap`` goes around the slots' flash, for a test that listens in."""

    old_image: bytes
    new_image: bytes
    part: str = "W25Q128JV"
    wrap: Callable[[NorFlash, int], NorFlash] = lambda flash, slot: flash
    interruption: Interruption | None = None
    clock: Clock | None = None
    memory: Snapshot | None = None

    @cached_property
    def device(self) -> FlashDevice:
        journal = Journal(self.interruption)
        device = FlashDevice(bundled_part(self.part), clock=self.clock or ElapsedTime(), journal=journal)
        if self.memory is not None:
            device.restore(self.memory)
            return device
        for at, image in zip(SLOTS_AT, (self.old_image, self.new_image), strict=True):
            device.load(at + APP_SIZE, image)
        return device

    @cached_property
    def layout(self) -> Layout:
        windows = [Partition(f"slot-{n}", self.device, at, APP_SIZE + FS_SIZE) for n, at in enumerate(SLOTS_AT)]
        slots = [Slot(n, f"slot-{n}", self.wrap(window, n), FS_SIZE) for n, window in enumerate(windows)]
        sector = self.device.part.geometry.smallest_sector_size
        configs = [Partition(f"config-{n}", self.device, n * sector, sector) for n in (0, 1)]
        return Layout((configs[0], configs[1]), (slots[0], slots[1]))

    def merge(self) -> MergeReport:
        return merge_filesystem(self.layout, config(), NEW)

    @property
    def operations(self) -> list[Operation]:
        return self.device.journal.operations()

    @property
    def misuses(self) -> list[Misuse]:
        return [entry for entry in self.device.journal.entries if isinstance(entry, Misuse)]

    def image(self, slot: int) -> bytes:
        return self.device.cells.read(SLOTS_AT[slot] + APP_SIZE, FS_SIZE)

    def tree(self, slot: int) -> dict[bytes, bytes | None]:
        return tree_of(self.image(slot), self.device.geometry.smallest_sector_size)


def config(
    *, old_length: int = FS_SIZE, merge_fs: bool = True, committed: bool = False, revert: int | None = OLD
) -> BootConfig:
    """The record the bootloader writes when it enters slot 1."""
    slots = tuple(SlotConfig(fs_offset=APP_SIZE, fs_length=length) for length in (old_length, FS_SIZE))
    return BootConfig(7, NEW, revert, committed, False, merge_fs, 60, (slots[0], slots[1]))


def trial_of(old: Tree, new: Tree, **options: object) -> Trial:
    return Trial(image(old), image(new), **options)  # type: ignore[arg-type]


def image(tree: Tree, block: int = BLOCK, **options: int) -> bytes:
    return image_of(tree, block, FS_SIZE // block, **options)
