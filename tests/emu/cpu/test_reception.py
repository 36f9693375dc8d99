"""Serial ports that receive, by their registers: flags, interrupts, overruns, EasyDMA."""

from __future__ import annotations

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

from emu.cpu.faces import NOT_LISTENING, OVERRUN, Receives
from tests.emu.cpu.test_peripherals import Bench


@pytest.fixture
def f1() -> Bench:
    return Bench("STM32F103xB")


@pytest.fixture
def g0() -> Bench:
    return Bench("STM32G071xB")


@pytest.fixture
def nrf() -> Bench:
    return Bench("nRF52840")


def arrive(bench: Bench, name: str, data: bytes) -> list[str]:
    port = bench.machine.peripherals[name]
    assert isinstance(port, Receives)
    return [port.arrives(byte) for byte in data]


def fall_idle(bench: Bench, name: str) -> None:
    port = bench.machine.peripherals[name]
    assert isinstance(port, Receives)
    port.falls_idle()


def test_every_serial_port_of_every_chip_receives() -> None:
    for chip in ("STM32F103xB", "STM32F405xG", "STM32L476xG", "STM32G071xB", "STM32L072xZ", "nRF52840"):
        ports = [name for name, each in Bench(chip).machine.peripherals.items() if isinstance(each, Receives)]
        assert len(ports) > 1, chip
        assert all("UART" in name or "USART" in name for name in ports)


# -- the old USART --------------------------------------------------------------------------------------------

SR, DR, CR1 = 0x00, 0x04, 0x0C
RXNE, ORE, IDLE = 1 << 5, 1 << 3, 1 << 4


def test_an_old_port_that_is_off_hears_nothing(f1: Bench) -> None:
    for enables in (0, 0x2000, 0x0004):
        f1.write("USART1", CR1, enables)
        assert arrive(f1, "USART1", b"a") == [NOT_LISTENING]
    assert f1.read("USART1", SR) == 0xC0


def test_an_old_port_receives_a_byte_and_reading_it_clears_the_flag(f1: Bench) -> None:
    f1.write("USART1", CR1, 0x2024)
    assert arrive(f1, "USART1", b"a") == [""]
    assert f1.pending(37)
    assert f1.read("USART1", SR) == 0xC0 | RXNE
    assert f1.read("USART1", DR, 1) == ord("a")
    assert f1.read("USART1", SR) == 0xC0
    assert 16 + 37 not in f1.machine.exceptions.lines


def test_an_old_port_keeps_the_byte_that_was_not_read_and_loses_the_next(f1: Bench) -> None:
    f1.write("USART1", CR1, 0x2004)
    assert arrive(f1, "USART1", b"ab") == ["", OVERRUN]
    assert f1.read("USART1", DR) == ord("a"), "without a look at SR"
    assert f1.read("USART1", SR) == 0xC0 | ORE, "so the overrun stays"
    f1.read("USART1", DR)
    assert f1.read("USART1", SR) == 0xC0, "SR, then DR"


def test_an_overrun_interrupts_with_what_a_byte_interrupts_with(f1: Bench) -> None:
    f1.write("USART1", CR1, 0x2004)
    arrive(f1, "USART1", b"ab")
    f1.read("USART1", DR)
    f1.write("USART1", CR1, 0x2024)
    assert f1.pending(37)


def test_rxne_of_an_old_port_is_cleared_by_writing_0_and_no_other_flag_is(f1: Bench) -> None:
    f1.write("USART1", CR1, 0x2004)
    arrive(f1, "USART1", b"ab")
    f1.write("USART1", SR, 0xFFFF_FFFF & ~RXNE)
    assert f1.read("USART1", SR) == 0xC0 | ORE
    assert arrive(f1, "USART1", b"c") == [""]


def test_an_old_port_notices_an_idle_line_once_after_each_burst(f1: Bench) -> None:
    f1.write("USART1", CR1, 0x2014)
    fall_idle(f1, "USART1")
    assert not f1.read("USART1", SR) & IDLE, "nothing has come yet"
    arrive(f1, "USART1", b"a")
    fall_idle(f1, "USART1")
    assert f1.pending(37)
    assert f1.read("USART1", SR) & IDLE
    f1.read("USART1", DR)
    assert not f1.read("USART1", SR) & IDLE
    fall_idle(f1, "USART1")
    assert not f1.read("USART1", SR) & IDLE


def test_a_reset_forgets_what_was_received(f1: Bench) -> None:
    f1.write("USART1", CR1, 0x2004)
    arrive(f1, "USART1", b"ab")
    f1.machine.reset("software")
    assert f1.read("USART1", SR) == 0xC0


# -- the new USART --------------------------------------------------------------------------------------------

NEW_CR1, NEW_CR3, RQR, ISR, ICR, RDR = 0x00, 0x08, 0x18, 0x1C, 0x20, 0x24


