"""Peripherals by their registers, as firmware uses them."""

from __future__ import annotations

import binascii
from types import SimpleNamespace

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

from emu.cpu.chip import bundled_chip
from emu.cpu.machine import Machine
from flash.errors import ResetAsserted
from tests.emu.cpu.chips import PlainFlash


class Bench:
    """A chip, and its peripherals by name."""

    def __init__(self, name: str) -> None:
        self.machine = Machine(bundled_chip(name), lambda _name, world, main: PlainFlash(world, main))
        self._at = {each.name: each.address for each in bundled_chip(name).peripheral}
        self.machine.reset("power")

    def read(self, name: str, offset: int, size: int = 4) -> int:
        return self.machine.bus.read(self._at[name] + offset, size)

    def write(self, name: str, offset: int, value: int, size: int = 4) -> None:
        self.machine.bus.write(self._at[name] + offset, size, value)

    @property
    def sent(self) -> bytes:
        return b"".join(data for _, _, data in self.machine.sent)

    def pending(self, irq: int) -> bool:
        return 16 + irq in self.machine.exceptions.pending


@pytest.fixture
def f1() -> Bench:
    return Bench("STM32F103xB")


@pytest.fixture
def g0() -> Bench:
    return Bench("STM32G071xB")


@pytest.fixture
def nrf() -> Bench:
    return Bench("nRF52840")


SR, DR, CR1 = 0x00, 0x04, 0x0C


def test_an_old_port_sends_when_it_is_on_and_says_so_when_it_is_not(f1: Bench) -> None:
    f1.write("USART1", DR, 0x41)
    assert f1.machine.notes == ["USART1: 0x41 is not sent: UE and TE are not both set"]
    f1.write("USART1", CR1, 0x2008)
    for size in (1, 2, 4):
        f1.write("USART1", DR, 0x42, size)
    assert f1.sent == b"BBB"
    assert f1.read("USART1", SR) == 0xC0


def test_a_new_port_acknowledges_its_enables_and_clears_by_its_own_register(g0: Bench) -> None:
    isr, icr, tdr = 0x1C, 0x20, 0x28
    assert g0.read("USART2", isr) == 0xC0
    g0.write("USART2", 0, 0xD)
    assert g0.read("USART2", isr) == 0x6000C0
    g0.write("USART2", icr, 0x40)
    assert not g0.read("USART2", isr) & 0x40
    g0.write("USART2", tdr, 0x43, 1)
    assert g0.sent == b"C"
    assert g0.read("USART2", isr) & 0x40
    g0.write("USART2", 0, 0x8D)
    assert g0.pending(28), "TXEIE"


def test_a_port_of_an_nrf_sends_from_memory(nrf: Bench) -> None:
    nrf.machine.memory.write(0x2000_0100, b"hello")
    nrf.write("UARTE0", 0x008, 1)
    assert nrf.machine.notes == ["UARTE0: task 0x008 while the port is disabled"]
    nrf.write("UARTE0", 0x500, 8)
    nrf.write("UARTE0", 0x304, 1 << 8 | 1 << 4)
    nrf.write("UARTE0", 0x544, 0x2000_0100)
    nrf.write("UARTE0", 0x548, 5)
    nrf.write("UARTE0", 0x008, 1)
    assert nrf.sent == b"hello"
    assert [nrf.read("UARTE0", each) for each in (0x120, 0x11C, 0x150, 0x54C)] == [1, 1, 1, 5]
    assert nrf.pending(2)
    nrf.write("UARTE0", 0x544, 0x1000)
    nrf.write("UARTE0", 0x008, 1)
    assert nrf.machine.notes[1] == "UARTE0: TXD.PTR 0x00001000 is not in RAM, which its DMA needs: nothing is sent"


def test_the_old_port_of_an_nrf_sends_byte_by_byte(nrf: Bench) -> None:
    nrf.write("UARTE0", 0x500, 4)
    nrf.write("UARTE0", 0x51C, 0x41)
    nrf.write("UARTE0", 0x008, 1)
    nrf.write("UARTE0", 0x51C, 0x42)
    assert nrf.sent == b"B"
    assert nrf.read("UARTE0", 0x11C) == 1


def iwdg(bench: Bench, prescaler: int, reload: int) -> None:
    for offset, value in ((0x0, 0x5555), (0x4, prescaler), (0x8, reload), (0x0, 0xAAAA), (0x0, 0xCCCC)):
        bench.write("IWDG", offset, value)


