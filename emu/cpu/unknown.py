"""Accesses to registers nobody has modelled: counted and listed, so that none is silently wrong.

Neighbours: the bus and peripherals count here, `session` reports the list.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class UnknownRegister:
    """``peripheral`` "" where none is declared at the address; ``offset`` is the address then."""

    peripheral: str
    offset: int
    reads: int
    writes: int

    def __str__(self) -> str:
        where = f"{self.peripheral}+{self.offset:#05x}" if self.peripheral else f"{self.offset:#010x}"
        return f"{where}: {self.reads} read, {self.writes} written"


class UnknownRegisters:
    """Counts since it was made or cleared."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, int], list[int]] = {}

    def count(self, peripheral: str, offset: int, kind: str) -> None:
        """``kind``: "read" or "write"."""
        counts = self._counts.setdefault((peripheral, offset), [0, 0])
        counts[kind == "write"] += 1

    def clear(self) -> None:
        self._counts.clear()

    def __iter__(self) -> Iterator[UnknownRegister]:
        for (peripheral, offset), (reads, writes) in sorted(self._counts.items()):
            yield UnknownRegister(peripheral, offset, reads, writes)
