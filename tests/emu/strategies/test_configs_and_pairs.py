"""Drawn records count, are outdated, or are torn, as their strategy says; pairs hold what their writes left."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bootloader.config import INITIAL_SEQUENCER, MAGIC, RECORD_SIZE, BootConfig, newest_of, pack_config, read_config
from bootloader.config_store import ConfigStore
from emu.strategies import (
    KINDS,
    ConfigPair,
    boot_configs,
    config_pairs,
    copies_on,
    parts,
    stale_boot_configs,
    torn_boot_configs,
)
from flash.part import bundled_part
from tests.emu.strategies.shrinking import every_kind, quick, smallest

# -- records ---------------------------------------------------------------------------------------------


@given(boot_configs(min_sequencer=5, max_sequencer=9))
def test_sequencers_stay_in_the_range_that_was_asked_for(config: BootConfig) -> None:
    assert 5 <= config.sequencer <= 9


def test_a_config_shrinks_to_one_that_says_nothing() -> None:
    config = smallest(boot_configs())
    assert (config.sequencer, config.active_slot, config.revert_slot, config.flags) == (INITIAL_SEQUENCER, 0, None, 0)
    assert smallest(boot_configs(), lambda c: c.revert_slot == 0).active_slot == 1


@given(boot_configs(max_sequencer=INITIAL_SEQUENCER - 1), st.data(), st.booleans())
def test_a_stale_record_is_valid_and_loses_on_either_copy(newest: BootConfig, data: st.DataObject, first: bool) -> None:
    stale = read_config(pack_config(data.draw(stale_boot_configs(newest))))
    winner = read_config(pack_config(newest))
    assert stale.config is not None
    assert newest_of(*(stale, winner) if first else (winner, stale)).config == newest


def test_nothing_is_staler_than_the_oldest() -> None:
    oldest = smallest(boot_configs())
    with pytest.raises(ValueError, match=r"nothing is older than sequencer fffffffe; draw newest with boot_configs"):
        stale_boot_configs(oldest)
    with pytest.raises(ValueError, match="sequencers 0x0 to 0xffffffff: give a range inside 0 to fffffffe"):
        boot_configs(max_sequencer=0xFFFF_FFFF)


@pytest.mark.parametrize("kind", [*KINDS, None])
@quick
@given(data=st.data())
def test_no_torn_record_is_taken_for_one(kind: Any, data: st.DataObject) -> None:
    part = None if kind is None else data.draw(parts(kinds=[kind], smallest_sector=128))
    record = data.draw(torn_boot_configs(part))
    assert len(record) == RECORD_SIZE
    assert read_config(record).config is None
    assert set(record) != {0xFF}


@pytest.mark.parametrize("reason", ["no magic", "CRC mismatch"])
def test_torn_records_are_refused_for_more_than_one_reason(reason: str) -> None:
    smallest(torn_boot_configs(), lambda record: read_config(record).reason.startswith(reason))


def test_a_reader_that_checks_no_crc_is_shown_the_plainest_torn_record() -> None:
    """A planted bug: the magic is all that is looked at."""
    record = smallest(torn_boot_configs(), lambda record: record[:4] == MAGIC)
    whole = pack_config(smallest(boot_configs()))
    at = next(n for n in range(RECORD_SIZE) if record[n] != whole[n])
    assert record[:at] == whole[:at]
    assert set(record[at:]) == {0xFF}


# -- pairs -----------------------------------------------------------------------------------------------


@every_kind
@quick
@given(data=st.data())
def test_what_counts_is_the_last_completed_write_or_one_in_flight(kind: Any, data: st.DataObject) -> None:
    pair = data.draw(config_pairs(data.draw(parts(kinds=[kind], smallest_sector=128))))
    store = ConfigStore(copies_on(pair.device()))
    assert store.read().config in pair.possible
    assert [None if r is None else read_config(r).config for r in pair.records()] == [
        copy.config for copy in store.read().copies
    ]


def newest_of_records(pair: ConfigPair) -> BootConfig | None:
    found = [read_config(record).config for record in pair.records() if record is not None]
    return max(filter(None, found), key=lambda config: -config.sequencer, default=None)


def test_a_planted_bug_shrinks_to_the_writes_it_takes() -> None:
    """The bug: of two valid copies, the larger sequencer is taken for the newer one."""

    def taken(pair: ConfigPair) -> BootConfig | None:
        found = [read_config(record).config for record in pair.records() if record is not None]
        return max(filter(None, found), key=lambda config: config.sequencer, default=None)

    pair = smallest(config_pairs(), lambda pair: taken(pair) not in pair.possible)
    assert newest_of_records(pair) in pair.possible
    assert (pair.factory, [write.cut for write in pair.writes]) == (None, [None, None])
    assert (pair.part.kind, pair.part.size) == ("spi-nor", 512)


def test_pairs_reach_what_makes_them_worth_drawing() -> None:
    def wins(pair: ConfigPair) -> bool:
        return len(pair.possible) == 3 and newest_of_records(pair) == pair.possible[1] != pair.possible[0]

    torn_twice = smallest(config_pairs(), wins)
    assert all(write.cut is not None for write in torn_twice.writes)
    faulty = smallest(config_pairs(), lambda pair: None in pair.records())
    assert faulty.part.kind == "mcu-ecc"
    assert None in smallest(config_pairs()).possible


def test_every_device_of_a_pair_is_its_own() -> None:
    pair = smallest(config_pairs(), lambda pair: pair.writes)
    one, other = pair.device(), pair.device()
    one.erase(0, pair.part.sectors[0].size)
    assert not other.snapshot().same(one.snapshot())
    assert other.snapshot().same(pair.snapshot)
    assert not other.journal.entries


@pytest.mark.parametrize("name", ["STM32L072", "W25Q128JV", "STM32F405"])
@settings(quick, max_examples=10)
@given(data=st.data())
def test_pairs_stand_on_real_parts(name: str, data: st.DataObject) -> None:
    pair = data.draw(config_pairs(bundled_part(name), max_writes=2))
    assert ConfigStore(copies_on(pair.device())).read().config in pair.possible


@pytest.mark.parametrize("strategy", [config_pairs, torn_boot_configs])
def test_a_part_that_cannot_hold_two_records_is_named(strategy: Any) -> None:
    part = smallest(parts())
    with pytest.raises(ValueError, match="drawn-spi-nor: two sectors of 128 bytes or more must come first"):
        smallest(strategy(part))
