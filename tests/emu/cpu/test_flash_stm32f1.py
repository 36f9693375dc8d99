"""The flash controller of the STM32F1, register by register."""

from __future__ import annotations

import pytest

from emu.cpu.contract import BusFault
from emu.cpu.flash.stm32f1 import (
    AR,
    CR,
    EOP,
    EOPIE,
    ERRIE,
    KEY1,
    KEY2,
    KEYR,
    LOCK,
    MER,
    OBR,
    OPTER,
    OPTKEYR,
    OPTPG,
    OPTWRE,
    PER,
    PG,
    PGERR,
    SR,
    STRT,
    WRPR,
    WRPRTERR,
)  # fmt: skip
from flash.errors import PowerLost, ResetAsserted
from flash.journal import Interruption
from flash.tears import tear_named
from tests.emu.cpu.controller_bench import Bench

FLASH, OPTIONS = 0x0800_0000, 0x1FFF_F800
PAGE = FLASH + 0x1_0000


@pytest.fixture
def bench() -> Bench:
    return Bench("stm32f1")


@pytest.fixture
def unlocked(bench: Bench) -> Bench:
    bench.write(KEYR, KEY1, KEY2)
    return bench


def open_options(bench: Bench) -> None:
    bench.write(KEYR, KEY1, KEY2)
    bench.write(OPTKEYR, KEY1, KEY2)


def write_options(bench: Bench, *values: int) -> None:
    """As drivers do: unlock, erase, program the cells that matter."""
    open_options(bench)
    bench.write(CR, OPTER | OPTWRE, OPTER | STRT | OPTWRE)
    bench.write(CR, OPTPG | OPTWRE)
    bench.store(OPTIONS, *values, size=2)


# -- the lock ---------------------------------------------------------------------------------------------


def test_registers_after_reset(bench: Bench) -> None:
    assert [bench.read(at) for at in (0x00, SR, CR, OBR, WRPR)] == [0x30, 0, LOCK, 0x3FF_FFFC, 0xFFFF_FFFF]
    assert bench.read(KEYR) == 0
    assert bench.read(CR, size=1) == LOCK
    assert bench.read(0xFFC) == 0


def test_two_keys_unlock_and_setting_lock_locks_again(unlocked: Bench) -> None:
    assert unlocked.read(CR) == 0
    unlocked.write(KEYR, 0x1234)  # nothing, while it is unlocked
    assert unlocked.read(CR) == 0
    unlocked.write(CR, LOCK)
    assert unlocked.read(CR) == LOCK
    unlocked.write(CR, 0)
    assert unlocked.read(CR) == LOCK
    unlocked.write(KEYR, KEY1, KEY2)
    assert unlocked.read(CR) == 0


@pytest.mark.parametrize("keys", [(KEY2,), (KEY1, KEY1), (KEY1, KEY2 + 1)])
def test_a_wrong_key_faults_and_locks_until_reset(bench: Bench, keys: tuple[int, ...]) -> None:
    bench.write(KEYR, *keys[:-1])
    with pytest.raises(BusFault):
        bench.write(KEYR, keys[-1])
    assert "wrong key" in bench.only_note()
    with pytest.raises(BusFault):
        bench.write(KEYR, KEY1)
    assert bench.read(CR) == LOCK
    bench.controller.reset()
    bench.write(KEYR, KEY1, KEY2)
    assert bench.read(CR) == 0


def test_a_locked_controller_takes_no_command(bench: Bench) -> None:
    bench.write(CR, PG)
    assert "locked" in bench.only_note()
    bench.store(PAGE, 0x1234, size=2)
    assert "locked" in bench.only_note()
    bench.write(CR, LOCK)
    assert (bench.notes, bench.operations, bench.read(SR)) == ([], [], 0)


# -- programs -----------------------------------------------------------------------------------------------


def test_half_words_are_programmed_in_the_time_of_the_part(unlocked: Bench) -> None:
    unlocked.write(CR, PG)
    unlocked.store(PAGE, 0x1234, 0x5678, size=2)
    assert unlocked.holds(PAGE, 4) == b"\x34\x12\x78\x56"
    assert unlocked.clock.now_us == 2 * 53
    assert unlocked.read(SR) == EOP
    unlocked.write(SR, 0)
    assert unlocked.read(SR) == EOP
    unlocked.write(SR, EOP)
    assert unlocked.read(SR) == 0
    assert [(o.kind, o.address, o.length) for o in unlocked.operations] == [
        ("program", 0x1_0000, 2), ("program", 0x1_0002, 2),
    ]  # fmt: skip


def test_a_cell_that_is_not_erased_takes_zeros_only(unlocked: Bench) -> None:
    unlocked.write(CR, PG)
    unlocked.store(PAGE, 0x1234, size=2)
    unlocked.write(SR, EOP)
    unlocked.store(PAGE, 0x1230, size=2)
    assert unlocked.read(SR) == PGERR
    assert "PGERR" in unlocked.only_note()
    unlocked.store(PAGE, 0, size=2)
    assert unlocked.holds(PAGE, 2) == b"\0\0"
    assert unlocked.read(SR) == PGERR | EOP


