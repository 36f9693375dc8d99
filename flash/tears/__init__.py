"""Every state an interrupted operation can leave in the cells.

The fault model in prose (sources per row of the tables):

- A command that was not yet accepted changes nothing; a command that has finished changes everything it was
  asked to. Those two are *points* of the journal, not tears, and are always cut as well.
- program, serial and parallel NOR: cells are programmed a few at a time because the charge pump is small. A cut leaves
  some granules done, one in progress, the rest old. Tier 1 takes every byte prefix in latch order and two extreme bit
  subsets: exactly one needed bit done, all but one done. The order is documented nowhere, so tier 2 adds suffixes,
  drawn sets of granules, planes and drawn bits. No other byte changes, until tier 3 disturbs the sector.
- program, MCU arrays without ECC: stores run in order; a word in progress has some of its bits (tier 2).
- program, STM32F1: a half-word is atomic (measured), so only half-word prefixes exist.
- program, ECC arrays: a granule prefix is done; the granule under the cut is old, new, or holds data and check
  bits that no longer belong together: reading it is an uncorrectable fault. A torn granule is used up: until
  the next erase it takes no further program. Tier 3 adds what correction makes of it: repaired, repaired wrongly,
  repaired on some reads only, blank but used up.
- erase: not a ramp from old content to erased. All cells are first driven to the programmed value, then erased
  as one. Cut in the first phase, a front has moved down from the *end* of the sector (observed on S29GL512N); cut
  between the phases, everything is programmed. Tier 2: a front from the other side, pre-programming in no order, and
  the second phase, in which content is arbitrary. Tier 3: what reads blank and is not. The linear "FF prefix" many
  simulators use is tier 0, for comparison only, because nothing in an erase does that.
- erase, STM32F1: measured: the share of old 0 bits that still read 0 falls from 4.5 % (stopped at once) over
  0.35 % (15 us) to none (50 us), independently per bit. Which bits is a function of the address alone, so the
  same weak cells fail each time.
- erase, ECC arrays: also every granule of the sector uncorrectable.
- erase of a whole chip: sector after sector, in either order (tier 2).
- write of an EEPROM: one cycle erases the bytes and then programs them. Tier 1: a prefix is new, or all of it is
  erased; and where the part refreshes the page, bytes of the page that nobody wrote are erased as well. Tier 2: bits on
  the way up, bits on the way down, and the page arbitrary.
- register write, serial parts: the register row is flash too, erased and programmed in one cycle (tier 2).
- Several operations in flight (a suspended one and another, or two chips): each is torn on its own, in every
  combination.
- Parts whose erased value is 00 are the mirror image in every row.

Neighbours: `device` applies a tear live, `emu.campaign` applies them to snapshots. The rows are in `programs`,
`erases`, `registers`, `rewrites` and `adversarial`. This room knows no time and no power; it must not know what any
byte means.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from flash.cells import Cells
from flash.errors import FlashError
from flash.journal import Operation
from flash.part import Part
from flash.tears.adversarial import TIER_3_ROWS
from flash.tears.erases import ERASE_ROWS
from flash.tears.programs import PROGRAM_ROWS
from flash.tears.registers import REGISTER_ROWS
from flash.tears.rewrites import REFRESHED, REWRITE_ROWS
from flash.tears.row import Tear, TearRow, is_one_unit

__all__ = [
    "EVERY_TEAR",
    "LEAKS_TIER",
    "TEARS",
    "TEAR_SETS",
    "WEAK_TIER",
    "Tear",
    "TearRow",
    "TearSet",
    "points_of",
    "rows_of",
    "tear_at",
    "tear_named",
    "tears_of",
    "tears_together",
]

TEARS: tuple[TearRow, ...] = (*PROGRAM_ROWS, *ERASE_ROWS, *REGISTER_ROWS, *REWRITE_ROWS, *TIER_3_ROWS)
WEAK_TIER = 3
"""Rows from this tier on leave cells that may read one way or the other."""
LEAKS_TIER = 4
"""Rows of this tier let an erase change what the sectors beside it read as."""

_BY_NAME = {row.name: row for row in TEARS}


@dataclass(frozen=True, slots=True)
class TearSet:
    """A named choice of rows: which tiers, and whether at every byte or at a few points per operation.

    ``seed`` goes into the arguments of the rows that draw.
    """

    name: str
    tiers: tuple[int, ...]
    every_byte: bool
    help: str
    seed: int = 0


TEAR_SETS: dict[str, TearSet] = {
    s.name: s
    for s in (
        TearSet("none", (), False, "clean cuts only: before and after every operation"),
        TearSet("T1-coarse", (1,), False, "tier 1 at the grain of operations: three prefixes per program"),
        TearSet("T1", (1,), True, "tier 1: every byte prefix of every program, and every other row"),
        TearSet("T2", (1, 2), True, "tier 1, and what is drawn by --seed: granules, planes, bits, erase pulses"),
        TearSet("T3-coarse", (1, 2, 3), False, "all three tiers at the grain of operations"),
        TearSet("T3", (1, 2, 3), True, "tiers 1 and 2, and states that read well and are not: weak bits, disturb, ECC"),
        TearSet("T4", (1, 2, 3, 4), True, "all of it, and over-erased cells that leak into neighbours (inferred)"),
        TearSet("ff-prefix", (0,), True, "erases torn as simple simulators do: not physical, for comparison only"),
    )
}

EVERY_TEAR = TearSet("every", (0, 1, 2, 3, 4), True, "every row of the table: what a token may name")


def _is_possible(part: Part, row: TearRow) -> bool:
    """Outcomes of correction exist only where the part corrects, damage beside the bytes written to an EEPROM only
    where it refreshes the page."""
    if row.name in REFRESHED:
        return part.two_wire is not None and part.two_wire.refreshes_page
    corrects = part.ecc is None or part.ecc.corrects
    return corrects or row.name not in ("ecc-corrected", "ecc-miscorrected", "ecc-unstable")


def tears_of(part: Part, cells: Cells, operation: Operation, chosen: TearSet) -> Iterator[Tear]:
    """Every tear of ``operation``, given the content it meets, in the order of the table."""
    for row in rows_of(part, operation, chosen):
        for argument in points_of(row, cells, operation, chosen):
            yield Tear(row, argument)


def points_of(row: TearRow, cells: Cells, operation: Operation, chosen: TearSet) -> Iterable[int]:
    """The arguments of ``row`` for ``operation``, at the grain that was chosen."""
    points = row.points if chosen.every_byte else row.coarse
    return points(cells, operation, chosen.seed)


def rows_of(part: Part, operation: Operation, chosen: TearSet) -> Iterator[TearRow]:
    """The rows that can tear ``operation``, whatever content it meets."""
    for row in TEARS:
        if row.of == operation.kind and row.tier in chosen.tiers and part.kind in row.kinds and _is_possible(part, row):
            yield row


def tears_together(
    flights: Sequence[tuple[Part, Cells, Operation]], chosen: TearSet
) -> Iterator[tuple[Tear | None, ...]]:
    """Every way in which one cut leaves several operations in flight: each untouched (None) or torn, in combination.

    Operations in flight together touch different ranges or different chips, so the order of applying does not matter.
    """
    ways: list[list[Tear | None]] = []
    for part, cells, operation in flights:
        torn: list[Tear | None] = list(tears_of(part, cells, operation, chosen))
        ways.append([None, *torn])
    yield from product(*ways)


def tear_named(name: str) -> Tear:
    """The tear a token means. Raises FlashError for a name this version does not know."""
    label, _, argument = name.rpartition("-")
    row = _BY_NAME.get(label)
    if row is None or not (argument.isdecimal() and argument.isascii()):
        raise FlashError(
            f"no tear is named {name!r}: a row and its number, for instance prefix-12; rows are {', '.join(_BY_NAME)}"
        )
    return Tear(row, int(argument))


def tear_at(part: Part, cells: Cells, operation: Operation, elapsed_us: int) -> Tear:
    """The plainest tear of an operation stopped after ``elapsed_us`` of its own time."""
    if part.kind == "eeprom":  # erased in the first half of the cycle, programmed in the second
        share = elapsed_us / max(1, operation.end_us - operation.start_us)
        return tear_named("rewrite-erasing-0" if share < 0.5 else "rewrite-programming-0")
    if operation.kind == "write":
        return tear_named("register-ones-1" if cells.erased else "register-zeros-1")
    if part.kind == "stm32f1" and operation.kind == "erase":
        return tear_named(f"stopped-us-{elapsed_us}")
    share = min(1.0, elapsed_us / max(1, operation.end_us - operation.start_us))
    if operation.kind == "program":
        unit = cells.geometry.unit
        done = int(share * operation.length / unit) * unit
        if part.kind == "mcu-ecc":
            return tear_named(f"ecc-fault-{min(done, operation.length - unit)}")
        return tear_named(f"prefix-{done}")
    if not is_one_unit(cells, operation):
        count = sum(1 for _ in cells.geometry.sectors_in(operation.address, operation.length))
        return tear_named(f"sectors-up-{min(int(share * count), count - 1)}")
    # The pre-program phase takes about half of an erase (M29W400D: 58 % on worst-case content).
    kept = operation.length - int(min(1.0, share * 2) * operation.length)
    return tear_named(f"front-{kept}") if kept else tear_named("preprogrammed-1")
