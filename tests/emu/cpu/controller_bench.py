"""A flash controller on a bench: registers are written by hand, and everything it tells the world is kept."""

from __future__ import annotations

from emu.clock import VirtualClock
from emu.cpu.contract import World
from emu.cpu.flash import CONTROLLERS, rows_beside
from flash.device import FlashDevice
from flash.errors import ResetAsserted
from flash.journal import Interruption, Journal, Operation
from flash.part import bundled_part

PARTS = {
    "stm32f1": "STM32F103",
    "stm32f4": "STM32F405",
    "stm32l4": "STM32L476",
    "stm32g071": "STM32G071",
    "stm32g0b1": "STM32G0B1",
    "stm32l0": "STM32L072",
    "stm32h5": "STM32H563",
    "nrf52840": "nRF52840",
}


class Bench:
    """One controller in front of a blank array. ``interruption``: where its first power session is cut."""

    def __init__(self, chip: str, interruption: Interruption | None = None) -> None:
        self.chip = chip
        self.clock = VirtualClock()
        self.main = FlashDevice(bundled_part(PARTS[chip]), clock=self.clock, journal=Journal(interruption))
        self.rows = rows_beside(CONTROLLERS[chip], self.main)
        self.notes: list[str] = []
        self.lines: set[int] = set()
        self.nmis: list[str] = []
        self.resets: list[str] = []
        self.controller = CONTROLLERS[chip](self._world(), self.main, self.rows)

    def _world(self) -> World:
        def reset(cause: str) -> None:
            self.resets.append(cause)
            raise ResetAsserted(cause)

        return World(self.clock, self.lines.add, self.lines.discard, self.nmis.append, reset, self.notes.append)

    def write(self, offset: int, *values: int, size: int = 4) -> None:
        for value in values:
            self.controller.write(offset, size, value)

    def read(self, offset: int, size: int = 4) -> int:
        return self.controller.read(offset, size)

    def store(self, address: int, *values: int, size: int = 4) -> None:
        """Stores of ``size`` bytes at rising addresses, as a core would do them; none of them faults."""
        for index, value in enumerate(values):
            assert self.controller.store(address + index * size, size, value) == "done"

    def holds(self, address: int, length: int) -> bytes:
        """Content of the array, by the processor's address."""
        return self.main.cells.read(address - self.main.part.base, length)

    def fill(self, address: int, data: bytes) -> None:
        """Factory programming, by the processor's address."""
        self.main.load(address - self.main.part.base, data)

    @property
    def operations(self) -> list[Operation]:
        return self.main.journal.operations()

    def power_cycle(self, interruption: Interruption | None = None) -> None:
        """Power goes between two operations and comes back; the new session has a journal of its own."""
        self.main.supply.restore()
        self.clock.set((0, ()))
        journal = Journal(interruption)
        for device in (self.main, *self.rows.values()):
            device.attach(self.clock, journal, None)
        self.controller.power_on()

    def only_note(self) -> str:
        (note,) = self.notes
        self.notes.clear()
        return note
