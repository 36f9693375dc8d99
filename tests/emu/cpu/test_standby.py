"""Deep sleep that ends in a reset, and what survives it: backup registers, and nothing of RAM."""

from __future__ import annotations

import struct

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

from emu.cpu.chip import bundled_chip
from emu.cpu.flash import make_controller
from emu.cpu.machine import Machine
from emu.cpu.retained import retain, retained
from emu.cpu.session import CpuSession, SessionReport
from emu.errors import BoardError
from tests.emu.cpu.chips import TRACE, program, session

IWDG = [(0x4000_3000, 0xCCCC)]
BKP_F1, BKP_OLD, BKP_G0, BKP_H5 = 0x4000_6C04, 0x4000_2850, 0x4000_B100, 0x4400_7D00
OLD_PWR = {"pwr": 0x4000_7000, "dbp": (0x4000_7000, 1 << 8), "select": (0x4000_7000, 1 << 8 | 2), "flags": 0x4000_7004}
NEW_PWR = {"pwr": 0x4000_7000, "dbp": (0x4000_7000, 1 << 8), "select": (0x4000_7000, 1 << 8 | 3), "flags": 0x4000_7010}
H5_PWR = {"pwr": 0x4402_0800, "dbp": (0x4402_0824, 1), "select": (0x4402_0800, 1), "flags": 0x4402_0804}
CHIPS = {
    "STM32F103xB": (OLD_PWR, BKP_F1, (0x4000_2800, 2), 1 << 1, 1 << 0),
    "STM32F405xG": (OLD_PWR, BKP_OLD, (0x4000_2808, 0x4400), 1 << 1, 1 << 0),
    "STM32F411xE": (OLD_PWR, BKP_OLD, (0x4000_2808, 0x1100), 1 << 1, 1 << 0),
    "STM32L072xZ": (OLD_PWR, BKP_OLD, (0x4000_2808, 0x2200), 1 << 1, 1 << 0),
    "STM32L476xG": (NEW_PWR, BKP_OLD, (0x4000_2808, 0x4400), 1 << 8, 1 << 15),
    "STM32G071xB": (NEW_PWR, BKP_G0, (0x4000_2818, 0x4400), 1 << 8, 1 << 15),
    "STM32H563xI": (H5_PWR, BKP_H5, (0x4400_7818, 0x4400), 1 << 6, 0),
}
"""Power controller, first backup register, what wakes by the RTC, and the flags: Standby, woken."""


def sleeper(name: str, *stores: tuple[int, int]) -> CpuSession:
    one = CpuSession(Machine(bundled_chip(name), make_controller))
    firmware = program("standby")
    one.load([firmware])
    table = b"".join(struct.pack("<II", *pair) for pair in (*stores, (0, 0)))
    one.machine.flash.cells.put_bytes(firmware.symbol("table") - 0x0800_0000, table)
    return one


def slept(one: CpuSession) -> SessionReport:
    return one.run("power", 60_000_000)


def words(one: CpuSession, *addresses: int) -> list[int]:
    return [one.machine.bus.read(at, 4) for at in addresses]


@pytest.mark.parametrize("name", CHIPS)
def test_standby_that_nothing_ends_is_for_ever(name: str) -> None:
    power = CHIPS[name][0]
    one = sleeper(name, power["select"])
    ending = slept(one).ending
    assert (ending.kind, ending.reason) == (
        "asleep", "Standby, and no watchdog, alarm or wake-up timer will end it",
    )  # fmt: skip
    assert one.machine.memory.read(TRACE, 1) == bytes(one.machine.rams[0][2][:1]), "RAM has no power"


