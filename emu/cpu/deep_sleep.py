"""What becomes of a chip whose core goes to sleep with SLEEPDEEP: a reset, sleep for ever, or a sleep like any.

The power controller says what the mode is, option bytes whether it may be entered; RAM that has no power is lost, and
of the watchdogs the independent one runs on. Stop, from which code goes on, is a sleep like any here: its clocks are
not switched.

Neighbours: `machine` makes it, `core` asks it. Knows no engine.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from emu.clock import VirtualClock
from emu.cpu.bus import Bus
from emu.cpu.contract import FlashController
from emu.cpu.faces import HasEffects, KnowsPower, KnowsSleep
from emu.cpu.peripherals.watchdogs import IWDG
from flash.errors import ResetAsserted

STANDBY = "standby"
"""The cause of the reset that such a sleep ends in."""


class DeepSleep:
    """``lose_ram`` takes the names of the RAM that is kept."""

    def __init__(
        self, bus: Bus, controller: FlashController, clock: VirtualClock, lose_ram: Callable[[Collection[str]], None]
    ) -> None:
        self._bus = bus
        self._controller = controller
        self._clock = clock
        self._lose_ram = lose_ram
        self.wakes_after_us = 0
        """When somebody outside pulls a wake-up pin, or whatever wakes the chip, after it has gone to a sleep that ends
        in a reset; 0: nobody does."""

    def __call__(self) -> str:
        """Why nothing will ever wake the chip, or "" where the mode ends in no reset. Raises ResetAsserted for one that
        does, with its cause: "standby" when a clock of the backup domain wakes it, or somebody outside."""
        power = next((each.peripheral for each in self._bus.places if isinstance(each.peripheral, KnowsSleep)), None)
        mode = None if power is None else power.sleep_mode()
        if mode is None:
            return ""
        effects = self._controller.effects if isinstance(self._controller, HasEffects) else None
        if effects is not None and effects.resets_in_standby:
            raise ResetAsserted("low-power")
        self._lose_ram(mode.keeps)
        runs_on = mode.watchdog and not (effects is not None and effects.stops_watchdog_in_standby)
        for name, _ in self._clock.settings()[1]:
            if not (name == IWDG and runs_on):
                self._clock.clear_alarm(name)
        if isinstance(self._controller, KnowsPower):
            self._controller.power_on()  # options are loaded again
        mode.enter(is_woken=mode.is_woken or self._is_woken_from_outside())
        if mode.is_woken:
            raise ResetAsserted(STANDBY)
        if self._clock.next_alarm_us is not None:
            self._clock.run_to_alarm()
        pin = "; a wake-up pin is on, and nobody pulls it" if mode.has_pin else ""
        return f"{mode.name}, and no watchdog, alarm or wake-up timer will end it{pin}"

    def _is_woken_from_outside(self) -> bool:
        """Whether somebody wakes the chip, and before a watchdog resets it."""
        if not self.wakes_after_us:
            return False
        at_us, alarm_us = self._clock.now_us + self.wakes_after_us, self._clock.next_alarm_us
        self._clock.set_alarm(STANDBY, at_us)
        return alarm_us is None or at_us < alarm_us
