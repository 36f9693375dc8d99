"""The boot config record: bytes that come back whole or not at all, and which of two copies counts."""

from __future__ import annotations

import itertools
import zlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootloader.config import (
    ERASED_SEQUENCER,
    INITIAL_SEQUENCER,
    RECORD_SIZE,
    BootConfig,
    CopyReading,
    SlotConfig,
    newest_of,
    pack_config,
    read_config,
)
from emu.strategies import boot_configs
from tests.bootloader.workbench import committed, first_boot

SAMPLE = first_boot(1, SlotConfig(1, 2, 3, 4, 5, 6, 7), SlotConfig(8, 9, 10, 11, 12, 13, 14))
ERASED = read_config(b"\xff" * RECORD_SIZE)


def resealed(record: bytes, offset: int, value: bytes) -> bytes:
    """The record with other bytes at ``offset``, under a CRC that covers them."""
    body = record[:offset] + value + record[offset + len(value) : -4]
    return body + zlib.crc32(body).to_bytes(4, "little")


def reading(sequencer: int) -> CopyReading:
    return read_config(pack_config(committed(sequencer=sequencer)))


# -- one record ------------------------------------------------------------------------------------------


@given(boot_configs())
def test_a_record_reads_back_as_the_config_it_was_made_from(config: BootConfig) -> None:
    record = pack_config(config)
    assert len(record) == RECORD_SIZE
    assert read_config(record) == CopyReading(config, "valid")


@given(boot_configs(), boot_configs())
def test_two_configs_share_a_record_only_when_they_are_equal(one: BootConfig, other: BootConfig) -> None:
    assert (pack_config(one) == pack_config(other)) == (one == other)


@pytest.mark.parametrize("config", [SAMPLE, committed()], ids=["first-boot", "factory"])
def test_every_single_bit_flip_is_refused(config: BootConfig) -> None:
    record = pack_config(config)
    for bit in range(RECORD_SIZE * 8):
        flipped = bytearray(record)
        flipped[bit // 8] ^= 1 << bit % 8
        found = read_config(bytes(flipped))
        assert found.config is None, f"bit {bit} flipped and the record was taken"
        assert found.reason.startswith("no magic" if bit < 32 else "CRC mismatch"), f"bit {bit}: {found.reason}"


@given(boot_configs())
def test_every_prefix_of_a_write_over_erased_is_refused_or_the_whole_record(config: BootConfig) -> None:
    record = pack_config(config)
    for length in range(RECORD_SIZE):
        torn = record[:length].ljust(RECORD_SIZE, b"\xff")
        assert read_config(torn).config == (config if torn == record else None), f"after {length} bytes"


@given(st.binary(min_size=RECORD_SIZE, max_size=RECORD_SIZE))
def test_reading_never_raises_and_always_says_why(content: bytes) -> None:
    found = read_config(content)
    assert found.reason
    assert (found.config is not None) == (found.reason == "valid")


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (b"\xff" * RECORD_SIZE, "erased"),
        (bytes(RECORD_SIZE), "no magic (reads 00000000)"),
        (b"ABCD" + pack_config(SAMPLE)[4:], "no magic (reads 41424344)"),
        (resealed(pack_config(SAMPLE), 4, b"\x02\x00"), "version 2, this bootloader reads 1"),
        (resealed(pack_config(SAMPLE), 8, b"\xff" * 4), "sequencer ffffffff is never written"),
        (resealed(pack_config(SAMPLE), 12, b"\x02"), "active slot 2 does not exist"),
        (resealed(pack_config(SAMPLE), 12, b"\xff"), "active slot 255 does not exist"),
        (resealed(pack_config(SAMPLE), 13, b"\x02"), "revert slot 2 does not exist"),
    ],
)
def test_the_reason_names_what_is_wrong(record: bytes, reason: str) -> None:
    assert read_config(record) == CopyReading(None, reason)


def test_a_crc_mismatch_gives_both_values() -> None:
    record = pack_config(SAMPLE)
    stored = int.from_bytes(record[-4:], "little")
    broken = record[:50] + bytes([record[50] ^ 1]) + record[51:]
    computed = zlib.crc32(broken[:-4])
    assert read_config(broken).reason == f"CRC mismatch (stored {stored:08x}, computed {computed:08x})"


def test_with_slot_replaces_one_slot() -> None:
    other = SlotConfig(app_length=99)
    assert SAMPLE.with_slot(0, other).slots == (other, SAMPLE.slots[1])
    assert SAMPLE.with_slot(1, other).slots == (SAMPLE.slots[0], other)
    assert replace(SAMPLE.with_slot(1, other), slots=SAMPLE.slots) == SAMPLE


# -- two copies ------------------------------------------------------------------------------------------

BAD = CopyReading(None, "CRC mismatch (stored 00000000, computed 00000001)")


@pytest.mark.parametrize(
    ("first", "second", "newest", "why", "write_to"),
    [
        (reading(7), reading(8), 0, "smaller sequencer", 1),
        (reading(8), reading(7), 1, "smaller sequencer", 0),
        (reading(7), reading(7), 0, "tie", 1),
        (reading(7), BAD, 0, "only", 1),
        (BAD, reading(7), 1, "only", 0),
        (reading(INITIAL_SEQUENCER), ERASED, 0, "only", 1),
        (ERASED, reading(INITIAL_SEQUENCER), 1, "only", 0),
        (reading(INITIAL_SEQUENCER), reading(0), 1, "smaller sequencer", 0),
        (reading(0), reading(1), 0, "smaller sequencer", 1),
        (reading(0), ERASED, 0, "only", 1),
        (BAD, BAD, None, "none", 0),
        (ERASED, ERASED, None, "none", 0),
        (ERASED, BAD, None, "none", 0),
    ],
)
def test_newest_of_truth_table(
    first: CopyReading, second: CopyReading, newest: int | None, why: str, write_to: int
) -> None:
    found = newest_of(first, second)
    assert (found.copies, found.newest, found.why) == ((first, second), newest, why)
    assert found.write_to == write_to
    assert found.config == (None if newest is None else (first, second)[newest].config)


def test_erased_flash_is_older_than_the_first_record_ever_written() -> None:
    fields = b"\xff" * RECORD_SIZE
    assert int.from_bytes(fields[8:12], "little") == ERASED_SEQUENCER > INITIAL_SEQUENCER
    assert ERASED.config is None


@given(*itertools.repeat(st.one_of(st.none(), boot_configs()), 2))
def test_the_newest_is_valid_the_smallest_and_never_written_to(one: BootConfig | None, two: BootConfig | None) -> None:
    copies = [CopyReading(None, "bad") if c is None else CopyReading(c, "valid") for c in (one, two)]
    found = newest_of(copies[0], copies[1])
    valid = [c for c in (one, two) if c is not None]
    assert (found.config is None) == (not valid)
    if found.config is not None:
        assert found.config.sequencer == min(c.sequencer for c in valid)
        assert found.write_to != found.newest
