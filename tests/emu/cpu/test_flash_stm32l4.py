"""The flash controller of the STM32L476, and where the G0's is another, register by register."""

from __future__ import annotations

import pytest

from emu.cpu.contract import BusFault
from emu.cpu.flash.double_word_layout import (
    CFGBSY,
    CR,
    ECCC,
    ECCD,
    ECCIE,
    ECCR,
    EOP,
    EOPIE,
    ERRIE,
    FASTERR,
    FSTPG,
    KEY1,
    KEY2,
    KEYR,
    LOCK,
    MER1,
    MER2,
    OBL_LAUNCH,
    OPERR,
    OPTKEY1,
    OPTKEY2,
    OPTKEYR,
    OPTLOCK,
    OPTR,
    OPTSTRT,
    OPTVERR,
    PER,
    PG,
    PGAERR,
    PGSERR,
    PROGERR,
    SIZERR,
    SR,
    STRT,
    WRPERR,
)  # fmt: skip
from flash.cells import ECC_CORRECTED, ECC_FAULT
from flash.errors import PowerLost, ResetAsserted
from flash.journal import Interruption
from flash.tears import tear_named
from tests.emu.cpu.controller_bench import Bench

FLASH, BANK_2 = 0x0800_0000, 0x0808_0000
BKER = 1 << 11
WRP1AR, WRP2AR = 0x2C, 0x4C
UNUSED, A0 = 0xFFFF_FFFF, PGAERR | PGSERR


@pytest.fixture
def bench() -> Bench:
    return Bench("stm32l4")


@pytest.fixture
def unlocked(bench: Bench) -> Bench:
    bench.write(KEYR, KEY1, KEY2)
    return bench


def change_options(bench: Bench, *registers: tuple[int, int]) -> None:
    """Unlock, write registers, OPTSTRT; not loaded yet."""
    bench.write(KEYR, KEY1, KEY2)
    bench.write(OPTKEYR, OPTKEY1, OPTKEY2)
    for offset, value in registers:
        bench.write(offset, value)
    bench.write(CR, OPTSTRT)


def launch(bench: Bench) -> None:
    with pytest.raises(ResetAsserted, match="option-bytes"):
        bench.write(CR, OBL_LAUNCH)
    bench.controller.reset()


# -- locks --------------------------------------------------------------------------------------------------


def test_registers_after_reset_and_both_locks(bench: Bench) -> None:
    assert [bench.read(at) for at in (0, SR, CR, OPTR)] == [0x600, 0, LOCK | OPTLOCK, 0xFFEF_F8AA]
    bench.write(OPTKEYR, OPTKEY1, OPTKEY2)
    assert "LOCK must be cleared first" in bench.notes[0]
    bench.notes.clear()
    bench.write(KEYR, KEY1, KEY2)
    assert bench.read(CR) == OPTLOCK
    bench.write(OPTKEYR, OPTKEY1, OPTKEY2)
    assert bench.read(CR) == 0
    bench.write(CR, LOCK)
    assert bench.read(CR) == LOCK | OPTLOCK
    assert bench.notes == []


def test_wrong_keys_fault_and_stay(bench: Bench) -> None:
    with pytest.raises(BusFault):
        bench.write(KEYR, KEY2)
    with pytest.raises(BusFault):
        bench.write(KEYR, KEY1)
    bench.controller.reset()
    bench.write(KEYR, KEY1, KEY2)
    with pytest.raises(BusFault):
        bench.write(KEYR, KEY1)
    assert bench.read(CR) == OPTLOCK


# -- programs -----------------------------------------------------------------------------------------------


