"""One update without an interruption: its times follow what they are made of, its wear is that of the journal."""

from __future__ import annotations

import pytest

from emu.board import load_board
from emu.errors import ScenarioError
from emu.throughput import measure
from emu.uncut import Uncut, run_uncut
from emu.update_rig import ImagePair, UpdateRig
from flash.draws import uniforms
from tests.emu.helpers import BOARDS, board_with


def images(size: int) -> ImagePair:
    return ImagePair(*((uniforms(seed, 0, size) * 254 + 1).astype("uint8").tobytes() for seed in (1, 2)))


def uncut(board: str, size: int = 5000) -> Uncut:
    return run_uncut(UpdateRig(load_board(board), images(size), traced=False))


@pytest.mark.parametrize("board", BOARDS)
def test_an_update_writes_three_records_and_one_slot_on_every_board(board: str) -> None:
    found = uncut(board)
    layout = load_board(board).document.layout
    wear = {partition.name: partition for partition in found.partitions}
    assert [wear[name].erases for name in layout.configs] == [1, 2]
    assert wear[layout.slots[0]].erases == 0
    target = wear[layout.slots[1]]
    assert 0 < target.sectors == target.erases <= target.of_sectors
    assert target.worst_sector_erases == 1
    assert sum(sector.erases for sector in found.sectors) == sum(each.erases for each in found.partitions)
    assert {sector.partition for sector in found.sectors} == {*layout.configs, layout.slots[1]}


def test_an_erase_of_a_block_wears_every_sector_in_it() -> None:
    """W25Q128JV: blocks of 64 and 32 KiB, sectors of 4 KiB. The image and its header take 33 sectors."""
    found = uncut("w25q128jv-1m", 128 * 1024)
    slot = next(partition for partition in found.partitions if partition.name == "slot-b")
    assert (slot.sectors, slot.of_sectors, slot.rated_cycles) == (33, 256, 100_000)
    assert found.erase_operations == 2 + 1 + 3  # two blocks and a sector, three records
    assert [sector.address for sector in found.sectors][2:] == [0x110000 + 4096 * n for n in range(33)]


def test_a_boot_reads_the_whole_image_and_a_trial_boot_writes_a_record_too() -> None:
    small, large = uncut("demo", 5000), uncut("demo", 50_000)
    assert 5 < large.boot_us / small.boot_us < 10
    record_us = 45_000  # the erase of a config sector, typical
    assert record_us < small.trial_boot_us - small.boot_us < record_us + 2_000
    assert record_us < small.commit_call_us < record_us + 2_000


def test_time_to_commit_is_boot_self_test_and_the_call() -> None:
    for self_test_ms in (0, 500, 7000):
        board = board_with("demo", app={"self_test_ms": self_test_ms})
        found = run_uncut(UpdateRig(board, images(5000), traced=False))
        assert found.commit_us == found.trial_boot_us + self_test_ms * 1000 + found.commit_call_us


def test_the_slower_of_both_boots_is_the_boot() -> None:
    old, new = images(40_000).old, images(5000).new
    pairs = [ImagePair(old, new), ImagePair(new, old)]
    slow, fast = (run_uncut(UpdateRig(load_board("demo"), pair, traced=False)) for pair in pairs)
    assert slow.boot_us == fast.boot_us
    assert slow.trial_boot_us < fast.trial_boot_us


def test_stalls_are_the_erases_of_the_update() -> None:
    """All but the two records that are written after the restart."""
    board = load_board("demo")
    rig = UpdateRig(board, images(5000), traced=False)
    row, found = measure(rig, 512, 0), run_uncut(rig)
    assert row.stalls.total_us == (found.erase_operations - 2) * 45_000


def test_an_update_the_device_refuses_is_an_error_with_the_reason() -> None:
    board = board_with("demo", update={"sig_req_mask": 0})
    with pytest.raises(ScenarioError, match=r"not end with the new image committed: old image runs.*\(refused: "):
        run_uncut(UpdateRig(board, images(5000), traced=False))
