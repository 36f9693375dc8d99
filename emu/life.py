"""The life of one device, a session at a time: the workload that is cut.

Boot; let a new image prove itself and commit; and whenever the old image runs and settles with an update attempt left,
receive the new image in chunks, finish, and restart. Whatever the firmware does (hang, fault, crash, be interrupted)
ends in an `Outcome`, never in an exception.

Neighbours: `update_rig` starts a life for every session, `firmware` and `app` are what it runs. Knows no campaign.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from bootloader.decision import Decision
from bootloader.layout import Slot
from emu.app import APP_MODELS, AppModel
from emu.device import Session
from emu.events import (
    ATTEMPT,
    COMMIT_BEGUN,
    COMMIT_RETURNED,
    DECIDED,
    FILES,
    HANDOVER,
    HANG,
    MERGE_FAILED,
    MERGED,
    NEW,
    OLD,
    REFUSED,
    STAGED,
)  # fmt: skip
from emu.firmware import ModelFirmware
from emu.rig import Files, Outcome
from emu.timers import Hung
from flash.errors import FlashError, HardwareFault, PowerLost, ResetAsserted
from updater.reception import UpdaterContext, UpdateState


@dataclass(frozen=True)
class Plot:
    """What stays the same in every session: the code under test, what the new application does, the update as it is
    sent, and how to tell which image stands in a slot, and which files (None: nobody knows which there should be)."""

    firmware: ModelFirmware
    app: AppModel
    bundle: bytes
    image_in: Callable[[Slot], str]
    files_in: Callable[[Slot], tuple[Files, str] | None] = lambda slot: None


class Life:
    """One session, from the reset vector to its end. ``attempts_left`` counts down as it goes."""

    def __init__(self, plot: Plot, session: Session, attempts_left: int) -> None:
        self._plot = plot
        self._session = session
        self.attempts_left = attempts_left

    def outcome(self) -> Outcome:
        """Run the session to its end, whatever that is."""
        try:
            outcome = self._natural_end()
            if not self._session.log.journal.struck:
                self._session.log.strike_if_due()
            return outcome
        except PowerLost:
            return Outcome("cut")
        except ResetAsserted as reset:
            return self._after_reset(reset.cause)

    def _natural_end(self) -> Outcome:
        """How the session ends when nothing interrupts it after its last entry."""
        try:
            return self._live()
        except ResetAsserted as reset:
            return self._after_reset(reset.cause)
        except Hung as hung:
            return Outcome("hung", detail=str(hung))
        except HardwareFault as fault:
            return self._after_crash(f"unhandled fault: {fault}")
        except (FlashError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError) as wrong:
            return self._after_crash(f"the firmware crashed: {type(wrong).__name__}: {wrong}")

    def _after_reset(self, cause: str) -> Outcome:
        if cause != HANG:
            return Outcome("reset", cause=cause)  # type: ignore[arg-type]
        try:
            self._session.hang()
        except ResetAsserted as reset:
            return Outcome("reset", cause=reset.cause)  # type: ignore[arg-type]
        except Hung as hung:
            return Outcome("hung", detail=str(hung))

    def _after_crash(self, detail: str) -> Outcome:
        """A default fault handler loops for ever; only a timer can end that."""
        outcome = self._after_reset(HANG)
        return replace(outcome, detail=detail)

    def _live(self) -> Outcome:
        session, plot = self._session, self._plot
        decision = plot.firmware.boot(session).decision
        session.log.note(DECIDED, decision.rule, -1 if decision.slot is None else decision.slot, decision.why)
        if decision.slot is None:
            return Outcome("halted", detail=decision.why)
        image = plot.image_in(session.device.layout.slots[decision.slot])
        session.log.note(HANDOVER, decision.slot, image, decision.trial)
        session.running_slot = decision.slot
        committed = not decision.trial
        if decision.trial:
            self._merge(decision)
            trial = _Trial(session, plot.firmware)
            model = plot.app if image == NEW else APP_MODELS["healthy"]
            model.trial(trial)
            committed = trial.committed
        if image == OLD and committed and self.attempts_left:
            self._update(decision)
        if session.clock.has_alarm:
            session.clock.run_to_alarm()
        self._say_files(decision.slot, image)
        return Outcome("settled", image, committed)

    def _merge(self, decision: Decision) -> None:
        """The image on trial carries the user's files over; it does not stay where that fails."""
        session = self._session
        report = self._plot.firmware.merge(session, decision)
        if report is None:
            return
        if report.failed:
            session.log.note(MERGE_FAILED, report.failed)
            session.reset("software")
        session.log.note(MERGED, len(report.carried))

    def _say_files(self, slot: int, image: str) -> None:
        """The device has settled: which files stand beside the image that runs."""
        found = self._plot.files_in(self._session.device.layout.slots[slot])
        if found is not None:
            self._session.log.note(FILES, slot, image, *found)

    def _update(self, decision: Decision) -> None:
        """One attempt; restarts the device when the update was applied."""
        session, firmware = self._session, self._plot.firmware
        session.log.note(ATTEMPT)
        self.attempts_left -= 1
        context, target = firmware.begin_update(session, decision)
        if context is None:
            session.log.note(REFUSED, target.log[-1])
            return
        self._feed(context)
        if firmware.finish(context) != 1:
            session.log.note(REFUSED, f"{context.status_msg}: {context.detail}")
            return
        session.log.note(STAGED)
        session.reset("software")

    def _feed(self, context: UpdaterContext) -> None:
        link = self._session.device.board.document.link
        bundle = memoryview(self._plot.bundle)
        for start in range(0, len(bundle), link.chunk_size):
            chunk = bytes(bundle[start : start + link.chunk_size])
            if link.bytes_per_s:
                self._session.wait(len(chunk) * 1_000_000 // link.bytes_per_s)
            if self._plot.firmware.process(context, chunk) or context.update_state is UpdateState.FINISHED:
                return


class _Trial:
    """What an application model sees: implements `app.Running`."""

    def __init__(self, session: Session, firmware: ModelFirmware) -> None:
        self._session = session
        self._firmware = firmware
        self.committed = False
        self.self_test_us = session.self_test_us
        self.commit_timeout_us = session.commit_timeout_us

    def wait(self, duration_us: int) -> None:
        self._session.wait(duration_us)

    def commit(self) -> None:
        self._session.log.note(COMMIT_BEGUN)
        self._firmware.commit(self._session)
        self._session.log.note(COMMIT_RETURNED)
        self.committed = True

    def reset(self, cause: str) -> None:
        self._session.reset(cause)

    def hang(self) -> None:
        self._session.hang()
