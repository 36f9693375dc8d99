"""Erase covers: the cheapest there is, found again by trying everything; and full updates on every bundled part."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flash.geometry import Geometry, SectorRun
from flash.part import bundled_part
from tests.updater.workbench import MIXED, MIXED_APP, NEW_FS, PARTS, K, Plan, make_bench, plan_of, unhurried, update
from updater import make_bundle
from updater.bundle import Firmware

NOISE = b"".join(hashlib.sha256(number.to_bytes(4)).digest() for number in range(6 * K))


class Range(NamedTuple):
    geometry: Geometry
    address: int
    length: int
    limit: int


SHAPES = (
    (SectorRun(24, 4),),
    (SectorRun(4, 4), SectorRun(2, 8), SectorRun(4, 16)),
    (SectorRun(3, 16), SectorRun(2, 8), SectorRun(8, 4)),
)


@st.composite
def ranges(draw: st.DrawFn) -> Range:
    """A small array with up to three block sizes, each a multiple of the one before, and a range on it."""
    runs = draw(st.sampled_from(SHAPES))
    size, largest = sum(run.count * run.size for run in runs), max(run.size for run in runs)
    blocks = tuple(sorted(draw(st.sets(st.sampled_from([largest * 2, largest * 4, largest * 8])))))
    sizes = sorted({run.size for run in runs} | set(blocks))
    times = draw(st.lists(st.integers(1, 40), min_size=len(sizes), max_size=len(sizes)))
    kept = draw(st.sampled_from([len(sizes), len(sizes), 0]))
    geometry = Geometry(size, 1, 4, 4, runs, blocks, tuple(zip(sizes, times, strict=True))[:kept])
    address = draw(st.integers(0, size - 1))
    length = draw(st.integers(1, size - address))
    boundaries = [s.end for s in geometry.sectors_in(0, size) if s.end >= address + length]
    return Range(geometry, address, length, draw(st.sampled_from(boundaries)))


def cost_of(geometry: Geometry, cover: list[tuple[int, int]]) -> int:
    times = dict(geometry.erase_times_us)
    return sum(times.get(size, size) for _, size in cover)


def cheapest(asked: Range) -> int:
    """The least cost over every set of legal erases inside the bounds that covers the range; overlaps allowed."""
    geometry, start, end = asked.geometry, asked.geometry.sector_at(asked.address).address, asked.address + asked.length

    def units_over(at: int) -> Iterator[tuple[int, int]]:
        for sector in geometry.sectors_in(start, asked.limit - start):
            for size in geometry.erase_sizes_at(sector.address):
                if sector.address <= at < sector.address + size <= asked.limit:
                    yield sector.address, size

    @cache
    def from_here(at: int) -> int:
        if at >= end:
            return 0
        return min(cost_of(geometry, [unit]) + from_here(sum(unit)) for unit in units_over(at))

    return from_here(start)


@settings(unhurried, max_examples=400)
@given(ranges())
def test_no_set_of_legal_erases_is_cheaper(asked: Range) -> None:
    cover = asked.geometry.erase_cover(asked.address, asked.length, asked.limit)
    assert cost_of(asked.geometry, cover) == cheapest(asked)


@unhurried
@given(ranges())
def test_a_cover_is_legal_in_order_and_without_overlap(asked: Range) -> None:
    cover = asked.geometry.erase_cover(asked.address, asked.length, asked.limit)
    assert all(asked.geometry.is_erase(*piece) for piece in cover)
    assert all(sum(first) <= second[0] for first, second in pairwise(cover))


@unhurried
@given(ranges())
def test_a_cover_covers_and_stays_between_its_first_sector_and_the_limit(asked: Range) -> None:
    geometry = asked.geometry
    cover = geometry.erase_cover(asked.address, asked.length, asked.limit)
    erased = {byte for at, size in cover for byte in range(at, at + size)}
    assert set(range(asked.address, asked.address + asked.length)) <= erased
    assert min(erased) == geometry.sector_at(asked.address).address
    assert max(erased) < asked.limit


@pytest.mark.parametrize("part", PARTS)
@settings(unhurried, max_examples=30)
@given(st.data())
def test_a_window_of_a_real_part_never_asks_for_what_the_part_cannot_do(part: str, data: st.DataObject) -> None:
    geometry = bundled_part(part).geometry
    sectors = list(geometry.sectors_in(0, min(geometry.size, 1 << 20)))
    low = data.draw(st.integers(0, min(len(sectors), 64) - 1))
    high = data.draw(st.integers(low, min(len(sectors), low + 80) - 1))
    base, size = sectors[low].address, sectors[high].end - sectors[low].address
    window = geometry.window(base, size)
    address = data.draw(st.integers(0, size - 1))
    length = data.draw(st.integers(1, size - address))
    for at, piece in window.erase_cover(address, length, size):
        assert geometry.is_erase(base + at, piece)
        assert 0 <= at <= at + piece <= size


def test_a_tie_goes_to_the_smaller_erases() -> None:
    even = Geometry(16, 1, 4, 4, (SectorRun(4, 4),), (8, 16), ((4, 10), (8, 20), (16, 40)))
    assert even.erase_cover(0, 16, 16) == [(0, 4), (4, 4), (8, 4), (12, 4)]
    cheaper = replace(even, erase_times_us=((4, 10), (8, 20), (16, 39)))
    assert cheaper.erase_cover(0, 16, 16) == [(0, 16)]


def test_a_block_is_worth_it_when_only_part_of_it_is_needed() -> None:
    geometry = Geometry(16, 1, 4, 4, (SectorRun(4, 4),), (16,), ((4, 10), (16, 15)))
    assert geometry.erase_cover(0, 5, 16) == [(0, 16)]
    assert geometry.erase_cover(0, 5, 12) == [(0, 4), (4, 4)]
    assert geometry.erase_cover(4, 8, 16) == [(4, 4), (8, 4)]


# -- seen from an update ---------------------------------------------------------------------------------


def slot_erases(part: str, plan: Plan, app: bytes) -> list[tuple[int, int]]:
    """The erases in slot 1, as offsets, of an update to ``app`` and a small filesystem."""
    bench = make_bench(part, plan=plan)
    context = update(bench, make_bundle(Firmware("demo", "bench", "2", "b", app, 0, NEW_FS)))
    assert (context.result, bench.misuses) == (1, [])
    first, size = plan.slots[1]
    return [
        (o.address - first, o.length) for o in bench.operations if o.kind == "erase" and 0 <= o.address - first < size
    ]


def test_mixed_sectors_are_erased_each_by_its_own_command() -> None:
    assert slot_erases("STM32F405", MIXED, NOISE[: 30 * K]) == [(0, 16 * K), (16 * K, 16 * K), (32 * K, 64 * K)]


def test_large_blocks_stop_short_of_the_filesystem() -> None:
    plan = plan_of(bundled_part("W25Q128JV"), slot_size=256 * K, fs_size=72 * K)
    sectors = [(at * K, 4 * K) for at in range(160, 184, 4)]
    assert slot_erases("W25Q128JV", plan, NOISE[: 183 * K]) == [
        (0, 64 * K),
        (64 * K, 64 * K),
        (128 * K, 32 * K),
        *sectors,
        (184 * K, 4 * K),
    ]


def test_a_large_block_is_used_beyond_the_application_where_nothing_is_in_its_way() -> None:
    plan = plan_of(bundled_part("W25Q128JV"), slot_size=256 * K, fs_size=64 * K)
    assert slot_erases("W25Q128JV", plan, NOISE[: 150 * K]) == [
        (0, 64 * K),
        (64 * K, 64 * K),
        (128 * K, 32 * K),
        (192 * K, 4 * K),
    ]


# -- every bundled part, end to end ----------------------------------------------------------------------

WIDE = {"slot_size": 256 * K, "fs_size": 64 * K}
PLANS: dict[str, tuple[str, Plan]] = {name: (name, plan_of(bundled_part(name))) for name in PARTS} | {
    "STM32F405, 16+16+64 KiB app": ("STM32F405", MIXED_APP),
    "MX25R8035F, 256 KiB slots": ("MX25R8035F", plan_of(bundled_part("MX25R8035F"), **WIDE)),
    "W25Q128JV, 256 KiB slots": ("W25Q128JV", plan_of(bundled_part("W25Q128JV"), **WIDE)),
    "STM32L476, 256 KiB slots": ("STM32L476", plan_of(bundled_part("STM32L476"), **WIDE)),
}


@pytest.mark.parametrize("filled", [1.0, 0.6, 0.01])
@pytest.mark.parametrize("leftovers", [False, True], ids=["blank", "leftovers"])
@pytest.mark.parametrize("label", PLANS)
def test_a_full_update_works_and_is_legal(label: str, leftovers: bool, filled: float) -> None:
    part, plan = PLANS[label]
    bench = make_bench(part, plan=plan, leftovers=leftovers)
    slot, blank = bench.destination, bytes([bench.device.geometry.erased])
    app = NOISE[: int(slot.app_capacity * filled)]
    app = app[: len(app) // 3] + blank * (len(app) // 5) + app[len(app) // 3 + len(app) // 5 :]
    fs = NOISE[-int(slot.fs_size * filled) :] if slot.fs_size else b""
    context = update(bench, make_bundle(Firmware("demo", "bench", "2.0", "b", app, 0x2000_0000, fs)))
    assert bench.misuses == []
    assert (context.result, context.status_msg) == (1, "Update applied, finalizing"), context.detail
    held = bench.slot_bytes(1)
    assert held[256 : 256 + len(app)] == app
    assert held[slot.fs_offset : slot.fs_offset + len(fs)] == fs
    decision = bench.boot().decision
    assert (decision.rule, decision.slot) == ("trial", 1)
