"""A peer and an application of the simplest kind, for tests of the network between them: a number counted up.

The peer sends 0 and waits for the same number to come back, then sends the next, up to LAST. Asserts nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from emu.ota.machine import Frames

SECOND = 1_000_000
LAST = 3


@dataclass(frozen=True)
class Count:
    """``at``: the number that is out. ``lost``: how often the link was; ``late``: how often nothing came in time."""

    at: int
    due_us: int
    lost: int = 0
    late: int = 0


class Counting:
    """Implements `machine.Peer`. ``patience_us``: until a number is sent again."""

    def __init__(self, patience_us: int = SECOND) -> None:
        self._patience_us = patience_us

    def begin(self, now_us: int) -> tuple[Count, Frames]:
        return Count(0, now_us + self._patience_us), (b"0",)

    def is_over(self, state: Count) -> bool:
        return state.at > LAST

    def due_us(self, state: Count) -> int | None:
        return state.due_us

    def receive(self, state: Count, frame: bytes, now_us: int) -> tuple[Count, Frames]:
        if int(frame) != state.at:
            return state, ()
        return replace(state, at=state.at + 1, due_us=now_us + self._patience_us), (b"%d" % (state.at + 1),)[
            : state.at < LAST
        ]

    def wake(self, state: Count, now_us: int) -> tuple[Count, Frames]:
        return replace(state, due_us=now_us + self._patience_us, late=state.late + 1), (b"%d" % state.at,)

    def lost(self, state: Count, now_us: int) -> tuple[Count, Frames]:
        return replace(state, lost=state.lost + 1), ()

    def shifted(self, state: Count, by_us: int) -> Count:
        return replace(state, due_us=state.due_us + by_us)

    def put_by(self, state: Count, now_us: int) -> Count:
        return self.shifted(state, -now_us)

    def claims(self, state: Count) -> str:
        return {0: "", LAST + 1: "kept"}.get(state.at, "applied")

    def failure(self, state: Count) -> str:
        return "" if state.late < 100 else "too late"

    def name_of(self, frame: bytes) -> str:
        return frame.decode()
