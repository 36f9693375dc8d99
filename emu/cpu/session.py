"""CpuSession: a machine with firmware in its flash, from one reset to the next, and what came of it.

A session ends with a reset (asked for, or by a watchdog), with the loss of power, or because nothing more will come of
it: lockup, sleep without a waker, polling without an end, a limit of virtual time. Where a reset timer is running, what
would go on for ever ends when it rings.

Neighbours: `machine` is the chip, `elf` the files. Knows no slots, no update and no campaign.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from emu.cpu.elf import Firmware
from emu.cpu.ending import Ending
from emu.cpu.machine import Machine
from emu.cpu.registers import Register
from emu.cpu.unknown import UnknownRegister
from emu.errors import UsageError
from flash.errors import PowerLost, ResetAsserted
from flash.images import Image
from flash.journal import Journal, Operation
from flash.trace import Trace

MAX_RESETS = 64


class FirmwareError(UsageError):
    """Firmware that does not go together with the chip it is to run on."""


@dataclass(frozen=True, slots=True)
class SessionReport:
    """``cause``: why it began. ``time_us``: how long it took. ``sent``: (time, peripheral, bytes). ``notes``:
    operations that were refused."""

    cause: str
    ending: Ending
    time_us: int
    sent: tuple[tuple[int, str, bytes], ...]
    operations: tuple[Operation, ...]
    notes: tuple[str, ...]
    unknown: tuple[UnknownRegister, ...]

    def output(self, peripheral: str | None = None) -> bytes:
        """What one peripheral sent, or all of them in the order of time."""
        return b"".join(data for _, name, data in self.sent if peripheral in (None, name))


class CpuSession:
    """``limit_us`` of a session is virtual time."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def load(self, images: Iterable[Image | Firmware]) -> None:
        """Put images into flash, as a programmer does. Raises FirmwareError for what does not fit the chip."""
        machine = self.machine
        for each in images:
            image = each.image if isinstance(each, Firmware) else each
            for segment in image.segments:
                offset, size = machine.flash_offset(segment.address), machine.flash.geometry.size
                if offset is None or offset + len(segment.data) > size:
                    base = machine.chip.flash.address
                    raise FirmwareError(
                        f"{image.source}: [{segment.address:#x}, {segment.address + len(segment.data):#x}) is not in "
                        f"the flash of {machine.chip.name}, [{base:#x}, {base + size:#x}); link it for this "
                        "chip, or name another one"
                    )
                machine.flash.load(offset, segment.data)

    def run(
        self, cause: str, limit_us: int, *, journal: Journal | None = None, trace: Trace | None = None
    ) -> SessionReport:
        """One session, whatever the firmware does. What it left is in the machine."""
        machine = self.machine
        journal = journal if journal is not None else Journal()
        machine.reset(cause, journal=journal, trace=trace)
        try:
            ending = self._run(limit_us)
        except ResetAsserted as reset:
            ending = self._ending("reset", reset.cause)
        except PowerLost:
            ending = self._ending("power-lost", "power was cut")
        return SessionReport(
            cause, ending, machine.clock.now_us, tuple(machine.sent), tuple(journal.operations()),
            tuple(machine.notes), tuple(machine.unknown),
        )  # fmt: skip

    def run_on(self, limit_us: int, *, cause: str = "power", max_resets: int = MAX_RESETS) -> list[SessionReport]:
        """Session after session while they end with a reset, at most ``max_resets`` of them."""
        reports = [self.run(cause, limit_us)]
        while reports[-1].ending.kind == "reset" and len(reports) <= max_resets:
            reports.append(self.run(reports[-1].ending.reason, limit_us))
        return reports

    def _run(self, limit_us: int) -> Ending:
        machine = self.machine
        ending = machine.core.run(limit_us)
        if ending.kind == "lockup" and not machine.chip.locks_up_for_good:
            return self._ending("reset", "lockup")
        alarm = machine.clock.next_alarm_us
        if ending.kind != "limit" and alarm is not None and alarm <= limit_us:
            machine.clock.run_to_alarm()
        machine.finish_memories()
        return ending

    def _ending(self, kind: str, reason: str) -> Ending:
        assert kind in ("reset", "power-lost"), "an ending nobody has named: please report"
        machine = self.machine
        counter = machine.engine.get(Register.PC)
        return Ending("reset" if kind == "reset" else "power-lost", reason, counter, machine.core.handler)
