"""Accesses to registers nobody has modelled: counted and listed, so that none is silently wrong.

Neighbours: the bus and peripherals count here, `session` reports the list.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_NEAR = 0x40
"""Bytes from one register to the next of the same extent."""


@dataclass(frozen=True, slots=True)
class UnknownRegister:
    """``peripheral`` "" where none is declared at the address; ``offset`` is the address then. ``count``: how many
    registers, the last of them at ``last``."""

    peripheral: str
    offset: int
    reads: int
    writes: int
    count: int = 1
    last: int = 0

    def __str__(self) -> str:
        where = self._at(self.offset)
        if self.count > 1:
            where += f" to {self._at(self.last)}, {self.count} registers"
        return f"{where}: {self.reads} read, {self.writes} written"

    @property
    def place(self) -> str:
        return self._at(self.offset)

    def _at(self, offset: int) -> str:
        return f"{self.peripheral}+{offset:#05x}" if self.peripheral else f"{offset:#010x}"


def extents(registers: Iterable[UnknownRegister]) -> Iterator[UnknownRegister]:
    """Neighbours of one peripheral as one, for people: start-up code copies tables. ``registers`` are in order."""
    found: UnknownRegister | None = None
    for each in registers:
        end = found and (found.last or found.offset)
        if found is not None and each.peripheral == found.peripheral and each.offset - (end or 0) <= _NEAR:
            found = UnknownRegister(
                found.peripheral, found.offset, found.reads + each.reads, found.writes + each.writes,
                found.count + 1, each.offset,
            )  # fmt: skip
            continue
        if found is not None:
            yield found
        found = each
    if found is not None:
        yield found


class UnknownRegisters:
    """Counts since it was made or cleared."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, int], list[int]] = {}

    def count(self, peripheral: str, offset: int, kind: str) -> None:
        """``kind``: "read" or "write"."""
        counts = self._counts.setdefault((peripheral, offset), [0, 0])
        counts[kind == "write"] += 1

    def knows_nothing_of(self, name: str) -> bool:
        """Whether a register was counted, by the name it goes by on the bus: peripheral and offset."""
        return any(f"{peripheral}+{offset:#04x}" == name for peripheral, offset in self._counts)

    def clear(self) -> None:
        self._counts.clear()

    def __iter__(self) -> Iterator[UnknownRegister]:
        for (peripheral, offset), (reads, writes) in sorted(self._counts.items()):
            yield UnknownRegister(peripheral, offset, reads, writes)
