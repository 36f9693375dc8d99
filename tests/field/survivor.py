"""A variable that survives a simulated reset: the bug is there, and no cut shows it.

MCUboot pull request 1597 (issue 1588): after the images were moved up one sector the header of the primary image stands
elsewhere; a boot that resumed there read it from the first sector. The simulator never noticed: a global variable still
held what the boot before had read, because a simulated reset clears no RAM (issue 331 had said so).

No check catches this one. A share of the sessions is repeated in an interpreter that has run nothing else, and has to
give the same journal.
"""

from __future__ import annotations

from emu.plain_rig import PlainRig
from emu.reset import Reset
from emu.scenario import Firmware
from flash.bulk import put, wipe
from tests.field.bug import copy, image, updatable

ASKED, DONE = b"\x47", b"\x00"
OLD, NEW = image(1), image(120)
LENGTH_AT = 60

_length: int | None = None


def _wrong_length(reset: Reset) -> int:
    """Set once, and never again: on a device a reset would clear it."""
    global _length
    found = reset.flash["first"].read(LENGTH_AT, 1)[0]
    if _length is None:
        _length = found
    return _length


def _right_length(reset: Reset) -> int:
    """The header is where the image is."""
    has_moved = reset.flash["status"].read(0, 2) == ASKED + DONE
    return reset.flash["above" if has_moved else "first"].read(LENGTH_AT, 1)[0]


def wrong(reset: Reset) -> str | None:
    return _boot(reset, _wrong_length(reset))


def right(reset: Reset) -> str | None:
    return _boot(reset, _right_length(reset))


def _boot(reset: Reset, length: int) -> str | None:
    """Move the old image up, put the new one in its place; each step is ticked off."""
    first, above, update, status = (reset.flash[name] for name in ("first", "above", "update", "status"))
    if length != len(OLD):
        return f"the primary image says it has {length} bytes"
    if status.read(0, 1) == ASKED:
        if status.read(1, 1) != DONE:
            copy(first, above)
            put(status, 1, DONE)
        copy(update, first)
        wipe(status)
    reset.handover("first")
    received = reset.attempt()
    if received is not None:
        wipe(update)
        put(update, 0, _with_length(received))
        wipe(status)
        put(status, 0, ASKED)
        reset.restart()
    return None


def _with_length(raw: bytes) -> bytes:
    return raw.ljust(LENGTH_AT, b"\xff") + bytes((len(raw),))


_rig = updatable("first", "above", "update", "status", old=OLD, new=NEW, shipped={"first": _with_length(OLD)})


def make(variant: str) -> PlainRig:
    """For a fresh interpreter: the rig of "wrong" or "right"."""
    return _rig({"wrong": wrong, "right": right}[variant])


def rig(firmware: Firmware) -> PlainRig:
    return _rig(firmware)
