"""Memory of this process, never of a device: how much it holds and may hold, and how often it is searched for cycles.

Neighbours: campaigns and the command line ask. Linux says in /proc how much it holds; elsewhere the largest it ever was
stands in, and nobody knows what is free.
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
SHARE = 0.75
"""Of what is free, for one campaign: the rest is for its workers and the machine."""
_STATM, _MEMINFO, _CGROUP = Path("/proc/self/statm"), Path("/proc/meminfo"), Path("/proc/self/cgroup")
_GROUPS = Path("/sys/fs/cgroup")


def resident_mb() -> float:
    """Resident memory in MB (10^6 bytes)."""
    try:
        return int(_STATM.read_text().split()[1]) * resource.getpagesize() / 1e6
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def allowance_mb() -> int:
    """What this process may hold before the machine, or the container it runs in, is short of memory, in MB; 0: nobody
    knows."""
    free = [each for each in (_available(_MEMINFO), *_left_in_groups()) if each is not None]
    return int(resident_mb() + SHARE * max(0, min(free)) / 1e6) if free else 0


def _available(meminfo: Path) -> int | None:
    """Bytes that can be had without swapping, as the kernel estimates them."""
    try:
        found = dict(line.split(":", 1) for line in meminfo.read_text().splitlines() if ":" in line)
        return int(found["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return None


def _left_in_groups() -> Iterator[int]:
    """Bytes that are left in each control group this process is in and that has a limit. Pages of files do not count:
    they can be dropped."""
    try:
        rows = [line.split(":", 2) for line in _CGROUP.read_text().splitlines()]
    except OSError:
        return
    for _, controllers, own in (row for row in rows if len(row) == 3):
        if controllers == "":
            top, limit, held = _GROUPS, "memory.max", "anon"
        elif "memory" in controllers.split(","):
            top, limit, held = _GROUPS / "memory", "memory.limit_in_bytes", "total_rss"
        else:
            continue
        within = top / own.lstrip("/")
        for group in (within, *(each for each in within.parents if each.is_relative_to(top))):
            try:
                most = int((group / limit).read_text())
                stat = dict(line.split(" ", 1) for line in (group / "memory.stat").read_text().splitlines())
                yield most - int(stat[held])
            except (OSError, KeyError, ValueError):  # "max": no limit here; or a group that is not shown in here
                continue


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
