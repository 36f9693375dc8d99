"""A bit that reads differently twice: a flag that is asked for two times, and answers two things.

littlefs issue 671 asks what a file system does about a cell that an interrupted operation left between the levels: it
reads fine, and not the next time. Here the flag of an overwriting loader is such a cell. One read of it begins the
overwriting (the old image is erased), the next one finds nothing to overwrite with.

The right one reads each flag once, and acts on none that may be weak: it first writes a second flag, in this very
session, and a program that has returned is there to stay.
"""

from __future__ import annotations

from emu.reset import Reset
from flash.contract import NorFlash
from tests.field.bug import FieldBug, image, put, updatable, wipe

FLAG = b"\x12\x34\x56\x78"
OLD, NEW = image(1), image(120)


def _is_set(flag: NorFlash) -> bool:
    return flag.read(0, len(FLAG)) == FLAG


def wrong(reset: Reset) -> str | None:
    primary, secondary, flag = (reset.flash[name] for name in ("primary", "secondary", "flag-0"))
    if _is_set(flag):
        wipe(primary)
    if _is_set(flag):
        put(primary, 0, secondary.read(0, secondary.geometry.size))
        wipe(flag)
    return _run(reset)


def right(reset: Reset) -> str | None:
    primary, secondary = reset.flash["primary"], reset.flash["secondary"]
    flags = reset.flash["flag-0"], reset.flash["flag-1"]
    found = [_is_set(flag) for flag in flags]
    if any(found):
        if not all(found):
            other = flags[found.index(False)]
            wipe(other)
            put(other, 0, FLAG)
        wipe(primary)
        put(primary, 0, secondary.read(0, secondary.geometry.size))
        for flag in flags:
            wipe(flag)
    return _run(reset)


def _run(reset: Reset) -> None:
    """The application in the primary slot; it takes an update."""
    reset.handover("primary")
    update = reset.attempt()
    if update is not None:
        for name in ("flag-0", "flag-1", "secondary"):
            wipe(reset.flash[name])
        put(reset.flash["secondary"], 0, update)
        put(reset.flash["flag-0"], 0, FLAG)
        reset.staged()
        reset.restart()


BUG = FieldBug(
    name="read-twice",
    reference="littlefs issue 671",
    wrong=wrong,
    right=right,
    rig=updatable("primary", "secondary", "flag-0", "flag-1", old=OLD, new=NEW, resolution="new-then-old"),
    check="whole",
    tears="T3-coarse",
    milder="T2",
    right_tears="T3-coarse",
)
