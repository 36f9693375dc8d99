"""Where the units of a footprint are small: records, and the ends of whatever is written as a whole.

A session that comes after a cut looks at a header, a trailer, a flag, and erases the rest of the page unread. In units
of a page each of a thousand programs of it leaves another state; in small ones all those behind the header are the
same. Units may be of any size without a wrong verdict: small ones cost a little at every access.

Neighbours: `rig` makes a grid of it. Knows no core.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from flash.partition import Partition

MOST_OF_A_RECORD = 4
"""Blocks beside each other that may be records; more are an image."""


def fine_blocks(
    written: Iterable[int], read: Iterable[int], slots: Sequence[Partition], block: int, limit: int
) -> list[int]:
    """Blocks, by number, that are to have small units: at most ``limit``, and the ends of slots in any case.

    ``written``: those an update programs, ``block`` bytes each; what it only erases has one state, not many. Short
    ranges of them come first, which are records, and the ends of long ones; then short ranges of ``read``, which it
    looks at: records it writes another time; then the rest from below; slots last, and only if all of them still fit.
    """
    inside = {at for slot in slots for at in range(slot.address // block, -(-(slot.address + slot.size) // block))}
    ends = {at for slot in slots for at in (slot.address // block, (slot.address + slot.size - 1) // block)}
    ranges = sorted(_ranges(sorted(set(written) - inside)), key=len)
    wanted = [at for each in ranges for at in (each[0], each[-1])]
    for each in _ranges(sorted(set(read) - set(written) - inside)):
        wanted += each if len(each) <= MOST_OF_A_RECORD else ()
    wanted += [at for each in ranges for at in each[1:-1]]
    found = list(dict.fromkeys(wanted))[:limit]
    if len(found) + len(inside) <= limit:
        return sorted({*found, *inside})
    return sorted({*found, *ends})


def _ranges(blocks: Sequence[int]) -> list[list[int]]:
    """Neighbours together."""
    found: list[list[int]] = []
    for at in blocks:
        if found and found[-1][-1] == at - 1:
            found[-1].append(at)
        else:
            found.append([at])
    return found
