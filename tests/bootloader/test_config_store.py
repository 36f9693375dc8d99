"""Two copies on flash: which one is written, what is refused before flash is touched, what a fault costs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bootloader.config import INITIAL_SEQUENCER, RECORD_SIZE, SlotConfig, pack_config
from bootloader.config_store import UPDATE_RESERVE, ConfigStore
from bootloader.errors import ConfigNotWritten, SequencerExhausted
from flash.device import FlashDevice
from flash.errors import EccFault
from flash.partition import Partition
from tests.bootloader.workbench import PARTS, DeafFlash, committed, copies_on, first_boot, make_device, restart

ECC_PARTS = [part for part in PARTS if make_device(part).part.kind == "mcu-ecc"]
MIRRORED_PARTS = [part for part in PARTS if make_device(part).geometry.erased == 0x00]
every_part = pytest.mark.parametrize("part", PARTS)


def bench(part: str) -> tuple[FlashDevice, tuple[Partition, Partition], ConfigStore]:
    device = make_device(part)
    copies = copies_on(device)
    return device, copies, ConfigStore(copies)


def load(device: FlashDevice, copy: Partition, record: bytes) -> None:
    """Factory programming of one copy, complemented where the part asks for it."""
    mask = device.geometry.erased ^ 0xFF
    device.load(copy.address, bytes(byte ^ mask for byte in record))


def touched(device: FlashDevice, copies: tuple[Partition, Partition]) -> set[int]:
    """Indexes of the copies the journal's operations lie in; an operation outside both fails."""
    found = set()
    for op in device.journal.operations():
        end = op.address + op.length
        inside = [i for i, copy in enumerate(copies) if copy.address <= op.address and end <= copy.address + copy.size]
        assert len(inside) == 1, f"{op.kind} of [{op.address:#x}, +{op.length:#x}) is not inside one config copy"
        found.update(inside)
    return found


def test_the_bundled_parts_cover_plain_ecc_and_mirrored_arrays() -> None:
    assert "W25Q128JV" in PARTS
    assert "STM32L476" in ECC_PARTS
    assert "STM32L072" in MIRRORED_PARTS


# -- what is written, and where --------------------------------------------------------------------------


@every_part
def test_a_blank_device_has_no_config_and_every_record_left(part: str) -> None:
    _, _, store = bench(part)
    configs = store.read()
    assert (configs.newest, configs.why, [c.reason for c in configs.copies]) == (None, "none", ["erased", "erased"])
    assert store.remaining_writes() == INITIAL_SEQUENCER + 1


@every_part
def test_a_write_comes_back_numbered_and_reads_back(part: str) -> None:
    _, _, store = bench(part)
    wanted = first_boot(1, SlotConfig(1, 2, 3, 4, 5, 6, 7))
    for step in range(4):
        written = store.write(replace(wanted, commit_timeout_s=step, sequencer=12345))
        assert written == replace(wanted, commit_timeout_s=step, sequencer=INITIAL_SEQUENCER - step)
        assert store.read().config == written
        assert store.remaining_writes() == written.sequencer


@every_part
def test_a_write_erases_then_programs_the_other_copy_and_nothing_else(part: str) -> None:
    device, copies, store = bench(part)
    for step in range(6):
        configs = store.read()
        newest = None if configs.newest is None else copies[configs.newest].read(0, RECORD_SIZE)
        restart(device)
        store.write(committed(step % 2))
        assert touched(device, copies) == {step % 2}
        first, *programs = device.journal.operations()
        assert (first.kind, first.length) == ("erase", device.geometry.sector_at(copies[step % 2].address).size)
        assert [op.kind for op in programs] == ["program"] * len(programs)
        assert sum(op.length for op in programs) == RECORD_SIZE
        if configs.newest is not None:
            assert configs.newest != step % 2
            assert copies[configs.newest].read(0, RECORD_SIZE) == newest


