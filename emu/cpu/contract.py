"""What stands behind an address, and what the world gives it: the contract of every peripheral.

Peripherals, flash controllers among them, are written against this file alone: they know no core, no bus and no engine.
`machine` makes the world and hands it to each of them at construction.

Power may go in the middle of a call: `PowerLost` and `ResetAsserted` (flash.errors) pass through a peripheral
untouched; the bus stops the core and raises them once the engine has returned. A HardwareFault, `BusFault` for one, is
what the core sees as a precise bus fault of the instruction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NoReturn, Protocol

from emu.clock import VirtualClock
from flash.errors import HardwareFault

StoreOutcome = Literal["done", "bus-fault"]


class BusFault(HardwareFault):
    """A register access that ends in a bus error: the core takes its fault. What it changed stays changed."""


class Peripheral(Protocol):
    """Registers behind a range of addresses. Offsets from its base; size 1, 2 or 4; values unsigned."""

    def read(self, offset: int, size: int) -> int: ...
    def write(self, offset: int, size: int, value: int) -> None: ...
    def reset(self) -> None: ...


class FlashController(Peripheral, Protocol):
    """Also receives the stores of the core to flash: an alias folded back, aligned to their size."""

    def store(self, address: int, size: int, value: int) -> StoreOutcome: ...


@dataclass(frozen=True, slots=True)
class World:
    """All a peripheral may reach. ``note``: operations the controller refused; they are findings.

    ``clock``: microseconds since reset, exact to one block of code; `VirtualClock.set_alarm` is how a watchdog pulls
    reset. An interrupt line that is up pends again after its handler has returned. ``nmi`` takes what it is raised for,
    in words for a reader. ``reset`` does not return: it raises ResetAsserted with its argument as the cause.
    """

    clock: VirtualClock
    raise_irq: Callable[[int], None]
    clear_irq: Callable[[int], None]
    nmi: Callable[[str], None]
    reset: Callable[[str], None]
    note: Callable[[str], None]


class SpiWire(Protocol):
    """What is at the other end of an SPI: bytes both ways, the most significant bit first, at ``hz`` bits a second.
    It takes the time of its clocks. Who is selected is not the business of whoever sends."""

    def exchange(self, data: bytes, hz: int) -> bytes: ...


class TwoWire(Protocol):
    """What is at the other end of an I2C. ``start``, also a repeated one, returns whether the device with the 7-bit
    ``address`` answers; ``send`` whether a byte was acknowledged; ``receive`` takes one, and acknowledges it or not.
    Each takes the time of its clocks, at ``hz``."""

    def start(self, address: int, *, reads: bool, hz: int) -> bool: ...
    def send(self, byte: int) -> bool: ...
    def receive(self, *, acknowledges: bool) -> int: ...
    def stop(self) -> None: ...


class Memory(Protocol):
    """Bytes a peripheral reads and writes by itself. Outside RAM both raise BusFault."""

    def read(self, address: int, length: int) -> bytes: ...
    def write(self, address: int, data: bytes) -> None: ...


@dataclass(frozen=True, slots=True)
class Surroundings(World):
    """What peripherals other than a flash controller are given besides.

    ``at(name, us, action)`` calls ``action`` when that time has come, replacing an entry of that name; ``cancel``
    forgets it. ``unknown(peripheral, offset, kind)`` counts a "read" or "write" of a register nobody has modelled.
    ``memory`` is what DMA sees: RAM alone. ``set_clock`` tells the core its new frequency in Hz, ``clock_hz`` asks for
    it. ``cause`` asks why the last reset happened ("power", "software", "pin", or the alarm that rang), ``left_us``
    for the time an alarm had left then, None when it was not set, ``hardware_watchdog`` whether option bytes have a
    watchdog run from reset. ``peek(peripheral, offset)`` is what a register of another one holds, without an effect;
    ``clear_backup`` clears the backup domain of all of them; ``stay_asleep`` ends the session with the reason why
    nothing will ever wake the chip, and does not return. ``send(peripheral, data)`` takes bytes that leave the chip.
    ``seed``: of what is drawn.
    """

    at: Callable[[str, int, Callable[[], None]], None]
    cancel: Callable[[str], None]
    unknown: Callable[[str, int, str], None]
    memory: Memory
    set_clock: Callable[[int], None]
    clock_hz: Callable[[], int]
    cause: Callable[[], str]
    left_us: Callable[[str], int | None]
    hardware_watchdog: Callable[[], bool]
    peek: Callable[[str, int], int]
    clear_backup: Callable[[], None]
    stay_asleep: Callable[[str], NoReturn]
    send: Callable[[str, bytes], None]
    seed: int
