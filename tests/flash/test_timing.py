"""Durations: typical, maximum, sampled; a function of operation, address and wear alone."""

from __future__ import annotations

from itertools import pairwise
from math import ceil
from statistics import median

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emu.strategies import operations
from flash.device import FlashDevice
from flash.part import Part, Program, bundled_part, part_names
from flash.timing import Timing
from tests.flash.small_parts import GRANULES, SERIAL, SMALL_PARTS, WORDS, figure

Query = tuple[str, int, int]


def ask(timing: Timing, query: Query, cycles: int = 0) -> int:
    kind, address, length = query
    return (timing.program_us if kind == "program" else timing.erase_us)(address, length, cycles)


def queries(part: Part) -> st.SearchStrategy[Query]:
    return operations(part).map(lambda operation: (operation.kind, operation.address, operation.length))


def bound_us(part: Part, query: Query) -> int:
    kind, _, length = query
    if kind == "erase":
        return ceil(next(e.time_us.max for e in part.erase if e.size == length))
    return ceil(part.program.time_us.max * (1 if part.program.page_size else length / part.program.unit))


def test_typical_and_maximum_are_the_figures_of_the_part() -> None:
    typical, longest = Timing(SERIAL), Timing(SERIAL, "max")
    assert [typical.erase_us(0, size, 0) for size in (64, 256, 1024)] == [6400, 25600, 102400]
    assert [longest.erase_us(0, size, 0) for size in (64, 256, 1024)] == [25600, 102400, 409600]
    assert (typical.program_us(0, 16, 0), longest.program_us(0, 16, 0)) == (160, 640)


def test_a_page_takes_the_same_however_much_of_it_is_programmed() -> None:
    timing = Timing(SERIAL)
    assert {timing.program_us(0, length, 0) for length in range(1, 17)} == {160}


def test_without_pages_every_unit_takes_its_time() -> None:
    assert [Timing(WORDS).program_us(0, length, 0) for length in (4, 8, 32)] == [40, 80, 320]
    assert [Timing(GRANULES, "max").program_us(0, length, 0) for length in (8, 32)] == [320, 1280]


@pytest.mark.parametrize("mode", ["typ", "max", "sampled"])
def test_with_a_first_byte_time_a_short_program_takes_less(mode: str) -> None:
    program = Program(1, figure(160), page_size=16, first_byte_us=figure(20))
    part = msgspec.structs.replace(SERIAL, program=program)
    timing = Timing(part, mode)  # type: ignore[arg-type]
    taken = [timing.program_us(32, length, 0) for length in range(1, 17)]
    assert taken == sorted(taken)
    assert taken[0] * 4 < taken[-1]
    assert taken[-1] == Timing(SERIAL, mode).program_us(32, 16, 0)  # type: ignore[arg-type]
    steps = [after - before for before, after in pairwise(taken)]
    assert max(steps) - min(steps) <= 1


def test_fractions_of_a_microsecond_are_rounded_up() -> None:
    part = msgspec.structs.replace(WORDS, program=Program(4, figure(41.25), burst_size=32))
    assert Timing(part).program_us(0, 4, 0) == 42
    assert Timing(part).program_us(0, 8, 0) == 83
    assert [Timing(part).read_us(length) for length in (0, 1, 8, 9)] == [0, 1, 1, 2]


@pytest.mark.parametrize("name", part_names())
def test_every_size_of_every_bundled_part_has_ordered_times(name: str) -> None:
    part = bundled_part(name)
    typical, sampled, longest = (Timing(part, mode) for mode in ("typ", "sampled", "max"))
    for size in part.geometry.erase_sizes:
        assert 0 < typical.erase_us(0, size, 0) <= longest.erase_us(0, size, 0)
        assert 0 < sampled.erase_us(0, size, 0) <= longest.erase_us(0, size, 0)
    burst = part.geometry.burst_size
    assert 0 < typical.program_us(0, burst, 0) <= longest.program_us(0, burst, 0)


@pytest.mark.parametrize("part", SMALL_PARTS, ids=lambda part: part.name)
@given(data=st.data(), seed=st.integers(0, 1 << 64))
@settings(max_examples=40, deadline=None)
def test_sampled_times_do_not_depend_on_the_order_they_were_asked_in(
    part: Part, data: st.DataObject, seed: int
) -> None:
    asked = data.draw(st.lists(queries(part), min_size=1, max_size=12))
    shuffled = data.draw(st.permutations(asked))
    one, other = Timing(part, "sampled", seed=seed), Timing(part, "sampled", seed=seed)
    first = {query: ask(one, query) for query in asked}
    assert first == {query: ask(other, query) for query in shuffled}
    assert first == {query: ask(one, query) for query in shuffled}
    for query, duration in first.items():
        assert 0 < duration <= bound_us(part, query)


def test_samples_surround_the_typical_figure_and_differ_by_address_and_seed() -> None:
    timing = Timing(SERIAL, "sampled", seed=3)
    drawn = [timing.erase_us(64 * i, 64, 0) for i in range(4000)]
    assert median(drawn) == pytest.approx(6400, rel=0.05)
    assert max(drawn) <= 25600
    assert len(set(drawn)) > 3000
    other = Timing(SERIAL, "sampled", seed=4)
    assert [other.erase_us(64 * i, 64, 0) for i in range(50)] != drawn[:50]


def test_a_figure_without_spread_is_never_sampled_away_from() -> None:
    part = msgspec.structs.replace(SERIAL, program=Program(1, figure(160, 160), page_size=16))
    assert {Timing(part, "sampled", seed=s).program_us(0, 1, 0) for s in range(50)} == {160}


@pytest.mark.parametrize("mode", ["typ", "max", "sampled"])
def test_wear_makes_everything_slower_and_the_more_the_longer(mode: str) -> None:
    timing = Timing(SERIAL, mode)  # type: ignore[arg-type]
    for query in (("erase", 64, 64), ("program", 64, 16)):
        taken = [ask(timing, query, cycles) for cycles in (0, 1, 10, 100, 500, 1000, 2000)]
        assert taken == sorted(taken)
        assert len(set(taken)) == len(taken)
        assert taken[5] == pytest.approx(3.7 * taken[0], rel=0.01)


@pytest.mark.parametrize("mode", ["typ", "max", "sampled"])
def test_without_wear_erase_counts_change_nothing(mode: str) -> None:
    timing = Timing(SERIAL, mode, worn=False)  # type: ignore[arg-type]
    for query in (("erase", 64, 64), ("program", 64, 16)):
        assert len({ask(timing, query, cycles) for cycles in (0, 1, 10, 1000, 100_000)}) == 1


@pytest.mark.parametrize("worn", [False, True])
def test_a_device_slows_down_as_it_wears_only_when_told_to(worn: bool) -> None:
    device = FlashDevice(SERIAL, timing=Timing(SERIAL, worn=worn))
    for _ in range(100):
        device.erase(0, 64)
    device.erase(64, 64)
    taken = [operation.end_us - operation.start_us for operation in device.journal.operations()]
    assert taken[0] == taken[-1] == 6400
    assert (taken[99] > 6400 * 1.3) == worn
    if not worn:
        assert set(taken) == {6400}
