"""The bus: which registers answer at an address, and what happens around every access.

Time goes to the present before a peripheral is asked. Where nobody is declared, a word reads as it was last written, 0
at first, and is counted. Accesses are counted too: after many of them without news the core looks whether it goes
round in a circle.

Neighbours: the engine calls `read` and `write`; peripherals answer. Knows no core: what it needs of it
comes as functions.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from emu.cpu.contract import BusFault, Memory, Peripheral
from emu.cpu.steady import Access
from emu.cpu.stops import Refused
from emu.cpu.unknown import UnknownRegisters
from flash.errors import HardwareFault

_GRANULE = 0x10
"""Option bytes and the unique id of a chip may be as near to each other as this."""
_PERIPHERAL_BITS, PERIPHERAL_ALIAS = 0x4000_0000, 0x4200_0000
_RAM_BITS, RAM_ALIAS = 0x2000_0000, 0x2200_0000
ALIAS_SIZE = 0x200_0000


@dataclass(frozen=True, slots=True)
class Place:
    """A peripheral on the bus."""

    name: str
    address: int
    size: int
    peripheral: Peripheral


@runtime_checkable
class ShowsTime(Protocol):
    """A peripheral with registers that change while nobody touches them, at these offsets."""

    @property
    def timed(self) -> frozenset[int]: ...


class Bus:
    """``sync`` brings time up to now; ``end_slice`` is called when `count` has come to `due`."""

    def __init__(self, sync: Callable[[], None], end_slice: Callable[[], None], unknown: UnknownRegisters) -> None:
        self.places: list[Place] = []
        self.counts = (ctypes.c_uint64 * 2)()
        """`count` and `due`, where machine code finds them."""
        self.watched: list[Access] | None = None
        self._sync = sync
        self._end_slice = end_slice
        self._timed: set[int] = set()
        self._unknown = unknown
        self._by_granule: dict[int, Place] = {}
        self._readers: dict[int, tuple[int, Callable[[int, int], int]]] = {}
        self._writers: dict[int, tuple[int, Callable[[int, int, int], None]]] = {}
        self._stored: dict[int, int] = {}

    def attach(self, name: str, address: int, size: int, peripheral: Peripheral) -> None:
        """Registers from ``address`` on, in granules of 16 bytes; what lies on another peripheral is a bug of ours or
        of a chip's description."""
        place = Place(name, address, size, peripheral)
        for granule in range(address // _GRANULE, -(-(address + size) // _GRANULE)):
            other = self._by_granule.setdefault(granule, place)
            assert other is place, f"{name} lies on {other.name} at {granule * _GRANULE:#x}: please report"
            self._readers[granule] = (address, peripheral.read)
            self._writers[granule] = (address, peripheral.write)
        if isinstance(peripheral, ShowsTime):
            self._timed |= {address + offset for offset in peripheral.timed}
        self.places.append(place)

    @property
    def count(self) -> int:
        """Accesses since there was news."""
        return self.counts[0]

    @count.setter
    def count(self, accesses: int) -> None:
        self.counts[0] = accesses

    @property
    def due(self) -> int:
        """With how many of them the core wants to look around."""
        return self.counts[1]

    @due.setter
    def due(self, accesses: int) -> None:
        self.counts[1] = accesses

    def name_of(self, address: int) -> str:
        """What answers at an address: a peripheral and an offset; "" where nobody is declared."""
        place = self.place_at(address)
        return "" if place is None else f"{place.name}+{address - place.address:#04x}"

    def place_at(self, address: int) -> Place | None:
        """What answers there; None: nobody is declared."""
        return self._by_granule.get(address // _GRANULE)

    def stored_at(self, address: int) -> int:
        """The word that was written last where nobody is declared."""
        return self._stored.get(address & ~3, 0)

    def reset(self) -> None:
        """Of the system: every peripheral, and what was stored at unknown addresses."""
        self._stored.clear()
        for place in self.places:
            place.peripheral.reset()

    # -- accesses -------------------------------------------------------------------------------------------

    def read(self, address: int, size: int) -> int:
        self._sync()
        found = self._readers.get(address // _GRANULE)
        if found is None:
            self._unknown.count("", address & ~3, "read")
            value = self._stored.get(address & ~3, 0) >> 8 * (address & 3) & (1 << 8 * size) - 1
        else:
            try:
                value = found[1](address - found[0], size)
            except HardwareFault:
                raise Refused from None
        self._counted()
        if self.watched is not None:
            # A register that shows time is another one at every look, also where it moves more slowly than the looks.
            is_timed = address in self._timed
            self.watched.append(("time", address, self.counts[0]) if is_timed else ("read", address, value))
        return value

    def write(self, address: int, size: int, value: int) -> None:
        self._sync()
        self._counted()
        if self.watched is not None:
            self.watched.append(("write", address, value))
        found = self._writers.get(address // _GRANULE)
        if found is None:
            self._unknown.count("", address & ~3, "write")
            shift, mask = 8 * (address & 3), (1 << 8 * size) - 1
            old = self._stored.get(address & ~3, 0)
            self._stored[address & ~3] = (old & ~(mask << shift)) | ((value & mask) << shift)
            return
        try:
            found[1](address - found[0], size, value)
        except HardwareFault:
            raise Refused from None

    def _counted(self) -> None:
        counts = self.counts
        counts[0] += 1
        if counts[0] >= counts[1]:
            self._end_slice()

    # -- one bit as a word ----------------------------------------------------------------------------------

    def read_bit(self, alias: int, _size: int) -> int:
        """From the bit-band alias of the peripherals."""
        offset = alias - PERIPHERAL_ALIAS
        return self.read(_PERIPHERAL_BITS + (offset >> 5 & ~3), 4) >> (offset >> 2 & 31) & 1

    def write_bit(self, alias: int, _size: int, value: int) -> None:
        """A read and a write of the word, as the bus makes them."""
        offset = alias - PERIPHERAL_ALIAS
        address, bit = _PERIPHERAL_BITS + (offset >> 5 & ~3), offset >> 2 & 31
        word = self.read(address, 4) & ~(1 << bit)
        self.write(address, 4, word | (value & 1) << bit)


@dataclass(frozen=True, slots=True)
class RamBits:
    """The bit-band alias of RAM at `RAM_ALIAS`: every bit of the first megabyte as a word."""

    memory: Memory

    def read(self, alias: int, _size: int) -> int:
        offset = alias - RAM_ALIAS
        try:
            return self.memory.read(_RAM_BITS + (offset >> 5), 1)[0] >> (offset >> 2 & 7) & 1
        except BusFault:
            raise Refused from None

    def write(self, alias: int, _size: int, value: int) -> None:
        offset = alias - RAM_ALIAS
        address, bit = _RAM_BITS + (offset >> 5), 1 << (offset >> 2 & 7)
        try:
            byte = self.memory.read(address, 1)[0]
            self.memory.write(address, bytes([byte | bit if value & 1 else byte & ~bit]))
        except BusFault:
            raise Refused from None