def test_an_independent_watchdog_runs_from_its_start_and_is_fed(f1: Bench) -> None:
    clock = f1.machine.clock
    f1.write("IWDG", 0x8, 99)
    assert f1.machine.notes == ["IWDG: offset 0x8 := 0x63 while it is write-protected: dropped"]
    assert f1.read("IWDG", 0x8) == 0xFFF
    iwdg(f1, 1, 624)
    assert clock.next_alarm_us == 625 * 8 * 1_000_000 // 40_000
    clock.advance(100_000)
    f1.write("IWDG", 0x0, 0xAAAA)
    assert clock.next_alarm_us == 225_000
    with pytest.raises(ResetAsserted, match="iwdg"):
        clock.advance(200_000)
    assert clock.now_us == 225_000


class Optioned(PlainFlash):
    """A controller whose option bytes say what the watchdog does."""

    effects = SimpleNamespace(hardware_watchdog=False)


def test_a_hardware_watchdog_runs_from_reset() -> None:
    machine = Machine(bundled_chip("STM32F103xB"), lambda _name, world, main: Optioned(world, main))
    machine.reset("power")
    assert machine.clock.next_alarm_us is None
    machine.controller.effects = SimpleNamespace(hardware_watchdog=True)
    machine.reset("software")
    assert machine.clock.next_alarm_us == 4096 * 4 * 1_000_000 // 40_000


def test_a_reload_in_the_closed_part_of_the_window_is_a_reset(g0: Bench) -> None:
    iwdg(g0, 0, 0xFFF)
    g0.write("IWDG", 0x0, 0x5555)
    g0.write("IWDG", 0x10, 0x7FF)
    g0.machine.clock.advance(300_000)
    g0.write("IWDG", 0x0, 0xAAAA)
    g0.machine.clock.advance(200_000)
    with pytest.raises(ResetAsserted, match="iwdg"):
        g0.write("IWDG", 0x0, 0xAAAA)


def test_a_window_watchdog_resets_late_early_and_at_once(f1: Bench) -> None:
    f1.write("WWDG", 0x0, 0xFF)
    assert f1.machine.clock.next_alarm_us == 64 * 512
    f1.machine.clock.advance(512 * 10)
    assert f1.read("WWDG", 0x0) == 0x80 | 0x7F - 10
    f1.write("WWDG", 0x4, 0x60)
    with pytest.raises(ResetAsserted, match="wwdg"):
        f1.write("WWDG", 0x0, 0xFF)
    f1.machine.reset("wwdg")
    f1.write("WWDG", 0x0, 0xFF)
    with pytest.raises(ResetAsserted, match="wwdg"):
        f1.write("WWDG", 0x0, 0x80)


def test_a_watchdog_of_an_nrf_wants_all_its_channels_and_survives_a_software_reset(nrf: Bench) -> None:
    clock = nrf.machine.clock
    nrf.write("WDT", 0x504, 32_767)
    nrf.write("WDT", 0x508, 0b101)
    nrf.write("WDT", 0x000, 1)
    assert (nrf.read("WDT", 0x400), nrf.read("WDT", 0x404), clock.next_alarm_us) == (1, 0b101, 1_000_000)
    nrf.write("WDT", 0x504, 5)
    assert nrf.read("WDT", 0x504) == 32_767
    clock.advance(400_000)
    for channel in (0, 1):
        nrf.write("WDT", 0x600 + 4 * channel, 0x6E52_4635)
    assert (nrf.read("WDT", 0x404), clock.next_alarm_us) == (0b100, 1_000_000)
    nrf.machine.reset("software")
    assert clock.next_alarm_us == 600_000
    nrf.write("WDT", 0x600, 0x6E52_4635)
    nrf.write("WDT", 0x608, 0x6E52_4635)
    assert clock.next_alarm_us == 1_000_000
    nrf.machine.reset("pin")
    assert clock.next_alarm_us is None
    assert nrf.read("WDT", 0x504) == 0xFFFF_FFFF


def test_retained_registers_of_an_nrf_survive_a_software_reset_alone(nrf: Bench) -> None:
    nrf.write("CLOCK", 0x51C, 0x1B1)
    nrf.machine.reset("software")
    assert (nrf.read("CLOCK", 0x51C), nrf.read("CLOCK", 0x400)) == (0xB1, 4)
    nrf.machine.reset("wdt")
    assert (nrf.read("CLOCK", 0x51C), nrf.read("CLOCK", 0x400)) == (0, 6)
    nrf.write("CLOCK", 0x400, 4)
    assert nrf.read("CLOCK", 0x400) == 2


def test_a_clock_of_an_nrf_starts_at_once(nrf: Bench) -> None:
    nrf.write("CLOCK", 0x518, 1)
    nrf.write("CLOCK", 0x304, 2)
    nrf.write("CLOCK", 0x008, 1)
    assert [nrf.read("CLOCK", each) for each in (0x104, 0x418)] == [1, 0x1_0001]
    assert nrf.pending(0)
    nrf.write("CLOCK", 0x104, 0)
    assert nrf.read("CLOCK", 0x104) == 0
    nrf.write("CLOCK", 0x000, 1)
    assert nrf.read("CLOCK", 0x40C) == 0x1_0001


