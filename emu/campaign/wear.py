"""How often each range is erased, and where that is too often: the check `wear`, over whole chains of sessions.

Neighbours: `judge` and `lives` add up; `checks` has the promise. Knows no rig.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from emu.board import CheckEntry
from emu.campaign.breach import Breach
from emu.rig import Run
from flash.journal import Operation


def worn_out(erases: Counter[Erased], bounds: CheckEntry, entry: int) -> Iterator[Breach]:
    """Breaches of ``wear`` by the erases of one chain of sessions, at the sector that is erased most often."""
    for chip in sorted({chip for chip, _, _ in erases}):
        steps: Counter[int] = Counter()
        for (where, address, length), count in erases.items():
            if where == chip:
                steps[address] += count
                steps[address + length] -= count
        depth, worst, at = 0, 0, 0
        for address in sorted(steps):
            depth += steps[address]
            if depth > worst:
                worst, at = depth, address
        if worst > bounds.max_erases:
            yield Breach(
                "wear", entry, f"{chip} {at:#x} is erased {worst} times on this path, {bounds.max_erases} are allowed"
            )


Erased = tuple[str, int, int]
"""Chip, address and length of an erase."""


def erases_of(run: Run) -> Counter[Erased]:
    """How often each range was erased in a session."""
    return Counter(
        (e.device, e.address, e.length) for e in run.entries if isinstance(e, Operation) and e.kind == "erase"
    )
