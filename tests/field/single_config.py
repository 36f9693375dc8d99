"""One boot config in one sector: erased, then written anew.

rBoot issue 33: devices in the field lost their boot config when power went between the erase of the one config sector
and the write that follows; about one in a thousand. The answer there, too: two copies, written in turn.
"""

from __future__ import annotations

from emu.reset import Reset
from flash.bulk import put, wipe
from tests.field.bug import FieldBug, image, updatable
from tests.field.records import Record, TwoCopies, read_record, write_record

SLOTS = ("slot-a", "slot-b")
OLD, NEW = image(1), image(120)


def wrong(reset: Reset) -> str | None:
    config = read_record(reset.flash["config-0"])
    if config is None:
        return "no boot config"
    reset.handover(SLOTS[config.active])
    update = reset.attempt()
    if update is not None:
        _receive(reset, 1 - config.active, update)
        write_record(reset.flash["config-0"], Record(config.serial + 1, 1 - config.active))
        reset.restart()
    return None


def right(reset: Reset) -> str | None:
    config = TwoCopies(reset.flash["config-0"], reset.flash["config-1"])
    if config.record is None:
        return "no boot config"
    active = config.record.active
    reset.handover(SLOTS[active])
    update = reset.attempt()
    if update is not None:
        _receive(reset, 1 - active, update)
        config.write(1 - active)
        reset.restart()
    return None


def _receive(reset: Reset, slot: int, update: bytes) -> None:
    wipe(reset.flash[SLOTS[slot]])
    put(reset.flash[SLOTS[slot]], 0, update)


BUG = FieldBug(
    name="single-config",
    reference="rBoot issue 33",
    wrong=wrong,
    right=right,
    rig=updatable(
        *SLOTS, "config-0", "config-1", old=OLD, new=NEW, shipped={"config-0": Record(1, 0).raw, "config-1": b""}
    ),
    check="boots",
    right_depth=2,
)
