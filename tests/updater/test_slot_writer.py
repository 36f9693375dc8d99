"""Streaming into a slot: erased ahead, programmed once, read back; on every bundled part."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable

import pytest
from hypothesis import given, settings

from bootloader.crc import crc_function
from emu.strategies import chunkings
from flash.contract import NorFlash
from flash.device import FlashDevice
from flash.errors import EccFault, PowerLost
from flash.journal import Interruption, Journal
from flash.part import bundled_part
from flash.partition import Partition
from tests.bootloader.workbench import ThroughFlash
from tests.updater.workbench import (
    NEW_APP,
    PARTS,
    Bench,
    K,
    chunks,
    feed,
    make_bench,
    unhurried,
    update,
)
from updater import SlotWriter, UpdateRefused, UpdateState, make_bundle, updater_finish
from updater.bundle import Firmware

NOISE = b"".join(hashlib.sha256(number.to_bytes(4)).digest() for number in range(8 * K))


def chip(name: str = "MX25R8035F") -> FlashDevice:
    """A chip that raises at the first misuse, and holds leftovers in its first 128 KiB."""
    device = FlashDevice(bundled_part(name), strict=True)
    device.load(0, b"\x5a" * (128 * K))
    return device


def programs(device: FlashDevice) -> list[tuple[int, int]]:
    return [(o.address, o.length) for o in device.journal.operations() if o.kind == "program"]


def erases(device: FlashDevice) -> list[tuple[int, int]]:
    return [(o.address, o.length) for o in device.journal.operations() if o.kind == "erase"]


def written(writer: SlotWriter, content: bytes, pieces: Iterable[bytes] = ()) -> None:
    for piece in pieces or chunks(content, (512,)):
        writer.write(piece)
    assert writer.written == len(content)


# -- what lands on flash ---------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [1, 2, 7, 255, 256, 257, 4096, 5003])
@pytest.mark.parametrize("part", PARTS)
def test_content_of_any_length_lands_and_is_what_the_digests_are_over(part: str, length: int) -> None:
    device, content = chip(part), NOISE[:length]
    writer = SlotWriter(device, 256, length, 64 * K)
    written(writer, content)
    assert device.read(256, length) == content
    assert writer.crc.value == zlib.crc32(content)
    assert writer.sha1.digest() == hashlib.sha1(content).digest()
    assert writer.sha256.digest() == hashlib.sha256(content).digest()


@pytest.mark.parametrize("name", ["crc-32", "crc-32c", "crc-32-mpeg"])
def test_the_checksum_is_the_boards(name: str) -> None:
    writer = SlotWriter(chip(), 256, 1000, 64 * K, name)  # type: ignore[arg-type]
    written(writer, NOISE[:1000])
    assert writer.crc.value == crc_function(name)(NOISE[:1000])  # type: ignore[arg-type]


@pytest.mark.parametrize("part", PARTS)
def test_flash_behind_the_content_is_left_erased_up_to_the_end_of_its_sector(part: str) -> None:
    device = chip(part)
    writer = SlotWriter(device, 256, 1001, 64 * K)
    written(writer, NOISE[:1001])
    end = device.geometry.sector_at(256 + 1000).end
    assert set(device.read(1257, end - 1257)) == {device.geometry.erased}


def test_leftovers_that_read_exactly_right_are_not_trusted() -> None:
    device = FlashDevice(bundled_part("MX25R8035F"))
    device.load(256, NOISE[:2000])
    written(SlotWriter(device, 256, 2000, 64 * K), NOISE[:2000])
    assert erases(device) == [(0, 4 * K)]
    assert sum(length for _, length in programs(device)) == 2000


@pytest.mark.parametrize("part", PARTS)
def test_what_lies_in_front_is_erased_as_well_where_asked_for(part: str) -> None:
    device = chip(part)
    written(SlotWriter(device, 256, 1000, 64 * K, erase_from=0), NOISE[:1000])
    assert device.read(0, 256) == bytes([device.geometry.erased]) * 256
    assert device.read(256, 1000) == NOISE[:1000]


def test_nothing_to_write_erases_nothing() -> None:
    device = chip()
    writer = SlotWriter(device, 256, 0, 64 * K)
    writer.write(b"")
    assert writer.written == 0
    assert device.journal.entries == []


def test_a_page_is_written_once_it_is_whole_and_the_last_one_at_its_last_byte() -> None:
    device = chip()
    writer = SlotWriter(device, 256, 300, 64 * K)
    for number in range(300):
        assert writer.written == (0 if number < 256 else 256)
        writer.write(NOISE[number : number + 1])
    assert writer.written == 300
    assert programs(device) == [(256, 256), (512, 44)]


def test_sectors_are_erased_only_when_they_are_needed() -> None:
    device = chip()
    writer = SlotWriter(device, 256, 12 * K, 64 * K)
    for content, expected in ((NOISE[:3839], 1), (NOISE[3839:3840], 1), (NOISE[3840:4095], 1), (NOISE[4095:4096], 2)):
        writer.write(content)
        assert len(erases(device)) == expected
    assert device.journal.operations()[0].kind == "erase"


@pytest.mark.parametrize("part", PARTS)
@settings(unhurried, max_examples=30)
@given(pieces=chunkings(NOISE[:3001]))
def test_chunks_of_any_size_make_the_same_journal(part: str, pieces: list[bytes]) -> None:
    whole, cut = chip(part), chip(part)
    written(SlotWriter(whole, 256, 3001, 64 * K), NOISE[:3001], [NOISE[:3001]])
    written(SlotWriter(cut, 256, 3001, 64 * K), NOISE[:3001], pieces)
    assert cut.journal.entries == whole.journal.entries
    assert cut.clock.now_us == whole.clock.now_us


def test_a_writer_on_a_window_never_leaves_it() -> None:
    device = chip()
    window = Partition("slot", device, 64 * K, 64 * K)
    around = device.read(0, 64 * K), device.read(128 * K, 64 * K)
    written(SlotWriter(window, 256, 64 * K - 256, 64 * K), NOISE[: 64 * K - 256])
    assert (device.read(0, 64 * K), device.read(128 * K, 64 * K)) == around


# -- bytes that equal erased flash -----------------------------------------------------------------------


@pytest.mark.parametrize("part", PARTS)
def test_blank_pages_are_not_programmed_but_read_back(part: str) -> None:
    device = chip(part)
    blank = bytes([device.geometry.erased])
    content = NOISE[:256] + blank * 1024 + NOISE[256:512]
    writer = SlotWriter(device, 256, len(content), 64 * K)
    read_before = device.statistics.read_bytes
    written(writer, content)
    assert all(address < 512 or address >= 1536 for address, _ in programs(device))
    assert device.statistics.read_bytes - read_before == len(content)
    assert writer.crc.value == zlib.crc32(content)
    assert device.read(256, len(content)) == content


@pytest.mark.parametrize("part", PARTS)
def test_only_units_between_the_first_and_last_byte_that_matters_are_programmed(part: str) -> None:
    device = chip(part)
    geometry = device.geometry
    blank, unit = bytes([geometry.erased]), geometry.unit
    step = geometry.page_size or geometry.burst_size
    first, last = (33, 54) if step > 54 else (9, 22)
    content = blank * first + b"\x01" + blank * (last - first - 1) + b"\x02" + blank * (step - last - 1)
    written(SlotWriter(device, 256, step, 64 * K), content)
    low, high = geometry.align_down(first, unit), geometry.align_up(last + 1, unit)
    assert programs(device) == [(256 + low, high - low)]
    assert device.read(256, step) == content


# -- flash that does not hold what was written -----------------------------------------------------------


class DroppedBit(ThroughFlash):
    """The lowest bit of the byte at ``address`` never takes a program; with ``stuck`` it reads 0 for ever."""

    def __init__(self, flash: NorFlash, address: int, *, stuck: bool = False) -> None:
        super().__init__(flash)
        self.address, self.stuck = address, stuck

    def program(self, address: int, data: bytes) -> None:
        at = self.address - address
        if 0 <= at < len(data):
            data = data[:at] + bytes([data[at] | 1]) + data[at + 1 :]
        super().program(address, data)

    def read(self, address: int, length: int) -> bytes:
        raw, at = super().read(address, length), self.address - address
        return raw[:at] + bytes([raw[at] & 0xFE]) + raw[at + 1 :] if self.stuck and 0 <= at < length else raw


class Uncorrectable(ThroughFlash):
    """The granule at ``address`` cannot be read."""

    address = 0x400

    def read(self, address: int, length: int) -> bytes:
        if address <= self.address < address + length:
            raise EccFault(self.address, 8)
        return super().read(address, length)


def test_a_bit_that_did_not_take_is_found_and_named() -> None:
    writer = SlotWriter(DroppedBit(chip(), 0x455), 256, 4 * K, 64 * K)
    with pytest.raises(UpdateRefused) as refused:
        written(writer, bytes(4 * K))
    assert (refused.value.code, refused.value.message) == (-12, "Write failed")
    assert refused.value.detail == "offset 0x455 reads 0x01, 0x00 was written"
    assert writer.written == 0x300


def test_a_dead_bit_under_a_blank_page_is_found() -> None:
    writer = SlotWriter(DroppedBit(chip(), 0x455, stuck=True), 256, 4 * K, 64 * K)
    with pytest.raises(UpdateRefused, match="offset 0x455 reads 0xfe, 0xff was written"):
        written(writer, b"\xff" * 4 * K)


def test_a_granule_that_cannot_be_read_back_is_a_failed_write() -> None:
    writer = SlotWriter(Uncorrectable(chip("STM32L476")), 256, 4 * K, 64 * K)
    with pytest.raises(UpdateRefused, match=r"read back: uncorrectable ECC error .* at 0x400") as refused:
        written(writer, NOISE[: 4 * K])
    assert (refused.value.code, refused.value.message) == (-12, "Write failed")


@pytest.mark.parametrize(
    ("fault", "part"),
    [(lambda window: DroppedBit(window, 0x200), "MX25R8035F"), (Uncorrectable, "STM32L476")],
    ids=["dropped bit", "uncorrectable"],
)
def test_a_failed_write_ends_the_update_and_the_old_image_boots(fault: type[ThroughFlash], part: str) -> None:
    bench = make_bench(part, wrap=fault)
    before = bench.untouchable
    context = bench.begin()
    assert feed(context, make_bundle(Firmware("demo", "bench", "2", "b", bytes(8 * K)))) == -12
    assert (context.status_msg, context.update_state) == ("Write failed", UpdateState.FINISHED)
    assert context.detail
    assert bench.untouchable == before
    assert bench.boot().decision.rule == "normal"


@pytest.mark.parametrize("offset", [2, 4, 200])
def test_an_image_header_that_does_not_read_back_ends_the_update(offset: int) -> None:
    bench = make_bench(wrap=lambda window: DroppedBit(window, offset, stuck=True))
    before = bench.untouchable
    context = bench.begin()
    assert feed(context, make_bundle(Firmware("demo", "bench", "2", "b", NEW_APP + b"\xff"))) == 0
    assert updater_finish(context) == -12
    assert (context.status_msg, context.need_reboot) == ("Write failed", False)
    assert context.detail
    assert bench.untouchable == before
    assert bench.boot().decision.rule == "normal"


def test_an_image_header_with_an_uncorrectable_granule_ends_the_update() -> None:
    class BrokenHeader(Uncorrectable):
        address = 8

    bench = make_bench("STM32L476", wrap=BrokenHeader)
    before = bench.untouchable
    context = bench.begin()
    assert feed(context, make_bundle(Firmware("demo", "bench", "2", "b", NEW_APP))) == 0
    assert updater_finish(context) == -12
    assert context.status_msg == "Write failed"
    assert bench.untouchable == before


# -- what an interrupted attempt leaves -------------------------------------------------------------------


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("entry", [0, 1, 3, 9, -4, -3, -2, -1])
def test_an_update_succeeds_after_power_went_in_an_earlier_one(part: str, entry: int) -> None:
    count = len(run_of(part, None).operations)
    bench = run_of(part, Interruption(entry % count))
    assert not bench.device.supply.on
    bench.device.supply.restore()
    bench.device.attach(bench.clock, Journal(), None)
    bench.target.context = None
    assert bench.boot().decision.rule == "normal"
    assert update(bench).result == 1
    assert bench.misuses == []
    assert bench.boot().decision.rule == "trial"


def run_of(part: str, interruption: Interruption | None) -> Bench:
    """An update on ``part`` that power may end."""
    bench = make_bench(part)
    bench.device.attach(bench.clock, Journal(interruption), None)
    try:
        update(bench)
    except PowerLost:
        assert interruption is not None
    return bench
