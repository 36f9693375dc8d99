"""Memory as the rest of the chip sees it: by address, without the core.

Neighbours: exception entry puts its frames here, a DMA its bytes; `machine` says what is mapped where. The buffers are
those the engine has mapped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emu.cpu.contract import BusFault


@dataclass(frozen=True, slots=True)
class Window:
    """``content`` from ``address`` on. ``is_ram``: it takes writes."""

    name: str
    address: int
    content: memoryview
    is_ram: bool

    def holds(self, address: int, length: int) -> bool:
        return self.address <= address and address + length <= self.address + len(self.content)


class AddressSpace:
    """All RAM and flash of a chip, aliases included. ``sensed`` is told of words that were read; ``looked`` of every
    look at flash; ``touched`` of every access to RAM: (address, length, whether it is a write)."""

    def __init__(self) -> None:
        self.windows: list[Window] = []
        self.sensed: Callable[[int, int], None] = lambda _address, _length: None
        self.looked: Callable[[int, int], None] = lambda _address, _length: None
        self.touched: Callable[[int, int, bool], None] = lambda _address, _length, _is_write: None

    def add(self, name: str, address: int, content: NDArray[np.uint8], *, is_ram: bool) -> None:
        self.windows.append(Window(name, address, content.data, is_ram))

    def read(self, address: int, length: int) -> bytes:
        """Raises BusFault where there is no memory."""
        for window in self.windows:
            if window.holds(address, length):
                if window.is_ram:
                    self.touched(address, length, False)
                else:
                    self.looked(address, length)
                at = address - window.address
                return bytes(window.content[at : at + length])
        raise BusFault(f"no memory at [{address:#x}, {address + length:#x})")

    def write(self, address: int, data: bytes) -> None:
        """Raises BusFault where there is no RAM."""
        for window in self.windows:
            if window.is_ram and window.holds(address, len(data)):
                at = address - window.address
                window.content[at : at + len(data)] = data
                self.touched(address, len(data), True)
                return
        raise BusFault(f"no RAM at [{address:#x}, {address + len(data):#x})")

    def word(self, address: int) -> int:
        """The 32-bit word at ``address``, as the core reads a vector. Raises BusFault."""
        self.sensed(address, 4)
        return int.from_bytes(self.read(address, 4), "little")


class Ram:
    """RAM alone, for a DMA: it reaches no flash and no registers here."""

    def __init__(self, space: AddressSpace) -> None:
        self._space = space

    def read(self, address: int, length: int) -> bytes:
        if not any(window.is_ram and window.holds(address, length) for window in self._space.windows):
            raise BusFault(f"no RAM at [{address:#x}, {address + length:#x})")
        return self._space.read(address, length)

    def write(self, address: int, data: bytes) -> None:
        self._space.write(address, data)
