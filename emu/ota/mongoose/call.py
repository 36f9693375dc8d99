"""What a method's handler is given, and what it may answer.

A handler is a plain function: `handler(call)` returns the result as JSON text, an `RpcError`, or a `Deferred` it
keeps to answer later. Neighbours: `dispatcher` calls handlers. Knows no link.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from emu.ota.mongoose.jsontext import members
from emu.ota.mongoose.wire import Request


@dataclass(frozen=True)
class Channel:
    """Where a frame came from. ``kind``: the word of access rules, as in UART; ``info``: what RPC.Ping tells of it.

    ``username``: who the channel itself knows the peer to be (HTTP). ``is_persistent``: not closed after a bad frame.
    """

    kind: str
    info: str = ""
    is_persistent: bool = True
    username: str = ""


@dataclass(frozen=True)
class Call:
    """``method`` as the peer wrote it; ``username`` is empty unless a rule made the peer say it."""

    method: str
    params: str
    request: Request
    channel: Channel
    now_us: int
    username: str = ""

    @cached_property
    def arguments(self) -> dict[str, str]:
        """The members of ``params``, each as JSON text; none if it is no object, as on a device."""
        return members(self.params) or {}


@dataclass(frozen=True)
class RpcError:
    """An error answer; an empty message is not sent."""

    code: int
    message: str = ""


Outcome = str | RpcError
"""A result as JSON text (empty: null), or an error."""


class Deferred:
    """An answer that comes later: the handler returns it, keeps it, and calls `answer` once."""

    def __init__(self) -> None:
        self._early: Outcome | None = None
        self._send: Callable[[Outcome], None] | None = None
        self._is_answered = False

    def answer(self, outcome: Outcome) -> None:
        assert not self._is_answered, "a call was answered twice: please report"
        self._is_answered = True
        if self._send is None:
            self._early = outcome
        else:
            self._send(outcome)

    def attach(self, send: Callable[[Outcome], None]) -> None:
        """Where the answer goes; at once if it was given already."""
        self._send = send
        if self._early is not None:
            send(self._early)


Handler = Callable[[Call], str | RpcError | Deferred]
