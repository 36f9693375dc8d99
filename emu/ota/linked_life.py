"""The life of a device that is sent its updates by a peer: one session, from a reset until it settles or resets.

Boot; let the application talk to whoever talks to it; and when the old image runs, the device is at rest and an
attempt is left, the peer begins an update, once in a session. The device has settled when nobody talks to it, nothing
is on its way, it has nothing to do and no timer is running.

Neighbours: `network` is the world outside, an update system brings the application; `life` is the same for a device
that is handed its updates. Knows no protocol and no campaign.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Protocol

from emu.device import Session
from emu.ending import MODEL_CRASHES, ended
from emu.events import ATTEMPT, FILES, OLD
from emu.handover import hand_over
from emu.life import Plot
from emu.ota.network import Network
from emu.ota.node import Application, Booted
from emu.rig import Outcome


class LinkedApplication(Application, Protocol):
    """An application with one link to a peer."""

    @property
    def is_committed(self) -> bool: ...

    @property
    def is_updating(self) -> bool:
        """Whether an update is open: then no other can begin."""
        ...

    def receive(self, frame: bytes, answer: Callable[[bytes], None]) -> None:
        """A frame has come; ``answer`` is called with every frame that is sent back, when it is."""
        ...


class LinkedLife:
    """One session. ``make``: what is made of a boot. ``names_other``: whether flash names another image than the one in
    the slot with this number as the one to run next. ``attempts_left`` counts down as it goes."""

    def __init__(
        self, plot: Plot, session: Session, attempts_left: int, network: Network,
        make: Callable[[Booted], LinkedApplication], names_other: Callable[[int], bool],
    ) -> None:  # fmt: skip
        self._plot = plot
        self._session = session
        self._network = network
        self._make = make
        self._names_other = names_other
        self.attempts_left = attempts_left
        self.frozen = b""

    @property
    def outside(self) -> Hashable:
        """As the journal has it."""
        return self._network.told

    def outcome(self, frozen: bytes = b"") -> Outcome:
        assert not frozen, "a session with a peer has no waypoints: please report"
        return ended(self._session, self._live, MODEL_CRASHES)

    def _live(self) -> Outcome:
        session, plot, network = self._session, self._plot, self._network
        network.after_reset(had_no_power=session.cause == "power")
        decision, image = hand_over(session, plot.firmware, plot.image_in)
        if decision.slot is None:
            return Outcome("halted", detail=decision.why)
        app = self._make(Booted(session, plot.firmware, decision))
        app.started()
        network.up()
        self._pass_time(app)
        if image == OLD and app.is_committed and not app.is_updating and self._begins():
            self._pass_time(app)
        if app.is_updating:
            return Outcome("hung", detail="an update that nobody continues stays open: no other can begin")
        return self._rest(app, image)

    def _pass_time(self, app: LinkedApplication) -> None:
        """Until nothing is due any more. A timer that is running then resets the device."""
        network, clock = self._network, self._session.clock
        while True:
            times = [due for due in (network.due_us, app.due_us) if due is not None]
            if not times:
                if clock.has_alarm:
                    clock.run_to_alarm()
                return
            if min(times) > clock.now_us:
                self._session.wait(min(times) - clock.now_us)
            if app.due_us is not None and app.due_us <= clock.now_us:
                app.tick()
            else:
                network.step(lambda frame: app.receive(frame, self._answer))

    def _answer(self, frame: bytes) -> None:
        self._network.answer(frame, is_backed=self._names_other(self._session.running_slot))

    def _begins(self) -> bool:
        """Whether the peer begins an update: if an attempt is left."""
        self._plot.asked_for_attempts()
        if not self.attempts_left:
            return False
        self._session.log.note(ATTEMPT)
        self.attempts_left -= 1
        self._network.begin()
        return True

    def _rest(self, app: LinkedApplication, image: str) -> Outcome:
        """Nothing more is going to happen: which files stand beside the image now?"""
        session = self._session
        found = self._plot.files_in(session.device.layout.slots[session.running_slot])
        if found is not None:
            session.log.note(FILES, session.running_slot, image, *found)
        return Outcome("settled", image, app.is_committed)
