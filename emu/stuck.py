"""A limit in host time for code of users: an endless loop that never touches the emulated clock would never end.

The only place where real time decides anything, and it decides one thing: that a session has hung. Works in the main
thread of a process, where Python delivers signals; anywhere else there is no limit.

Neighbours: `plain_rig` runs firmware under it.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

T = TypeVar("T")
AGAIN_S = 1e-3
"""Code that swallows what is raised in it is struck again and again: before long at the end of the loop around its
handler, where nothing swallows it. Much shorter, and nothing but strikes would run."""


class Stuck(BaseException):
    """The time is up. Not an Exception: firmware that catches everything must not go on."""


def limited(seconds: float, call: Callable[[], T]) -> T:
    """What ``call`` returns; raises Stuck in it when that takes longer than ``seconds``; 0: no limit.

    A timer and a handler that were set before are put back; if such a timer would have struck earlier, its owner's
    limit stays in force.
    """
    there, _ = signal.getitimer(signal.ITIMER_REAL)
    if not seconds or threading.current_thread() is not threading.main_thread() or 0 < there <= seconds:
        return call()
    own, is_inside = sys._getframe(), True

    def strike(number: int, frame: FrameType | None) -> None:
        if frame is None or frame is own or not is_inside:
            return  # it has come back meanwhile
        raise Stuck(f"does not come back: {seconds:g} s of host time are up (stuck_after_s)")

    before = signal.signal(signal.SIGALRM, strike)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN_S)
        return call()
    finally:
        is_inside = False
        signal.setitimer(signal.ITIMER_REAL, there)
        signal.signal(signal.SIGALRM, before)
