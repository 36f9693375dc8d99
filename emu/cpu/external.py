"""Memories outside the chip: what stands at the other end of its SPI or I2C, and works on while the core does something
else.

An operation of such a memory begins at the end of a frame and takes its time beside the code that polls for its end.
It stands in the journal at the moment it ends, so that the entries of all memories are one sequence; power that goes
meanwhile tears it, at whatever the core is just doing.

Neighbours: `wiring` hangs them on their buses, `machine` keeps the moments at which operations end; `flash.spi` and
`flash.two_wire` are the chips themselves. What they need of the machine comes as functions (`Host`). Knows no core and
no register.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

from flash.contract import Clock
from flash.device import FlashDevice
from flash.in_flight import InFlight
from flash.journal import Operation
from flash.spi import SerialFlash
from flash.two_wire import Eeprom

MICROSECONDS = 1_000_000
State = tuple[object, ...]


@dataclass(frozen=True)
class Host:
    """What a memory needs of the machine. ``ends_at(name, us, action)``: ``action`` is called when that moment has
    come, and never (None). ``may_begin``: before a frame ends that may start an operation. ``counter``: where the code
    stands. ``ended(entry, counter)``: an entry of the journal was made by the code at ``counter``. ``news``: the code
    does not only wait."""

    ends_at: Callable[[str, int | None, Callable[[], None]], None]
    may_begin: Callable[[], None]
    counter: Callable[[], int]
    ended: Callable[[int, int], None]
    news: Callable[[], None]


class ExternalMemory(ABC):
    """What all of them have: operations that end by themselves, and whose code is known."""

    def __init__(self, device: FlashDevice, host: Host) -> None:
        self.device = device
        self.name = device.name
        self.host = host
        self._makers: list[tuple[InFlight, int]] = []
        self._seen = 0

    # -- power and reset ------------------------------------------------------------------------------------

    def power_on(self) -> None:
        """Power came: volatile state is as after it."""
        self.device.in_flight.clear()
        self._makers.clear()
        self._wake()

    def begin_session(self) -> None:
        """Another journal, which is empty."""
        self._seen = len(self.device.journal.entries)
        self._expect_end()

    @abstractmethod
    def _wake(self) -> None:
        """What power does to the chip."""

    @abstractmethod
    def let_go(self) -> None:
        """The processor's pins float, as in its reset: a frame that was going on has no effect."""

    def hold(self) -> State:
        """What a reset of the processor leaves alone, besides the cells; plain values, the same whenever now is."""
        makers = tuple(
            next(counter for flight, counter in self._makers if flight is each) for each in self.device.in_flight
        )
        return (self._held(), makers)

    def resume(self, state: State) -> None:
        """Become what `hold` was taken of, at the present moment."""
        held, makers = state
        self._restore(held)  # type: ignore[arg-type]
        self._makers = list(zip(self.device.in_flight, makers, strict=True))  # type: ignore[call-overload]

    @abstractmethod
    def _held(self) -> State:
        """Of the chip alone."""

    @abstractmethod
    def _restore(self, held: State) -> None: ...

    @abstractmethod
    def catch_up(self) -> None:
        """End the operation whose time has come."""

    # -- operations -----------------------------------------------------------------------------------------

    def finish(self) -> None:
        """Nothing more is going to happen to the processor: what is under way comes to its end."""
        for flight in list(self.device.in_flight):
            if not flight.is_suspended:
                self.device.end(flight)
        self._assign()

    def step(self, action: Callable[[], None]) -> None:
        """Something that may start or end an operation; who made what ends is noted."""
        before = list(self.device.in_flight)
        action()
        begun = [flight for flight in self.device.in_flight if all(flight is not each for each in before)]
        if begun:
            counter = self.host.counter()
            self._makers += [(flight, counter) for flight in begun]
        self._assign()
        self._expect_end()

    def _assign(self) -> None:
        entries = self.device.journal.entries
        for number in range(self._seen, len(entries)):
            entry = entries[number]
            for made in self._makers if isinstance(entry, Operation) and entry.device == self.name else ():
                if made[0].operation is entry:
                    self.host.ended(number, made[1])
                    self._makers.remove(made)
                    break
        self._seen = len(entries)

    def _expect_end(self) -> None:
        ends = [flight.end_us for flight in self.device.in_flight if not flight.is_suspended]
        self.host.ends_at(self.name, min(ends, default=None), self._end_now)

    def _end_now(self) -> None:
        self.step(self.catch_up)

    @property
    def next_end_us(self) -> int | None:
        return min((flight.end_us for flight in self.device.in_flight if not flight.is_suspended), default=None)


