"""A commit that returns before it is written.

Zephyr pull request 33257: settings are stored some time after they were set, to spare the flash; what counts as saved
is gone when power goes in between. Here it is the confirmation of a new image: the update server has been told, and
the device boots the old image again.
"""

from __future__ import annotations

from collections.abc import Callable

from emu.reset import Reset
from flash.bulk import put, wipe
from tests.field.bug import FieldBug, image, updatable
from tests.field.records import Record, TwoCopies

SLOTS = ("slot-a", "slot-b")
OLD, NEW = image(1), image(120)
COMMITTED, STAGED, ENTERED = range(3)
IDLE_US = 5_000


def _commit_later(reset: Reset, config: TwoCopies, slot: int) -> None:
    """The record is queued, and written when the device is idle."""
    with reset.committing():
        reset.timer.stop()
    reset.wait(IDLE_US)
    config.write(slot, COMMITTED)


def _commit_now(reset: Reset, config: TwoCopies, slot: int) -> None:
    with reset.committing():
        config.write(slot, COMMITTED)
        reset.timer.stop()


def _boot(commit: Callable[[Reset, TwoCopies, int], None], reset: Reset) -> str | None:
    """Two slots; a new image gets one boot to commit itself, or the other one is taken back."""
    config = TwoCopies(reset.flash["config-0"], reset.flash["config-1"])
    if config.record is None:
        return "no boot config"
    slot, state = config.record.active, config.record.state
    if state == ENTERED:
        slot, state = 1 - slot, COMMITTED
        config.write(slot, COMMITTED)
    if state == STAGED:
        config.write(slot, ENTERED)
        reset.timer.arm(reset.commit_timeout_s)
    reset.handover(SLOTS[slot], trial=state == STAGED)
    if state == STAGED:
        commit(reset, config, slot)
    update = reset.attempt()
    if update is not None:
        other = reset.flash[SLOTS[1 - slot]]
        wipe(other)
        put(other, 0, update)
        config.write(1 - slot, STAGED)
        reset.staged()
        reset.restart()
    return None


def wrong(reset: Reset) -> str | None:
    return _boot(_commit_later, reset)


def right(reset: Reset) -> str | None:
    return _boot(_commit_now, reset)


BUG = FieldBug(
    name="deferred-commit",
    reference="Zephyr pull request 33257",
    wrong=wrong,
    right=right,
    rig=updatable(
        *SLOTS, "config-0", "config-1", old=OLD, new=NEW, shipped={"config-0": Record(1, 0).raw}, commits=True
    ),
    check="durable",
    right_depth=2,
)
