"""Memory of this process, never of a device: how much it holds, for limits, and how often it is searched for cycles.

Neighbours: campaigns ask. Linux says in /proc how much it is; elsewhere the largest it ever was stands in.
"""

from __future__ import annotations

import gc
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

RARELY = 1_000_000
"""Objects made before Python looks for cycles among them."""
_STATM = Path("/proc/self/statm")


def resident_mb() -> float:
    """Resident memory in MB (10^6 bytes)."""
    try:
        return int(_STATM.read_text().split()[1]) * resource.getpagesize() / 1e6
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


@contextmanager
def collecting_rarely() -> Iterator[None]:
    """While hundreds of thousands of objects are made that stay: looking through them again and again for cycles, as
    often as Python does by itself, takes a tenth of a campaign's time and finds nothing."""
    before = gc.get_threshold()
    gc.set_threshold(max(RARELY, before[0]) if before[0] else 0, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
