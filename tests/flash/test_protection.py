"""Protected ranges from register bits: a literal table, and what holds for every scheme."""

from __future__ import annotations

from itertools import pairwise, product

import pytest

from flash.spi.protection import (
    SCHEMES,
    block_range,
    complement,
    is_locked,
    is_protected,
    lock_regions,
    pack_locks,
    sector_range,
    unpack_locks,
)

MIB = 1 << 20
KIB = 1 << 10
LEVELS = {"winbond": 3, "gigadevice": 3, "spansion": 3, "at25ff": 3, "winbond-bp4": 4, "macronix": 4, "issi": 4}
LEVELS["micron"] = 4


def bits(level: int, **others: int) -> dict[str, int]:
    named = {f"BP{n}": level >> n & 1 for n in range(4)}
    return {"TB": 0, "SEC": 0, "CMP": 0, "BP4": 0} | named | others


def ranged(scheme: str, size: int, level: int, *, bottom: int = 0, sectors: int = 0, inverted: int = 0) -> tuple:
    named = bits(level, TB=bottom, SEC=sectors, CMP=inverted)
    if scheme == "gigadevice":
        named |= {"BP3": bottom, "BP4": sectors}
    return SCHEMES[scheme](named, size)


# The table of a 128 Mbit Winbond part: BP -> (top, bottom) with SEC = 0, then with SEC = 1.
W25Q128 = {
    1: ((0xFC0000, 0x1000000), (0, 0x40000), (0xFFF000, 0x1000000), (0, 0x1000)),
    2: ((0xF80000, 0x1000000), (0, 0x80000), (0xFFE000, 0x1000000), (0, 0x2000)),
    3: ((0xF00000, 0x1000000), (0, 0x100000), (0xFFC000, 0x1000000), (0, 0x4000)),
    4: ((0xE00000, 0x1000000), (0, 0x200000), (0xFF8000, 0x1000000), (0, 0x8000)),
    5: ((0xC00000, 0x1000000), (0, 0x400000), (0xFF8000, 0x1000000), (0, 0x8000)),
    6: ((0x800000, 0x1000000), (0, 0x800000), (0xFF8000, 0x1000000), (0, 0x8000)),
    7: ((0, 0x1000000),) * 4,
}


@pytest.mark.parametrize("level", W25Q128)
def test_winbond_128_mbit_is_as_its_table_says(level: int) -> None:
    found = tuple(
        ranged("winbond", 16 * MIB, level, bottom=bottom, sectors=sec) for sec, bottom in product((0, 1), (0, 1))
    )
    assert found == W25Q128[level]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_no_bit_set_protects_nothing(scheme: str) -> None:
    assert SCHEMES[scheme](bits(0), 16 * MIB) == (0, 0)


@pytest.mark.parametrize(("size", "share"), [(1, 16), (2, 32), (4, 64), (8, 64), (16, 64)])
def test_small_winbond_parts_begin_with_a_larger_share(size: int, share: int) -> None:
    start, end = ranged("winbond", size * MIB, 1)
    assert (end - start, end) == (size * MIB // share, size * MIB)


@pytest.mark.parametrize("scheme", LEVELS)
@pytest.mark.parametrize("size", [1, 2, 16, 32, 128])
@pytest.mark.parametrize("bottom", [0, 1])
def test_every_level_holds_the_one_below_it_up_to_all(scheme: str, size: int, bottom: int) -> None:
    top = (1 << LEVELS[scheme]) - 1
    found = [ranged(scheme, size * MIB, level, bottom=bottom) for level in range(top + 1)]
    assert found[0] == (0, 0)
    assert found[top] == (0, size * MIB)
    for inner, outer in pairwise(found[1:]):
        assert outer[0] <= inner[0] < inner[1] <= outer[1]
        assert (inner[0] == 0) if bottom else (inner[1] == size * MIB)


@pytest.mark.parametrize("scheme", ["winbond", "winbond-bp4", "gigadevice", "at25ff"])
def test_cmp_protects_exactly_what_the_bits_would_not(scheme: str) -> None:
    size = 16 * MIB
    for level, bottom, sec in product(range(1 << LEVELS[scheme]), (0, 1), (0, 1)):
        plain = ranged(scheme, size, level, bottom=bottom, sectors=sec)
        other = ranged(scheme, size, level, bottom=bottom, sectors=sec, inverted=1)
        assert (plain[1] - plain[0]) + (other[1] - other[0]) == size
        for address in (0, 0xFFF, 0x1000, size // 2 - 1, size // 2, size - 0x1001, size - 0x1000, size - 1):
            assert is_protected(plain, address, 1) != is_protected(other, address, 1)


def test_four_level_bits_step_by_64_kib_blocks() -> None:
    for scheme in ("macronix", "issi", "micron"):
        assert ranged(scheme, 16 * MIB, 1) == (0xFF0000, 0x1000000)
        assert ranged(scheme, 16 * MIB, 8, bottom=1) == (0, 0x800000)
        assert ranged(scheme, 16 * MIB, 9) == (0, 0x1000000)


def test_a_range_touches_by_one_byte() -> None:
    assert is_protected((0x1000, 0x2000), 0xFFF, 2)
    assert not is_protected((0x1000, 0x2000), 0xFFF, 1)
    assert not is_protected((0x1000, 0x2000), 0x2000, 1)
    assert not is_protected((0, 0), 0, 1)


def test_helpers_at_their_ends() -> None:
    assert block_range(MIB, 0, 7, bottom=True) == (0, 0)
    assert sector_range(MIB, 7, bottom=True) == (0, MIB)
    assert complement(MIB, (0, 0)) == (0, MIB)
    assert complement(MIB, (0, MIB)) == (0, 0)


@pytest.mark.parametrize("layout", ["winbond", "at25df", "sst26"])
def test_lock_regions_cover_the_array_once(layout: str) -> None:
    regions = sorted(lock_regions(layout, 8 * MIB))
    assert [start for start, _ in regions] == [0] + [end for _, end in regions[:-1]]
    assert regions[-1][1] == 8 * MIB


def test_sst26_register_is_18_bytes_and_5555_when_all_is_locked() -> None:
    count = len(lock_regions("sst26", 8 * MIB))
    assert count == 136
    packed = pack_locks(bytes([1]) * count)
    assert packed == bytes.fromhex("5555" + "FF" * 16)
    assert unpack_locks(packed, count) == bytes([1]) * count
    mixed = bytes([3, 0, 2, 1] * 2 + [n % 3 == 0 for n in range(count - 8)])
    assert unpack_locks(pack_locks(mixed), count) == mixed


def test_a_lock_stands_for_its_region_alone() -> None:
    regions = lock_regions("winbond", MIB)
    locks = bytes(number == 1 for number in range(len(regions)))
    assert is_locked(regions, locks, 0x1000, 1)
    assert is_locked(regions, locks, 0x0FFF, 2)
    assert not is_locked(regions, locks, 0x2000, MIB - 0x2000)
    assert not is_locked(regions, locks, 0, 0x1000)
