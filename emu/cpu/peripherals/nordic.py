"""nRF52: clock and power, and the serial port in both of its forms. Tasks start what events report, at once.

The UARTE copies from RAM when it is started; reception puts bytes where RXD.PTR points. There is no line: no baud rate
and no flow control. Neighbours: `Bank`. Source: the nRF52840 SVD and the vendor's driver.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from emu.cpu.chip import PeripheralEntry
from emu.cpu.contract import BusFault, Surroundings
from emu.cpu.peripherals.bank import WORD, Bank

INTENSET, INTENCLR = 0x304, 0x308
_EVENTS = 0x100
_REASONS = {"pin": 0, "wdt": 1, "software": 2, "lockup": 3}
"""Bits of RESETREAS by cause."""


class Nordic(Bank):
    """Events are words that are 0 or 1 and cleared by writing 0; the interrupt line is up while an enabled one is 1."""

    def __init__(
        self, world: Surroundings, entry: PeripheralEntry, named: Iterable[int], resets: dict[int, int]
    ) -> None:
        super().__init__(world, entry.name, dict.fromkeys((*named, 0x300, INTENSET, INTENCLR), 0) | resets)
        self._irq = entry.irq
        self._line_is_up = False
        self._enabled = 0

    def reset(self) -> None:
        super().reset()
        self._enabled, self._line_is_up = 0, False

    def loaded(self, register: int) -> int:
        return self._enabled if register in (0x300, INTENSET, INTENCLR) else super().loaded(register)

    def stored(self, register: int, value: int, lanes: int) -> None:
        if register == INTENSET:
            self._enabled |= value
        elif register == INTENCLR:
            self._enabled &= ~value
        elif register == 0x300:
            self._enabled = value
        elif register < _EVENTS:
            if value & 1:
                self.task(register)
        else:
            self.keep(register, value, lanes)
        self._drive()

    def task(self, register: int) -> None:
        """Task ``register`` was triggered."""

    def happened(self, *events: int) -> None:
        for event in events:
            self.words[event] = 1
        self._drive()

    def _drive(self) -> None:
        if self._irq is None or not (self._enabled or self._line_is_up):
            return
        up = any(self._enabled >> bit & 1 and self.words.get(_EVENTS + 4 * bit, 0) for bit in range(32))
        if up != self._line_is_up:
            self._line_is_up = up
            (self.world.raise_irq if up else self.world.clear_irq)(self._irq)


class ClockPower(Nordic):
    """Model "nrf-clock-power": CLOCK and POWER, which share a page."""

    HFCLKSTART, HFCLKSTOP, LFCLKSTART, LFCLKSTOP, CALIBRATE = 0x000, 0x004, 0x008, 0x00C, 0x010
    HFCLKSTARTED, LFCLKSTARTED, CALIBRATED = 0x100, 0x104, 0x10C
    HFCLKRUN, HFCLKSTAT, LFCLKRUN, LFCLKSTAT, LFCLKSRCCOPY, LFCLKSRC = 0x408, 0x40C, 0x414, 0x418, 0x41C, 0x518
    RESETREAS, SYSTEMOFF, GPREGRET, GPREGRET2, MAINREGSTATUS = 0x400, 0x500, 0x51C, 0x520, 0x640
    _RUNNING = 1 << 16

    def __init__(self, world: Surroundings, entry: PeripheralEntry) -> None:
        named = [*range(0x000, 0x014, 4), 0x078, 0x07C, *range(0x100, 0x130, 4), 0x200]
        named += [self.HFCLKRUN, self.LFCLKRUN, self.LFCLKSTAT, self.LFCLKSRCCOPY, self.LFCLKSRC, self.RESETREAS]
        named += [0x428, 0x438, self.SYSTEMOFF, 0x510, self.GPREGRET, self.GPREGRET2, 0x538, 0x578, 0x580, 0x640]
        named += [0x900 + 0x10 * bank + 4 * at for bank in range(9) for at in range(3)]
        self._reasons = 0
        super().__init__(world, entry, named, {self.HFCLKSTAT: self._RUNNING})

    def reset(self) -> None:
        kept = {each: self.words.get(each, 0) for each in (self.GPREGRET, self.GPREGRET2)}
        super().reset()
        cause = self.world.cause()
        if cause in ("software", "lockup"):
            self.words |= kept
        self._reasons = 0 if cause == "power" else self._reasons | 1 << _REASONS.get(cause, 0)
        self.words[self.RESETREAS] = self._reasons

    def retained(self) -> tuple[int, ...]:
        return self.words.get(self.GPREGRET, 0), self.words.get(self.GPREGRET2, 0), self._reasons

    def retain(self, state: tuple[int, ...]) -> None:
        self.words[self.GPREGRET], self.words[self.GPREGRET2], self._reasons = state

    def task(self, register: int) -> None:
        source = self.words[self.LFCLKSRC] & 3
        if register == self.HFCLKSTART:
            self.words[self.HFCLKRUN], self.words[self.HFCLKSTAT] = 1, self._RUNNING | 1
            self.happened(self.HFCLKSTARTED)
        elif register == self.HFCLKSTOP:
            self.words[self.HFCLKRUN], self.words[self.HFCLKSTAT] = 0, self._RUNNING
        elif register == self.LFCLKSTART:
            self.words |= {self.LFCLKRUN: 1, self.LFCLKSTAT: self._RUNNING | source, self.LFCLKSRCCOPY: source}
            self.happened(self.LFCLKSTARTED)
        elif register == self.LFCLKSTOP:
            self.words |= {self.LFCLKRUN: 0, self.LFCLKSTAT: 0}
        elif register == self.CALIBRATE:
            self.happened(self.CALIBRATED)

    def stored(self, register: int, value: int, lanes: int) -> None:
        if register == self.RESETREAS:
            self._reasons &= ~value
            self.words[register] = self._reasons
        elif register in (self.GPREGRET, self.GPREGRET2):
            self.keep(register, value & 0xFF)
        elif register == self.SYSTEMOFF and value & 1:
            self.world.stay_asleep("System OFF, which a pin, NFC or USB would end, and nobody is there")
        elif register not in (self.HFCLKSTAT, self.LFCLKSTAT, self.HFCLKRUN, self.LFCLKRUN, self.MAINREGSTATUS):
            super().stored(register, value, lanes)


class Uart(Nordic):
    """Model "nrf-uart": UART (ENABLE 4) and UARTE (ENABLE 8), chosen by what firmware writes to ENABLE."""

    STARTRX, STOPRX, STARTTX, STOPTX, FLUSHRX = 0x000, 0x004, 0x008, 0x00C, 0x02C
    RXDRDY, ENDRX, TXDRDY, ENDTX, RXTO, RXSTARTED, TXSTARTED, TXSTOPPED = (
        0x108, 0x110, 0x11C, 0x120, 0x144, 0x14C, 0x150, 0x158,
    )  # fmt: skip
    SHORTS, ENABLE, RXD, TXD = 0x200, 0x500, 0x518, 0x51C
    RX_PTR, RX_MAXCNT, RX_AMOUNT, TX_PTR, TX_MAXCNT, TX_AMOUNT = 0x534, 0x538, 0x53C, 0x544, 0x548, 0x54C

    def __init__(self, world: Surroundings, entry: PeripheralEntry) -> None:
        named = [0x000, 0x004, 0x008, 0x00C, 0x01C, 0x02C, *range(0x100, 0x15C, 4), self.SHORTS, 0x480, self.ENABLE]
        named += [*range(0x508, 0x528, 4), *range(0x534, 0x550, 4), 0x56C]
        pins = dict.fromkeys((0x508, 0x50C, 0x510, 0x514), WORD)
        self._waiting: deque[int] = deque()
        self._sends = False
        self._room: tuple[int, int] | None = None
        self._got = 0
        super().__init__(world, entry, named, pins | {0x524: 0x0400_0000})

    def reset(self) -> None:
        super().reset()
        self._waiting.clear()
        self._sends, self._room, self._got = False, None, 0

    def receive(self, data: bytes) -> None:
        """Bytes that come over the line, in order."""
        self._waiting.extend(data)
        self._take_in()

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
            if self._room is not None and self._has_dma:
                self._end_reception()
            self._room = None
            self.happened(self.RXTO)

    def loaded(self, register: int) -> int:
        value = super().loaded(register)
        if register == self.RXD and not self._has_dma:
            self._take_in()
        return value

    def stored(self, register: int, value: int, lanes: int) -> None:
        if register == self.TXD:
            if self._sends:
                self.world.send(self.name, bytes([value & 0xFF]))
                self.happened(self.TXDRDY)
            else:
                self.world.note(f"{self.name}: {value & 0xFF:#04x} is not sent: no STARTTX before it")
            return
        super().stored(register, value, lanes)
        if register in (self.RXDRDY, self.ENABLE):
            self._take_in()

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

    def _start_reception(self) -> None:
        self._room = (self.words[self.RX_PTR], self.words[self.RX_MAXCNT] & 0xFFFF) if self._has_dma else (0, 1)
        self._got = 0
        if self._has_dma:
            self.happened(self.RXSTARTED)
        self._take_in()

    def _take_in(self) -> None:
        """As much of what waits as there is room for."""
        while self._waiting and self._room is not None:
            if not self._has_dma:
                if not self.words[self.RXDRDY]:
                    self.words[self.RXD] = self._waiting.popleft()
                    self.happened(self.RXDRDY)
                return
            address, size = self._room
            if self._got >= size:
                return
            try:
                self.world.memory.write(address + self._got, bytes([self._waiting.popleft()]))
            except BusFault:
                self.world.note(f"{self.name}: RXD.PTR {address:#010x} is not in RAM, which its DMA needs")
            self._got += 1
            self.happened(self.RXDRDY)
            if self._got == size:
                self._end_reception()

    def _end_reception(self) -> None:
        self.words[self.RX_AMOUNT] = self._got
        self._room = None
        self.happened(self.ENDRX)
        if self.words[self.SHORTS] >> 5 & 1:
            self._start_reception()
