"""What the tests of this folder share: what a strategy shrinks to. Asserts nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import find, settings
from hypothesis import strategies as st

from emu.strategies import KINDS

quick = settings(deadline=None)
every_kind = pytest.mark.parametrize("kind", KINDS)


def smallest(strategy: st.SearchStrategy[Any], wanted: Callable[[Any], object] = lambda _: True) -> Any:
    """What ``strategy`` shrinks to among what is ``wanted``. Raises NoSuchExample when it draws none of it."""
    limits = settings(max_examples=2000, deadline=None, database=None)
    return find(strategy, lambda value: bool(wanted(value)), settings=limits)
