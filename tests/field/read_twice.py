"""A bit that reads differently twice: a flag that is asked for two times, and answers two things.

littlefs issue 671 asks what a file system does about a cell that an interrupted operation left between the levels: it
reads fine, and not the next time. Here the flag that says which of two slots runs is such a cell. By one read of it
the second slot holds the rest of an interrupted download, which is erased; by the next one that slot is entered.

The right one reads it once. That is not enough, because the next boot reads it again: before it cleans the slot it
erases the flag, and an erase that has returned is there to stay. Nothing is done that a flag which reads otherwise
tomorrow would make wrong.
"""

from __future__ import annotations

from emu.reset import Reset
from flash.bulk import put, wipe
from flash.contract import NorFlash
from tests.field.bug import FieldBug, image, updatable

FLAG = b"\x12\x34\x56\x78"
OLD, NEW = image(1), image(120)


def _is_set(flag: NorFlash) -> bool:
    return flag.read(0, len(FLAG)) == FLAG


def wrong(reset: Reset) -> str | None:
    flag, second = reset.flash["flag"], reset.flash["second"]
    if not _is_set(flag):
        wipe(second)
    return _run(reset, "second" if _is_set(flag) else "first")


def right(reset: Reset) -> str | None:
    flag, second = reset.flash["flag"], reset.flash["second"]
    is_new = _is_set(flag)
    if not is_new:
        wipe(flag)
        wipe(second)
    return _run(reset, "second" if is_new else "first")


def _run(reset: Reset, slot: str) -> None:
    """The application in ``slot``; it takes an update."""
    reset.handover(slot)
    update = reset.attempt()
    if update is not None:
        wipe(reset.flash["flag"])
        put(reset.flash["second"], 0, update)
        put(reset.flash["flag"], 0, FLAG)
        reset.staged()
        reset.restart()


BUG = FieldBug(
    name="read-twice",
    reference="littlefs issue 671",
    wrong=wrong,
    right=right,
    rig=updatable("first", "second", "flag", old=OLD, new=NEW, resolution="old-then-new"),
    check="whole",
    tears="T3-coarse",
    milder="T2",
    right_tears="T3-coarse",
)
