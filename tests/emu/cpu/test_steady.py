"""Loops that wait: time goes to what they wait for; where that never comes, it is said. Loops that count are run."""

from __future__ import annotations

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

from emu.cpu.clock import CoreClock
from emu.cpu.engine import Engine
from emu.cpu.session import SessionReport
from emu.cpu.steady import Search
from tests.emu.cpu.chips import run, session, words
from tests.emu.cpu.test_session import MORE

FEEDING, TOGGLING, COUNTING, REMEMBERING, TALKING, STARVING = range(6)
WAITING, POLITE, TICKING, DELAYING, DROWSY, NERVOUS, DEAF, IDLE = range(6, 14)
MINUTE_US = 60_000_000


def rounds(choice: int, limit_us: int = MINUTE_US) -> SessionReport:
    return run(session(more=MORE), "rounds", choice=choice, limit_us=limit_us)


@pytest.fixture
def blocks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How much code ran in each slice."""
    executed: list[int] = []
    slice_of = Engine.run

    def counted(self: Engine, limit: int) -> object:
        stop = slice_of(self, limit)
        executed.append(self.executed)
        return stop

    monkeypatch.setattr(Engine, "run", counted)
    return executed


def test_a_watchdog_that_is_fed_for_ever_never_rings_and_a_minute_costs_nothing(blocks: list[int]) -> None:
    report = rounds(FEEDING)
    assert (report.ending.kind, report.time_us // 1000) == ("limit", MINUTE_US // 1000)
    assert sum(blocks) < 50_000


def test_a_watchdog_nobody_feeds_rings_in_the_middle_of_a_wait(blocks: list[int]) -> None:
    report = rounds(STARVING)
    assert (report.ending.kind, report.ending.reason) == ("reset", "iwdg")
    assert 8_000 <= report.time_us < 8_020
    assert sum(blocks) < 20_000, "16 bytes of code a microsecond"


def test_one_that_is_fed_until_a_tick_says_otherwise_rings_then() -> None:
    report = rounds(POLITE)
    assert (report.ending.kind, report.ending.reason) == ("reset", "iwdg")
    assert 108_000 <= report.time_us < 108_200, "ten ticks of 10 ms, and 8 ms"


def test_a_pin_that_goes_up_and_down_is_no_hang_and_a_minute_of_it_costs_nothing(blocks: list[int]) -> None:
    report = rounds(TOGGLING)
    assert (report.ending.kind, report.time_us // 1000) == ("limit", MINUTE_US // 1000)
    assert sum(blocks) < 50_000


@pytest.mark.parametrize("choice", [COUNTING, REMEMBERING])
def test_a_loop_that_counts_is_run_to_its_end(choice: int) -> None:
    report = rounds(choice)
    assert report.ending.kind == "spinning"
    assert report.ending.reason == "an empty loop, and no interrupt will come"
    assert report.unknown[0].reads == 300_000


def test_a_loop_that_says_something_is_heard_to_the_limit() -> None:
    report = rounds(TALKING, limit_us=5_000)
    assert report.ending.kind == "limit"
    assert len(report.output()) > 5_000


def test_a_wait_for_a_tick_goes_to_the_tick(blocks: list[int]) -> None:
    report = rounds(WAITING)
    assert report.ending.kind == "spinning"
    two_ticks_us = 2 * 0x80_0000 // 8
    assert two_ticks_us <= report.time_us < two_ticks_us + 1_000
    assert sum(blocks) < 100_000


def test_a_slow_counter_is_no_answer_that_stays_the_same() -> None:
    report = rounds(TICKING)
    assert report.ending.kind == "spinning"
    assert report.time_us >= (0xFFFF - 0x100) * 8 // 8


def test_a_wait_in_ram_that_a_tick_interrupts_again_and_again_goes_from_tick_to_tick(blocks: list[int]) -> None:
    report = rounds(DELAYING)
    assert report.ending.kind == "spinning"
    assert 150 * 9_000 <= report.time_us < 151 * 9_000, "150 ticks of 72,000 cycles"
    working = 2 * 100_000 * 4
    assert sum(blocks) < working + 150 * 72_000 // 2, "of 144,000 bytes of code a tick"


def test_a_wait_that_is_cut_short_by_ticks_lasts_as_long_as_one_that_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = rounds(DELAYING)
    monkeypatch.setattr(Search, "look", lambda *_: (None, None))
    run_all = rounds(DELAYING)
    assert abs(looked.time_us - run_all.time_us) < 10
    assert looked.ending == run_all.ending


@pytest.mark.parametrize("choice", [DROWSY, NERVOUS])
def test_an_interrupt_that_pends_and_is_disabled_ends_no_wait_for_an_event(choice: int, blocks: list[int]) -> None:
    """With SEVONPEND it does once; a scheduler with nothing to do sleeps from tick to tick all the same."""
    one = session(more=MORE)
    report = run(one, "rounds", choice=choice, limit_us=MINUTE_US)
    assert report.ending.kind == "spinning"
    assert 20 * 9_000 <= report.time_us < 20 * 9_000 + 100
    assert words(one, 1, 0x2000_0404)[0] in range(20, 43)
    assert sum(blocks) < 10_000


def test_a_fault_handler_that_loops_for_ever_hears_no_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    moves: list[int] = []
    advance_to = CoreClock.advance_to

    def counted(self: CoreClock, cycles: int) -> None:
        moves.append(cycles)
        advance_to(self, cycles)

    monkeypatch.setattr(CoreClock, "advance_to", counted)
    report = rounds(DEAF)
    assert (report.ending.kind, report.ending.handler) == ("spinning", "HardFault")
    assert report.ending.reason == "an empty loop, and no interrupt will come"
    assert len(moves) < 10, "of 60,000 ticks"


def test_an_empty_loop_sleeps_from_tick_to_tick_and_is_not_run_in_between(blocks: list[int]) -> None:
    one = session(more=MORE)
    report = run(one, "rounds", choice=IDLE, limit_us=100_500)
    assert (report.ending.kind, words(one, 1, 0x2000_0400)[0]) == ("limit", 100)
    assert sum(blocks) < 100 * 16, "a handler of 10 bytes, not more than once a tick"
