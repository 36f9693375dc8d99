"""A limit in host time for code of users: an endless loop that never touches the emulated clock would never end.

The only place where real time decides anything, and it decides one thing: that a session has hung. Works in the main
thread of a process, where Python delivers signals; anywhere else there is no limit.

Neighbours: `plain_rig` runs firmware under it.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stuck(BaseException):
    """The time is up. Not an Exception: firmware that catches everything must not go on."""


@contextmanager
def host_limit(seconds: float) -> Iterator[None]:
    """Raises Stuck in what it encloses when that takes longer than ``seconds``; 0: no limit. A timer and a handler
    that were set before are put back; if such a timer would have struck earlier, its owner's limit stays in force."""
    there, _ = signal.getitimer(signal.ITIMER_REAL)
    if not seconds or threading.current_thread() is not threading.main_thread() or 0 < there <= seconds:
        yield
        return

    def strike(number: int, frame: FrameType | None) -> None:
        raise Stuck(f"does not come back: {seconds:g} s of host time are up")

    before = signal.signal(signal.SIGALRM, strike)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, there)
        signal.signal(signal.SIGALRM, before)
