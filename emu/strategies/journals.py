"""Rows of operations that follow one another on one part, whole or cut.

Neighbours: `operations` settles each on what the ones before have left, `cuts` says where power goes. Decides nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hypothesis import strategies as st

from emu.strategies.cuts import TIER_1, cuts
from emu.strategies.operations import Recipe, recipes, settle
from flash.cells import Cells
from flash.journal import Interruption, Operation
from flash.part import Part
from flash.replay import replay
from flash.tears import TearSet


def journals(part: Part, *, min_size: int = 0, max_size: int = 12) -> st.SearchStrategy[list[Operation]]:
    """``min_size`` to ``max_size`` operations (`flash.journal.Operation`) that a blank ``part`` executes in this order.

    Each is legal for what the ones before have left: no bit asked back, no unit programmed too often. Times are typical
    ones and follow one another without a gap. Shrinks to few operations, and each to a program of one unit of zeros.
    """
    return st.lists(recipes(part), min_size=min_size, max_size=max_size).map(lambda row: _carried_out(part, row))


def _carried_out(part: Part, row: Sequence[Recipe]) -> list[Operation]:
    cells, now_us = Cells(part), 0
    done: list[Operation] = []
    for recipe in row:
        operation = settle(recipe, part, cells, careless=False, may_erase=True)
        assert operation is not None, "an erase is always possible: please report"
        operation = replace(operation, start_us=now_us, end_us=now_us + operation.end_us)
        now_us = operation.end_us
        replay(cells, operation)
        done.append(operation)
    return done


@dataclass(frozen=True)
class CutJournal:
    """``operations`` as they would have been done, and the ``cut`` that came: ``cut.entry`` of them were completed."""

    part: Part
    operations: list[Operation]
    cut: Interruption

    @property
    def torn(self) -> Operation | None:
        """The operation power went in; None: it went before one."""
        return None if self.cut.tear is None else self.operations[self.cut.entry]

    def cells(self) -> Cells:
        """What a blank part holds after the cut."""
        cells = Cells(self.part)
        for operation in self.operations[: self.cut.entry]:
            replay(cells, operation)
        if self.cut.tear is not None:
            self.cut.tear.apply(cells, self.operations[self.cut.entry])
        return cells


@st.composite
def cut_journals(draw: st.DrawFn, part: Part, *, max_size: int = 12, tears: TearSet = TIER_1) -> CutJournal:
    """A row of 1 to ``max_size`` operations and one cut of it, as a `CutJournal`; ``tears``: of ``flash.tears``."""
    row = draw(journals(part, min_size=1, max_size=max_size))
    return CutJournal(part, row, draw(cuts(part, Cells(part).snapshot(), row, tears)))
