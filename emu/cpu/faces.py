"""What a peripheral or a flash controller may offer besides its contract; the machine asks for each by its face.

Neighbours: `contract` is what all of them have; `machine` and `fittings` look for these.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from emu.cpu.contract import SpiWire, TwoWire
from flash.device import FlashDevice


@runtime_checkable
class HasRegions(Protocol):
    """A controller whose cells appear in more places than the array: option bytes, UICR."""

    @property
    def regions(self) -> Sequence[CellRegion]: ...


class CellRegion(Protocol):
    """``size`` bytes of ``device`` from ``start`` on, at ``base`` in the address space of the core."""

    @property
    def name(self) -> str: ...
    @property
    def base(self) -> int: ...
    @property
    def device(self) -> FlashDevice: ...
    @property
    def start(self) -> int: ...
    @property
    def size(self) -> int: ...


@runtime_checkable
class Senses(Protocol):
    """A controller that has something to say when the core reads a granule error correction has marked."""

    def sensed(self, address: int, size: int) -> None: ...


class Effects(Protocol):
    """What option bytes do to the rest of the chip, since they were loaded last."""

    @property
    def hardware_watchdog(self) -> bool: ...
    @property
    def resets_in_standby(self) -> bool: ...
    @property
    def stops_watchdog_in_standby(self) -> bool: ...


@runtime_checkable
class HasEffects(Protocol):
    """A controller with option bytes."""

    @property
    def effects(self) -> Effects: ...


@runtime_checkable
class KnowsPower(Protocol):
    """A peripheral to which power coming is more than a reset."""

    def power_on(self) -> None: ...


@runtime_checkable
class Shows(Protocol):
    """A peripheral that can be looked at: what the word at an offset holds, without an effect."""

    def shown(self, offset: int) -> int: ...


@runtime_checkable
class LosesBackup(Protocol):
    """A peripheral with registers of the backup domain."""

    def lose_backup(self) -> None: ...


@runtime_checkable
class KnowsSleep(Protocol):
    """The power controller: what deep sleep means."""

    def sleep_mode(self) -> SleepMode | None: ...


class SleepMode(Protocol):
    """A mode that ends in a reset. ``keeps``: names of RAM that is not lost. ``is_woken``: by a clock of the backup
    domain. ``enter`` raises the flags of it, and of what wakes the chip where something does."""

    @property
    def name(self) -> str: ...
    @property
    def watchdog(self) -> bool: ...
    @property
    def keeps(self) -> frozenset[str]: ...
    @property
    def is_woken(self) -> bool: ...
    @property
    def has_pin(self) -> bool: ...
    def enter(self, *, is_woken: bool) -> None: ...


@runtime_checkable
class Retains(Protocol):
    """A peripheral of which a system reset leaves something alone. ``retain`` makes it one whose `retained` was that; a
    reset is to follow."""

    def retained(self) -> tuple[int, ...]: ...
    def retain(self, state: tuple[int, ...]) -> None: ...


@runtime_checkable
class Keeps(Protocol):
    """The same of a flash controller, whose cells are kept elsewhere."""

    def kept(self) -> tuple[int, ...]: ...
    def keep(self, state: tuple[int, ...]) -> None: ...


NOT_LISTENING, OVERRUN = "not listening", "overrun"
"""Why a byte is lost."""


@runtime_checkable
class Receives(Protocol):
    """A serial port, as the other end of its line sees it."""

    def arrives(self, byte: int) -> str:
        """A byte has come, its stop bit as well. Why one is lost with that, or ""."""
        ...

    def falls_idle(self) -> None:
        """Nothing has come for as long as a byte takes."""
        ...


@runtime_checkable
class SpiHost(Protocol):
    """A peripheral that can drive an SPI; ``wire`` is put in by whoever attaches something to it."""

    wire: SpiWire


@runtime_checkable
class TwoWireHost(Protocol):
    """A peripheral that can drive an I2C."""

    two_wire: TwoWire


@runtime_checkable
class HasPins(Protocol):
    """A port. ``told`` is called with the level of output ``pin`` at every change; a pin that drives nothing is high,
    as what it selects has a pull-up. ``levels``: what is driven from outside, from now on and through resets; it reads
    so wherever the chip listens and does not drive it."""

    pins: int

    def watch(self, pin: int, told: Callable[[bool], None]) -> None: ...
    def drive(self, levels: Mapping[int, bool]) -> None: ...


@dataclass(frozen=True, slots=True)
class LaneRules:
    """What a plain program takes on a flash controller, so that it can be done without asking it.

    Of the register at ``gate`` the bits ``calm`` have to be clear and ``armed`` set, and of that at ``status`` the bits
    ``errors`` clear. ``width``: bytes of a store; 0: one, two or four, as two bits of the gate from ``width_shift`` on
    say. ``stores``: so many words make one program, in order; all but the last of them set ``half`` in the status.
    ``blank``: cells must be erased and unused; else no bit may have to go back. A program sets ``done`` in the status.

    A store that changes no bit but those in ``plain`` of its register changes those and nothing else, where writing 0
    leaves the gate's bits in ``kept`` alone; a store to one in ``clear`` clears bits of the status by writing 1. Both
    only while the gate is calm.
    """

    gate: int
    calm: int
    armed: int
    status: int
    width: int
    plain: Mapping[int, int] = field(default_factory=dict)
    clear: Mapping[int, int] = field(default_factory=dict)
    kept: int = 0
    errors: int = 0
    done: int = 0
    half: int = 0
    width_shift: int = 0
    stores: int = 1
    blank: bool = True


class KeepsStores(Protocol):
    """The first stores of a program: four words, as `flash.latch` has them."""

    @property
    def words(self) -> NDArray[np.uint64]: ...


@runtime_checkable
class HasLane(Protocol):
    """A controller that says what a plain program takes. ``words``: its registers."""

    @property
    def LANE(self) -> LaneRules | None: ...  # noqa: N802  # a constant of the class
    @property
    def is_unprotected(self) -> bool: ...
    @property
    def size(self) -> int: ...
    @property
    def words(self) -> NDArray[np.uint32]: ...
    @property
    def latch(self) -> KeepsStores: ...
