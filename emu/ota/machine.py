"""The other side of an update as a value: every event leads to another state and to frames to send.

A state is a frozen value, so it can be held by the thousand, compared and gone back to. What time it is, is passed in.

Neighbours: update systems bring machines; `network` lets one talk to a device in memory, in virtual time. Knows no
protocol, no link and no clock.
"""

from __future__ import annotations

from typing import Protocol, TypeVar

S = TypeVar("S")
Frames = tuple[bytes, ...]


class Machine(Protocol[S]):
    """What a conversation is about. Times in microseconds of whoever drives it."""

    def is_over(self, state: S) -> bool: ...

    def due_us(self, state: S) -> int | None:
        """When `wake` has something to do; None: never, as far as it knows."""
        ...

    def receive(self, state: S, frame: bytes, now_us: int) -> tuple[S, Frames]: ...

    def wake(self, state: S, now_us: int) -> tuple[S, Frames]: ...

    def lost(self, state: S, now_us: int) -> tuple[S, Frames]:
        """The link is gone, and with it every answer."""
        ...


class Peer(Machine[S], Protocol[S]):
    """A machine that brings an update to a device, again and again if it must."""

    def begin(self, attempt: int, now_us: int) -> tuple[S, Frames]:
        """A conversation begins; ``attempt`` is another number each time."""
        ...

    def shifted(self, state: S, by_us: int) -> S:
        """The same state, with all of its times later by ``by_us``."""
        ...

    def put_by(self, state: S, now_us: int) -> S:
        """The same state to be gone on with later, with times counted from now, rounded up to half seconds, and without
        what nothing depends on."""
        ...

    def claims(self, state: S) -> str:
        """What it takes for granted: `emu.events.APPLIED`, `KEPT`, or ""."""
        ...

    def failure(self, state: S) -> str:
        """Why it has given up; "" where it has not."""
        ...

    def name_of(self, frame: bytes) -> str:
        """A frame of either side, for a reader."""
        ...
