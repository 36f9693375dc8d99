"""RTC and TIMER of the nRF52840: counts, what happens at a count to come, and how firmware waits for it."""

from __future__ import annotations

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

from tests.emu.cpu.test_peripherals import Bench

START, STOP, CLEAR, INTENSET, INTENCLR, COMPARE, CC = 0x000, 0x004, 0x00C, 0x304, 0x308, 0x140, 0x540
TICK, OVRFLW, EVTENSET, COUNTER, PRESCALER = 0x100, 0x104, 0x344, 0x504, 0x508
RTC_CLEAR, TRIGOVRFLW = 0x008, 0x00C
SHORTS, MODE, BITMODE, TIMER_PRESCALER, CAPTURE, COUNT = 0x200, 0x504, 0x508, 0x510, 0x040, 0x008
RTC_IRQ, TIMER_IRQ = 11, 8


class Later(Bench):
    """Time passes as while the core sleeps."""

    def pass_us(self, us: int) -> None:
        clock, agenda = self.machine.clock, self.machine.core.agenda
        end = clock.now_us + us
        while agenda.next_us is not None and agenda.next_us <= end:
            clock.advance(agenda.next_us - clock.now_us)
            agenda.run_due(clock.now_us)
        clock.advance(end - clock.now_us)


@pytest.fixture
def nrf() -> Later:
    return Later("nRF52840")


def test_an_rtc_counts_the_slow_clock_while_it_runs(nrf: Later) -> None:
    nrf.pass_us(5_000)
    assert nrf.read("RTC0", COUNTER) == 0
    nrf.write("RTC0", START, 1)
    nrf.pass_us(1_000_000)
    assert nrf.read("RTC0", COUNTER) == 32_768
    nrf.write("RTC0", STOP, 1)
    nrf.pass_us(1_000_000)
    assert nrf.read("RTC0", COUNTER) == 32_768
    nrf.write("RTC0", START, 1)
    nrf.pass_us(31)
    assert nrf.read("RTC0", COUNTER) == 32_769
    nrf.write("RTC0", RTC_CLEAR, 1)
    assert nrf.read("RTC0", COUNTER) == 0


def test_the_prescaler_of_an_rtc_is_read_only_while_it_counts(nrf: Later) -> None:
    nrf.write("RTC0", PRESCALER, 32)
    nrf.write("RTC0", START, 1)
    nrf.write("RTC0", PRESCALER, 0)
    nrf.pass_us(1_000_000)
    assert nrf.read("RTC0", COUNTER) == 32_768 // 33


def test_an_rtc_compares_and_calls(nrf: Later) -> None:
    nrf.write("RTC0", CC + 4, 33)
    nrf.write("RTC0", INTENSET, 1 << 17)
    nrf.write("RTC0", START, 1)
    nrf.pass_us(1_007)  # 33 / 32,768 s is 1,007.1 us
    assert nrf.read("RTC0", COMPARE + 4) == 0
    assert not nrf.pending(RTC_IRQ)
    nrf.pass_us(1)
    assert nrf.read("RTC0", COMPARE + 4) == 1
    assert nrf.read("RTC0", COMPARE) == 0
    assert nrf.pending(RTC_IRQ)


def test_an_rtc_nobody_asked_for_anything_wakes_nobody(nrf: Later) -> None:
    nrf.write("RTC0", START, 1)
    assert nrf.machine.core.agenda.next_us is None
    nrf.write("RTC0", EVTENSET, 1)
    nrf.pass_us(31)
    assert nrf.read("RTC0", TICK) == 1
    nrf.write("RTC0", STOP, 1)
    assert nrf.machine.core.agenda.next_us is None


def test_an_rtc_flows_over_where_somebody_hears_of_it(nrf: Later) -> None:
    nrf.write("RTC0", START, 1)
    nrf.write("RTC0", TRIGOVRFLW, 1)
    assert nrf.read("RTC0", COUNTER) == 0xFF_FFF0
    nrf.write("RTC0", INTENSET, 2)
    nrf.pass_us(489)  # 16 / 32,768 s
    assert (nrf.read("RTC0", OVRFLW), nrf.read("RTC0", COUNTER)) == (1, 0)
    nrf.write("RTC0", OVRFLW, 0)
    nrf.pass_us(512_000_000)
    assert nrf.read("RTC0", OVRFLW) == 1


def test_a_timer_is_read_by_capture(nrf: Later) -> None:
    nrf.write("TIMER0", BITMODE, 3)
    nrf.write("TIMER0", START, 1)
    nrf.pass_us(70_000)
    nrf.write("TIMER0", CAPTURE + 8, 1)
    assert nrf.read("TIMER0", CC + 8) == 70_000, "prescaler 4 out of reset: a microsecond"
    nrf.write("TIMER0", BITMODE, 0)
    nrf.write("TIMER0", CAPTURE, 1)
    assert nrf.read("TIMER0", CC) == 70_000 - 65_536


def test_shorts_clear_and_stop_a_timer(nrf: Later) -> None:
    nrf.write("TIMER0", CC, 100)
    nrf.write("TIMER0", SHORTS, 1)
    nrf.write("TIMER0", INTENSET, 1 << 16)
    nrf.write("TIMER0", START, 1)
    for _ in range(3):
        nrf.pass_us(100)
        assert nrf.read("TIMER0", COMPARE) == 1
        assert nrf.pending(TIMER_IRQ)
        nrf.write("TIMER0", COMPARE, 0)
    nrf.write("TIMER0", SHORTS, 1 << 8)
    nrf.pass_us(1_000)
    nrf.write("TIMER0", CAPTURE + 4, 1)
    assert nrf.read("TIMER0", CC + 4) == 100


def test_a_timer_in_counter_mode_counts_what_it_is_told(nrf: Later) -> None:
    nrf.write("TIMER1", MODE, 1)
    nrf.write("TIMER1", START, 1)
    nrf.pass_us(1_000)
    for _ in range(3):
        nrf.write("TIMER1", COUNT, 1)
    nrf.write("TIMER1", CAPTURE, 1)
    assert nrf.read("TIMER1", CC) == 3


def test_a_reset_stops_all_of_it(nrf: Later) -> None:
    nrf.write("TIMER0", CC, 100)
    nrf.write("TIMER0", START, 1)
    nrf.write("RTC0", INTENSET, 3)
    nrf.write("RTC0", START, 1)
    nrf.machine.reset("software")
    assert nrf.machine.core.agenda.next_us is None
    nrf.pass_us(1_000)
    assert nrf.read("RTC0", COUNTER) == 0
    assert nrf.read("TIMER0", CC) == 0


def test_what_start_up_code_reads_and_writes_is_known(nrf: Later) -> None:
    """Trimming of the temperature sensor goes from FICR to TEMP; workarounds write where nothing is documented."""
    for at in range(6):
        assert nrf.machine.bus.read(0x1000_0404 + 4 * at, 4) == nrf.read("TEMP", 0x520 + 4 * at) != 0
    nrf.write("NFCT", 0x68C, 0x38148)
    nrf.write("QSPI", 0x640, 0x200)
    nrf.write("CLOCK", 0xEE4, nrf.read("CLOCK", 0xEE4) & ~0xF)
    assert nrf.machine.bus.read(0x1000_0258, 4) == 0xFFFF_FFFF
    assert not list(nrf.machine.unknown)


def test_the_temperature_is_ready_when_it_was_asked_for(nrf: Later) -> None:
    assert nrf.read("TEMP", 0x100) == 0
    nrf.write("TEMP", 0x000, 1)
    assert (nrf.read("TEMP", 0x100), nrf.read("TEMP", 0x508)) == (1, 100)
