"""The maps of the records against the code that packs and parses them: no byte without a name, no name with a wrong
value. Neighbours: `tests/bootloader` holds the records themselves."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootloader.config import RECORD_SIZE, BootConfig, pack_config
from bootloader.image import HEADER_SIZE, ImageHeader, pack_header
from emu.inspection.fields import CONFIG_FIELDS, HEADER_FIELDS, Field, read_fields, version_text
from emu.strategies import boot_configs


@pytest.mark.parametrize(("fields", "size"), [(CONFIG_FIELDS, RECORD_SIZE), (HEADER_FIELDS, HEADER_SIZE)])
def test_every_byte_of_a_record_belongs_to_exactly_one_field(fields: tuple[Field, ...], size: int) -> None:
    covered = [byte for field in fields for byte in range(field.offset, field.offset + field.size)]
    assert covered == list(range(size))


def by_name(record: bytes, fields: tuple[Field, ...]) -> dict[str, dict[str, Any]]:
    return {field["name"]: field for field in read_fields(record, fields)}


@given(boot_configs())
def test_a_config_reads_field_by_field_as_it_was_packed(config: BootConfig) -> None:
    fields = by_name(pack_config(config), CONFIG_FIELDS)
    for name in ("sequencer", "active_slot", "flags", "commit_timeout_s"):
        assert fields[name]["value"] == getattr(config, name)
    assert fields["revert_slot"]["value"] == (0xFF if config.revert_slot is None else config.revert_slot)
    for index, slot in enumerate(config.slots):
        for name in ("app_length", "load_address", "app_crc", "app_version", "fs_offset", "fs_length", "fs_crc"):
            assert fields[f"slots[{index}].{name}"]["value"] == getattr(slot, name)
    assert fields["crc"]["meaning"] == "matches the record"
    assert ("committed" in fields["flags"]["meaning"].split(", ")) == config.committed
    assert ("first boot" in fields["flags"]["meaning"].split(", ")) == config.first_boot
    assert ("merge filesystem" in fields["flags"]["meaning"].split(", ")) == config.merge_fs


@given(st.builds(ImageHeader, *[st.integers(0, 0xFFFF_FFFF)] * 4, st.binary(min_size=32, max_size=32)))
def test_a_header_reads_field_by_field_as_it_was_packed(header: ImageHeader) -> None:
    fields = by_name(pack_header(header), HEADER_FIELDS)
    for name in ("app_length", "load_address", "app_version", "app_crc"):
        assert fields[name]["value"] == getattr(header, name)
    assert fields["app_sha256"]["value"] == header.app_sha256.hex()
    assert fields["signature_scheme"]["meaning"] == "none"


def test_a_record_with_one_bit_wrong_says_what_its_crc_should_be() -> None:
    record = bytearray(pack_header(ImageHeader(9, 0, 1, 2, bytes(32))))
    record[8] ^= 1
    assert by_name(bytes(record), HEADER_FIELDS)["crc"]["meaning"].startswith("does not match: computed 0x")


@pytest.mark.parametrize(
    ("offset", "value", "name", "meaning"),
    [
        (12, 7, "active_slot", "there is no such slot"),
        (13, 0xFF, "revert_slot", "nothing to go back to"),
        (13, 1, "revert_slot", "go back to slot 1"),
        (14, 0, "flags", "entered, not committed"),
        (14, 0x11, "flags", "committed, bits 0x10 mean nothing"),
        (16, 0, "commit_timeout_s", "no commit timer"),
        (80, 0x33, "padding", "not FF: not looked at"),
    ],
)
def test_values_are_put_into_words(offset: int, value: int, name: str, meaning: str) -> None:
    record = bytearray(b"\xff" * RECORD_SIZE)
    record[14:20] = bytes(6)
    record[offset] = value
    assert by_name(bytes(record), CONFIG_FIELDS)[name]["meaning"] == meaning


def test_a_version_number_reads_as_its_parts() -> None:
    assert version_text(0x0102_0003) == "version 1.2.3"
    assert version_text(0) == "not known"
