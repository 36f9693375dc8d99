"""Where two images differ: ranges, each with its kind.

Neighbours: `edit` lays images over each other, `brownout flash diff` shows the ranges.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from emu.flash_file.edit import uncovered
from flash.images import Image, Segment

Kind = Literal["differs", "only in the first", "only in the second"]


@dataclass(frozen=True, slots=True)
class Difference:
    """``size`` bytes from ``address``; b"" for an image that says nothing there."""

    kind: Kind
    address: int
    first: bytes
    second: bytes

    @property
    def size(self) -> int:
        return max(len(self.first), len(self.second))

    @property
    def end(self) -> int:
        return self.address + self.size


def differences(first: Image, second: Image, *, fill: int | None = None) -> list[Difference]:
    """Every range that differs, by address, as long as possible.

    ``fill``: what an image reads where it says nothing, as erased flash would; None: saying nothing differs from
    saying anything.
    """
    left, right = list(first.segments), list(second.segments)
    if fill is not None:
        left, right = _with_gaps(left, right, fill), _with_gaps(right, left, fill)
    only_left, only_right = uncovered(left, right), uncovered(right, left)
    found = [Difference("only in the first", s.address, s.data, b"") for s in only_left]
    found += [Difference("only in the second", s.address, b"", s.data) for s in only_right]
    shared_left, shared_right = uncovered(left, only_left), uncovered(right, only_right)
    for one, other in _pairs(shared_left, shared_right):
        found += _differing(one, other)
    return sorted(found, key=lambda difference: difference.address)


def _with_gaps(segments: list[Segment], others: list[Segment], fill: int) -> list[Segment]:
    """``segments``, and ``fill`` wherever only ``others`` say something."""
    gaps = [Segment(gap.address, bytes([fill]) * len(gap.data)) for gap in uncovered(others, segments)]
    return sorted([*segments, *gaps], key=lambda segment: segment.address)


def _pairs(left: list[Segment], right: list[Segment]) -> list[tuple[Segment, Segment]]:
    """Both lists cover the same addresses; the same, cut so that pieces have equal ranges."""
    pairs = []
    i = j = 0
    while i < len(left) and j < len(right):
        one, other = left[i], right[j]
        end = min(one.end, other.end)
        start = max(one.address, other.address)
        pairs.append((
            Segment(start, one.data[start - one.address : end - one.address]),
            Segment(start, other.data[start - other.address : end - other.address]),
        ))  # fmt: skip
        i += one.end == end
        j += other.end == end
    return pairs


def _differing(one: Segment, other: Segment) -> list[Difference]:
    """Runs of unequal bytes in two segments of one range."""
    unequal = np.frombuffer(one.data, np.uint8) != np.frombuffer(other.data, np.uint8)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], unequal, [False])).astype(np.int8)))
    return [
        Difference("differs", one.address + int(low), one.data[low:high], other.data[low:high])
        for low, high in zip(edges[::2], edges[1::2], strict=True)
    ]
