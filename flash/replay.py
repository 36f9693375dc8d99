"""What one operation of a journal does to the cells, whole or torn.

Neighbours: `device` executes operations with it, campaigns replay journals with it. Knows no time and no power.
"""

from __future__ import annotations

from flash.cells import Cells
from flash.journal import Operation


def replay(cells: Cells, operation: Operation) -> bool:
    """Do to the cells what the journal says was done. Returns whether a program left exactly its data."""
    if operation.tear is not None:
        operation.tear.apply(cells, operation)
    elif operation.kind == "program":
        return cells.program(operation.address, operation.data)
    elif operation.kind == "erase":
        cells.erase(operation.address, operation.length)
    else:
        cells.put_bytes(operation.address, operation.data)
        cells.count_erase(operation.address, operation.length)
    return True
