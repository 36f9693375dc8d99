"""DMA of STM32, as far as serial ports ask for it: bytes from memory to a port, from a port to memory, and copies.

A channel that is on moves as much as it is asked for, at once: a port that sends by DMA asks until the count is 0, one
that receives asks for every byte that has come. Flags and interrupts of the half and of the end, increments, circular
mode and requests by number are as on the chip; a channel with another request does nothing, and is counted as unknown.
A copy from memory to memory is made when its channel is switched on.

Not modelled: the time it takes, priorities, FIFOs, bursts, double buffers, the flow controller, requests of
others than serial ports, which memories a DMA does not reach, and to send in a circle, which a note tells of.

Sources: registers RM0008 13.4 (F1), RM0351 11.6 (L4), RM0376 11.4 (L0), RM0444 10.6 (G0), RM0090 10.5 (F4); requests:
the tables named in the chips' files. Neighbours: `Bank`; `serial` asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from emu.cpu.chip import PeripheralEntry
from emu.cpu.contract import BusFault, Memory, Peripheral, Surroundings
from emu.cpu.peripherals.bank import Bank
from emu.cpu.peripherals.serial import Port

_TRANSMITS, _RECEIVES = "_TX", "_RX"
ANY = -1
"""As a channel: whichever is told to by the multiplexer."""
HALF, END, ERROR = 1, 2, 4
"""Flags, and what may interrupt."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What the registers of a channel say. ``to_memory``: from what ``peripheral`` addresses. Widths in bytes."""

    is_on: bool
    interrupts: int
    to_memory: bool
    copies: bool
    is_circular: bool
    steps_peripheral: bool
    steps_memory: bool
    width_peripheral: int
    width_memory: int
    selection: int


@dataclass(slots=True)
class _Channel:
    flags: int = 0
    whole: int = 0
    """What the count was when it was switched on; 0: it is off, or was never asked."""


