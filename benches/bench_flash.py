"""Flash operations per second, with journal; and what a snapshot costs.

The first two matter because every boot and every update of a campaign is made of them; snapshots, because a campaign
takes one per edge.
"""

from __future__ import annotations

import itertools

import pytest

from flash import FlashDevice, Journal, bundled_part
from flash.draws import uniforms

PART = "W25Q128JV"
BATCH = 4096


def _device() -> FlashDevice:
    return FlashDevice(bundled_part(PART))


def _record_rate(benchmark) -> None:
    if benchmark.stats is not None:  # None with --benchmark-disable
        benchmark.extra_info["operations_per_second"] = BATCH / benchmark.stats["median"]


def test_page_programs_with_journal(benchmark):
    """4,096 programs of 256 bytes on erased pages. Goal: 150,000 a second."""
    pages = (uniforms(1, 0, BATCH * 256) * 256).astype("uint8").tobytes()
    pieces = [pages[n : n + 256] for n in range(0, len(pages), 256)]

    def programs(device):
        for number, piece in enumerate(pieces):
            device.program(number * 256, piece)
        return device

    device = benchmark.pedantic(programs, setup=lambda: ((_device(),), {}), rounds=20)
    assert len(device.journal.entries) == BATCH
    assert device.read(0, len(pages)) == pages
    _record_rate(benchmark)


def test_sector_erases_with_journal(benchmark):
    """4,096 erases of 4 KiB. Goal: 150,000 a second."""

    def erases(device):
        for number in range(BATCH):
            device.erase(number * 4096, 4096)
        return device

    device = benchmark.pedantic(erases, setup=lambda: ((_device(),), {}), rounds=20)
    assert len(device.journal.entries) == BATCH
    _record_rate(benchmark)


@pytest.mark.parametrize("changed", [1, 16, 256])
def test_snapshot_of_16_mib(benchmark, changed):
    """A snapshot after so many blocks have changed: the time follows the blocks, not the 16 MiB."""
    device = _device()
    device.snapshot()
    values = itertools.cycle(range(255))

    def change():
        device.journal = Journal()
        for block in range(changed):
            device.cells.put(block * 4096, 16, next(values))

    snapshot = benchmark.pedantic(device.snapshot, setup=change, rounds=300)
    assert snapshot.tree.block(0).content[0] != 0xFF


def test_compare_two_snapshots_of_16_mib(benchmark):
    """Two states that differ in one block."""
    device = _device()
    device.program(0, b"one")
    first = device.snapshot()
    device.program(4096, b"two")
    second = device.snapshot()
    assert benchmark(first.same, second) is False
