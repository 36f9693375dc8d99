"""Address arithmetic against a naive model that lists every sector and tries every command."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flash.errors import FlashError
from flash.geometry import Geometry, Sector, SectorRun
from flash.part import bundled_part, part_names

MIXED = Geometry(1152, 4, 0, 32, (SectorRun(4, 64), SectorRun(1, 128), SectorRun(3, 256)))


@st.composite
def geometries(draw: st.DrawFn) -> Geometry:
    """Small arrays with and without pages, blocks and mixed runs; sectors are aligned to their size, as on silicon."""
    unit = draw(st.sampled_from([1, 2, 4, 8]))
    page = draw(st.sampled_from([0, 8, 16]))
    sizes = draw(st.lists(st.sampled_from([16, 32, 64]), min_size=1, max_size=3, unique=True))
    runs, size = (), 0
    for each, following in zip(sizes, [*sizes[1:], 1], strict=True):
        count = draw(st.integers(1, 6))
        count += -(size + count * each) % following // each
        runs, size = (*runs, SectorRun(count, each)), size + count * each
    blocks = tuple(draw(st.lists(st.sampled_from([128, 256]), max_size=2, unique=True)))
    every = sorted({run.size for run in runs} | set(blocks))
    times = tuple((s, draw(st.integers(1, 3 * s))) for s in every)
    places = st.integers(0, size // 16).map(lambda n: n * 16)
    limits = st.lists(st.tuples(st.sampled_from(blocks), places, places), max_size=3) if blocks else st.just([])
    ranges = tuple((b, min(low, high), max(low, high)) for b, low, high in draw(limits) if low != high)
    burst = page or draw(st.sampled_from([8, 16]))
    return Geometry(size, unit, page, burst, runs, blocks, times, block_ranges=ranges)


@cache
def sectors_of(geometry: Geometry) -> list[Sector]:
    found: list[Sector] = []
    at = 0
    for run in geometry.runs:
        for _ in range(run.count):
            found.append(Sector(len(found), at, run.size))
            at += run.size
    return found


def is_erase_unit(geometry: Geometry, address: int, size: int) -> bool:
    starts = {s.address: s.size for s in sectors_of(geometry)}
    if starts.get(address) == size:
        return True
    is_block = size in geometry.block_sizes and address % size == 0 and 0 <= address <= geometry.size - size
    ranges = [range(low, high + 1) for block, low, high in geometry.block_ranges if block == size]
    is_offered = not ranges or any(address in within and address + size in within for within in ranges)
    return is_block and is_offered and address in starts


@given(geometries())
@settings(max_examples=60, deadline=None)
def test_every_address_is_in_exactly_the_sector_a_list_would_give(geometry: Geometry) -> None:
    listed = sectors_of(geometry)
    assert list(geometry.sectors_in(0, geometry.size)) == listed
    assert geometry.sector_count == len(listed)
    assert geometry.smallest_sector_size == min(s.size for s in listed)
    assert geometry.is_uniform == (len(geometry.runs) == 1)
    for sector in listed:
        for address in range(sector.address, sector.end):
            assert geometry.sector_at(address) == sector
            assert geometry.sector_index(address) == sector.index
            assert geometry.sector_end(address) == (address if address == sector.address else sector.end)
    assert geometry.sector_end(geometry.size) == geometry.size


@given(geometries(), st.data())
@settings(max_examples=80, deadline=None)
def test_sectors_in_are_those_that_share_a_byte(geometry: Geometry, data: st.DataObject) -> None:
    low = data.draw(st.integers(0, geometry.size))
    high = data.draw(st.integers(low, geometry.size))
    shared = [s for s in sectors_of(geometry) if s.address < high and low < s.end and low < high]
    assert list(geometry.sectors_in(low, high - low)) == shared


@given(geometries())
@settings(max_examples=60, deadline=None)
def test_erase_sizes_are_the_units_that_may_start_there(geometry: Geometry) -> None:
    every = (*geometry.erase_sizes, 24, 512)
    for address in range(0, geometry.size, 8):
        allowed = tuple(size for size in sorted(set(every)) if is_erase_unit(geometry, address, size))
        assert geometry.erase_sizes_at(address) == allowed
        for size in every:
            assert geometry.is_erase(address, size) == (size in allowed)
    assert not geometry.is_erase(geometry.size, geometry.runs[-1].size)
    assert not geometry.is_erase(-geometry.runs[0].size, geometry.runs[0].size)


@given(geometries(), st.data())
@settings(max_examples=150, deadline=None)
def test_programs_cut_a_range_into_the_legal_commands_that_cover_it(geometry: Geometry, data: st.DataObject) -> None:
    units = geometry.size // geometry.unit
    low = data.draw(st.integers(0, units)) * geometry.unit
    high = data.draw(st.integers(low // geometry.unit, units)) * geometry.unit
    at = low
    for address, length in geometry.programs(low, high - low):
        assert address == at
        assert geometry.is_program(address, length)
        at += length
    assert at == high
    step = geometry.page_size or geometry.burst_size
    fewest = len({address // step for address in range(low, high)})
    assert len(list(geometry.programs(low, high - low))) == fewest


@given(geometries(), st.integers(-20, 420), st.integers(-2, 40))
@settings(max_examples=300, deadline=None)
def test_a_program_is_whole_units_inside_one_page_and_the_array(geometry: Geometry, address: int, length: int) -> None:
    touched = range(address, address + length)
    legal = (
        0 < length <= geometry.burst_size
        and address >= 0
        and address + length <= geometry.size
        and address % geometry.unit == 0
        and length % geometry.unit == 0
        and (not geometry.page_size or len({at // geometry.page_size for at in touched}) == 1)
    )
    assert geometry.is_program(address, length) == legal


@given(geometries(), st.data())
@settings(max_examples=120, deadline=None)
def test_a_window_is_the_same_array_with_another_zero(geometry: Geometry, data: st.DataObject) -> None:
    listed = sectors_of(geometry)
    first = data.draw(st.integers(0, len(listed) - 1))
    last = data.draw(st.integers(first, len(listed) - 1))
    start, size = listed[first].address, listed[last].end - listed[first].address
    window = geometry.window(start, size)
    assert (window.unit, window.page_size, window.burst_size, window.erased) == (
        geometry.unit, geometry.page_size, geometry.burst_size, geometry.erased,
    )  # fmt: skip
    moved = [Sector(s.index - first, s.address - start, s.size) for s in listed[first : last + 1]]
    assert list(window.sectors_in(0, size)) == moved
    for sector in moved:
        for offered in window.erase_sizes_at(sector.address):
            assert geometry.is_erase(sector.address + start, offered)
            assert sector.address + offered <= size


def cheapest_cover(geometry: Geometry, address: int, length: int, limit: int) -> int:
    """By trying every legal erase at every sector boundary, from the end backwards."""
    cost = dict(geometry.erase_times_us)
    first = geometry.sector_at(address).address
    best = dict.fromkeys(range(address + length, limit + 1), 0)
    for sector in reversed([s for s in sectors_of(geometry) if first <= s.address < address + length]):
        options = [
            cost[size] + best[sector.address + size]
            for size in geometry.erase_sizes
            if is_erase_unit(geometry, sector.address, size) and sector.address + size in best
        ]
        best[sector.address] = min(options)
    return best[first]


@given(geometries(), st.data())
@settings(max_examples=250, deadline=None)
def test_an_erase_cover_is_legal_and_covers_and_costs_least(geometry: Geometry, data: st.DataObject) -> None:
    listed = sectors_of(geometry)
    address = data.draw(st.integers(0, geometry.size - 1))
    length = data.draw(st.integers(1, geometry.size - address))
    ends = [s.end for s in listed if s.end >= address + length]
    limit = data.draw(st.sampled_from(ends))
    cover = geometry.erase_cover(address, length, limit)
    cost = dict(geometry.erase_times_us)
    assert cover[0][0] == geometry.sector_at(address).address
    at = cover[0][0]
    for start, size in cover:
        assert start == at
        assert is_erase_unit(geometry, start, size)
        at = start + size
    assert address + length <= at <= limit
    assert sum(cost[size] for _, size in cover) == cheapest_cover(geometry, address, length, limit)


@given(st.integers(0, 10_000), st.integers(1, 600))
def test_alignment_and_unit_counts(address: int, size: int) -> None:
    geometry = Geometry(1024, size, 0, size, (SectorRun(1, 1024),))
    down, up = geometry.align_down(address, size), geometry.align_up(address, size)
    assert down % size == up % size == 0
    assert down <= address < down + size
    assert up - size < address <= up
    assert geometry.units_in(address) == len(range(0, address, size))


def test_runs_that_do_not_add_up_to_the_size_are_refused() -> None:
    with pytest.raises(FlashError, match=r"cover 0x100 bytes, but the size is 0x101"):
        Geometry(0x101, 1, 16, 16, (SectorRun(4, 64),))


@pytest.mark.parametrize("address", [-1, 1152, 5000])
def test_an_address_off_the_device_has_no_sector(address: int) -> None:
    with pytest.raises(FlashError, match="outside the device") as refused:
        MIXED.sector_at(address)
    assert refused.value.address == address


@pytest.mark.parametrize(
    ("address", "size", "why"),
    [
        (0, 1153, "does not fit"),
        (-64, 64, "does not fit"),
        (64, 0, "does not fit"),
        (64, -64, "does not fit"),
        (32, 96, "the sector starts at 0x0"),
        (300, 84, "the sector starts at 0x100"),
        (256, 64, "the next boundary is 0x180"),
        (0, 1000, "the next boundary is 0x480"),
    ],
)
def test_a_window_off_the_sector_boundaries_is_refused(address: int, size: int, why: str) -> None:
    with pytest.raises(FlashError, match=why) as refused:
        MIXED.window(address, size)
    assert (refused.value.address, refused.value.length) == (address, size)


def test_a_window_keeps_the_mixed_runs_it_covers() -> None:
    assert MIXED.window(128, 512).runs == (SectorRun(2, 64), SectorRun(1, 128), SectorRun(1, 256))


def test_a_window_that_starts_inside_a_block_does_not_offer_that_block() -> None:
    geometry = Geometry(4096, 1, 16, 16, (SectorRun(64, 64),), (256, 1024))
    assert geometry.window(256, 2048).block_sizes == (256,)
    assert geometry.window(1024, 512).block_sizes == (256,)
    assert geometry.window(64, 2048).block_sizes == ()


@pytest.mark.parametrize("name", part_names())
def test_a_window_over_everything_is_the_bundled_part_itself(name: str) -> None:
    geometry = bundled_part(name).geometry
    assert geometry.window(0, geometry.size) == geometry


SST26 = Geometry(
    1 << 20, 1, 256, 256, (SectorRun(256, 4096),), (8192, 32768, 65536),
    ((4096, 19), (8192, 19), (32768, 19), (65536, 19)),
    block_ranges=(
        (8192, 0, 32768), (8192, (1 << 20) - 32768, 1 << 20), (32768, 32768, 65536),
        (32768, (1 << 20) - 65536, (1 << 20) - 32768), (65536, 65536, (1 << 20) - 65536),
    ),
)  # fmt: skip
"""What one opcode erases depends on the address: 8, 32, 64, 32 and 8 KiB from the bottom to the top."""


@pytest.mark.parametrize(
    ("address", "sizes"),
    [
        (0, (4096, 8192)), (4096, (4096,)), (24576, (4096, 8192)), (32768, (4096, 32768)), (65536, (4096, 65536)),
        (98304, (4096,)), ((1 << 20) - 65536, (4096, 32768)), ((1 << 20) - 32768, (4096, 8192)),
        ((1 << 20) - 8192, (4096, 8192)), ((1 << 20) - 4096, (4096,)),
    ],
)  # fmt: skip
def test_a_block_is_offered_only_in_its_ranges(address: int, sizes: tuple[int, ...]) -> None:
    assert SST26.erase_sizes_at(address) == sizes
    assert [size for size in SST26.erase_sizes if SST26.is_erase(address, size)] == list(sizes)


def test_a_cover_takes_in_each_range_the_block_that_is_offered_there() -> None:
    cover = SST26.erase_cover(0, 1 << 20, 1 << 20)
    assert [size for _, size in cover] == [8192] * 4 + [32768] + [65536] * 14 + [32768] + [8192] * 4


def test_a_window_keeps_the_ranges_that_lie_in_it_in_its_own_addresses() -> None:
    low = SST26.window(0, 131072)
    assert low.block_sizes == (8192, 32768, 65536)
    assert set(low.block_ranges) == {(8192, 0, 32768), (32768, 32768, 65536), (65536, 65536, 131072)}
    middle = SST26.window(65536, 131072)
    assert middle.block_sizes == (65536,)
    assert middle.block_ranges == ((65536, 0, 131072),)
    for address in range(0, 131072, 4096):
        assert middle.erase_sizes_at(address) == SST26.erase_sizes_at(address + 65536)


def test_a_window_offers_no_block_that_has_no_room_in_it() -> None:
    """What is in erase_sizes can be erased somewhere."""
    window = SST26.window(0, 69632)
    for size in window.erase_sizes:
        assert any(window.is_erase(address, size) for address in range(0, window.size, 4096)), f"{size} fits nowhere"