def test_two_word_stores_make_one_program(unlocked: Bench) -> None:
    unlocked.write(CR, PG)
    unlocked.store(FLASH, 0x1111_1111)
    assert (unlocked.operations, unlocked.clock.now_us) == ([], 0)
    assert unlocked.holds(FLASH, 8) == b"\xff" * 8
    unlocked.store(FLASH + 4, 0x2222_2222)
    assert unlocked.holds(FLASH, 8) == b"\x11" * 4 + b"\x22" * 4
    assert [(o.kind, o.length) for o in unlocked.operations] == [("program", 8)]
    assert unlocked.clock.now_us == 82
    assert unlocked.read(SR) == 0
    unlocked.write(CR, PG | EOPIE)
    unlocked.store(FLASH + 8, 0, 0)
    assert unlocked.read(SR) == EOP
    assert unlocked.lines == {4}


def test_a_used_double_word_takes_zeros_only_and_ones_use_it_up(unlocked: Bench) -> None:
    unlocked.write(CR, PG)
    unlocked.store(FLASH, 1, 2)
    unlocked.store(FLASH, 0, 2)
    assert unlocked.read(SR) == PROGERR | PGSERR
    assert "is not blank: programmed since its erase, or its erase was cut (PROGERR)" in unlocked.only_note()
    unlocked.write(SR, PROGERR | PGSERR)
    unlocked.store(FLASH, 0, 0)
    assert unlocked.holds(FLASH, 8) == bytes(8)
    unlocked.store(FLASH + 8, UNUSED, UNUSED)
    assert unlocked.read(SR) == 0
    unlocked.store(FLASH + 8, 1, 1)
    assert unlocked.read(SR) == PROGERR | PGSERR
    assert unlocked.holds(FLASH + 8, 8) == b"\xff" * 8


@pytest.mark.parametrize(
    ("stores", "flags"),
    [
        ([(0, 4), (12, 4)], A0),  # the other word of another double word
        ([(4, 4)], A0),  # the high word first
        ([(0, 4), (0, 4)], A0),
        ([(0, 2)], SIZERR | PGSERR),
        ([(0, 4), (4, 1)], SIZERR | PGSERR),
    ],
)
def test_stores_that_are_no_double_word(unlocked: Bench, stores: list[tuple[int, int]], flags: int) -> None:
    unlocked.write(CR, PG)
    for offset, size in stores:
        unlocked.store(FLASH + offset, 0, size=size)
    assert unlocked.read(SR) == flags
    assert unlocked.operations == []
    unlocked.only_note()
    unlocked.write(SR, flags)
    unlocked.store(FLASH + 4, 0)  # nothing was left waiting
    assert unlocked.read(SR) == A0


@pytest.mark.parametrize("is_locked", [True, False])
def test_a_store_without_pg_is_lost_with_a0(bench: Bench, is_locked: bool) -> None:
    if not is_locked:
        bench.write(KEYR, KEY1, KEY2)
    bench.store(FLASH, 0, 0)
    assert bench.read(SR) == A0
    assert bench.operations == []


def test_an_error_left_set_refuses_everything_after_it(unlocked: Bench) -> None:
    unlocked.write(CR, PG)
    unlocked.store(FLASH, 0, size=2)
    unlocked.store(FLASH, 1, 1)
    unlocked.write(CR, PER | STRT)
    assert unlocked.operations == []
    assert unlocked.read(SR) == SIZERR | PGSERR
    unlocked.write(SR, SIZERR | PGSERR)
    unlocked.write(CR, PER | STRT)
    assert len(unlocked.operations) == 1


def test_leaving_programming_mode_drops_the_waiting_half(unlocked: Bench) -> None:
    unlocked.write(CR, PG)
    unlocked.store(FLASH, 1)
    unlocked.write(CR, 0)
    unlocked.write(CR, PG)
    unlocked.store(FLASH + 4, 1)
    assert unlocked.read(SR) == A0


