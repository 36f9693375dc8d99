"""The flash controller of the STM32L0, register by register."""

from __future__ import annotations

import pytest

from emu.cpu.contract import BusFault
from emu.cpu.flash.stm32l0 import (
    DATA,
    ENDHV,
    EOP,
    EOPIE,
    ERASE,
    FPRG,
    LEVEL_0,
    NOTZEROERR,
    OBL_LAUNCH,
    OPTKEYR,
    OPTKEYS,
    OPTLOCK,
    OPTR,
    OPTVERR,
    PECR,
    PEKEYR,
    PEKEYS,
    PELOCK,
    PGAERR,
    PRGKEYR,
    PRGKEYS,
    PRGLOCK,
    PROG,
    READY,
    SIZERR,
    SR,
    WRPERR,
    WRPR,
)  # fmt: skip
from flash.errors import PowerLost, ResetAsserted
from flash.journal import Interruption
from flash.tears import tear_named
from tests.emu.cpu.controller_bench import Bench

FLASH, EEPROM, OPTIONS = 0x0800_0000, 0x0808_0000, 0x1FF8_0000
IDLE = ENDHV | READY


@pytest.fixture
def bench() -> Bench:
    return Bench("stm32l0")


@pytest.fixture
def unlocked(bench: Bench) -> Bench:
    bench.write(PEKEYR, *PEKEYS)
    bench.write(PRGKEYR, *PRGKEYS)
    return bench


def option_word(value: int) -> int:
    return value | (value ^ 0xFFFF) << 16


def open_options(bench: Bench) -> None:
    bench.write(PEKEYR, *PEKEYS)
    bench.write(OPTKEYR, *OPTKEYS)


def launch(bench: Bench) -> None:
    with pytest.raises(ResetAsserted, match="option-bytes"):
        bench.write(PECR, OBL_LAUNCH)
    bench.controller.reset()


def test_three_locks_the_first_before_the_others(bench: Bench) -> None:
    assert [bench.read(at) for at in (PECR, SR, OPTR, WRPR)] == [7, IDLE, 0x8070_00AA, 0]
    bench.write(PRGKEYR, *PRGKEYS)
    assert len(bench.notes) == 2
    bench.write(PEKEYR, *PEKEYS)
    assert bench.read(PECR) == PRGLOCK | OPTLOCK
    bench.write(PRGKEYR, *PRGKEYS)
    bench.write(OPTKEYR, *OPTKEYS)
    assert bench.read(PECR) == 0
    bench.write(PECR, PROG)
    bench.write(PECR, PELOCK)
    assert bench.read(PECR) == PELOCK | PRGLOCK | OPTLOCK
    bench.write(PECR, PROG)
    assert bench.read(PECR) == PELOCK | PRGLOCK | OPTLOCK
    with pytest.raises(BusFault):
        bench.write(PEKEYR, 1)


def test_a_word_is_programmed_and_one_that_is_not_zero_refused(unlocked: Bench) -> None:
    unlocked.store(FLASH, 0x1234_5678)
    assert unlocked.holds(FLASH, 4) == b"\x78\x56\x34\x12"
    assert unlocked.clock.now_us == 3200
    assert unlocked.read(SR) == IDLE | EOP
    unlocked.store(FLASH, 0x1234_5679)
    assert unlocked.read(SR) == IDLE | EOP | NOTZEROERR
    assert (
        "is not blank: not zero, programmed since its erase, or its erase was cut (NOTZEROERR)" in unlocked.only_note()
    )
    unlocked.write(SR, EOP | NOTZEROERR | READY)
    assert unlocked.read(SR) == IDLE


def test_a_page_is_erased_to_zeros_by_a_store_whose_data_does_not_matter(unlocked: Bench) -> None:
    unlocked.fill(FLASH + 0x1000, b"\xaa" * 256)
    unlocked.write(PECR, ERASE | PROG | EOPIE)
    unlocked.store(FLASH + 0x107C, 0xFFFF_FFFF)
    assert unlocked.holds(FLASH + 0x1000, 256) == bytes(128) + b"\xaa" * 128
    assert unlocked.lines == {3}
    assert [(o.kind, o.length) for o in unlocked.operations] == [("erase", 128)]


def test_sixteen_words_make_one_half_page_at_one_address_or_at_rising_ones(unlocked: Bench) -> None:
    unlocked.write(PECR, FPRG | PROG)
    for value in range(16):
        unlocked.store(FLASH + 0x40, value)
    unlocked.store(FLASH + 0x80, *range(16))
    expected = b"".join(value.to_bytes(4, "little") for value in range(16))
    assert unlocked.holds(FLASH + 0x40, 128) == expected * 2
    assert unlocked.clock.now_us == 2 * 3200
    assert [o.length for o in unlocked.operations] == [64, 64]
    unlocked.store(FLASH + 0x80, *range(16))
    assert unlocked.read(SR) & NOTZEROERR


