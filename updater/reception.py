"""One update being received: the state machine from archive bytes to a sealed slot and a written boot config.

States and their numbers are those of Mongoose OS ota-common 3567b13. Every refusal is an `UpdateRefused` inside and a
code, a message and a detail outside.

Neighbours: `context` is the way in; `archive` and `manifest` read, `slot_writer` writes, `target` says where. Touches
no socket, no file, no wall clock.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from enum import IntEnum

from bootloader.config import BootConfig, SlotConfig
from bootloader.errors import BootError
from bootloader.image import HEADER_SIZE, ImageHeader, pack_header
from bootloader.layout import Slot
from updater.archive import EntryHeader, at_end, check_first, parse_entry
from updater.errors import UpdateRefused
from updater.manifest import Claims, Manifest, PartInfo, parse_claims, select_parts
from updater.signature import check_mask, signature_faults, verified
from updater.slot_writer import SlotWriter, read_back
from updater.target import UpdateTarget

MAX_MANIFEST_SIZE = 16384
MAX_ENTRIES = 64


class UpdateState(IntEnum):
    """The archive parser's state, numbered as in the original."""

    INITED = 0
    WAITING_MANIFEST_HEADER = 1
    WAITING_MANIFEST = 2
    WAITING_FILE_HEADER = 3
    WAITING_FILE = 4
    SKIPPING_DATA = 5
    SKIPPING_DESCRIPTOR = 6
    WRITE_FINISHED = 7
    FINALIZE = 8
    FINISHED = 9


class OtaState(IntEnum):
    """What the outside sees."""

    IDLE = 0
    PROGRESS = 1
    ERROR = 2
    SUCCESS = 3


@dataclass
class _CurrentFile:
    header: EntryHeader
    part: PartInfo | None
    writer: SlotWriter | None
    done: int = 0
    crc32: int = 0

    @property
    def left(self) -> int:
        return self.header.size - self.done