# -- erases -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "start", "size", "milliseconds"),
    [
        (PER | 3 << 3, 3 * 2048, 2048, 22),
        (PER | BKER | 255 << 3, 0x8_0000 + 255 * 2048, 2048, 22),
        (PER | 256 << 3, 0x8_0000, 2048, 22),  # the page number has eight bits, the ninth is BKER
        (MER1, 0, 0x8_0000, 22.1),
        (MER2, 0x8_0000, 0x8_0000, 22.1),
        (MER1 | MER2, 0, 0x10_0000, 44.2),
    ],
)
def test_pages_and_banks(unlocked: Bench, command: int, start: int, size: int, milliseconds: float) -> None:
    unlocked.fill(FLASH, bytes(0x10_0000))
    unlocked.write(CR, command & 0xFFFF | STRT)
    held = unlocked.holds(FLASH, 0x10_0000)
    assert held == bytes(start) + b"\xff" * size + bytes(0x10_0000 - start - size)
    assert unlocked.clock.now_us == int(milliseconds * 1000)


def test_no_erase_and_two_kinds_of_erase(unlocked: Bench) -> None:
    unlocked.write(CR, STRT)
    assert unlocked.read(SR) == PGSERR
    unlocked.write(SR, PGSERR)
    unlocked.write(CR, PER | MER1 | STRT | ERRIE)
    assert unlocked.read(SR) == PGSERR | OPERR
    assert unlocked.lines == {4}
    assert unlocked.operations == []


# -- fast programming -----------------------------------------------------------------------------------------


def test_a_row_is_one_program_after_a_mass_erase(unlocked: Bench) -> None:
    unlocked.write(CR, MER1 | STRT)
    unlocked.write(CR, FSTPG)
    unlocked.store(FLASH + 0x400, *range(64))
    assert unlocked.holds(FLASH + 0x400, 256) == b"".join(n.to_bytes(4, "little") for n in range(64))
    assert unlocked.clock.now_us == 22_100 + 1910
    assert [o.length for o in unlocked.operations] == [0x8_0000, 256]
    unlocked.store(FLASH + 0x500, 0)
    unlocked.store(FLASH + 0x508, 0)
    assert unlocked.read(SR) == PGAERR | PGSERR | FASTERR
    unlocked.write(SR, 0xFFFF)
    unlocked.store(FLASH + 0x400, *range(64))
    assert unlocked.read(SR) == PROGERR | PGSERR


def test_a_row_without_a_mass_erase_is_refused(unlocked: Bench) -> None:
    unlocked.write(CR, MER2 | STRT)
    unlocked.write(CR, FSTPG)
    unlocked.store(FLASH, 0)
    assert unlocked.read(SR) == PGSERR
    unlocked.write(SR, PGSERR)
    unlocked.store(BANK_2, *range(64))
    assert len(unlocked.operations) == 2


# -- error correction -----------------------------------------------------------------------------------------


def test_a_granule_that_cannot_be_corrected_raises_nmi_at_every_read(bench: Bench) -> None:
    bench.main.cells.mark_broken(0x8_0010, 8, ECC_FAULT)
    bench.main.cells.mark_broken(0x20, 8, ECC_FAULT)
    bench.controller.sensed(BANK_2, 16)
    assert (bench.nmis, bench.read(ECCR)) == ([], 0)
    bench.controller.sensed(BANK_2 + 0x14, 4)
    assert bench.read(ECCR) == ECCD | 1 << 19 | 0x10
    bench.controller.sensed(FLASH + 0x20, 4)
    assert bench.nmis == [f"error correction cannot read 0x080{at}" for at in ("80010", "00020")]
    assert bench.read(ECCR) == ECCD | 1 << 19 | 0x10  # the first address stays
    bench.write(ECCR, ECCD)
    assert bench.read(ECCR) == 0
    bench.controller.sensed(FLASH + 0x20, 4)
    assert bench.read(ECCR) == ECCD | 0x20


def test_a_corrected_granule_interrupts_where_asked(bench: Bench) -> None:
    bench.main.cells.mark_broken(0x30, 8, ECC_CORRECTED)
    bench.write(ECCR, ECCIE)
    bench.controller.sensed(FLASH + 0x30, 8)
    assert (bench.read(ECCR), bench.nmis, bench.lines) == (ECCC | ECCIE | 0x30, [], {4})
    bench.write(ECCR, ECCC | ECCIE)
    assert (bench.read(ECCR), bench.lines) == (ECCIE, set())


