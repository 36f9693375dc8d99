"""How long a session may go on without having shown anything: in time, and in what it says.

Both are known from the uncut update, and have a least, so that a recovery may take longer than anything that was seen
uncut. Code does the same every time, so a session that is still at work at the first limit just goes on to the longer
one, and hangs where it is still at work there. A session that ends is not made longer by either.

Neighbours: `rig` measures the uncut update and gives them to `life`, which ends sessions.
"""

from __future__ import annotations

from dataclasses import dataclass

from emu.elf.document import LimitEntry

LEAST_SAID = 8192
"""Bytes: half an image may say the rest of flash, a thousand bytes of it each second."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one session. ``time_us``: virtual. ``said``: bytes that leave the chip before an image works."""

    time_us: int
    said: int


def limits_of(entry: LimitEntry, longest: Limits, more_us: int) -> Limits:
    """``longest``: what sessions of the uncut update have taken. ``more_us``: besides, for what comes from outside."""
    least_us = round(entry.session_s * 1_000_000) + more_us
    time_us = max(least_us, entry.times_uncut * longest.time_us)
    said = max(LEAST_SAID, entry.times_uncut * longest.said)
    return Limits(entry.confirm_times * time_us, entry.confirm_times * said)
