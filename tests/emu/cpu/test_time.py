"""Cycles, microseconds, SysTick and what is due later."""

from __future__ import annotations

from itertools import accumulate

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

from hypothesis import given
from hypothesis import strategies as st

from emu.clock import VirtualClock
from emu.cpu.agenda import Agenda
from emu.cpu.clock import CoreClock
from emu.cpu.systick import CLKSOURCE, COUNTFLAG, CTRL, ENABLE, LOAD, TICKINT, VAL, SysTick


@given(hz=st.integers(32_768, 200_000_000), parts=st.lists(st.integers(1, 5000), max_size=60))
def test_cycles_are_half_words_and_none_is_lost(hz: int, parts: list[int]) -> None:
    time = CoreClock(VirtualClock(), hz)
    for part in parts:
        time.charge(2 * part)
    assert time.cycles == sum(parts)
    assert time.clock.now_us == sum(parts) * 1_000_000 // hz


@given(
    hz=st.integers(32_768, 200_000_000), parts=st.lists(st.integers(0, 5000), max_size=40), pause_us=st.integers(0, 90),
    ahead=st.integers(0, 3000),
)  # fmt: skip
def test_pauses_between_stretches_of_code_come_when_they_would_one_by_one(
    hz: int, parts: list[int], pause_us: int, ahead: int
) -> None:
    time, at_once, began = CoreClock(VirtualClock(), hz), CoreClock(VirtualClock(), hz), []
    charged, ends = ahead, list(accumulate(parts))
    for end in ends:
        time.charge(max(0, end - charged))
        charged = max(charged, end)
        began.append(time.clock.now_us)
        time.clock.advance(pause_us)
    assert at_once.charge_each(ends, ahead, pause_us) == began
    for each in (time, at_once):
        each.charge(1)
    assert (at_once.clock.now_us, at_once.cycles) == (time.clock.now_us, time.cycles)


@given(first=st.integers(1, 10**6), second=st.integers(1, 10**6))
def test_the_count_goes_on_when_the_frequency_changes(first: int, second: int) -> None:
    time = CoreClock(VirtualClock(), 8_000_000)
    time.charge(2 * first)
    time.set_hz(72_000_000)
    assert abs(time.cycles - first) <= 1
    time.charge(2 * second)
    assert abs(time.cycles - first - second) <= 1
    assert abs(time.clock.now_us - first / 8 - second / 72) <= 2


@given(hz=st.integers(32_768, 200_000_000), us=st.integers(0, 10**7))
def test_the_cycle_of_a_time_to_come_is_when_the_clock_is_there(hz: int, us: int) -> None:
    time = CoreClock(VirtualClock(), hz)
    time.advance_to(time.cycles_at(us))
    assert us <= time.clock.now_us <= us + 1 + 1_000_000 // hz


def test_a_flash_operation_passes_in_cycles_too() -> None:
    time = CoreClock(VirtualClock(), 8_000_000)
    time.clock.advance(50)
    assert time.cycles == 400


def ticking(load: int, control: int) -> tuple[SysTick, CoreClock, list[int]]:
    pends: list[int] = []
    time = CoreClock(VirtualClock(), 1_000_000)
    tick = SysTick(lambda: pends.append(time.cycles))
    tick.write(LOAD, load, time)
    tick.write(CTRL, control, time)
    return tick, time, pends


def test_it_counts_down_and_pends_every_period() -> None:
    tick, time, pends = ticking(99, ENABLE | TICKINT | CLKSOURCE)
    time.advance_to(1)
    assert tick.read(VAL, time) == 99
    time.advance_to(60)
    assert tick.read(VAL, time) == 40
    assert tick.next_tick == 100
    time.advance_to(100)
    assert tick.read(VAL, time) == 0
    assert tick.next_tick == 200
    time.advance_to(450)
    tick.catch_up(time)
    assert len(pends) == 2, "what was missed pends once"
    assert tick.next_tick == 500


def test_its_flag_is_cleared_by_a_read_and_by_a_store_to_the_counter() -> None:
    tick, time, pends = ticking(9, ENABLE | CLKSOURCE)
    time.advance_to(10)
    assert tick.read(CTRL, time) & COUNTFLAG
    assert not tick.read(CTRL, time) & COUNTFLAG
    time.advance_to(25)
    tick.write(VAL, 123, time)
    assert not tick.read(CTRL, time) & COUNTFLAG
    assert tick.read(VAL, time) == 0
    time.advance_to(27)
    assert tick.read(VAL, time) == 8
    assert not pends
    assert tick.next_tick is None


def test_on_the_other_clock_it_is_eight_times_slower_and_without_a_period_it_stands() -> None:
    tick, time, _ = ticking(99, ENABLE | TICKINT)
    assert tick.next_tick == 800
    tick, time, pends = ticking(0, ENABLE | TICKINT | CLKSOURCE)
    time.advance_to(1000)
    tick.catch_up(time)
    assert (tick.next_tick, pends) == (None, [])


def test_what_is_due_runs_in_its_order_and_may_ask_for_more() -> None:
    agenda, ran = Agenda(), []
    agenda.at("b", 10, lambda: ran.append("b"))
    agenda.at("a", 10, lambda: (ran.append("a"), agenda.at("c", 11, lambda: ran.append("c"))))
    agenda.at("late", 30, lambda: ran.append("late"))
    agenda.at("gone", 5, lambda: ran.append("gone"))
    agenda.cancel("gone")
    assert agenda.next_us == 10
    agenda.run_due(12)
    assert ran == ["a", "b", "c"]
    assert agenda.next_us == 30
    agenda.at("late", 40, lambda: ran.append("later"))
    agenda.run_due(40)
    assert ran[3:] == ["later"]
    assert agenda.next_us is None
