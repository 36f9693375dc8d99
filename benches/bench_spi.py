"""Commands of a serial chip per second: what a driver spends its time on, and what it is for.

Status reads matter most: a driver polls with them, and every simulated wait is made of them.
"""

from __future__ import annotations

from flash import FlashDevice, bundled_part
from flash.spi import SerialFlash
from flash.spi.driver import SpiNorFlash

PART = "W25Q128JV"
STATUS_READS = 20_000
PROGRAMS = 1_000
READS = 4_000


def _chip() -> SerialFlash:
    chip = SerialFlash(FlashDevice(bundled_part(PART)))
    chip.clock.advance(100_000)
    return chip


def _record_rate(benchmark, count: int) -> None:
    if benchmark.stats is not None:  # None with --benchmark-disable
        benchmark.extra_info["operations_per_second"] = count / benchmark.stats["median"]


def test_status_reads(benchmark):
    """05h, one byte. Goal: 100,000 a second."""
    chip = _chip()

    def polls():
        for _ in range(STATUS_READS):
            chip.transfer(b"\x05", 1)

    benchmark.pedantic(polls, rounds=10)
    assert chip.device.journal.entries == []
    _record_rate(benchmark, STATUS_READS)


def test_page_programs_by_driver(benchmark):
    """Write enable, its check, the program, polls until it is done. Goal: 5,000 a second."""
    page = bytes(range(256))

    def programs(driver):
        for number in range(PROGRAMS):
            driver.program(number * 256, page)
        return driver

    driver = benchmark.pedantic(programs, setup=lambda: ((SpiNorFlash(_chip()),), {}), rounds=10)
    assert driver.read((PROGRAMS - 1) * 256, 256) == page
    _record_rate(benchmark, PROGRAMS)


def test_reads_of_4_kib(benchmark):
    """0Bh with 4,096 bytes. Goal: 20,000 a second."""
    chip = _chip()
    head = b"\x0b\x00\x10\x00\x00"

    def reads():
        for _ in range(READS):
            chip.transfer(head, 4096)

    benchmark.pedantic(reads, rounds=10)
    assert chip.transfer(head, 4096) == b"\xff" * 4096
    _record_rate(benchmark, READS)
