"""A session in device time: which moment is which edge, and how the tears of an operation share its time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emu.campaign.moments import Moment, Portion, moments, portions
from flash import bundled_part
from flash.cells import Cells
from flash.journal import Entry, Event, Operation
from flash.tears import TEAR_SETS, tear_named, tears_of
from flash.tears.progress import progress_of

CHIPS = {"nor": bundled_part("W25Q128JV").geometry}


def erase(start: int, end: int, address: int = 0) -> Operation:
    return Operation("erase", "nor", address, 4096, b"", start, end)


def program(start: int, end: int, length: int = 4, address: int = 0) -> Operation:
    return Operation("program", "nor", address, length, b"\x01" * length, start, end)


# -- where in a session ----------------------------------------------------------------------------------


def test_a_hand_made_session_in_pieces() -> None:
    entries: list[Entry] = [Event("note", 10), erase(10, 110), program(120, 130), Event("note", 130)]
    assert list(moments(entries, 150)) == [
        Moment(0, 0, 10, inside=False),
        Moment(1, 10, 110, inside=True),
        Moment(2, 110, 120, inside=False),
        Moment(2, 120, 130, inside=True),
        Moment(4, 130, 150, inside=False),
    ]


def test_a_program_in_a_suspended_erase_is_inside_both_until_it_ends() -> None:
    entries: list[Entry] = [program(40, 60), erase(10, 100)]
    assert list(moments(entries, 100)) == [
        Moment(0, 0, 10, inside=False), Moment(0, 10, 60, inside=True), Moment(1, 60, 100, inside=True)
    ]  # fmt: skip


def test_an_event_while_an_erase_is_on_its_way_has_its_time_inside() -> None:
    entries: list[Entry] = [Event("note", 50), erase(10, 100)]
    assert list(moments(entries, 120)) == [
        Moment(0, 0, 10, inside=False), Moment(0, 10, 50, inside=True), Moment(1, 50, 100, inside=True),
        Moment(2, 100, 120, inside=False),
    ]  # fmt: skip


def test_a_session_without_entries_is_one_moment() -> None:
    assert list(moments([], 7)) == [Moment(0, 0, 7, inside=False)]
    assert list(moments([], 0)) == []


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 50), st.booleans()), max_size=12), st.integers(0, 40))
def test_moments_follow_each_other_and_cover_the_session(steps: list[tuple[int, int, bool]], tail: int) -> None:
    now, entries = 0, []
    for gap, took, is_event in steps:
        now += gap
        entries.append(Event("note", now) if is_event else program(now, now + took))
        now += 0 if is_event else took
    pieces = list(moments(entries, now + tail))
    assert sum(piece.end_us - piece.start_us for piece in pieces) == now + tail
    assert [piece.start_us for piece in pieces] == [0, *(piece.end_us for piece in pieces)][: len(pieces)]
    assert sorted(piece.entry for piece in pieces) == [piece.entry for piece in pieces]


# -- inside an operation ---------------------------------------------------------------------------------


def test_prefixes_share_the_time_by_their_length_and_the_others_equally() -> None:
    found = portions(["prefix-1", "prefix-2", "prefix-3", "one-bit-1", "all-but-one-bit-1"], program(0, 400), CHIPS)
    assert found["one-bit-1"] == found["all-but-one-bit-1"] == Portion(0.2, 0.0, 1.0)
    assert [found[f"prefix-{n}"] for n in (1, 2, 3)] == [
        Portion(pytest.approx(0.6), 0.0, 0.5), Portion(pytest.approx(0.6), 0.5, 0.75),
        Portion(pytest.approx(0.6), 0.75, 1.0),
    ]  # fmt: skip


def test_an_erase_is_in_its_front_for_half_of_its_time() -> None:
    found = portions(["front-1", "front-2048", "front-4095", "preprogrammed-1"], erase(0, 45_000), CHIPS)
    spans = {how: (portion.start, portion.end) for how, portion in found.items()}
    nearly = 0.5 * 4095 / 4096
    assert spans == {
        "front-4095": (0.0, 0.25), "front-2048": (0.25, nearly), "front-1": (nearly, 0.5), "preprogrammed-1": (0.5, 1.0)
    }  # fmt: skip
    assert {portion.weight for portion in found.values()} == {1.0}


def test_tears_of_one_moment_share_it() -> None:
    found = portions(["front-2048", "front-up-2048", "preprogrammed-1"], erase(0, 100), CHIPS)
    assert found["front-2048"] == found["front-up-2048"] == Portion(0.5, 0.0, 0.5)
    assert found["preprogrammed-1"] == Portion(1.0, 0.5, 1.0)


def test_what_was_measured_in_microseconds_counts_in_microseconds() -> None:
    found = portions(["stopped-us-0", "stopped-us-15", "stopped-us-50"], erase(0, 100), CHIPS)
    assert [(found[f"stopped-us-{n}"].start, found[f"stopped-us-{n}"].end) for n in (0, 15, 50)] == [
        (0.0, 0.15), (0.15, 0.5), (0.5, 1.0)
    ]  # fmt: skip


def test_tears_together_are_equally_likely() -> None:
    found = portions(["none_prefix-3", "prefix-1_none"], program(0, 10), CHIPS)
    assert set(found.values()) == {Portion(0.5, 0.0, 1.0)}


def test_a_portion_is_cut_to_the_time_it_is_asked_for() -> None:
    assert Portion(1.0, 0.5, 1.0).within(erase(100, 200), 120, 180) == (150, 180)
    assert Portion(1.0, 0.0, 0.1).within(erase(100, 200), 120, 180) == (120, 120)
    assert Portion(1.0, 0.0, 1.0).within(Event("note", 150), 120, 150) == (120, 150)


@pytest.mark.parametrize("part", ["W25Q128JV", "STM32L476", "STM32F103", "nRF52840", "STM32F405"])
@pytest.mark.parametrize("chosen", ["T1", "T2", "T3", "T1-coarse"])
def test_what_the_tears_have_is_the_whole_time_of_the_operation(part: str, chosen: str) -> None:
    cells, known = Cells(bundled_part(part)), bundled_part(part)
    unit, sector = known.geometry.unit, next(iter(known.geometry.sectors_in(0, 1)))
    for operation in (
        Operation("program", "nor", 0, 16 * unit, b"\x12" * (16 * unit), 5, 905),
        Operation("erase", "nor", sector.address, sector.size, b"", 5, 90_005),
    ):
        hows = [tear.name for tear in tears_of(known, cells, operation, TEAR_SETS[chosen])]
        assert hows
        found = portions(hows, operation, {"nor": known.geometry})
        assert sum(p.weight * (p.end - p.start) for p in found.values()) == pytest.approx(1.0)
        assert all(0 <= portion.start <= portion.end <= 1 for portion in found.values())


@pytest.mark.parametrize(
    ("tear", "operation", "progress"),
    [
        ("prefix-1", program(0, 10), 0.25),
        ("suffix-1", program(0, 10), 0.75),
        ("ecc-fault-2", program(0, 10), 0.5),
        ("torn-word-7", program(0, 10, 16), 7 / 16),
        ("torn-word-23", program(0, 10, 16), 7 / 16),  # the second draw of the same word
        ("front-4096", erase(0, 10), 0.0),
        ("front-up-4096", erase(0, 10), 0.5),
        ("stopped-us-50", erase(0, 10), 1.0),
        ("sectors-up-3", Operation("erase", "nor", 0, 65536, b"", 0, 10), 3 / 16),
        ("one-bit-1", program(0, 10), None),
        ("bit-subset-2", program(0, 10), None),
        ("erase-ecc-fault-1", erase(0, 10), None),
    ],
)
def test_the_progress_of_a_tear(tear: str, operation: Operation, progress: float | None) -> None:
    assert progress_of(tear_named(tear), operation, CHIPS["nor"]) == progress
