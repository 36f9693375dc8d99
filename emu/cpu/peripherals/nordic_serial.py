"""nRF52: one block of registers that is an SPI or an I2C master, chosen by what firmware writes to ENABLE.

SPIM and TWIM copy from and to RAM; the legacy SPI moves a byte at a time. What a task starts is on the wires while the
store that triggers it is executed, and its events are there after it. Not modelled: slaves, the legacy TWI, lists of
buffers, and the hardware's own chip select of SPIM3: the select line is a pin of a port.

Neighbours: `Nordic`; ``wire`` and ``two_wire`` are the other ends (`emu.cpu.external`). Source: the nRF52840 SVD; what
happens to bytes behind an address that nobody acknowledges: recalled.
"""

from __future__ import annotations

from collections import deque

from emu.cpu.chip import PeripheralEntry
from emu.cpu.contract import BusFault, SpiWire, Surroundings, TwoWire
from emu.cpu.peripherals.bank import WORD
from emu.cpu.peripherals.i2c import Unwired as NoTwoWire
from emu.cpu.peripherals.nordic import Nordic
from emu.cpu.peripherals.spi import Unwired as NoWire

SPI, TWI, TWIM, SPIM = 1, 5, 6, 7
_SHORTS, _ERRORSRC, _ENABLE, _RXD, _TXD, _FREQUENCY, _ADDRESS, _ORC = (
    0x200, 0x4C4, 0x500, 0x518, 0x51C, 0x524, 0x588, 0x5C0,
)  # fmt: skip
_RX_PTR, _RX_MAXCNT, _RX_AMOUNT, _TX_PTR, _TX_MAXCNT, _TX_AMOUNT = 0x534, 0x538, 0x53C, 0x544, 0x548, 0x54C
_ANACK, _DNACK = 1 << 1, 1 << 2
_FULL = 16_000_000


