"""The life of one device, a session at a time: the workload that is cut.

Boot; let a new image prove itself and commit; and whenever the old image runs and settles with an update attempt left,
receive the new image in chunks, finish, and restart.

Neighbours: `update_rig` starts a life for every session, `firmware` and `app` are what it runs, `ending` says how it
ends. Knows no campaign.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import Protocol

from bootloader.decision import Decision
from bootloader.layout import Slot
from emu.app import APP_MODELS, AppModel
from emu.device import Session
from emu.ending import MODEL_CRASHES, ended
from emu.events import (
    ATTEMPT,
    COMMIT_BEGUN,
    COMMIT_RETURNED,
    FILES,
    MERGE_FAILED,
    MERGED,
    NEW,
    OLD,
    REFUSED,
    STAGED,
)  # fmt: skip
from emu.firmware import ModelFirmware
from emu.freezer import Held, freeze, thaw
from emu.handover import hand_over
from emu.rig import Files, Outcome
from updater.reception import UpdaterContext, UpdateState


@dataclass(frozen=True)
class Plot:
    """What stays the same in every session: the code under test, what the new application does, the update as it is
    sent; how to tell which image stands in a slot, given by its number, and which files (None: nobody knows which there
    should be)."""

    firmware: ModelFirmware
    app: AppModel
    bundle: bytes
    image_in: Callable[[int], str]
    asked_for_attempts: Callable[[], None] = lambda: None
    files_in: Callable[[Slot], tuple[Files, str] | None] = lambda slot: None


class SessionLife(Protocol):
    """One session of a device with something to do. ``attempts_left``, ``frozen`` and ``outside``: as in the
    `DeviceState` it leaves."""

    attempts_left: int
    frozen: bytes

    @property
    def outside(self) -> Hashable: ...

    def outcome(self, frozen: bytes = b"") -> Outcome:
        """Run the session to its end, whatever that is; from the reset vector, or on from a waypoint."""
        ...


class Life:
    """One session, from the reset vector to its end. ``attempts_left`` counts down as it goes.

    ``pausing``: stop at the first waypoint, where ``frozen`` is what the processor holds.
    """

    def __init__(self, plot: Plot, session: Session, attempts_left: int, *, pausing: bool = False) -> None:
        self._plot = plot
        self._session = session
        self._pausing = pausing
        self._now = Held("boot")
        self.attempts_left = attempts_left
        self.frozen = b""
        self.outside: Hashable = None

    def outcome(self, frozen: bytes = b"") -> Outcome:
        if frozen:
            self._now = thaw(frozen, self._session, self._plot.firmware)
        return ended(self._session, self._live, MODEL_CRASHES)

    def _live(self) -> Outcome:
        """One stage after another; between two of them is a waypoint."""
        stages = {"boot": self._boot, "ready": self._begin, "feed": self._receive, "finish": self._finish}
        while True:
            outcome = stages[self._now.stage]()
            if outcome is not None:
                return outcome
            if self._pausing and self._session.device.reads_plainly:
                self.frozen = freeze(self._now, self._session, self._plot.firmware)
                if self.frozen:
                    return Outcome("waypoint")

    def _boot(self) -> Outcome | None:
        session, plot = self._session, self._plot
        decision, image = hand_over(session, plot.firmware, plot.image_in)
        if decision.slot is None:
            return Outcome("halted", detail=decision.why)
        committed = not decision.trial
        if decision.trial:
            self._merge(decision)
            trial = _Trial(session, plot.firmware)
            model = plot.app if image == NEW else APP_MODELS["healthy"]
            model.trial(trial)
            committed = trial.committed
        self._now = Held("ready", image, committed, decision)
        return None if image == OLD and committed else self._rest()

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

    def _rest(self) -> Outcome:
        """Nothing more is going to happen, unless a timer is running: which files stand beside the image now?"""
        session, now = self._session, self._now
        if session.clock.has_alarm:
            session.clock.run_to_alarm()
        found = self._plot.files_in(session.device.layout.slots[session.running_slot])
        if found is not None:
            session.log.note(FILES, session.running_slot, now.image, *found)
        return Outcome("settled", now.image, now.committed)

    def _begin(self) -> Outcome | None:
        """One attempt begins, if one is left."""
        session, firmware = self._session, self._plot.firmware
        self._plot.asked_for_attempts()
        if not self.attempts_left:
            return self._rest()
        session.log.note(ATTEMPT)
        self.attempts_left -= 1
        target = firmware.update_target(session, session.running_slot)
        context = firmware.open_update(session, target)
        if context is None:
            session.log.note(REFUSED, target.log[-1])
            return self._rest()
        self._now = replace(self._now, stage="feed", context=context)
        return None

    def _receive(self) -> None:
        assert self._now.context is not None, "an update that was not begun: please report"
        self._feed(self._now.context)
        self._now = replace(self._now, stage="finish")

    def _finish(self) -> Outcome:
        """Restarts the device when the update was applied."""
        context = self._now.context
        assert context is not None, "an update that was not begun: please report"
        if self._plot.firmware.finish(context) == 1:
            self._session.log.note(STAGED)
            self._session.reset("software")
        self._session.log.note(REFUSED, f"{context.status_msg}: {context.detail}")
        return self._rest()

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
