"""The client's end of MG-RPC: calls out, answers in, who waits how long, credentials where a device asks for them.

A client is a value: every event makes a new one, so a campaign can hold many of them, compare them and go back to one.
That is why it has no callbacks, and why `pending` (whose calls have some) is the device's alone. What time it is and
the seed of everything that is drawn are passed in.

Neighbours: `wire` has the frames, `digest` the proofs; `updating` makes calls with one, `session` gives it a link.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from msgspec import Struct, structs

from emu.ota.mongoose.digest import Challenge
from emu.ota.mongoose.wire import Answer, ErrorResponse, Malformed, Request, parse
from flash.draws import mix

FIRST_ID = 1 << 40
IDS = 1 << 40
"""Ids are drawn from so many, as the vendor's client draws them: they are what tells a late answer from a new one."""
UNAUTHENTICATED = 401
NOBODY, STRANGER = "the device wants a user and a password", "the device does not know this user and password"
"""In place of the challenge, which says nothing to a reader."""
_ID, _CNONCE = 0, 1


@dataclass(frozen=True)
class Caller:
    """Who calls. ``dst``: said only where a link needs it (MQTT). ``args_name``: "args" for firmware of before 2017."""

    seed: int = 0
    src: str = "mos"
    dst: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    args_name: str = "params"


class Answered(Struct, frozen=True):
    """``result``: JSON text. ``message``: of an error with code 0, which is how some methods say that all went well."""

    call: str
    result: str
    message: str = ""


class Refused(Struct, frozen=True):
    call: str
    code: int
    message: str = ""

    @property
    def text(self) -> str:
        message = self.message.removeprefix(f"{self.code} ")  # GEN-2 says the code in the message again
        return (
            f"error {self.code}: {message}" if message else f"error {self.code}, for which the device gives no reason"
        )


class Unanswered(Struct, frozen=True):
    """Whether the device has done what it was asked is not known."""

    call: str
    why: str

    @property
    def text(self) -> str:
        return self.why


Outcome = Answered | Refused | Unanswered


class Waiting(Struct, frozen=True):
    """A call that is out. ``request`` without credentials; ``is_proved``: it was sent again because it was asked to."""

    call: str
    request: Request
    sent_us: int
    due_us: int
    is_proved: bool = False


class Turn(Struct, frozen=True):
    """What an event led to: ``frames`` to send, calls that are over."""

    client: RpcClient
    frames: tuple[bytes, ...] = ()
    outcomes: tuple[Outcome, ...] = ()


@dataclass(frozen=True)
class RpcClient:
    """``waiting`` in the order the calls were made. ``challenge``: the last one a device made; it is answered without
    being asked from then on, for as long as the device takes it."""

    caller: Caller = Caller()
    draws: int = 0
    waiting: tuple[Waiting, ...] = ()
    challenge: Challenge | None = None

    @property
    def due_us(self) -> int | None:
        """When `wake` has something to do."""
        return min((each.due_us for each in self.waiting), default=None)

    def call(self, method: str, params: str, now_us: int, timeout_us: int) -> tuple[RpcClient, str, bytes]:
        """The client, the call's name in its outcome, and the frame to send. ``params``: JSON text; "": none."""
        caller = self.caller
        request = Request(method, params=params, src=caller.src, dst=caller.dst, args_name=caller.args_name)
        name = str(self.draws)
        client, frame = self._send(Waiting(name, request, now_us, now_us + timeout_us))
        return client, name, frame

    def receive(self, data: bytes) -> Turn:
        """A frame as it came. What is no answer to a call that waits is passed over; a call of the device's is told
        that there is nobody to serve it."""
        frame = parse(data)
        if isinstance(frame, Malformed):
            return Turn(self)
        if isinstance(frame, Request):
            if not frame.id:
                return Turn(self)
            return Turn(self, (frame.error(404, f"No handler for {frame.method}", self.caller.src).emit(),))
        waiting = next((each for each in self.waiting if each.request.id == frame.id), None)
        return Turn(self) if waiting is None else self._answered(waiting, frame)

    def wake(self, now_us: int) -> Turn:
        """Time has passed: what waits too long is over."""
        late = tuple(each for each in self.waiting if each.due_us <= now_us)
        return self._over(late, lambda each: f"no answer in {(each.due_us - each.sent_us) / 1e6:g} s")

    def lost(self) -> Turn:
        """The link is gone, and with it every answer."""
        return self._over(self.waiting, lambda each: "the link was lost")

    def drawing(self, draws: int) -> RpcClient:
        """The same, about to draw the id with this number."""
        return replace(self, draws=draws)

    def timed(self, change: Callable[[int], int]) -> RpcClient:
        """The same, with other times; how long a call waits in all is as it was."""
        waiting = []
        for each in self.waiting:
            due_us = change(each.due_us)
            waiting.append(structs.replace(each, sent_us=due_us - (each.due_us - each.sent_us), due_us=due_us))
        return replace(self, waiting=tuple(waiting))

    def _answered(self, waiting: Waiting, answer: Answer) -> Turn:
        client = replace(self, waiting=tuple(each for each in self.waiting if each is not waiting))
        if not isinstance(answer, ErrorResponse):
            return Turn(client, (), (Answered(waiting.call, answer.result),))
        if answer.code == 0:
            return Turn(client, (), (Answered(waiting.call, "null", answer.message),))
        challenge = Challenge.parse(answer.message) if answer.code == UNAUTHENTICATED else None
        if challenge is None:
            return Turn(client, (), (Refused(waiting.call, answer.code, answer.message),))
        if waiting.is_proved or not self.caller.username:
            message = STRANGER if self.caller.username else NOBODY
            return Turn(client, (), (Refused(waiting.call, answer.code, message),))
        client, frame = replace(client, challenge=challenge)._send(structs.replace(waiting, is_proved=True))
        return Turn(client, (frame,))

    def _send(self, waiting: Waiting) -> tuple[RpcClient, bytes]:
        """With a new id, for a call that is sent again too: an answer to the first time is none to the second."""
        caller = self.caller
        request = structs.replace(waiting.request, id=str(FIRST_ID + mix(caller.seed, self.draws, _ID) % IDS))
        sent = request
        if self.challenge is not None and caller.username:
            cnonce = mix(caller.seed, self.draws, _CNONCE) & 0xFFFF_FFFF
            sent = structs.replace(request, auth=self.challenge.answer(caller.username, caller.password, cnonce))
        known = (*self.waiting, structs.replace(waiting, request=request))
        return replace(self, draws=self.draws + 1, waiting=known), sent.emit()

    def _over(self, over: tuple[Waiting, ...], why: Callable[[Waiting], str]) -> Turn:
        if not over:
            return Turn(self)
        client = replace(self, waiting=tuple(each for each in self.waiting if each not in over))
        return Turn(client, (), tuple(Unanswered(each.call, why(each)) for each in over))