@pytest.mark.parametrize(("size", "address"), [(1, PAGE), (4, PAGE), (2, PAGE + 1)])
def test_other_widths_are_a_bus_fault(unlocked: Bench, size: int, address: int) -> None:
    unlocked.write(CR, PG)
    assert unlocked.controller.store(address, size, 0) == "bus-fault"
    assert unlocked.operations == []
    assert "half-words" in unlocked.only_note()


def test_a_store_where_nothing_is_is_a_bus_fault(unlocked: Bench) -> None:
    assert unlocked.controller.store(FLASH + 0x2_0000, 2, 0) == "bus-fault"
    assert unlocked.controller.store(FLASH + 0x1_FFFF, 2, 0) == "bus-fault"


# -- erases -------------------------------------------------------------------------------------------------


def test_a_page_is_erased_wherever_in_it_the_address_points(unlocked: Bench) -> None:
    unlocked.fill(PAGE, bytes(2048))
    unlocked.write(CR, PER)
    unlocked.write(AR, PAGE + 0x3FE)
    unlocked.write(CR, PER | STRT)
    assert unlocked.holds(PAGE, 2048) == b"\xff" * 1024 + bytes(1024)
    assert unlocked.read(CR) == PER  # STRT clears itself
    assert unlocked.read(SR) == EOP
    assert unlocked.clock.now_us == 20_000


def test_mass_erase_takes_as_long_as_one_page(unlocked: Bench) -> None:
    unlocked.fill(FLASH, bytes(0x2_0000))
    unlocked.write(CR, MER | STRT)
    assert unlocked.holds(FLASH, 0x2_0000) == b"\xff" * 0x2_0000
    assert unlocked.clock.now_us == 20_000
    (operation,) = unlocked.operations
    assert (operation.kind, operation.address, operation.length) == ("erase", 0, 0x2_0000)


@pytest.mark.parametrize("command", [PG | PER | STRT, PER | MER | STRT, STRT])
def test_anything_but_one_erase_does_nothing(unlocked: Bench, command: int) -> None:
    unlocked.write(AR, PAGE)
    unlocked.write(CR, command)
    assert unlocked.operations == []
    assert "no one erase" in unlocked.only_note()
    assert not unlocked.read(CR) & STRT


def test_a_program_with_an_erase_still_selected_does_nothing(unlocked: Bench) -> None:
    unlocked.write(CR, PG | PER)
    unlocked.store(PAGE, 0, size=2)
    assert unlocked.operations == []
    assert "an erase is selected" in unlocked.only_note()


def test_an_erase_outside_flash_does_nothing(unlocked: Bench) -> None:
    unlocked.write(AR, FLASH + 0x2_0000)
    unlocked.write(CR, PER | STRT)
    assert unlocked.operations == []
    assert "not in flash" in unlocked.only_note()


# -- interrupts, narrow accesses ------------------------------------------------------------------------------


def test_the_interrupt_follows_flags_and_enables(unlocked: Bench) -> None:
    unlocked.write(CR, PG)
    unlocked.store(PAGE, 0x1234, size=2)
    assert unlocked.lines == set()
    unlocked.write(CR, PG | EOPIE)
    assert unlocked.lines == {4}
    unlocked.write(SR, EOP)
    assert unlocked.lines == set()
    unlocked.store(PAGE, 0x1111, size=2)
    assert unlocked.lines == set()
    unlocked.write(CR, ERRIE)
    assert unlocked.lines == {4}
    unlocked.controller.reset()
    assert unlocked.lines == set()


def test_a_narrow_write_leaves_the_other_lanes(unlocked: Bench) -> None:
    unlocked.write(CR, PG | EOPIE)
    unlocked.write(CR, PER, size=1)
    assert unlocked.read(CR) == PER | EOPIE
    unlocked.store(PAGE, 0, size=2)
    unlocked.write(SR + 1, 0xFF, size=1)
    unlocked.write(AR, 0x1234_5678)
    unlocked.write(AR + 2, 0x0800, size=2)
    assert unlocked.read(AR) == 0x0800_5678


# -- cuts ---------------------------------------------------------------------------------------------------


def test_a_watchdog_inside_an_erase_tears_it(unlocked: Bench) -> None:
    unlocked.fill(PAGE, bytes(1024))
    unlocked.clock.set_alarm("iwdg", 10)
    unlocked.write(AR, PAGE)
    with pytest.raises(ResetAsserted, match="iwdg"):
        unlocked.write(CR, PER | STRT)
    (operation,) = unlocked.operations
    assert operation.tear is not None
    assert operation.tear.name == "stopped-us-10"
    assert 0 < sum(unlocked.holds(PAGE, 1024).count(value) for value in range(255)) < 100


