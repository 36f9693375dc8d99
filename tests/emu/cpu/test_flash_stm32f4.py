"""The flash controller of the STM32F4, register by register."""

from __future__ import annotations

import pytest

from emu.cpu.contract import BusFault
from emu.cpu.flash.stm32f4 import (
    CR,
    EOP,
    EOPIE,
    ERRIE,
    KEY1,
    KEY2,
    KEYR,
    LOCK,
    MER,
    OPERR,
    OPTCR,
    OPTKEY1,
    OPTKEY2,
    OPTKEYR,
    OPTLOCK,
    OPTSTRT,
    PG,
    PGAERR,
    PGPERR,
    PGSERR,
    SER,
    SR,
    STRT,
    WDG_SW,
    WRPERR,
)  # fmt: skip
from flash.errors import PowerLost, ResetAsserted
from flash.journal import Interruption
from flash.tears import TEAR_SETS, tear_named, tears_of
from tests.emu.cpu.controller_bench import Bench

FLASH = 0x0800_0000
X8, X16, X32, X64 = (PG | psize << 8 for psize in range(4))
K = 1024


@pytest.fixture
def bench() -> Bench:
    return Bench("stm32f4")


@pytest.fixture
def unlocked(bench: Bench) -> Bench:
    bench.write(KEYR, KEY1, KEY2)
    return bench


def test_registers_after_reset_and_keys(bench: Bench) -> None:
    assert [bench.read(at) for at in (0, SR, CR, OPTCR)] == [0, 0, LOCK, 0x0FFF_AAED]
    bench.write(CR, PG)
    assert "locked" in bench.only_note()
    bench.write(KEYR, KEY1, KEY2)
    assert bench.read(CR) == 0
    with pytest.raises(BusFault):
        bench.write(KEYR, KEY1)  # a key while it is unlocked
    assert bench.read(CR) == 0
    bench.write(CR, LOCK)
    with pytest.raises(BusFault):
        bench.write(KEYR, 0)
    with pytest.raises(BusFault):
        bench.write(KEYR, KEY1)
    bench.controller.reset()
    bench.write(KEYR, KEY1, KEY2)
    assert bench.read(CR) == 0


@pytest.mark.parametrize(("mode", "size"), [(X8, 1), (X16, 2), (X32, 4)])
def test_every_width_is_one_program_in_the_time_of_one(unlocked: Bench, mode: int, size: int) -> None:
    unlocked.write(CR, mode)
    unlocked.store(FLASH + 4, 0x1234_5678 & (1 << 8 * size) - 1, size=size)
    assert unlocked.holds(FLASH + 4, size) == 0x1234_5678.to_bytes(4, "little")[:size]
    assert unlocked.holds(FLASH + 4 + size, 8) == b"\xff" * 8
    assert unlocked.clock.now_us == 16
    assert unlocked.read(SR) == 0  # EOP only where its interrupt is enabled
    assert [operation.length for operation in unlocked.operations] == [size]


def test_two_words_make_one_program_at_x64(unlocked: Bench) -> None:
    unlocked.write(CR, X64)
    unlocked.store(FLASH, 0x1111_1111)
    assert unlocked.operations == []
    unlocked.store(FLASH + 4, 0x2222_2222)
    assert unlocked.holds(FLASH, 8) == b"\x11" * 4 + b"\x22" * 4
    assert [operation.length for operation in unlocked.operations] == [8]
    assert unlocked.clock.now_us == 16
    unlocked.store(FLASH + 8, 1)
    unlocked.store(FLASH + 20, 1)
    assert unlocked.read(SR) == PGAERR
    assert "low word" in unlocked.only_note()
    unlocked.store(FLASH + 12, 1)  # the half before was dropped
    assert len(unlocked.operations) == 1


def test_bits_are_cleared_again_without_an_erase(unlocked: Bench) -> None:
    unlocked.write(CR, X32 | EOPIE)
    unlocked.store(FLASH, 0xFFFF_00FF)
    unlocked.store(FLASH, 0xFFFF_000F)
    assert unlocked.holds(FLASH, 4) == b"\x0f\0\xff\xff"
    assert unlocked.read(SR) == EOP
    assert unlocked.lines == {4}
    unlocked.write(SR, EOP)
    assert unlocked.lines == set()