class SerialBox(Nordic):
    """Model "nrf-spi-twi"."""

    READY = 0x108
    START, STOP, END, ENDRX, ENDTX, STARTED, STOPPED = 0x010, 0x014, 0x118, 0x110, 0x120, 0x14C, 0x104
    STARTRX, STARTTX, SUSPEND, RESUME = 0x000, 0x008, 0x01C, 0x020
    ERROR, SUSPENDED, RXSTARTED, TXSTARTED, LASTRX, LASTTX = 0x124, 0x148, 0x14C, 0x150, 0x15C, 0x160

    def __init__(self, world: Surroundings, entry: PeripheralEntry) -> None:
        named = [*range(0x000, 0x024, 4), *range(0x100, 0x164, 4), _SHORTS, _ERRORSRC, _ENABLE]
        named += [*range(0x508, 0x528, 4), *range(0x534, 0x558, 4), 0x560, 0x564, 0x568, 0x56C, 0x570, _ADDRESS, _ORC]
        pins = dict.fromkeys((0x508, 0x50C, 0x510, 0x514), WORD)
        super().__init__(world, entry, named, pins | {_FREQUENCY: 0x0400_0000})
        self.wire: SpiWire = NoWire()
        self.two_wire: TwoWire = NoTwoWire()
        self._is_open = False
        self._came: deque[int] = deque()

    def reset(self) -> None:
        super().reset()
        self._is_open = False
        self._came.clear()

    @property
    def _mode(self) -> int:
        return self.words[_ENABLE] & 0xF

    @property
    def _hz(self) -> int:
        """FREQUENCY is a share of 16 MHz; the two values above 8 MHz are names."""
        value = self.words[_FREQUENCY]
        return {0x0A00_0000: 16_000_000, 0x1400_0000: 32_000_000}.get(value) or max(1, _FULL * value >> 32)

    def task(self, register: int) -> None:
        if self._mode == SPIM and register == self.START:
            self._exchange()
        elif self._mode == TWIM and register in (self.STARTTX, self.STARTRX):
            (self._transmit if register == self.STARTTX else self._receive)()
        elif register == self.STOP and self._mode in (SPIM, TWIM):
            self._stop()
        elif self._mode == TWIM and register == self.SUSPEND:
            self.happened(self.SUSPENDED)
        elif not self._mode or self._mode == TWI:
            why = "the legacy TWI is not modelled" if self._mode else "it is not enabled"
            self.world.note(f"{self.name}: task {register:#05x}: {why}")

    def loaded(self, register: int) -> int:
        if register == _RXD and self._mode == SPI:
            value = self._came.popleft() if self._came else 0
            if self._came:
                self.happened(self.READY)
            return value
        return super().loaded(register)

    def stored(self, register: int, value: int, lanes: int) -> None:
        if register == _TXD and self._mode == SPI:
            self._came += self.wire.exchange(bytes([value & 0xFF]), self._hz)
            self.happened(self.READY)
        elif register == _ERRORSRC:
            self.words[register] &= ~value
        else:
            super().stored(register, value, lanes)

    # -- SPIM -----------------------------------------------------------------------------------------------

    def _exchange(self) -> None:
        sent, wanted = self._outgoing(), self.words[_RX_MAXCNT] & 0xFFFF
        length = max(len(sent), wanted)
        self.happened(self.STARTED)
        reply = self.wire.exchange(sent.ljust(length, bytes([self.words[_ORC] & 0xFF])), self._hz) if length else b""
        self._incoming(reply[:wanted])
        self.happened(self.ENDTX, self.ENDRX, self.END)

    def _outgoing(self) -> bytes:
        address, length = self.words[_TX_PTR], self.words[_TX_MAXCNT] & 0xFFFF
        try:
            data = self.world.memory.read(address, length) if length else b""
        except BusFault:
            self.world.note(f"{self.name}: TXD.PTR {address:#010x} is not in RAM, which its DMA needs: nothing is sent")
            data = b""
        self.words[_TX_AMOUNT] = len(data)
        return data

    def _incoming(self, data: bytes) -> None:
        address = self.words[_RX_PTR]
        try:
            if data:
                self.world.memory.write(address, data)
        except BusFault:
            self.world.note(f"{self.name}: RXD.PTR {address:#010x} is not in RAM, which its DMA needs")
        self.words[_RX_AMOUNT] = len(data)

    # -- TWIM -----------------------------------------------------------------------------------------------

    def _begin(self, *, reads: bool) -> bool:
        self._is_open = True
        if self.two_wire.start(self.words[_ADDRESS] & 0x7F, reads=reads, hz=self._hz):
            return True
        self.words[_ERRORSRC] |= _ANACK
        self.happened(self.ERROR)
        return False

    def _transmit(self) -> None:
        self.happened(self.TXSTARTED)
        data = self._outgoing()
        self.words[_TX_AMOUNT] = 0
        if not self._begin(reads=False):
            return
        for byte in data:
            if not self.two_wire.send(byte):
                self.words[_ERRORSRC] |= _DNACK
                self.happened(self.ERROR)
                return
            self.words[_TX_AMOUNT] += 1
        self.happened(self.LASTTX)
        if self._has_short(7):
            self._receive()
        elif self._has_short(9):
            self._stop()

    def _receive(self) -> None:
        self.happened(self.RXSTARTED)
        self.words[_RX_AMOUNT] = 0
        if not self._begin(reads=True):
            return
        wanted = self.words[_RX_MAXCNT] & 0xFFFF
        data = bytes(self.two_wire.receive(acknowledges=at + 1 < wanted) for at in range(wanted))
        self._incoming(data)
        self.happened(self.LASTRX)
        if self._has_short(12):
            self._stop()

    def _stop(self) -> None:
        if self._is_open:
            self._is_open = False
            self.two_wire.stop()
        self.happened(self.STOPPED)

    def _has_short(self, bit: int) -> bool:
        return self.has(_SHORTS, bit)
