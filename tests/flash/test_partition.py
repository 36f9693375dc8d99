"""Partition: the same promises with another zero, and nothing beyond either end."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flash.contract import NorFlash
from flash.device import FlashDevice
from flash.errors import EccFault, FlashError, OutOfBounds, PowerLost
from flash.partition import Partition
from tests.flash.small_parts import GRANULES, SERIAL, WORDS

START, SIZE = 256, 1024


def window() -> tuple[FlashDevice, Partition]:
    device = FlashDevice(SERIAL)
    device.load(0, bytes(range(256)) * 16)
    return device, Partition("slot-a", device, START, SIZE)


def test_a_partition_is_a_nor_flash_with_its_own_shape() -> None:
    device, slot = window()
    assert isinstance(slot, NorFlash)
    assert (slot.name, slot.address, slot.size) == ("slot-a", START, SIZE)
    assert slot.flash is device
    assert slot.geometry == device.geometry.window(START, SIZE)


@given(st.integers(0, SIZE), st.integers(0, SIZE))
@settings(max_examples=60, deadline=None)
def test_offsets_are_addresses_less_the_start(low: int, high: int) -> None:
    device, slot = window()
    low, high = sorted((low, high))
    assert slot.read(low, high - low) == device.read(START + low, high - low)


def test_commands_land_at_the_start_plus_the_offset() -> None:
    device, slot = window()
    slot.erase(64, 64)
    slot.program(64 + 16, b"\x12\x34")
    erase, program = device.journal.operations()
    assert (erase.address, erase.length) == (START + 64, 64)
    assert (program.address, program.data) == (START + 80, b"\x12\x34")
    assert device.read(START + 80, 3) == b"\x12\x34\xff"


@pytest.mark.parametrize(("offset", "length"), [(-1, 1), (-1, 2), (SIZE, 1), (SIZE - 1, 2), (0, SIZE + 1), (3, -1)])
def test_beyond_either_end_is_out_of_reach_for_every_command(offset: int, length: int) -> None:
    device, slot = window()
    before = device.cells.read(0, SERIAL.size)
    commands = {"read": lambda: slot.read(offset, length), "erase": lambda: slot.erase(offset, length)}
    if length > 0:
        commands["program"] = lambda: slot.program(offset, bytes(length))
    for name, command in commands.items():
        with pytest.raises(OutOfBounds, match=rf"{name} of .* leaves partition 'slot-a' of 0x400 bytes") as refused:
            command()
        assert (refused.value.address, refused.value.length) == (offset, length)
        assert "at 0x100 of its flash" in str(refused.value)
    assert device.cells.read(0, SERIAL.size) == before
    assert device.journal.entries == []


def test_the_last_byte_and_the_empty_read_at_the_end_are_inside() -> None:
    _, slot = window()
    assert slot.read(SIZE - 1, 1) == b"\xff"
    assert slot.read(SIZE, 0) == b""


def test_a_page_wrap_stays_in_its_page_and_so_in_the_partition() -> None:
    device, slot = window()
    slot.erase(SIZE - 64, 64)
    slot.program(SIZE - 4, bytes(4))
    with pytest.raises(OutOfBounds):
        slot.program(SIZE - 4, bytes(5))
    assert slot.read(SIZE - 16, 16) == b"\xff" * 12 + bytes(4)
    assert device.read(START + SIZE, 4) == bytes(range(4))


@pytest.mark.parametrize(
    ("address", "size", "why"),
    [
        (32, 64, "start 0x20 is inside a sector"),
        (0, 100, "end 0x64 is inside a sector"),
        (4032, 128, "does not fit"),
        (0, 0, "does not fit"),
        (-64, 128, "does not fit"),
    ],
)
def test_a_window_off_the_sectors_is_refused_by_name(address: int, size: int, why: str) -> None:
    with pytest.raises(FlashError, match=rf"partition 'bad': .*{why}") as refused:
        Partition("bad", FlashDevice(SERIAL), address, size)
    assert (refused.value.address, refused.value.length) == (address, size)
    assert refused.value.__cause__ is None


def test_a_partition_of_a_partition_adds_up() -> None:
    device, slot = window()
    inner = slot.window("header", 128, 64)
    assert inner.name == "slot-a/header"
    assert inner.read(0, 64) == device.read(START + 128, 64)
    inner.erase(0, 64)
    assert device.journal.operations()[0].address == START + 128
    with pytest.raises(OutOfBounds, match="partition 'slot-a/header'"):
        inner.read(0, 65)
    with pytest.raises(FlashError, match=r"partition 'slot-a/tail': .*does not fit"):
        slot.window("tail", 960, 128)


def test_a_window_over_mixed_sectors_erases_each_in_its_size() -> None:
    device = FlashDevice(WORDS)
    device.load(0, bytes(WORDS.size))
    slot = Partition("slot", device, 192, 448)
    for sector in slot.geometry.sectors_in(0, slot.size):
        slot.erase(sector.address, sector.size)
    assert device.read(0, WORDS.size) == bytes(192) + b"\xff" * 448 + bytes(512)
    assert [(e.address, e.length) for e in device.journal.operations()] == [(192, 64), (256, 128), (384, 256)]


def test_an_uncorrectable_granule_is_named_by_its_offset() -> None:
    device = FlashDevice(GRANULES)
    device.cells.mark_broken(256 + 24, 8)
    slot = Partition("slot", device, 128, 512)
    inner = slot.window("inner", 128, 128)
    for flash, expected in ((device, 280), (slot, 152), (inner, 24)):
        with pytest.raises(EccFault, match=rf"8-byte granule at {expected:#x}") as fault:
            flash.read(expected - 8, 32)
        assert (fault.value.address, fault.value.length) == (expected, 8)


def test_power_loss_passes_through() -> None:
    device, slot = window()
    with pytest.raises(PowerLost):
        device.supply.cut()
    for access in (lambda: slot.read(0, 1), lambda: slot.program(0, b"\x00"), lambda: slot.erase(0, 64)):
        with pytest.raises(PowerLost):
            access()
