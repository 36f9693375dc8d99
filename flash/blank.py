"""Memory that is all erased: a large array of one value, which takes room and time only where it is written.

Most of a large flash is never touched, and to fill 128 MB takes longer than most updates. So all large arrays are
private views of one file in memory: a page is copied when something else is written to it.

Neighbours: `cells` asks. Knows no part.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from functools import cache

import numpy as np
from numpy.typing import NDArray

SHARED_FROM = 4 << 20
"""Smaller arrays are filled soon enough, and each mapping takes a file descriptor."""
_CHUNK = 1 << 20


def blank_array(size: int, value: int) -> NDArray[np.uint8]:
    """``size`` bytes of ``value`` (0 to 255), writable, seen by nobody else; at one address for life."""
    if value == 0:
        return np.zeros(size, np.uint8)
    if size < SHARED_FROM:
        return np.full(size, value, np.uint8)
    try:
        file = _file_of(value)
        while (there := os.fstat(file).st_size) < size:
            os.pwrite(file, bytes([value]) * _CHUNK, there)
        memory = mmap.mmap(file, size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
    except OSError:  # a process that may write no such file, or has too many open: the same bytes, all its own
        return np.full(size, value, np.uint8)
    return np.frombuffer(memory, np.uint8)


@cache
def _file_of(value: int) -> int:
    """The file of all arrays of ``value``, for as long as the process lives. It grows to the largest of them."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create(f"brownout-{value:02x}")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
