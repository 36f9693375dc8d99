"""A device that boots by MOS1 records: loader, application and update of Mongoose OS on the STM32 and the RS14100.

What each reset does is the published sources', in their order and with their messages (SPEC.md lists the steps). Models
of ours: filesystems are opaque bytes that change places by name, so nothing is merged, and the commit timeout is the
scenario's instead of a file in them; the firmware .zip is the application file inside it; the loader's RAM hand-off
says where the record stands and the application reads it there again, where the original carries a copy; one watchdog
of 30 s serves loader (10 s in the original) and application; a copy that fails ends in FAIL.

Neighbours: `mos1_boards` has the devices; `bootloader.published` the records. Knows no campaign.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from functools import partial
from typing import NoReturn

from bootloader.errors import BootError
from bootloader.published.mos1 import (
    COMMITTED,
    FIRST_BOOT_A,
    FIRST_BOOT_B,
    MERGE_FS,
    NO_SLOT,
    Mos1Config,
    Mos1Slot,
    find_slot,
)
from bootloader.published.mos1_log import Mos1Log, Standing
from emu.designs.payload import mount
from emu.designs.stream import LazyWriter, pieces
from emu.designs.trial import Trial
from emu.events import UNKNOWN
from emu.reset import Reset

IO_SIZE = 2048
CHUNK = 512
LOGS = ("bcfg0", "bcfg1")
NEXT_ORG, AT_DEVICE, AT_OFFSET = "next_app_org", "cfg_dev", "cfg_off"


@dataclass(frozen=True)
class Mos1Update:
    """What the manifest of an update says of its application file: the filesystem comes first, then the application,
    which is linked to ``app_org``. Sizes in bytes."""

    app_org: int
    fs_size: int


def boot(reset: Reset, update: Mos1Update, app: str, *, knows_second_log: bool) -> str | None:
    """One reset. ``app``: a model of `emu.app`. ``knows_second_log`` False: the application looks for its boot config
    on bcfg0 alone, as the original's source reads."""
    log = Mos1Log((reset.flash[LOGS[0]], reset.flash[LOGS[1]]))
    if not reset.recall(NEXT_ORG):
        _load(reset, log)
    reset.retain(NEXT_ORG, 0)
    device, offset = reset.recall(AT_DEVICE), reset.recall(AT_OFFSET)
    config = log.record_at(device, offset)
    if config is None:
        _fail(reset, "the record of the hand-off cannot be read any more")
    standing = Standing(config, device, offset)
    image = reset.handover(config.active.app_dev, trial=not config.committed)
    if image == UNKNOWN:
        reset.hang()
    _Application(reset, log, standing, update).run(app, knows_second_log or device == 0)
    return None


# -- the loader ------------------------------------------------------------------------------------------------


def _fail(reset: Reset, why: str) -> NoReturn:
    reset.note(f"FAIL: {why}")
    reset.hang()


def _load(reset: Reset, log: Mos1Log) -> NoReturn:
    standing = log.read()
    if standing is None:
        _fail(reset, "no boot config")
    try:
        if not standing.config.committed:
            standing = log.append(_entered(reset, standing.config), standing)
        if not _active(reset, standing.config).is_bootable:
            standing = _bring(reset, log, standing)
    except BootError as wrong:
        _fail(reset, str(wrong))
    active = standing.config.active
    if zlib.crc32(reset.flash[active.app_dev].read(0, active.app_len)) != active.app_crc32:
        _fail(reset, "App CRC mismatch!")
    reset.retain(AT_DEVICE, standing.device)
    reset.retain(AT_OFFSET, standing.offset)
    reset.retain(NEXT_ORG, active.app_org)
    reset.restart()


def _active(reset: Reset, config: Mos1Config) -> Mos1Slot:
    if not 0 <= config.active_slot < len(config.slots):
        _fail(reset, f"slot {config.active_slot} does not exist")
    return config.active


def _entered(reset: Reset, config: Mos1Config) -> Mos1Config:
    """What the loader makes of an uncommitted record: the one boot it gets is used up, or was before."""
    if config.flags & FIRST_BOOT_B:
        return config.flagged(off=FIRST_BOOT_B)
    reset.note("Reboot without commit")
    return config.settled_on(config.revert_slot)


def _bring(reset: Reset, log: Mos1Log, standing: Standing) -> Standing:
    """Copy the active image to where it can run, and what stands there out of the way if it is to be reverted to. A
    copy that is interrupted is made again, because records are written behind it."""
    config = standing.config
    bootable = find_slot(config, config.active.app_org, want_fs=False)
    if bootable == NO_SLOT:
        _fail(reset, f"nothing runs at {config.active.app_org:#x}")
    if bootable == config.revert_slot:
        temp = find_slot(config, 0, want_fs=False, excluding=(bootable, config.revert_slot))
        if temp == NO_SLOT:
            _fail(reset, "no slot to keep the old image in")
        standing = _copied(reset, log, standing, bootable, temp, revert=temp)
    return _copied(reset, log, standing, standing.config.active_slot, bootable, active=bootable)


