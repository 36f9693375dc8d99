"""Small parts a machine is fitted together with: its clock, read-only words, and covers of what stands on the bus.

Neighbours: `machine` alone makes them. They know neither core nor engine: what they tell goes to functions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from emu.clock import NEVER, VirtualClock
from emu.cpu.contract import BusFault, FlashController, Peripheral
from emu.cpu.faces import CellRegion, KnowsPower, Shows
from emu.cpu.system_space import SystemSpace


class AlarmClock(VirtualClock):
    """The core is told of every alarm: the slice it is in may be longer than the time to it.

    Moments, besides alarms: what a memory beside the chip does then, however far time is moved at once. So an operation
    that ends while the core stalls for another one ends before it."""

    __slots__ = ("_counts", "_expect", "_moments", "_next_moment_us")

    def __init__(self, expect: Callable[[int], None]) -> None:
        super().__init__()
        self._expect = expect
        self._counts: dict[str, int] = {}
        self._moments: dict[str, tuple[int, Callable[[], None]]] = {}
        self._next_moment_us = NEVER

    def at_moment(self, name: str, us: int | None, action: Callable[[], None]) -> None:
        """``action`` is called when time comes to ``us``, instead of what was to be under that name; None: never."""
        self._moments.pop(name, None)
        if us is not None:
            self._moments[name] = (us, action)
        self._next_moment_us = min((at for at, _ in self._moments.values()), default=NEVER)

    def advance(self, duration_us: int) -> None:
        end = self.now_us + duration_us
        if self._next_moment_us <= end:
            self._advance_by_moments(end)
        super().advance(end - self.now_us)

    def _advance_by_moments(self, end_us: int) -> None:
        while self._next_moment_us <= end_us:
            super().advance(max(0, self._next_moment_us - self.now_us))
            name = min(self._moments, key=lambda each: (self._moments[each][0], each))
            action = self._moments[name][1]
            self.at_moment(name, None, action)
            action()

    def run_to_alarm(self) -> NoReturn:
        alarm = self.next_alarm_us
        if alarm is not None:
            self.advance(max(0, alarm - self.now_us))
        super().run_to_alarm()

    def set_alarm(self, name: str, at_us: int) -> None:
        super().set_alarm(name, at_us)
        self._counts[name] = self._counts.get(name, 0) + 1
        self._expect(at_us)

    def times_set(self) -> dict[str, int]:
        """How often each alarm that is set now has been set: a feed within a microsecond does not move it."""
        return {name: self._counts[name] for name, _ in self.settings()[1]}


class Constants:
    """Words that read the same for ever: identity codes, sizes. Stores to them are bus errors."""

    def __init__(self, words: dict[int, int]) -> None:
        self._words = words

    def shown(self, offset: int) -> int:
        return self.read(offset, 4)

    def read(self, offset: int, size: int) -> int:
        return self._words.get(offset & ~3, 0xFFFF_FFFF) >> 8 * (offset & 3) & (1 << 8 * size) - 1

    def write(self, offset: int, size: int, value: int) -> None:
        raise BusFault(f"a store of {value:#x} to read-only memory")

    def reset(self) -> None:
        """Nothing changes."""


class Watched:
    """The flash controller; ``before`` each of its registers is written somebody is told, and ``after`` it there is a
    look at what it has done."""

    def __init__(self, controller: FlashController, before: Callable[[], None], after: Callable[[], None]) -> None:
        self._controller = controller
        self._before = before
        self._after = after
        self.read = controller.read
        self.reset = controller.reset

    def shown(self, offset: int) -> int:
        """No read of a flash controller has an effect."""
        return self._controller.read(offset, 4)

    def write(self, offset: int, size: int, value: int) -> None:
        self._before()
        self._controller.write(offset, size, value)
        self._after()

    def power_on(self) -> None:
        if isinstance(self._controller, KnowsPower):
            self._controller.power_on()


class OnTime:
    """A peripheral to which things come from outside: what is due by now ``happens`` before it is asked, also in the
    middle of a slice that a flash operation made longer than was foreseen."""

    def __init__(self, peripheral: Peripheral, happens: Callable[[], None]) -> None:
        self._peripheral = peripheral
        self._happens = happens
        self.reset = peripheral.reset

    def read(self, offset: int, size: int) -> int:
        self._happens()
        return self._peripheral.read(offset, size)

    def shown(self, offset: int) -> int:
        return self._peripheral.shown(offset) if isinstance(self._peripheral, Shows) else 0

    def write(self, offset: int, size: int, value: int) -> None:
        self._happens()
        self._peripheral.write(offset, size, value)


class Row:
    """Cells beside the array, as the core reads them: ``sensed(address, size)`` hears of it. A store goes to the
    controller, between ``before`` and ``after``."""

    def __init__(
        self,
        region: CellRegion,
        controller: FlashController,
        sensed: Callable[[int, int], None],
        before: Callable[[], None],
        after: Callable[[], None],
    ) -> None:
        self._region = region
        self._controller = controller
        self._sensed = sensed
        self._before = before
        self._after = after

    def read(self, offset: int, size: int) -> int:
        if offset + size > self._region.size:
            return (1 << 8 * size) - 1
        self._sensed(self._region.base + offset, size)
        return int.from_bytes(self._region.device.sense(self._region.start + offset, size), "little")

    def shown(self, offset: int) -> int:
        length = max(0, min(4, self._region.size - offset))
        return int.from_bytes(self._region.device.cells.read(self._region.start + offset, length), "little")

    def write(self, offset: int, size: int, value: int) -> None:
        self._before()
        if self._controller.store(self._region.base + offset, size, value) != "done":
            raise BusFault(f"a store to {self._region.name} that it does not take")
        self._after()

    def reset(self) -> None:
        """Cells know no reset."""


class Paged:
    """A part of the core's own registers. ``written`` is called behind a store: what is pending may have changed."""

    def __init__(self, system: SystemSpace, page: int, written: Callable[[], None]) -> None:
        self._system = system
        self.timed = frozenset(offset - page for offset in system.TIMED)
        self._page = page
        self._written = written

    def read(self, offset: int, size: int) -> int:
        return self._system.read(self._page + offset, size)

    def shown(self, offset: int) -> int:
        return self._system.shown(self._page + offset)

    def write(self, offset: int, size: int, value: int) -> None:
        self._system.write(self._page + offset, size, value)
        self._written()

    def reset(self) -> None:
        if self._page:
            self._system.reset()