def test_a_torn_double_word_is_broken_until_its_erase(bench: Bench) -> None:
    bench.power_cycle(Interruption(0, tear=tear_named("ecc-fault-0")))
    bench.write(KEYR, KEY1, KEY2)
    bench.write(CR, PG)
    with pytest.raises(PowerLost):
        bench.store(FLASH, 1, 1)
    bench.power_cycle()
    bench.controller.sensed(FLASH, 4)
    assert len(bench.nmis) == 1
    bench.write(KEYR, KEY1, KEY2)
    bench.write(CR, PG)
    bench.store(FLASH, 2, 2)
    assert bench.read(SR) == PROGERR | PGSERR
    bench.write(SR, PROGERR | PGSERR)
    bench.write(CR, PER | STRT)
    bench.controller.sensed(FLASH, 4)
    assert len(bench.nmis) == 1


# -- option bytes -------------------------------------------------------------------------------------------


def test_options_are_in_force_once_loaded_not_after_a_plain_reset(bench: Bench) -> None:
    change_options(bench, (OPTR, 0xFFEE_F8AA), (WRP1AR, 2 << 16 | 1))
    assert bench.read(OPTR) == 0xFFEE_F8AA
    bench.controller.reset()
    assert bench.read(OPTR) == 0xFFEF_F8AA
    assert not bench.controller.effects.hardware_watchdog
    bench.write(KEYR, KEY1, KEY2)
    bench.write(CR, OBL_LAUNCH)
    assert "locked" in bench.only_note()
    bench.write(OPTKEYR, OPTKEY1, OPTKEY2)
    launch(bench)
    assert bench.resets == ["option-bytes"]
    assert bench.read(OPTR) == 0xFFEE_F8AA
    assert bench.controller.effects.hardware_watchdog


def test_write_protected_pages(bench: Bench) -> None:
    change_options(bench, (WRP1AR, 0xFF00_FF00 | 2 << 16 | 1), (WRP2AR, 0xFF00_FF00 | 255 << 16 | 255))
    bench.power_cycle()
    bench.write(KEYR, KEY1, KEY2)
    for command, allowed in (
        (PER | 0 << 3, True), (PER | 1 << 3, False), (PER | 2 << 3, False), (PER | 3 << 3, True),
        (PER | BKER | 1 << 3, True), (PER | BKER | 255 << 3, False), (MER1, False), (MER2, False),
    ):  # fmt: skip
        bench.write(CR, command | STRT)
        assert bench.read(SR) == (0 if allowed else WRPERR), hex(command)
        bench.write(SR, WRPERR)
    bench.write(CR, PG)
    bench.store(FLASH + 2048, 1, 1)
    assert bench.read(SR) == WRPERR


def test_code_protected_from_reading_cannot_be_written_either(bench: Bench) -> None:
    change_options(bench, (0x24, 0xFFFF_0100), (0x28, 0xFFFF_01FF))  # double words 0x100 to 0x1ff: page 1
    bench.power_cycle()
    bench.write(KEYR, KEY1, KEY2)
    for page, allowed in ((0, True), (1, False), (2, True)):
        bench.write(CR, PER | page << 3 | STRT)
        assert bench.read(SR) == (0 if allowed else WRPERR)
        bench.write(SR, WRPERR)


@pytest.mark.parametrize("entry", range(1, 10))
def test_a_cut_inside_the_rewrite_of_options_loads_secure_values(entry: int) -> None:
    bench = Bench("stm32l4", Interruption(entry))
    with pytest.raises(PowerLost):
        change_options(bench, (OPTR, 0xFFEF_F8AA))
    bench.power_cycle()
    assert bench.read(SR) == OPTVERR
    assert bench.controller.effects.read_protection == (1 if entry == 1 else 0)
    bench.write(KEYR, KEY1, KEY2)
    bench.write(CR, PER | BKER | 7 << 3 | STRT)
    assert bench.read(SR) & WRPERR


