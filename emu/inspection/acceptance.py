"""Whether a device of a board would take an archive: it is offered to one.

The device is an `EmulatedDevice` with a committed config; the archive goes through the updater to the last byte, and
what then stands in the slot through the bootloader's verification. Neighbours: `archive` explains the bytes.
"""

from __future__ import annotations

from typing import Any

from bootloader.boot import SlotImages
from bootloader.config import INITIAL_SEQUENCER, BootConfig, SlotConfig
from emu.board import Board
from emu.device import EmulatedDevice
from emu.firmware import ModelFirmware
from emu.inspection.fields import version_text
from flash.journal import Journal
from updater.context import updater_finish, updater_process
from updater.reception import UpdaterContext, UpdateState

CHUNK_SIZE = 4096
RUNNING, TARGET = 0, 1
UNSTATED = 0
"""The load address of a manifest that names none."""


def offer(board: Board, raw: bytes) -> dict[str, Any]:
    """The ``acceptance`` document. ``taken``: the updater applies it and the bootloader finds it good."""
    device = EmulatedDevice(board, worn=False)
    firmware = ModelFirmware()
    session = device.reset("power", Journal(), None, {})
    store = firmware.store(session)
    store.write(BootConfig(INITIAL_SEQUENCER, RUNNING, None, True, False, False, 0, (SlotConfig(), SlotConfig())))
    target = firmware.update_target(session, RUNNING)
    context = firmware.open_update(session, target)
    assert context is not None, f"a device that is free takes an update ({target.log}): please report"
    received = _receive(context, raw)
    slot = device.layout.slots[TARGET]
    document: dict[str, Any] = {
        "board": board.name,
        "platform": board.document.platform,
        "slot": slot.name,
        "app_room": slot.app_capacity,
        "fs_room": slot.fs_size,
        "signed_images_only": bool(board.policy.keys),
        "sig_req_mask": board.document.update.sig_req_mask,
        "key_numbers": [number for number, key in enumerate(board.update_keys) if key is not None],
        "sig_check_result": context.sig_check_result,
        "received": received,
        "verified": None,
        "load_address": None,
        "notes": [],
    }
    if context.manifest is not None:
        found, wanted = context.manifest.app.load_address, board.document.load_address
        document["load_address"] = {"ok": found in (UNSTATED, wanted), "found": found, "board": wanted}
    if received["ok"]:
        image = SlotImages(device.layout, store.read(), board.policy).as_configured(TARGET)
        document["verified"] = {"ok": image.ok, "reason": image.reason.value, "detail": image.detail}
        if board.document.verify.refuse_downgrade and image.header is not None:
            limit = version_text(image.header.app_version)
            document["notes"].append(f"the board refuses downgrades: only a device that runs {limit} or older boots it")
    document["taken"] = bool(received["ok"] and document["verified"]["ok"])
    document["reason"] = _reason(document)
    return document


def _receive(context: UpdaterContext, raw: bytes) -> dict[str, Any]:
    """Feed the archive and finish. The result is the wire's: code, message, and the detail behind it."""
    result = 0
    for start in range(0, len(raw), CHUNK_SIZE):
        result = updater_process(context, raw[start : start + CHUNK_SIZE])
        if result or context.update_state is UpdateState.FINISHED:
            break
    if not result:
        is_whole = context.update_state is UpdateState.WRITE_FINISHED
        result = updater_finish(context)
        if not is_whole:
            return {
                "ok": False, "code": result, "message": context.status_msg,
                "detail": "the file ends before its central directory; the device waits for more",
            }  # fmt: skip
    return {"ok": result == 1, "code": result, "message": context.status_msg, "detail": context.detail}


def _reason(document: dict[str, Any]) -> str:
    """One line: why not, or what it would be."""
    received, verified, load = document["received"], document["verified"], document["load_address"]
    if not received["ok"]:
        said = f"{received['message']}: " if received["message"] else ""
        return f"{said}{received['detail']}"
    if not verified["ok"]:
        detail = f": {verified['detail']}" if verified["detail"] else ""
        return f"received, but the bootloader would not run it: {verified['reason']}{detail}"
    if not load["ok"]:
        return (
            f"linked for {load['found']:#x}, the board runs applications at {load['board']:#x}; the device does not "
            "check this, the application would crash"
        )
    return f"goes to {document['slot']}, and boots from there on trial"
