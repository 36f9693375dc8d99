"""I2C of STM32, as the master of a bus: the old one (F1, F4), and what it shares with the one that counts bytes.

A byte is on the wires while the access that asks for it is executed: the clock moves by its bits, and the flags are
right after it. The old one receives ahead, one byte at each look at SR1, into its data register and then into its shift
register, so that ACK, POS and STOP have their effect on the byte they have it on in silicon; a STOP lets the byte that
is under way come in, and what came stays until it is read.

Not modelled: slave mode, addresses of 10 bits, SMBus, PEC, arbitration, DMA. The bus runs at what CCR or TIMINGR say of
the core's clock: prescalers of the peripheral buses are not in it.

Neighbours: `Bank`; `i2c_counted` is the other one; ``two_wire`` is what hangs on the bus (`emu.cpu.external`). Bits and
offsets: the vendor's CMSIS headers; what sets and clears flags: the reference manuals, recalled.
"""

from __future__ import annotations

from emu.cpu.chip import PeripheralEntry
from emu.cpu.contract import Surroundings, TwoWire
from emu.cpu.peripherals.bank import Bank

STANDARD_HZ = 100_000


class Unwired:
    """Nothing hangs on the bus: nobody acknowledges."""

    def start(self, address: int, *, reads: bool, hz: int) -> bool:
        return False

    def send(self, byte: int) -> bool:
        return False

    def receive(self, *, acknowledges: bool) -> int:
        return 0xFF

    def stop(self) -> None:
        """Nobody is there to hear it."""


class TwoLines(Bank):
    """Registers with an interrupt line for events, and the next one for errors where ``joint`` is False."""

    def __init__(
        self, world: Surroundings, entry: PeripheralEntry, resets: dict[int, int], *, joint: bool = False
    ) -> None:
        super().__init__(world, entry.name, resets)
        self.two_wire: TwoWire = Unwired()
        self._irqs = () if entry.irq is None else (entry.irq, entry.irq if joint else entry.irq + 1)
        self._ups = [False, False]

    def reset(self) -> None:
        super().reset()
        self._ups = [False, False]

    def drive(self, event: bool, error: bool) -> None:
        if not self._irqs:
            return
        if self._irqs[0] == self._irqs[1]:
            event, error = event or error, False
        for number, up in enumerate((event, error)):
            if up != self._ups[number]:
                self._ups[number] = up
                (self.world.raise_irq if up else self.world.clear_irq)(self._irqs[number])


CR1, CR2, DR, SR1, SR2, CCR = 0x00, 0x04, 0x10, 0x14, 0x18, 0x1C
_PE, _START, _STOP, _ACK, _POS, _SWRST = 0, 8, 9, 10, 11, 15
SB, ADDR, BTF, RXNE, TXE, AF = 1 << 0, 1 << 1, 1 << 2, 1 << 6, 1 << 7, 1 << 10
_ERRORS = 0xDF00
"""Flags of SR1 that a 0 clears."""
_ITERREN, _ITEVTEN, _ITBUFEN = 8, 9, 10


