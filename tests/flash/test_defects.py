"""Bits that do not follow: what an erase and a program leave on a worn sector, whole and torn."""

from __future__ import annotations

import pytest

from flash.cells import Cells
from flash.defects import Defects
from flash.device import FlashDevice
from flash.errors import EccFault
from flash.part import bundled_part
from flash.tears import tear_named

FF, ZERO, ECC = "W25Q128JV", "STM32L072", "STM32L476"


def worn(part: str, stuck: str, *bits: tuple[int, int]) -> FlashDevice:
    device = FlashDevice(bundled_part(part))
    device.cells.defects = Defects(stuck, bits)  # type: ignore[arg-type]
    return device


@pytest.mark.parametrize(("part", "held"), [(FF, 0xFF ^ 0x81), (ZERO, 0x81)])
def test_bits_stuck_programmed_stay_so_through_an_erase(part: str, held: int) -> None:
    device = worn(part, "programmed", (5, 0x81))
    size = device.geometry.smallest_sector_size
    blank = device.geometry.erased
    assert device.read(0, 8) == bytes([blank] * 8)  # wear shows when a cell is to change
    device.erase(0, size)
    assert device.read(0, 8) == bytes([blank] * 5 + [held] + [blank] * 2)
    device.erase(size, size)
    assert device.read(size, size) == bytes([blank] * size)


def test_bits_stuck_erased_do_not_move_when_they_are_programmed() -> None:
    device = worn(FF, "erased", (0x101, 0x10), (0x103, 0xFF))
    device.program(0x100, b"\x00\x01\x02\x03")
    assert device.read(0x100, 5) == b"\x00\x11\x02\xff\xff"
    device.erase(0, 4096)
    assert device.read(0x100, 5) == b"\xff" * 5


def test_what_was_programmed_before_stays_and_a_sound_array_knows_no_defect() -> None:
    device = FlashDevice(bundled_part(FF))
    device.program(0, b"\x00")
    device.cells.defects = Defects("erased", ((0, 0xFF),))
    assert device.read(0, 1) == b"\x00"
    device.cells.defects = None
    device.erase(0, 4096)
    device.program(0, b"\x5a")
    assert device.read(0, 1) == b"\x5a"


def test_a_torn_program_on_a_worn_sector_leaves_the_stuck_bits_too() -> None:
    cells = Cells(bundled_part(FF))
    cells.defects = Defects("erased", ((1, 0xFF),))
    device = FlashDevice(bundled_part(FF))
    device.program(0, b"\x01\x02\x03\x04")
    (operation,) = device.journal.entries
    tear_named("prefix-3").apply(cells, operation)  # type: ignore[arg-type]
    assert cells.read(0, 4) == b"\x01\xff\x03\xff"


def test_where_correction_meets_stuck_bits_the_granule_cannot_be_read() -> None:
    device = worn(ECC, "erased", (8, 0x03))
    device.program(0, bytes(range(1, 17)))
    assert device.read(0, 8) == bytes(range(1, 9))
    with pytest.raises(EccFault):
        device.read(8, 8)
