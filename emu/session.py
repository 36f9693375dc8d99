"""PowerSession: the processor from one reset to the next, whatever firmware it runs.

Everything in it is made anew at every reset, because that is what RAM and peripherals are: clock, log, commit timer.
Retained RAM is handed in: a warm reset keeps it, a power cut does not.

Neighbours: `device.Session` is one on a board of ours, `reset.Reset` one for firmware that users bring. `ending` says
how it ends. Knows no flash and no image.
"""

from __future__ import annotations

from typing import NoReturn

from bootloader.decision import ResetCause
from emu.board import TimerEntry
from emu.clock import VirtualClock
from emu.events import RETAINED, WATCHDOG
from emu.timers import EventLog, HardwareTimer, Hung
from flash.errors import ResetAsserted
from flash.journal import Journal
from flash.supply import Supply


class PowerSession:
    """``cause``: the reset that began it. ``ram``: retained RAM, changed in place."""

    def __init__(
        self,
        cause: ResetCause,
        clock: VirtualClock,
        journal: Journal,
        supply: Supply,
        timers: TimerEntry,
        ram: dict[str, int],
    ) -> None:
        self.cause = cause
        self.clock = clock
        self.supply = supply
        self.log = EventLog(journal, clock, supply)
        self.timer = HardwareTimer(clock, self.log, can_stop=timers.commit_can_stop, max_s=timers.commit_max_s)
        self._watchdog_us = timers.watchdog_s * 1_000_000
        self._ram = ram

    def recall(self, key: str) -> int:
        """What retained RAM holds; 0 after a power cut."""
        return self._ram.get(key, 0)

    def retain(self, key: str, value: int) -> None:
        """Write retained RAM; journaled, since it is part of the state of a warm reset."""
        self.log.note(RETAINED, key, value)
        self._ram[key] = value

    def wait(self, duration_us: int) -> None:
        """Let time pass. A timer that runs out on the way resets the device at its very microsecond."""
        self.clock.advance(duration_us)

    def reset(self, cause: str) -> NoReturn:
        raise ResetAsserted(cause)

    def hang(self) -> NoReturn:
        """Nobody feeds anything any more: the next timer resets the board, or nothing ever does."""
        if self._watchdog_us:
            self.clock.set_alarm(WATCHDOG, self.clock.now_us + self._watchdog_us)
        self.timer.starve()
        if not self.clock.has_alarm:
            raise Hung("the firmware hangs and no timer is running")
        self.clock.run_to_alarm()
