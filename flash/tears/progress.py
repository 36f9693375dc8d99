"""How far an operation had come when it left what a tear leaves: 0 it had just begun, 1 it was about to end.

Only where the argument of a row says so: a prefix of 77 bytes of 256 is 77/256 of the program. Rows that draw bits say
nothing about time. An erase drives all cells to the programmed value before it erases them; that takes about half of it
(M29W400D: 58 % on worst-case content), as `tear_at` has it too. An EEPROM is erased in the first half of its cycle.

Neighbours: `row` has tears; exposure and traces ask here when a tear happens. Knows no cells.
"""

from __future__ import annotations

from collections.abc import Callable

from flash.geometry import Geometry
from flash.journal import Operation
from flash.tears.row import Tear

_Progress = Callable[[Operation, int, Geometry], float]

PREPROGRAM_SHARE = 0.5


def _in_bytes(op: Operation, argument: int, geometry: Geometry) -> float:
    return argument / op.length


def _from_the_end(op: Operation, kept: int, geometry: Geometry) -> float:
    return (op.length - kept) / op.length


def _in_words(op: Operation, argument: int, geometry: Geometry) -> float:
    words = max(1, op.length // geometry.unit)
    return argument % words / words


def _front(op: Operation, kept: int, geometry: Geometry) -> float:
    return PREPROGRAM_SHARE * (op.length - kept) / op.length


def _front_up(op: Operation, done: int, geometry: Geometry) -> float:
    return PREPROGRAM_SHARE * done / op.length


def _preprogrammed(op: Operation, argument: int, geometry: Geometry) -> float:
    return PREPROGRAM_SHARE


def _in_microseconds(op: Operation, elapsed_us: int, geometry: Geometry) -> float:
    return elapsed_us / max(1, op.end_us - op.start_us)


def _in_sectors(op: Operation, done: int, geometry: Geometry) -> float:
    return done / sum(1 for _ in geometry.sectors_in(op.address, op.length))


_KNOWN: dict[str, _Progress] = {
    **dict.fromkeys(
        ("prefix", "ecc-fault", "ecc-corrected", "ecc-miscorrected", "ecc-unstable", "ecc-used-blank"), _in_bytes
    ),
    "suffix": _from_the_end,
    "rewritten": _in_bytes,
    "rewritten-from": _from_the_end,
    **dict.fromkeys(("rewrite-erased", "page-erased"), _preprogrammed),
    "torn-word": _in_words,
    "front": _front,
    "front-up": _front_up,
    "preprogrammed": _preprogrammed,
    "stopped-us": _in_microseconds,
    **dict.fromkeys(
        ("sectors-up", "sectors-down", "sectors-front", "sectors-pulse", "sectors-blank"), _in_sectors
    ),
}  # fmt: skip


def progress_of(tear: Tear, operation: Operation, geometry: Geometry) -> float | None:
    """The share of its time ``operation`` had behind it, 0 to 1; None: ``tear`` says nothing about it."""
    known = _KNOWN.get(tear.row.name)
    return None if known is None else min(1.0, max(0.0, known(operation, tear.argument, geometry)))
