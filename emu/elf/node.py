"""A device with an ELF that is switched on: its core runs as time passes, and bytes come to its UARTs from outside.

It lives between two calls, as `emu.ota.node` does for a device of ours, so whatever serves one can serve the other.
What a reset leaves alone stays in the machine; the loss of power takes it. Somebody may always send something, so a
core that waits is never at its end.

WFI may return where a call ends, as an architecture of this kind allows; firmware that goes on without looking why it
was woken shows that here.

Neighbours: `cable` joins its UARTs to links. Knows no socket, no protocol and no wall clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Literal

from emu.cpu.faces import Receives
from emu.cpu.flash import make_controller
from emu.cpu.machine import Machine
from emu.elf.board import ElfBoard
from emu.elf.conversation import BITS, SECOND
from emu.elf.pins import drive
from emu.elf.placed import Placed
from flash.device import FlashDevice
from flash.errors import ResetAsserted

STEP_US = 5_000
"""How often a core is looked at that runs by itself."""
MAX_RESETS = 8
"""In one call; a device that resets itself more often loses the rest of the time it was given."""
_DAYS_US = 1 << 40
NodeState = Literal["off", "running", "dead"]


class ElfNode:
    """``board`` as the factory ships it. ``baud``: of what comes from outside, on every port. ``said`` is told of bytes
    that leave a port."""

    def __init__(self, board: ElfBoard, *, baud: int, seed: int = 0) -> None:
        self.board = board
        self.state: NodeState = "off"
        self.why = "it was never switched on"
        self.on_reset: Callable[[str], None] = lambda why: None
        self.said: Callable[[str, bytes], None] = lambda port, data: None
        self._machine = Machine(board.chip, make_controller, seed=seed, memories=board.memories)
        self._machine.on_sent = lambda port, data: self.said(port, data)
        drive(board.document.pin, self._machine.peripherals, is_brought=False)
        self._before_us = 0
        self._byte_us = -(-BITS * SECOND // baud)
        self._feeds = {
            name: Feed(self._machine, name, port, self._byte_us)
            for name, port in self._machine.peripherals.items()
            if isinstance(port, Receives)
        }
        for placed in (*board.files, *board.staged):
            self._program(placed)

    @property
    def chips(self) -> Sequence[FlashDevice]:
        """What keeps something without power."""
        return self._machine.devices

    @property
    def ports(self) -> Sequence[str]:
        return list(self._feeds)

    def feed(self, port: str) -> Feed:
        """The line that comes to a UART."""
        return self._feeds[port]

    @property
    def now_us(self) -> int:
        """Microseconds of device time since the node was made, while its power was on."""
        return self._before_us + (self._machine.clock.now_us if self.state != "off" else 0)

    @property
    def next_us(self) -> int | None:
        """When it is to be looked at again, in `now_us`."""
        return None if self.state == "off" else self.now_us + STEP_US

    # -- power and resets ----------------------------------------------------------------------------------

    def switch_on(self) -> None:
        if self.state == "off":
            self._machine.supply.restore()
            self._boot("power")

    def switch_off(self) -> None:
        """Power goes, now: between two flash operations, for nothing runs while nobody calls."""
        if self.state != "off":
            for feed in self._feeds.values():
                feed.clear()
            self._end("power is lost")

    def press_reset(self) -> None:
        """Somebody pulls the reset line."""
        if self.state != "off":
            self._reset("pin")

    def do(self, act: Callable[[ElfNode], None]) -> bool:
        """Something is done to it from outside. False: it is off, or has locked up."""
        if self.state != "running":
            return False
        act(self)
        return True

    def elapse(self, duration_us: int) -> None:
        """Time passes, and the core runs."""
        end, resets = self.now_us + duration_us, 0
        while self.state != "off" and (left := end - self.now_us) > 0:
            if resets > MAX_RESETS:
                self._before_us += left
                return
            try:
                self._run(left)
            except ResetAsserted as reset:
                self._reset(reset.cause)
                resets += 1

    # -- inside --------------------------------------------------------------------------------------------

    def _program(self, placed: Placed) -> None:
        """As the factory does."""
        if placed.memory:
            device = next(each for each in self._machine.devices if each.name == placed.memory)
            device.load(placed.address, placed.data)
            return
        flash, entry = self._machine.flash, self.board.chip.flash
        for base in (entry.address, *entry.aliases):
            if base <= placed.address < base + flash.geometry.size:
                flash.load(placed.address - base, placed.data)
                return
        raise AssertionError(f"{placed.source} is not in flash: please report")

    def _run(self, left_us: int) -> None:
        machine = self._machine
        if self.state == "dead":
            machine.clock.advance(left_us)  # only an alarm wakes it
            return
        ending = machine.core.run(machine.clock.now_us + left_us)
        if ending.kind == "limit":
            return
        if ending.kind == "lockup" and not machine.chip.locks_up_for_good:
            raise ResetAsserted("lockup")
        what = {"lockup": "locked up", "asleep": "sleeps for good"}.get(ending.kind)
        assert what, f"a core that something may still come to ended {ending.kind}: please report"
        self.state, self.why = "dead", f"{what} at {ending.address:#010x}: {ending.reason}"
        self.on_reset(self.why)

    def _reset(self, cause: str) -> None:
        self._end(f"reset by {cause}")
        self._boot(cause)

    def _end(self, why: str) -> None:
        self._before_us = self.now_us
        self.state, self.why = "off", why
        self.on_reset(why)

    def _boot(self, cause: str) -> None:
        machine = self._machine
        machine.look_at_flash()
        machine.reset(cause)
        machine.world.at("outside", _DAYS_US, lambda: None)
        for feed in self._feeds.values():
            feed.goes_on()
        self.state, self.why = "running", f"reset by {cause}"


class Feed:
    """Bytes on their way to one UART, one behind the other."""

    def __init__(self, machine: Machine, name: str, port: Receives, byte_us: int) -> None:
        self._machine, self._name, self._port, self._byte_us = machine, f"feed {name}", port, byte_us
        self._waiting: deque[int] = deque()

    @property
    def is_busy(self) -> bool:
        return bool(self._waiting)

    def send(self, data: bytes) -> None:
        """Behind what is on its way already."""
        was_busy = self.is_busy
        self._waiting.extend(data)
        if data and not was_busy:
            self.goes_on()

    def clear(self) -> None:
        self._waiting.clear()

    def goes_on(self) -> None:
        """The next byte is on its way, if there is one."""
        if self._waiting:
            self._at(self._arrives)

    def _arrives(self) -> None:
        if self._waiting:
            self._port.arrives(self._waiting.popleft())
            self._at(self._arrives if self._waiting else self._port.falls_idle)

    def _at(self, action: Callable[[], None]) -> None:
        self._machine.world.at(self._name, self._machine.clock.now_us + self._byte_us, action)
