"""The commit promise: an uncommitted image is on probation until commit has returned.

Only a trial boot arms the timer. Commit first makes the committed record whole on flash and only then quiets the
timer, so an expiry in between resets a device whose record already says "committed": flash decides, and commit
has won. On a watchdog that cannot be stopped, commit starts feeding it instead.

Neighbours: `boot` arms, the application commits through here, `emu.timers` implements `CommitTimer`. Knows no
clock.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from bootloader.config_store import ConfigStore


class CommitTimer(Protocol):
    """A hardware timer that resets the board when it runs out."""

    @property
    def can_stop(self) -> bool:
        """False for an independent watchdog: once armed it can only be fed."""
        ...

    def arm(self, timeout_s: int) -> None:
        """Start, or start over. A timeout longer than the hardware counts is cut to what it counts."""
        ...

    def stop(self) -> None:
        """Stop for good. Only where ``can_stop``."""
        ...

    def keep_fed(self) -> None:
        """From now on the running application feeds it in time."""
        ...


def commit(store: ConfigStore, timer: CommitTimer, running_slot: int) -> bool:
    """Keep the image running in ``running_slot``. True when it was on trial; False: nothing to do.

    The slot matters: after a roll-back that could not be recorded the newest record still names the image that was
    left, and the revert image must not commit that one.
    """
    config = store.read().config
    if config is None or config.committed or config.active_slot != running_slot:
        return False
    store.write(replace(config, committed=True, first_boot=False, merge_fs=False))
    quiet(timer)
    return True


def quiet(timer: CommitTimer) -> None:
    """The image is committed: the timer must not reset it any more."""
    if timer.can_stop:
        timer.stop()
    else:
        timer.keep_fed()


def revert(store: ConfigStore, running_slot: int) -> bool:
    """Give the image on trial in ``running_slot`` up; the caller resets. False: not on trial, or no way back."""
    config = store.read().config
    if config is None or config.committed or config.revert_slot is None or config.active_slot != running_slot:
        return False
    store.write(
        replace(
            config, active_slot=config.revert_slot, revert_slot=None, committed=True, first_boot=False, merge_fs=False
        )
    )
    return True
