"""The flash controller of the STM32H563, register by register."""

from __future__ import annotations

import pytest

from emu.cpu.flash.stm32h5 import (
    BER,
    BKSEL,
    ECCD,
    ECCDETR,
    EOP,
    FW,
    INCERR,
    KEY1,
    KEY2,
    LOCK,
    MER,
    NSCCR,
    NSCR,
    NSKEYR,
    NSSR,
    OPSR,
    OPTCR,
    OPTKEY1,
    OPTKEY2,
    OPTKEYR,
    OPTLOCK,
    OPTSTART,
    PG,
    PGSERR,
    SER,
    START,
    STRBERR,
    WBNE,
    WRPERR,
)  # fmt: skip
from flash.errors import PowerLost
from flash.journal import Interruption
from flash.tears import tear_named
from tests.emu.cpu.controller_bench import Bench

FLASH, BANK_2 = 0x0800_0000, 0x0810_0000
OPTSR_CUR, OPTSR_PRG, WRP1_PRG = 0x50, 0x54, 0xEC


@pytest.fixture
def bench() -> Bench:
    return Bench("stm32h5")


@pytest.fixture
def unlocked(bench: Bench) -> Bench:
    bench.write(NSKEYR, KEY1, KEY2)
    return bench


def test_registers_and_keys_never_fault(bench: Bench) -> None:
    assert [bench.read(at) for at in (0, NSCR, OPTCR, NSSR, OPTSR_CUR)] == [0x13, LOCK, OPTLOCK, 0, 0x2D30_EDF8]
    bench.write(NSKEYR, KEY1, KEY2)
    assert bench.read(NSCR) == 0
    bench.write(NSKEYR, KEY1)
    assert bench.read(NSCR) == LOCK
    bench.write(NSKEYR, KEY1, KEY2)
    assert bench.read(NSCR) == LOCK
    bench.controller.reset()
    bench.write(NSKEYR, KEY2)
    bench.write(NSKEYR, KEY1, KEY2)
    assert bench.read(NSCR) == LOCK


