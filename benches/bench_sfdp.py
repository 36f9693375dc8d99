"""SFDP tables generated, decoded and compared per second.

A driver under test reads the table at every boot of a campaign, so it must cost nothing beside a boot.
"""

from __future__ import annotations

import pytest

from flash import bundled_part
from flash.sfdp import compare, decode, part_from_table, table

PARTS = ["W25Q512JV", "SST26VF064B"]


def _record_rate(benchmark) -> None:
    if benchmark.stats is not None:  # None with --benchmark-disable
        benchmark.extra_info["tables_per_second"] = 1 / benchmark.stats["median"]


@pytest.mark.parametrize("name", PARTS)
def test_generate(benchmark, name):
    """A whole image from a part: basic table, four-byte opcodes or sector map. Goal: 1,000 a second."""
    part = bundled_part(name)
    raw = benchmark(table, part)
    assert raw.startswith(b"SFDP")
    _record_rate(benchmark)


@pytest.mark.parametrize("name", PARTS)
def test_decode(benchmark, name):
    """An image into values. Goal: 1,000 a second."""
    part = bundled_part(name)
    decoded = benchmark(decode, table(part))
    assert decoded.size == part.size
    _record_rate(benchmark)


@pytest.mark.parametrize("name", PARTS)
def test_there_and_back(benchmark, name):
    """Decode an image, make a part of it, and compare that part's own table with the image. Goal: 100 a second."""
    raw = table(bundled_part(name))
    differences = benchmark(lambda: compare(part_from_table(decode(raw), name), raw))
    assert differences == []
    _record_rate(benchmark)
