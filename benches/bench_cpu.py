"""An emulated core: instructions a second, accesses to registers, and what a reset costs.

The first decides how long firmware that computes takes (a signature, a hash over a slot), the second how long firmware
that polls takes, the third is paid by every boot of a campaign.
"""

from __future__ import annotations

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

from tests.emu.cpu.chips import program, session

WORKING, POLLING, RESTARTING = range(3)
LOOP_INSTRUCTIONS, LOOP_BYTES = 15, 32
"""Of one round of `work.s`, by hand; two accesses and 8 bytes for its polling loop."""
BATCH_US = 200_000
CLOCK_HZ = 64_000_000


def _machine(choice: int, *, native: bool = True):
    one = session(hz=CLOCK_HZ, native=native)
    one.load([program("work")])
    one.machine.flash.cells.put_bytes(program("work").symbol("choice") - 0x0800_0000, bytes([choice, 0, 0, 0]))
    one.run("power", 10)
    return one


@pytest.mark.parametrize("native", [True, False], ids=["native", "python"])
def test_instructions(benchmark, native):
    """Computing with all hooks installed. Goal: 100 million instructions a second."""
    one = _machine(WORKING, native=native)
    limit_us = BATCH_US if native else BATCH_US // 10
    report = benchmark.pedantic(one.run, args=("power", limit_us), rounds=10)
    assert report.ending.kind == "limit"
    if benchmark.stats is not None:
        instructions = one.machine.core.time.cycles * 2 // LOOP_BYTES * LOOP_INSTRUCTIONS
        benchmark.extra_info["mips"] = round(instructions / benchmark.stats["median"] / 1e6)


def test_register_accesses(benchmark):
    """A store and a load of a register nobody has modelled, over and over."""
    one = _machine(POLLING)
    report = benchmark.pedantic(one.run, args=("power", 2_000), rounds=10)
    assert report.ending.kind == "limit"
    if benchmark.stats is not None:
        accesses = sum(each.reads + each.writes for each in report.unknown)
        benchmark.extra_info["us_per_access"] = round(benchmark.stats["median"] / accesses * 1e6, 2)


@pytest.mark.parametrize("cause", ["power", "software"])
def test_a_session_that_ends_at_once(benchmark, cause):
    """From a reset to the one the firmware asks for, a dozen instructions later."""
    one = _machine(RESTARTING)
    report = benchmark(one.run, cause, BATCH_US)
    assert report.ending.kind == "reset"


def test_a_machine_is_made(benchmark):
    """A chip with its memory, bus and peripherals, up to the first reset."""
    one = benchmark(_machine, RESTARTING)
    assert one.machine.cause == "power"
