"""The power controller of an STM32: which deep sleep ends in a reset, what of RAM it keeps, and the flags it leaves.

Registers are storage by rule; what a mode means is data of the chip's file. Standby takes RAM and all registers outside
the backup domain; what wakes the chip is a clock of that domain (an alarm or the wake-up timer of the RTC, at once: the
RTC does not count here), the independent watchdog, or a pin, which nobody pulls.

Neighbours: `storage`; the machine asks when a core goes to deep sleep.
"""

from __future__ import annotations

from dataclasses import dataclass

from emu.cpu.chip import LowPower, LowPowerMode, PeripheralEntry
from emu.cpu.contract import Surroundings
from emu.cpu.peripherals.storage import Storage
from emu.errors import BoardError


@dataclass(frozen=True, slots=True)
class Sleep:
    """See `faces.SleepMode`."""

    power: Power
    mode: LowPowerMode
    low_power: LowPower

    @property
    def name(self) -> str:
        return self.mode.name

    @property
    def watchdog(self) -> bool:
        return self.mode.watchdog

    @property
    def keeps(self) -> frozenset[str]:
        return frozenset(ram for offset, bit, ram in self.low_power.keeps if self.power.has(offset, bit))

    @property
    def is_woken(self) -> bool:
        peek = self.power.world.peek
        return any(peek(name, offset) & mask == mask for name, offset, mask in self.low_power.wakers)

    @property
    def has_pin(self) -> bool:
        return any(self.power.words.get(offset, 0) & mask for offset, mask in self.low_power.pins)

    def enter(self, *, is_woken: bool) -> None:
        woken = self.low_power.woken if is_woken and self.mode.flag is not None else None
        self.power.raise_flags(_bit(self.mode.flag) | _bit(woken))


class Power(Storage):
    """Model "pwr". ``low_power`` of the entry is needed."""

    def __init__(self, world: Surroundings, entry: PeripheralEntry) -> None:
        if entry.low_power is None:
            raise BoardError(f"{entry.name}: model 'pwr' needs [peripheral.low_power]; 'storage' does without")
        self._low_power = entry.low_power
        self._slept = 0
        super().__init__(world, entry)

    def sleep_mode(self) -> Sleep | None:
        """What deep sleep is now, if it ends in a reset."""
        for mode in self._low_power.modes:
            if self.words.get(mode.register, 0) & mode.mask == mode.value:
                return Sleep(self, mode, self._low_power)
        return None

    def raise_flags(self, flags: int) -> None:
        self._slept |= flags

    def reset(self) -> None:
        if self.world.cause() == "power":
            self._slept = 0
        super().reset()

    def retained(self) -> tuple[int, ...]:
        return (self._slept, *super().retained())

    def retain(self, state: tuple[int, ...]) -> None:
        self._slept = state[0]
        super().retain(state[1:])

    def stored(self, register: int, value: int, lanes: int) -> None:
        for offset, bit, flags in self._low_power.clears:
            if offset == register and value >> bit & 1:
                self._slept &= ~flags
        super().stored(register, value, lanes)

    def settled(self) -> None:
        flags = _bit(self._low_power.woken)
        for mode in self._low_power.modes:
            flags |= _bit(mode.flag)
        self.keep(self._low_power.status, self._slept, flags)
        for offset, bit, _ in self._low_power.clears:
            self.put(offset, bit, False)


def _bit(number: int | None) -> int:
    return 0 if number is None else 1 << number
