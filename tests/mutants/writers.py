"""Mistakes while an update is written that are not shipped, and one lean updater that holds.

Neighbours: `emu.mutants.writers` has those that are, `loaders` the bootloader's mistakes, `zoo` the table.
Knows no campaign.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any
from unittest.mock import patch

from bootloader.boot import BootReport
from bootloader.config import BootConfig, Configs
from bootloader.config_store import ConfigStore
from bootloader.layout import Slot
from emu.device import Session
from emu.firmware import ModelFirmware
from flash.errors import EccFault
from tests.mutants.loaders import VERIFY
from updater.reception import UpdaterContext
from updater.slot_writer import SlotWriter
from updater.target import UpdateTarget

CONTEXT = import_module("updater.reception")

# -- where it goes -----------------------------------------------------------------------------------------


def older_image(target: UpdateTarget) -> Slot:
    config = target.store.read().config
    assert config is not None
    return min(target.layout.slots, key=lambda slot: config.slots[slot.index].app_version)


class PrefersValidCopyStore(ConfigStore):
    def target_of(self, configs: Configs) -> int:
        torn = any(copy.config is None and copy.reason != "erased" for copy in configs.copies)
        return configs.newest if torn and configs.newest is not None else super().target_of(configs)


class PrefersValidCopyUpdater(ModelFirmware):
    store_class = PrefersValidCopyStore


class UpdaterPrefersValidCopy(ModelFirmware):
    """When a copy is torn the updater writes over the one that reads. People avoid "the bad sector", and so put the
    last good record at risk."""

    name = "updater-prefers-valid-copy"

    def update_target(self, session: Session, slot: int, **named: Any) -> UpdateTarget:
        return PrefersValidCopyUpdater().update_target(session, slot, **named)


class OverwritesOlderImage(ModelFirmware):
    """The update goes to the slot with the older image. People reason that the newer one is the one that runs, which
    is so until a roll-back."""

    name = "overwrites-older-image"

    def open_update(self, session: Session, target: UpdateTarget, **named: Any) -> UpdaterContext | None:
        with patch.object(CONTEXT, "_destination", older_image):
            return super().open_update(session, target, **named)


# -- in which order ----------------------------------------------------------------------------------------


class BufferedWriter(SlotWriter):
    """Keeps the last page back until ``flush``; its digests are over what it was given."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._kept = (0, b"")

    def _put(self, piece: bytes) -> None:
        if self._at + len(piece) < self._end:
            super()._put(piece)
            return
        self._kept = (self._at, piece)
        for digest in (self.crc, self.sha1, self.sha256):
            digest.update(piece)
        self._at += len(piece)

    def flush(self) -> None:
        offset, piece = self._kept
        self._erase_up_to(offset + len(piece))
        self._program(offset, piece)


class LateFlush(ModelFirmware):
    """Correct, with one defence instead of two: the last page is flushed after the config was written, and the
    bootloader's CRC over the whole image is what keeps an incomplete one from running."""

    name = "late-flush"
    writer_class = BufferedWriter

    def finish(self, context: UpdaterContext) -> int:
        result = super().finish(context)
        if result == 1:
            for writer in context._written.values():
                assert isinstance(writer, BufferedWriter)
                writer.flush()
        return result


class CrcOverHeaderOnly(LateFlush):
    """The bootloader checks the header's own CRC and not the application's. People read the whole image once at each
    boot, find that it takes seconds, and keep the part that is fast."""

    name = "crc-over-header-only"

    def boot(self, session: Session) -> BootReport:
        with patch.object(VERIFY, "_check_content", lambda slot, header, policy: None):
            return super().boot(session)


# -- what was there before ---------------------------------------------------------------------------------


class ResumingWriter(SlotWriter):
    """Skips the erase of a sector whose first page is right, and the program of every page that is."""

    def _put(self, piece: bytes) -> None:
        due = bool(self._erases) and self._erases[0][0] < self._at + len(piece)
        if due and self._is_there(self._at, piece):
            del self._erases[0]
        super()._put(piece)

    def _program(self, offset: int, piece: bytes) -> None:
        if not self._is_there(offset, piece):
            super()._program(offset, piece)

    def _is_there(self, offset: int, piece: bytes) -> bool:
        try:
            return self._flash.read(offset, len(piece)) == piece
        except EccFault:
            return False


class TrustsTornPages(ModelFirmware):
    """The writer goes on where the last attempt stopped, and believes what it reads there. People want a download of
    minutes to survive a cut; what an interrupted operation left is worth nothing, however good it reads."""

    name = "trusts-torn-pages"
    writer_class = ResumingWriter


class StubbornStore(ConfigStore):
    """Erases a copy that reads neither valid nor erased five times over."""

    def _write_copy(self, index: int, config: BootConfig) -> None:
        if self._read_copy(index).reason not in ("valid", "erased"):
            copy = self._copies[index]
            for _ in range(4):
                copy.erase(0, copy.geometry.sector_at(0).size)
        super()._write_copy(index, config)


class ErasesTornCopies(ModelFirmware):
    """A torn record's sector is erased again and again "to be sure". People who have met a half-erased sector erase
    more, not better; on a device that loses power every evening the config sector is worn out in months."""

    name = "erases-torn-copies"
    store_class = StubbornStore


class UnerasingWriter(SlotWriter):
    """Programs what it is given, and erases nothing."""

    def _erase_up_to(self, end: int) -> None:
        self._erases.clear()


class SlotNotErased(ModelFirmware):
    """The slot is not erased before it is written. People test with boards fresh from a mass erase."""

    name = "slot-not-erased"
    writer_class = UnerasingWriter


class ApplicationSectorsWriter(SlotWriter):
    """Erases the sectors it will itself program, and none for what stands in front of them."""

    def __init__(self, *args: Any, erase_from: int | None = None) -> None:
        super().__init__(*args)


class HeaderSectorsNotErased(ModelFirmware):
    """The writer erases where the application goes; where a sector is smaller than the image header, nobody erases
    the header's. This updater had the mistake itself, and a campaign on an STM32L0 found it."""

    name = "header-sectors-not-erased"
    writer_class = ApplicationSectorsWriter
