"""NVMC and ACL of the nRF52840, register by register."""

from __future__ import annotations

import pytest

from emu.cpu.contract import BusFault
from emu.cpu.flash.nrf52840 import (
    CONFIG,
    EEN,
    ERASEALL,
    ERASEPAGE,
    ERASEPAGEPARTIAL,
    ERASEPAGEPARTIALCFG,
    ERASEPCR0,
    ERASEUICR,
    ICACHECNF,
    READY,
    READYNEXT,
    WEN,
)  # fmt: skip
from flash.errors import PowerLost, ResetAsserted
from flash.journal import Interruption, Misuse
from flash.tears import tear_named
from tests.emu.cpu.controller_bench import Bench

PAGE, UICR, ACL = 0x2_0000, 0x1000_1000, 0x800


@pytest.fixture
def bench() -> Bench:
    return Bench("nrf52840")


@pytest.fixture
def writing(bench: Bench) -> Bench:
    bench.write(CONFIG, WEN)
    return bench


@pytest.fixture
def erasing(bench: Bench) -> Bench:
    bench.write(CONFIG, EEN)
    return bench


def test_registers_after_reset(bench: Bench) -> None:
    assert [bench.read(at) for at in (READY, READYNEXT, CONFIG, ERASEPAGEPARTIALCFG)] == [1, 1, 0, 10]
    assert bench.read(READY, 1) == 1


def test_registers_that_do_nothing_keep_what_was_written(bench: Bench) -> None:
    bench.write(ICACHECNF, 0x101)
    bench.write(ICACHECNF, 0, size=1)
    assert bench.read(ICACHECNF) == 0x100
    bench.write(READY, 0)
    assert bench.read(READY) == 1


def test_a_word_is_written_in_41_us_and_a_third_time_is_noted(writing: Bench) -> None:
    writing.store(PAGE, 0xFFFF_FF0F)
    writing.store(PAGE, 0xFFFF_FF0E)
    assert writing.clock.now_us == 82
    assert writing.notes == []
    writing.store(PAGE, 0xFFFF_FF00)
    assert writing.holds(PAGE, 4) == b"\0\xff\xff\xff"
    assert "written 2 times" in writing.only_note()
    assert len(writing.operations) == 3
    assert writing.clock.now_us == 123
    held = writing.main.snapshot().key
    writing.store(PAGE, 0xFFFF_FF00)
    assert writing.main.snapshot().key == held, "or flags that are written again and again would never come to an end"
    assert len(writing.notes) == 1
    writing.write(CONFIG, EEN)
    writing.write(ERASEPAGE, PAGE)
    writing.write(CONFIG, WEN)
    writing.store(PAGE, 0)
    assert writing.holds(PAGE, 4) == bytes(4)


def test_a_bit_that_had_to_go_back_is_on_record(writing: Bench) -> None:
    writing.store(PAGE, 0)
    writing.store(PAGE, 1)
    assert writing.holds(PAGE, 4) == bytes(4)
    assert [e.rule for e in writing.main.journal.entries if isinstance(e, Misuse)] == ["unerased"]


@pytest.mark.parametrize(("address", "size"), [(PAGE, 1), (PAGE, 2), (PAGE + 2, 4)])
def test_anything_but_an_aligned_word_is_a_bus_fault(writing: Bench, address: int, size: int) -> None:
    assert writing.controller.store(address, size, 0) == "bus-fault"
    assert writing.operations == []
    writing.only_note()


@pytest.mark.parametrize("mode", [0, EEN])
def test_a_store_without_wen_is_dropped(bench: Bench, mode: int) -> None:
    bench.write(CONFIG, mode)
    bench.store(PAGE, 0)
    assert bench.operations == []
    assert "not WEN" in bench.only_note()


@pytest.mark.parametrize("register", [ERASEPAGE, ERASEPCR0])
def test_a_page_is_erased_in_85_ms(erasing: Bench, register: int) -> None:
    erasing.fill(PAGE, bytes(8192))
    erasing.write(register, PAGE + 0x123)
    assert erasing.holds(PAGE, 8192) == b"\xff" * 4096 + bytes(4096)
    assert erasing.clock.now_us == 85_000


@pytest.mark.parametrize("register", [ERASEPAGE, ERASEPAGEPARTIAL, ERASEALL, ERASEUICR])
def test_erases_without_een_are_ignored(writing: Bench, register: int) -> None:
    writing.write(register, 1)
    assert writing.operations == []
    assert "not EEN" in writing.only_note()


def test_erase_all_takes_uicr_along(writing: Bench) -> None:
    writing.fill(0xF_FFFC, bytes(4))
    writing.store(UICR + 0x14, 0x7_0000)
    assert writing.rows["uicr"].cells.read(0x14, 4) == b"\0\0\x07\0"
    writing.write(CONFIG, EEN)
    before = writing.clock.now_us
    writing.write(ERASEALL, 1)
    assert writing.holds(0xF_FFFC, 4) == b"\xff" * 4
    assert writing.rows["uicr"].cells.read(0x14, 4) == b"\xff" * 4
    assert writing.clock.now_us == before + 169_000 + 85_000


def test_erase_of_uicr_alone_and_of_nothing(erasing: Bench) -> None:
    erasing.rows["uicr"].load(0, bytes(16))
    erasing.fill(PAGE, bytes(4))
    erasing.write(ERASEUICR, 0)
    erasing.write(ERASEALL, 0)
    assert erasing.operations == []
    erasing.write(ERASEUICR, 1)
    assert erasing.rows["uicr"].cells.read(0, 16) == b"\xff" * 16
    assert erasing.holds(PAGE, 4) == bytes(4)
    erasing.write(ERASEPAGE, 0x10_0000)
    assert "no such page" in erasing.only_note()


