"""Draws: a pure function of the key, equal to the published mixer, and spread as promised."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flash import draws

MASK = (1 << 64) - 1


def splitmix64(seed: int, count: int) -> list[int]:
    """The reference generator of Steele, Lea and Flood, step by step."""
    values = []
    for _ in range(count):
        seed = (seed + 0x9E3779B97F4A7C15) & MASK
        z = seed
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        values.append(z ^ (z >> 31))
    return values


def test_the_mixer_gives_the_published_first_outputs() -> None:
    # The sequence for seed 1234567 as printed with many public implementations.
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    assert splitmix64(1234567, 4) == published
    assert draws.mix(1234567) == published[0]


def test_the_vector_form_is_the_same_generator() -> None:
    start = draws.mix(77)
    expected = [value >> 11 for value in splitmix64(start, 50)]
    drawn = draws.uniforms(77, 0, 50)
    assert [int(value * (1 << 53)) for value in drawn] == expected


@given(st.lists(st.integers(-(1 << 70), 1 << 70), min_size=1, max_size=4))
def test_a_draw_is_a_function_of_its_key(key: list[int]) -> None:
    first = draws.mix(*key)
    draws.mix(1, 2, 3)
    assert draws.mix(*key) == first
    assert 0 <= first <= MASK
    assert 0 <= draws.uniform(*key) < 1
    assert abs(draws.normal(*key)) < 8


@given(st.integers(0, MASK), st.integers(0, MASK))
def test_order_and_length_of_the_key_matter(one: int, other: int) -> None:
    if one != other:
        assert draws.mix(one, other) != draws.mix(other, one)
        assert draws.mix(one) != draws.mix(other)
    assert draws.mix(one) != draws.mix(one, other)


@given(st.integers(0, MASK), st.integers(0, 1 << 40), st.integers(0, 200), st.integers(0, 200))
@settings(max_examples=60)
def test_the_ith_of_many_does_not_depend_on_where_counting_began(seed: int, first: int, skip: int, count: int) -> None:
    whole = draws.uniforms(seed, first, skip + count)
    assert np.array_equal(whole[skip:], draws.uniforms(seed, first + skip, count))
    assert len(whole) == skip + count


def test_draws_are_spread_evenly_and_normally() -> None:
    many = draws.uniforms(5, 0, 200_000)
    assert many.min() >= 0
    assert many.max() < 1
    histogram, _ = np.histogram(many, bins=20, range=(0, 1))
    assert histogram.min() > 9_600
    assert histogram.max() < 10_400
    deviates = np.array([draws.normal(9, i) for i in range(20_000)])
    assert deviates.mean() == pytest.approx(0, abs=0.03)
    assert deviates.std() == pytest.approx(1, abs=0.03)


def test_neighbouring_seeds_and_addresses_are_not_alike() -> None:
    left, right = draws.uniforms(1, 0, 50_000), draws.uniforms(2, 0, 50_000)
    assert abs(np.corrcoef(left, right)[0, 1]) < 0.02
    assert abs(np.corrcoef(left[:-1], left[1:])[0, 1]) < 0.02