@every_part
def test_a_record_takes_one_program_where_a_burst_holds_it(part: str) -> None:
    device, _, store = bench(part)
    store.write(committed())
    programs = [op for op in device.journal.operations() if op.kind == "program"]
    assert len(programs) == -(-RECORD_SIZE // device.geometry.burst_size)


@every_part
@pytest.mark.parametrize("newest", [0, 1])
def test_the_newest_copy_is_spared_whichever_it_is_and_whatever_the_other_holds(part: str, newest: int) -> None:
    for other in (b"", b"\x00" * RECORD_SIZE, pack_config(committed(sequencer=500)), pack_config(committed())[:60]):
        device, copies, store = bench(part)
        load(device, copies[newest], pack_config(committed(1, sequencer=400)))
        load(device, copies[1 - newest], other.ljust(RECORD_SIZE, b"\xff"))
        assert store.write(committed()).sequencer == 399
        assert touched(device, copies) == {1 - newest}
        assert store.read().newest == 1 - newest


@every_part
def test_a_tie_counts_as_copy_0_and_the_next_write_ends_it(part: str) -> None:
    device, copies, store = bench(part)
    for index, copy in enumerate(copies):
        load(device, copy, pack_config(committed(index, sequencer=77)))
    assert (store.read().why, store.read().newest) == ("tie", 0)
    store.write(committed(1))
    assert (store.read().why, store.read().newest) == ("smaller sequencer", 1)


# -- what is refused -------------------------------------------------------------------------------------


@every_part
@pytest.mark.parametrize("newest", [0, 1])
def test_an_exhausted_sequencer_is_refused_before_any_flash_operation(part: str, newest: int) -> None:
    device, copies, store = bench(part)
    load(device, copies[newest], pack_config(committed(sequencer=0)))
    load(device, copies[1 - newest], pack_config(committed(sequencer=1)))
    before = device.snapshot()
    with pytest.raises(SequencerExhausted, match="used up"):
        store.write(committed(1))
    assert device.journal.entries == []
    assert device.snapshot().same(before)
    assert store.remaining_writes() == 0
    assert store.read().config == committed(sequencer=0)


def test_the_reserve_is_enough_for_one_update_to_its_end() -> None:
    device, copies, store = bench("W25Q128JV")
    load(device, copies[0], pack_config(committed(sequencer=UPDATE_RESERVE)))
    for left in range(UPDATE_RESERVE, 0, -1):
        assert store.remaining_writes() == left
        store.write(committed())
    assert store.remaining_writes() == 0
    with pytest.raises(SequencerExhausted):
        store.write(committed())


@every_part
def test_a_sector_that_does_not_take_the_record_is_reported_and_the_newest_still_counts(part: str) -> None:
    _, (first, second), healthy = bench(part)
    kept = healthy.write(committed(0))
    worn = ConfigStore((first, DeafFlash(second)))
    with pytest.raises(ConfigNotWritten, match=r"config copy 1 does not read back \(erased\); the other copy"):
        worn.write(committed(1))
    assert worn.read().config == kept
    with pytest.raises(ConfigNotWritten, match="config copy 1"):
        worn.write(committed(1))
    assert healthy.read().config == kept


@every_part
def test_a_copy_outside_the_record_may_hold_anything(part: str) -> None:
    _, copies, store = bench(part)
    if copies[0].size == RECORD_SIZE:
        assert copies[0].geometry.sector_count == 1
        return
    copies[0].program(copies[0].size - copies[0].geometry.burst_size, bytes(copies[0].geometry.burst_size))
    assert store.read().copies[0].reason == "erased"


# -- parts that are unlike serial NOR --------------------------------------------------------------------


@pytest.mark.parametrize("part", ECC_PARTS)
@pytest.mark.parametrize("granule", ["first", "last"])
def test_a_copy_with_an_uncorrectable_granule_does_not_count(part: str, granule: str) -> None:
    device, copies, store = bench(part)
    older = store.write(committed(0))
    newer = store.write(committed(1))
    assert store.read().config == newer
    unit = device.geometry.unit
    offset = 0 if granule == "first" else RECORD_SIZE - unit
    device.cells.mark_broken(copies[1].address + offset, unit)
    assert device.part.ecc is not None
    if device.part.ecc.fault == "flag":  # the part lets wrong bits through: the CRC has to notice
        reason = "CRC" if granule == "last" else "magic"
    else:
        reason = "uncorrectable ECC error"
        with pytest.raises(EccFault):
            copies[1].read(0, RECORD_SIZE)
    configs = store.read()
    assert (configs.config, configs.why) == (older, "only")
    assert reason in configs.copies[1].reason
    again = store.write(newer)
    assert again.sequencer == older.sequencer - 1
    assert store.read().newest == 1


@pytest.mark.parametrize("part", ECC_PARTS)
def test_both_copies_uncorrectable_is_no_config_and_can_be_written_again(part: str) -> None:
    device, copies, store = bench(part)
    store.write(committed(0))
    store.write(committed(0))
    for copy in copies:
        device.cells.mark_broken(copy.address, device.geometry.unit)
    assert (store.read().config, store.read().why) == (None, "none")
    assert store.write(committed(1)).sequencer == INITIAL_SEQUENCER
    assert store.read().newest == 0


@pytest.mark.parametrize("part", MIRRORED_PARTS)
def test_where_erased_reads_00_the_bytes_on_flash_are_the_complement(part: str) -> None:
    _, copies, store = bench(part)
    record = pack_config(store.write(first_boot(1)))
    assert copies[0].read(0, RECORD_SIZE) == bytes(byte ^ 0xFF for byte in record)
    assert copies[1].read(0, RECORD_SIZE) == bytes(RECORD_SIZE)


@pytest.mark.parametrize("part", [part for part in PARTS if part not in MIRRORED_PARTS])
def test_where_erased_reads_ff_the_bytes_on_flash_are_the_record(part: str) -> None:
    _, copies, store = bench(part)
    record = pack_config(store.write(first_boot(1)))
    assert copies[0].read(0, RECORD_SIZE) == record
    assert copies[1].read(0, RECORD_SIZE) == b"\xff" * RECORD_SIZE
