"""Throughput: the cheapest list is a lower bound by the same timing, on every board."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from emu.board import load_board
from emu.throughput import cheapest_us, measure
from emu.update_rig import ImagePair, UpdateRig
from flash.draws import uniforms
from flash.timing import TimingMode
from tests.emu.helpers import BOARDS, NEW_APP, OLD_APP, board_with
from updater.bundle import Firmware, make_bundle

SIZE = 5000
IMAGES = ImagePair(*((uniforms(seed, 0, SIZE) * 254 + 1).astype("uint8").tobytes() for seed in (1, 2)))


def rig(board: str, timing: TimingMode, seed: int = 0, images: ImagePair = IMAGES) -> UpdateRig:
    return UpdateRig(load_board(board), images, timing=timing, seed=seed, traced=False)


@pytest.mark.parametrize("timing", get_args(TimingMode))
@pytest.mark.parametrize("board", BOARDS)
def test_nothing_is_faster_than_the_cheapest_list(board: str, timing: TimingMode) -> None:
    for seed in (0, 1, 2) if timing == "sampled" else (0,):
        row = measure(rig(board, timing, seed), 1024, 0)
        assert row.share <= 1
        assert row.cheapest_us <= row.total_us - row.link_us - row.finish_us


@pytest.mark.parametrize("timing", get_args(TimingMode))
def test_where_one_erase_size_is_offered_the_update_is_the_cheapest_list(timing: TimingMode) -> None:
    """Nothing to choose: erases and programs are the same, so only the rounding of read-backs is left."""
    row = measure(rig("stm32f103", timing, 5), 1024, 0)
    assert row.cheapest_us == pytest.approx(row.erase_us + row.program_us + row.read_us, rel=0.001)


def test_the_cheapest_list_follows_the_timing_and_the_seed() -> None:
    typical, longest = (cheapest_us(rig("demo", timing)) for timing in ("typ", "max"))
    assert longest > typical
    assert len({cheapest_us(rig("demo", "sampled", seed)) for seed in range(3)}) == 3
    assert cheapest_us(rig("demo", "typ", 1)) == typical


@pytest.mark.parametrize("link", [0, 20_000])
def test_the_parts_of_the_time_are_all_of_it(link: int) -> None:
    row = measure(rig("demo", "typ"), 512, link)
    assert row.total_us == row.link_us + row.erase_us + row.program_us + row.read_us + row.finish_us
    assert row.finish_us > 0
    assert row.device_kib_per_s == pytest.approx(SIZE / 1024 * 1e6 / row.total_us)
    assert (row.link_us > 0) == (link > 0)
    assert row.limit == ("link" if link else "erase")


def test_a_link_changes_neither_the_share_nor_the_flash() -> None:
    near, far = (measure(rig("demo", "typ"), 512, link) for link in (0, 1000))
    assert near.share == far.share
    assert replace(far, total_us=near.total_us, link_us=0, host_s=near.host_s) == near


def test_a_filesystem_counts_on_both_sides() -> None:
    board = board_with("demo", layout={"fs_size": 0x4000})
    bundle = make_bundle(Firmware("demo", "demo", "2.0.0", "build", NEW_APP, fs=b"\x5a" * 9000))
    images = ImagePair(OLD_APP, NEW_APP, bundle=bundle, new_fs=b"\x5a" * 9000)
    row = measure(UpdateRig(board, images, traced=False), 1024, 0)
    assert row.size == len(NEW_APP) + 9000
    assert 0.95 <= row.share <= 1
