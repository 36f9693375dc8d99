"""Units of a part: what they hold in a state, and whether they hold the same in another one."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from flash.cells import Cells
from flash.grid import Grid
from flash.part import bundled_part

PARTS = ("W25Q128JV", "STM32L476", "nRF52840", "STM32L072")
"""Without planes; with error correction; with counts of programs; erased to zero."""
FINE = [(0, 3000), (0x4000, 10)]
PLACES = st.sampled_from([0, 64, 256, 1024, 2040, 3000, 0x1000, 0x4000, 0x4010])
STEPS = st.lists(st.tuples(st.sampled_from(["program", "break", "weaken", "erase"]), PLACES), max_size=6)


def stepped(cells: Cells, steps: list[tuple[str, int]]) -> None:
    unit = cells.geometry.unit
    for kind, place in steps:
        at = place - place % unit
        if kind == "program":
            cells.program(at, bytes([0x5A]) * unit)
        elif kind == "break":
            cells.mark_broken(at, unit)
        elif kind == "weaken":
            cells.mark_weak(at, np.full(unit, 0x10, np.uint8), 3)
        else:
            cells.put(at, unit, cells.erased)


@given(
    name=st.sampled_from(PARTS), size=st.sampled_from([16, 64, 256]), before=STEPS, after=STEPS,
    asked=st.lists(st.tuples(PLACES, st.integers(1, 600)), min_size=1, max_size=4),
)  # fmt: skip
def test_a_footing_fits_where_every_unit_holds_the_same(
    name: str, size: int, before: list[tuple[str, int]], after: list[tuple[str, int]], asked: list[tuple[int, int]]
) -> None:
    part = bundled_part(name)
    grid, cells = Grid(part, FINE, size), Cells(part)
    stepped(cells, before)
    first = cells.snapshot().tree
    stepped(cells, after)
    second = cells.snapshot().tree
    units = sorted({unit for at, length in asked for unit in grid.units_in(at, length)})
    same = all(grid.held(first, unit) == grid.held(second, unit) for unit in units)
    assert grid.footing(first, units).fits(second) is same
    assert grid.footing(second, units).fits(first) is same
    assert grid.footing(first, units).fits(first)
    for block in range(0x5000 // cells.block_size):
        changed = grid.units_changed(first, second, block)
        differ = [unit for unit in grid.units_of(block) if grid.held(first, unit) != grid.held(second, unit)]
        assert set(differ) <= set(changed) <= set(grid.units_of(block))
        if len(first.block(block).content) == len(second.block(block).content) and len(grid.units_of(block)) > 1:
            assert list(changed) == differ