def _copied(
    reset: Reset, log: Mos1Log, standing: Standing, source: int, target: int, *, active: int | None = None,
    revert: int | None = None,
) -> Standing:  # fmt: skip
    """Copy an image from slot to slot, and write the record that says so."""
    config = standing.config
    image, room = config.slots[source], config.slots[target]
    reset.note(f"copy slot {source} ({image.app_dev}) to slot {target} ({room.app_dev}), {image.app_len} bytes")
    writer, checksum = LazyWriter(reset.flash[room.app_dev], image.app_len), 0
    for offset in range(0, image.app_len, IO_SIZE):
        piece = reset.flash[image.app_dev].read(offset, min(IO_SIZE, image.app_len - offset))
        writer.write(piece)
        checksum = zlib.crc32(piece, checksum)
    if zlib.crc32(reset.flash[room.app_dev].read(0, image.app_len)) != checksum:
        failed = config.with_slot(target, replace(room, err_count=min(room.err_count + 1, 0xFF)))
        log.append(failed, standing)
        _fail(reset, f"the copy in slot {target} has another checksum")
    room = replace(room, app_len=image.app_len, app_org=image.app_org, app_crc32=image.app_crc32)
    config = config.with_slot(target, replace(room, app_flags=image.app_flags))
    config = replace(
        config.with_fs_swapped(source, target),
        active_slot=config.active_slot if active is None else active,
        revert_slot=config.revert_slot if revert is None else revert,
    )
    return log.append(config, standing)


# -- the application -------------------------------------------------------------------------------------------


class _Application:
    """From the hand-over on. ``standing``: the record it was entered by."""

    def __init__(self, reset: Reset, log: Mos1Log, standing: Standing, update: Mos1Update) -> None:
        self._reset = reset
        self._log = log
        self._standing = standing
        self._update = update

    def run(self, app: str, has_boot_config: bool) -> None:
        reset, config = self._reset, self._standing.config
        is_first = has_boot_config and bool(config.flags & FIRST_BOOT_A)
        wrong = self._mounted() or ("Revert slot not set!" if is_first and config.revert_slot == NO_SLOT else "")
        if wrong:
            reset.note(f"init failed: {wrong}")
            if is_first:
                self._revert()
            reset.restart()
        if is_first:
            Trial(reset, self._commit, self._revert).run(app)
        work = reset.attempt()
        if work is None:
            return
        if not has_boot_config:
            reset.refuse("OTA is not supported: unknown config dev")
        else:
            self._take(work)

    def _mounted(self) -> str:
        """Why the filesystem of this slot cannot be mounted, or ""."""
        name = self._standing.config.active.fs_dev
        if not name:
            return "this slot has no filesystem"
        wrong = mount(self._reset.flash[name], self._reset.image)
        return wrong and f"{name}: {wrong}"

    def _commit(self) -> None:
        config = self._standing.config
        self._standing = self._log.append(config.settled_on(config.active_slot), self._standing)

    def _revert(self) -> None:
        config = self._standing.config
        try:
            self._log.append(config.settled_on(config.revert_slot), self._standing)
        except BootError as wrong:
            self._reset.note(f"revert failed: {wrong}")

    def _take(self, work: bytes) -> None:
        """Stream the application file into a slot that does not run, and make that slot the active one. What is on
        flash is not read back: the loader's CRC is that of what arrived."""
        reset, config, org = self._reset, self._standing.config, self._update.app_org
        slot = find_slot(config, org, want_fs=True)
        if slot == NO_SLOT:
            slot = find_slot(config, 0, want_fs=True)
        if slot == NO_SLOT:
            reset.refuse("No slots available for update")
            return
        fs, image = work[: self._update.fs_size], work[self._update.fs_size :]
        for device, content in ((config.slots[slot].fs_dev, fs), (config.slots[slot].app_dev, image)):
            writer = LazyWriter(reset.flash[device], len(content))
            for chunk in pieces(content, CHUNK):
                writer.write(chunk)
        target = replace(config.slots[slot], app_len=len(image), app_org=org, app_crc32=zlib.crc32(image), app_flags=0)
        staged = replace(config.with_slot(slot, target), revert_slot=config.active_slot, active_slot=slot)
        try:
            self._log.append(staged.flagged(on=FIRST_BOOT_A | FIRST_BOOT_B | MERGE_FS, off=COMMITTED), self._standing)
        except BootError as wrong:
            reset.refuse(str(wrong))
            return
        reset.staged()
        reset.restart()


def firmware(update: Mos1Update, app: str, *, knows_second_log: bool = True) -> partial[str | None]:
    """The function a `Scenario` calls at every reset."""
    return partial(boot, update=update, app=app, knows_second_log=knows_second_log)
