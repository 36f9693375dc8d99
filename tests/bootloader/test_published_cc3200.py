"""CC3200: the config byte for byte, and which of two counts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bootloader.published.cc3200 import (
    FIRST_BOOT,
    INITIAL_SEQ,
    INVALID,
    SIZE,
    TOMBSTONE_SEQ,
    Cc3200Config,
    chosen,
    initial_config,
    pack_cc3200,
    parse_cc3200,
)

INITIAL = initial_config(b"demo.bin.0", 0x2000_0000, b"spiffs.img.0")
ERASED = b"\xff" * SIZE


def test_the_initial_config_is_the_published_one() -> None:
    raw = pack_cc3200(INITIAL)
    assert raw[:16].hex() == "feffffffffffffff0000000064656d6f"
    assert raw[64:68].hex() == "00000020"
    assert (raw[68:80], raw[118:]) == (b"spiffs.img.0", bytes(SIZE - 118))
    assert len(raw) == SIZE


def test_a_config_is_read_as_it_was_written() -> None:
    config = Cc3200Config(7, FIRST_BOOT, b"x" * 50, 0xFFFF_FFFF, b"\xff" * 50)
    assert parse_cc3200(pack_cc3200(config)) == config
    assert parse_cc3200(pack_cc3200(INITIAL)) == INITIAL


def test_a_name_of_more_than_fifty_bytes_is_refused() -> None:
    with pytest.raises(ValueError, match="has 51 bytes; a config holds 50"):
        pack_cc3200(replace(INITIAL, app_image_file=b"x" * 51))


@pytest.mark.parametrize("raw", [None, b"", b"\xfe" * 119, bytes(SIZE)])
def test_what_cannot_be_read_counts_as_sequencer_zero(raw: bytes | None) -> None:
    assert parse_cc3200(raw) is None


def test_erased_flash_is_a_config_and_the_oldest() -> None:
    erased = parse_cc3200(ERASED)
    assert erased is not None
    assert (erased.seq, bool(erased.flags & INVALID), erased.is_first_boot) == (TOMBSTONE_SEQ, True, True)
    assert chosen(erased, INITIAL) == 1
    assert chosen(INITIAL, erased) == 0


def test_one_byte_of_a_torn_config_is_enough_to_be_the_newest() -> None:
    newer = pack_cc3200(replace(INITIAL, seq=INITIAL_SEQ - 1))
    torn = parse_cc3200(newer[:1] + ERASED[1:])
    assert torn is not None
    assert (torn.seq, torn.app_image_file) == (INITIAL_SEQ - 1, b"\xff" * 50)
    assert chosen(INITIAL, torn) == 1


@pytest.mark.parametrize(
    ("first", "second", "index"),
    [(5, 4, 1), (4, 5, 0), (4, 4, 1), (None, 9, 1), (9, None, 0), (None, None, None), (TOMBSTONE_SEQ, 9, 1)],
)
def test_the_smaller_sequencer_counts_and_a_tie_goes_to_the_second(
    first: int | None, second: int | None, index: int | None
) -> None:
    configs = [None if seq is None else replace(INITIAL, seq=seq) for seq in (first, second)]
    assert chosen(*configs) == index


def test_a_tombstone_is_the_same_config_but_older_than_anything() -> None:
    assert INITIAL.tombstone == replace(INITIAL, seq=TOMBSTONE_SEQ)