@pytest.mark.parametrize(
    ("mode", "size", "address", "flags"),
    [
        (X32, 2, FLASH, PGPERR),
        (X8, 4, FLASH, PGPERR),
        (X64, 1, FLASH, PGPERR),
        (0x200, 4, FLASH, PGSERR),
        (0, 4, FLASH, PGSERR | PGPERR),
        (X32, 4, FLASH + 14, PGAERR),
        (X16, 2, FLASH + 15, PGAERR),
    ],
)
def test_what_does_not_fit_raises_its_flag_and_does_nothing(
    unlocked: Bench, mode: int, size: int, address: int, flags: int
) -> None:
    unlocked.write(CR, mode)
    unlocked.store(address, 0, size=size)
    assert unlocked.read(SR) == flags
    assert unlocked.operations == []
    assert len(unlocked.notes) == 1
    unlocked.write(CR, mode | ERRIE)
    unlocked.store(address, 0, size=size)
    assert unlocked.read(SR) == flags | OPERR
    assert unlocked.lines == {4}


def test_a_null_pointer_store_while_locked_is_the_famous_c0(bench: Bench) -> None:
    bench.store(FLASH, 0, size=4)
    assert bench.read(SR) == 0xC0


@pytest.mark.parametrize(
    ("number", "start", "size", "times"),
    [
        (3, 48 * K, 16 * K, (400, 300, 250)),
        (4, 64 * K, 64 * K, (1200, 700, 550)),
        (11, 896 * K, 128 * K, (2000, 1300, 1000)),
    ],
)  # fmt: skip
def test_sectors_of_three_sizes_erase_slower_at_narrow_widths(
    bench: Bench, number: int, start: int, size: int, times: tuple[int, ...]
) -> None:
    for psize, milliseconds in enumerate(times):
        bench.power_cycle()
        bench.write(KEYR, KEY1, KEY2)
        bench.fill(FLASH + start, bytes(size))
        bench.write(CR, SER | number << 3 | psize << 8 | STRT)
        assert bench.holds(FLASH + start - 4, size + 4)[4:] == b"\xff" * size
        expected = bench.main.timing._stretched(psize) * milliseconds * 1000
        assert bench.clock.now_us == pytest.approx(expected, abs=1)
        assert not bench.read(CR) & STRT


def test_mass_erase_and_what_is_no_erase(unlocked: Bench) -> None:
    unlocked.fill(FLASH + 0xF_FFF0, bytes(16))
    for command in (SER | MER | STRT, STRT, SER | 12 << 3 | STRT):
        unlocked.write(CR, command)
        unlocked.only_note()
    assert unlocked.operations == []
    unlocked.write(CR, MER | 0x200 | STRT)
    assert unlocked.holds(FLASH + 0xF_FFF0, 16) == b"\xff" * 16
    assert unlocked.clock.now_us == 8_000_000


def write_options(bench: Bench, options: int) -> None:
    bench.write(OPTKEYR, OPTKEY1, OPTKEY2)
    bench.write(OPTCR, options)
    bench.write(OPTCR, options | OPTSTRT)
    bench.write(OPTCR, options | OPTLOCK)


def test_write_protection_is_in_force_at_once_and_the_rest_at_reset(bench: Bench) -> None:
    write_options(bench, 0x0FEF_AAEC & ~WDG_SW)
    assert [(o.kind, o.device.split("-")[1]) for o in bench.operations] == [
        ("erase", "options"), ("program", "options"), ("program", "options"),
    ]  # fmt: skip
    bench.write(KEYR, KEY1, KEY2)
    bench.write(CR, X32)
    bench.store(FLASH + 64 * K, 0)
    assert bench.read(SR) == WRPERR
    bench.write(SR, WRPERR)
    bench.write(CR, SER | 4 << 3 | STRT)
    bench.write(CR, MER | STRT)
    assert bench.read(SR) == WRPERR
    bench.write(CR, SER | 5 << 3 | STRT)
    assert len(bench.notes) == 3
    assert not bench.controller.effects.hardware_watchdog
    bench.controller.reset()
    assert bench.controller.effects.hardware_watchdog
    assert bench.read(OPTCR) == 0x0FEF_AAED & ~WDG_SW


