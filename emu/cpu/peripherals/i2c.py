"""I2C of STM32, as the master of a bus: the old one (F1, F4) and the one with a byte counter (L4, G0, L0).

A byte is on the wires while the access that asks for it is executed: the clock moves by its bits, and the flags are
right after it. The old one receives ahead, one byte at each look at SR1, into its data register and then into its shift
register, so that ACK, POS and STOP have their effect on the byte they have it on in silicon; a STOP lets the byte that
is under way come in, and what came stays until it is read.

Not modelled: slave mode, addresses of 10 bits, SMBus, PEC, arbitration, DMA. The bus runs at what CCR or TIMINGR say of
the core's clock: prescalers of the peripheral buses are not in it.

Neighbours: `Bank`; ``two_wire`` is the other end (`emu.cpu.external`). Bits and offsets: the vendor's CMSIS headers;
what sets and clears flags: the reference manuals, recalled.
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


# -- the old one --------------------------------------------------------------------------------------------

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


# -- the one with a counter ---------------------------------------------------------------------------------

N_CR1, N_CR2, TIMINGR, ISR, ICR, RXDR, TXDR = 0x00, 0x04, 0x10, 0x18, 0x1C, 0x24, 0x28
_RD_WRN, _ADD10, _N_START, _N_STOP, _RELOAD, _AUTOEND = 10, 11, 13, 14, 24, 25
N_TXE, N_TXIS, N_RXNE, N_NACKF, N_STOPF, N_TC, N_TCR = (1 << bit for bit in (0, 1, 2, 4, 5, 6, 7))
_BUSY = 1 << 15
_CLEARABLE = 0x3F38
_TXIE, _RXIE, _NACKIE, _STOPIE, _TCIE, _ERRIE = 1, 2, 4, 5, 6, 7


class NewI2c(TwoLines):
    """Models "i2c-v2" and "i2c-v2-joint", the latter with one interrupt line for all."""

    def __init__(self, world: Surroundings, entry: PeripheralEntry, *, joint: bool = False) -> None:
        super().__init__(world, entry, dict.fromkeys(range(0, 0x2C, 4), 0) | {ISR: 1}, joint=joint)
        self._forget()

    def reset(self) -> None:
        super().reset()
        self._forget()

    def _forget(self) -> None:
        self._flags = 0
        self._is_busy = self._reads = self._sends = False
        self._left = 0
        self._data: int | None = None
        self._waiting: int | None = None

    def loaded(self, register: int) -> int:
        if register == ISR:
            return self._status
        if register == RXDR:
            value, self._data = (self._data or 0), None
            self._receive()
            self._drive()
            return value
        return 0 if register in (ICR, TXDR) else super().loaded(register)

    def stored(self, register: int, value: int, lanes: int) -> None:
        if register == ICR:
            self._flags &= ~(value & _CLEARABLE)
        elif register == TXDR:
            self._give(value & 0xFF)
        elif register == N_CR2:
            self._control(value, lanes)
        elif register == ISR:
            if value & N_TXE:
                self._waiting = None
        elif register != RXDR:
            self.keep(register, value, lanes)
            if not self.has(N_CR1, 0):
                if self._is_busy:
                    self.two_wire.stop()
                self._forget()
        self._drive()

    @property
    def _status(self) -> int:
        asks = self._sends and bool(self._left) and not self._flags & (N_NACKF | N_TCR | N_TC)
        empty = N_TXE if self._waiting is None else 0
        return (
            self._flags | empty | (N_TXIS if asks else 0) | (N_RXNE if self._data is not None else 0)
            | (_BUSY if self._is_busy else 0)
        )  # fmt: skip

    def _control(self, value: int, lanes: int) -> None:
        self.keep(N_CR2, value & ~(1 << _N_START | 1 << _N_STOP), lanes)
        if not self.has(N_CR1, 0):
            return
        if value >> _N_START & 1:
            self._start()
        elif value >> _N_STOP & 1:
            self._stop()
        elif self._flags & N_TCR:
            self._left = self.words[N_CR2] >> 16 & 0xFF
            if self._left:
                self._flags &= ~N_TCR
                self._receive()

    def _start(self) -> None:
        if self.has(N_CR2, _ADD10):
            self.world.note(f"{self.name}: addresses of 10 bits are not modelled")
        self._flags &= ~(N_TC | N_TCR)
        self._is_busy, self._reads = True, self.has(N_CR2, _RD_WRN)
        self._left = self.words[N_CR2] >> 16 & 0xFF
        self._sends, self._data = False, None
        if not self.two_wire.start(self.words[N_CR2] >> 1 & 0x7F, reads=self._reads, hz=self._hz):
            self._refused()
        elif not self._left:
            self._count_out()
        elif self._reads:
            self._receive()
        else:
            self._sends = True
            if self._waiting is not None:
                byte, self._waiting = self._waiting, None
                self._give(byte)

    def _give(self, byte: int) -> None:
        if not (self._sends and self._left) or self._flags & (N_NACKF | N_TCR):
            self._waiting = byte
            return
        self._left -= 1
        if not self.two_wire.send(byte):
            self._refused()
        elif not self._left:
            self._count_out()

    def _receive(self) -> None:
        if not (self._is_busy and self._reads and self._left) or self._data is not None:
            return
        self._left -= 1
        is_last = not self._left and not self.has(N_CR2, _RELOAD)
        self._data = self.two_wire.receive(acknowledges=not is_last)
        if not self._left:
            self._count_out()

    def _refused(self) -> None:
        self._flags |= N_NACKF
        self._left = 0
        if self.has(N_CR2, _AUTOEND):
            self._stop()

    def _count_out(self) -> None:
        """All bytes that were asked for are over."""
        if self.has(N_CR2, _RELOAD):
            self._flags |= N_TCR
        elif self.has(N_CR2, _AUTOEND):
            self._stop()
        else:
            self._flags |= N_TC

    def _stop(self) -> None:
        if not self._is_busy:
            return
        self.two_wire.stop()
        self._is_busy = self._sends = self._reads = False
        self._flags = self._flags & ~(N_TC | N_TCR) | N_STOPF

    @property
    def _hz(self) -> int:
        word = self.words[TIMINGR]
        clocks = ((word >> 28) + 1) * ((word & 0xFF) + (word >> 8 & 0xFF) + 2)
        return max(1, self.world.clock_hz() // clocks)

    def _drive(self) -> None:
        status, enabled = self._status, self.words[N_CR1]
        causes = (
            (_TXIE, N_TXIS), (_RXIE, N_RXNE), (_NACKIE, N_NACKF), (_STOPIE, N_STOPF), (_TCIE, N_TC | N_TCR),
        )  # fmt: skip
        self.drive(any(enabled >> enable & 1 and status & flags for enable, flags in causes), False)