def test_the_old_crc_unit_is_crc_32_without_reflection(f1: Bench) -> None:
    f1.write("CRC", 0x8, 1)
    f1.write("CRC", 0x0, 0x1234_5678)
    assert f1.read("CRC", 0x0) == 0xDF8A_8A2B


def test_the_new_crc_unit_reverses_and_takes_bytes(g0: Bench) -> None:
    data = b"123456789"
    g0.write("CRC", 0x8, 1 << 7 | 1 << 5 | 1)
    for byte in data:
        g0.write("CRC", 0x0, byte, 1)
    assert g0.read("CRC", 0x0) ^ 0xFFFF_FFFF == binascii.crc32(data)
    g0.write("CRC", 0x14, 0x1021)
    g0.write("CRC", 0x10, 0xFFFF)
    g0.write("CRC", 0x8, 1 << 3 | 1)
    for byte in data:
        g0.write("CRC", 0x0, byte, 1)
    assert g0.read("CRC", 0x0) == 0x29B1, "CRC-16/CCITT-FALSE"


@pytest.mark.parametrize(
    ("bits", "code", "polynomial"), [(32, 0, 0x1EDC_6F41), (16, 1, 0x8005), (8, 2, 0x07), (7, 3, 0x09)]
)
@pytest.mark.parametrize("size", [1, 2, 4])
def test_the_crc_unit_takes_any_polynomial_bit_by_bit(
    g0: Bench, bits: int, code: int, polynomial: int, size: int
) -> None:
    g0.write("CRC", 0x14, polynomial)
    g0.write("CRC", 0x10, 0x5A5A_5A5A & (1 << bits) - 1)
    g0.write("CRC", 0x08, code << 3 | 1)
    state = 0x5A5A_5A5A & (1 << bits) - 1
    for word in (0x1234_5678, 0xFFFF_0000, 0x0000_0001, 0x89AB_CDEF):
        value = word & (1 << 8 * size) - 1
        g0.write("CRC", 0x00, value, size)
        for at in reversed(range(8 * size)):
            top = (state >> bits - 1) ^ (value >> at & 1)
            state = (state << 1 & (1 << bits) - 1) ^ (polynomial if top & 1 else 0)
        assert g0.read("CRC", 0x00) == state


def test_a_port_sets_clears_and_reads_back_pins(f1: Bench, g0: Bench, nrf: Bench) -> None:
    f1.write("GPIOA", 0x00, 0x0330_0000)
    f1.write("GPIOA", 0x10, 1 << 5 | 1 << 6)
    f1.write("GPIOA", 0x10, 1 << 22)
    assert f1.read("GPIOA", 0x08) == f1.read("GPIOA", 0x0C) == 1 << 5
    f1.write("GPIOA", 0x14, 1 << 5)
    assert f1.read("GPIOA", 0x0C) == 0
    g0.write("GPIOB", 0x18, 0x0001_0003)
    assert g0.read("GPIOB", 0x14) == 3, "set wins"
    g0.write("GPIOB", 0x00, 0x0000_0005)
    assert g0.read("GPIOB", 0x10) == 3
    nrf.write("P1", 0x18, 1 << 4)
    nrf.write("P1", 0x08, 1 << 4 | 1 << 5)
    assert (nrf.read("P1", 0x04), nrf.read("P1", 0x10), nrf.read("P0", 0x04)) == (0x30, 0x10, 0)


@pytest.mark.parametrize(("field", "odr", "reads"), [(0x4, 1, 0), (0x8, 1, 1), (0x8, 0, 0), (0x0, 1, 0), (0x3, 1, 1)])
def test_an_input_of_an_f1_is_pulled_where_its_latch_says(f1: Bench, field: int, odr: int, reads: int) -> None:
    """Floating, pulled up, pulled down, analog; and an output."""
    f1.write("GPIOC", 0x04, field << 20)
    f1.write("GPIOC", 0x0C, odr << 13)
    assert f1.read("GPIOC", 0x08) == reads << 13


@pytest.mark.parametrize(("mode", "pull", "reads"), [(0, 0, 0), (0, 1, 1), (0, 2, 0), (1, 1, 0), (2, 1, 1), (3, 1, 0)])
def test_a_button_that_nobody_presses_reads_as_its_resistor_says(g0: Bench, mode: int, pull: int, reads: int) -> None:
    """A bootloader that stays in DFU mode while a pulled-up pin is low must not."""
    g0.write("GPIOC", 0x00, mode << 26)
    g0.write("GPIOC", 0x0C, pull << 26)
    g0.write("GPIOC", 0x14, 0)
    assert g0.read("GPIOC", 0x10) == reads << 13


