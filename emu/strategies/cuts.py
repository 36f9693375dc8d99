"""Where power goes in a row of operations, and what is left of the one it tears.

Neighbours: `flash.tears` has the tables; `journals` and `pairs` draw cuts of what they made. Knows no firmware.
"""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from flash.cells import Cells
from flash.device import FlashDevice
from flash.journal import Interruption, Journal, Operation
from flash.part import Part
from flash.replay import replay
from flash.snapshot import Snapshot
from flash.tears import TEAR_SETS, TearSet, tears_of

TIER_1 = TEAR_SETS["T1"]


def cuts(
    part: Part, start: Snapshot, operations: Sequence[Operation], tears: TearSet = TIER_1
) -> st.SearchStrategy[Interruption]:
    """One power cut of ``operations``, which a part in the state ``start`` executes.

    ``entry`` is 0 to ``len(operations) - 1``; ``tear`` None (power goes before that operation) or one of ``tears``
    (inside it). Give it to `restart` and do the same again: it strikes. Shrinks to a clean cut before the first one.
    """
    if not operations:
        raise ValueError("cuts(): no operation to cut: give at least one")
    return _cuts(part, start, list(operations), tears)


@st.composite
def _cuts(draw: st.DrawFn, part: Part, start: Snapshot, operations: list[Operation], tears: TearSet) -> Interruption:
    entry = draw(st.integers(0, len(operations) - 1))
    if not draw(st.integers(0, 3)):  # a clean cut is one state, tears are many
        return Interruption(entry)
    cells = Cells(part)
    cells.restore(start)
    for operation in operations[:entry]:
        replay(cells, operation)
    ways = list(tears_of(part, cells, operations[entry], tears))
    return Interruption(entry, tear=draw(st.sampled_from(ways))) if ways else Interruption(entry)


def restart(device: FlashDevice, cut: Interruption | None = None) -> Journal:
    """Power is back: a new session of ``device`` with a journal of its own, which is returned, and ``cut`` ahead.

    Whatever a firmware kept in RAM is gone by then, so make its objects anew.
    """
    device.supply.restore()
    journal = Journal(cut)
    device.attach(device.clock, journal, None)
    return journal
