"""A swap whose second interruption loses a block: one cut is survived everywhere, two are not.

MCUboot pull request 613: the first reset came right after the metadata of a swap was written, the second while a
resumed boot erased and rewrote that metadata; the upgrade was lost. Here the resumed boot "refreshes" its metadata the
same way, later in the swap, where the primary slot is half moved.
"""

from __future__ import annotations

from functools import partial

from emu.reset import Reset
from flash.bulk import put, wipe
from tests.field.bug import FieldBug, copy, image, updatable

ASKED, DONE = b"\x47", b"\x00"
OLD, NEW = image(1), image(120)
STEPS = (("secondary", "scratch"), ("primary", "secondary"), ("scratch", "primary"))


def _boot(rewrites: bool, reset: Reset) -> str | None:
    """Swap the two images over a scratch sector. ``rewrites``: a resumed swap writes its metadata anew first."""
    status = reset.flash["status"]
    asked, *ticks = (status.read(at, 1) for at in range(1 + len(STEPS)))
    if asked == ASKED:
        done = sum(tick == DONE for tick in ticks)
        if rewrites and done:
            wipe(status)
            put(status, 0, ASKED + DONE * done)
        for number in range(done, len(STEPS)):
            source, target = STEPS[number]
            copy(reset.flash[source], reset.flash[target])
            put(status, 1 + number, DONE)
        wipe(status)
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
    name="second-interruption",
    reference="MCUboot pull request 613",
    wrong=wrong,
    right=right,
    rig=updatable("primary", "secondary", "scratch", "status", old=OLD, new=NEW),
    check="whole",
    cuts=2,
    right_depth=2,
    right_tears="none",
)
