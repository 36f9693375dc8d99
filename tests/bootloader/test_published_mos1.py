"""MOS1: the record byte for byte, the choice of a slot, and the log over two devices."""

from __future__ import annotations

import zlib
from dataclasses import replace

import pytest

from bootloader.errors import ConfigNotWritten
from bootloader.published.mos1 import (
    COMMITTED,
    FIRST_BOOT_A,
    FIRST_BOOT_B,
    MERGE_FS,
    RECORD_SIZE,
    VALID,
    WRITEABLE,
    Mos1Config,
    Mos1Slot,
    find_slot,
    pack_mos1,
    parse_mos1,
)
from bootloader.published.mos1_log import Mos1Log, Standing
from flash.contract import NorFlash
from flash.device import FlashDevice
from flash.errors import EccFault
from flash.journal import Misuse
from flash.part import bundled_part
from flash.partition import Partition

VW = VALID | WRITEABLE
ORG = 0x0801_0000
BLANK_APP = b"\xff" * 0xF0000
DEFAULT = Mos1Config(
    seq=1,
    slots=(
        Mos1Slot(VW, "app0", ORG, "fs0", len(BLANK_APP), ORG, zlib.crc32(BLANK_APP)),
        Mos1Slot(VW, "app1", 0, "fs1"),
        Mos1Slot(VW, "appT"),
        Mos1Slot(VALID, "appF", 0, "fsF"),
    ),
)
RECEIVED = replace(DEFAULT.slots[1], app_len=4096, app_org=ORG, app_crc32=zlib.crc32(bytes(4096)))
STAGED = replace(
    DEFAULT.with_slot(1, RECEIVED), seq=2, active_slot=1, revert_slot=0,
    flags=FIRST_BOOT_A | FIRST_BOOT_B | MERGE_FS,
)  # fmt: skip
ENTERED = replace(STAGED, seq=3, flags=FIRST_BOOT_A | MERGE_FS)
SIZE = 0x1000
PER_DEVICE = SIZE // RECORD_SIZE


# -- the record ------------------------------------------------------------------------------------------------


def test_the_default_record_is_the_published_one() -> None:
    record = pack_mos1(DEFAULT)
    assert DEFAULT.slots[0].app_crc32 == 0x43535820
    assert record[:19].hex() == "4d4f533101000000010000000400ff01000000"
    assert record[19:60].hex() == (
        "03000000617070300000000000000108667330000000000000000f0000000108205853430000000000"
    )  # fmt: skip
    assert record[19 + 4 * 41 : 224] == bytes(41)
    assert record[224:252] == b"\xff" * 28
    assert record[252:] == (0x2679C8A9).to_bytes(4, "little")
    assert len(record) == RECORD_SIZE


@pytest.mark.parametrize(
    ("config", "header", "crc"),
    [
        (STAGED, "4d4f533102000000010000000401000e000000", 0x4F5842BA),
        (ENTERED, "4d4f533103000000010000000401000a000000", 0x027024DA),
    ],
)
def test_what_update_and_loader_write_is_the_published_one(config: Mos1Config, header: str, crc: int) -> None:
    record = pack_mos1(config)
    assert (record[:19].hex(), int.from_bytes(record[252:], "little")) == (header, crc)


@pytest.mark.parametrize("config", [DEFAULT, STAGED, ENTERED])
def test_a_record_is_read_as_it_was_written(config: Mos1Config) -> None:
    assert parse_mos1(pack_mos1(config)) == config


@pytest.mark.parametrize("at", [0, 3, 4, 13, 60, 224, 251, 252, 255])
def test_no_bit_of_a_record_may_differ(at: int) -> None:
    record = bytearray(pack_mos1(DEFAULT))
    record[at] ^= 0x10
    assert parse_mos1(bytes(record)) is None


@pytest.mark.parametrize("blank", [b"\xff" * RECORD_SIZE, bytes(RECORD_SIZE)])
def test_erased_and_zero_are_no_records(blank: bytes) -> None:
    assert parse_mos1(blank) is None


