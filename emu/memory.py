"""How much memory this process holds: for limits, never inside a device.

Neighbours: `campaign.closure` asks. Linux says it in /proc; elsewhere the largest it ever was stands in.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

_STATM = Path("/proc/self/statm")


def resident_mb() -> float:
    """Resident memory in MB (10^6 bytes)."""
    try:
        return int(_STATM.read_text().split()[1]) * resource.getpagesize() / 1e6
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
