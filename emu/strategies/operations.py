"""Programs and erases that a part executes as they are asked for, given what its cells hold.

Drawn as recipes first, which are numbers alone, and settled on the cells then: so rows of them shrink as lists do.
Neighbours: `journals` makes rows of them; `flash.rules` says what is legal. Knows no tear.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, NamedTuple

from hypothesis import strategies as st
from hypothesis.errors import UnsatisfiedAssumption

from flash.cells import Cells
from flash.geometry import Geometry
from flash.journal import Operation
from flash.part import Part
from flash.rules import acceptable_units
from flash.timing import Timing

ArrayKind = Literal["program", "erase"]
BOTH: tuple[ArrayKind, ...] = ("program", "erase")


def operations(
    part: Part, cells: Cells | None = None, *, kinds: Collection[ArrayKind] = BOTH, careless: bool = False
) -> st.SearchStrategy[Operation]:
    """One `flash.journal.Operation` on the array of ``part``, legal on ``cells`` (None: a blank part).

    A program is whole units inside one page or burst, asks no bit to go back towards erased, and stays inside what the
    units take between two erases; ``data`` has ``length`` bytes. An erase is one erase unit of the part, ``data``
    empty. ``careless``: a program may ask for bits back, which silicon executes without giving them. Times are typical
    ones, from 0 us on. Nothing is done to ``cells``. Where no unit takes a program any more an erase is drawn;
    where only programs are wanted, the example is given up.
    """
    held = Cells(part) if cells is None else cells
    return recipes(part, kinds).map(lambda recipe: _settled(recipe, part, held, careless, "erase" in kinds))


class Recipe(NamedTuple):
    """What is wanted, whatever the cells hold: unit number ``at`` programmed with ``data``, or (no data) erased.

    ``erase``: which of the erase units around it. A recipe is few draws on purpose: what takes more than five in a list
    is not removed from its front when an example shrinks.
    """

    at: int
    data: bytes
    erase: int


def recipes(part: Part, kinds: Collection[ArrayKind] = BOTH) -> st.SearchStrategy[Recipe]:
    """Numbers in the ranges of ``part``. They shrink to a program of one unit at address 0, zeros."""
    if not kinds or set(kinds) - set(BOTH):
        raise ValueError(f"operations(): kinds={kinds!r}: give program, erase or both")
    at, burst = _units(part), part.geometry.burst_size
    programs = st.builds(Recipe, at, st.binary(min_size=1, max_size=burst), st.just(0))
    erases = st.builds(Recipe, at, st.just(b""), st.integers(0, len(part.erase) - 1))
    return st.one_of([strategy for kind, strategy in zip(BOTH, (programs, erases), strict=True) if kind in kinds])


def _units(part: Part) -> st.SearchStrategy[int]:
    """Numbers of program units; those of the first two pages as often as all others, so that operations meet."""
    count = part.size // part.program.unit
    near = min(count, 2 * part.geometry.burst_size // part.program.unit)
    return st.integers(0, count + near * 4 - 1).map(lambda drawn: drawn if drawn < count else (drawn - count) % near)


def settle(recipe: Recipe, part: Part, cells: Cells, *, careless: bool, may_erase: bool) -> Operation | None:
    """The operation nearest to ``recipe`` that the part takes with this content; None: no program fits anywhere."""
    timing = Timing(part, worn=False)
    if recipe.data:
        found = _program(recipe, part, cells, careless)
        if found is not None:
            address, data = found
            return Operation("program", "flash", address, len(data), data, 0, timing.program_us(address, len(data), 0))
        if not may_erase:
            return None
    address, size = _erase(part.geometry, recipe)
    return Operation("erase", "flash", address, size, b"", 0, timing.erase_us(address, size, 0))


def _settled(recipe: Recipe, part: Part, cells: Cells, careless: bool, may_erase: bool) -> Operation:
    found = settle(recipe, part, cells, careless=careless, may_erase=may_erase)
    if found is None:
        raise UnsatisfiedAssumption
    return found


def _erase(geometry: Geometry, recipe: Recipe) -> tuple[int, int]:
    """The erase unit the recipe means, of those around its place: the sector first."""
    place = recipe.at * geometry.unit
    sector = geometry.sector_at(place)
    around = [(sector.address, sector.size)]
    for size in geometry.block_sizes:
        start = geometry.align_down(place, size)
        if geometry.is_block(start, size):
            around.append((start, size))
    return around[recipe.erase % len(around)]


def _program(recipe: Recipe, part: Part, cells: Cells, careless: bool) -> tuple[int, bytes] | None:
    """(address, data) of a program that is accepted: where the recipe says, or at the next place that takes one.

    Falling back to an erase at once would be a trap for shrinking: rows that fill a page would stand for one erase.
    """
    unit, burst, count = part.program.unit, part.geometry.burst_size, part.size // part.program.unit
    for step in range(count):
        address = (recipe.at + step) % count * unit
        length = min(part.geometry.align_up(len(recipe.data), unit), burst - address % burst)
        for data in (recipe.data[:length].ljust(length, b"\0"), bytes(unit)):
            data = data if careless else _reachable(cells.read(address, len(data)), data, part.erased)
            taken, _ = acceptable_units(part, cells, address, data)
            if taken:
                return address, taken
    return None


def _reachable(held: bytes, wanted: bytes, erased: int) -> bytes:
    """``wanted``, without the bits that would have to go back towards erased."""
    mixed = (have & want if erased else have | want for have, want in zip(held, wanted, strict=True))
    return bytes(mixed)