def test_a_name_of_more_than_eight_bytes_is_refused() -> None:
    with pytest.raises(ValueError, match="'ninebytes' has 9 bytes; a record holds 8"):
        pack_mos1(DEFAULT.with_slot(0, Mos1Slot(app_dev="ninebytes")))


def test_settling_keeps_first_boot_b() -> None:
    settled = STAGED.settled_on(0)
    assert (settled.active_slot, settled.revert_slot, settled.flags) == (0, -1, COMMITTED | FIRST_BOOT_B)


# -- the choice of a slot --------------------------------------------------------------------------------------


def test_the_search_begins_at_the_sequencer() -> None:
    writeable = replace(DEFAULT, slots=tuple(replace(slot, flags=VW) for slot in DEFAULT.slots))
    found = [find_slot(replace(writeable, seq=seq), 0, want_fs=False) for seq in range(8)]
    assert found == [1, 1, 2, 3] * 2


@pytest.mark.parametrize(
    ("changed", "options", "slot"),
    [
        ({}, {"want_fs": True}, 1),
        ({}, {"want_fs": False, "excluding": (1,)}, 2),
        ({}, {"want_fs": True, "excluding": (1,)}, -1),
        ({"active_slot": 1}, {"want_fs": True}, 0),
        ({"seq": 2}, {"want_fs": False}, 2),
        ({"seq": 3}, {"want_fs": False}, 1),
    ],
)
def test_what_is_active_excluded_without_filesystem_or_read_only_is_not_found(
    changed: dict[str, int], options: dict[str, object], slot: int
) -> None:
    assert find_slot(replace(DEFAULT, **changed), 0, **options) == slot  # type: ignore[arg-type]


def test_only_the_slot_at_an_address_is_found_by_it() -> None:
    assert find_slot(DEFAULT, ORG, want_fs=True) == -1, "the active one is not found"
    assert find_slot(STAGED, ORG, want_fs=False) == 0
    assert find_slot(STAGED, ORG + 1, want_fs=False) == -1


def test_the_slot_with_the_fewest_errors_is_found() -> None:
    tired = DEFAULT.with_slot(1, replace(DEFAULT.slots[1], err_count=2))
    assert find_slot(tired, 0, want_fs=False) == 2
    equal = tired.with_slot(2, replace(tired.slots[2], err_count=2))
    assert find_slot(equal, 0, want_fs=False) == 1, "of equal ones the first"


# -- the log ---------------------------------------------------------------------------------------------------


class Bench:
    """A chip with the log on its first two sectors."""

    def __init__(self, part: str = "W25Q64JV") -> None:
        self.chip = FlashDevice(bundled_part(part))
        self.devices = tuple(Partition(f"bcfg{n}", self.chip, n * SIZE, SIZE) for n in range(2))
        self.log = Mos1Log((self.devices[0], self.devices[1]))

    def filled(self, count: int) -> Standing:
        """``count`` records, of which the last counts."""
        standing = self.log.begin(DEFAULT)
        for _ in range(count - 1):
            standing = self.log.append(standing.config, standing)
        return standing

    def tear(self, standing: Standing, prefix: int, config: Mos1Config = STAGED) -> None:
        """Append ``config``; power goes when ``prefix`` bytes of the record are programmed."""
        record = pack_mos1(replace(config, seq=standing.config.seq + 1))
        self.devices[standing.device].program(standing.offset + RECORD_SIZE, record[:prefix])

    @property
    def misuses(self) -> list[Misuse]:
        return [entry for entry in self.chip.journal.entries if isinstance(entry, Misuse)]


def test_a_log_begins_at_record_one_on_the_first_device() -> None:
    bench = Bench()
    for device in bench.devices:
        device.program(0x300, b"\0" * 16)
    assert bench.log.begin(replace(DEFAULT, seq=77)) == bench.log.read() == Standing(DEFAULT, 0, 0)
    assert all(device.read(0x300, 16) == b"\xff" * 16 for device in bench.devices)