@pytest.mark.parametrize("name", CHIPS)
@pytest.mark.parametrize("by", ["iwdg", "standby"])
def test_standby_takes_ram_and_leaves_backup_registers(name: str, by: str) -> None:
    power, backup, rtc, standby, woken = CHIPS[name]
    wakes = IWDG if by == "iwdg" else [rtc]
    one = sleeper(name, power["dbp"], (backup, 0xBEEF), *wakes, power["select"])
    report = slept(one)
    assert (report.ending.kind, report.ending.reason) == ("reset", by)
    assert (report.time_us > 400_000) == (by == "iwdg"), "the watchdog rings in its time"
    state = retained(one.machine)
    assert not [key for key, _ in state if key.startswith("RAM")]
    other = CpuSession(Machine(bundled_chip(name), make_controller))
    retain(other.machine, state)
    for each in (one, other):
        each.machine.reset(by)
        assert words(each, backup) == [0xBEEF]
        assert words(each, power["flags"])[0] & (standby | woken) == standby | (woken if by == "standby" else 0)
    one.machine.reset("software")
    assert words(one, backup) == [0xBEEF]
    assert words(one, power["flags"])[0] & standby, "until it is cleared"
    one.machine.reset("power")
    assert words(one, backup) == [0]
    assert not words(one, power["flags"])[0] & (standby | woken)


@pytest.mark.parametrize(
    ("name", "clear"),
    [
        ("STM32F103xB", (0x4000_7000, 0xC)), ("STM32L476xG", (0x4000_7018, 0x100)),
        ("STM32H563xI", (0x4402_0800, 0x80)),
    ],
)  # fmt: skip
def test_the_flags_of_standby_are_cleared_by_their_bits(name: str, clear: tuple[int, int]) -> None:
    power, _, rtc, standby, woken = CHIPS[name]
    one = sleeper(name, power["dbp"], rtc, power["select"])
    slept(one)
    one.machine.reset("standby")
    one.machine.bus.write(*clear[:1], 4, clear[1])
    assert not words(one, power["flags"])[0] & (standby | woken)
    assert not words(one, clear[0])[0] & clear[1], "the bits that clear read 0"
    one.machine.reset("software")
    assert not words(one, power["flags"])[0] & standby


def test_deep_sleep_that_is_no_standby_is_a_sleep_like_any() -> None:
    one = sleeper("STM32F103xB")
    assert slept(one).ending.reason == "it waits for an interrupt (WFI) and none will come"
    assert one.machine.memory.read(TRACE, 1) == b"\x01"


def test_an_interrupt_that_waits_keeps_the_chip_out_of_standby() -> None:
    """SysTick is pended by hand; its handler is a loop."""
    one = sleeper("STM32F103xB", OLD_PWR["select"], (0xE000_ED04, 1 << 26))
    assert slept(one).ending.handler == "SysTick"


def test_a_pin_that_could_wake_it_is_named() -> None:
    one = sleeper("STM32F405xG", (0x4000_7004, 1 << 8), OLD_PWR["select"])
    assert slept(one).ending.reason.endswith("; a wake-up pin is on, and nobody pulls it")


def test_ram_that_is_told_to_stay_stays() -> None:
    one = sleeper("STM32L476xG", (0x1000_0000, 0x1234_5678), (0x4000_7008, 0x8100), *IWDG, NEW_PWR["select"])
    assert slept(one).ending.reason == "iwdg"
    assert one.machine.memory.word(0x1000_0000) == 0x1234_5678, "SRAM2"
    assert one.machine.memory.read(TRACE, 1) == bytes(one.machine.rams[0][2][:1])


def test_no_watchdog_runs_in_shutdown() -> None:
    one = sleeper("STM32L476xG", *IWDG, (0x4000_7000, 4))
    assert slept(one).ending.reason.startswith("Shutdown, and no watchdog")


def test_an_option_makes_standby_a_reset_and_another_stops_the_watchdog() -> None:
    one = sleeper("STM32F103xB", OLD_PWR["select"])
    one.machine.devices[1].load(2, b"\xfb\x04")  # nRST_STDBY
    report = slept(one)
    assert report.ending.reason == "low-power"
    one.machine.reset("low-power")
    assert words(one, 0x4002_1024)[0] >> 31, "LPWRRSTF"
    assert one.machine.memory.read(TRACE, 1) == b"\x01", "it was no Standby"
    one = sleeper("STM32L476xG", *IWDG, NEW_PWR["select"])
    options = 0xFFEF_F8AA & ~(1 << 18)  # IWDG_STDBY
    one.machine.devices[1].load(0, struct.pack("<II", options, options ^ 0xFFFF_FFFF))
    assert slept(one).ending.kind == "asleep"


