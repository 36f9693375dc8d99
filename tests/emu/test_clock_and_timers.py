"""Alarms ring at their exact microsecond; the commit timer is armed, stopped, fed and starved as hardware is."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootloader.errors import BootError
from emu.clock import Stopwatch, VirtualClock
from emu.events import ARMED, COMMIT_TIMER, FED, STOPPED, WATCHDOG
from emu.timers import EventLog, HardwareTimer
from flash.device import FlashDevice
from flash.errors import PowerLost, ResetAsserted
from flash.journal import Event, Interruption, Journal
from flash.part import bundled_part
from flash.supply import Supply

US = 1_000_000


class Bench(NamedTuple):
    clock: VirtualClock
    journal: Journal
    timer: HardwareTimer

    def events(self) -> list[tuple[str, int, tuple[object, ...]]]:
        return [(e.name, e.time_us, e.facts) for e in self.journal.entries if isinstance(e, Event)]


def bench(*, can_stop: bool = True, max_s: int = 0, interruption: Interruption | None = None) -> Bench:
    clock, journal = VirtualClock(), Journal(interruption)
    log = EventLog(journal, clock, Supply())
    return Bench(clock, journal, HardwareTimer(clock, log, can_stop=can_stop, max_s=max_s))


def rings(clock: VirtualClock, action: Callable[[], None]) -> tuple[str, int]:
    """Which alarm rings during ``action``, and when."""
    with pytest.raises(ResetAsserted) as asserted:
        action()
    return asserted.value.cause, clock.now_us


# -- the clock -------------------------------------------------------------------------------------------


def test_a_clock_starts_at_zero_and_moves_only_when_told() -> None:
    clock = VirtualClock()
    assert (clock.now_us, clock.has_alarm) == (0, False)
    clock.advance(7)
    clock.advance(0)
    assert clock.now_us == 7


def test_an_alarm_rings_at_its_microsecond_not_at_the_end_of_the_step() -> None:
    clock = VirtualClock()
    clock.set_alarm("a", 100)
    clock.advance(99)
    assert clock.now_us == 99
    assert rings(clock, lambda: clock.advance(50)) == ("a", 100)


def test_an_alarm_rings_when_the_step_ends_exactly_on_it() -> None:
    clock = VirtualClock()
    clock.set_alarm("a", 100)
    assert rings(clock, lambda: clock.advance(100)) == ("a", 100)


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=30), st.integers(1, 20_000))
def test_whatever_the_steps_the_alarm_rings_at_its_time_or_not_at_all(steps: list[int], at_us: int) -> None:
    clock = VirtualClock()
    clock.set_alarm("a", at_us)
    total = 0
    for step in steps:
        total += step
        if total >= at_us:
            assert rings(clock, lambda step=step: clock.advance(step)) == ("a", at_us)  # type: ignore[misc]
            return
        clock.advance(step)
        assert clock.now_us == total


def test_of_two_alarms_the_earlier_rings_and_of_two_at_once_the_first_by_name() -> None:
    clock = VirtualClock()
    clock.set_alarm("late", 200)
    clock.set_alarm("early", 100)
    assert rings(clock, lambda: clock.advance(500)) == ("early", 100)
    clock = VirtualClock()
    clock.set_alarm("b", 100)
    clock.set_alarm("a", 100)
    assert rings(clock, lambda: clock.advance(500)) == ("a", 100)


def test_setting_an_alarm_again_replaces_it_and_clearing_it_silences_it() -> None:
    clock = VirtualClock()
    clock.set_alarm("a", 100)
    clock.set_alarm("a", 300)
    clock.set_alarm("b", 400)
    clock.advance(299)
    clock.clear_alarm("a")
    clock.clear_alarm("never set")
    clock.advance(100)
    assert rings(clock, lambda: clock.advance(1)) == ("b", 400)


def test_waiting_for_the_next_alarm_takes_exactly_until_it() -> None:
    clock = VirtualClock()
    clock.advance(10)
    clock.set_alarm("a", 5 * US)
    assert rings(clock, clock.run_to_alarm) == ("a", 5 * US)


def test_waiting_for_an_alarm_nobody_set_is_our_own_fault() -> None:
    with pytest.raises(AssertionError, match="please report"):
        VirtualClock().run_to_alarm()


def test_a_stopwatch_runs_forward() -> None:
    watch = Stopwatch()
    first = watch.seconds
    assert 0 <= first <= watch.seconds < 60


# -- the commit timer ------------------------------------------------------------------------------------


def test_an_armed_timer_resets_the_board_after_its_seconds() -> None:
    clock, journal, timer = bench()
    clock.advance(123)
    timer.arm(60)
    assert rings(clock, lambda: clock.advance(100 * US)) == (COMMIT_TIMER, 60 * US + 123)
    assert [type(entry) for entry in journal.entries] == [Event]


def test_arming_again_starts_over() -> None:
    here = bench()
    here.timer.arm(10)
    here.clock.advance(9 * US)
    here.timer.arm(10)
    assert rings(here.clock, lambda: here.clock.advance(60 * US)) == (COMMIT_TIMER, 19 * US)
    assert here.events() == [(ARMED, 0, (10,)), (ARMED, 9 * US, (10,))]


def test_a_stopped_timer_never_fires_not_even_when_the_firmware_hangs() -> None:
    here = bench()
    here.timer.arm(10)
    here.clock.advance(US)
    here.timer.stop()
    here.timer.starve()
    assert not here.clock.has_alarm
    here.clock.advance(100 * US)
    assert here.events() == [(ARMED, 0, (10,)), (STOPPED, US, ())]


def test_a_timer_that_cannot_be_stopped_says_so_and_goes_on() -> None:
    here = bench(can_stop=False)
    here.timer.arm(10)
    with pytest.raises(BootError, match="cannot be stopped once armed; feed it"):
        here.timer.stop()
    assert here.events() == [(ARMED, 0, (10,))]
    assert rings(here.clock, lambda: here.clock.advance(60 * US)) == (COMMIT_TIMER, 10 * US)


def test_a_fed_timer_is_quiet_until_the_firmware_stands_still() -> None:
    here = bench(can_stop=False)
    here.timer.arm(10)
    here.clock.advance(US)
    here.timer.keep_fed()
    here.clock.advance(100 * US)
    here.timer.starve()
    assert rings(here.clock, here.clock.run_to_alarm) == (COMMIT_TIMER, 111 * US)
    assert here.events() == [(ARMED, 0, (10,)), (FED, US, ())]


def test_a_timer_that_was_never_armed_does_not_fire_because_it_was_fed() -> None:
    here = bench(can_stop=False)
    here.timer.keep_fed()
    here.timer.starve()
    assert not here.clock.has_alarm


def test_a_hang_leaves_an_armed_timer_where_it_was() -> None:
    here = bench()
    here.timer.arm(10)
    here.clock.advance(4 * US)
    here.timer.starve()
    assert rings(here.clock, here.clock.run_to_alarm) == (COMMIT_TIMER, 10 * US)


@pytest.mark.parametrize(("asked_s", "counted_s"), [(25, 25), (26, 26), (27, 26), (4000, 26)])
def test_a_timeout_longer_than_the_hardware_counts_is_cut_to_what_it_counts(asked_s: int, counted_s: int) -> None:
    here = bench(can_stop=False, max_s=26)
    here.timer.arm(asked_s)
    assert here.events() == [(ARMED, 0, (counted_s,))]
    here.timer.keep_fed()
    here.timer.starve()
    assert rings(here.clock, here.clock.run_to_alarm) == (COMMIT_TIMER, counted_s * US)


def test_without_a_bound_any_timeout_is_taken() -> None:
    here = bench(max_s=0)
    here.timer.arm(1_000_000)
    assert rings(here.clock, here.clock.run_to_alarm) == (COMMIT_TIMER, 1_000_000 * US)


# -- where timers and flash meet -------------------------------------------------------------------------


def test_an_alarm_rings_in_the_middle_of_an_erase() -> None:
    clock = VirtualClock()
    chip = FlashDevice(bundled_part("STM32F405"), clock=clock)
    clock.set_alarm(WATCHDOG, 1000)
    assert rings(clock, lambda: chip.erase(0x4000, 0x4000)) == (WATCHDOG, 1000)


def test_an_interruption_strikes_before_the_event_it_is_due_at() -> None:
    here = bench(interruption=Interruption(1))
    here.timer.arm(10)
    with pytest.raises(PowerLost):
        here.timer.stop()
    assert here.events() == [(ARMED, 0, (10,))]
    assert here.clock.has_alarm
