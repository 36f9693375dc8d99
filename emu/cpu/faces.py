"""What a peripheral or a flash controller may offer besides its contract; the machine asks for each by its face.

Neighbours: `contract` is what all of them have; `machine` and `fittings` look for these.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

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


@runtime_checkable
class HasEffects(Protocol):
    """A controller with option bytes."""

    @property
    def effects(self) -> Effects: ...


@runtime_checkable
class KnowsPower(Protocol):
    """A peripheral to which power coming is more than a reset."""

    def power_on(self) -> None: ...