@pytest.mark.parametrize("size", [1, 2, 4])
def test_a_full_buffer_is_one_program(unlocked: Bench, size: int) -> None:
    unlocked.write(NSCR, PG)
    values = [0x10 + n for n in range(16 // size)]
    unlocked.store(FLASH + 16, *values[:-1], size=size)
    assert unlocked.read(NSSR) == WBNE
    assert unlocked.operations == []
    unlocked.store(FLASH + 32 - size, values[-1], size=size)
    assert unlocked.read(NSSR) == EOP
    assert unlocked.holds(FLASH + 16, 16) == b"".join(value.to_bytes(size, "little") for value in values)
    assert unlocked.clock.now_us == 100
    unlocked.write(NSCCR, EOP)
    assert unlocked.read(NSSR) == 0


def test_flags_stay_when_nssr_is_written(unlocked: Bench) -> None:
    """EOP in nobody's way; an error in that of the next store, which is worth a note."""
    unlocked.write(NSCR, PG)
    unlocked.store(FLASH, 0, 0, 0, 0)
    unlocked.write(NSSR, EOP | INCERR)
    assert unlocked.read(NSSR) == EOP
    assert unlocked.notes == []
    unlocked.store(FLASH + 20, 0)
    unlocked.write(NSSR, EOP | INCERR)
    assert unlocked.read(NSSR) == EOP | INCERR
    assert "NSCCR" in unlocked.notes[-1]


def test_fw_fills_the_rest_with_ones(unlocked: Bench) -> None:
    unlocked.write(NSCR, PG)
    unlocked.store(FLASH, 0)
    unlocked.write(NSCR, PG | FW)
    assert unlocked.holds(FLASH, 16) == bytes(4) + b"\xff" * 12
    assert len(unlocked.operations) == 1
    assert not unlocked.read(NSCR) & FW


@pytest.mark.parametrize(
    ("stores", "flag"), [([4], INCERR), ([0, 16], INCERR), ([0, 4, 0], STRBERR)]
)  # fmt: skip
def test_stores_that_are_no_quad_word(unlocked: Bench, stores: list[int], flag: int) -> None:
    unlocked.write(NSCR, PG | flag)  # the flag's interrupt stands at the flag's bit
    for offset in stores:
        unlocked.store(FLASH + offset, 0)
    assert unlocked.read(NSSR) == flag
    assert unlocked.lines == {6}
    unlocked.store(FLASH, 0, 0, 0, 0)
    assert unlocked.read(NSSR) == flag | PGSERR
    assert unlocked.operations == []
    unlocked.write(NSCCR, flag | PGSERR)
    unlocked.store(FLASH, 0, 0, 0, 0)
    assert len(unlocked.operations) == 1


@pytest.mark.parametrize("is_locked", [True, False])
def test_stores_without_pg(bench: Bench, is_locked: bool) -> None:
    if not is_locked:
        bench.write(NSKEYR, KEY1, KEY2)
    bench.store(FLASH, 0)
    assert bench.read(NSSR) == PGSERR


def test_a_second_program_breaks_the_check_bits(unlocked: Bench) -> None:
    unlocked.write(NSCR, PG)
    unlocked.store(FLASH, 0xFF, 1, 2, 3)
    unlocked.store(FLASH, 0x0F, 1, 2, 3)
    assert unlocked.holds(FLASH, 4) == b"\x0f\0\0\0"
    assert "is not blank: programmed since its erase, or its erase was cut" in unlocked.only_note()
    unlocked.controller.sensed(FLASH + 8, 4)
    assert (unlocked.nmis, unlocked.read(ECCDETR)) == (["error correction cannot read 0x08000000"], ECCD)
    unlocked.write(ECCDETR, ECCD)
    assert unlocked.read(ECCDETR) == 0
    unlocked.write(NSCR, SER | START)
    unlocked.controller.sensed(FLASH + 8, 4)
    assert len(unlocked.nmis) == 1


def test_the_same_data_again_leaves_the_check_bits(unlocked: Bench) -> None:
    unlocked.write(NSCR, PG)
    unlocked.store(FLASH, 5, 1, 2, 3)
    unlocked.store(FLASH, 5, 1, 2, 3)
    unlocked.controller.sensed(FLASH, 16)
    assert unlocked.nmis == []


@pytest.mark.parametrize(
    ("command", "start", "size"),
    [
        (SER | 5 << 6, 5 * 8192, 8192),
        (SER | BKSEL | 127 << 6, 0x10_0000 + 127 * 8192, 8192),
        (BER, 0, 0x10_0000),
        (BER | BKSEL, 0x10_0000, 0x10_0000),
        (MER, 0, 0x20_0000),
    ],
)
def test_sectors_and_banks(unlocked: Bench, command: int, start: int, size: int) -> None:
    unlocked.fill(FLASH, bytes(0x20_0000))
    unlocked.write(NSCR, command | START)
    assert unlocked.holds(FLASH, 0x20_0000) == bytes(start) + b"\xff" * size + bytes(0x20_0000 - start - size)
    assert unlocked.read(NSSR) == EOP
    assert not unlocked.read(NSCR) & START


@pytest.mark.parametrize("command", [START, SER | BER | START, BER | MER | START])
def test_no_one_kind_of_erase(unlocked: Bench, command: int) -> None:
    unlocked.write(NSCR, command)
    assert unlocked.read(NSSR) == PGSERR
    assert unlocked.operations == []


def change_options(bench: Bench, *registers: tuple[int, int]) -> None:
    bench.write(OPTKEYR, OPTKEY1, OPTKEY2)
    for offset, value in registers:
        bench.write(offset, value)
    bench.write(OPTCR, OPTSTART)
    bench.write(OPTCR, OPTLOCK)


def test_write_protection_is_in_force_at_once_and_the_rest_after_a_reset(bench: Bench) -> None:
    bench.write(OPTSR_PRG, 0)
    assert "locked" in bench.only_note()
    change_options(bench, (WRP1_PRG, 0xFFFF_FFFD), (OPTSR_PRG, 0x2D30_EDF0))
    bench.write(NSKEYR, KEY1, KEY2)
    for sector, allowed in ((3, True), (4, False), (7, False), (8, True)):
        bench.write(NSCCR, EOP | WRPERR)
        bench.write(NSCR, SER | sector << 6 | START)
        assert bench.read(NSSR) == (EOP if allowed else WRPERR), sector
    bench.write(NSCCR, EOP | WRPERR)
    bench.write(NSCR, BER | START)
    assert bench.read(NSSR) == WRPERR
    bench.write(NSCCR, WRPERR)
    bench.write(NSCR, PG)
    bench.store(FLASH + 4 * 8192, 0)
    assert bench.read(NSSR) == WRPERR
    assert bench.read(OPTSR_CUR) == 0x2D30_EDF8
    assert not bench.controller.effects.hardware_watchdog
    bench.controller.reset()
    assert bench.read(OPTSR_CUR) == 0x2D30_EDF0
    assert bench.controller.effects.hardware_watchdog


@pytest.mark.parametrize("tear", [None, "one-bit-1"])
def test_a_cut_change_of_options_keeps_the_values_before_and_is_reported(tear: str | None) -> None:
    bench = Bench("stm32h5", Interruption(3, tear=None if tear is None else tear_named(tear)))
    change_options(bench, (OPTSR_PRG, 0x2D30_EDF0))
    with pytest.raises(PowerLost):
        change_options(bench, (OPTSR_PRG, 0x2D30_EDF8))
    bench.power_cycle()
    assert bench.read(OPTSR_CUR) == 0x2D30_EDF0
    assert bench.read(OPSR) >> 29 == (6 if tear else 0)
    change_options(bench, (OPTSR_PRG, 0x2D30_EDF8))
    bench.power_cycle()
    assert (bench.read(OPTSR_CUR), bench.read(OPSR)) == (0x2D30_EDF8, 0)


def test_an_exchange_of_banks_is_noted(bench: Bench) -> None:
    change_options(bench, (OPTSR_PRG, 0xAD30_EDF8))
    assert bench.notes == []
    bench.controller.reset()
    assert "not modelled" in bench.only_note()
