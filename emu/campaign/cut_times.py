"""When power goes during an update, as a distribution over its device time.

    uniform         every moment of the uncut update is as likely
    a file          one cut per line: microseconds of device time since the reset that begins the update's first
                    session; or a bin of a histogram: FROM,TO,COUNT. Blank lines and lines that begin with # say nothing

Neighbours: `exposure` asks for the share of a span of time. Knows no device and opens no file.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from emu.errors import UsageError
from emu.words import printable

UNIFORM = "uniform"
_NUMBER = r"[0-9]{1,15}(?:\.[0-9]{1,6})?"
_LINE = re.compile(rf"({_NUMBER})(?:\s*,\s*({_NUMBER})\s*,\s*({_NUMBER}))?")


@dataclass(frozen=True)
class CutTimes:
    """``source``: what to call it. ``points``: single moments, each counted once. ``bins``: (from, to, count), spread
    evenly over from <= t < to. Times in microseconds."""

    source: str
    points: tuple[float, ...] = ()
    bins: tuple[tuple[float, float, float], ...] = ()

    @classmethod
    def uniform(cls, device_us: int) -> CutTimes:
        """All of the first ``device_us``, which is more than 0, alike."""
        return cls(UNIFORM, bins=((0.0, float(device_us), 1.0),))

    @cached_property
    def total(self) -> float:
        """Cuts there are."""
        return len(self.points) + math.fsum(count for _, _, count in self.bins)

    def share(self, start_us: float, end_us: float) -> float:
        """The share of the cuts that strike from ``start_us`` on and before ``end_us``."""
        return max(0.0, self._before(end_us) - self._before(start_us)) / self.total

    def _before(self, time_us: float) -> float:
        """How many cuts strike before ``time_us``."""
        edges, counts = self._cumulated
        in_bins = float(np.interp(time_us, edges, counts)) if len(edges) else 0.0
        return in_bins + float(np.searchsorted(self._sorted, time_us, side="left"))

    @cached_property
    def _sorted(self) -> NDArray[np.float64]:
        return np.sort(np.array(self.points, np.float64))

    @cached_property
    def _cumulated(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Where bins begin and end, and how many of their cuts lie before: straight lines between."""
        if not self.bins:
            return np.empty(0), np.empty(0)
        starts, ends, counts = (np.array(column, np.float64) for column in zip(*self.bins, strict=True))
        edges = np.unique(np.concatenate([starts, ends]))
        slopes = np.zeros(len(edges))
        np.add.at(slopes, np.searchsorted(edges, starts), counts / (ends - starts))
        np.add.at(slopes, np.searchsorted(edges, ends), -counts / (ends - starts))
        grown = np.cumsum(slopes)[:-1] * np.diff(edges)
        return edges, np.concatenate([[0.0], np.cumsum(grown)])


def read_cut_times(text: str, source: str) -> CutTimes:
    """The times in ``text``, which came from ``source``. Raises UsageError naming the line that says nothing useful."""
    points: list[float] = []
    bins: list[tuple[float, float, float]] = []
    for number, line in enumerate(text.splitlines(), 1):
        said = line.strip()
        if not said or said.startswith("#"):
            continue
        found = _LINE.fullmatch(said)
        if found is None:
            raise UsageError(
                f"{source}, line {number}: {printable(said[:60])!r} is neither a time in microseconds nor FROM,TO,COUNT"
            )
        if found.group(2) is None:
            points.append(float(found.group(1)))
            continue
        start, end, count = (float(found.group(n)) for n in (1, 2, 3))
        if end <= start:
            raise UsageError(
                f"{source}, line {number}: the bin ends at {end:g}, not behind {start:g}; write FROM,TO,COUNT"
            )
        if count:
            bins.append((start, end, count))
    if not points and not bins:
        raise UsageError(f"{source}: has no cut times; write one per line, in microseconds, or FROM,TO,COUNT")
    return CutTimes(source, tuple(points), tuple(bins))
