"""SPI of STM32, as the master of a bus: the old one (F1, F4, L0) and the one with a FIFO (L4, G0).

A frame is on the wire while the store that starts it is executed: the clock moves by its bits, and TXE and RXNE are set
right after. So a driver that waits behaves as on silicon; that one looks at RXNE too early is not found. The bus runs
at the core's clock divided by BR: prescalers of the peripheral buses are not in it.

Not modelled: slave mode, CRC, I2S, TI frames, reception alone (RXONLY), frames of other lengths than 8 and 16 bits, and
DMA. Whoever uses one of them is told by a note. The select line is a pin of a port (`small`), never NSS.

Neighbours: `Bank`; ``wire`` is the other end (`emu.cpu.external`). Bits and offsets: the vendor's CMSIS headers; what
clears OVR: the reference manuals, recalled.
"""

from __future__ import annotations

from collections import deque

from emu.cpu.chip import PeripheralEntry
from emu.cpu.contract import SpiWire, Surroundings
from emu.cpu.peripherals.bank import Bank

CR1, CR2, SR, DR, CRCPR = 0x00, 0x04, 0x08, 0x0C, 0x10
_MSTR, _SPE, _LSBFIRST, _SSI, _SSM, _RXONLY, _DFF = 2, 6, 7, 8, 9, 10, 11
_CRCEN, _BIDIOE, _BIDIMODE = 13, 14, 15
_RXDMAEN, _TXDMAEN, _SSOE, _ERRIE, _RXNEIE, _TXEIE, _FRXTH = 0, 1, 2, 5, 6, 7, 12
_RXNE, _TXE, _MODF, _OVR = 1 << 0, 1 << 1, 1 << 5, 1 << 6
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class Unwired:
    """Nothing hangs on the bus: the line is high."""

    def exchange(self, data: bytes, hz: int) -> bytes:
        return b"\xff" * len(data)


class Spi(Bank):
    """What both generations share. ``received``: what has come and was not read, byte by byte as on the wire."""

    DEPTH = 0
    """Bytes that fit, or at least one frame, before the next one is lost."""

    def __init__(self, world: Surroundings, entry: PeripheralEntry, resets: dict[int, int]) -> None:
        super().__init__(world, entry.name, resets)
        self.wire: SpiWire = Unwired()
        self._irq = entry.irq
        self._received: deque[int] = deque()
        self._forget()

    def reset(self) -> None:
        super().reset()
        self._forget()

    def _forget(self) -> None:
        self._received.clear()
        self._overrun = self._fault = False
        self._was_read_since = False
        self._line_is_up = False
        self._settle()

    def _settle(self) -> None:
        """What the control registers say, in words: it is asked for every byte."""
        self._unable = self._why_not()
        self._divisor_bits = (self.words[CR1] >> 3 & 7) + 1
        self._is_reversed = self.has(CR1, _LSBFIRST)
        self._is_deaf = self.has(CR1, _BIDIMODE) and self.has(CR1, _BIDIOE)

    # -- registers ------------------------------------------------------------------------------------------

    def read(self, offset: int, size: int) -> int:
        if offset == SR:
            value = self._status
            if self._overrun and self._was_read_since:
                self._overrun = self._was_read_since = False
                self._drive()
            return value
        if offset == DR:
            value = self._take(size)
            self._was_read_since = True
            self._drive()
            return value
        return super().read(offset, size)

    def write(self, offset: int, size: int, value: int) -> None:
        if offset == DR:
            self._send(size, value)
            self._drive()
        else:
            super().write(offset, size, value)

    def stored(self, register: int, value: int, lanes: int) -> None:
        if register == SR:
            return
        self.keep(register, value, lanes)
        if register == CR1:
            self._fault = False
            if self.has(CR1, _MSTR) and self.has(CR1, _SSM) and not self.has(CR1, _SSI):
                self._lose_the_bus()
        self._settle()
        self._drive()

    def _lose_the_bus(self) -> None:
        """Software says that another master selects this one: it is no master any more, and off."""
        self._fault = True
        self.put(CR1, _MSTR, False)
        self.put(CR1, _SPE, False)

    @property
    def _status(self) -> int:
        ready = _RXNE if self._is_ready else 0
        return _TXE | ready | (_OVR if self._overrun else 0) | (_MODF if self._fault else 0)

    @property
    def _is_ready(self) -> bool:
        return bool(self._received)

    # -- the wire -------------------------------------------------------------------------------------------

    @property
    def frame_size(self) -> int:
        """Bytes of one frame."""
        raise NotImplementedError

    def _take(self, size: int) -> int:
        raise NotImplementedError

    def _send(self, size: int, value: int) -> None:
        raise NotImplementedError

    def _transfer(self, frame: bytes) -> None:
        """One frame, its most significant byte first."""
        if self._unable:
            self.world.note(f"{self.name}: {frame.hex()} is not sent: {self._unable}")
            return
        hz = self.world.clock_hz() >> self._divisor_bits or 1
        if self._is_reversed:
            reply = _reversed(self.wire.exchange(_reversed(frame), hz))
        else:
            reply = self.wire.exchange(frame, hz)
        if self._is_deaf:
            return  # one line, and it is an output
        if len(self._received) + len(reply) > max(self.DEPTH, len(reply)):
            self._overrun, self._was_read_since = True, False
            return
        self._received.extend(reply)

    def _why_not(self) -> str:
        """Why nothing is sent; "": it is."""
        if not self.has(CR1, _SPE):
            return "SPE is not set"
        if not self.has(CR1, _MSTR):
            return "it is no master (MSTR), and slaves are not modelled"
        if self.has(CR1, _RXONLY) or (self.has(CR1, _BIDIMODE) and not self.has(CR1, _BIDIOE)):
            return "reception alone is not modelled"
        if self.has(CR1, _CRCEN):
            return "frames with a CRC are not modelled"
        return "DMA is not modelled" if self.words[CR2] & (1 << _RXDMAEN | 1 << _TXDMAEN) else ""

    def _drive(self) -> None:
        if self._irq is None:
            return
        enabled, status = self.words[CR2], self._status
        up = bool(
            (enabled >> _RXNEIE & 1 and status & _RXNE)
            or enabled >> _TXEIE & 1
            or (enabled >> _ERRIE & 1 and status & (_OVR | _MODF))
        )
        if up != self._line_is_up:
            self._line_is_up = up
            (self.world.raise_irq if up else self.world.clear_irq)(self._irq)