class Dma(Bank):
    """What both kinds share. Channels are numbered from 0 on."""

    COUNT: int
    STEP: int
    CONTROL, LEFT, PERIPHERAL, MEMORY = 0x00, 0x04, 0x08, 0x0C
    FIRST: int
    """Offset of the first channel's registers."""

    def __init__(self, world: Surroundings, entry: PeripheralEntry, resets: dict[int, int]) -> None:
        super().__init__(world, entry.name, resets)
        self._entry = entry
        self._channels = [_Channel() for _ in range(self.COUNT)]
        self._ports: Mapping[str, tuple[Port, int]] = {}
        self._memory: Memory = world.memory
        self._lines_up: set[int] = set()
        self._is_at_work = False

    def join(self, ports: Mapping[str, tuple[Port, int]], memory: Memory) -> None:
        """``ports`` ask, each with its address; ``memory``: RAM and flash."""
        self._ports, self._memory = ports, memory

    def reset(self) -> None:
        super().reset()
        self._channels = [_Channel() for _ in range(self.COUNT)]
        self._lines_up = set()

    def _setup(self, number: int) -> Setup:
        raise NotImplementedError

    def _word(self, number: int, offset: int) -> int:
        return self.words[self.FIRST + self.STEP * number + offset]

    def _set(self, number: int, offset: int, value: int) -> None:
        self.words[self.FIRST + self.STEP * number + offset] = value

    # -- the core's side ------------------------------------------------------------------------------------------

    def stored(self, register: int, value: int, lanes: int) -> None:
        number, offset = divmod(register - self.FIRST, self.STEP)
        if not 0 <= number < self.COUNT or offset > self.MEMORY:
            self.keep(register, value, lanes)
            self.serve()
            return
        channel, was_on = self._channels[number], self._setup(number).is_on
        if offset != self.CONTROL and was_on:
            return  # read-only while the channel is on
        self.keep(register, value, lanes)
        setup = self._setup(number)
        if setup.is_on and not was_on:
            channel.whole = self._word(number, self.LEFT) & 0xFFFF
            if not setup.copies and self._request(number, setup) is None:
                self.world.unknown(self.name, register, "write")
        elif not setup.is_on:
            channel.whole = 0
        self.serve()

    # -- the other side -------------------------------------------------------------------------------------------

    def serve(self) -> None:
        """Move what is asked for by now."""
        if self._is_at_work:
            return
        self._is_at_work = True
        try:
            for number in range(self.COUNT):
                self._serve(number)
        finally:
            self._is_at_work = False
        self._drive()

    def _serve(self, number: int) -> None:
        setup, channel = self._setup(number), self._channels[number]
        if not setup.is_on or not channel.whole:
            return
        found = None if setup.copies else self._request(number, setup)
        while self._setup(number).is_on and self._word(number, self.LEFT):
            port, is_sent = found or (None, False)
            if not setup.copies and (port is None or not port.asks(sends=is_sent)):
                return
            try:
                self._move(number, setup, channel, port)
            except BusFault:
                channel.flags |= ERROR
                self._switch_off(number)
                return
            self._count(number, setup, channel)

    def _request(self, number: int, setup: Setup) -> tuple[Port, bool] | None:
        """Who asks this channel, and whether it is one that sends."""
        for channel, selection, name in self._entry.requests:
            port, way = name[: -len(_TRANSMITS)], name[-len(_TRANSMITS) :]
            is_its = channel in (ANY, number + self.NUMBERED_FROM) and selection == setup.selection
            if is_its and port in self._ports and setup.to_memory == (way == _RECEIVES):
                return self._ports[port][0], way == _TRANSMITS
        return None

    NUMBERED_FROM = 1

    def _move(self, number: int, setup: Setup, channel: _Channel, port: Port | None) -> None:
        """One item."""
        done = channel.whole - self._word(number, self.LEFT)
        memory = self._word(number, self.MEMORY) + (done * setup.width_memory if setup.steps_memory else 0)
        other = self._word(number, self.PERIPHERAL) + (done * setup.width_peripheral if setup.steps_peripheral else 0)
        if port is not None and other != self._address_of(port, setup):
            self.world.note(f"{self.name}: channel {number + self.NUMBERED_FROM} is asked by {port.name}, and "
                            f"{other:#010x} is not its data register: nothing is moved")  # fmt: skip
            raise BusFault(f"no serial port at {other:#x}")
        if setup.to_memory:
            raw = self._memory.read(other, setup.width_peripheral) if port is None else bytes([port.takes()])
            self._memory.write(memory, raw.ljust(setup.width_memory, b"\0")[: setup.width_memory])
            return
        raw = self._memory.read(memory, setup.width_memory)
        if port is None:
            self._memory.write(other, raw.ljust(setup.width_peripheral, b"\0")[: setup.width_peripheral])
        else:
            port.puts(raw[0])

    def _address_of(self, port: Port, setup: Setup) -> int:
        return self._ports[port.name][1] + (port.TAKEN_FROM if setup.to_memory else port.PUT_TO)

    def _count(self, number: int, setup: Setup, channel: _Channel) -> None:
        left = self._word(number, self.LEFT) - 1
        self._set(number, self.LEFT, left)
        if channel.whole - left == channel.whole // 2:
            channel.flags |= HALF
        if left:
            return
        channel.flags |= END
        if setup.is_circular and not setup.copies and setup.to_memory:
            self._set(number, self.LEFT, channel.whole)
        elif setup.is_circular and not setup.copies:
            named = number + self.NUMBERED_FROM
            self.world.note(
                f"{self.name}: channel {named} sends in a circle, which is not modelled: it is switched off"
            )
            self._switch_off(number)
        else:
            self._has_ended(number)

    def _has_ended(self, number: int) -> None:
        """The count is 0, and nobody begins anew."""

    def _switch_off(self, number: int) -> None:
        self._set(number, self.CONTROL, self._word(number, self.CONTROL) & ~1)

    def _drive(self) -> None:
        """Interrupt lines, which channels may share."""
        up = {
            line
            for number, (channel, line) in enumerate(zip(self._channels, self._entry.lines, strict=False))
            if channel.flags & self._setup(number).interrupts
        }
        for line in sorted(self._lines_up - up):
            self.world.clear_irq(line)
        for line in sorted(up - self._lines_up):
            self.world.raise_irq(line)
        self._lines_up = up