class UpdaterContext:
    """One update in progress. Made by `updater_context_create`; plain to read, not to be changed from outside, but for
    ``commit_timeout_s``, which counts when it is finished."""

    def __init__(
        self, target: UpdateTarget, config: BootConfig, timeout_s: int, commit_timeout_s: int, ignore_same_version: bool
    ) -> None:
        self.target = target
        self.update_state = UpdateState.INITED
        self.ota_state = OtaState.PROGRESS
        self.status_msg = ""
        self.detail = ""
        self.result = 0
        self.need_reboot = False
        self.bytes_already_downloaded = 0
        self.commit_timeout_s = commit_timeout_s
        self.manifest: Manifest | None = None
        self.sig_check_result = 0
        self._config = config
        self._timeout_us = timeout_s * 1_000_000
        self._ignore_same_version = ignore_same_version
        self._unprocessed = bytearray()
        self._file: _CurrentFile | None = None
        self._entries = 0
        self._written: dict[str, SlotWriter] = {}
        self._slot = _destination(target)
        self.deadline_us = target.clock.now_us + self._timeout_us

    @property
    def progress(self) -> tuple[str, int, int]:
        """Current file name, bytes of it taken, its size."""
        return (self._file.header.name, self._file.done, self._file.header.size) if self._file else ("", 0, 0)

    # -- steps: each returns whether it made progress ----------------------------------------------------

    def step(self) -> bool:
        match self.update_state:
            case UpdateState.INITED:
                self.update_state = UpdateState.WAITING_MANIFEST_HEADER
                return True
            case UpdateState.WAITING_MANIFEST_HEADER:
                return self._manifest_header()
            case UpdateState.WAITING_MANIFEST:
                return self._manifest_body()
            case UpdateState.WAITING_FILE_HEADER:
                return self._file_header()
            case UpdateState.WAITING_FILE | UpdateState.SKIPPING_DATA:
                return self._file_data()
            case _:
                self._unprocessed.clear()
                return False

    def _manifest_header(self) -> bool:
        header = parse_entry(bytes(self._unprocessed[:1024]))
        if header is None:
            return self._need_more()
        check_first(header)
        if header.size > MAX_MANIFEST_SIZE:
            raise UpdateRefused(
                -1, "Failed to parse manifest", f"manifest.json claims {header.size} bytes, {MAX_MANIFEST_SIZE} at most"
            )
        del self._unprocessed[: header.header_size]
        self._file = _CurrentFile(header, None, None)
        self.update_state = UpdateState.WAITING_MANIFEST
        return True

    def _manifest_body(self) -> bool:
        assert self._file is not None
        header = self._file.header
        if len(self._unprocessed) < header.size:
            return False
        raw = bytes(self._unprocessed[: header.size])
        del self._unprocessed[: header.size]
        _check_crc(header, zlib.crc32(raw))
        target = self.target
        faults = signature_faults(raw, header.attributes, target.keys)
        self.sig_check_result = verified(faults)
        check_mask(faults, target.sig_req_mask)
        claims = parse_claims(raw, platform=target.platform)
        target.say(f"FW: {claims.name} {claims.platform} {claims.version} {claims.build_id}")
        if self._ignore_same_version and _same_version(claims, target):
            self.status_msg = "Version is the same as current"
            self.detail = f"version {claims.version} build {claims.build_id} is running already"
            self.result = 1
            return False
        manifest = select_parts(claims)
        self.manifest, self._file = manifest, None
        for part, room in ((manifest.app, self._slot.app_capacity), (manifest.fs, self._slot.fs_size)):
            if part is not None and part.size is not None and part.size > room:
                raise UpdateRefused(
                    -3,
                    "No slots available for update",
                    f"{part.src} needs {part.size} bytes, {self._slot.name} has {room}",
                )
        if target.may_begin is not None and not target.may_begin(claims):
            raise UpdateRefused(
                -1, "OTA aborted by the MGOS_EVENT_OTA_BEGIN handler", "the application does not want this update now"
            )
        self.update_state = UpdateState.WAITING_FILE_HEADER
        return True

    def _file_header(self) -> bool:
        if at_end(bytes(self._unprocessed[:4])):
            assert self.manifest is not None
            missing = [p.src for p in (self.manifest.app, self.manifest.fs) if p and p.src not in self._written]
            if missing:
                raise UpdateRefused(-2, "Incomplete update package", f"not in the archive: {', '.join(missing)}")
            self.update_state = UpdateState.WRITE_FINISHED
            return True
        header = parse_entry(bytes(self._unprocessed[:1024]))
        if header is None:
            return self._need_more()
        self._entries += 1
        if self._entries > MAX_ENTRIES:
            raise UpdateRefused(-1, "Malformed archive", f"more than {MAX_ENTRIES} entries")
        del self._unprocessed[: header.header_size]
        part, writer = self._open(header)
        self._file = _CurrentFile(header, part, writer)
        self.update_state = UpdateState.SKIPPING_DATA if part is None else UpdateState.WAITING_FILE
        return True

    def _need_more(self) -> bool:
        if len(self._unprocessed) >= 1024:
            raise UpdateRefused(-1, "Malformed archive", "a local header of more than 1024 bytes")
        return False

    def _open(self, header: EntryHeader) -> tuple[PartInfo | None, SlotWriter | None]:
        """What to do with an entry: the part it belongs to and where it goes, or nothing at all."""
        assert self.manifest is not None
        slot, crc = self._slot, self.target.crc
        places = (
            (self.manifest.app, slot.app_offset, 0, slot.app_capacity, slot.fs_offset),
            (self.manifest.fs, slot.fs_offset, slot.fs_offset, slot.fs_size, slot.flash.geometry.size),
        )
        for part, offset, erase_from, room, limit in places:
            if part is None or part.src != header.name:
                continue
            if part.src in self._written:
                raise UpdateRefused(-1, "Malformed archive", f"{part.src} is in the archive twice")
            if part.size is not None and part.size != header.size:
                raise UpdateRefused(
                    -7, "Invalid size", f"{part.src} has {header.size} bytes, the manifest says {part.size}"
                )
            if not 0 < header.size <= room:
                raise UpdateRefused(
                    -7, "Invalid size", f"{part.src} has {header.size} bytes, {slot.name} takes 1 to {room}"
                )
            self.target.say(f"Start writing {part.src} ({header.size}) @ {slot.name}+{offset:#x}")
            return part, self.target.make_writer(slot.flash, offset, header.size, limit, crc, erase_from=erase_from)
        if header.size > slot.flash.geometry.size:
            raise UpdateRefused(-7, "Invalid size", f"{header.name} claims {header.size} bytes, more than a whole slot")
        return None, None

    def _file_data(self) -> bool:
        file = self._file
        assert file is not None
        if file.left and not self._unprocessed:
            return False
        piece = bytes(self._unprocessed[: file.left])
        del self._unprocessed[: len(piece)]
        file.done += len(piece)
        if file.writer is not None:
            file.crc32 = zlib.crc32(piece, file.crc32)
            file.writer.write(piece)
        if file.left:
            return False
        if file.part is not None and file.writer is not None:
            self._close(file, file.part, file.writer)
        self._file = None
        self.update_state = UpdateState.WAITING_FILE_HEADER
        return True

    def _close(self, file: _CurrentFile, part: PartInfo, writer: SlotWriter) -> None:
        """The last byte is on flash: archive CRC, then the manifest's digests over what was read back."""
        _check_crc(file.header, file.crc32)
        assert writer.written == file.header.size, "the writer kept bytes back: please report"
        for name, claimed, found in (
            ("SHA-1", part.sha1, writer.sha1.hexdigest()),
            ("SHA-256", part.sha256, writer.sha256.hexdigest()),
        ):
            if claimed and claimed != found:
                raise UpdateRefused(
                    -10, "Digest mismatch", f"{part.src}: {name} is {found}, the manifest says {claimed}"
                )
        self._written[part.src] = writer
        self.target.say("Write finished, checksum ok")

    # -- the end -----------------------------------------------------------------------------------------

    def finalize(self) -> None:
        """Seal the slot with its header, then name it in the boot config. The one write of the config."""
        manifest = self.manifest
        assert manifest is not None
        self.update_state = UpdateState.FINALIZE
        self.status_msg = "Update applied, finalizing"
        app = self._written[manifest.app.src]
        header = ImageHeader(
            app.written, manifest.app.load_address, manifest.app_version, app.crc.value, app.sha256.digest(),
            manifest.app.signature_scheme, manifest.app.signature,
        )  # fmt: skip
        self._write_header(header)
        fs = self._written[manifest.fs.src] if manifest.fs else None
        described = SlotConfig(
            app_length=header.app_length,
            load_address=header.load_address,
            app_crc=header.app_crc,
            app_version=header.app_version,
            fs_offset=self._slot.fs_offset if fs else 0,
            fs_length=fs.written if fs else 0,
            fs_crc=fs.crc.value if fs else 0,
        )
        config = replace(
            self._config,
            active_slot=self._slot.index,
            revert_slot=self.target.running_slot,
            committed=False,
            first_boot=True,
            merge_fs=fs is not None,
            commit_timeout_s=self.commit_timeout_s,
        )
        try:
            self.target.store.write(config.with_slot(self._slot.index, described))
        except BootError as wrong:
            raise UpdateRefused(-3, "Failed to set boot config", str(wrong)) from None

    def _write_header(self, header: ImageHeader) -> None:
        flash, raw = self._slot.flash, pack_header(header)
        for offset, length in flash.geometry.programs(0, HEADER_SIZE):
            flash.program(offset, raw[offset : offset + length])
        if read_back(flash, 0, HEADER_SIZE) != raw:
            raise UpdateRefused(-12, "Write failed", "the image header does not read back")

    def end(self, result: int, message: str, detail: str) -> int:
        """Close the context with ``result``; keeps an earlier message only where there is no new one."""
        self.result = result
        self.status_msg = message or self.status_msg
        self.detail = detail or self.detail
        self.update_state = UpdateState.FINISHED
        self.ota_state = OtaState.SUCCESS if result == 1 else OtaState.ERROR
        self._unprocessed.clear()
        self.target.say(f"Update finished, result {result} ({self.status_msg or self.detail})")
        return result

    def feed(self, data: bytes) -> None:
        self.bytes_already_downloaded += len(data)
        self._unprocessed += data

    def rearm(self) -> None:
        """A chunk was taken: the time the device itself needed for it is no stall."""
        self.deadline_us = self.target.clock.now_us + self._timeout_us


def _destination(target: UpdateTarget) -> Slot:
    """The slot that is not running."""
    return next(slot for slot in target.layout.slots if slot.index != target.running_slot)


def _check_crc(header: EntryHeader, found: int) -> None:
    if header.crc32 and header.crc32 != found:
        raise UpdateRefused(
            -1, "Invalid CRC", f"{header.name}: CRC-32 is {found:08x}, the archive says {header.crc32:08x}"
        )


def _same_version(claims: Claims, target: UpdateTarget) -> bool:
    return target.version.startswith(claims.version) and target.build_id.startswith(claims.build_id)
