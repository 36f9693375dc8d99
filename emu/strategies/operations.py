"""Programs and erases that a part executes as they are asked for, given what its cells hold.

Drawn as recipes first, which are numbers alone, and settled on the cells then: so rows of them shrink as lists do.
Neighbours: `journals` makes rows of them; `flash.rules` says what is legal. Knows no tear.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
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
    ones, from 0 us on. Nothing is done to ``cells``. Where a part has no room for a program an erase is drawn; where
    only programs are wanted, the example is given up.
    """
    held = Cells(part) if cells is None else cells
    return recipes(part, kinds).map(lambda recipe: _settled(recipe, part, held, careless, "erase" in kinds))


class Recipe(NamedTuple):
    """What is wanted, whatever the cells hold: ``units`` of page ``place`` from ``first`` on."""

    kind: ArrayKind
    place: int
    first: int
    units: int
    data: bytes
    erase: int


def recipes(part: Part, kinds: Collection[ArrayKind] = BOTH) -> st.SearchStrategy[Recipe]:
    """Numbers in the ranges of ``part``. They shrink to a program of one unit at address 0, zeros."""
    if not kinds or set(kinds) - set(BOTH):
        raise ValueError(f"operations(): kinds={kinds!r}: give program, erase or both")
    burst, unit = part.geometry.burst_size, part.geometry.unit
    return st.builds(
        Recipe,
        kind=st.sampled_from([kind for kind in BOTH if kind in kinds]),
        place=st.integers(0, part.size // burst - 1),
        first=st.integers(0, burst // unit - 1),
        units=st.integers(1, burst // unit),
        data=st.one_of(st.just(b""), st.binary(min_size=1, max_size=burst)),
        erase=st.integers(0, len(part.erase) - 1),
    )


def settle(recipe: Recipe, part: Part, cells: Cells, *, careless: bool, may_erase: bool) -> Operation | None:
    """The operation nearest to ``recipe`` that the part takes with this content; None: no program fits anywhere."""
    geometry, timing = part.geometry, Timing(part, worn=False)
    place = recipe.place * geometry.burst_size
    if recipe.kind == "program":
        found = _program(recipe, part, cells, careless, search=not may_erase)
        if found is not None:
            address, data = found
            end = timing.program_us(address, len(data), 0)
            return Operation("program", "flash", address, len(data), data, 0, end)
        if not may_erase:
            return None
    address, size = _erase(geometry, place, recipe.erase)
    return Operation("erase", "flash", address, size, b"", 0, timing.erase_us(address, size, 0))


def _settled(recipe: Recipe, part: Part, cells: Cells, careless: bool, may_erase: bool) -> Operation:
    found = settle(recipe, part, cells, careless=careless, may_erase=may_erase)
    if found is None:
        raise UnsatisfiedAssumption
    return found


def _erase(geometry: Geometry, place: int, which: int) -> tuple[int, int]:
    """The erase unit number ``which`` around ``place``, sector first."""
    sector = geometry.sector_at(place)
    around = [(sector.address, sector.size)]
    for size in geometry.block_sizes:
        start = geometry.align_down(place, size)
        if geometry.is_block(start, size):
            around.append((start, size))
    return around[which % len(around)]


def _program(recipe: Recipe, part: Part, cells: Cells, careless: bool, *, search: bool) -> tuple[int, bytes] | None:
    """(address, data) of a program that is accepted: where the recipe says, or behind it."""
    unit = part.geometry.unit
    for address, room in _places(recipe, part, search=search):
        length = min(recipe.units * unit, room)
        wanted = (recipe.data * (length // max(1, len(recipe.data)) + 1))[:length].ljust(length, b"\0")
        for data in (wanted, bytes(unit)):
            data = data if careless else _reachable(cells.read(address, len(data)), data, part.erased)
            taken, _ = acceptable_units(part, cells, address, data)
            if taken:
                return address, taken
    return None


def _places(recipe: Recipe, part: Part, *, search: bool) -> Iterator[tuple[int, int]]:
    """(address, bytes to the end of the page) from the recipe's unit on, round the page; ``search``: all pages."""
    unit, burst = part.geometry.unit, part.geometry.burst_size
    units = burst // unit
    pages = part.size // burst
    for step in range(pages if search else 1):
        page = (recipe.place + step) % pages * burst
        for turn in range(units):
            within = (recipe.first + turn) % units * unit
            yield page + within, burst - within


def _reachable(held: bytes, wanted: bytes, erased: int) -> bytes:
    """``wanted``, without the bits that would have to go back towards erased."""
    mixed = (have & want if erased else have | want for have, want in zip(held, wanted, strict=True))
    return bytes(mixed)