def test_records_are_appended_and_the_other_device_follows_when_one_is_full() -> None:
    bench = Bench()
    standing = bench.filled(1)
    places = [(standing.device, standing.offset)]
    for number in range(2, 3 * PER_DEVICE + 1):
        standing = bench.log.append(standing.config, standing)
        assert standing.config.seq == number
        assert bench.log.read() == standing
        places.append((standing.device, standing.offset))
    offsets = range(0, SIZE, RECORD_SIZE)
    assert places == [(device, offset) for device in (0, 1, 0) for offset in offsets]
    assert not bench.misuses


@pytest.mark.parametrize("count", [1, 5, PER_DEVICE - 1, PER_DEVICE, PER_DEVICE + 3])
def test_a_torn_record_hides_nothing(count: int) -> None:
    bench = Bench()
    before = bench.filled(count)
    at_next_device = before.offset + RECORD_SIZE == SIZE
    if at_next_device:
        Partition("log", bench.chip, (1 - before.device) * SIZE, SIZE).program(0, b"MOS1")
    else:
        bench.tear(before, 100)
    assert bench.log.read() == before


def test_what_is_written_over_a_torn_record_goes_to_the_other_device() -> None:
    bench = Bench()
    before = bench.filled(3)
    bench.tear(before, 255)
    after = bench.log.append(DEFAULT, before)
    assert (after.device, after.offset, after.config.seq) == (1, 0, 4)
    assert bench.log.read() == after
    assert [misuse.rule for misuse in bench.misuses] == ["unerased"]
    again = bench.log.append(DEFAULT, after)
    assert (again.device, again.offset) == (1, RECORD_SIZE)


def test_the_same_record_written_over_itself_stays_where_it_is() -> None:
    bench = Bench()
    before = bench.filled(3)
    bench.tear(before, 255)
    after = bench.log.append(STAGED, before)
    assert (after.device, after.offset) == (0, 3 * RECORD_SIZE)
    assert not bench.misuses


def test_a_bit_error_in_an_old_record_hides_all_behind_it() -> None:
    bench = Bench()
    bench.filled(9)
    bench.devices[0].program(4 * RECORD_SIZE + 60, b"\0")
    standing = bench.log.read()
    assert standing is not None
    assert standing.config.seq == 4
    bench.devices[0].program(0, b"\0")
    assert bench.log.read() is None


def test_a_record_that_is_not_newer_ends_the_scan() -> None:
    bench = Bench()
    standing = bench.filled(3)
    bench.devices[1].program(0, pack_mos1(replace(DEFAULT, seq=3)))
    bench.devices[1].program(RECORD_SIZE, pack_mos1(replace(DEFAULT, seq=9)))
    assert bench.log.read() == standing


class Deaf:
    """A device that ignores programs, or cannot be read."""

    def __init__(self, flash: NorFlash, *, unreadable: bool = False) -> None:
        self._flash = flash
        self._unreadable = unreadable
        self.geometry = flash.geometry
        self.erases = 0

    def read(self, address: int, length: int) -> bytes:
        if self._unreadable:
            raise EccFault(address, length)
        return self._flash.read(address, length)

    def program(self, address: int, data: bytes) -> None:
        pass

    def erase(self, address: int, length: int) -> None:
        self.erases += 1
        self._flash.erase(address, length)


def test_a_record_that_reads_back_from_neither_device_is_an_error() -> None:
    bench = Bench()
    before = bench.filled(2)
    log = Mos1Log((Deaf(bench.devices[0]), Deaf(bench.devices[1])))
    with pytest.raises(ConfigNotWritten, match="record 3 reads back from neither device"):
        log.append(DEFAULT, before)


def test_one_device_that_fails_does_not_stop_the_log() -> None:
    bench = Bench()
    before = bench.filled(2)
    deaf = Deaf(bench.devices[0])
    after = Mos1Log((deaf, bench.devices[1])).append(DEFAULT, before)
    assert (after.device, after.offset, deaf.erases) == (1, 0, 0)
    assert bench.log.read() == after


def test_a_device_that_cannot_be_read_holds_no_records() -> None:
    bench = Bench()
    bench.filled(2)
    assert Mos1Log((Deaf(bench.devices[0], unreadable=True), bench.devices[1])).read() is None