# -- the backup domain ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CHIPS)
def test_backup_registers_are_written_while_dbp_is_set_and_said_so_when_not(name: str) -> None:
    power, backup, _, _, _ = CHIPS[name]
    machine = Machine(bundled_chip(name), make_controller)
    machine.reset("power")
    machine.bus.write(backup, 4, 0x1234)
    assert machine.bus.read(backup, 4) == 0
    assert "while the backup domain is write-protected" in machine.notes[0]
    machine.bus.write(power["dbp"][0], 4, power["dbp"][1])
    machine.bus.write(backup, 4, 0x1234)
    machine.reset("software")
    assert machine.bus.read(backup, 4) == 0x1234
    machine.bus.write(backup, 4, 0x5678)
    assert machine.bus.read(backup, 4) == 0x1234, "a reset has cleared DBP"


RESET_BITS = {
    "STM32F103xB": (0x4002_1020, 1 << 16), "STM32F405xG": (0x4002_3870, 1 << 16), "STM32F411xE": (0x4002_3870, 1 << 16),
    "STM32L072xZ": (0x4002_1050, 1 << 19), "STM32L476xG": (0x4002_1090, 1 << 16), "STM32G071xB": (0x4002_105C, 1 << 16),
    "STM32H563xI": (0x4402_0CF0, 1 << 16),
}  # fmt: skip


@pytest.mark.parametrize("name", CHIPS)
def test_the_backup_domain_is_cleared_by_its_own_reset(name: str) -> None:
    power, backup, _, _, _ = CHIPS[name]
    machine = Machine(bundled_chip(name), make_controller)
    machine.reset("power")
    machine.bus.write(power["dbp"][0], 4, power["dbp"][1])
    machine.bus.write(backup, 4, 0x1234)
    at, bit = RESET_BITS[name]
    machine.bus.write(at, 4, bit)
    assert machine.bus.read(backup, 4) == 0
    assert machine.bus.read(at, 4) & bit, "it stays up until it is written 0"
    machine.bus.write(at, 4, 0)
    machine.bus.write(backup, 4, 0x55)
    assert machine.bus.read(backup, 4) == 0x55


def test_the_source_of_the_rtc_outlives_a_reset_with_it() -> None:
    machine = Machine(bundled_chip("STM32L476xG"), make_controller)
    machine.reset("power")
    machine.bus.write(0x4000_7000, 4, 1 << 8)
    machine.bus.write(0x4002_1090, 4, 0x8101)
    machine.reset("software")
    assert machine.bus.read(0x4002_1090, 4) == 0x8103, "LSE goes on"


# -- nRF52840 -------------------------------------------------------------------------------------------------


SYSTEM_OFF = """00200020 09000000 0448 0549 054c 0122 ff23 2360 0260 0a60 fee7 00bf 00000140 00050040 04050140"""
"""Vectors, and code that starts the watchdog with a short time and writes SYSTEMOFF."""


def test_system_off_is_for_ever_whatever_watchdog_ran() -> None:
    one = CpuSession(Machine(bundled_chip("nRF52840"), make_controller))
    one.machine.flash.load(0, bytes.fromhex(SYSTEM_OFF))
    report = one.run("power", 60_000_000)
    assert (report.ending.kind, report.ending.reason) == (
        "asleep", "System OFF, which a pin, NFC or USB would end, and nobody is there",
    )  # fmt: skip


def test_gpregret_outlives_a_soft_reset_and_no_watchdog() -> None:
    machine = Machine(bundled_chip("nRF52840"), make_controller)
    machine.reset("power")
    for cause, kept in (("software", 0xB1), ("lockup", 0xB1), ("wdt", 0), ("power", 0)):
        machine.bus.write(0x4000_051C, 4, 0xB1)
        machine.reset(cause)
        assert machine.bus.read(0x4000_051C, 4) == kept, cause


# -- a chip of a user's own -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ('model = "pwr"', "model 'pwr' needs [peripheral.low_power]"),
        ('model = "storage"\n[peripheral.backup]\ngate = ["PWR", 0, 8]', "backup.gate names 'PWR'"),
    ],
)
def test_what_a_chip_says_of_another_peripheral_has_to_be_there(more: str, said: str) -> None:
    with pytest.raises(BoardError) as wrong:
        session(more=f'[[peripheral]]\nname = "A"\naddress = 0x40000000\n{more}\n')
    assert said in str(wrong.value)