def test_half_pages_that_begin_or_end_elsewhere(unlocked: Bench) -> None:
    unlocked.write(PECR, FPRG | PROG)
    unlocked.store(FLASH + 4, 1)
    assert unlocked.read(SR) == IDLE | PGAERR
    unlocked.store(FLASH, *range(15))
    unlocked.store(FLASH + 64, 1)
    assert unlocked.operations == []
    assert len(unlocked.notes) == 2
    unlocked.store(FLASH, 1)
    unlocked.write(PECR, 0)
    unlocked.write(PECR, FPRG | PROG)
    unlocked.store(FLASH, *range(15))
    assert unlocked.operations == []


@pytest.mark.parametrize("size", [1, 2])
def test_narrow_stores_are_refused(unlocked: Bench, size: int) -> None:
    unlocked.store(FLASH, 1, size=size)
    assert unlocked.read(SR) == IDLE | SIZERR
    assert unlocked.operations == []


def test_locked_stores_and_protected_sectors(bench: Bench) -> None:
    bench.store(FLASH, 1)
    assert bench.read(SR) == IDLE | WRPERR
    open_options(bench)
    bench.store(OPTIONS + 8, option_word(2))
    bench.store(OPTIONS + 16, option_word(1))
    assert bench.read(WRPR) == 0
    launch(bench)
    assert bench.read(WRPR) == 2
    assert bench.read(0x80) == 1
    bench.write(PEKEYR, *PEKEYS)
    bench.write(PRGKEYR, *PRGKEYS)
    for sector, allowed in ((0, True), (1, False), (2, True), (31, True), (32, False), (33, True)):
        bench.write(SR, WRPERR | EOP)
        bench.store(FLASH + sector * 4096, 1)
        assert bench.read(SR) == IDLE | (EOP if allowed else WRPERR), sector


def test_eeprom_words_erase_themselves_and_keep_their_other_bytes(bench: Bench) -> None:
    bench.store(EEPROM, 1)
    assert bench.read(SR) == IDLE | WRPERR
    bench.write(PEKEYR, *PEKEYS)
    eeprom = bench.rows["eeprom"].cells
    bench.store(EEPROM + 4, 0x1122_3344)
    bench.store(EEPROM + 5, 0x99, size=1)
    assert eeprom.read(0, 12) == b"\0\0\0\0\x44\x99\x22\x11\0\0\0\0"
    assert [o.kind for o in bench.operations] == ["program", "erase", "program"]
    bench.write(PECR, ERASE | DATA)
    bench.store(EEPROM + 4, 0x1234)
    assert eeprom.read(0, 12) == bytes(12)


@pytest.mark.parametrize(("tear", "left"), [(None, b"\0\0\0\0"), ("one-bit-1", b"\x01\0\0\0")])
def test_an_eeprom_word_may_be_lost_between_its_erase_and_its_program(tear: str | None, left: bytes) -> None:
    bench = Bench("stm32l0", Interruption(2, tear=None if tear is None else tear_named(tear)))
    bench.write(PEKEYR, *PEKEYS)
    bench.store(EEPROM, 0x55)
    with pytest.raises(PowerLost):
        bench.store(EEPROM, 0x33)
    assert bench.rows["eeprom"].cells.read(0, 8) == left + bytes(4)


def test_a_torn_erase_of_an_eeprom_word_stays_inside_it() -> None:
    bench = Bench("stm32l0", Interruption(2, tear=tear_named("preprogrammed-1")))
    bench.write(PEKEYR, *PEKEYS)
    bench.store(EEPROM, 0x55, 0x66)
    with pytest.raises(PowerLost):
        bench.store(EEPROM, 0x33)
    assert bench.rows["eeprom"].cells.read(0, 12) == b"\xff\xff\xff\xff\x66\0\0\0\0\0\0\0"


def test_options_count_when_loaded_and_a_broken_one_is_secure(bench: Bench) -> None:
    open_options(bench)
    bench.store(OPTIONS + 4, option_word(0x8060))
    bench.controller.reset()
    assert not bench.controller.effects.hardware_watchdog
    bench.power_cycle()
    assert bench.controller.effects.hardware_watchdog
    assert bench.read(OPTR) == 0x8060_00AA
    open_options(bench)
    bench.store(OPTIONS, 0x0000_00AA)
    bench.power_cycle()
    assert bench.read(SR) == IDLE | OPTVERR
    assert bench.controller.effects.read_protection == 1


def test_protection_comes_off_with_everything_and_level_2_never(bench: Bench) -> None:
    open_options(bench)
    bench.store(OPTIONS, option_word(0x0033))
    launch(bench)
    assert bench.controller.effects.read_protection == 1
    bench.fill(FLASH + 0x2_0000, b"secret!!")
    open_options(bench)
    bench.store(EEPROM, 0x77)
    bench.store(OPTIONS, option_word(LEVEL_0))
    assert bench.holds(FLASH + 0x2_0000, 8) == bytes(8)
    assert bench.rows["eeprom"].cells.read(0, 4) == bytes(4)
    launch(bench)
    assert bench.controller.effects.read_protection == 0
    open_options(bench)
    bench.store(OPTIONS, option_word(0xCC))
    launch(bench)
    open_options(bench)
    bench.store(OPTIONS, option_word(LEVEL_0))
    assert "final" in bench.only_note()
