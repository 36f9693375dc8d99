"""Large arrays of one value: each is its own, whatever is written to another, and small ones are no different."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import numpy as np
import pytest

from emu.memory import resident_mb
from flash.blank import SHARED_FROM, blank_array

SIZES = [1, SHARED_FROM - 1, SHARED_FROM, SHARED_FROM + 1, 2 * SHARED_FROM + 5]
FILES = Path("/proc/self/fd")


@pytest.mark.parametrize("value", [0x00, 0xFF, 0x5A])
@pytest.mark.parametrize("size", SIZES)
def test_all_bytes_are_the_value_and_can_be_written(size: int, value: int) -> None:
    array = blank_array(size, value)
    assert (array.dtype, array.shape) == (np.uint8, (size,))
    assert array.tobytes() == bytes([value]) * size
    array[[0, -1]] = 7
    assert (array[0], array[-1]) == (7, 7)


@pytest.mark.parametrize("size", SIZES)
def test_what_is_written_to_one_is_in_no_other(size: int) -> None:
    before, array = blank_array(size, 0xFF), blank_array(size, 0xFF)
    array[:] = 0
    after = blank_array(size, 0xFF)
    for other in (before, after):
        assert other.tobytes() == b"\xff" * size


def test_it_stays_where_it_is() -> None:
    array = blank_array(SHARED_FROM, 0xFF)
    at = array.ctypes.data
    array[:] = 3
    assert array.ctypes.data == at


def test_what_a_child_process_writes_is_in_no_other() -> None:
    array = blank_array(SHARED_FROM, 0xFF)
    child = os.fork()
    if not child:
        array[:] = 0
        os._exit(int(blank_array(2 * SHARED_FROM, 0xFF).tobytes() != b"\xff" * (2 * SHARED_FROM)))
    assert os.waitpid(child, 0)[1] == 0
    assert array.tobytes() == b"\xff" * SHARED_FROM
    assert blank_array(3 * SHARED_FROM, 0xFF).tobytes() == b"\xff" * (3 * SHARED_FROM)


@pytest.mark.parametrize(("limit", "most"), [(resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_NOFILE, 3)])
def test_a_process_that_may_open_or_write_no_file_has_them_too(limit: int, most: int) -> None:
    child = os.fork()
    if not child:
        resource.setrlimit(limit, (most, most))
        size = 9 * SHARED_FROM
        os._exit(int(blank_array(size, 0xA5).tobytes() != b"\xa5" * size))
    assert os.waitpid(child, 0)[1] == 0


def test_many_large_ones_take_no_room() -> None:
    held = [blank_array(64 << 20, 0xFF)]
    before = resident_mb()
    held += [blank_array(64 << 20, 0xFF) for _ in range(20)]
    assert resident_mb() - before < 64
    assert len(held) == 21


@pytest.mark.skipif(not FILES.is_dir(), reason="no list of open files on this system")
def test_one_that_is_gone_leaves_no_file_open() -> None:
    before = len([blank_array(SHARED_FROM, 0xFF), *FILES.iterdir()])
    held = [blank_array(SHARED_FROM, 0xFF) for _ in range(50)]
    assert {int(array[0]) for array in held} == {0xFF}
    del held
    assert len([blank_array(SHARED_FROM, 0xFF), *FILES.iterdir()]) == before
