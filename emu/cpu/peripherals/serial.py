"""Serial ports of STM32: both generations of the USART, and LPUART. A byte is sent the moment it is stored.

What is sent leaves through ``world.send``. What comes is told byte by byte, when its stop bit has come, by whoever is
at the other end of the line; so a byte that finds the last one unread is an overrun, as on the chip: the one that
waits stays, the one that comes is lost.

Not modelled: the line itself (noise, framing and parity errors, breaks; every byte has eight bits), the receiver
timeout, character match, FIFO thresholds, flow control.

Neighbours: `Bank`. Bits and offsets: the vendor's CMSIS headers; rules: RM0008, RM0090, RM0351, RM0444.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from emu.cpu.chip import PeripheralEntry
from emu.cpu.contract import Surroundings
from emu.cpu.faces import NOT_LISTENING, OVERRUN
from emu.cpu.peripherals.bank import Bank

_ORE, _IDLE, _RXNE, _TC, _TXE = 1 << 3, 1 << 4, 1 << 5, 1 << 6, 1 << 7
_TE, _RE = 1 << 3, 1 << 2
_IDLEIE, _RXNEIE, _TCIE, _TXEIE = 4, 5, 6, 7
_INTERRUPTS = 1 << _IDLEIE | 1 << _RXNEIE | 1 << _TCIE | 1 << _TXEIE
_DMAR, _DMAT = 6, 7
FIFO_DEPTH = 8


class Port(Bank):
    """What both generations share: bytes in, bytes out, one interrupt line, requests to a DMA (RM0008 27.3.13)."""

    CR3: int
    PUT_TO: int
    TAKEN_FROM: int
    """Offsets of the data register, to send and to receive."""

    def __init__(self, world: Surroundings, entry: PeripheralEntry, resets: dict[int, int], control: int) -> None:
        super().__init__(world, entry.name, resets)
        self._irq = entry.irq
        self._control = control
        self._held: deque[int] = deque()
        self._is_overrun = self._is_idle = self._was_busy = False
        self._line_is_up = False
        self._complete = True
        self.on_request: Callable[[], None] | None = None
        """Told whenever a DMA may be asked for something."""

    def reset(self) -> None:
        super().reset()
        self._held.clear()
        self._is_overrun = self._is_idle = self._was_busy = False
        self._complete = True
        self._line_is_up = False

    # -- the other end ------------------------------------------------------------------------------------------

    def arrives(self, byte: int) -> str:
        """As `Receives.arrives`."""
        if not self._receives:
            return NOT_LISTENING
        self._was_busy = True
        if len(self._held) < self._depth:
            self._held.append(byte)
            lost = ""
        else:
            lost = self._overruns(byte)
        self._drive()
        return lost

    def falls_idle(self) -> None:
        """As `Receives.falls_idle`. The flag is not set again before another byte has come."""
        if self._receives and self._was_busy:
            self._is_idle, self._was_busy = True, False
            self._drive()

    def _overruns(self, byte: int) -> str:
        self._is_overrun = True
        return OVERRUN

    # -- for both -------------------------------------------------------------------------------------------------

    @property
    def sends(self) -> bool:
        return bool(self.words[self._control] & _TE) and self._is_enabled

    @property
    def _is_enabled(self) -> bool:
        raise NotImplementedError

    @property
    def _depth(self) -> int:
        """How many bytes may wait."""
        return 1

    @property
    def _receives(self) -> bool:
        return bool(self.words[self._control] & _RE) and self._is_enabled

    @property
    def _status(self) -> int:
        flags = _TXE | (_TC if self._complete else 0) | (_RXNE if self._held else 0)
        return flags | (_ORE if self._is_overrun else 0) | (_IDLE if self._is_idle else 0)

    def _send(self, value: int) -> None:
        if self.sends:
            self._complete = True
            self.world.send(self.name, bytes([value & 0xFF]))
        else:
            self.world.note(f"{self.name}: {value & 0xFF:#04x} is not sent: UE and TE are not both set")

    # -- a DMA ----------------------------------------------------------------------------------------------------

    def asks(self, *, sends: bool) -> bool:
        """Whether a DMA is asked for a byte to send, or to take one that has come."""
        if sends:
            return self.sends and self.has(self.CR3, _DMAT)
        return bool(self._held) and self.has(self.CR3, _DMAR)

    def puts(self, byte: int) -> None:
        """A DMA writes the data register."""
        self._send(byte)

    def takes(self) -> int:
        """A DMA reads it."""
        return self._take()

    def _take(self) -> int:
        return self._held.popleft() if self._held else 0

    def _clear(self, flags: int) -> None:
        self._is_overrun = self._is_overrun and not flags & _ORE
        self._is_idle = self._is_idle and not flags & _IDLE
        self._complete = self._complete and not flags & _TC

    def _drive(self) -> None:
        """The interrupt line follows flags and enables, and what a DMA takes at once interrupts nobody."""
        if self.on_request is not None and (self.asks(sends=True) or self.asks(sends=False)):
            self.on_request()
        control = self.words[self._control]
        if self._irq is None or not (control & _INTERRUPTS or self._line_is_up):
            return
        status = self._status
        wanted = ((_IDLEIE, _IDLE), (_RXNEIE, _RXNE | _ORE), (_TCIE, _TC), (_TXEIE, _TXE))
        up = any(control >> enable & 1 and status & flags for enable, flags in wanted)
        if up != self._line_is_up:
            self._line_is_up = up
            (self.world.raise_irq if up else self.world.clear_irq)(self._irq)


class OldPort(Port):
    """Model "usart-v1": F1 and F4. SR, DR, BRR, CR1, CR2, CR3, GTPR."""

    SR, DR, CR1, CR3 = 0x00, 0x04, 0x0C, 0x14
    PUT_TO = TAKEN_FROM = DR

    def __init__(self, world: Surroundings, entry: PeripheralEntry) -> None:
        super().__init__(world, entry, dict.fromkeys(range(0, 0x1C, 4), 0), self.CR1)
        self._seen = 0

    def reset(self) -> None:
        super().reset()
        self._seen = 0

    @property
    def _is_enabled(self) -> bool:
        return self.has(self.CR1, 13)

    def shown(self, offset: int) -> int:
        return self._status if offset == self.SR else super().shown(offset)

    def loaded(self, register: int) -> int:
        if register == self.SR:
            self._seen = self._status & (_ORE | _IDLE)
            return self._status
        if register != self.DR:
            return super().loaded(register)
        value, seen, self._seen = self._take(), self._seen, 0
        self._clear(seen)  # a read of SR, then one of DR
        self._drive()
        return value

    def stored(self, register: int, value: int, lanes: int) -> None:
        if register == self.DR:
            self._send(value)
        elif register == self.SR:
            self._clear(lanes & ~value & _TC)
            if lanes & ~value & _RXNE:
                self._held.clear()
        else:
            self.keep(register, value, lanes)
        self._drive()


class NewPort(Port):
    """Models "usart-v2" and "lpuart": L4, G0, L0, H5. CR1, CR2, CR3, BRR, ..., RQR, ISR, ICR, RDR, TDR, PRESC. Where
    FIFOEN is set, `FIFO_DEPTH` bytes wait."""

    CR1, CR3, RQR, ISR, ICR, RDR, TDR = 0x00, 0x08, 0x18, 0x1C, 0x20, 0x24, 0x28
    PUT_TO, TAKEN_FROM = TDR, RDR
    _OVRDIS = 12

    def __init__(self, world: Surroundings, entry: PeripheralEntry) -> None:
        super().__init__(world, entry, dict.fromkeys(range(0, 0x30, 4), 0), self.CR1)

    @property
    def _is_enabled(self) -> bool:
        return self.has(self.CR1, 0)

    def shown(self, offset: int) -> int:
        return self.loaded(self.ISR) if offset == self.ISR else super().shown(offset)

    @property
    def _depth(self) -> int:
        return FIFO_DEPTH if self.has(self.CR1, 29) else 1

    def _overruns(self, byte: int) -> str:
        if self.has(self.CR3, self._OVRDIS):
            self._held[-1] = byte
            return OVERRUN
        return super()._overruns(byte)

    def loaded(self, register: int) -> int:
        if register == self.ISR:
            is_full = self._depth > 1 and len(self._held) == self._depth
            has_fifo = self._depth > 1
            return self._status | self.sends << 21 | self._receives << 22 | has_fifo << 23 | is_full << 24
        if register == self.RDR:
            value = self._take()
            self._drive()
            return value
        return 0 if register in (self.RQR, self.ICR, self.TDR) else super().loaded(register)

    def stored(self, register: int, value: int, lanes: int) -> None:
        if register == self.TDR:
            self._send(value)
        elif register == self.ICR:
            self._clear(value)
        elif register == self.RQR:
            if value >> 3 & 1:
                self._held.clear()
        elif register not in (self.ISR, self.RDR):
            self.keep(register, value, lanes)
            if not self._is_enabled:
                self._held.clear()
                self._clear(_ORE | _IDLE)
        self._drive()
