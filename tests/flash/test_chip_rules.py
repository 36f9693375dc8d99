"""Each chip's own rules of programming and erasing, seen from outside."""

from __future__ import annotations

import pytest

from flash.device import FlashDevice
from flash.errors import FlashError
from flash.journal import Misuse
from flash.part import bundled_part

K = 1024


def misuses(device: FlashDevice) -> list[Misuse]:
    return [entry for entry in device.journal.entries if isinstance(entry, Misuse)]


def test_f103_half_word_that_is_not_blank_takes_zero_and_nothing_else() -> None:
    device = FlashDevice(bundled_part("STM32F103"))
    device.program(0x400, b"\xf0\xff")
    device.program(0x400, b"\x00\xf0")
    assert device.read(0x400, 2) == b"\xf0\xff"
    assert [(m.rule, m.address, m.length) for m in misuses(device)] == [("spent-unit", 0x400, 2)]
    device.program(0x400, b"\x00\x00")
    assert device.read(0x400, 2) == b"\x00\x00"
    assert len(misuses(device)) == 1


def test_f103_burst_stops_at_the_first_half_word_it_refuses() -> None:
    device = FlashDevice(bundled_part("STM32F103"))
    device.program(4, b"\x11\x11")
    device.program(0, bytes.fromhex("aaaabbbbccccdddd"))
    assert device.read(0, 8) == bytes.fromhex("aaaabbbb1111ffff")
    assert [m.address for m in misuses(device)] == [4]


def test_l476_double_word_of_all_ones_reads_blank_but_is_used_up() -> None:
    device = FlashDevice(bundled_part("STM32L476"))
    device.program(0x808, b"\xff" * 8)
    assert device.read(0x808, 8) == b"\xff" * 8
    device.program(0x808, b"\x12" * 8)
    assert device.read(0x808, 8) == b"\xff" * 8
    assert [(m.rule, m.address, m.length) for m in misuses(device)] == [("spent-unit", 0x808, 8)]
    device.erase(0x800, 2 * K)
    device.program(0x808, b"\x12" * 8)
    assert device.read(0x808, 8) == b"\x12" * 8
    device.program(0x808, bytes(8))
    assert device.read(0x808, 8) == bytes(8)
    assert len(misuses(device)) == 1


def test_nrf_third_program_of_a_word_changes_nothing_and_is_recorded() -> None:
    device = FlashDevice(bundled_part("nRF52840"))
    device.program(0x1000, b"\xff\xff\xff\x7f")
    device.program(0x1000, b"\xff\xff\xff\x3f")
    assert not misuses(device)
    device.program(0x1000, bytes(4))
    assert device.read(0x1000, 4) == b"\xff\xff\xff\x3f"
    assert [(m.rule, m.address) for m in misuses(device)] == [("spent-unit", 0x1000)]


def test_l072_erases_to_zero_programs_set_bits_and_a_word_takes_one() -> None:
    device = FlashDevice(bundled_part("STM32L072"))
    assert device.read(0, 128) == bytes(128)
    device.program(0x80, b"\x0f\x00\x00\x01")
    assert device.read(0x80, 4) == b"\x0f\x00\x00\x01"
    device.program(0x80, b"\xf0\x00\x00\x00")
    assert device.read(0x80, 4) == b"\x0f\x00\x00\x01"
    assert [(m.rule, m.address) for m in misuses(device)] == [("spent-unit", 0x80)]
    # The controller refuses the second program; the cells under it move from 0 to 1 and never back.
    device.cells.program(0x80, b"\xf0\x00\x00\x00")
    assert device.read(0x80, 4) == b"\xff\x00\x00\x01"
    device.erase(0x80, 128)
    assert device.read(0x80, 128) == bytes(128)


def test_f405_erase_of_the_64_kib_sector_touches_only_it() -> None:
    device = FlashDevice(bundled_part("STM32F405"))
    edges = (0x0FFFC, 0x10000, 0x1FFFC, 0x20000)
    for address in edges:
        device.program(address, b"\xaa" * 4)
    device.erase(0x10000, 64 * K)
    assert [device.read(address, 4)[0] for address in edges] == [0xAA, 0xFF, 0xFF, 0xAA]
    assert [device.cells.cycles_at(address) for address in edges] == [0, 1, 1, 0]
    assert device.statistics.erase_time_us == 550_000


