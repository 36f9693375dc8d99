"""EmulatedDevice: the hardware a board describes, and one power session on it.

What survives a reset lives here: the chips, the supply, the windows on them. What does not (timer, clock, and
whatever the firmware makes) is in `Session`, made anew at every reset, because that is what RAM is.

Neighbours: `board` describes it, `firmware` runs on a session, `update_rig` cuts its power. Knows no campaign.
"""

from __future__ import annotations

from typing import Any

from bootloader.decision import ResetCause
from bootloader.layout import Layout, Slot
from emu.board import Board
from emu.clock import VirtualClock
from emu.session import PowerSession
from flash.device import FlashDevice
from flash.journal import Journal
from flash.partition import Partition
from flash.supply import Supply
from flash.timing import Timing, TimingMode
from flash.trace import Trace
from flash.weak import DEFAULT_RESOLUTION, RESOLUTIONS


class EmulatedDevice:
    """The hardware of ``board``.

    ``worn``: whether operations on worn sectors take longer. ``resolution``: what weak bits read as, a name of
    `flash.weak`.
    """

    def __init__(
        self,
        board: Board,
        *,
        timing: TimingMode = "typ",
        seed: int = 0,
        resolution: str = DEFAULT_RESOLUTION,
        worn: bool = True,
        strict: bool = False,
    ) -> None:
        self.board = board
        self.supply = Supply()
        self.chips = tuple(
            FlashDevice(
                board.parts[entry.name],
                name=entry.name,
                supply=self.supply,
                timing=Timing(board.parts[entry.name], timing, seed=seed, worn=worn),
                strict=strict,
                resolution=RESOLUTIONS[resolution],
                read_seed=seed,
            )
            for entry in board.document.flash
        )
        by_name = {chip.name: chip for chip in self.chips}
        self.partitions = {
            entry.name: Partition(entry.name, by_name[entry.flash], entry.offset, entry.size)
            for entry in board.document.partition
        }
        names, fs_size = board.document.layout, board.document.layout.fs_size
        slots = [Slot(i, name, self.partitions[name], fs_size) for i, name in enumerate(names.slots)]
        first, second = (self.partitions[name] for name in names.configs)
        self.layout = Layout((first, second), (slots[0], slots[1]))

    @property
    def reads_plainly(self) -> bool:
        """Whether no read of this session has met a weak or broken cell: the sense amplifiers hold nothing."""
        return all(chip.sensing.is_fresh(chip.cells) for chip in self.chips)

    def reset(self, cause: ResetCause, journal: Journal, trace: Trace | None, ram: dict[str, int]) -> Session:
        """Power is on and the processor starts at its reset vector."""
        self.supply.restore()
        clock = VirtualClock()
        for chip in self.chips:
            chip.attach(clock, journal, trace)
        return Session(self, cause, clock, journal, ram)


class Session(PowerSession):
    """One power session on a board: everything in RAM, and the peripherals as a reset leaves them.

    ``running_slot``: where the application runs; -1 while the bootloader does. The correct firmware does not use
    retained RAM.
    """

    def __init__(
        self, device: EmulatedDevice, cause: ResetCause, clock: VirtualClock, journal: Journal, ram: dict[str, int]
    ) -> None:
        super().__init__(cause, clock, journal, device.supply, device.board.document.timers, ram)
        self.device = device
        self.running_slot = -1

    # -- what a waypoint keeps --------------------------------------------------------------------------------

    def registers(self) -> tuple[object, ...]:
        """Clock, timers and what the bootloader told the application; plain values."""
        return (self.running_slot, self.clock.settings(), self.timer.settings())

    def set_registers(self, registers: tuple[Any, ...]) -> None:
        self.running_slot, clock, timer = registers
        self.clock.set(clock)
        self.timer.set(timer)

    # -- what the board says -------------------------------------------------------------------------------

    @property
    def self_test_us(self) -> int:
        return self.device.board.document.app.self_test_ms * 1000

    @property
    def commit_timeout_us(self) -> int:
        return self.device.board.document.timers.commit_timeout_s * 1_000_000
