"""Timers of STM32: what they count, their flags, and their interrupts."""

from __future__ import annotations

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

from tests.emu.cpu.test_nordic_time import Later

CR1, DIER, SR, EGR, CNT, PSC, ARR, CCR1 = 0x00, 0x0C, 0x10, 0x14, 0x24, 0x28, 0x2C, 0x34
TIM2_IRQ = 28


@pytest.fixture
def f1() -> Later:
    """8 MHz out of reset."""
    return Later("STM32F103xB")


def started(bench: Later, prescaler: int, last: int, control: int = 1) -> Later:
    bench.write("TIM2", PSC, prescaler)
    bench.write("TIM2", ARR, last)
    bench.write("TIM2", EGR, 1)
    assert bench.read("TIM2", SR) == 1, "taking the prescaler over is an update"
    bench.write("TIM2", SR, 0)
    bench.write("TIM2", CR1, control)
    return bench


def test_a_timer_counts_its_clock_and_wraps_with_a_flag(f1: Later) -> None:
    started(f1, 7, 999)
    f1.pass_us(250)
    assert (f1.read("TIM2", CNT), f1.read("TIM2", SR)) == (250, 0)
    f1.pass_us(750)
    assert (f1.read("TIM2", CNT), f1.read("TIM2", SR) & 1) == (0, 1)
    f1.write("TIM2", SR, 0xFFFE)
    f1.pass_us(999)
    assert f1.read("TIM2", SR) & 1 == 0
    f1.pass_us(2_001)
    assert (f1.read("TIM2", CNT), f1.read("TIM2", SR) & 1) == (0, 1)


def test_time_that_is_no_whole_number_of_counts_is_not_lost(f1: Later) -> None:
    started(f1, 23, 0xFFFF)  # 3 us a count
    for _ in range(300):
        f1.pass_us(1)
        f1.read("TIM2", CNT)
    assert f1.read("TIM2", CNT) == 100


def test_a_prescaler_counts_from_the_next_update_on(f1: Later) -> None:
    started(f1, 7, 99)
    f1.write("TIM2", PSC, 15)
    f1.pass_us(50)
    assert f1.read("TIM2", CNT) == 50
    f1.pass_us(50)
    assert f1.read("TIM2", CNT) == 0
    f1.pass_us(50)
    assert f1.read("TIM2", CNT) == 25


def test_a_timer_that_stands_or_has_stopped_by_itself_counts_no_more(f1: Later) -> None:
    started(f1, 7, 99, control=0x9)
    f1.pass_us(1_000)
    assert (f1.read("TIM2", CR1), f1.read("TIM2", CNT), f1.read("TIM2", SR) & 1) == (0x8, 0, 1)
    f1.pass_us(1_000)
    assert f1.read("TIM2", CNT) == 0


def test_compare_flags_come_when_the_counter_does(f1: Later) -> None:
    started(f1, 7, 999)
    f1.write("TIM2", CCR1, 300)
    f1.write("TIM2", CCR1 + 4, 2_000)
    f1.pass_us(299)
    assert f1.read("TIM2", SR) & 6 == 0
    f1.pass_us(1)
    assert f1.read("TIM2", SR) & 6 == 2, "a value behind the end never comes"


def test_an_interrupt_comes_every_period_until_its_flag_is_cleared(f1: Later) -> None:
    started(f1, 7, 999)
    assert f1.machine.core.agenda.next_us is None
    f1.write("TIM2", DIER, 1)
    f1.pass_us(999)
    assert not f1.pending(TIM2_IRQ)
    for _ in range(3):
        f1.pass_us(1)
        assert f1.pending(TIM2_IRQ)
        f1.write("TIM2", SR, 0)
        assert 16 + TIM2_IRQ not in f1.machine.exceptions.lines
        f1.machine.exceptions.pending.clear()
        f1.pass_us(999)
        assert not f1.pending(TIM2_IRQ)
    f1.write("TIM2", CR1, 0)
    assert f1.machine.core.agenda.next_us is None


def test_a_reset_stops_it(f1: Later) -> None:
    started(f1, 7, 999)
    f1.write("TIM2", DIER, 1)
    f1.machine.reset("software")
    assert f1.machine.core.agenda.next_us is None
    assert (f1.read("TIM2", ARR), f1.read("TIM2", CR1), f1.read("TIM2", DIER)) == (0xFFFF, 0, 0)


def test_the_wide_timer_of_an_f4_counts_past_65535() -> None:
    f4 = Later("STM32F405xG")
    f4.write("TIM2", CR1, 1)
    f4.pass_us(10_000)
    assert f4.read("TIM2", CNT) == 160_000
    f4.write("TIM3", CR1, 1)
    f4.pass_us(10_000)
    assert f4.read("TIM3", CNT) == 160_000 % 0x1_0000