@pytest.mark.parametrize("chip", ["stm32l4", "stm32g071"])
def test_options_that_were_loaded_are_kept_by_a_reset_and_can_be_handed_on(chip: str) -> None:
    bench, other = Bench(chip, Interruption(1)), Bench(chip)
    with pytest.raises(PowerLost):
        change_options(bench)
    bench.power_cycle()
    other.controller.keep(bench.controller.kept())
    other.controller.reset()
    assert other.read(SR) == OPTVERR
    assert other.controller.effects.read_protection == 1
    other.write(KEYR, KEY1, KEY2)
    other.write(CR, PER | STRT)
    assert other.read(SR) == OPTVERR | WRPERR


def test_taking_protection_away_erases_both_banks_before_the_options(bench: Bench) -> None:
    change_options(bench, (OPTR, 0xFFEF_F855))
    launch(bench)
    assert bench.controller.effects.read_protection == 1
    bench.fill(FLASH, b"secret!!")
    bench.fill(BANK_2, b"secret!!")
    change_options(bench, (OPTR, 0xFFEF_F8AA))
    assert bench.holds(FLASH, 8) + bench.holds(BANK_2, 8) == b"\xff" * 16
    erased = [o.device for o in bench.operations if o.kind == "erase"][-3:]
    assert erased == ["flash", "flash", "flash-options"]
    launch(bench)
    assert bench.controller.effects.read_protection == 0
    change_options(bench, (OPTR, 0xFFEF_F8CC))
    launch(bench)
    change_options(bench, (OPTR, 0xFFEF_F8AA))
    assert bench.read(SR) == WRPERR
    assert bench.controller.effects.read_protection == 2


def test_option_registers_are_locked(unlocked: Bench) -> None:
    unlocked.write(OPTR, 0)
    unlocked.write(CR, OPTSTRT)
    assert unlocked.read(OPTR) == 0xFFEF_F8AA
    assert len(unlocked.notes) == 2
    assert unlocked.operations == []


# -- STM32G0 ------------------------------------------------------------------------------------------------


def test_g0_shows_that_half_a_double_word_waits() -> None:
    bench = Bench("stm32g071")
    bench.write(KEYR, KEY1, KEY2)
    bench.write(CR, PG)
    bench.store(FLASH, 1)
    assert bench.read(SR) == CFGBSY
    with pytest.raises(BusFault):
        bench.write(CR, 0)
    bench.store(FLASH + 4, 1)
    assert bench.read(SR) == 0
    bench.write(CR, 0)
    assert [o.length for o in bench.operations] == [8]
    assert bench.clock.now_us == 85


def test_g0_programs_rows_in_the_page_erased_last_only() -> None:
    bench = Bench("stm32g071")
    bench.write(KEYR, KEY1, KEY2)
    bench.write(CR, PER | 5 << 3 | STRT)
    bench.write(CR, FSTPG)
    bench.store(FLASH + 5 * 2048, *range(64))
    assert bench.read(SR) == 0
    bench.store(FLASH + 6 * 2048, 0)
    assert bench.read(SR) == PGAERR | PGSERR | FASTERR


def test_g0_counts_broken_granules_in_double_words_and_protects_with_six_bits() -> None:
    bench = Bench("stm32g071")
    bench.main.cells.mark_broken(0x1_0010, 8, ECC_FAULT)
    bench.controller.sensed(FLASH + 0x1_0010, 4)
    assert bench.read(ECCR) == ECCD | 0x1_0010 // 8
    change_options(bench, (WRP1AR, 62 << 16 | 62))
    bench.power_cycle()
    bench.write(KEYR, KEY1, KEY2)
    bench.write(CR, PER | 62 << 3 | STRT)
    assert bench.read(SR) == WRPERR
    bench.write(SR, WRPERR)
    bench.write(CR, PER | 63 << 3 | STRT)
    assert bench.read(SR) == 0