def _reversed(frame: bytes) -> bytes:
    """The least significant bit first."""
    return bytes(_REVERSED[byte] for byte in reversed(frame))


class OldSpi(Spi):
    """Model "spi-v1": F1, F4 and L0. One frame each way; DFF says whether it has 8 or 16 bits."""

    def __init__(self, world: Surroundings, entry: PeripheralEntry) -> None:
        super().__init__(world, entry, dict.fromkeys(range(0, 0x24, 4), 0) | {SR: 2, CRCPR: 7, 0x20: 2})
        self._last = 0

    @property
    def frame_size(self) -> int:
        return 2 if self.has(CR1, _DFF) else 1

    def _send(self, size: int, value: int) -> None:
        frame = self.frame_size
        self._transfer((value & (1 << 8 * frame) - 1).to_bytes(frame, "big"))

    def _take(self, size: int) -> int:
        if self._received:
            self._last = int.from_bytes(bytes(self._received), "big")
            self._received.clear()
        return self._last & (1 << 8 * size) - 1


class NewSpi(Spi):
    """Model "spi-v2": L4 and G0. A FIFO of four bytes; an access of a half-word or a word to DR is two frames of up to
    8 bits each."""

    DEPTH = 4

    def __init__(self, world: Surroundings, entry: PeripheralEntry) -> None:
        super().__init__(world, entry, dict.fromkeys(range(0, 0x24, 4), 0) | {CR2: 0x700, SR: 2, CRCPR: 7})

    @property
    def frame_size(self) -> int:
        """DS below four bits counts as eight."""
        bits = (self.words[CR2] >> 8 & 0xF) + 1
        return 2 if bits > 8 else 1

    def _why_not(self) -> str:
        bits = (self.words[CR2] >> 8 & 0xF) + 1
        return super()._why_not() or (f"frames of {bits} bits are not modelled" if bits not in (1, 2, 3, 8, 16) else "")

    @property
    def _status(self) -> int:
        level = len(self._received)
        return super()._status | min(3, level) << 9

    @property
    def _is_ready(self) -> bool:
        return len(self._received) >= (1 if self.has(CR2, _FRXTH) else 2)

    def _send(self, size: int, value: int) -> None:
        if self.frame_size == 2:
            self._transfer((value & 0xFFFF).to_bytes(2, "big"))
            return
        for at in range(min(size, 2)):
            self._transfer(bytes([value >> 8 * at & 0xFF]))

    def _take(self, size: int) -> int:
        wanted = 2 if self.frame_size == 2 else min(size, 2)
        taken = bytes(self._received.popleft() if self._received else 0 for _ in range(wanted))
        return int.from_bytes(taken, "big" if self.frame_size == 2 else "little")
