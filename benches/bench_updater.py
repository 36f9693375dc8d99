"""Chunk throughput from 64 B to 64 KiB: host MB/s is what is timed, device KiB/s is in the extra figures.

Goal: in device time, 95 % of the cheapest legal list of erases, programs and read-backs for the image and the part.
"""

from __future__ import annotations

import pytest

from benches.bench_boot import big_rig
from emu.throughput import CHUNK_SIZES, measure


@pytest.mark.parametrize("chunk_size", CHUNK_SIZES)
def test_update_of_512_kib(benchmark, chunk_size):
    rig = big_rig()
    row = benchmark.pedantic(measure, args=(rig, chunk_size, 0), rounds=5)
    assert row.share >= 0.95
    benchmark.extra_info["device_kib_per_s"] = row.device_kib_per_s
    benchmark.extra_info["share_of_cheapest"] = row.share
    benchmark.extra_info["host_mb_per_s"] = row.host_mb_per_s
