"""Chips as TOML, and machines made of them."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

from emu.cpu.chip import bundled_chip, chip_from_text, chip_names, load_chip
from emu.cpu.machine import Machine
from emu.cpu.peripherals import MODELS
from emu.errors import BoardError
from flash.part import bundled_part
from tests.emu.cpu.chips import PlainFlash, chip, session

CHIPS = Path(__file__).parents[3] / "emu" / "cpu" / "chips"


def machine(name: str) -> Machine:
    return Machine(bundled_chip(name), lambda _name, world, main: PlainFlash(world, main))


@pytest.mark.parametrize("name", chip_names())
def test_a_bundled_chip_is_whole_and_a_machine_can_be_made_of_it(name: str) -> None:
    one = bundled_chip(name)
    assert one.source
    assert bundled_part(one.flash.part).base == one.flash.address == one.boot
    built = machine(name)
    built.reset("power")
    assert {each.name for each in one.peripheral} == set(built.peripherals)
    for ram in one.ram:
        for at in (ram.address, *ram.aliases):
            assert len(built.memory.read(at, ram.size)) == ram.size
    for address, word in one.words:
        assert built.bus.read(address, 4) == word
    unique = [built.bus.read(address, 4) for address in one.unique_id]
    assert len(set(unique)) == len(unique) >= 2
    assert not list(built.unknown)


@pytest.mark.parametrize("name", chip_names())
def test_registers_of_a_chip_read_after_a_reset_as_its_file_says(name: str) -> None:
    built = machine(name)
    built.reset("power")
    for entry in bundled_chip(name).peripheral:
        shown = {follow.register if follow.in_ < 0 else follow.in_ for follow in entry.follows}
        shown |= {offset for offset, _, _ in entry.always}
        if entry.reset_flags is not None:
            shown.add(entry.reset_flags.register)
        for offset, value in entry.registers:
            if offset not in shown:
                assert built.bus.read(entry.address + offset, 4) == value, f"{entry.name}+{offset:#x}"


@pytest.mark.parametrize("name", [name for name in chip_names() if name.startswith("STM32")])
def test_every_oscillator_of_an_stm32_is_ready_when_it_is_on_and_not_when_it_is_off(name: str) -> None:
    built = machine(name)
    built.reset("power")
    entry = next(each for each in bundled_chip(name).peripheral if each.name == "RCC")
    open_the_backup_domain(built)
    for follow in entry.follows:
        at = entry.address + follow.register
        shown = entry.address + (follow.register if follow.in_ < 0 else follow.in_)
        mask = (1 << follow.width) - 1
        for value in (mask, 0):
            word = built.bus.read(at, 4) & ~(mask << follow.bit) | value << follow.bit
            built.bus.write(at, 4, word)
            assert built.bus.read(shown, 4) >> follow.to & mask == value


def open_the_backup_domain(machine: Machine) -> None:
    """DBP, wherever it stands."""
    entries = {each.name: each for each in machine.chip.peripheral}
    gates = {each.backup.gate for each in entries.values() if each.backup is not None and each.backup.gate is not None}
    for name, offset, bit in gates:
        at = entries[name].address + offset
        machine.bus.write(at, 4, machine.bus.read(at, 4) | 1 << bit)


def test_the_reason_of_a_reset_adds_up_until_it_is_cleared() -> None:
    built = machine("STM32F103xB")
    csr = 0x4002_1024
    built.reset("power")
    assert built.bus.read(csr, 4) == 0x0C00_0000
    built.bus.write(csr, 4, 1 << 24)
    assert built.bus.read(csr, 4) == 0
    built.reset("software")
    assert built.bus.read(csr, 4) == 0x1400_0000
    built.reset("iwdg")
    assert built.bus.read(csr, 4) == 0x3400_0000
    built.reset("power")
    assert built.bus.read(csr, 4) == 0x0C00_0000


@pytest.mark.parametrize(
    ("name", "writes", "hz"),
    [
        ("STM32F103xB", [(0x04, 0x1D_0402)], 72_000_000),  # HSE, times 9
        ("STM32F103xB", [(0x04, 0x3C_0002)], 64_000_000),  # HSI / 2, times 16
        ("STM32F405xG", [(0x04, 0x0740_5408), (0x08, 0x2)], 168_000_000),  # HSE / 8 * 336 / 2
        ("STM32F405xG", [(0x08, 0x80)], 8_000_000),  # HSI, AHB / 2
        ("STM32L476xG", [(0x0C, 0x0100_2801), (0x08, 0x3)], 80_000_000),  # MSI * 40 / 2
        ("STM32L476xG", [(0x08, 0x1)], 16_000_000),
        ("STM32G071xB", [(0x0C, 0x3000_0802), (0x08, 0x2)], 64_000_000),  # HSI * 8 / 2
        ("STM32G071xB", [(0x08, 0x800)], 8_000_000),
        ("STM32L072xZ", [(0x0C, 0x44_0003)], 32_000_000),  # HSI * 4 / 2
        ("STM32H563xI", [(0x28, 0x803), (0x34, 0x2F9), (0x1C, 0x3)], 125_000_000),  # HSE / 8 * 250 / 2
        ("STM32H563xI", [(0x00, 0x23), (0x20, 0x8)], 32_000_000),  # HSI, AHB / 2
    ],
)
def test_the_core_runs_at_the_frequency_its_registers_say(name: str, writes: list[tuple[int, int]], hz: int) -> None:
    built = machine(name)
    built.reset("power")
    assert built.core.time.hz == bundled_chip(name).clock_hz
    rcc = next(each.address for each in bundled_chip(name).peripheral if each.name == "RCC")
    for offset, value in writes:
        built.bus.write(rcc + offset, 4, value)
    assert built.core.time.hz == hz
    built.reset("software")
    assert built.core.time.hz == bundled_chip(name).clock_hz


def test_an_unknown_chip_names_the_nearest() -> None:
    with pytest.raises(BoardError, match=r"no chip named 'STM32F103xC' \(did you mean `STM32F103xB`\?\)"):
        bundled_chip("STM32F103xC")
    assert bundled_chip("stm32f407").name == "STM32F405xG"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('core = "cortex-m3"', 'core = "cortex-m5"', "'cortex-m5' is none of cortex-m0, cortex-m0+"),
        ("size = 0x5000", "size = 0x5001", "multiple"),
        ("bit_band = true", "bitband = true", "unknown field `bitband` (did you mean `bit_band`?)"),
        ("address = 0x20000000", "address = 0x08000000", "flash at 0x8000000 and SRAM at 0x8000000 overlap"),
    ],
)
def test_a_chip_that_cannot_be_is_refused_in_one_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = _text().replace(old, new)
    assert text != _text()
    path = tmp_path / "chip.toml"
    path.write_text(text)
    with pytest.raises(BoardError) as wrong:
        load_chip(path)
    assert said in str(wrong.value)
    assert str(wrong.value).startswith(str(path))
    assert "\n" not in str(wrong.value)


def test_peripherals_with_one_name_one_place_or_no_interrupt_are_refused() -> None:
    one = '[[peripheral]]\nname = "A"\nmodel = "crc"\naddress = 0x40000000\n'
    for more, said in (
        (one + one, "A at 0x40000000 and A at 0x40000000 overlap"),
        (one + one.replace("0x40000000", "0x40000400"), "two peripherals are called 'A'"),
        (one + "irq = 43\n", "A has interrupt 43; the chip has 43, from 0 on"),
    ):
        with pytest.raises(BoardError) as wrong:
            chip_from_text(_text() + more, "x.toml")
        assert said in str(wrong.value)


def test_a_model_nobody_has_is_refused_by_name() -> None:
    with pytest.raises(BoardError, match=r"A: no model 'usart-v3' \(did you mean `usart-v2`\?\)"):
        session(more='[[peripheral]]\nname = "A"\nmodel = "usart-v3"\naddress = 0x40000000\n')


def test_every_model_is_on_some_chip() -> None:
    used = {entry.model for name in chip_names() for entry in bundled_chip(name).peripheral}
    assert set(MODELS) == used


def _text() -> str:
    from tests.emu.cpu.chips import _CHIP

    return _CHIP.format(core="cortex-m3", bits=4, more="", hz=8_000_000)


def test_the_chip_of_the_tests_is_one() -> None:
    assert chip().name == "test chip"
