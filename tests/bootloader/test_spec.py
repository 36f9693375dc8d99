"""SPEC.md is executable: its dumps, its field blocks, its tables and the code say the same.

Three witnesses for every byte: the hexdump, the TOML block of the same name, and the table of offsets.
"""

from __future__ import annotations

import re
import tomllib
import zlib
from typing import Any

import pytest

from bootloader import config as config_module
from bootloader import image as image_module
from bootloader.config import INITIAL_SEQUENCER, RECORD_SIZE, BootConfig, CopyReading, SlotConfig, pack_config
from bootloader.config import read_config as parse_config
from bootloader.config_store import UPDATE_RESERVE, ConfigStore
from bootloader.crc import crc_function
from bootloader.image import HEADER_SIZE, ImageHeader, header_for, pack_header, parse_header, version_number
from flash.part import bundled_part
from tests.bootloader.workbench import committed, copies_on, layout_on, make_device
from tests.spec import BLOCKS, FENCE, dump, section

MINE = ("factory-record", "finish-record", "image-header")
COMPLEMENTED = "factory-record-complemented"

Row = tuple[int, int, str]


def fields(name: str) -> dict[str, Any]:
    return tomllib.loads(BLOCKS["toml", name])


def described(name: str) -> BootConfig | ImageHeader:
    """What the TOML block says, as the package's own value."""
    told = fields(name)
    kind = told.pop("kind")
    if kind == "image-header":
        told["app_sha256"] = bytes.fromhex(told["app_sha256"])
        told["signature"] = bytes.fromhex(told["signature"])
        return ImageHeader(**told)
    assert kind == "boot-config"
    first, second = (SlotConfig(**slot) for slot in told.pop("slots"))
    revert = told.pop("revert_slot")
    return BootConfig(revert_slot=None if revert == "none" else revert, slots=(first, second), **told)


def packed(value: BootConfig | ImageHeader) -> bytes:
    return pack_config(value) if isinstance(value, BootConfig) else pack_header(value)


def tables(title: str) -> list[list[Row]]:
    """The offset tables of a section that have numbers and field names only."""
    rows = re.findall(r"^\| (\d+) \| (\d+) \| ([\w\[\]]+) \|", section(title), re.MULTILINE)
    found: list[list[Row]] = []
    for offset, size, name in rows:
        if offset == "0":
            found.append([])
        found[-1].append((int(offset), int(size), name))
    return found


RECORD, SLOT = tables("Boot config record")
(HEADER,) = tables("Image header")


def number(raw: bytes, row: Row) -> int:
    return int.from_bytes(raw[row[0] : row[0] + row[1]], "little")


# -- the dumps -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MINE)
def test_a_dump_is_what_its_fields_pack_to_and_reads_back_as_them(name: str) -> None:
    value, raw = described(name), dump(name)
    assert raw == packed(value)
    if isinstance(value, BootConfig):
        assert parse_config(raw) == CopyReading(value, "valid")
    else:
        assert parse_header(raw) == value


def test_every_named_block_of_these_sections_is_read_here() -> None:
    names = {name for title in ("Boot config record", "Image header") for _, name, _ in FENCE.findall(section(title))}
    assert names == {*MINE, COMPLEMENTED}
    unnamed = re.findall(r"^```(?:hexdump|toml)\s*$", section("Boot config record") + section("Image header"), re.M)
    assert not unnamed


def test_the_two_records_are_what_a_store_puts_on_flash() -> None:
    device = make_device("W25Q128JV")
    copies = copies_on(device)
    store = ConfigStore(copies)
    for index, name in enumerate(("factory-record", "finish-record")):
        value = described(name)
        assert isinstance(value, BootConfig)
        assert store.write(value) == value
        assert store.read().newest == index
        assert copies[index].read(0, RECORD_SIZE) == dump(name)
    assert copies[0].read(0, RECORD_SIZE) == dump("factory-record")


def test_the_complemented_record_is_what_a_store_puts_on_flash_that_erases_to_00() -> None:
    device = make_device("STM32L072")
    assert bundled_part("STM32L072").erased == 0x00
    value = described("factory-record")
    assert isinstance(value, BootConfig)
    ConfigStore(copies_on(device)).write(value)
    assert device.read(0, RECORD_SIZE) == dump(COMPLEMENTED)
    assert dump(COMPLEMENTED) == bytes(byte ^ 0xFF for byte in dump("factory-record"))


def test_the_applications_in_the_text_are_the_ones_in_the_dumps() -> None:
    old = header_for(b"123456789", load_address=0x0800_8100, app_version=version_number("1.0.0"))
    new = header_for(b"brownout", load_address=0x0802_0100, app_version=version_number("1.1.0"))
    finish = described("finish-record")
    assert described("image-header") == old
    assert isinstance(finish, BootConfig)
    for header, slot in zip((old, new), finish.slots, strict=True):
        assert (slot.app_length, slot.load_address) == (header.app_length, header.load_address)
        assert (slot.app_crc, slot.app_version) == (header.app_crc, header.app_version)
    assert finish.slots[1].fs_crc == zlib.crc32(b"\xff" * finish.slots[1].fs_length)


