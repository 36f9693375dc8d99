"""Eeprom: a 24C-series EEPROM behind its two wires. Start, bytes and stop in; acknowledges and bytes out.

A write is collected byte by byte in the page latch and begins at the stop: one cycle that erases and programs, during
which the chip acknowledges nothing. It has ended when something looks after its time has come (`catch_up`, which every
start does first). The address wraps inside the page in a write, and at the end of the array in a read. A start instead
of a stop drops what was collected. With its WP pin high the chip acknowledges everything and writes nothing
(Microchip 24LC256 data sheet, 6.1).

That a start is not acknowledged while a write is going on is how a host polls for its end, so it is no misuse; bytes
that are sent all the same are.

Neighbours: `device` has the cells and tears operations, `part_two_wire` how the part is addressed. Knows no host; how
long a bit takes is the business of whoever drives the wires.
"""

from __future__ import annotations

from flash.contract import Clock
from flash.device import FlashDevice
from flash.errors import FlashError
from flash.in_flight import InFlight
from flash.rules import Remark

EepromState = tuple[object, ...]


class Eeprom:
    """``device``'s part must be of kind eeprom; raises FlashError otherwise. ``address``: the lowest it answers to
    (None: the part's own). ``write_protect_pin``: WP is high."""

    def __init__(self, device: FlashDevice, *, address: int | None = None, write_protect_pin: bool = False) -> None:
        table = device.part.two_wire
        if table is None:
            raise FlashError(f"{device.name}: {device.part.name} is no I2C EEPROM ([two_wire] in its description)")
        self.device = device
        self.address = table.device if address is None else address
        if self.address % (1 << table.block_bits):
            raise FlashError(
                f"{device.name}: address {self.address:#x} has bits where the {table.block_bits} lowest ones are part "
                "of the word address; give one that ends in zeros there"
            )
        self.write_protect_pin = write_protect_pin
        self._table = table
        self._pointer = 0
        self._is_open = self._reads = self._was_ignored = False
        self._owed_bytes = 0
        self._latch: dict[int, int] = {}
        self._sent = self._wraps = 0

    @property
    def clock(self) -> Clock:
        return self.device.clock

    @property
    def is_busy(self) -> bool:
        return bool(self.device.in_flight)

    @property
    def has_data(self) -> bool:
        """Whether a stop would begin a write."""
        return bool(self._latch) and not self.write_protect_pin

    @property
    def is_reading(self) -> bool:
        """Whether it drives the data wire."""
        return self._is_open and self._reads

    def answers_to(self, address: int) -> bool:
        return address >> self._table.block_bits == self.address >> self._table.block_bits

    # -- the wires ----------------------------------------------------------------------------------------

    def start(self, address: int, *, reads: bool) -> bool:
        """A start, or another one before the stop, and the address byte; whether it is acknowledged."""
        self.device.supply.require()
        self._latch.clear()
        self.catch_up()
        self._is_open = False
        if not self.answers_to(address):
            self._was_ignored = False
            return False
        self._was_ignored = self.is_busy
        if self.is_busy:
            return False
        self._is_open, self._reads, self._sent, self._wraps = True, reads, 0, 0
        self._owed_bytes = 0 if reads else self._table.address_bytes
        if not reads:
            block = address & (1 << self._table.block_bits) - 1
            self._pointer = block << 8 * self._table.address_bytes
        return True

    def send(self, byte: int) -> bool:
        """A byte of the host; whether it is acknowledged."""
        self.device.supply.require()
        if self._was_ignored:
            self._was_ignored = False
            self.device.misuse(
                Remark(
                    0, 0, "while-busy", "bytes are sent though the address was not acknowledged: a write is going on"
                )
            )
        if not self._is_open or self._reads:
            return False
        size = self.device.geometry.size
        if self._owed_bytes:
            self._owed_bytes -= 1
            self._pointer |= byte << 8 * self._owed_bytes
            if not self._owed_bytes:
                self._pointer %= size
            return True
        page = self.device.geometry.page_size
        self._wraps += self._sent > 0 and self._pointer % page == 0
        self._latch[self._pointer] = byte
        self._sent += 1
        low = self._pointer - self._pointer % page
        self._pointer = low + (self._pointer + 1) % page
        return True

    def receive(self) -> int:
        """A byte of the chip; FFh where it drives nothing."""
        self.device.supply.require()
        if not self.is_reading:
            return 0xFF
        value = self.device.sense(self._pointer, 1)[0]
        self.device.statistics.read_bytes += 1
        self._pointer = (self._pointer + 1) % self.device.geometry.size
        return value

    def stop(self) -> None:
        """What was collected is written from now on."""
        self.device.supply.require()
        latch, self._latch = self._latch, {}
        self._is_open = self._was_ignored = False
        if not latch:
            return
        first, page = min(latch), self.device.geometry.page_size
        if self.write_protect_pin:
            self.device.misuse(Remark(first, len(latch), "protected", "WP is high: nothing is written"))
            return
        low = first - first % page
        if self._wraps:
            why = f"{self._sent} bytes leave their {page}-byte page: the address wraps, the last bytes win"
            self.device.misuse(Remark(low, page, "page-wrap", why))
            held = self.device.sense(low, page)
            data = bytes(latch.get(low + at, held[at]) for at in range(page))
            self._begin(low, data)
        else:
            self._begin(first, bytes(latch[at] for at in sorted(latch)))

    def release(self) -> None:
        """The host let go of the wires (its own reset): what was collected is lost."""
        self._latch.clear()
        self._is_open = self._was_ignored = False

    # -- power and time -----------------------------------------------------------------------------------

    def power_cycle(self) -> None:
        """Power is back."""
        self.device.supply.require()
        self.release()
        self._pointer = 0

    def catch_up(self) -> None:
        """End the write whose time has come."""
        for flight in list(self.device.in_flight):
            if flight.end_us <= self.clock.now_us:
                self.device.end(flight)

    def state(self) -> EepromState:
        """Everything a power cut would take, as one hashable value that does not depend on when now is."""
        now = self.clock.now_us
        return (self._pointer, tuple(flight.state(now) for flight in self.device.in_flight))

    def restore(self, state: EepromState) -> None:
        """Become what `state` was taken of, at the present moment. The cells are the caller's business."""
        self.release()
        now = self.clock.now_us
        self._pointer, flights = state  # type: ignore[assignment]
        self.device.in_flight = [
            InFlight.restored(flight, self.device.name, now)
            for flight in flights  # type: ignore[attr-defined]
        ]

    def _begin(self, address: int, data: bytes) -> None:
        device = self.device
        duration = device.timing.program_us(address, device.geometry.page_size, device.cells.cycles_at(address))
        device.begin("write", address, len(data), data, duration)
