"""A garbage collector that fails only after 256 cuts in a row.

Zephyr issue 84874 (ZMS): every interrupted garbage collection is begun anew at the next boot and counts its sector's
cycle up; after 256 cuts in a row the counter has come round, an empty sector looks like a closed one, and no sector is
left to write to. No layer of a search by depth comes there; a search by states does, because each cut leaves exactly
one more entry.

Here the count is kept as a row of entries, one for each collection that was begun. The right one goes on with the entry
that is open.
"""

from __future__ import annotations

from functools import partial

import msgspec

from emu.reset import Reset
from flash.bulk import put, wipe
from flash.part import Erase, Runs
from tests.field.bug import FieldBug, rig_of, sectors
from tests.flash.small_parts import HALFWORDS, figure

ENTRIES = 256
ENTRY = 2
SIZE = ENTRIES * ENTRY
CYCLE, DONE = b"\x00\x00", b"\x00\x00"
ITEM = b"\x5a\xa5"

PART = msgspec.structs.replace(
    HALFWORDS, name="HALFWORDS-512", size=3 * SIZE, sectors=(Runs(3, SIZE),), erase=(Erase(SIZE, figure(51_200)),)
)
"""Half-words are atomic, as they are on an STM32F1: an entry is there or it is not."""


def _boot(begins_anew: bool, reset: Reset) -> str | None:
    """Collect what is still valid into the other sector, if that was not done yet."""
    cycles, full, other = (reset.flash[name] for name in ("cycles", "full", "other"))
    if other.read(0, ENTRY) == DONE:
        return None
    begun = sum(cycles.read(at * ENTRY, ENTRY) == CYCLE for at in range(ENTRIES))
    if begins_anew or not begun:
        if begun == ENTRIES:
            return "every sector reads as closed: nowhere to collect to"
        put(cycles, begun * ENTRY, CYCLE)
    wipe(other)
    put(other, ENTRY, full.read(ENTRY, ENTRY))
    put(other, 0, DONE)
    return None


wrong, right = partial(_boot, True), partial(_boot, False)

BUG = FieldBug(
    name="cycles",
    reference="Zephyr issue 84874",
    wrong=wrong,
    right=right,
    rig=partial(
        rig_of,
        parts=PART,
        windows=sectors("cycles", "full", "other", size=SIZE),
        factory={"full": DONE + ITEM},
    ),
    check="boots",
    cuts=256,
    right_depth=2,
    walked=True,
)