# -- the tables ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "size"), [(RECORD, RECORD_SIZE), (SLOT, 28), (HEADER, HEADER_SIZE)], ids=["record", "slot", "header"]
)
def test_a_table_covers_its_bytes_without_gap_or_overlap(table: list[Row], size: int) -> None:
    at = 0
    for offset, length, name in table:
        assert offset == at, f"{name} starts at {offset}, the row before ends at {at}"
        at += length
    assert at == size


@pytest.mark.parametrize(
    ("table", "module"), [(RECORD, config_module), (HEADER, image_module)], ids=["record", "header"]
)
def test_a_table_agrees_with_the_docstring_of_its_module(table: list[Row], module: Any) -> None:
    stated = re.findall(r"^    (\d+) +(\d+) +\S", module.__doc__, re.MULTILINE)
    assert [(offset, size) for offset, size, _ in table] == [(int(o), int(s)) for o, s in stated]


@pytest.mark.parametrize("name", ["factory-record", "finish-record"])
def test_the_record_s_fields_stand_where_the_table_says(name: str) -> None:
    raw, told = dump(name), fields(name)
    told["flags"] = told["committed"] | told["first_boot"] << 1 | told["merge_fs"] << 2
    told["revert_slot"] = 0xFF if told["revert_slot"] == "none" else told["revert_slot"]
    fixed = {"magic": int.from_bytes(b"BRBC", "little"), "version": 1, "crc": zlib.crc32(raw[:-4])}
    for row in RECORD:
        if row[2] == "reserved":
            assert set(raw[row[0] : row[0] + row[1]]) == {0xFF}
        elif row[2].startswith("slots"):
            part, told_slot = raw[row[0] : row[0] + row[1]], told["slots"][int(row[2][6])]
            assert {field[2]: number(part, field) for field in SLOT} == told_slot
        else:
            assert number(raw, row) == (fixed | told)[row[2]], row[2]


def test_the_header_s_fields_stand_where_the_table_says() -> None:
    raw, told = dump("image-header"), fields("image-header")
    told["app_sha256"] = int.from_bytes(bytes.fromhex(told["app_sha256"]), "little")
    told |= {"signature_scheme": 0, "signature_length": 0, "header_length": 256, "version": 1}
    told |= {"magic": int.from_bytes(b"BRIM", "little"), "crc": zlib.crc32(raw[:-4])}
    for row in HEADER:
        if row[2] in ("reserved", "signature"):
            assert set(raw[row[0] : row[0] + row[1]]) == {0xFF}
        else:
            assert number(raw, row) == told[row[2]], row[2]


def test_the_check_values_of_the_checksums_are_the_code_s() -> None:
    rows = re.findall(r"^\| (crc-\S+) \| [^|]+ \| ([0-9a-f]{8}) \|$", section("Image header"), re.MULTILINE)
    assert {name for name, _ in rows} == {"crc-32", "crc-32c", "crc-32-mpeg"}
    for name, value in rows:
        assert f"{crc_function(name)(b'123456789'):08x}" == value


def test_the_table_of_which_record_counts_is_what_a_store_reads() -> None:
    rows = re.findall(
        r"^\| ((?:not )?valid[^|]*) \| ([^|]+) \| (copy 0|copy 1|none)", section("Boot config record"), re.M
    )
    assert len(rows) == 6
    sequencers = {"valid": 7, "valid, smaller sequencer": 5, "valid, same sequencer": 7}
    for *states, counts in rows:
        device = make_device("W25Q128JV")
        copies = copies_on(device)
        for copy, state in zip(copies, states, strict=True):
            raw = pack_config(committed(sequencer=sequencers[state])) if state in sequencers else bytes(RECORD_SIZE)
            device.load(copy.address, raw)
        newest = ConfigStore(copies).read().newest
        assert counts == ("none" if newest is None else f"copy {newest}"), states


# -- numbers in the prose --------------------------------------------------------------------------------


def test_the_numbers_in_the_prose_are_the_code_s() -> None:
    prose = " ".join(section("Boot config record").split())
    assert f"A record has {RECORD_SIZE} bytes." in prose
    assert f"{INITIAL_SEQUENCER:x} when no record counts" in prose
    assert f"refused at its start while fewer than {UPDATE_RESERVE} records remain" in prose


def test_a_slot_is_laid_out_as_described() -> None:
    for slot in layout_on(make_device("W25Q128JV")).slots:
        size = slot.flash.geometry.size
        assert slot.app_offset == HEADER_SIZE == 256
        assert slot.fs_offset == size - slot.fs_size
        assert slot.app_capacity == size - slot.fs_size - 256
    assert "| 256 | app_length | application, at most slot size − filesystem room − 256 |" in section("Slot layout")
