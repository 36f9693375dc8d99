"""Pieces make up the file, small ones and long rows of them are drawn, and one cut stays when one cut is enough."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emu.strategies import chunkings
from tests.emu.strategies.shrinking import smallest


@given(st.binary(max_size=600), st.none() | st.integers(1, 700), st.data())
def test_pieces_are_the_file_and_sizes_its_length(content: bytes, limit: int | None, data: st.DataObject) -> None:
    pieces = data.draw(chunkings(content, max_size=limit))
    sizes = data.draw(chunkings(len(content), max_size=limit))
    assert b"".join(pieces) == content
    assert sum(sizes) == len(content)
    for size in [*map(len, pieces), *sizes]:
        assert 1 <= size <= (limit or max(1, len(content)))


@pytest.mark.parametrize("total", [0, 1, 2])
def test_the_smallest_files_have_every_chunking(total: int) -> None:
    ways: dict[int, list[list[int]]] = {0: [[]], 1: [[1]], 2: [[2], [1, 1]]}
    for way in ways[total]:
        assert smallest(chunkings(total), lambda sizes, way=way: sizes == way) == way
    assert smallest(chunkings(total)) == ways[total][0]


@pytest.mark.parametrize("at", [1, 17, 4095, 4999])
def test_a_planted_bug_at_one_boundary_shrinks_to_one_cut(at: int) -> None:
    found = smallest(chunkings(5000), lambda sizes: at in accumulate(sizes))
    assert found == [at, 5000 - at]


def test_two_boundaries_shrink_to_two_cuts() -> None:
    found = smallest(chunkings(5000), lambda sizes: {30, 31} <= set(accumulate(sizes)))
    assert found == [30, 1, 4969]


@pytest.mark.parametrize("wanted", [lambda sizes: set(sizes) == {1}, lambda sizes: sizes.count(512) > 3])
def test_byte_by_byte_and_equal_pieces_are_drawn(wanted: Any) -> None:
    smallest(chunkings(3000), wanted)


def test_pieces_shrink_as_sizes_do() -> None:
    assert smallest(chunkings(b"header body"), lambda pieces: b"header" in pieces) == [b"header", b" body"]


def test_a_limit_makes_as_few_pieces_as_it_can() -> None:
    assert smallest(chunkings(10, max_size=4)) == [4, 4, 2]


@pytest.mark.parametrize(("of", "options", "says"), [(-1, {}, "-1 bytes: give 0"), (5, {"max_size": 0}, "give 1")])
def test_chunkings_says_what_it_does_not_draw(of: int, options: dict[str, int], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        chunkings(of, **options)
