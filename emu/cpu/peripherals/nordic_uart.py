"""The serial port of the nRF52 in both of its forms: UART, byte by byte, and UARTE, which copies from and to RAM.

Sending happens at once. What comes is told byte by byte by whoever is at the other end of the line. A UART holds
`FIFO` bytes, the one in RXD among them; reading RXD brings the next one there, with another RXDRDY. A UARTE writes to
where RXD.PTR pointed when it was started; between ENDRX and the next STARTRX it holds `DMA_FIFO` bytes. What finds
no room is lost, with ERROR and ERRORSRC.OVERRUN. STOPRX stops at once: ENDRX if a buffer was open, then RXTO.

Not modelled: the line (framing, parity, breaks, flow control), SUSPEND, and the receiver that goes on a little after
STOPRX. Of FLUSHRX, the silicon's: with nothing to flush, AMOUNT keeps its value.

Neighbours: `nordic` has events and tasks. Source: the nRF52840 SVD, its product specification as quoted, the vendor's
driver; depths: the specification (UART), Zephyr's driver (UARTE).
"""

from __future__ import annotations

from collections import deque

from emu.cpu.chip import PeripheralEntry
from emu.cpu.contract import BusFault, Surroundings
from emu.cpu.faces import NOT_LISTENING, OVERRUN
from emu.cpu.peripherals.bank import WORD
from emu.cpu.peripherals.nordic import Nordic

FIFO, DMA_FIFO = 6, 5
_ENDRX_STARTRX, _ENDRX_STOPRX = 5, 6


