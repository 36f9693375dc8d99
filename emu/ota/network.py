"""A network in memory between a device and its peer, in virtual time: what it carries, and what it does not.

What stands outside a device is a value (`Outside`): the peer's state and the frames on their way, with times counted
from when the value was taken. It lives on when the device is reset or loses its power, so it is part of a campaign's
state. Every frame of a session has a number; a *plan* says which of them are not carried as they were sent.

How long power is away: `OFF_US`, counted from the last thing the peer did. A device that has worked longer than that
before its power went finds a peer whose clock is that much behind.

Neighbours: `machine` is what the peer is; `linked_life` runs the device at the other end. Knows no protocol, no socket
and no wall clock.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import Any, Literal

from emu.events import CLAIMED, DETOURS, FRAME, NOTE, OUTSIDE
from emu.ota.machine import Frames, Peer
from emu.rig import Plan

LOST, DOUBLED, LATE, STALLED, BROKEN = DETOURS
LinkKind = Literal["connection", "wire"]
LINK_KINDS: tuple[LinkKind, ...] = ("connection", "wire")
"""A connection breaks when the device is reset, and its peer is told; on a wire frames are lost and nobody knows."""

SECOND = 1_000_000
TICK_US = SECOND // 2
"""What stands outside keeps time in such steps when it is put by; else states would differ in microseconds alone."""
TRAVEL_US = 1_000
LATE_US = 25 * SECOND
"""Longer than a peer waits for an answer: what is late comes behind its own repetition."""
STALL_US = 700 * SECOND
"""Longer than a device lets an update rest. A link that stands still goes on when the device is reset, without what it
held back."""
OFF_US = 3 * SECOND


@dataclass(frozen=True)
class Flight:
    """A frame on its way, ``due_us`` from now. ``is_backed``: when the device sent it, its flash named the new image as
    the one to run next."""

    due_us: int
    to_device: bool
    frame: bytes
    is_backed: bool = True


@dataclass(frozen=True)
class Outside:
    """Everything outside a device. ``talk``: the peer's state; None: it wants nothing of the device. ``left``: how many
    frames may still be disturbed."""

    talk: Hashable = None
    flights: tuple[Flight, ...] = ()
    left: int = 0


class Network:
    """One session's. ``note`` writes the journal; ``now`` is the session's clock, in microseconds."""

    def __init__(
        self, peer: Peer[Any], kind: LinkKind, outside: Outside, plan: Plan, note: Callable[..., None],
        now: Callable[[], int],
    ) -> None:  # fmt: skip
        self._peer, self._kind, self._note, self._clock = peer, kind, note, now
        self._early_us = 0
        self._plan = dict(plan)
        self._left = outside.left
        self._talk: Any = outside.talk
        self._flights = list(outside.flights)
        self._still_until_us = 0
        self._frames = 0
        self.told = outside
        """What the journal says of it so far."""
        self.is_up = False

    @property
    def now_us(self) -> int:
        """Of the session; before its reset, below 0."""
        return self._early_us or self._clock()

    @property
    def is_quiet(self) -> bool:
        return self._talk is None and not self._flights

    @property
    def due_us(self) -> int | None:
        """When something happens next."""
        times = [flight.due_us for flight in self._flights if self.is_up or not flight.to_device]
        if self._talk is not None:
            due = self._peer.due_us(self._talk)
            times += [] if due is None else [due]
        if self._still_until_us > self.now_us:
            times.append(self._still_until_us)
        return min(times, default=None)

    @property
    def outside(self) -> Outside:
        """As it is now."""
        now = self.now_us
        put_by = (replace(each, due_us=_rounded(each.due_us - now)) for each in self._flights)
        talk = None if self._talk is None else self._peer.put_by(self._talk, now)
        return Outside(talk, tuple(sorted(put_by, key=_order)), self._left)

    # -- what happens to the device ------------------------------------------------------------------------

    def after_reset(self, *, had_no_power: bool) -> None:
        """The device was reset: what was on its way to it is gone. Without power, time has passed as well."""
        if had_no_power:
            self._shift(-OFF_US)
            self._early_us = -OFF_US
        answers = [each for each in self._flights if not each.to_device and each.due_us <= self.now_us + LATE_US]
        self._flights = answers if self._kind == "wire" else []
        if self._kind == "connection" and self._talk is not None:
            for flight in sorted(answers, key=_order):
                if flight.due_us - self.now_us <= TRAVEL_US:
                    self._receive(flight)
            self._lose()
        while self._early_us < 0:
            due = self.due_us
            self._early_us = 0 if due is None else min(0, max(due, self._early_us))
            if self._early_us < 0:
                self.step(lambda frame: None)
        self._tell()

    def up(self) -> None:
        """The device listens from now on. What a wire has brought before is lost; who connects has waited."""
        now = self.now_us
        if self._kind == "wire":
            self._flights = [each for each in self._flights if not each.to_device or each.due_us > now]
        self.is_up = True
        self._tell()

    def begin(self, attempt: int) -> None:
        """The peer begins an update."""
        assert self._talk is None, "two updates at once: please report"
        self._talk, frames = self._peer.begin(attempt, self.now_us)
        self._sent(frames)
        self._tell()

    def step(self, deliver: Callable[[bytes], None]) -> None:
        """The next thing that is due happens; ``deliver`` hands a frame to the device."""
        flight = min((each for each in self._flights if self.is_up or not each.to_device), key=_order, default=None)
        due = None if self._talk is None else self._peer.due_us(self._talk)
        if flight is not None and flight.due_us <= self.now_us and (due is None or flight.due_us <= due):
            self._flights.remove(flight)
            if flight.to_device:
                deliver(flight.frame)
            else:
                self._receive(flight)
        elif due is not None and due <= self.now_us:
            self._moved(*self._peer.wake(self._talk, self.now_us))
        self._tell()

    def answer(self, frame: bytes, *, is_backed: bool) -> None:
        """The device sends a frame. ``is_backed``: as `Flight` has it."""
        self._send(frame, to_device=False, is_backed=is_backed)
        self._tell()

    # -- inside --------------------------------------------------------------------------------------------

    def _receive(self, flight: Flight) -> None:
        if self._talk is not None:  # else nobody listens any more
            talk, frames = self._peer.receive(self._talk, flight.frame, self.now_us)
            self._moved(talk, frames, is_backed=flight.is_backed)

    def _lose(self) -> None:
        if self._talk is not None:
            self._moved(*self._peer.lost(self._talk, self.now_us))

    def _moved(self, talk: Any, frames: Frames, *, is_backed: bool = True) -> None:
        before, self._talk = self._peer.claims(self._talk), talk
        claimed = self._peer.claims(talk)
        if claimed != before:
            self._note(CLAIMED, claimed, is_backed)
        if self._peer.is_over(talk):
            failure = self._peer.failure(talk)
            if failure:
                self._note(NOTE, f"the peer gives up: {failure}")
            self._talk, self._flights = None, [each for each in self._flights if each.to_device]
        self._sent(frames)

    def _sent(self, frames: Frames) -> None:
        for frame in frames:
            self._send(frame, to_device=True)

    def _send(self, frame: bytes, *, to_device: bool, is_backed: bool = True) -> None:
        """A frame, as the plan has it."""
        number, self._frames = self._frames, self._frames + 1
        how = self._plan.get(number, "")
        self._left -= bool(how)
        sender = "peer" if to_device else "device"
        self._note(FRAME, sender, self._peer.name_of(frame), how)
        if how == STALLED:
            self._still_until_us = self.now_us + STALL_US
        leaves_us = max(self.now_us, self._still_until_us)
        after = {LOST: (), BROKEN: (), DOUBLED: (TRAVEL_US, 2 * TRAVEL_US), LATE: (LATE_US,)}.get(how, (TRAVEL_US,))
        self._flights += [Flight(leaves_us + travel_us, to_device, frame, is_backed) for travel_us in after]
        if how == BROKEN:
            self._flights = []
            self._lose()

    def _shift(self, by_us: int) -> None:
        self._flights = [replace(each, due_us=each.due_us + by_us) for each in self._flights]
        if self._talk is not None:
            self._talk = self._peer.shifted(self._talk, by_us)

    def _tell(self) -> None:
        """Into the journal, where anything has changed; of the time without power once, when it is over."""
        outside = self.outside
        if outside != self.told and not self._early_us:
            self._note(OUTSIDE, outside)
            self.told = outside


def _rounded(due_us: int) -> int:
    """Up to whole milliseconds; up to ticks, what takes longer than a tick."""
    step_us = TICK_US if due_us > TICK_US else TRAVEL_US
    return max(0, step_us * -(-due_us // step_us))


def _order(flight: Flight) -> tuple[int, bool, bytes]:
    return flight.due_us, flight.to_device, flight.frame
