"""I2C of STM32 with a byte counter (L4, G0, L0, H5), as the master of a bus. What is not modelled, and how time passes,
`i2c` says.

Neighbours: `i2c` has the old one and what both share. Bits and offsets: the vendor's CMSIS headers; what sets and
clears flags: the reference manuals, recalled.
"""

from __future__ import annotations

from emu.cpu.chip import PeripheralEntry
from emu.cpu.contract import Surroundings
from emu.cpu.peripherals.i2c import TwoLines

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
