"""Which operations are in flight together: those that a cut at one moment tears together.

Neighbours: `edges` tears them, `outline` and `moments` ask. Knows the journal only.
"""

from __future__ import annotations

from collections.abc import Sequence

from flash.journal import Entry, Operation


def flights(entries: Sequence[Entry]) -> dict[int, list[int]]:
    """For every operation that is not alone: which others are in flight at some moment before it ends, in the order in
    which they began. They are later entries, because entries stand in the order of their end. For everything else that
    happens meanwhile: which operations are in flight at that moment."""
    first_start, overlapped = 1 << 62, []
    for index in range(len(entries) - 1, -1, -1):
        entry = entries[index]
        end_us = entry.end_us if isinstance(entry, Operation) else entry.time_us
        if first_start < end_us:
            overlapped.append((index, end_us))
        if isinstance(entry, Operation):
            first_start = min(first_start, entry.start_us)
    found: dict[int, list[int]] = {}
    for index, end_us in overlapped:
        together = [
            (entry.start_us, other)
            for other, entry in enumerate(entries[index + 1 :], index + 1)
            if isinstance(entry, Operation) and entry.start_us < end_us
        ]
        found[index] = [other for _, other in sorted(together)]
    return found