class ExternalNor(ExternalMemory):
    """A serial NOR on an SPI, selected by a pin of a port."""

    def __init__(self, device: FlashDevice, host: Host, *, write_protect: bool = False) -> None:
        super().__init__(device, host)
        self.chip = SerialFlash(device, write_protect_pin=write_protect)
        self.is_selected = False

    def select_pin(self, level: bool) -> None:
        """The pin has changed."""
        if level == (not self.is_selected):
            return
        self.is_selected = not level
        if self.is_selected:
            self.step(self.chip.select)
            return
        if self.chip.latches.write_enabled:
            self.host.may_begin()
        if self.chip.is_reading:  # no loop that waits for the chip reads its array
            self.host.news()
        self.step(self.chip.deselect)

    def exchange(self, data: bytes, hz: int) -> bytes:
        self.chip.bus_hz = hz
        return self.chip.exchange(data)

    def _wake(self) -> None:
        self.chip.power_cycle()

    def let_go(self) -> None:
        self.is_selected = False
        self.chip.release()

    def _held(self) -> State:
        return self.chip.state()

    def _restore(self, held: State) -> None:
        self.chip.restore(held)

    def catch_up(self) -> None:
        self.chip.catch_up()


class ExternalEeprom(ExternalMemory):
    """An EEPROM on an I2C."""

    def __init__(self, device: FlashDevice, host: Host, address: int | None, *, write_protect: bool = False) -> None:
        super().__init__(device, host)
        self.chip = Eeprom(device, address=address, write_protect_pin=write_protect)

    def start(self, address: int, *, reads: bool) -> bool:
        acknowledged = False

        def begin() -> None:
            nonlocal acknowledged
            acknowledged = self.chip.start(address, reads=reads)

        self.step(begin)
        return acknowledged

    def stop(self) -> None:
        if self.chip.has_data:
            self.host.may_begin()
        self.step(self.chip.stop)

    def _wake(self) -> None:
        self.chip.power_cycle()

    def let_go(self) -> None:
        self.chip.release()

    def _held(self) -> State:
        return self.chip.state()

    def _restore(self, held: State) -> None:
        self.chip.restore(held)

    def catch_up(self) -> None:
        self.chip.catch_up()


class TwoWireBus:
    """The chips on one I2C. Both wires are pulled high: a byte nobody drives is FFh, and not acknowledged."""

    _CLOCKS_OF_BYTE, _CLOCKS_OF_STOP = 9, 1

    def __init__(self, clock: Clock, passed: Callable[[], None]) -> None:
        self.chips: list[ExternalEeprom] = []
        self._clock = clock
        self._passed = passed
        self._hz = 1

    def start(self, address: int, *, reads: bool, hz: int) -> bool:
        self._hz = hz
        self._spend(1 + self._CLOCKS_OF_BYTE)
        answers = [chip.start(address, reads=reads) for chip in self.chips]
        return any(answers)

    def send(self, byte: int) -> bool:
        self._spend(self._CLOCKS_OF_BYTE)
        answers = [chip.chip.send(byte) for chip in self.chips]
        return any(answers)

    def receive(self, *, acknowledges: bool) -> int:
        self._spend(self._CLOCKS_OF_BYTE)
        reading = [chip for chip in self.chips if chip.chip.is_reading]
        for chip in reading:
            chip.host.news()  # no loop that waits for the chip reads its array
        return _wired_and(tuple(chip.chip.receive() for chip in reading))

    def stop(self) -> None:
        self._spend(self._CLOCKS_OF_STOP)
        for chip in self.chips:
            chip.stop()

    def _spend(self, clocks: int) -> None:
        self._clock.advance(ceil(clocks * MICROSECONDS / self._hz))
        self._passed()


class SpiBus:
    """The chips on one SPI. One that is not selected drives nothing; where none does, the line is high."""

    def __init__(self, clock: Clock, passed: Callable[[], None]) -> None:
        self.chips: list[ExternalNor] = []
        self._clock = clock
        self._passed = passed

    def exchange(self, data: bytes, hz: int) -> bytes:
        selected = [chip for chip in self.chips if chip.is_selected]
        if len(selected) == 1:
            reply = selected[0].exchange(data, hz)
        elif not selected:
            self._clock.advance(ceil(8 * len(data) * MICROSECONDS / hz))
            reply = b"\xff" * len(data)
        else:  # two drive one line: a 0 of either wins
            replies = [chip.exchange(data, hz) for chip in selected]
            reply = bytes(_wired_and(column) for column in zip(*replies, strict=True))
        self._passed()
        return reply


def _wired_and(levels: tuple[int, ...]) -> int:
    value = 0xFF
    for level in levels:
        value &= level
    return value