class Channels(Dma):
    """Model "dma-channels": F1, L0, L4, G0. ISR, IFCR, then CCR, CNDTR, CPAR, CMAR of seven channels; CSELR."""

    ISR, IFCR, CSELR = 0x00, 0x04, 0xA8
    COUNT, STEP, FIRST = 7, 0x14, 0x08

    def __init__(self, world: Surroundings, entry: PeripheralEntry) -> None:
        rows = [self.FIRST + self.STEP * n + at for n in range(self.COUNT) for at in (0, 4, 8, 12)]
        super().__init__(world, entry, dict.fromkeys([self.ISR, self.IFCR, *rows, self.CSELR], 0))

    def _setup(self, number: int) -> Setup:
        word = self._word(number, self.CONTROL)
        if self._entry.mux:
            selection = self.world.peek(self._entry.mux, 4 * number) & 0x7F
        else:
            selection = self.words[self.CSELR] >> 4 * number & 0xF
        interrupts = (word >> 1 & 1) * END | (word >> 2 & 1) * HALF | (word >> 3 & 1) * ERROR
        return Setup(
            bool(word & 1), interrupts, not word >> 4 & 1, bool(word >> 14 & 1), bool(word >> 5 & 1),
            bool(word >> 6 & 1), bool(word >> 7 & 1), 1 << (word >> 8 & 3), 1 << (word >> 10 & 3), selection,
        )  # fmt: skip

    def shown(self, offset: int) -> int:
        return self.loaded(self.ISR) if offset & ~3 == self.ISR else super().shown(offset)

    def loaded(self, register: int) -> int:
        if register == self.ISR:
            flags = ((c.flags & END) | (c.flags & HALF) << 2 | (c.flags & ERROR) << 1 for c in self._channels)
            return sum((each | bool(each)) << 4 * number for number, each in enumerate(flags))
        return 0 if register == self.IFCR else super().loaded(register)

    def stored(self, register: int, value: int, lanes: int) -> None:
        if register == self.IFCR:
            for number, channel in enumerate(self._channels):
                bits = value >> 4 * number & 0xF
                cleared = 7 if bits & 1 else (bits & 2) | (bits >> 2 & 1) * HALF | (bits >> 3 & 1) * ERROR
                channel.flags &= ~cleared
            self._drive()
        elif register != self.ISR:
            super().stored(register, value, lanes)


class Streams(Dma):
    """Model "dma-streams": F4. LISR, HISR, LIFCR, HIFCR, then SxCR, SxNDTR, SxPAR, SxM0AR, SxM1AR, SxFCR of eight."""

    COUNT, STEP, FIRST = 8, 0x18, 0x10
    NUMBERED_FROM = 0
    _SHIFTS = (0, 6, 16, 22)

    def __init__(self, world: Surroundings, entry: PeripheralEntry) -> None:
        rows = {self.FIRST + self.STEP * n + at: 0 for n in range(self.COUNT) for at in (0, 4, 8, 12, 16)}
        fifos = {self.FIRST + self.STEP * n + 20: 0x21 for n in range(self.COUNT)}
        super().__init__(world, entry, dict.fromkeys(range(0, 0x10, 4), 0) | rows | fifos)

    def _setup(self, number: int) -> Setup:
        word = self._word(number, self.CONTROL)
        interrupts = (word >> 4 & 1) * END | (word >> 3 & 1) * HALF | (word >> 2 & 1) * ERROR
        way = word >> 6 & 3
        return Setup(
            bool(word & 1), interrupts, way != 1, way == 2, bool(word >> 8 & 1), bool(word >> 9 & 1),
            bool(word >> 10 & 1), 1 << (word >> 11 & 3), 1 << (word >> 13 & 3), word >> 25 & 7,
        )  # fmt: skip

    def shown(self, offset: int) -> int:
        return self.loaded(offset & ~3)

    def loaded(self, register: int) -> int:
        if register in (0, 4):
            four = self._channels[register : register + 4]
            words = ((c.flags & END) << 4 | (c.flags & HALF) << 4 | (c.flags & ERROR) << 1 for c in four)
            return sum(word << shift for word, shift in zip(words, self._SHIFTS, strict=True))
        return 0 if register in (8, 12) else super().loaded(register)

    def stored(self, register: int, value: int, lanes: int) -> None:
        if register in (8, 12):
            for channel, shift in zip(self._channels[register - 8 :], self._SHIFTS, strict=False):
                bits = value >> shift
                channel.flags &= ~((bits >> 5 & 1) * END | (bits >> 4 & 1) * HALF | (bits >> 3 & 1) * ERROR)
            self._drive()
        elif register not in (0, 4):
            super().stored(register, value, lanes)

    def _has_ended(self, number: int) -> None:
        self._switch_off(number)


def join(entries: Iterable[PeripheralEntry], peripherals: Mapping[str, Peripheral], memory: Memory) -> None:
    """Serial ports ask the DMAs of a chip, and these reach ``memory``."""
    units = [each for each in peripherals.values() if isinstance(each, Dma)]
    ports = {e.name: (port, e.address) for e in entries if isinstance(port := peripherals[e.name], Port)}

    def ask() -> None:
        for unit in units:
            unit.serve()

    for unit in units:
        unit.join(ports, memory)
    if units:
        for port, _ in ports.values():
            port.on_request = ask
