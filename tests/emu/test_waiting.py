"""Items that wait for a worker: who gets which."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from emu.campaign.engines.waiting import Item, Waiting


class Nobody:
    def take(self, number: int, result: Any) -> None: ...


NOBODY = Nobody()


def waiting(*kins: int | None) -> Waiting:
    made = Waiting(2)
    for number, kin in enumerate(kins):
        made.add(Item(number, None, NOBODY, kin), is_urgent=False)
    return made


def numbers(items: list[Item]) -> list[int]:
    return [item.number for item in items]


def test_items_of_one_kin_go_to_who_got_the_first_of_them() -> None:
    left = waiting(1, 2, 1, 2, 1, 2)
    assert numbers(left.some("one", 1)) == [0]
    assert numbers(left.some("other", 1)) == [1]
    assert numbers(left.some("one", 2)) == [2, 4]
    assert numbers(left.some("other", 2)) == [3, 5]


def test_who_has_no_kin_left_helps_the_others_from_the_end_one_at_a_time() -> None:
    left = waiting(1, 1, 1, 1)
    assert numbers(left.some("one", 1)) == [0]
    assert numbers(left.some("other", 4)) == [3]
    assert numbers(left.some("one", 4)) == [1, 2]


def test_the_kin_of_a_worker_that_is_gone_is_everybodys() -> None:
    left = waiting(1, 1, 1)
    left.some("one", 1)
    left.gone("one")
    assert numbers(left.some("other", 1)) == [1]


def test_who_wants_nothing_gets_nothing() -> None:
    left = waiting(1, 2)
    assert (left.some("one", 0), len(left)) == ([], 2)


@given(st.lists(st.none() | st.integers(0, 4), max_size=30), st.lists(st.integers(0, 2), max_size=60))
def test_whoever_asks_everything_goes_out_once_and_nobody_is_sent_away(
    kins: list[int | None], askers: list[int]
) -> None:
    left = waiting(*kins)
    found: list[int] = []
    for who in askers:
        before = len(left)
        items = left.shard(str(who), 2)
        assert bool(items) == bool(before)
        found += numbers(items)
    while left:
        found += numbers(left.some("last", 3))
    assert sorted(found) == list(range(len(kins)))


@given(st.lists(st.none(), max_size=30), st.integers(1, 8))
def test_items_without_kin_go_out_in_order(kins: list[None], most: int) -> None:
    left, found = waiting(*kins), list[int]()
    while left:
        found += numbers(left.some(len(found) % 2, most))
    assert found == list(range(len(kins)))
