"""A trailer magic that is torn: neither what was there before nor what was to be written.

MCUboot issue 1966: a cut while the magic of the secondary slot is written leaves it in a state of its own ("bad"), for
which no row of the decision table has an answer; the device does not boot any more. The simulator cut only before
operations, so it never saw a magic that is half there.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from emu.reset import Reset
from flash.bulk import put, wipe
from tests.field.bug import FieldBug, copy, image, updatable

MAGIC = bytes.fromhex("77c295f360d2ef7f3552500f2cb67980")
OLD, NEW = image(1), image(120)


def _boot(has_an_answer: Callable[[bytes], bool], reset: Reset) -> str | None:
    """Overwrite the primary slot when the trailer asks for it, then hand over to it."""
    primary, secondary, trailer = (reset.flash[name] for name in ("primary", "secondary", "trailer"))
    magic = trailer.read(0, len(MAGIC))
    if magic == MAGIC:
        copy(secondary, primary)
        wipe(trailer)
    elif not has_an_answer(magic):
        return "the magic is neither set nor erased"
    reset.handover("primary")
    update = reset.attempt()
    if update is not None:
        wipe(secondary)
        wipe(trailer)
        put(secondary, 0, update)
        put(trailer, 0, MAGIC)
        reset.staged()
        reset.restart()
    return None


wrong = partial(_boot, lambda magic: magic == b"\xff" * len(MAGIC))
right = partial(_boot, lambda magic: True)  # what is not the magic asks for nothing

BUG = FieldBug(
    name="torn-magic",
    reference="MCUboot issue 1966",
    wrong=wrong,
    right=right,
    rig=updatable("primary", "secondary", "trailer", old=OLD, new=NEW),
    check="boots",
    tears="T1",
    milder="none",
    right_depth=2,
)