@pytest.mark.parametrize(("config", "reads"), [(0xC, 1), (0xE, 0), (0x4, 0), (0x0, 0)])
def test_a_button_of_an_nrf_reads_as_its_resistor_says(nrf: Bench, config: int, reads: int) -> None:
    nrf.write("P0", 0x200 + 4 * 11, config)
    assert nrf.read("P0", 0x010) == reads << 11


HIGH, LOW, NOBODY = {3: True}, {3: False}, dict[int, bool]()


@pytest.mark.parametrize(
    ("field", "odr", "outside", "reads"),
    [
        (0x4, 0, HIGH, 1), (0x4, 0, LOW, 0), (0x4, 0, NOBODY, 0),  # floating
        (0x8, 1, LOW, 0), (0x8, 0, HIGH, 1),  # against its resistor
        (0x0, 0, HIGH, 0),  # analog: the input is switched off
        (0x3, 0, HIGH, 0), (0x3, 1, LOW, 1),  # the chip drives it
    ],
)  # fmt: skip
def test_a_pin_of_an_f1_reads_what_is_driven_from_outside(
    f1: Bench, field: int, odr: int, outside: dict[int, bool], reads: int
) -> None:
    f1.machine.peripherals["GPIOA"].drive(outside)
    f1.machine.reset("power")
    f1.write("GPIOA", 0x00, field << 12)
    f1.write("GPIOA", 0x0C, odr << 3)
    assert f1.read("GPIOA", 0x08) == reads << 3


@pytest.mark.parametrize(
    ("mode", "pull", "outside", "reads"),
    [(0, 0, HIGH, 1), (0, 1, LOW, 0), (0, 2, HIGH, 1), (2, 0, HIGH, 1), (1, 0, HIGH, 0), (3, 0, HIGH, 0)],
)
def test_a_pin_of_a_g0_reads_what_is_driven_from_outside(
    g0: Bench, mode: int, pull: int, outside: dict[int, bool], reads: int
) -> None:
    g0.machine.peripherals["GPIOC"].drive(outside)
    g0.write("GPIOC", 0x00, mode << 6)
    g0.write("GPIOC", 0x0C, pull << 6)
    g0.write("GPIOC", 0x14, 0)
    assert g0.read("GPIOC", 0x10) == reads << 3
    g0.machine.peripherals["GPIOC"].drive({})
    assert g0.read("GPIOC", 0x10) == (mode in (0, 2) and pull == 1) << 3


@pytest.mark.parametrize(
    ("config", "outside", "reads"), [(0x0, HIGH, 1), (0xC, LOW, 0), (0x2, HIGH, 0), (0xE, LOW, 0), (0x1, HIGH, 0)]
)
def test_a_pin_of_an_nrf_reads_what_is_driven_from_outside(
    nrf: Bench, config: int, outside: dict[int, bool], reads: int
) -> None:
    nrf.machine.peripherals["P0"].drive(outside)
    nrf.write("P0", 0x200 + 4 * 3, config)
    assert nrf.read("P0", 0x010) == reads << 3


def test_random_numbers_are_those_of_the_seed() -> None:
    def drawn(seed: int) -> list[int]:
        machine = Machine(bundled_chip("STM32L476xG"), lambda _n, world, main: PlainFlash(world, main), seed=seed)
        machine.reset("power")
        assert machine.bus.read(0x5006_0804, 4) == 0
        machine.bus.write(0x5006_0800, 4, 4)
        return [machine.bus.read(0x5006_0808, 4) for _ in range(4)]

    assert drawn(1) == drawn(1) != drawn(2)
    assert len(set(drawn(1))) == 4


def test_backup_registers_survive_all_but_the_loss_of_power(f1: Bench) -> None:
    f1.write("PWR", 0x00, 1 << 8)
    f1.write("BKP", 0x04, 0xBEEF)
    f1.machine.reset("iwdg")
    assert f1.read("BKP", 0x04) == 0xBEEF
    f1.machine.reset("power")
    assert f1.read("BKP", 0x04) == 0


def test_a_register_nobody_modelled_keeps_what_is_written_and_is_counted(f1: Bench) -> None:
    f1.write("RCC", 0x40, 0x12345678)
    assert f1.read("RCC", 0x42, 2) == 0x1234
    f1.machine.bus.write(0x4003_0001, 1, 0xAB)
    assert f1.machine.bus.read(0x4003_0000, 4) == 0xAB00
    assert [str(each) for each in f1.machine.unknown] == [
        "0x40030000: 1 read, 1 written",
        "RCC+0x040: 1 read, 1 written",
    ]


def test_identity_is_read_only(f1: Bench) -> None:
    from emu.cpu.stops import Refused

    assert f1.machine.bus.read(0x1FFF_F7E0, 2) == 128
    with pytest.raises(Refused):
        f1.machine.bus.write(0x1FFF_F7E0, 2, 1)
