"""Firmwares and rigs with one thing wrong, small enough to know beforehand what a campaign must find.

Neighbours: the tests of explore, replay, story and reports. Mutants of the real code are in `tests/mutants`; these
are caricatures.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bootloader.boot import BootReport
from bootloader.decision import Decision
from bootloader.image import HEADER_SIZE
from emu.device import Session
from emu.firmware import ModelFirmware
from emu.rig import Capabilities, DeviceState, Run
from emu.update_rig import UpdateRig
from flash.journal import Interruption
from updater.reception import UpdaterContext
from updater.target import UpdateTarget


def _is_begun(session: Session) -> bool:
    """Whether slot 1 was erased for an update whose header is not written yet."""
    flash = session.device.layout.slots[1].flash
    return flash.read(0, HEADER_SIZE) == bytes([flash.geometry.erased]) * HEADER_SIZE


class EagerLoader(ModelFirmware):
    """Runs slot 1 once its first application page is there, header or not: a half-written image runs. The uncut
    update works, for it restarts only when the header is written."""

    name = "eager-loader"

    def boot(self, session: Session) -> BootReport:
        report = super().boot(session)
        flash = session.device.layout.slots[1].flash
        page = flash.read(HEADER_SIZE, HEADER_SIZE)
        if not _is_begun(session) or len(set(page)) == 1:
            return report
        return replace(report, decision=Decision("normal", 1, "something is there"))


class TwicePulled(ModelFirmware):
    """Counts pulls of the reset line in retained RAM and stops for good at the second: only two interruptions in a
    row, without a power cut between them, show it."""

    name = "twice-pulled"

    def boot(self, session: Session) -> BootReport:
        pulls = session.recall("pulls")
        if session.cause == "pin":
            pulls += 1
            session.retain("pulls", pulls)
        report = super().boot(session)
        return replace(report, decision=Decision("nothing-to-boot", None, "worn out")) if pulls > 1 else report


class Refuser(ModelFirmware):
    """Opens no update context."""

    name = "refuser"

    def open_update(self, session: Session, target: UpdateTarget, **named: Any) -> UpdaterContext | None:
        target.say("not on a Sunday")
        return None


class Blind(ModelFirmware):
    """Runs the slot the config names, and verifies nothing."""

    name = "blind"

    def boot(self, session: Session) -> BootReport:
        configs = self.store(session).read()
        assert configs.config is not None
        return BootReport(session.cause, configs, Decision("normal", configs.config.active_slot, "trusted"))


class OnceOnly(ModelFirmware):
    """Refuses an update whose slot was begun before: what one power cut leaves can never be retried."""

    name = "once-only"

    def open_update(self, session: Session, target: UpdateTarget, **named: Any) -> UpdaterContext | None:
        if _is_begun(session):
            target.say("the slot was begun before")
            return None
        return super().open_update(session, target, **named)


class Crasher(ModelFirmware):
    """Divides by zero in the commit."""

    name = "crasher"

    def commit(self, session: Session) -> None:
        raise ZeroDivisionError("a bug of the firmware")


class LimitedRig(UpdateRig):
    """A rig that can do less; ``can`` says what."""

    def __init__(self, rig: UpdateRig, can: Capabilities) -> None:
        super().__init__(rig.board, rig.images, firmware=rig.firmware, app=rig.app)
        self.capabilities = can  # type: ignore[misc]


class InterruptedRig(UpdateRig):
    """Ctrl-C arrives in the middle of the ``runs_left``-th session that is executed."""

    runs_left = 0

    def stretch(self, state: DeviceState, *, resolution: str | None = None) -> Run:
        self.runs_left -= not state.volatile
        if self.runs_left == 0:
            raise KeyboardInterrupt
        return super().stretch(state, resolution=resolution)


class BentRig(UpdateRig):
    """Its live interruptions leave one byte other than replaying the journal does: a bug of ours."""

    def run(self, state: DeviceState, interruption: Interruption | None = None, **options: str | None) -> Run:
        run = super().run(state, interruption, **options)
        if interruption is None:
            return run
        chip = self.device.chips[0]
        chip.cells.put(self.places.slots[1].address, 1, chip.cells.erased ^ 0xFF)
        return replace(run, end=replace(run.end, memory=(chip.snapshot(), *run.end.memory[1:])))


class _DeafTimer:
    """Takes orders and does nothing."""

    can_stop = True

    def arm(self, timeout_s: int) -> None: ...

    def stop(self) -> None: ...

    def keep_fed(self) -> None: ...


class NeverQuiet(ModelFirmware):
    """Commits, and leaves the commit timer running."""

    name = "never-quiet"

    def commit(self, session: Session) -> None:
        timer = session.timer
        session.timer = _DeafTimer()  # type: ignore[assignment]
        try:
            super().commit(session)
        finally:
            session.timer = timer
