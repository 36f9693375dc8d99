"""What a flash holds: both config copies, the slots, and what the next power-up makes of them.

The content is loaded into the chips of an `EmulatedDevice`; then the firmware's own config store, verification and boot
are asked, in this order, because booting may write a record (into the emulated chips, never into a file).

Neighbours: `fields` names the bytes of a record, `text` shows the document. Decides nothing itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from bootloader.boot import BootReport, SlotImages
from bootloader.config import MAGIC as CONFIG_MAGIC
from bootloader.config import RECORD_SIZE, BootConfig, Configs
from bootloader.decision import Rule
from bootloader.image import HEADER_SIZE, parse_header
from bootloader.image import MAGIC as HEADER_MAGIC
from bootloader.layout import Slot
from bootloader.verify import Verification, verify_filesystem
from emu.board import Board, PartitionEntry
from emu.device import EmulatedDevice
from emu.errors import ScenarioError
from emu.firmware import ModelFirmware
from emu.inspection.fields import CONFIG_FIELDS, HEADER_FIELDS, read_fields
from flash.errors import ImageError
from flash.images import Image, Region
from flash.journal import Journal
from flash.part import Part

RULES: dict[Rule, str] = {
    "no-config": "no config is valid: the first good image runs, and a fresh committed record names it",
    "normal": "the active image is committed and good",
    "fallback": "the committed image is bad: the other slot's good image runs, and a record makes it the active one",
    "trial": "a new image runs for the first time: recorded as entered, commit timer armed",
    "refuse-new": "the new image is bad or too old: the revert image runs, and a record makes it the active one",
    "cannot-mark": "the new image's entry cannot be recorded: the revert image runs, nothing is written",
    "last-resort": "there is nothing good to go back to: the uncommitted image runs, and a record commits it",
    "roll-back": "the image was entered and has not committed: the revert image runs, a record makes it the active one",
    "nothing-to-boot": "no slot holds an image that may run: the bootloader halts",
}
_NEWEST = {
    "only": "the only valid copy",
    "smaller sequencer": "the smaller sequencer is newer",
    "tie": "both have the same sequencer, which only a factory tool makes: copy 0 counts",
    "none": "no copy is valid",
}
_NO_ECC = (
    "a file carries no ECC state: a granule that a torn program left uncorrectable would fault on the chip and is "
    "taken here for what it reads"
)


def chip_content(image: Image, part: Part) -> bytes:
    """The whole array of ``part`` with ``image`` in it, erased where the image says nothing. Raises ImageError."""
    window = Region(part.base, part.base + part.size)
    for segment in image.segments:
        if segment.address < window.start or segment.end > window.end:
            raise ImageError(
                f"{image.source}: {segment} lies outside the {part.name}, {window}; "
                "choose addresses with --region START:END, or another board",
                address=segment.address,
                length=len(segment.data),
            )
    return image.flatten(window, fill=part.erased)


def is_flash_image(image: Image, board: Board) -> bool:
    """Whether ``image`` is the content of the board's one chip, not an application for it.

    True when it spans exactly the chip, or has a record's magic where the board keeps a config or an image header.
    """
    if len(board.parts) != 1 or not image.segments:
        return False
    (part,) = board.parts.values()
    window = Region(part.base, part.base + part.size)
    span = image.span()
    if span == window:
        return True
    inside, _ = image.select(window)
    layout = board.document.layout
    stored = CONFIG_MAGIC if part.erased == 0xFF else bytes(byte ^ 0xFF for byte in CONFIG_MAGIC)
    wanted = {**dict.fromkeys(layout.configs, stored), **dict.fromkeys(layout.slots, HEADER_MAGIC)}
    for entry in board.document.partition:
        magic = wanted.get(entry.name)
        if magic is not None:
            start = part.base + entry.offset
            there, _ = inside.select(Region(start, start + len(magic)))
            if there.segments and there.flatten(Region(start, start + len(magic)), fill=part.erased) == magic:
                return True
    return False


def inspect_content(board: Board, contents: Mapping[str, bytes]) -> dict[str, Any]:
    """The ``flash`` document. ``contents``: whole arrays by chip name; a chip that is missing is erased."""
    device = EmulatedDevice(board)
    names = [chip.name for chip in device.chips]
    for name, content in contents.items():
        if name not in names:
            raise ScenarioError(f"board {board.name} has no chip {name!r}; its chips are {', '.join(names)}")
        device.chips[names.index(name)].load(0, content)
    firmware = ModelFirmware()
    session = device.reset("power", Journal(), None, {})
    configs = firmware.store(session).read()
    images = SlotImages(device.layout, configs, board.policy)
    document: dict[str, Any] = {
        "chips": [_chip(device, index, contents) for index in range(len(names))],
        "partitions": [_partition(device, entry) for entry in board.document.partition],
        "configs": [_copy(device, configs, index) for index in range(len(configs.copies))],
        "newest": {"copy": configs.newest, "why": configs.why, "meaning": _NEWEST[configs.why]},
        "slots": [_slot(board, slot, configs, images) for slot in device.layout.slots],
    }
    report = firmware.boot(session)
    document["boot"] = _boot(device, report, firmware.store(session).read())
    document["if_not_committed"] = None
    if report.decision.trial:
        session = device.reset("power", Journal(), None, {})
        again = firmware.boot(session)
        document["if_not_committed"] = _boot(device, again, firmware.store(session).read())
    return document


def _chip(device: EmulatedDevice, index: int, contents: Mapping[str, bytes]) -> dict[str, Any]:
    chip = device.chips[index]
    return {
        "name": chip.name,
        "part": chip.part.name,
        "base": chip.part.base,
        "size": chip.part.size,
        "given": chip.name in contents,
        "programmed_bytes": _programmed(chip.cells.data, chip.cells.erased),
        "note": _NO_ECC if chip.cells.broken is not None else "",
    }


def _partition(device: EmulatedDevice, entry: PartitionEntry) -> dict[str, Any]:
    window = device.partitions[entry.name]
    content = np.frombuffer(window.read(0, window.size), np.uint8)
    return {
        "name": entry.name,
        "chip": entry.flash,
        "address": entry.offset,
        "size": entry.size,
        "programmed_bytes": _programmed(content, window.geometry.erased),
    }


def _programmed(content: Any, erased: int) -> int:
    return int(np.count_nonzero(content != erased))


def _copy(device: EmulatedDevice, configs: Configs, index: int) -> dict[str, Any]:
    copy, reading = device.layout.configs[index], configs.copies[index]
    stored = copy.read(0, RECORD_SIZE)
    is_complemented = copy.geometry.erased != 0xFF
    record = bytes(byte ^ 0xFF for byte in stored) if is_complemented else stored
    has_fields = reading.config is not None or record[: len(CONFIG_MAGIC)] == CONFIG_MAGIC
    return {
        "copy": index,
        "partition": device.board.document.layout.configs[index],
        "valid": reading.config is not None,
        "reason": reading.reason,
        "counts": index == configs.newest,
        "complemented": is_complemented,
        "fields": read_fields(record, CONFIG_FIELDS) if has_fields else [],
        "stored": stored.hex(),
    }


def _slot(board: Board, slot: Slot, configs: Configs, images: SlotImages) -> dict[str, Any]:
    raw = slot.flash.read(0, HEADER_SIZE)
    header = parse_header(raw)
    config = configs.config
    document: dict[str, Any] = {
        "slot": slot.index,
        "partition": slot.name,
        "app_room": slot.app_capacity,
        "header": {
            "valid": not isinstance(header, str),
            "reason": header if isinstance(header, str) else "valid",
            "fields": read_fields(raw, HEADER_FIELDS) if raw[: len(HEADER_MAGIC)] == HEADER_MAGIC else [],
            "stored": raw.hex(),
        },
        "as_configured": None if config is None else _verification(images.as_configured(slot.index)),
        "by_header": _verification(images.by_header(slot.index)),
        "filesystem": None,
    }
    if slot.fs_size or (config is not None and config.slots[slot.index].fs_length):
        named = None if config is None else config.slots[slot.index]
        has_image = named is not None and named.fs_length > 0
        document["filesystem"] = {
            "offset": slot.fs_offset,
            "room": slot.fs_size,
            "delivered_bytes": 0 if named is None else named.fs_length,
            "check": _verification(verify_filesystem(slot, named, board.policy)) if named and has_image else None,
            "counts": config is not None and config.first_boot and config.active_slot == slot.index and has_image,
        }
    return document


def _verification(found: Verification) -> dict[str, Any]:
    return {"ok": found.ok, "reason": found.reason.value, "detail": found.detail}


def _boot(device: EmulatedDevice, report: BootReport, after: Configs) -> dict[str, Any]:
    """One boot. ``after``: the configs as they are behind it, which have the record's own sequencer."""
    decision = report.decision
    is_written = decision.record is not None and not report.not_written
    return {
        "cause": report.cause,
        "rule": decision.rule,
        "meaning": RULES[decision.rule],
        "slot": decision.slot,
        "partition": None if decision.slot is None else device.layout.slots[decision.slot].name,
        "why": decision.why,
        "trial": decision.trial,
        "timeout_s": decision.timeout_s,
        "record": _record(after.config) if is_written else None,
        "written_to": after.newest if is_written else None,
        "not_written": report.not_written,
    }


def _record(config: BootConfig | None) -> dict[str, Any] | None:
    return None if config is None else asdict(config)
