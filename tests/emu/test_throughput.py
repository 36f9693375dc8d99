"""Throughput: the cheapest list is a lower bound by the same timing, on every board; stalls, chunks, two buffers."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emu.board import load_board
from emu.throughput import Stalls, Throughput, cheapest_us, measure, stalls_of
from emu.update_rig import ImagePair, UpdateRig
from flash.draws import uniforms
from flash.journal import Operation, OperationKind
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
    same = replace(far, total_us=near.total_us, link_us=0, link_bytes_per_s=0, waits_us=near.waits_us)
    assert replace(same, host_s=near.host_s) == near


def test_a_filesystem_counts_on_both_sides() -> None:
    board = board_with("demo", layout={"fs_size": 0x4000})
    bundle = make_bundle(Firmware("demo", "demo", "2.0.0", "build", NEW_APP, fs=b"\x5a" * 9000))
    images = ImagePair(OLD_APP, NEW_APP, bundle=bundle, new_fs=b"\x5a" * 9000)
    row = measure(UpdateRig(board, images, traced=False), 1024, 0)
    assert row.size == len(NEW_APP) + 9000
    assert 0.95 <= row.share <= 1


# -- stalls and chunks ------------------------------------------------------------------------------------


def operation(kind: OperationKind, start_us: int, end_us: int) -> Operation:
    return Operation(kind, "nor", 0, 256, b"", start_us, end_us)


@pytest.mark.parametrize(
    ("operations", "stalls"),
    [
        ([], Stalls(0, 0, 0)),
        ([operation("program", 0, 9)], Stalls(0, 0, 0)),
        ([operation("erase", 0, 10), operation("erase", 10, 30)], Stalls(1, 30, 30)),
        ([operation("erase", 0, 10), operation("erase", 11, 30)], Stalls(2, 19, 29)),
        ([operation("erase", 0, 10), operation("program", 10, 11), operation("erase", 11, 30)], Stalls(2, 19, 29)),
    ],
)
def test_erases_without_a_pause_between_them_are_one_stall(operations: list[Operation], stalls: Stalls) -> None:
    assert stalls_of(operations) == stalls


def test_a_chunk_larger_than_all_is_the_whole_reception() -> None:
    row = measure(rig("demo", "typ"), 1 << 20, 0)
    assert len(row.chunks_us) == 1
    assert row.total_us - row.finish_us - 1000 < row.worst_chunk_us <= row.total_us - row.finish_us


@pytest.mark.parametrize("chunk_size", [64, 1000, 4096])
def test_work_on_chunks_and_waits_are_all_of_the_reception(chunk_size: int) -> None:
    row = measure(rig("demo", "typ"), chunk_size, 11_520)
    sizes = [wait_us * 11_520 / 1e6 for wait_us in row.waits_us]
    assert all(size == pytest.approx(chunk_size, abs=0.02) for size in sizes[:-1])
    assert sum(row.waits_us) == row.link_us
    begin_us = row.total_us - row.finish_us - row.link_us - sum(row.chunks_us)
    assert 0 <= begin_us < 1000  # both boot configs are read
    assert row.worst_chunk_us >= row.stalls.longest_us == 45_000


# -- two buffers ------------------------------------------------------------------------------------------


def played(waits_us: list[int], works_us: list[int]) -> int:
    """Microsecond by microsecond: a link that fills a free buffer, an updater that works on the oldest full one."""
    to_send, to_work = list(waits_us), list(works_us)
    free, full, now, arriving, working = 2, 0, 0, 0, 0
    while to_send or to_work or arriving or working:
        if not arriving and to_send and free:
            free, arriving = free - 1, to_send.pop(0)
        if not working and full:
            full, working = full - 1, to_work.pop(0)
        now += 1
        if arriving:
            arriving -= 1
            full += not arriving
        if working:
            working -= 1
            free += not working
    return now


@given(st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12)), min_size=1, max_size=8))
def test_two_buffers_are_as_fast_as_two_buffers_played(chunks: list[tuple[int, int]]) -> None:
    waits, works = map(list, zip(*chunks, strict=True))
    begin_us, finish_us = 5, 7
    row = Throughput(
        chunk_size=1, link_bytes_per_s=1, size=1, total_us=begin_us + sum(waits) + sum(works) + finish_us,
        link_us=sum(waits), erase_us=0, program_us=sum(works), read_us=begin_us, finish_us=finish_us, cheapest_us=1,
        waits_us=tuple(waits), chunks_us=tuple(works), stalls=Stalls(0, 0, 0), host_s=1.0,
    )  # fmt: skip
    assert row.two_buffers_us == begin_us + played(waits, works) + finish_us


def test_two_buffers_gain_nothing_where_the_link_is_no_limit_and_never_lose() -> None:
    assert (near := measure(rig("demo", "typ"), 512, 0)).two_buffers_us == near.total_us
    far = measure(rig("demo", "typ"), 512, 20_000)
    assert max(far.link_us, near.total_us) < far.two_buffers_us < far.total_us
