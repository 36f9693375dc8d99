"""What every flash controller has in common: registers, regions, an interrupt line, refusals on record.

An operation the controller refuses raises the chip's error flag, changes nothing and is noted: silicon may be silent
about it, and it is a bug in the firmware all the same. What the cells make of an operation they accept (a bit that had
to go back) is recorded by `flash.device`.

Neighbours: the chips derive from it; `keys`, `registers`, `regions`, `operations` are what it is made of. It knows no
core: `World` is all it reaches.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeVar

from emu.cpu.contract import BusFault, StoreOutcome, World
from emu.cpu.faces import LaneRules
from emu.cpu.flash.keys import Lock
from emu.cpu.flash.latch import Latch
from emu.cpu.flash.regions import Region, Row
from emu.cpu.flash.registers import Registers
from flash.cells import ECC_CORRECTED
from flash.device import FlashDevice
from flash.errors import FlashError

ReadProtection = Literal[0, 1, 2]


@dataclass(frozen=True, slots=True)
class OptionEffects:
    """What option bytes do to the rest of the chip from the last time they were loaded."""

    read_protection: ReadProtection = 0
    hardware_watchdog: bool = False
    resets_in_standby: bool = False
    """Going to Standby is a reset instead."""
    stops_watchdog_in_standby: bool = False


class ControllerBase(Registers):
    """A flash controller of one chip family. ``rows`` are the devices of `ROWS`, by name."""

    CHIP: ClassVar[str]
    BASE: ClassVar[int]
    """Where its registers stand."""
    SIZE: ClassVar[int] = 0x400
    IRQ: ClassVar[int | None] = None
    ROWS: ClassVar[tuple[Row, ...]] = ()
    LANE: ClassVar[LaneRules | None] = None
    """What needs no Python of ours: None where nobody has said."""

    def __init__(self, world: World, main: FlashDevice, rows: Mapping[str, FlashDevice]) -> None:
        super().__init__(self.SIZE)
        self.world = world
        self.main = main
        self.latch = Latch()
        missing = [row.name for row in self.ROWS if row.name not in rows]
        if missing:
            raise FlashError(f"{self.CHIP}: no device for {', '.join(missing)}; `rows_beside` makes them")
        self.rows = dict(rows)
        self.regions = (Region("flash", main.part.base, main, 0, main.geometry.size), *self._row_regions())
        self._irq_is_up = False
        self.power_on()

    def _row_regions(self) -> tuple[Region, ...]:
        return ()

    # -- the contract -------------------------------------------------------------------------------------

    def reset(self) -> None:
        """A system reset: registers as after it."""
        self._reset_registers()
        self._interrupt(False)

    def power_on(self) -> None:
        """Power came: options are loaded, then as after any reset."""
        self.load_options()
        self.reset()

    def load_options(self) -> None:
        """Take over what the option rows hold now."""

    def kept(self) -> tuple[int, ...]:
        """What a system reset leaves alone, volatile though it is: options that were loaded when power came. With the
        cells, this is all a system reset begins from."""
        return ()

    def keep(self, state: tuple[int, ...]) -> None:
        """Become one whose `kept` was ``state``; a reset is to follow."""

    @property
    def effects(self) -> OptionEffects:
        return OptionEffects()

    @property
    def is_unprotected(self) -> bool:
        """Whether nothing but `LANE` decides what a store does: no page is protected, nothing else is pending."""
        return False

    def store(self, address: int, size: int, value: int) -> StoreOutcome:
        """The core stores to ``address``, in one of the regions; anywhere else nothing answers."""
        for region in self.regions:
            if region.holds(address, size):
                return self._stored(region, region.offset(address), size, value)
        return "bus-fault"

    def sensed(self, address: int, size: int) -> None:
        """The core has read this range, and error correction may have something to say about it."""
        for region in self.regions:
            if region.holds(address, size):
                for at, code in region.device.cells.ecc_states(region.offset(address), size):
                    self._corrected(region, at) if code == ECC_CORRECTED else self._uncorrectable(region, at)

    # -- what the chips fill in ---------------------------------------------------------------------------

    def _reset_registers(self) -> None:
        raise NotImplementedError

    def _stored(self, region: Region, offset: int, size: int, value: int) -> StoreOutcome:
        raise NotImplementedError

    def _corrected(self, region: Region, offset: int) -> None:
        """A granule was read right, but only by correction."""

    def _uncorrectable(self, region: Region, offset: int) -> None:
        """A granule that cannot be corrected was read."""

    # -- words for the chips --------------------------------------------------------------------------------

    def _raise_nmi(self, region: Region, offset: int) -> None:
        """For a granule that cannot be corrected."""
        self.world.nmi(f"error correction cannot read {region.base + offset - region.start:#010x}")

    def refuse(self, what: str, why: str) -> None:
        """Put on record that nothing was done."""
        self.world.note(f"{self.CHIP}: {what}: {why}")

    def _interrupt(self, asserted: bool) -> None:
        """Drive the interrupt line of the controller."""
        if asserted == self._irq_is_up or self.IRQ is None:
            return
        self._irq_is_up = asserted
        if asserted:
            self.world.raise_irq(self.IRQ)
        else:
            self.world.clear_irq(self.IRQ)

    def _key(self, lock: Lock, key: int, what: str, *, faults: bool, fault_when_open: bool) -> bool:
        """A key was written. Returns whether it opened the lock; raises BusFault where the chip does."""
        outcome = lock.offer(key)
        if outcome == "opened":
            return True
        if outcome == "wrong":
            self.refuse(f"{what} {key:#010x}", "wrong key, locked until the next reset")
        elif outcome == "jammed":
            self.refuse(f"{what} {key:#010x}", "locked until the next reset since a wrong key")
        elif outcome == "already-open" and fault_when_open:
            self.refuse(f"{what} {key:#010x}", "a key while it is unlocked already")
        if faults and (outcome in ("wrong", "jammed") or (outcome == "already-open" and fault_when_open)):
            raise BusFault(f"{self.CHIP}: {what} was given {key:#010x}")
        return False


AnyController = TypeVar("AnyController", bound=ControllerBase)


def rows_beside(controller: type[ControllerBase], main: FlashDevice) -> dict[str, FlashDevice]:
    """The rows a controller needs beside ``main``, as they leave the factory. They live as long as ``main``."""
    return {row.name: row.device(main) for row in controller.ROWS}


def make(controller: type[AnyController], world: World, main: FlashDevice) -> AnyController:
    """A controller in front of ``main``, with rows fresh from the factory."""
    return controller(world, main, rows_beside(controller, main))
