"""A copy of the running image in the other slot, to go back to: what OTA.CreateSnapshot makes.

The same care as for an update: the other slot is erased and written part by part, the header last, and the boot config
is named in last of all, by whoever asked. Neighbours: `slot_writer` writes, `bootloader` says what a slot is. Knows no
link.
"""

from __future__ import annotations

from collections.abc import Callable

from bootloader.config import SlotConfig
from bootloader.image import HEADER_SIZE, pack_header, parse_header
from bootloader.layout import Slot
from flash.errors import EccFault
from updater.errors import UpdateRefused
from updater.slot_writer import read_back
from updater.target import UpdateTarget

PIECE = 4096


def create_snapshot(target: UpdateTarget) -> SlotConfig:
    """Copy application and filesystem of the running slot; returns what the boot config is to say of the other one.

    Raises UpdateRefused when the running slot cannot be read, or the other one does not hold what was written.
    """
    source = target.layout.slots[target.running_slot]
    goal = next(slot for slot in target.layout.slots if slot.index != target.running_slot)
    config = target.store.read().config
    header = parse_header(_read(source, 0, HEADER_SIZE))
    if isinstance(header, str):
        raise UpdateRefused(-1, "Failed to create snapshot", f"{source.name}: {header}")
    if header.app_length > goal.app_capacity:
        raise UpdateRefused(
            -1, "Failed to create snapshot", f"{goal.name} takes {goal.app_capacity} bytes, not {header.app_length}"
        )
    fs = 0 if config is None else config.slots[source.index].fs_length
    app = target.make_writer(goal.flash, goal.app_offset, header.app_length, goal.fs_offset, target.crc, erase_from=0)
    _copy(source, source.app_offset, header.app_length, app.write)
    fs_crc = 0
    if fs:
        files = target.make_writer(goal.flash, goal.fs_offset, fs, goal.flash.geometry.size, target.crc)
        _copy(source, source.fs_offset, fs, files.write)
        fs_crc = files.crc.value
    if app.crc.value != header.app_crc:
        raise UpdateRefused(-10, "Failed to create snapshot", "the running image is not what its header says")
    raw = pack_header(header)
    for offset, length in goal.flash.geometry.programs(0, HEADER_SIZE):
        goal.flash.program(offset, raw[offset : offset + length])
    if read_back(goal.flash, 0, HEADER_SIZE) != raw:
        raise UpdateRefused(-12, "Failed to create snapshot", "the image header does not read back")
    return SlotConfig(
        app_length=header.app_length,
        load_address=header.load_address,
        app_crc=header.app_crc,
        app_version=header.app_version,
        fs_offset=goal.fs_offset if fs else 0,
        fs_length=fs,
        fs_crc=fs_crc,
    )


def _copy(source: Slot, offset: int, length: int, write: Callable[[bytes], None]) -> None:
    for at in range(0, length, PIECE):
        write(_read(source, offset + at, min(PIECE, length - at)))


def _read(source: Slot, offset: int, length: int) -> bytes:
    try:
        return source.flash.read(offset, length)
    except EccFault as fault:
        raise UpdateRefused(-1, "Failed to create snapshot", f"{source.name} cannot be read: {fault}") from None
