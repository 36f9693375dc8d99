"""Serial ports of STM32: both generations of the USART, and LPUART. A byte is sent the moment it is stored.

What is sent leaves through ``world.send``; what is to be received is put in with `receive`, and comes one byte each
time the last one was read. There is no line: no baud rate, no framing, no noise, and no overrun, since nothing comes
before there is room. DMA is not modelled.

Neighbours: `Bank`. Bits and offsets: the vendor's CMSIS headers.
"""

from __future__ import annotations

from collections import deque

from emu.cpu.chip import PeripheralEntry
from emu.cpu.contract import Surroundings
from emu.cpu.peripherals.bank import Bank

_RXNE, _TC, _TXE = 1 << 5, 1 << 6, 1 << 7
_TE, _RE = 1 << 3, 1 << 2
_RXNEIE, _TCIE, _TXEIE = 5, 6, 7


class Port(Bank):
    """What both generations share: bytes in, bytes out, one interrupt line."""

    def __init__(self, world: Surroundings, entry: PeripheralEntry, resets: dict[int, int], control: int) -> None:
        super().__init__(world, entry.name, resets)
        self._irq = entry.irq
        self._control = control
        self._waiting: deque[int] = deque()
        self._line_is_up = False
        self._complete = True

    def reset(self) -> None:
        super().reset()
        self._waiting.clear()
        self._complete = True
        self._line_is_up = False

    def receive(self, data: bytes) -> None:
        """Bytes that come over the line, in order."""
        self._waiting.extend(data)
        self._drive()

    @property
    def sends(self) -> bool:
        return bool(self.words[self._control] & _TE) and self._is_enabled

    @property
    def _is_enabled(self) -> bool:
        raise NotImplementedError

    @property
    def _receives(self) -> bool:
        return bool(self.words[self._control] & _RE) and self._is_enabled

    @property
    def _status(self) -> int:
        ready = _RXNE if self._waiting and self._receives else 0
        return _TXE | (_TC if self._complete else 0) | ready

    def _send(self, value: int) -> None:
        if self.sends:
            self._complete = True
            self.world.send(self.name, bytes([value & 0xFF]))
        else:
            self.world.note(f"{self.name}: {value & 0xFF:#04x} is not sent: UE and TE are not both set")

    def _take(self) -> int:
        value = self._waiting.popleft() if self._waiting and self._receives else 0
        self._drive()
        return value

    def _drive(self) -> None:
        """The interrupt line follows flags and enables."""
        if self._irq is None:
            return
        control, status = self.words[self._control], self._status
        up = any(control >> enable & 1 and status & 1 << enable for enable in (_RXNEIE, _TCIE, _TXEIE))
        if up != self._line_is_up:
            self._line_is_up = up
            (self.world.raise_irq if up else self.world.clear_irq)(self._irq)


class OldPort(Port):
    """Model "usart-v1": F1 and F4. SR, DR, BRR, CR1, CR2, CR3, GTPR."""

    SR, DR, CR1 = 0x00, 0x04, 0x0C

    def __init__(self, world: Surroundings, entry: PeripheralEntry) -> None:
        super().__init__(world, entry, dict.fromkeys(range(0, 0x1C, 4), 0), self.CR1)

    @property
    def _is_enabled(self) -> bool:
        return self.has(self.CR1, 13)

    def shown(self, offset: int) -> int:
        return self._status if offset == self.SR else super().shown(offset)

    def loaded(self, register: int) -> int:
        if register == self.SR:
            return self._status
        return self._take() if register == self.DR else super().loaded(register)

    def stored(self, register: int, value: int, lanes: int) -> None:
        if register == self.DR:
            self._send(value)
        elif register == self.SR:
            self._complete = self._complete and bool(value & _TC or not lanes & _TC)
        else:
            self.keep(register, value, lanes)
        self._drive()


class NewPort(Port):
    """Models "usart-v2" and "lpuart": L4, G0, L0, H5. CR1, CR2, CR3, BRR, ..., RQR, ISR, ICR, RDR, TDR, PRESC."""

    CR1, RQR, ISR, ICR, RDR, TDR = 0x00, 0x18, 0x1C, 0x20, 0x24, 0x28

    def __init__(self, world: Surroundings, entry: PeripheralEntry) -> None:
        super().__init__(world, entry, dict.fromkeys(range(0, 0x30, 4), 0), self.CR1)

    @property
    def _is_enabled(self) -> bool:
        return self.has(self.CR1, 0)

    def shown(self, offset: int) -> int:
        return self.loaded(self.ISR) if offset == self.ISR else super().shown(offset)

    def loaded(self, register: int) -> int:
        if register == self.ISR:
            return self._status | self.sends << 21 | self._receives << 22 | self.has(self.CR1, 29) << 23
        if register == self.RDR:
            return self._take()
        return 0 if register in (self.RQR, self.ICR, self.TDR) else super().loaded(register)

    def stored(self, register: int, value: int, lanes: int) -> None:
        if register == self.TDR:
            self._send(value)
        elif register == self.ICR:
            self._complete = self._complete and not value & _TC
        elif register == self.RQR:
            if value >> 3 & 1:
                self._take()
        elif register not in (self.ISR, self.RDR):
            self.keep(register, value, lanes)
        self._drive()