def test_a_page_is_undefined_until_partial_erases_add_up(erasing: Bench) -> None:
    erasing.fill(PAGE, b"\x55" * 4096)
    erasing.write(ERASEPAGEPARTIALCFG, 20)
    erasing.write(ERASEPAGEPARTIAL, PAGE)
    held = erasing.holds(PAGE, 4096)
    assert held.endswith(bytes(1900))
    assert held.startswith(b"\x55" * 2100)  # less than half of the time: the front has come half-way down
    for done in (40, 60, 80):
        erasing.write(ERASEPAGEPARTIAL, PAGE)
        assert erasing.clock.now_us == done * 1000
        assert erasing.holds(PAGE, 16) != b"\xff" * 16
    erasing.write(ERASEPAGEPARTIAL, PAGE)
    assert erasing.holds(PAGE, 4096) == b"\xff" * 4096
    assert [o.tear is None for o in erasing.operations] == [False] * 4 + [True]
    assert erasing.notes == []
    assert erasing.main.in_flight == []


def test_a_program_between_partial_erases_starts_the_sum_again(erasing: Bench) -> None:
    erasing.write(ERASEPAGEPARTIALCFG, 80)
    erasing.write(ERASEPAGEPARTIAL, PAGE)
    erasing.write(CONFIG, WEN)
    erasing.store(PAGE, 0)
    erasing.write(CONFIG, EEN)
    erasing.write(ERASEPAGEPARTIALCFG, 20)
    erasing.write(ERASEPAGEPARTIAL, PAGE)
    assert erasing.holds(PAGE, 4) == bytes(4)
    erasing.write(ERASEPAGEPARTIALCFG, 65)
    whole = erasing.main.timing.erase_us(PAGE, 4096, erasing.main.cells.cycles_at(PAGE))
    assert whole > 85_000  # broken erases wear, too
    erasing.write(ERASEPAGEPARTIAL, PAGE, PAGE)
    assert erasing.holds(PAGE, 4) == b"\xff" * 4


@pytest.mark.parametrize("tear", [None, "preprogrammed-1"])
def test_power_is_cut_at_a_partial_erase(tear: str | None) -> None:
    bench = Bench("nrf52840", Interruption(0, tear=None if tear is None else tear_named(tear)))
    bench.fill(PAGE, b"\x55" * 4096)
    bench.write(CONFIG, EEN)
    with pytest.raises(PowerLost):
        bench.write(ERASEPAGEPARTIAL, PAGE)
    assert bench.holds(PAGE, 4096) == (b"\x55" if tear is None else b"\0") * 4096
    assert bench.main.in_flight == []


def test_a_watchdog_inside_an_erase_tears_it(erasing: Bench) -> None:
    erasing.fill(PAGE, b"\x55" * 4096)
    erasing.clock.set_alarm("wdt", 60_000)
    with pytest.raises(ResetAsserted, match="wdt"):
        erasing.write(ERASEPAGE, PAGE)
    assert erasing.holds(PAGE, 4096) == bytes(4096)


# -- access control -------------------------------------------------------------------------------------------


def test_a_protected_region_faults_until_reset(bench: Bench) -> None:
    bench.write(ACL, PAGE)
    bench.write(ACL + 4, 0x1000)
    bench.write(ACL + 8, 2)
    bench.write(ACL, 0)
    assert "set since the reset" in bench.only_note()
    bench.write(CONFIG, WEN)
    assert bench.controller.store(PAGE + 0xFFC, 4, 0) == "bus-fault"
    assert bench.controller.store(PAGE + 0x1000, 4, 0) == "done"
    assert bench.controller.store(PAGE - 4, 4, 0) == "done"
    bench.write(CONFIG, EEN)
    for register, value in ((ERASEPAGE, PAGE), (ERASEALL, 1), (ERASEPAGEPARTIAL, PAGE)):
        with pytest.raises(BusFault):
            bench.write(register, value)
    bench.write(ERASEPAGE, PAGE + 0x1000)
    assert len(bench.operations) == 3
    bench.controller.reset()
    bench.write(CONFIG, EEN)
    bench.write(ERASEPAGE, PAGE)
    assert len(bench.operations) == 4


def test_a_region_that_blocks_reads_only_can_be_written(bench: Bench) -> None:
    bench.write(ACL + 0x70, PAGE)
    bench.write(ACL + 0x74, 0x1000)
    bench.write(ACL + 0x78, 4)
    bench.write(CONFIG, WEN)
    assert bench.controller.store(PAGE, 4, 0) == "done"
    assert bench.holds(PAGE, 4) == bytes(4)


def test_start_up_code_may_write_a_word_of_uicr_again_as_often_as_power_goes(writing: Bench) -> None:
    for _ in range(5):
        writing.store(UICR + 0x200, 18)
    assert not writing.notes
    assert len(writing.operations) == 2
    writing.store(UICR + 0x200, 16)
    assert writing.notes == [
        "nrf52840: store of 4 bytes to 0x10001200: the word was written 2 times since its erase: "
        "what a third leaves is not specified"
    ]
    for _ in range(3):
        writing.store(PAGE, 18)
    assert len(writing.notes) == 2, "a word of the array has two writes, whatever they write"
