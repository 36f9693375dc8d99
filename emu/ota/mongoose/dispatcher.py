"""A frame in, a handler called, a frame out: the device's side of MG-RPC, whatever the link.

Neighbours: a link gives frames and says where answers go; `methods` has the handlers, `guard` says who may call. What
time it is is passed in. Knows no socket, no flash, no update.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from emu.ota.mongoose.call import Call, Channel, Deferred, Outcome, RpcError
from emu.ota.mongoose.guard import Guard
from emu.ota.mongoose.methods import Methods
from emu.ota.mongoose.pending import MAX_QUEUE_LENGTH, PendingCalls
from emu.ota.mongoose.wire import Answer, Frame, Malformed, Request, parse

REBOOT_LOCKOUT_MS = 100


@dataclass(frozen=True)
class Limits:
    """``max_channels``: of those opened for one peer; links hold to it."""

    max_frame_size: int = 4096
    max_queue_length: int = MAX_QUEUE_LENGTH
    max_channels: int = 20


@dataclass
class Dispatcher:
    """``local_ids``: names it answers to, the device's own first. ``epoch_s``: seconds since 1970 at uptime 0.

    ``reboot_at_us``: the uptime a reboot is due at, set by whoever asked for it.
    """

    local_ids: tuple[str, ...]
    guard: Guard = field(default_factory=Guard)
    limits: Limits = field(default_factory=Limits)
    epoch_s: int = 0
    reboot_at_us: int | None = None
    methods: Methods = field(default_factory=Methods)
    pending: PendingCalls = field(init=False)

    def __post_init__(self) -> None:
        self.pending = PendingCalls(self.limits.max_queue_length)

    def receive(self, data: bytes, channel: Channel, now_us: int, reply: Callable[[bytes], None]) -> Malformed | None:
        """One frame as it came. ``reply`` is called with the answer, at once or later, or never.

        Malformed: the link closes the channel, unless it is persistent.
        """
        if len(data) > self.limits.max_frame_size:
            return Malformed(f"{len(data)} bytes, {self.limits.max_frame_size} are allowed")
        frame = parse(data)
        if isinstance(frame, Malformed):
            return frame
        return self.handle(frame, channel, now_us, lambda answer: reply(answer.emit()))

    def handle(self, frame: Frame, channel: Channel, now_us: int, answer: Callable[[Answer], None]) -> Malformed | None:
        """The same for a frame that a link has taken apart or put together by itself (HTTP, MQTT)."""
        if frame.dst and frame.dst not in self.local_ids:
            return Malformed(f"it is for {frame.dst[:60]}")
        if not isinstance(frame, Request):
            self.pending.settle(frame)
            return None
        request = frame

        def send(outcome: Outcome) -> None:
            if not request.id:
                return
            if isinstance(outcome, RpcError):
                answer(request.error(outcome.code, outcome.message, self.local_ids[0]))
            else:
                answer(request.response(outcome, self.local_ids[0]))

        outcome = self._call(request, channel, now_us)
        if isinstance(outcome, Deferred):
            outcome.attach(send)
        else:
            send(outcome)
        return None

    def _call(self, request: Request, channel: Channel, now_us: int) -> Outcome | Deferred:
        method = self.methods.find(request.method)
        if method is None:
            return RpcError(404, f"No handler for {request.method}")
        if self.reboot_at_us is not None:
            left_ms = int((self.reboot_at_us - now_us) / 1000)
            if left_ms < REBOOT_LOCKOUT_MS:
                return RpcError(418, f"shutting down in {left_ms} ms")
        username = self.guard.admit(request, channel, self.epoch_s + now_us // 1_000_000)
        if isinstance(username, RpcError):
            return username
        return method.handler(Call(request.method, request.params, request, channel, now_us, username))