def test_the_option_register_keeps_what_was_written_until_reset(bench: Bench) -> None:
    bench.write(OPTKEYR, OPTKEY1, OPTKEY2)
    bench.write(OPTCR, 0x0FFE_AAEC)
    assert bench.read(OPTCR) == 0x0FFE_AAEC
    bench.write(OPTCR, 0x0FFE_AAEC | OPTLOCK)
    bench.write(OPTCR, 0x0FFF_AAEC | OPTSTRT)
    assert "locked" in bench.only_note()
    bench.controller.reset()
    assert bench.read(OPTCR) == 0x0FFF_AAED


def test_read_protection_comes_off_with_the_array_and_level_2_never(bench: Bench) -> None:
    write_options(bench, 0x0FFF_55EC)
    bench.fill(FLASH, b"secret!!")
    assert bench.controller.effects.read_protection == 1
    write_options(bench, 0x0FFF_AAEC)
    assert bench.holds(FLASH, 8) == b"\xff" * 8
    assert bench.controller.effects.read_protection == 0
    write_options(bench, 0x0FFF_CCEC)
    bench.power_cycle()
    write_options(bench, 0x0FFF_AAEC)
    assert "final" in bench.only_note()
    assert bench.controller.effects.read_protection == 2


@pytest.mark.parametrize("entry", [1, 2])
def test_a_cut_inside_the_rewrite_of_options_leaves_level_1_or_no_write_protection(entry: int) -> None:
    bench = Bench("stm32f4", Interruption(entry))
    with pytest.raises(PowerLost):
        write_options(bench, 0x0FFE_AAEC)
    bench.power_cycle()
    assert bench.controller.effects.read_protection == (1 if entry == 1 else 0)
    assert bench.read(OPTCR) >> 16 & 0xFFF == 0xFFF


def test_every_tear_of_a_narrow_program_stays_inside_it(unlocked: Bench) -> None:
    unlocked.write(CR, X8)
    unlocked.store(FLASH + 1, 0x5A, size=1)
    (operation,) = unlocked.operations
    cells = unlocked.main.cells
    names = set()
    for chosen in ("T1", "T3", "T3-coarse"):
        for tear in tears_of(unlocked.main.part, cells, operation, TEAR_SETS[chosen]):
            cells.put_bytes(0, b"\xff" * 8)
            tear.apply(cells, operation)
            held = cells.read(0, 8)
            names.add(tear.row.name)
            assert held[1] & 0x5A == 0x5A, tear
            assert held[:1] + held[2:] == b"\xff" * 7, tear
    assert {"one-bit", "all-but-one-bit", "torn-word"} <= names


def test_a_watchdog_inside_an_erase_tears_it(unlocked: Bench) -> None:
    unlocked.fill(FLASH, bytes(range(256)) * 64)
    unlocked.clock.set_alarm("iwdg", 200_000)
    with pytest.raises(ResetAsserted, match="iwdg"):
        unlocked.write(CR, SER | 0x200 | STRT)
    (operation,) = unlocked.operations
    assert operation.tear is not None
    assert operation.end_us == 200_000
    assert unlocked.holds(FLASH, 16 * K) == bytes(16 * K)  # the cells were programmed, and not erased yet
    assert unlocked.main.in_flight == []


def test_power_lost_inside_a_byte_program(bench: Bench) -> None:
    bench.power_cycle(Interruption(0, tear=tear_named("one-bit-1")))
    bench.write(KEYR, KEY1, KEY2)
    bench.write(CR, X8)
    with pytest.raises(PowerLost):
        bench.store(FLASH, 0xF0, size=1)
    assert bench.holds(FLASH, 1) == b"\xfe"
