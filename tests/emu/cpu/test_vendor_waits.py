"""What start-up code and drivers of vendors write, and what they then wait for."""

from __future__ import annotations

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

from tests.emu.cpu.test_peripherals import Bench

FAMILIES = ("STM32F103xB", "STM32F405xG", "STM32F411xE", "STM32L476xG", "STM32G071xB", "STM32L072xZ", "STM32H563xI")
DEBUG = {"STM32G071xB": "DBG", "STM32L072xZ": "DBG"}
RTC = FAMILIES[1:]


@pytest.mark.parametrize("chip", FAMILIES)
def test_watchdogs_are_frozen_for_a_debugger_beside_an_identity_that_stays(chip: str) -> None:
    bench, name = Bench(chip), DEBUG.get(chip, "DBGMCU")
    identity = bench.read(name, 0x00)
    assert identity & 0xFFF in (0x410, 0x413, 0x431, 0x415, 0x460, 0x447, 0x484)
    bench.write(name, 0x08, 1 << 12)
    assert bench.read(name, 0x08) == 1 << 12
    bench.write(name, 0x00, 0)
    assert bench.read(name, 0x00) == identity
    assert not list(bench.machine.unknown)


@pytest.mark.parametrize("chip", RTC)
def test_the_calendar_may_be_set_when_that_was_asked_for(chip: str) -> None:
    bench = Bench(chip)
    gate, bit = (0x24, 0) if chip == "STM32H563xI" else (0x00, 8)
    bench.write("PWR", gate, bench.read("PWR", gate) | 1 << bit)
    assert not bench.read("RTC", 0x0C) & 1 << 6
    bench.write("RTC", 0x0C, 1 << 7)
    assert bench.read("RTC", 0x0C) & 1 << 6
    bench.write("RTC", 0x0C, 0)
    assert bench.read("RTC", 0x0C) & (1 << 6 | 1 << 5) == 1 << 5


@pytest.mark.parametrize("chip", ["STM32F405xG", "STM32F411xE"])
def test_the_backup_regulator_is_ready_when_it_is_on(chip: str) -> None:
    bench = Bench(chip)
    bench.write("PWR", 0x00, 1 << 9)
    assert not bench.read("PWR", 0x04) & 1 << 3
    bench.write("PWR", 0x04, 1 << 9)
    assert bench.read("PWR", 0x04) & 1 << 3


@pytest.mark.parametrize(("chip", "name"), [("STM32L476xG", "ADC"), ("STM32G071xB", "ADC1"), ("STM32L072xZ", "ADC1")])
def test_a_converter_is_calibrated_at_once_and_ready_when_on(chip: str, name: str) -> None:
    bench = Bench(chip)
    bench.write(name, 0x08, 1 << 28 | 1 << 31)
    assert bench.read(name, 0x08) >> 31 == 0
    assert not bench.read(name, 0x00) & 1
    bench.write(name, 0x08, 1 << 28 | 1)
    assert bench.read(name, 0x00) & 1
    bench.write(name, 0x08, 1 << 28 | 1 << 2 | 1)
    assert bench.read(name, 0x00) & 1 << 2, "a conversion ends"


def test_the_converter_of_an_f1_is_calibrated_at_once() -> None:
    bench = Bench("STM32F103xB")
    bench.write("ADC1", 0x08, 1 << 3 | 1 << 2 | 1)
    assert bench.read("ADC1", 0x08) == 1


@pytest.mark.parametrize("chip", ["STM32F405xG", "STM32F411xE", "STM32L476xG"])
def test_usb_is_idle_and_its_resets_are_over(chip: str) -> None:
    bench = Bench(chip)
    bench.write("USB_OTG_FS", 0x10, 1 | 1 << 4 | 1 << 5)
    assert bench.read("USB_OTG_FS", 0x10) & 0x8000_0031 == 0x8000_0000


def test_memory_controllers_of_an_l4_are_there_and_known_for_not_being_modelled() -> None:
    bench = Bench("STM32L476xG")
    bench.write("QUADSPI", 0x00, 1)
    assert [str(each) for each in bench.machine.unknown] == ["QUADSPI+0x000: 0 read, 1 written"]
