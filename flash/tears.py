"""Every state an interrupted operation can leave in the cells.

The fault model in prose (sources per row of the tables below):

- A command that was not yet accepted changes nothing; a command that has finished changes everything it was
  asked to. Those two are *points* of the journal, not tears, and are always cut as well.
- program, serial NOR and MCU arrays without ECC: cells are programmed a few at a time because the charge pump
  is small. A cut leaves a prefix of the bytes (in latch order, from the page start) done and the rest old; or,
  since the order inside a granule is undocumented, any subset of the needed bits. Tier 1 takes every byte
  prefix and the two extreme subsets: exactly one needed bit done, all but one done. No other byte changes.
- program, STM32F1: a half-word is atomic (measured), so only half-word prefixes exist.
- program, ECC arrays: a granule prefix is done; the granule under the cut is old, new, or holds data and check
  bits that no longer belong together: reading it is an uncorrectable fault. A torn granule is used up: until
  the next erase it takes no further program.
- erase: not a ramp from old content to erased. All cells are first driven to the programmed value, then erased
  as one. Cut in the first phase, a front has moved down from the *end* of the sector (observed on S29GL512N);
  cut between the phases, everything is programmed. Cut in the second phase the content is arbitrary: that is
  the business of the seeded and adversarial tiers. The linear "FF prefix" many simulators use is not here,
  because nothing in an erase does that.
- erase, STM32F1: measured: the share of old 0 bits that still read 0 falls from 4.5 % (stopped at once) over
  0.35 % (15 us) to none (50 us), independently per bit. Which bits is a function of the address alone, so the
  same weak cells fail each time.
- erase, ECC arrays: also every granule of the sector uncorrectable.
- Parts whose erased value is 00 are the mirror image in every row.

Neighbours: `device` applies a tear live, `emu.campaign` applies them to snapshots. This room knows no time and
no power; it must not know what any byte means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import exp, log

import numpy as np

from flash import draws
from flash.cells import Cells, combined
from flash.errors import FlashError
from flash.journal import Operation, OperationKind
from flash.part import Part, PartKind

WEAK_CELL_SEED = 0x57454B


@dataclass(frozen=True, slots=True)
class TearRow:
    """One row of the table: a named way to be torn.

    ``points`` lists the arguments worth cutting at for one operation (``coarse`` a short list of them);
    ``apply`` makes the cells what the tear leaves. ``reach`` is every address the tear may change, ``inputs``
    every address that determines what it leaves; both as (address, length), for one operation.
    """

    name: str
    tier: int
    of: OperationKind
    kinds: frozenset[PartKind]
    physics: str
    source: str
    points: Callable[[Cells, Operation], Iterable[int]]
    coarse: Callable[[Cells, Operation], Iterable[int]]
    apply: Callable[[Cells, Operation, int], None]
    reach: Callable[[Operation], tuple[int, int]]
    inputs: Callable[[Operation], tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Tear:
    """A row with its argument; ``name`` is what tokens and reports say."""

    row: TearRow
    argument: int

    @property
    def name(self) -> str:
        return f"{self.row.name}-{self.argument}"

    def apply(self, cells: Cells, operation: Operation) -> None:
        self.row.apply(cells, operation, self.argument)


# -- program ---------------------------------------------------------------------------------------------


def _prefixes(cells: Cells, op: Operation) -> range:
    return range(cells.geometry.unit, op.length, cells.geometry.unit)


def _few_prefixes(cells: Cells, op: Operation) -> list[int]:
    unit = cells.geometry.unit
    steps = op.length // unit
    return sorted({n * unit for n in (1, steps // 2, steps - 1) if 0 < n < steps})


def _apply_prefix(cells: Cells, op: Operation, length: int) -> None:
    if length:
        cells.program(op.address, op.data[:length])


def _needed_bits(cells: Cells, op: Operation) -> int:
    """Bits the program has yet to move, as one little-endian number."""
    old = cells.read(op.address, op.length)
    new = combined(old, op.data, cells.erased == 0xFF)
    return int.from_bytes(old, "little") ^ int.from_bytes(new, "little")


def _if_many_bits(cells: Cells, op: Operation) -> tuple[int, ...]:
    needed = _needed_bits(cells, op)
    return (1,) if needed & (needed - 1) else ()


def _apply_one_bit(cells: Cells, op: Operation, count: int) -> None:
    needed = _needed_bits(cells, op)
    _flip(cells, op, needed & -needed)


def _apply_all_but_one(cells: Cells, op: Operation, count: int) -> None:
    needed = _needed_bits(cells, op)
    _flip(cells, op, needed ^ (1 << (needed.bit_length() - 1)))


def _flip(cells: Cells, op: Operation, bits: int) -> None:
    old = int.from_bytes(cells.read(op.address, op.length), "little")
    cells.put_bytes(op.address, (old ^ bits).to_bytes(op.length, "little"))
    cells.count_use(op.address, op.length)


def _granules(cells: Cells, op: Operation) -> range:
    return range(0, op.length, cells.geometry.unit)


def _few_granules(cells: Cells, op: Operation) -> list[int]:
    unit = cells.geometry.unit
    steps = op.length // unit
    return sorted({0, steps // 2 * unit, (steps - 1) * unit})


def _apply_ecc_program(cells: Cells, op: Operation, done: int) -> None:
    unit = cells.geometry.unit
    cells.program(op.address, op.data[: done + unit])
    cells.mark_broken(op.address + done, unit)


# -- erase -----------------------------------------------------------------------------------------------


def _fronts(cells: Cells, op: Operation) -> list[int]:
    return sorted({1, op.length // 2, op.length - 1})


def _apply_front(cells: Cells, op: Operation, kept: int) -> None:
    unit = cells.geometry.unit
    whole = cells.geometry.align_up(kept, unit)
    cells.put(op.address + kept, op.length - kept, cells.erased ^ 0xFF)
    cells.mend(op.address + whole, op.length - whole)
    if whole != kept:
        cells.mark_broken(op.address + whole - unit, unit)
    _after_broken_erase(cells, op)


def _apply_preprogrammed(cells: Cells, op: Operation, _: int) -> None:
    cells.put(op.address, op.length, cells.erased ^ 0xFF)
    cells.mend(op.address, op.length)
    _after_broken_erase(cells, op)


def _apply_ecc_erase(cells: Cells, op: Operation, _: int) -> None:
    cells.put(op.address, op.length, cells.erased)
    cells.mark_broken(op.address, op.length)
    _after_broken_erase(cells, op)


def _after_broken_erase(cells: Cells, op: Operation) -> None:
    cells.mark_used(op.address, op.length)
    cells.count_erase(op.address, op.length)


def f1_share_left(elapsed_us: float) -> float:
    """Share of the old 0 bits that still read 0 when an STM32F1 page erase stops after ``elapsed_us``.

    Measured at 0, 15 and 50 us: 4.5 %, 0.35 %, 0. Between them: exponential, then linear.
    """
    if elapsed_us >= 50:
        return 0.0
    if elapsed_us >= 15:
        return 0.0035 * (50 - elapsed_us) / 35
    return 0.045 * exp(-elapsed_us / 15 * log(0.045 / 0.0035))


def _apply_f1_erase(cells: Cells, op: Operation, elapsed_us: int) -> None:
    old = np.frombuffer(cells.read(op.address, op.length), np.uint8)
    weak = draws.uniforms(WEAK_CELL_SEED, op.address * 8, op.length * 8) < f1_share_left(elapsed_us)
    stays = np.packbits(weak, bitorder="little")
    moved = old ^ np.uint8(cells.erased)
    cells.put_bytes(op.address, (np.uint8(cells.erased) ^ (moved & stays)).astype(np.uint8).tobytes())
    _after_broken_erase(cells, op)


# -- the table -------------------------------------------------------------------------------------------


def _own_range(op: Operation) -> tuple[int, int]:
    return op.address, op.length


def _no_inputs(op: Operation) -> tuple[int, int]:
    return op.address, 0


def _once(cells: Cells, op: Operation) -> tuple[int, ...]:
    return (1,)


_PLAIN: frozenset[PartKind] = frozenset({"spi-nor", "mcu-word"})
_ECC: frozenset[PartKind] = frozenset({"mcu-ecc"})
_F1: frozenset[PartKind] = frozenset({"stm32f1"})
_F1_SOURCE = "measured on STM32F103: page erase stopped at 0, 15 and 50 us; half-word program found atomic"

TEARS: tuple[TearRow, ...] = (
    TearRow(
        "prefix", 1, "program", _PLAIN | _ECC | _F1,
        "the charge pump serves a few cells at a time: a prefix is done, the rest old",
        "Winbond W25Q80DL Verilog walks up from the page start; SFDP publishes first and next byte times",
        _prefixes, _few_prefixes, _apply_prefix, _own_range, _own_range,
    ),
    TearRow(
        "one-bit", 1, "program", _PLAIN,
        "exactly one of the bits that had to move has moved (the lowest)",
        "Infineon KBA218817: any intermediate state; littlefs emubd SOMEBITS",
        _if_many_bits, _if_many_bits, _apply_one_bit, _own_range, _own_range,
    ),
    TearRow(
        "all-but-one-bit", 1, "program", _PLAIN,
        "all bits that had to move have moved but one (the highest)",
        "Infineon KBA218817: any intermediate state; littlefs emubd MOSTBITS",
        _if_many_bits, _if_many_bits, _apply_all_but_one, _own_range, _own_range,
    ),
    TearRow(
        "ecc-fault", 1, "program", _ECC,
        "a prefix is done and the next granule's data and check bits do not belong together",
        "STM32L4 reference: ECCD raises NMI; field reports ST forum 594890, trezor 5312, zephyr 33140",
        _granules, _few_granules, _apply_ecc_program, _own_range, _own_range,
    ),
    TearRow(
        "front", 1, "erase", _PLAIN | _ECC,
        "pre-program front, moving down from the sector end: all from byte k up is programmed, below is old",
        "observed on S29GL512N by cutting power (UBI, linux-mtd 2009); Infineon KBA223960 phase 1",
        _fronts, _fronts, _apply_front, _own_range, _own_range,
    ),
    TearRow(
        "preprogrammed", 1, "erase", _PLAIN | _ECC,
        "the whole sector is programmed, the erase pulses have not begun",
        "Infineon KBA223960: end of phase 1",
        _once, _once, _apply_preprogrammed, _own_range, _no_inputs,
    ),
    TearRow(
        "erase-ecc-fault", 1, "erase", _ECC,
        "reads blank or faults: no granule of the sector has valid check bits",
        "TI MSPM0: read of a broken erase may raise NMI; trezor 5312: ECCD after an interrupted erase on U5",
        _once, _once, _apply_ecc_erase, _own_range, _no_inputs,
    ),
    TearRow(
        "stopped-us", 1, "erase", _F1,
        "the erase pulse was stopped after k microseconds: a few old 0 bits are still 0",
        _F1_SOURCE,
        lambda cells, op: (0, 15, 50), lambda cells, op: (0, 50), _apply_f1_erase, _own_range, _own_range,
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TearSet:
    """A named choice of rows: which tiers, and whether at every byte or at a few points per operation."""

    name: str
    tiers: tuple[int, ...]
    every_byte: bool
    help: str


TEAR_SETS: dict[str, TearSet] = {
    s.name: s
    for s in (
        TearSet("none", (), False, "clean cuts only: before and after every operation"),
        TearSet("T1-coarse", (1,), False, "tier 1 at the grain of operations: three prefixes per program"),
        TearSet("T1", (1,), True, "tier 1: every byte prefix of every program, and every other row"),
    )
}


def tears_of(part: Part, cells: Cells, operation: Operation, chosen: TearSet) -> Iterator[Tear]:
    """Every tear of ``operation``, given the content it meets, in the order of the table."""
    for row in TEARS:
        if row.of == operation.kind and row.tier in chosen.tiers and part.kind in row.kinds:
            points = row.points if chosen.every_byte else row.coarse
            for argument in points(cells, operation):
                yield Tear(row, argument)


def tear_named(name: str) -> Tear:
    """The tear a token means. Raises FlashError for a name this version does not know."""
    label, _, argument = name.rpartition("-")
    for row in TEARS:
        if row.name == label and argument.isdecimal() and argument.isascii():
            return Tear(row, int(argument))
    raise FlashError(f"no tear is named {name!r}; rows are {', '.join(row.name for row in TEARS)}")


def tear_at(part: Part, cells: Cells, operation: Operation, elapsed_us: int) -> Tear:
    """The tier 1 tear nearest to an operation stopped after ``elapsed_us``."""
    if part.kind == "stm32f1" and operation.kind == "erase":
        return tear_named(f"stopped-us-{elapsed_us}")
    share = elapsed_us / max(1, operation.end_us - operation.start_us)
    if operation.kind == "program":
        unit = cells.geometry.unit
        done = int(share * operation.length / unit) * unit
        if part.kind == "mcu-ecc":
            return tear_named(f"ecc-fault-{min(done, operation.length - unit)}")
        return tear_named(f"prefix-{done}")
    # The pre-program phase takes about half of an erase (M29W400D: 58 % on worst-case content).
    kept = operation.length - int(min(1.0, share * 2) * operation.length)
    return tear_named(f"front-{kept}") if kept else tear_named("preprogrammed-1")