def test_a_new_port_receives_and_clears_by_its_own_register(g0: Bench) -> None:
    assert arrive(g0, "USART2", b"x") == [NOT_LISTENING]
    g0.write("USART2", NEW_CR1, 0x25)
    assert arrive(g0, "USART2", b"xy") == ["", OVERRUN]
    assert g0.pending(28)
    assert g0.read("USART2", ISR) & 0x38 == RXNE | ORE
    assert g0.read("USART2", RDR) == ord("x")
    assert g0.read("USART2", ISR) & 0x38 == ORE, "reading does not clear it"
    g0.write("USART2", ICR, ORE)
    assert g0.read("USART2", ISR) & 0x38 == 0
    assert 16 + 28 not in g0.machine.exceptions.lines
    arrive(g0, "USART2", b"z")
    fall_idle(g0, "USART2")
    assert g0.read("USART2", ISR) & 0x38 == RXNE | IDLE
    g0.write("USART2", RQR, 1 << 3)
    g0.write("USART2", ICR, IDLE)
    assert g0.read("USART2", ISR) & 0x38 == 0


def test_without_overrun_detection_the_last_byte_counts(g0: Bench) -> None:
    g0.write("USART2", NEW_CR3, 1 << 12)
    g0.write("USART2", NEW_CR1, 0x5)
    assert arrive(g0, "USART2", b"xy") == ["", OVERRUN]
    assert g0.read("USART2", ISR) & ORE == 0
    assert g0.read("USART2", RDR) == ord("y")


def test_a_fifo_holds_eight_bytes(g0: Bench) -> None:
    g0.write("USART2", NEW_CR1, 1 << 29 | 0x5)
    assert arrive(g0, "USART2", b"12345678") == [""] * 8
    assert g0.read("USART2", ISR) >> 24 & 1, "RXFF"
    assert arrive(g0, "USART2", b"9") == [OVERRUN]
    assert bytes(g0.read("USART2", RDR) for _ in range(8)) == b"12345678"
    assert g0.read("USART2", ISR) & RXNE == 0


def test_a_new_port_that_is_switched_off_forgets_everything(g0: Bench) -> None:
    g0.write("USART2", NEW_CR1, 0x5)
    arrive(g0, "USART2", b"xy")
    g0.write("USART2", NEW_CR1, 0x4)
    g0.write("USART2", NEW_CR1, 0x5)
    assert g0.read("USART2", ISR) & 0x38 == 0


# -- UART and UARTE of the nRF52 ------------------------------------------------------------------------------

STARTRX, STOPRX, FLUSHRX = 0x000, 0x004, 0x02C
RXDRDY, ENDRX, ERROR, RXTO, RXSTARTED, SHORTS, INTENSET = 0x108, 0x110, 0x124, 0x144, 0x14C, 0x200, 0x304
ERRORSRC, ENABLE, RXD, PTR, MAXCNT, AMOUNT = 0x480, 0x500, 0x518, 0x534, 0x538, 0x53C
BUFFER = 0x2000_0200


def test_a_uart_holds_six_bytes_and_brings_the_next_when_one_is_read(nrf: Bench) -> None:
    nrf.write("UARTE0", ENABLE, 4)
    assert arrive(nrf, "UARTE0", b"a") == [NOT_LISTENING]
    nrf.write("UARTE0", STARTRX, 1)
    assert arrive(nrf, "UARTE0", b"abcdefg") == [""] * 6 + [OVERRUN]
    assert (nrf.read("UARTE0", ERROR), nrf.read("UARTE0", ERRORSRC)) == (1, 1)
    nrf.write("UARTE0", ERRORSRC, 1)
    assert nrf.read("UARTE0", ERRORSRC) == 0
    got = []
    while nrf.read("UARTE0", RXDRDY):
        nrf.write("UARTE0", RXDRDY, 0)
        got.append(nrf.read("UARTE0", RXD))
    assert bytes(got) == b"abcdef"
    nrf.write("UARTE0", STOPRX, 1)
    assert nrf.read("UARTE0", RXTO) == 1
    assert arrive(nrf, "UARTE0", b"a") == [NOT_LISTENING]


def test_an_event_that_is_cleared_behind_the_read_is_lost(nrf: Bench) -> None:
    """As the specification warns: clear RXDRDY first."""
    nrf.write("UARTE0", ENABLE, 4)
    nrf.write("UARTE0", STARTRX, 1)
    arrive(nrf, "UARTE0", b"ab")
    assert nrf.read("UARTE0", RXD) == ord("a")
    nrf.write("UARTE0", RXDRDY, 0)
    assert nrf.read("UARTE0", RXDRDY) == 0


