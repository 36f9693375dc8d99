"""Operations told in stretches: what goes round a few places is one line, and what surrounds a cut is not folded."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from emu.report.stretches import LAST, stretches_of
from flash.journal import Operation, OperationKind

PAGE = 0x800


def at(address: int, kind: OperationKind = "erase", device: str = "flash", length: int = PAGE) -> Operation:
    return Operation(kind, device, address, length, b"", start_us=0, end_us=1_000)


def words(done: Iterable[Operation], *, is_cut: bool = False) -> list[str]:
    return [stretch.words for stretch in stretches_of(list(done), is_cut=is_cut)]


def erased_in_turn(rounds: int, *starts: int, step: int = PAGE) -> list[Operation]:
    return [at(start + step * number) for number in range(rounds) for start in starts]


def test_two_slots_erased_in_turn_are_one_line() -> None:
    assert words(erased_in_turn(40, 0x4000, 0x2_0000)) == [
        "80 erases in flash 0x4000..0x18000 and 0x20000..0x34000 in turn, 1.0 ms"
    ]


def test_a_swap_from_its_end_over_a_scratch_sector_of_another_memory_is_one_line() -> None:
    """Sectors larger than what counts as near, downwards."""
    size, done = 0x8000, []
    for number in reversed(range(8)):
        for device, start in (("nor", 0), ("flash", 0x4_0000 + size * number), ("flash", 0x10_0000 + size * number)):
            done += [at(start, "erase", device, size), *(at(start + n, "program", device, 8) for n in range(0, 800, 8))]
    assert words(done) == [
        "24 erases, 2,400 programs in nor 0x0..0x8000, flash 0x40000..0x80000 and 0x100000..0x140000 in turn, 1.0 ms"
    ]


@pytest.mark.parametrize(("rounds", "lines"), [(2, 4), (3, 1)])
def test_fewer_rounds_are_told_one_by_one(rounds: int, lines: int) -> None:
    assert len(words(erased_in_turn(rounds, 0, 0x1_0000))) == lines


def test_one_place_gone_back_to_from_here_and_there_is_no_round() -> None:
    starts = (0, 0x1_0000, PAGE, 0x2_0000, 2 * PAGE, 0x1_0000, 3 * PAGE, 0x2_0000)
    assert len(words(map(at, starts))) == len(starts)


def test_what_goes_to_many_places_is_told_one_by_one() -> None:
    assert len(words(erased_in_turn(4, *range(0, 0x5_0000, 0x1_0000)))) == 20
    assert len(words(erased_in_turn(4, *range(0, 0x4_0000, 0x1_0000)))) == 1


def test_what_comes_before_and_behind_is_on_its_own() -> None:
    told = words([at(0x8_0000), *erased_in_turn(5, 0, 0x1_0000), at(0x6_0000), at(0x7_0000)])
    assert [line.split(",")[0] for line in told] == [
        "erase in flash 0x80000..0x80800",
        "10 erases in flash 0x0..0x2800 and 0x10000..0x12800 in turn",
        "erase in flash 0x60000..0x60800",
        "erase in flash 0x70000..0x70800",
    ]


def test_a_slot_that_grows_towards_another_place_stays_one() -> None:
    """Its last sectors are near the flags that follow it; they are nearer to their neighbours."""
    flags, scratch = 0x1_0000 + 24 * PAGE, 0x8_0000
    (line,) = words(at(start) for n in range(24) for start in (0x1_0000 + n * PAGE, n * PAGE, flags, scratch))
    places = "0x10000..0x1c000, 0x0..0xc000, 0x1c000..0x1c800 and 0x80000..0x80800"
    assert line == f"96 erases in flash {places} in turn, 1.0 ms"


def test_the_last_stretches_before_a_cut_are_not_folded() -> None:
    done = erased_in_turn(40, 0x4000, 0x2_0000)
    told = words(done, is_cut=True)
    assert told[0].startswith("76 erases in flash ")
    assert told[1:] == words(done[-LAST:])
    assert len(told) == 1 + LAST


def test_nothing_is_left_out() -> None:
    done = [at(0x8_0000), *erased_in_turn(5, 0, 0x1_0000), at(0x6_0000), *erased_in_turn(2, 0x3_0000, 0x4_0000)]
    for is_cut in (False, True):
        assert [operation for stretch in stretches_of(done, is_cut=is_cut) for operation in stretch.done] == done
