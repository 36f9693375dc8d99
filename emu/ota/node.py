"""A device that is switched on: it boots, runs an application, resets, loses power, in virtual time.

A campaign's session plays one workload from its reset to its end. A node is open: bytes come from outside whenever
they come, so it lives between two calls, and its application is told of what happens and of the time. Whatever a call
leads to (a timer that pulls reset, a power cut inside a flash operation, a crash) ends the session as it would in a
campaign, and the next one begins at the reset vector, with everything in RAM gone.

Neighbours: `device` and `firmware` are what is switched on; an update system brings the application, links bring the
bytes. Knows no protocol, no socket and no wall clock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar

from bootloader.decision import Decision, ResetCause
from emu.device import EmulatedDevice, Session
from emu.ending import MODEL_CRASHES, ended
from emu.events import UNKNOWN
from emu.firmware import ModelFirmware
from emu.handover import hand_over
from emu.rig import Outcome
from flash.errors import PowerLost
from flash.journal import Interruption, Journal

MAX_RESETS = 8
"""In a row, without anything from outside in between: more are a boot loop."""

NodeState = Literal["off", "running", "dead"]


@dataclass(frozen=True)
class Booted:
    """What an application is given when it is entered. ``uptime_us`` of its clock is ``session.clock.now_us``."""

    session: Session
    firmware: ModelFirmware
    decision: Decision

    @property
    def slot(self) -> int:
        assert self.decision.slot is not None, "an application runs in no slot: please report"
        return self.decision.slot


class Application(Protocol):
    """What runs after the hand-over. Everything in it is RAM: a reset makes another one."""

    @property
    def due_us(self) -> int | None:
        """When `tick` has something to do, in microseconds of its session; None: never, as far as it knows."""
        ...

    def started(self) -> None:
        """It has been entered. A reset may come of it."""
        ...

    def tick(self) -> None:
        """Do what is due."""
        ...


App = TypeVar("App", bound=Application)


class Node(Generic[App]):
    """``device`` with ``firmware`` in it, and what ``make`` makes of a boot.

    ``image_in`` names what stands in a slot, for the log. ``said``: what a console would show, as (microseconds
    since the node was made, text).
    """

    def __init__(
        self,
        device: EmulatedDevice,
        make: Callable[[Booted], App],
        *,
        firmware: ModelFirmware | None = None,
        image_in: Callable[[int], str] = lambda slot: UNKNOWN,
    ) -> None:
        self.device = device
        self.firmware = firmware or ModelFirmware()
        self.state: NodeState = "off"
        self.why = "it was never switched on"
        self.app: App | None = None
        self.session: Session | None = None
        self._resets = 0
        self.on_reset: Callable[[str], None] = lambda cause: None
        """Called with the cause when a session is over: what was connected to it is not any more."""
        self._make = make
        self._image_in = image_in
        self._before_us = 0
        self._ram: dict[str, int] = {}
        self._next_cut: Interruption | None = None

    @property
    def now_us(self) -> int:
        """Microseconds of device time since the node was made, while its power was on."""
        return self._before_us + (self.session.clock.now_us if self.session is not None else 0)

    @property
    def journal(self) -> Journal | None:
        """Of the session that runs; None: none does."""
        return None if self.session is None else self.session.log.journal

    # -- power and resets ----------------------------------------------------------------------------------

    def switch_on(self, cut: Interruption | None = None) -> None:
        """Power is there. ``cut``: planned for the session that begins. Nothing happens to one that is on."""
        if self.state != "off":
            return
        self._ram = {}
        self._next_cut = cut
        self._sessions("power")

    def switch_off(self) -> None:
        """Power goes, now: between two flash operations, for nothing runs while nobody calls."""
        if self.state == "off":
            return
        try:
            self.device.supply.cut()
        except PowerLost:
            self._end("power is lost")

    def cut_next(self, cut: Interruption | None) -> None:
        """Plan a cut in the session that runs: at an entry of its journal that is still to come."""
        assert self.session is not None, "a cut was planned in a session that does not run: please report"
        journal = self.session.log.journal
        journal.interruption = cut
        journal.interrupt_at = -1 if cut is None else cut.entry

    def press_reset(self) -> None:
        """Somebody pulls the reset line."""
        if self.state != "off":
            self._reset("pin")

    # -- what happens --------------------------------------------------------------------------------------

    def do(self, act: Callable[[App], None]) -> bool:
        """Let the application do ``act``. False: there is none, or its session did not live to see the end of it."""
        if self.state != "running" or self.app is None:
            return False
        self._resets = 0
        app = self.app
        return self._survives(lambda: act(app))

    def elapse(self, duration_us: int) -> None:
        """Time passes; what is due on the way is done, and timers that run out reset the device."""
        end = self.now_us + duration_us
        while self.state == "running" and self.session is not None and self.app is not None:
            due, session = self.app.due_us, self.session
            left = end - self.now_us
            wait = left if due is None else min(left, due - session.clock.now_us)
            app = self.app
            if wait > 0 and not self._survives(lambda wait=wait, session=session: session.wait(wait)):  # type: ignore[misc]
                continue
            if due is not None and due <= session.clock.now_us:
                if not self._survives(app.tick):
                    continue
            elif self.now_us >= end:
                return
        if self.state != "off" and self.now_us < end:
            self._before_us += end - self.now_us

    @property
    def next_us(self) -> int | None:
        """When something happens by itself, in `now_us`; None: nothing does until somebody calls."""
        if self.state != "running" or self.app is None or self.session is None:
            return None
        times = [due for due in (self.app.due_us, self.session.clock.next_alarm_us) if due is not None]
        return self._before_us + min(times) if times else None

    # -- sessions ------------------------------------------------------------------------------------------

    def _survives(self, act: Callable[[], None]) -> bool:
        """Run ``act`` in the session; whatever ends it is followed by what comes next."""
        session = self.session
        assert session is not None, "nothing runs, and something is done in it: please report"

        def live() -> Outcome:
            act()
            return Outcome("waypoint")

        outcome = ended(session, live, MODEL_CRASHES)
        if outcome.kind == "waypoint":
            return True
        self._after(outcome)
        return False

    def _after(self, outcome: Outcome) -> None:
        if outcome.kind == "reset":
            self._reset(outcome.cause)
        elif outcome.kind == "cut":
            self._end("power is lost")
        else:
            self.state, self.why = "dead", outcome.detail or outcome.kind
            self._over(self.why)

    def _reset(self, cause: ResetCause) -> None:
        self._end(f"reset by {cause}")
        self._sessions(cause)

    def _end(self, why: str) -> None:
        if self.session is not None:
            self._before_us += self.session.clock.now_us
        self.state, self.why, self.session = "off", why, None
        self._over(why)

    def _over(self, why: str) -> None:
        self.app = None
        self.on_reset(why)

    def _sessions(self, cause: ResetCause) -> None:
        """Boot, and boot again if it comes to that."""
        while True:
            self._resets += 1
            if self._resets > MAX_RESETS:
                self.state, self.why = "dead", f"a boot loop: {MAX_RESETS} resets in a row, the last one by {cause}"
                return
            outcome = self._boot(cause)
            if outcome.kind == "waypoint":
                return
            if outcome.kind != "reset":
                self._after(outcome)
                return
            self._end(f"reset by {outcome.cause}")
            cause = outcome.cause

    def _boot(self, cause: ResetCause) -> Outcome:
        if cause == "power":
            self._ram = {}
        journal = Journal(self._next_cut)
        self._next_cut = None
        session = self.device.reset(cause, journal, None, self._ram)
        self.session = session

        def live() -> Outcome:
            decision, _ = hand_over(session, self.firmware, self._image_in)
            if decision.slot is None:
                return Outcome("halted", detail=f"nothing to boot: {decision.why}")
            self.app = self._make(Booted(session, self.firmware, decision))
            self.state, self.why = "running", f"slot {decision.slot}: {decision.why}"
            self.app.started()
            return Outcome("waypoint")

        return ended(session, live, MODEL_CRASHES)