@pytest.mark.parametrize("tear", [None, "stopped-us-0"])
def test_power_is_cut_before_and_inside_a_mass_erase(tear: str | None) -> None:
    bench = Bench("stm32f1", Interruption(0, tear=None if tear is None else tear_named(tear)))
    bench.fill(FLASH, bytes(0x2_0000))
    bench.write(KEYR, KEY1, KEY2)
    with pytest.raises(PowerLost):
        bench.write(CR, MER | STRT)
    blank = bench.holds(FLASH, 0x2_0000).count(0xFF)
    assert blank == 0 if tear is None else blank > 0x1_0000
    assert bench.main.in_flight == []
    bench.power_cycle()
    bench.write(KEYR, KEY1, KEY2)
    assert bench.read(CR) == 0


def test_a_reset_planned_before_a_mass_erase_leaves_everything(unlocked: Bench) -> None:
    unlocked.power_cycle(Interruption(0, cause="pin"))
    unlocked.fill(FLASH, bytes(0x2_0000))
    unlocked.write(KEYR, KEY1, KEY2)
    with pytest.raises(ResetAsserted, match="pin"):
        unlocked.write(CR, MER | STRT)
    assert unlocked.holds(FLASH, 0x2_0000) == bytes(0x2_0000)
    assert unlocked.main.in_flight == []


# -- option bytes -------------------------------------------------------------------------------------------


def test_option_bytes_get_their_complement_and_count_at_the_next_reset(bench: Bench) -> None:
    write_options(bench, 0xA5, 0xFE, 0x12, 0x34)
    assert bench.rows["options"].cells.read(0, 8) == bytes.fromhex("a55afe0112ed34cb")
    assert bench.read(OBR) == 0x3FF_FFFC
    assert not bench.controller.effects.hardware_watchdog
    bench.controller.reset()
    assert bench.read(OBR) == 0xFE << 2 | 0x12 << 10 | 0x34 << 18
    assert bench.controller.effects.hardware_watchdog
    assert bench.read(CR) == LOCK
    assert bench.notes == []


def test_option_bytes_need_their_own_keys(unlocked: Bench) -> None:
    unlocked.write(CR, OPTER | STRT)
    assert "OPTWRE" in unlocked.only_note()
    unlocked.write(CR, OPTPG | OPTWRE)  # cannot be set by a write
    assert unlocked.read(CR) == OPTPG
    unlocked.store(OPTIONS, 0xA5, size=2)
    assert "OPTWRE" in unlocked.only_note()
    unlocked.write(OPTKEYR, KEY1, KEY2)
    assert unlocked.read(CR) == OPTPG | OPTWRE
    unlocked.write(CR, OPTPG)
    assert unlocked.read(CR) == OPTPG
    assert unlocked.operations == []


def test_an_option_byte_that_is_not_erased_is_refused(bench: Bench) -> None:
    open_options(bench)
    bench.write(CR, OPTPG | OPTWRE)
    bench.store(OPTIONS, 0x00, size=2)
    assert bench.read(SR) == PGERR
    assert "not erased" in bench.only_note()


def test_a_cut_after_the_erase_of_option_bytes_protects_the_chip() -> None:
    bench = Bench("stm32f1", Interruption(1))
    with pytest.raises(PowerLost):
        write_options(bench, 0xA5, 0xFF)
    bench.power_cycle()
    assert bench.controller.effects.read_protection == 1
    assert bench.read(OBR) & 3 == 2  # protected, and no error: a wholly erased cell is FF
    bench.write(KEYR, KEY1, KEY2)
    bench.write(CR, PG)
    bench.store(FLASH, 0x1234, size=2)
    assert bench.read(SR) == WRPRTERR
    assert "write-protected" in bench.only_note()
    bench.store(FLASH + 4 * 1024, 0x1234, size=2)  # pages from 4 on can be written
    assert bench.read(SR) == WRPRTERR | EOP


def test_taking_protection_away_erases_the_array_first(bench: Bench) -> None:
    write_options(bench, 0x00)
    bench.controller.reset()
    bench.fill(PAGE, b"secret!!")
    assert bench.controller.effects.read_protection == 1
    write_options(bench, 0xA5)
    assert bench.holds(PAGE, 8) == b"\xff" * 8
    assert bench.controller.effects.read_protection == 1
    bench.controller.reset()
    assert bench.controller.effects.read_protection == 0


def test_write_protection_counts_four_pages_per_bit(bench: Bench) -> None:
    write_options(bench, 0xA5, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFE)
    bench.controller.reset()
    assert bench.read(WRPR) == 0xFFFE_FFFF
    bench.write(KEYR, KEY1, KEY2)
    for page, allowed in ((63, True), (64, False), (67, False), (68, True)):
        bench.write(SR, EOP | WRPRTERR)
        bench.write(AR, FLASH + page * 1024)
        bench.write(CR, PER | STRT)
        assert bench.read(SR) == (EOP if allowed else WRPRTERR), page
    bench.write(SR, EOP | WRPRTERR)
    bench.write(CR, MER | STRT)
    assert bench.read(SR) == WRPRTERR
    assert len(bench.notes) == 3


def test_a_broken_complement_is_an_option_error(bench: Bench) -> None:
    bench.rows["options"].cells.put_bytes(2, b"\xfe\xff")
    bench.controller.reset()
    assert bench.read(OBR) & 1
    assert not bench.controller.effects.hardware_watchdog