class OldI2c(TwoLines):
    """Model "i2c-v1"."""

    def __init__(self, world: Surroundings, entry: PeripheralEntry) -> None:
        super().__init__(world, entry, dict.fromkeys(range(0, 0x28, 4), 0) | {0x20: 2})
        self._forget()

    def reset(self) -> None:
        super().reset()
        self._forget()

    def _forget(self) -> None:
        self._flags = 0
        """SB, ADDR and errors; the others follow from what is held."""
        self._is_master = self._sends = self._receives = self._has_sent = False
        self._saw_sr1 = False
        self._data: int | None = None
        self._shift: int | None = None
        self._wants_more = False
        self._received = 0

    def loaded(self, register: int) -> int:
        if register == SR1:
            self._receive_ahead()
            self._saw_sr1 = True
            return self._status
        if register == SR2:
            value = self._is_master | self._is_master << 1 | (self._is_master and self._sends) << 2
            if self._flags & ADDR and self._saw_sr1:
                self._flags &= ~ADDR
                self._drive()
            return value
        if register == DR:
            return self._take()
        return super().loaded(register)

    def stored(self, register: int, value: int, lanes: int) -> None:
        if register == SR1:
            self._flags &= value | ~(_ERRORS & lanes)
        elif register == DR:
            self._give(value & 0xFF)
        elif register == CR1:
            self._control(value, lanes)
        elif register != SR2:
            self.keep(register, value, lanes)
        self._drive()

    @property
    def _status(self) -> int:
        can_send = self._sends and self._is_master and not self._flags & (SB | ADDR | AF)
        full = self._data is not None and self._shift is not None
        return (
            self._flags
            | (TXE if can_send else 0)
            | (BTF if full or (can_send and self._has_sent) else 0)
            | (RXNE if self._data is not None else 0)
        )

    def _control(self, value: int, lanes: int) -> None:
        self.keep(CR1, value, lanes)
        if not self.has(CR1, _PE) or self.has(CR1, _SWRST):
            if self._is_master:
                self.two_wire.stop()
            self._forget()
            return
        if self.has(CR1, _STOP):
            self.put(CR1, _STOP, False)
            self._stop()
        if self.has(CR1, _START):
            self.put(CR1, _START, False)
            self._is_master, self._flags = True, self._flags & ~ADDR | SB
            self._sends = self._receives = self._has_sent = False

    def _stop(self) -> None:
        if not self._is_master:
            return
        if self._receives and self._wants_more and not self._flags & ADDR:
            self._receive()
        self.two_wire.stop()
        self._is_master = self._sends = self._receives = self._has_sent = False
        self._flags &= ~(SB | ADDR)

    def _give(self, byte: int) -> None:
        if self._flags & SB:
            reads = bool(byte & 1)
            if byte >> 3 == 0b11110:
                self.world.note(f"{self.name}: address byte {byte:#04x}: addresses of 10 bits are not modelled")
            acknowledged = self.two_wire.start(byte >> 1, reads=reads, hz=self._hz)
            self._flags = self._flags & ~SB | (ADDR if acknowledged else AF)
            self._sends, self._receives = not reads, reads and acknowledged
            self._wants_more, self._saw_sr1, self._received = acknowledged, False, 0
            self._data = self._shift = None
        elif self._sends and self._is_master and not self._flags & ADDR:
            self._has_sent = True
            if not self.two_wire.send(byte):
                self._flags |= AF

    def _take(self) -> int:
        value = self._data if self._data is not None else 0
        self._data, self._shift = self._shift, None
        self._drive()
        return value

    def _receive_ahead(self) -> None:
        """One byte, where there is room for it and the one before was acknowledged."""
        if self._receives and self._wants_more and not self._flags & ADDR and self._shift is None:
            self._receive()

    def _receive(self) -> None:
        if self._data is not None and self._shift is not None:
            return
        # POS: the bit is for the byte behind the one that comes in.
        acknowledges = self.has(CR1, _ACK) or (self.has(CR1, _POS) and not self._received)
        byte = self.two_wire.receive(acknowledges=acknowledges)
        self._received += 1
        self._wants_more = acknowledges
        if self._data is None:
            self._data = byte
        else:
            self._shift = byte
        self._drive()

    @property
    def _hz(self) -> int:
        word = self.words[CCR]
        clocks = (word & 0xFFF) * ((25 if word >> 14 & 1 else 3) if word >> 15 & 1 else 2)
        return max(1, self.world.clock_hz() // clocks) if clocks else STANDARD_HZ

    def _drive(self) -> None:
        status, enabled = self._status, self.words[CR2]
        buffered = TXE | RXNE if enabled >> _ITBUFEN & 1 else 0
        self.drive(
            bool(enabled >> _ITEVTEN & 1 and status & (SB | ADDR | BTF | buffered)),
            bool(enabled >> _ITERREN & 1 and status & _ERRORS),
        )
