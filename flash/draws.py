"""Seeded draws that do not depend on the order in which they are made.

A draw is a pure function of its key. Two explorations that visit the same operation in a different order get
the same figure, so every result can be replayed. Neighbours: `timing` and `tears`. Knows nothing else.

The mixer is SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_NORMAL = NormalDist()


def mix(*key: int) -> int:
    """A 64-bit hash of a tuple of integers."""
    state = 0
    for part in key:
        state = (state + _GOLDEN + (part & _MASK)) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        state ^= state >> 31
    return state


def uniform(*key: int) -> float:
    """A number in [0, 1)."""
    return (mix(*key) >> 11) / (1 << 53)


def normal(*key: int) -> float:
    """A standard normal deviate, by inversion."""
    return _NORMAL.inv_cdf((uniform(*key) * (1 - 2e-12)) + 1e-12)


def uniforms(seed: int, first: int, count: int) -> NDArray[np.float64]:
    """``count`` numbers in [0, 1), the i-th a function of (seed, first + i) alone."""
    start = np.uint64(mix(seed))
    index = np.arange(first, first + count, dtype=np.uint64)
    with np.errstate(over="ignore"):
        state = start + (index + np.uint64(1)) * np.uint64(_GOLDEN)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state ^= state >> np.uint64(31)
    return (state >> np.uint64(11)).astype(np.float64) / float(1 << 53)
