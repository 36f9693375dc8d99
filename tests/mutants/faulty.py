"""Wrong firmware that survives every power cut as well as its twin, and falls to another fault: the mutants that show
that each kind of fault is able to find something.

Neighbours: `test_faulty` tries them. One place changed each, as in `emu.mutants`.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module

from bootloader.boot import BootReport, SlotImages, boot
from bootloader.image import ImageHeader, parse_header
from bootloader.verify import Reason, Verification
from emu.device import Session
from emu.firmware import ModelFirmware
from emu.mutants.exchange import exchanged
from updater.manifest import Claims, Manifest, select_parts
from updater.reception import UpdaterContext
from updater.slot_writer import SlotWriter

RECEPTION = import_module("updater.reception")
BOOT = import_module("bootloader.boot")
VERIFY = import_module("bootloader.verify")


class ArchiveUnchecked(ModelFirmware):
    """No CRC of the archive is looked at, that of the manifest neither: "the digests will tell"."""

    name = "archive-unchecked"

    def process(self, context: UpdaterContext, chunk: bytes) -> int:
        with exchanged(RECEPTION, "_check_crc", lambda header, found: None):
            return super().process(context, chunk)


class DigestsUnchecked(ModelFirmware):
    """No digest of the manifest is held against what was written: "the archive has a CRC"."""

    name = "digests-unchecked"

    def process(self, context: UpdaterContext, chunk: bytes) -> int:
        def believing(claims: Claims) -> Manifest:
            manifest = select_parts(claims)
            return replace(manifest, app=replace(manifest.app, sha1="", sha256=""))

        with exchanged(RECEPTION, "select_parts", believing):
            return super().process(context, chunk)


class DigestsLast(ModelFirmware):
    """The digests of the manifest are looked at when the boot config names the new image already; of a wrong one the
    config is taken back. Only a cut between the two shows it."""

    name = "digests-last"

    def process(self, context: UpdaterContext, chunk: bytes) -> int:
        def postponing(claims: Claims) -> Manifest:
            manifest = select_parts(claims)
            vars(context)["claimed"] = manifest.app.sha256
            return replace(manifest, app=replace(manifest.app, sha1="", sha256=""))

        with exchanged(RECEPTION, "select_parts", postponing):
            return super().process(context, chunk)

    def finish(self, context: UpdaterContext) -> int:
        before = context.target.store.read().config
        result = super().finish(context)
        if result != 1:
            return result
        assert context.manifest is not None and before is not None
        if context._written[context.manifest.app.src].sha256.hexdigest() == vars(context)["claimed"]:
            return result
        context.target.store.write(before)
        return context.end(-10, "Digest mismatch", "found after the config was written")


class HeaderUnsealed(ModelFirmware):
    """The image header's own CRC is not looked at; length and CRC of the application are."""

    name = "header-unsealed"

    def boot(self, session: Session) -> BootReport:
        def lax(raw: bytes) -> ImageHeader | str:
            return parse_header(resealed(raw))

        with exchanged(VERIFY, "parse_header", lax):
            return super().boot(session)


class CheckedOnce(ModelFirmware):
    """A committed image runs without a look at it: it was checked when it was new."""

    name = "checked-once"

    class OnceImages(SlotImages):
        def as_configured(self, slot: int) -> Verification:
            assert self._config is not None
            named = self._config.slots[slot]
            if not self._config.committed:
                return super().as_configured(slot)
            header = ImageHeader(named.app_length, named.load_address, named.app_version, named.app_crc, bytes(32))
            return Verification(Reason.OK, header=header)

    def boot(self, session: Session) -> BootReport:
        with exchanged(BOOT, "SlotImages", self.OnceImages):
            return super().boot(session)


class NothingReadBack(ModelFirmware):
    """What was written is not looked at: the digests are taken over what was to be written."""

    name = "nothing-read-back"

    class BlindWriter(SlotWriter):
        def _put(self, piece: bytes) -> None:
            self._erase_up_to(self._at + len(piece))
            self._program(self._at, piece)
            for sink in (self.crc, self.sha1, self.sha256):
                sink.update(piece)
            self._at += len(piece)

    writer_class = BlindWriter


class TakesOlder(ModelFirmware):
    """The board refuses downgrades, and the bootloader was built without that rule."""

    name = "takes-older"

    def boot(self, session: Session) -> BootReport:
        return unruled(self, session)


class TakesOlderAfterCut(ModelFirmware):
    """The version is compared after an update only, that is, after a warm reset. A power cut between the update and
    its first boot makes it any boot."""

    name = "takes-older-after-cut"

    def boot(self, session: Session) -> BootReport:
        return super().boot(session) if session.cause == "software" else unruled(self, session)


def resealed(record: bytes) -> bytes:
    """``record`` with the CRC at its end as it should be."""
    return record[:-4] + zlib.crc32(record[:-4]).to_bytes(4, "little")


def unruled(firmware: ModelFirmware, session: Session) -> BootReport:
    """A boot that compares no versions."""
    board = session.device.board
    return boot(firmware.store(session), session.device.layout, session.timer, board.policy, session.cause)


@dataclass(frozen=True)
class Faulty:
    """``kind``: of the faults that catch it, by ``check``, with at least ``cuts`` power cuts. ``only``: those tried.
    ``writes_more``: it writes where the right firmware has refused already, so there is no such place to cut."""

    firmware: Callable[[], ModelFirmware]
    kind: str
    check: str
    only: str
    cuts: int = 0
    writes_more: bool = False


FAULTY = (
    Faulty(ArchiveUnchecked, "image", "refuses", "image.manifest.body+0x125"),
    Faulty(DigestsUnchecked, "image", "whole", "image.swap"),
    Faulty(DigestsLast, "image", "whole", "image.swap", 1, writes_more=True),
    Faulty(HeaderUnsealed, "rest", "whole", "rest.0.slot-a+0x8"),
    Faulty(CheckedOnce, "rest", "whole", "rest.2.slot-b+0x100"),
    Faulty(NothingReadBack, "wear", "notices", "wear.slot-b+0x0"),
    Faulty(TakesOlder, "downgrade", "no-older", "downgrade.update.older"),
    Faulty(TakesOlderAfterCut, "downgrade", "no-older", "downgrade.update.older", 1),
)
