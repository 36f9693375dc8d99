"""A named window on a flash, with its own bounds.

Offsets start at 0; the far side of either end is out of reach, whatever the device behind would allow.
Neighbours: implements `contract.NorFlash` over any NorFlash. Knows nothing of what lives in it.
"""

from __future__ import annotations

from flash.contract import NorFlash
from flash.errors import EccFault, FlashError, OutOfBounds
from flash.geometry import Geometry


class Partition:
    """``size`` bytes of ``flash`` from ``address``; both on sector boundaries. Raises FlashError otherwise."""

    def __init__(self, name: str, flash: NorFlash, address: int, size: int) -> None:
        try:
            self._geometry = flash.geometry.window(address, size)
        except FlashError as wrong:
            raise FlashError(f"partition {name!r}: {wrong}", address=address, length=size) from None
        self.name = name
        self.address = address
        self._flash = flash

    @property
    def geometry(self) -> Geometry:
        return self._geometry

    @property
    def flash(self) -> NorFlash:
        """What the window looks onto; its addresses are offsets plus ``address``."""
        return self._flash

    @property
    def size(self) -> int:
        return self._geometry.size

    def read(self, address: int, length: int) -> bytes:
        self._check("read", address, length)
        try:
            return self._flash.read(self.address + address, length)
        except EccFault as fault:
            raise EccFault(fault.address - self.address, fault.length, fault.signal) from None

    def program(self, address: int, data: bytes) -> None:
        self._check("program", address, len(data))
        self._flash.program(self.address + address, data)

    def erase(self, address: int, length: int) -> None:
        self._check("erase", address, length)
        self._flash.erase(self.address + address, length)

    def window(self, name: str, offset: int, size: int) -> Partition:
        """A partition of this partition."""
        return Partition(f"{self.name}/{name}", self, offset, size)

    def _check(self, what: str, offset: int, length: int) -> None:
        if offset < 0 or length < 0 or offset + length > self.size:
            raise OutOfBounds(
                f"{what} of [{offset:#x}, {offset + length:#x}) leaves partition {self.name!r} "
                f"of {self.size:#x} bytes (at {self.address:#x} of its flash)",
                address=offset,
                length=length,
            )
