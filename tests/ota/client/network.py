"""An update over a network in memory, in virtual time: what happens to each frame is said in advance.

Neighbours: `device` is at the other end. Asserts nothing but that it comes to an end.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal, Protocol

from emu.ota.mongoose.call import RpcError
from emu.ota.mongoose.client import Caller, RpcClient
from emu.ota.mongoose.updating import Order, Update, Updating, begin_params
from emu.ota.mongoose.wire import ErrorResponse, Request, Response, parse
from tests.ota.client.device import Device, archive

Fate = Literal["arrives", "is lost", "its answer is lost", "arrives twice", "its answer is late", "the link breaks"]
FATES: tuple[Fate, ...] = (
    "arrives", "is lost", "its answer is lost", "arrives twice", "its answer is late", "the link breaks",
)  # fmt: skip
S = 1_000_000
CHUNKS = -(-len(archive()) // 512)
TRAVEL_US = 1_000
LATE_US = 25_000_000
MOST_EVENTS = 20_000


class Peer(Protocol):
    """What answers."""

    def ask(self, frame: bytes) -> list[bytes]: ...


class Network:
    """Between an update and ``peer``. ``fates``: of the first frames the client sends; later ones arrive. ``elapse``:
    is told how much time has passed. ``seen``: every state the update was in."""

    def __init__(
        self,
        peer: Peer,
        order: Order,
        fates: Sequence[Fate] = (),
        *,
        elapse: Callable[[int], None] = lambda duration_us: None,
        caller: Caller = Caller(seed=1),  # noqa: B008 - a value
    ) -> None:
        self.peer, self.updating, self.fates = peer, Updating(order), list(fates)
        self.caller, self.elapse = caller, elapse
        self.now_us = 0
        self.sent: list[bytes] = []
        self.seen: list[Update] = []
        self._coming: list[tuple[int, int, bytes]] = []

    def run(self, through: Callable[[Update], Update] = lambda update: update) -> Update:
        """To the end. ``through``: what becomes of a state between two events."""
        update, frames = self.updating.start(RpcClient(self.caller), self.now_us)
        for _ in range(MOST_EVENTS):
            broken = True in [self._carry(frame) for frame in frames]
            self.seen.append(update)
            if self.updating.is_over(update):
                return update
            update = through(update)
            update, frames = self.updating.lost(update, self.now_us) if broken else self._next(update)
        raise AssertionError("the update does not end")

    def _next(self, update: Update) -> tuple[Update, tuple[bytes, ...]]:
        due_us = self.updating.due_us(update)
        self._coming.sort()
        if self._coming and (due_us is None or self._coming[0][0] <= due_us):
            at_us, _, answer = self._coming.pop(0)
            self._pass(at_us)
            return self.updating.receive(update, answer, self.now_us)
        assert due_us is not None, "the update waits for nothing"
        self._pass(due_us)
        return self.updating.wake(update, self.now_us)

    def _pass(self, at_us: int) -> None:
        self.elapse(max(0, at_us - self.now_us))
        self.now_us = max(self.now_us, at_us)

    def _carry(self, frame: bytes) -> bool:
        """Whether the link broke over it."""
        self.sent.append(frame)
        fate = self.fates.pop(0) if self.fates else "arrives"
        if fate == "is lost":
            return False
        answers = self.peer.ask(frame)
        if fate == "arrives twice":
            answers += self.peer.ask(frame)
        if fate == "the link breaks":
            self._coming.clear()
            return True
        if fate != "its answer is lost":
            after_us = LATE_US if fate == "its answer is late" else TRAVEL_US
            self._coming += [(self.now_us + after_us, len(self.sent), answer) for answer in answers]
        return False


def order(content: bytes | None = None, **changed: Any) -> Order:
    content = archive() if content is None else content
    return replace(Order(content, begin_params(len(content))), **changed)


def over(device: Device, what: Order, fates: tuple[Fate, ...] = (), **more: Any) -> Network:
    return Network(device, what, fates, elapse=device.node.elapse, **more)


class Scripted:
    """Answers each method with the next of its list, the last one for ever; None: not at all."""

    def __init__(self, **answers: list[dict[str, Any] | RpcError | None]) -> None:
        self.calls: list[str] = []
        self._answers = {name.replace("_", "."): list(given) for name, given in answers.items()}

    def ask(self, frame: bytes) -> list[bytes]:
        request = parse(frame)
        assert isinstance(request, Request)
        self.calls.append(request.method)
        given = self._answers.get(request.method, [{}])
        answer = given.pop(0) if len(given) > 1 else given[0]
        if answer is None:
            return []
        if isinstance(answer, RpcError):
            return [ErrorResponse(request.id, answer.code, answer.message).emit()]
        return [Response(request.id, json.dumps(answer)).emit()]


def status(state: int = 0, partition: int = 0, **more: Any) -> dict[str, Any]:
    return {"state": state, "partition": partition, "is_committed": True, "commit_timeout": 0, **more}