class Uart(Nordic):
    """Model "nrf-uart": UART (ENABLE 4) and UARTE (ENABLE 8), chosen by what firmware writes to ENABLE."""

    STARTRX, STOPRX, STARTTX, STOPTX, FLUSHRX = 0x000, 0x004, 0x008, 0x00C, 0x02C
    RXDRDY, ENDRX, TXDRDY, ENDTX, ERROR, RXTO, RXSTARTED, TXSTARTED, TXSTOPPED = (
        0x108, 0x110, 0x11C, 0x120, 0x124, 0x144, 0x14C, 0x150, 0x158,
    )  # fmt: skip
    SHORTS, ERRORSRC, ENABLE, RXD, TXD = 0x200, 0x480, 0x500, 0x518, 0x51C
    RX_PTR, RX_MAXCNT, RX_AMOUNT, TX_PTR, TX_MAXCNT, TX_AMOUNT = 0x534, 0x538, 0x53C, 0x544, 0x548, 0x54C

    def __init__(self, world: Surroundings, entry: PeripheralEntry) -> None:
        named = [0x000, 0x004, 0x008, 0x00C, 0x01C, 0x02C, *range(0x100, 0x15C, 4), self.SHORTS, self.ERRORSRC]
        named += [self.ENABLE, *range(0x508, 0x528, 4), *range(0x534, 0x550, 4), 0x56C]
        pins = dict.fromkeys((0x508, 0x50C, 0x510, 0x514), WORD)
        self._held: deque[int] = deque()
        super().__init__(world, entry, named, pins | {0x524: 0x0400_0000})
        self._stop()

    def reset(self) -> None:
        super().reset()
        self._stop()

    def _stop(self) -> None:
        self._held.clear()
        self._sends = self._listens = False
        self._room: tuple[int, int] | None = None
        self._got = 0

    # -- the other end ------------------------------------------------------------------------------------------

    def arrives(self, byte: int) -> str:
        """As `Receives.arrives`."""
        if not self._listens:
            return NOT_LISTENING
        if self._has_dma and self._room is not None:
            self.words[self.RXDRDY] = 1
            self._store(byte)
            self._drive()
            return ""
        if len(self._held) >= (DMA_FIFO if self._has_dma else FIFO):
            self.words[self.ERRORSRC] |= 1
            self.happened(self.ERROR)
            return OVERRUN
        self._held.append(byte)
        if self._has_dma or len(self._held) == 1:
            self.words[self.RXD] = self._held[0]
            self.happened(self.RXDRDY)
        return ""

    def falls_idle(self) -> None:
        """As `Receives.falls_idle`. The chip has nothing to say about it."""

    # -- registers ------------------------------------------------------------------------------------------------

    @property
    def _has_dma(self) -> bool:
        return self.words[self.ENABLE] & 0xF == 8

    def task(self, register: int) -> None:
        if not self.words[self.ENABLE]:
            self.world.note(f"{self.name}: task {register:#05x} while the port is disabled")
        elif register == self.STARTTX:
            self._sends = True
            if self._has_dma:
                self._send_from_memory()
        elif register == self.STOPTX:
            self._sends = False
            if self._has_dma:
                self.happened(self.TXSTOPPED)
        elif register == self.STARTRX:
            self._start_reception()
        elif register == self.STOPRX:
            self._stop_reception()
        elif register == self.FLUSHRX and self._has_dma:
            self._flush()

    def loaded(self, register: int) -> int:
        value = super().loaded(register)
        if register == self.RXD and self._held and not self._has_dma:
            self._held.popleft()
            if self._held:
                self.words[self.RXD] = self._held[0]
                self.happened(self.RXDRDY)
        return value

    def stored(self, register: int, value: int, lanes: int) -> None:
        if register == self.TXD:
            if self._sends:
                self.world.send(self.name, bytes([value & 0xFF]))
                self.happened(self.TXDRDY)
            else:
                self.world.note(f"{self.name}: {value & 0xFF:#04x} is not sent: no STARTTX before it")
        elif register == self.ERRORSRC:
            self.words[register] &= ~value  # a 1 clears
        elif register != self.RXD:
            super().stored(register, value, lanes)
            if register == self.ENABLE and not value:
                self._stop()

    # -- sending --------------------------------------------------------------------------------------------------

    def _send_from_memory(self) -> None:
        address, length = self.words[self.TX_PTR], self.words[self.TX_MAXCNT] & 0xFFFF
        try:
            data = self.world.memory.read(address, length)
        except BusFault:
            self.world.note(f"{self.name}: TXD.PTR {address:#010x} is not in RAM, which its DMA needs: nothing is sent")
            data = b""
        if data:
            self.world.send(self.name, data)
        self.words[self.TX_AMOUNT] = len(data)
        self.happened(self.TXSTARTED, self.TXDRDY, self.ENDTX)

    # -- receiving ------------------------------------------------------------------------------------------------

    def _start_reception(self) -> None:
        self._listens = True
        if not self._has_dma:
            return
        self._open()
        self.happened(self.RXSTARTED)
        while self._held and self._room is not None:
            self._store(self._held.popleft())
        self._drive()

    def _open(self) -> None:
        """Where the next bytes go: pointer and length are taken over now."""
        self._room, self._got = (self.words[self.RX_PTR], self.words[self.RX_MAXCNT] & 0xFFFF), 0

    def _store(self, byte: int) -> None:
        assert self._room is not None, "a byte is stored where no buffer is open: please report"
        address, size = self._room
        if self._got < size:
            try:
                self.world.memory.write(address + self._got, bytes([byte]))
            except BusFault:
                self.world.note(f"{self.name}: RXD.PTR {address:#010x} is not in RAM, which its DMA needs")
            self._got += 1
        if self._got >= size:
            self._end_buffer()

    def _end_buffer(self) -> None:
        self._close()
        shorts = self.words[self.SHORTS]
        if shorts >> _ENDRX_STARTRX & 1 and self.words[self.RX_MAXCNT] & 0xFFFF:
            self._open()
            self.words[self.RXSTARTED] = 1
        if shorts >> _ENDRX_STOPRX & 1:
            self._stop_reception()

    def _close(self) -> None:
        self.words[self.RX_AMOUNT] = self._got
        self._room = None
        self.words[self.ENDRX] = 1

    def _stop_reception(self) -> None:
        self._listens = False
        if self._room is not None:
            self._close()
        self.happened(self.RXTO)

    def _flush(self) -> None:
        """What waits goes to RAM. AMOUNT keeps its value where nothing did."""
        if self._held:
            self._open()
            while self._held and self._room is not None:
                self._store(self._held.popleft())
            if self._room is not None:
                self._close()
        else:
            self.words[self.ENDRX] = 1
        self._drive()
