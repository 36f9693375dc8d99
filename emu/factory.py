"""A device as it leaves the factory: an image in slot 0, committed; perhaps one in slot 1 as well.

Neighbours: works on an `EmulatedDevice` through the bootloader's own header and config store. Knows no file.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bootloader.config import INITIAL_SEQUENCER, BootConfig, SlotConfig
from bootloader.config_store import ConfigStore
from bootloader.crc import crc_function
from bootloader.image import ImageHeader, pack_header
from bootloader.layout import Slot
from bootloader.verify import verify_image
from emu.board import Board
from emu.device import EmulatedDevice
from emu.errors import ScenarioError
from flash.device import FlashDevice
from flash.partition import Partition


@dataclass(frozen=True)
class SlotImage:
    """An application and the header it is sealed with. ``fs``: the filesystem beside it, b"": none."""

    header: ImageHeader
    app: bytes
    fs: bytes = b""


SlotImages = tuple[SlotImage, SlotImage | None]


def make_factory_device(board: Board, images: SlotImages) -> EmulatedDevice:
    """A device of ``board`` with ``images`` in its slots; what is left is erased.

    Raises ScenarioError for an image that does not fit its slot, or that the bootloader would not run.
    """
    device = EmulatedDevice(board)
    described = install(device, images)
    for slot, image in zip(device.layout.slots, images, strict=True):
        found = verify_image(slot, described[slot.index], board.policy)
        if image is not None and not found.ok:
            raise ScenarioError(f"{slot.name}: a device of board {board.name} would not run this image: {found}")
    return device


def install(device: EmulatedDevice, images: SlotImages) -> tuple[SlotConfig, SlotConfig]:
    """Load ``images`` into the slots of a blank device, and write the config that makes slot 0 active and committed.

    Returns what the config says of the slots. Raises ScenarioError for an image that does not fit.
    """
    board, described = device.board, [SlotConfig(), SlotConfig()]
    for slot, image in zip(device.layout.slots, images, strict=True):
        if image is None:
            continue
        if not 0 < len(image.app) <= slot.app_capacity:
            raise ScenarioError(
                f"the application has {len(image.app)} bytes; {slot.name} of board {board.name} "
                f"takes 1 to {slot.app_capacity}"
            )
        if len(image.fs) > slot.fs_size:
            raise ScenarioError(
                f"the filesystem has {len(image.fs)} bytes; {slot.name} of board {board.name} has room for "
                f"{slot.fs_size} (layout.fs_size)"
            )
        chip, base = behind(slot)
        chip.load(base, pack_header(image.header) + image.app)
        header = image.header
        named = SlotConfig(header.app_length, header.load_address, header.app_crc, header.app_version)
        if image.fs:
            chip.load(base + slot.fs_offset, image.fs)
            crc = crc_function(board.document.verify.crc)(image.fs)
            named = replace(named, fs_offset=slot.fs_offset, fs_length=len(image.fs), fs_crc=crc)
        described[slot.index] = named
    slots = (described[0], described[1])
    timeout_s = board.document.timers.commit_timeout_s
    ConfigStore(device.layout.configs).write(
        BootConfig(INITIAL_SEQUENCER, 0, None, True, False, False, timeout_s, slots)
    )
    return slots


def behind(slot: Slot) -> tuple[FlashDevice, int]:
    """The chip a slot is on, and the slot's address there."""
    partition = slot.flash
    assert isinstance(partition, Partition), "slots of a board are partitions: please report"
    assert isinstance(partition.flash, FlashDevice), "partitions of a board are on chips: please report"
    return partition.flash, partition.address
