"""One row of the tear table, and a row with its argument.

Neighbours: `programs`, `erases`, `registers` and `adversarial` write rows, the package lists and finds them. Knows no
physics.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flash import draws
from flash.cells import Cells
from flash.journal import Operation, OperationKind
from flash.part import PartKind

Extent = tuple[int, int]
"""(address, length) of a range."""

PLAIN: frozenset[PartKind] = frozenset({"spi-nor", "parallel-nor", "mcu-word"})
CHIPS: frozenset[PartKind] = frozenset({"spi-nor", "parallel-nor"})
WORDS: frozenset[PartKind] = frozenset({"mcu-word"})
ECC: frozenset[PartKind] = frozenset({"mcu-ecc"})
F1: frozenset[PartKind] = frozenset({"stm32f1"})
SERIAL: frozenset[PartKind] = frozenset({"spi-nor"})
EEPROM: frozenset[PartKind] = frozenset({"eeprom"})


def own_range(cells: Cells, op: Operation) -> list[Extent]:
    return [(op.address, op.length)]


def nothing(cells: Cells, op: Operation) -> list[Extent]:
    return []


@dataclass(frozen=True, slots=True)
class TearRow:
    """A named way to be torn.

    ``points`` lists the arguments worth cutting at for one operation (``coarse``: a short list of them), given the
    cells it meets and the seed of the campaign, which rows that draw put into the argument: a name says everything.
    ``apply`` makes the cells what the tear leaves, the same each time. ``reach``: every range the tear may change;
    ``inputs``: every range that determines whether there is such a tear, and what it leaves in granules other than its
    own. What it leaves in a granule may always depend on what that one holds; where it depends on no other, there are
    none.
    """

    name: str
    tier: int
    of: OperationKind
    kinds: frozenset[PartKind]
    physics: str
    source: str
    points: Callable[[Cells, Operation, int], Iterable[int]]
    coarse: Callable[[Cells, Operation, int], Iterable[int]]
    apply: Callable[[Cells, Operation, int], None]
    reach: Callable[[Cells, Operation], list[Extent]] = own_range
    inputs: Callable[[Cells, Operation], list[Extent]] = own_range


@dataclass(frozen=True, slots=True, repr=False)
class Tear:
    """A row with its argument; ``name`` is what tokens and reports say."""

    row: TearRow
    argument: int

    @property
    def name(self) -> str:
        return f"{self.row.name}-{self.argument}"

    def __repr__(self) -> str:
        return f"tear_named({self.name!r})"

    def apply(self, cells: Cells, operation: Operation) -> None:
        self.row.apply(cells, operation, self.argument)


def always(*arguments: int) -> Callable[[Cells, Operation, int], Iterable[int]]:
    """Points that depend on nothing."""
    return lambda cells, op, seed: arguments


def drawn(count: int) -> Callable[[Cells, Operation, int], Iterable[int]]:
    """``count`` arguments of a row that draws: others for each seed of the campaign."""
    return lambda cells, op, seed: range(seed * MAX_DRAWS, seed * MAX_DRAWS + count)


MAX_DRAWS = 16
"""Arguments reserved for one campaign seed."""

_PROBABILITIES = (0.5, 0.1, 0.9, 0.98)


def probability(argument: int) -> float:
    """p(t): the share of bits that have moved. No source quantifies it; these four are a design choice."""
    return _PROBABILITIES[argument % MAX_DRAWS % len(_PROBABILITIES)]


def bit_soup(seed: int, argument: int, address: int, length: int, share: float) -> NDArray[np.uint8]:
    """One byte per byte of the range; each bit is 1 with probability ``share``, a function of its own address."""
    chosen = draws.uniforms(draws.mix(seed, argument), address * 8, length * 8) < share
    return np.packbits(chosen, bitorder="little")


def content(cells: Cells, address: int, length: int) -> NDArray[np.uint8]:
    """A copy of what the range holds."""
    return np.frombuffer(cells.read(address, length), np.uint8).copy()


def is_one_unit(cells: Cells, op: Operation) -> bool:
    """Whether an erase is one erase unit of the part, or a piece of the annex: not a whole chip."""
    return op.address >= cells.geometry.size or cells.geometry.is_erase(op.address, op.length)
