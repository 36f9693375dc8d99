"""Corners of the core: alignment of frames, lines that stay up, masks and flags that clear themselves."""

from __future__ import annotations

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

from emu.cpu.session import CpuSession, SessionReport
from tests.emu.cpu.chips import run, session, trace, words
from tests.emu.cpu.test_session import MORE

UNALIGNED, LEVELS, BOOSTED, CLEARED, DOOMED, LATER = range(6)
ICPR1, ISPR1 = 0xE000_E284, 0xE000_E204


def odds(choice: int) -> tuple[CpuSession, SessionReport]:
    one = session(more=MORE)
    return one, run(one, "odds", choice=choice)


def test_a_frame_is_aligned_and_the_stack_comes_back_as_it_was() -> None:
    one, _ = odds(UNALIGNED)
    status, frame, after, before = words(one, 4)
    assert before == after == 0x2000_0FFC
    assert frame == 0x2000_0FFC - 4 - 0x20
    assert status >> 9 & 1


def test_a_line_that_stays_up_runs_its_handler_again() -> None:
    one, report = odds(LEVELS)
    assert trace(one, 4) == [1, 1, 1, 9]
    assert report.output() == b"AAA"


def test_a_line_that_is_up_cannot_be_unpended() -> None:
    one = session(more=MORE)
    one.machine.reset("power")
    bus = one.machine.bus
    bus.write(ISPR1, 4, 1 << 6)
    one.machine.world.raise_irq(37)
    assert bus.read(ISPR1, 4) == 1 << 5 | 1 << 6
    bus.write(ICPR1, 4, 1 << 5 | 1 << 6)
    assert bus.read(ISPR1, 4) == 1 << 5
    one.machine.world.clear_irq(37)
    bus.write(ICPR1, 4, 1 << 5)
    assert bus.read(ISPR1, 4) == 0


def test_a_fault_mask_is_gone_when_the_handler_that_set_it_has_returned() -> None:
    one, _ = odds(BOOSTED)
    assert words(one, 2) == [0, 1]


def test_fault_status_is_cleared_by_ones() -> None:
    one, _ = odds(CLEARED)
    assert words(one, 2) == [0x1_0000, 0]


def test_a_watchdog_ends_a_lockup() -> None:
    _, report = odds(DOOMED)
    assert (report.ending.kind, report.ending.reason) == ("reset", "iwdg")
    assert 8_000 <= report.time_us < 8_020


def test_an_operation_begins_when_the_core_is_there() -> None:
    _, report = odds(LATER)
    (operation,) = report.operations
    cycles = 8000 * 2
    assert cycles // 8 <= operation.start_us < cycles // 8 + 20


def test_the_cycle_counter_counts_while_it_is_enabled() -> None:
    one = session()
    one.machine.reset("power")
    bus, time = one.machine.bus, one.machine.core.time
    control, counter, demcr = 0xE000_1000, 0xE000_1004, 0xE000_EDFC
    time.charge(200)
    assert bus.read(counter, 4) == 0
    bus.write(demcr, 4, 1 << 24)
    bus.write(control, 4, 1)
    time.charge(2_000)
    assert bus.read(counter, 4) == 1_000
    bus.write(control, 4, 0)
    time.charge(2_000)
    assert bus.read(counter, 4) == 1_000
    bus.write(counter, 4, 5)
    bus.write(control, 4, 1)
    time.charge(20)
    assert bus.read(counter, 4) == 15
