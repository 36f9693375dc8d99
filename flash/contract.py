"""The contracts of this floor: what a NOR flash promises, and what it needs from the world.

Neighbours: `device.FlashDevice` and `partition.Partition` implement `NorFlash`; bootloader and updater are
written against it and never see a part, a cell or a tear. `Clock` is implemented by `emu.clock`.

Power-loss promises of a `NorFlash`, in words (the tables in `tears` make them exact):

- Before the call takes effect nothing has changed. After it has returned, the new content is there for good.
- A cut inside `program` may leave each bit of the programmed range old or new. No other byte changes.
- A cut inside `erase` may leave the erased range with any content at all, also one that reads as erased.
  No other byte changes.
- Order inside one call is not promised. Order between two calls is.
- Nothing is promised about a range whose last erase or program was interrupted, however good it reads.

The adversarial tiers weaken these sentences on purpose (disturb, weak bits); this file must not know them.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from flash.geometry import Geometry


@runtime_checkable
class NorFlash(Protocol):
    """A byte-addressed NOR array or a window on one. Addresses start at 0."""

    @property
    def geometry(self) -> Geometry:
        """Sizes and boundaries, in the same addresses as the calls below."""
        ...

    def read(self, address: int, length: int) -> bytes:
        """Return ``length`` bytes. Raises OutOfBounds, EccFault, or PowerLost."""
        ...

    def program(self, address: int, data: bytes) -> None:
        """One program command: clears bits only (sets them where erased is 00).

        Legal when ``geometry.is_program`` holds: whole units, inside one page. What else happens is the
        silicon's business (ignored, wrapped, truncated) and is recorded as a misuse.
        """
        ...

    def erase(self, address: int, length: int) -> None:
        """One erase command over one erase unit: ``length`` is one of ``geometry.erase_sizes_at(address)``."""
        ...


class Clock(Protocol):
    """Virtual time. Only the world outside implements it; nobody in here reads a wall clock."""

    @property
    def now_us(self) -> int:
        """Microseconds since reset."""
        ...

    def advance(self, duration_us: int) -> None:
        """Let time pass. Raises ResetAsserted when a hardware timer fires inside the duration."""
        ...


class ElapsedTime:
    """The plainest Clock: it only counts. For a device that is used on its own."""

    def __init__(self) -> None:
        self.now_us = 0

    def advance(self, duration_us: int) -> None:
        self.now_us += duration_us
