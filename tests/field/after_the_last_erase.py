"""A cut after the operation was done, but before the call that did it returned.

MCUboot issue 2169: on a real board a reset after the final sector erase of a swap, but before the function had returned
to its caller, left images whose headers could not be read at the next boot. The simulator jumped out before each write
and erase, never after the last one of a function.
"""

from __future__ import annotations

import zlib
from functools import partial

from emu.reset import Reset
from flash.bulk import put, wipe
from flash.contract import NorFlash
from tests.field.bug import FieldBug, copy, image, updatable

ASKED, DONE = b"\x47\x4f", b"\x00\x00"
DONE_AT = 16


def _sealed(body: bytes) -> bytes:
    return body + zlib.crc32(body).to_bytes(4, "little")


OLD, NEW = _sealed(image(1, 40)), _sealed(image(120, 40))


def _is_image(flash: NorFlash) -> bool:
    raw = flash.read(0, len(OLD))
    return zlib.crc32(raw[:-4]).to_bytes(4, "little") == raw[-4:]


def _move(reset: Reset) -> None:
    """The update becomes the primary image, and its old place is erased."""
    copy(reset.flash["secondary"], reset.flash["primary"])
    wipe(reset.flash["secondary"])


def _boot(must_be_there: bool, reset: Reset) -> str | None:
    """``must_be_there``: an update that was asked for and not ticked off has to be in the secondary slot."""
    status = reset.flash["status"]
    if status.read(0, 2) == ASKED and status.read(DONE_AT, 2) != DONE:
        if _is_image(reset.flash["secondary"]):
            _move(reset)
            reset.note("the images are where they belong")
        elif must_be_there:
            return "no image header in the secondary slot"
        put(status, DONE_AT, DONE)
    reset.handover("primary")
    update = reset.attempt()
    if update is not None:
        wipe(reset.flash["secondary"])
        put(reset.flash["secondary"], 0, update)
        wipe(status)
        put(status, 0, ASKED)
        reset.staged()
        reset.restart()
    return None


wrong, right = partial(_boot, True), partial(_boot, False)

BUG = FieldBug(
    name="after-the-last-erase",
    reference="MCUboot issue 2169",
    wrong=wrong,
    right=right,
    rig=updatable("primary", "secondary", "status", old=OLD, new=NEW),
    check="boots",
    right_depth=2,
)
