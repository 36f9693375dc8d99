"""A client's conversation with a device over a real link, in real time: what a machine of values wants is done.

Neighbours: `links.client` carries frames, `client` and `updating` decide. This is the one place of the client that
looks at a clock; it makes no decision of its own but when to try a link again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from emu.clock import Stopwatch
from emu.errors import LinkLost, LinkRefused
from emu.ota.links.client.link import Link
from emu.ota.machine import Frames, Machine, S
from emu.ota.mongoose.client import Outcome, RpcClient, Turn, Unanswered
from emu.wire import pause

REOPEN_S = 0.5


class PatientMachine(Machine[S], Protocol[S]):
    """A machine over a link that has to be opened."""

    def waits_for_link(self, state: S) -> bool:
        """Whether a link that is gone may come back."""
        ...


@dataclass(frozen=True)
class OneCall:
    """A call and its outcome."""

    client: RpcClient
    call: str
    outcome: Outcome | None = None


class Calling:
    """The machine of a single call."""

    def is_over(self, state: OneCall) -> bool:
        return state.outcome is not None

    def waits_for_link(self, state: OneCall) -> bool:
        return False

    def due_us(self, state: OneCall) -> int | None:
        return state.client.due_us

    def receive(self, state: OneCall, frame: bytes, now_us: int) -> tuple[OneCall, Frames]:
        return self._after(state, state.client.receive(frame))

    def wake(self, state: OneCall, now_us: int) -> tuple[OneCall, Frames]:
        return self._after(state, state.client.wake(now_us))

    def lost(self, state: OneCall, now_us: int) -> tuple[OneCall, Frames]:
        return self._after(state, state.client.lost())

    def _after(self, state: OneCall, turn: Turn) -> tuple[OneCall, Frames]:
        outcome = next((each for each in turn.outcomes if each.call == state.call), None)
        return replace(state, client=turn.client, outcome=outcome), turn.frames


class Session:
    """``link`` is open from `__enter__` to `__exit__`; where it cannot be opened, entering raises LinkLost."""

    def __init__(self, link: Link, client: RpcClient) -> None:
        self.link = link
        self.client = client
        self.why_lost = ""
        """What happened to the link last; "" as long as nothing has."""
        self._watch = Stopwatch()
        self._is_open = False

    def __enter__(self) -> Session:
        try:
            self.link.open()
        except BaseException:
            self.link.close()
            raise
        self._is_open = True
        return self

    def __exit__(self, *wrong: object) -> None:
        self.link.close()

    @property
    def now_us(self) -> int:
        return int(self._watch.seconds * 1e6)

    def call(self, method: str, params: str, timeout_s: float) -> Outcome:
        """One call. An outcome without an answer says why, as far as the link knows."""
        client, name, frame = self.client.call(method, params, self.now_us, int(timeout_s * 1e6))
        done = self.run(Calling(), OneCall(client, name), (frame,))
        self.client = done.client
        assert done.outcome is not None, "a call is over without an outcome: please report"
        return done.outcome

    def run(
        self, machine: PatientMachine[S], state: S, frames: Frames, changed: Callable[[S], None] = lambda state: None
    ) -> S:
        """Until the machine is over. ``changed`` is told of every state. A link that is lost is opened again, every
        half second, as long as the machine can wait for it."""
        queue = list(frames)
        while not machine.is_over(state):
            changed(state)
            due_us, now_us = machine.due_us(state), self.now_us
            if due_us is not None and now_us >= due_us:
                state, frames = machine.wake(state, now_us)
                queue = list(frames)  # what has not left by now is too late
                continue
            left_s = REOPEN_S if due_us is None else (due_us - now_us) / 1e6
            try:
                if not self._is_open:
                    self.link.open()
                    self._is_open = True
                while queue:
                    self.link.send(queue[0])
                    queue.pop(0)
                arrived = self.link.receive(left_s)
            except LinkRefused:
                raise
            except LinkLost as lost:
                was_open, self._is_open, self.why_lost = self._is_open, False, str(lost)
                if was_open or not machine.waits_for_link(state):
                    self.link.close()
                    state, frames = machine.lost(state, self.now_us)
                    queue = list(frames)
                else:
                    pause(min(REOPEN_S, left_s))
                continue
            for frame in arrived:
                state, frames = machine.receive(state, frame, self.now_us)
                queue += frames
        changed(state)
        return state

    def explained(self, outcome: Unanswered) -> str:
        """Why no answer came: what happened to the link, or what it suspects."""
        if self.why_lost and not self._is_open:
            return self.why_lost
        return f"{self.link.label}: {outcome.why}{f'; {self.link.hint}' if self.link.hint else ''}"