def started(nrf: Bench, length: int, shorts: int = 0) -> None:
    nrf.write("UARTE0", ENABLE, 8)
    nrf.write("UARTE0", SHORTS, shorts)
    nrf.write("UARTE0", PTR, BUFFER)
    nrf.write("UARTE0", MAXCNT, length)
    nrf.write("UARTE0", STARTRX, 1)


def test_a_uarte_fills_a_buffer_and_says_so(nrf: Bench) -> None:
    nrf.write("UARTE0", INTENSET, 1 << 4)
    started(nrf, 3)
    assert nrf.read("UARTE0", RXSTARTED) == 1
    nrf.write("UARTE0", PTR, BUFFER + 0x100)  # for the next one: this buffer is open already
    arrive(nrf, "UARTE0", b"ab")
    assert [nrf.read("UARTE0", each) for each in (RXDRDY, ENDRX)] == [1, 0]
    assert not nrf.pending(2)
    arrive(nrf, "UARTE0", b"c")
    assert [nrf.read("UARTE0", each) for each in (ENDRX, AMOUNT)] == [1, 3]
    assert nrf.pending(2)
    assert nrf.machine.memory.read(BUFFER, 3) == b"abc"


def test_between_two_buffers_a_uarte_holds_five_bytes(nrf: Bench) -> None:
    started(nrf, 1)
    assert arrive(nrf, "UARTE0", b"a123456") == [""] * 6 + [OVERRUN]
    assert nrf.read("UARTE0", ERRORSRC) == 1
    nrf.write("UARTE0", MAXCNT, 8)
    nrf.write("UARTE0", ENDRX, 0)
    nrf.write("UARTE0", STARTRX, 1)
    assert nrf.machine.memory.read(BUFFER, 5) == b"12345"
    assert nrf.read("UARTE0", ENDRX) == 0
    arrive(nrf, "UARTE0", b"789")
    assert [nrf.read("UARTE0", each) for each in (ENDRX, AMOUNT)] == [1, 8]


def test_stopping_ends_the_buffer_and_then_the_receiver(nrf: Bench) -> None:
    started(nrf, 8, shorts=1 << 5)
    arrive(nrf, "UARTE0", b"abc")
    nrf.write("UARTE0", STOPRX, 1)
    assert [nrf.read("UARTE0", each) for each in (ENDRX, AMOUNT, RXTO)] == [1, 3, 1]
    assert arrive(nrf, "UARTE0", b"d") == [NOT_LISTENING], "the short is not for a buffer that was stopped"


def test_flushing_brings_what_waits_and_leaves_the_amount_where_nothing_does(nrf: Bench) -> None:
    started(nrf, 1)
    arrive(nrf, "UARTE0", b"abc")
    nrf.write("UARTE0", ENDRX, 0)
    nrf.write("UARTE0", MAXCNT, 8)
    nrf.write("UARTE0", STOPRX, 1)
    nrf.write("UARTE0", FLUSHRX, 1)
    assert [nrf.read("UARTE0", each) for each in (ENDRX, AMOUNT)] == [1, 2]
    assert nrf.machine.memory.read(BUFFER, 2) == b"bc"
    nrf.write("UARTE0", ENDRX, 0)
    nrf.write("UARTE0", FLUSHRX, 1)
    assert [nrf.read("UARTE0", each) for each in (ENDRX, AMOUNT)] == [1, 2]


def test_shorts_open_the_next_buffer_or_stop_the_receiver(nrf: Bench) -> None:
    started(nrf, 2, shorts=1 << 5)
    nrf.write("UARTE0", PTR, BUFFER + 0x10)
    assert arrive(nrf, "UARTE0", b"abcd") == [""] * 4
    assert nrf.machine.memory.read(BUFFER, 2) + nrf.machine.memory.read(BUFFER + 0x10, 2) == b"abcd"
    nrf.write("UARTE0", SHORTS, 1 << 6)
    assert arrive(nrf, "UARTE0", b"efg") == ["", "", NOT_LISTENING]
    assert nrf.read("UARTE0", RXTO) == 1


def test_a_buffer_outside_ram_is_refused(nrf: Bench) -> None:
    nrf.write("UARTE0", ENABLE, 8)
    nrf.write("UARTE0", PTR, 0x1000)
    nrf.write("UARTE0", MAXCNT, 4)
    nrf.write("UARTE0", STARTRX, 1)
    arrive(nrf, "UARTE0", b"a")
    assert nrf.machine.notes == ["UARTE0: RXD.PTR 0x00001000 is not in RAM, which its DMA needs"]


def test_a_port_that_is_disabled_forgets_its_buffer(nrf: Bench) -> None:
    started(nrf, 4)
    arrive(nrf, "UARTE0", b"a")
    nrf.write("UARTE0", ENABLE, 0)
    nrf.write("UARTE0", ENABLE, 8)
    assert arrive(nrf, "UARTE0", b"b") == [NOT_LISTENING]