@pytest.mark.parametrize(("address", "length"), [(0x10000, 16 * K), (0x10000, 128 * K), (0, 64 * K), (0x10000, 4 * K)])
def test_f405_erase_size_of_another_sector_is_a_callers_error(address: int, length: int) -> None:
    device = FlashDevice(bundled_part("STM32F405"))
    device.program(0x10000, b"\xaa" * 4)
    with pytest.raises(FlashError, match=r"does not fit|has no erase of"):
        device.erase(address, length)
    assert device.read(0x10000, 4) == b"\xaa" * 4


def test_d21_row_takes_eight_page_writes_whichever_pages_they_go_to() -> None:
    device = FlashDevice(bundled_part("SAMD21"))
    for count in range(8):
        device.program(0x200 + 64 * (count % 2), bytes([0xFF >> count]) + b"\xff" * 63)
    assert not misuses(device)
    device.program(0x2C0, bytes(64))
    assert device.read(0x2C0, 64) == b"\xff" * 64
    assert [(m.rule, m.address) for m in misuses(device)] == [("spent-unit", 0x2C0)]
    device.program(0x300, bytes(64))
    device.erase(0x200, 256)
    device.program(0x2C0, bytes(64))
    assert device.read(0x2C0, 64) == bytes(64)
    assert len(misuses(device)) == 1


@pytest.mark.parametrize("name", ["STM32H743", "SAMD51", "MK64F12", "TMS320F28377D", "STM32G071", "STM32G474"])
def test_a_granule_with_error_correction_takes_one_program(name: str) -> None:
    device = FlashDevice(bundled_part(name))
    unit = device.geometry.unit
    device.program(0, b"\xa5" * unit)
    device.program(0, b"\xa4" * unit)
    assert device.read(0, unit) == b"\xa5" * unit
    assert [(m.rule, m.address, m.length) for m in misuses(device)] == [("spent-unit", 0, unit)]


@pytest.mark.parametrize(
    ("name", "accepts_zeros"), [("STM32G071", True), ("STM32G474", True), ("MK64F12", False), ("STM32H743", False)]
)
def test_only_some_arrays_take_zeros_over_a_programmed_granule(name: str, accepts_zeros: bool) -> None:
    device = FlashDevice(bundled_part(name))
    unit = device.geometry.unit
    device.program(0, b"\xa5" * unit)
    device.program(0, bytes(unit))
    assert device.read(0, unit) == (bytes(unit) if accepts_zeros else b"\xa5" * unit)
    assert bool(misuses(device)) == (not accepts_zeros)


@pytest.mark.parametrize(
    ("name", "address", "size", "offered"),
    [
        ("S25FL256S", 0x1F000, 4 * K, True), ("S25FL256S", 0x20000, 4 * K, False),
        ("S25FL256S", 0, 64 * K, False), ("S25FL256S", 0x20000, 64 * K, True),
        ("S25FS256S", 0x8000, 32 * K, True), ("S25FS256S", 0x10000, 32 * K, False), ("S25FS256S", 0x7000, 4 * K, True),
        ("M29W400D", 0, 16 * K, True), ("M29W400D", 0x4000, 8 * K, True), ("M29W400D", 0x6000, 8 * K, True),
        ("M29W400D", 0x8000, 32 * K, True), ("M29W400D", 0, 64 * K, False), ("M29W400D", 0x10000, 64 * K, True),
        ("TMS320F28377D", 0x10000, 64 * K, True), ("TMS320F28377D", 0x70000, 16 * K, True),
    ],
)  # fmt: skip
def test_sectors_of_mixed_arrays_lie_where_the_chip_has_them(name: str, address: int, size: int, offered: bool) -> None:
    assert bundled_part(name).geometry.is_erase(address, size) == offered


def test_suspend_of_gd25q128c_lets_nothing_be_programmed() -> None:
    serial_set = bundled_part("GD25Q128C").serial
    assert serial_set is not None
    assert serial_set.suspend is not None
    assert not serial_set.suspend.program_in_erase
