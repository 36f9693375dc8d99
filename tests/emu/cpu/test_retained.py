"""What a reset leaves alone travels as data: another machine that is given it goes on in the same way."""

from __future__ import annotations

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

from emu.cpu.chip import bundled_chip
from emu.cpu.flash import make_controller
from emu.cpu.machine import Machine
from emu.cpu.retained import PIECE, retain, retained

BACKUP = {"STM32F103xB": ("BKP", 0x04), "nRF52840": ("CLOCK", 0x51C)}


def machine(chip: str) -> Machine:
    made = Machine(bundled_chip(chip), make_controller)
    made.reset("power")
    return made


@pytest.mark.parametrize("chip", ["STM32F103xB", "STM32L476xG", "STM32L072xZ", "nRF52840"])
def test_power_leaves_ram_as_it_is_drawn_and_all_else_travels(chip: str) -> None:
    one, other = machine(chip), machine(chip)
    assert not [name for name, _ in retained(one) if name.startswith(("RAM", "alarm"))]
    one.memory.write(one.rams[0][0] + 5, b"kept")
    one.memory.write(one.rams[-1][0] + one.rams[-1][1].size - 4, b"last")
    state = retained(one)
    assert len([name for name, _ in state if name.startswith("RAM")]) == 2
    other.memory.write(other.rams[0][0] + 10 * PIECE, b"something else")
    retain(other, state)
    assert other.memory.read(one.rams[0][0] + 5, 4) == b"kept"
    assert retained(other) == state
    other.reset("software")
    assert other.memory.read(one.rams[0][0] + 5, 4) == b"kept"


def test_backup_registers_and_reset_flags_travel() -> None:
    one, other = machine("STM32F103xB"), machine("STM32F103xB")
    for each in (one, other):
        each.bus.write(0x4000_7000, 4, 1 << 8)
    one.bus.write(0x4000_6C04, 4, 0xBEEF)
    other.bus.write(0x4000_6C08, 4, 0xDEAD)
    retain(other, retained(one))
    other.reset("iwdg")
    assert other.bus.read(0x4000_6C04, 4) == 0xBEEF
    assert other.bus.read(0x4000_6C08, 4) == 0
    flags = other.bus.read(0x4002_1024, 4)
    assert flags >> 29 & 1, "the reset by the watchdog"
    assert flags >> 27 & 1, "and power before it, which nobody has cleared"


def test_a_watchdog_that_cannot_be_stopped_goes_on() -> None:
    one, other = machine("nRF52840"), machine("nRF52840")
    one.bus.write(0x4001_0504, 4, 32_767)
    one.bus.write(0x4001_0000, 4, 1)
    one.bus.write(0x4000_051C, 4, 0x57)
    one.clock.advance(300_000)
    state = retained(one)
    assert ("alarm wdt", 700_000) in state
    retain(other, state)
    other.reset("software")
    assert other.clock.settings()[1] == (("wdt", 700_000),)
    assert other.bus.read(0x4000_051C, 4) == 0x57
    assert other.bus.read(0x4001_0400, 4) == 1


def test_a_look_at_flash_is_told_and_one_at_ram_is_not() -> None:
    made = machine("STM32F103xB")
    seen: list[tuple[int, int]] = []
    made.memory.looked = lambda address, length: seen.append((address, length))
    made.memory.word(0x0800_2000)
    made.memory.word(0x2000_0000)
    made.memory.read(0x4, 8)
    assert seen == [(0x0800_2000, 4), (0x4, 8)]
