"""What an interrupted erase leaves: tiers 1 and 2, several sectors at once, and one row for comparison.

Neighbours: `row` has the words, `adversarial` has tier 3. The prose of the model is in the package's docstring.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import exp, log

import numpy as np
from numpy.typing import NDArray

from flash import draws
from flash.cells import Cells
from flash.journal import Operation
from flash.tears.row import (
    ECC,
    F1,
    PLAIN,
    TearRow,
    always,
    bit_soup,
    content,
    drawn,
    is_one_unit,
    nothing,
    probability,
)
from flash.weak import STUBBORN

WEAK_CELL_SEED, SOUP_SEED, PULSE_SEED, BLANK_SEED = 0x57454B, 0x534F5550, 0x50554C53, 0x424C4E4B


def _fronts(cells: Cells, op: Operation, seed: int) -> list[int]:
    return sorted({1, op.length // 2, op.length - 1}) if is_one_unit(cells, op) else []


def _apply_front(cells: Cells, op: Operation, kept: int) -> None:
    unit = cells.geometry.unit
    whole = cells.geometry.align_up(kept, unit)
    cells.put(op.address + kept, op.length - kept, cells.erased ^ 0xFF)
    cells.mend(op.address + whole, op.length - whole)
    if whole != kept:
        cells.mark_broken(op.address + whole - unit, unit)
    after_broken_erase(cells, op)


def _apply_front_up(cells: Cells, op: Operation, done: int) -> None:
    unit = cells.geometry.unit
    whole = cells.geometry.align_down(done, unit)
    cells.put(op.address, done, cells.erased ^ 0xFF)
    cells.mend(op.address, whole)
    if whole != done:
        cells.mark_broken(op.address + whole, unit)
    after_broken_erase(cells, op)


def once(cells: Cells, op: Operation, seed: int) -> tuple[int, ...]:
    return (1,) if is_one_unit(cells, op) else ()


def _apply_preprogrammed(cells: Cells, op: Operation, _: int) -> None:
    cells.put(op.address, op.length, cells.erased ^ 0xFF)
    cells.mend(op.address, op.length)
    after_broken_erase(cells, op)


def _apply_ecc_erase(cells: Cells, op: Operation, _: int) -> None:
    cells.put(op.address, op.length, cells.erased)
    cells.mark_broken(op.address, op.length)
    after_broken_erase(cells, op)


def after_broken_erase(cells: Cells, op: Operation) -> None:
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
    old = content(cells, op.address, op.length)
    weak = draws.uniforms(WEAK_CELL_SEED, op.address * 8, op.length * 8) < f1_share_left(elapsed_us)
    stays = np.packbits(weak, bitorder="little")
    moved = old ^ np.uint8(cells.erased)
    cells.put_bytes(op.address, (np.uint8(cells.erased) ^ (moved & stays)).astype(np.uint8).tobytes())
    after_broken_erase(cells, op)


# -- tier 2 ----------------------------------------------------------------------------------------------


def drawn_units(count: int) -> Callable[[Cells, Operation, int], Iterable[int]]:
    """As `drawn`, for erases of one unit."""
    points = drawn(count)
    return lambda cells, op, seed: points(cells, op, seed) if is_one_unit(cells, op) else ()


def _apply_bit_soup(cells: Cells, op: Operation, argument: int) -> None:
    """Pre-programming in no order: bits only move to the programmed value."""
    old = content(cells, op.address, op.length)
    moved = bit_soup(SOUP_SEED, argument, op.address, op.length, probability(argument))
    put_unreliable(cells, op, old & ~moved if cells.erased else old | moved)


def pulse(cells: Cells, op: Operation, argument: int) -> NDArray[np.uint8]:
    """Content in the erase pulses: each bit erased with one probability, whatever it held; some word lines lag."""
    share = probability(argument)
    risen = bit_soup(PULSE_SEED, argument, op.address, op.length, share)
    first, last = op.address // 256, (op.address + op.length - 1) // 256
    lagging = draws.uniforms(draws.mix(PULSE_SEED, argument, 1), first, last - first + 1) < 0.25
    slow = bit_soup(PULSE_SEED + 1, argument, op.address, op.length, share)
    line = np.arange(op.address, op.address + op.length) // 256 - op.address // 256
    risen = np.where(lagging[line], risen & slow, risen).astype(np.uint8)
    return risen if cells.erased else np.bitwise_not(risen)


def _apply_pulse(cells: Cells, op: Operation, argument: int) -> None:
    put_unreliable(cells, op, pulse(cells, op, argument))


def put_unreliable(cells: Cells, op: Operation, raw: NDArray[np.uint8]) -> None:
    """Content of a sector no granule of which has valid check bits."""
    cells.put_bytes(op.address, raw.astype(np.uint8).tobytes())
    cells.mark_broken(op.address, op.length)
    after_broken_erase(cells, op)


def _units_of(cells: Cells, op: Operation) -> list[tuple[int, int]]:
    return [(sector.address, sector.size) for sector in cells.geometry.sectors_in(op.address, op.length)]


def _sectors_done(cells: Cells, op: Operation, seed: int) -> list[int]:
    if is_one_unit(cells, op):
        return []
    count = len(_units_of(cells, op))
    return sorted({0, 1, count // 2, count - 1} & set(range(count)))


def _apply_sectors_up(cells: Cells, op: Operation, done: int) -> None:
    _erase_some(cells, op, _units_of(cells, op), done)


def _apply_sectors_down(cells: Cells, op: Operation, done: int) -> None:
    _erase_some(cells, op, _units_of(cells, op)[::-1], done)


def _apply_sectors_front(cells: Cells, op: Operation, done: int) -> None:
    under_way = _erase_some(cells, op, _units_of(cells, op), done, leave=False)
    _apply_front(cells, under_way, under_way.length // 2)


def _apply_sectors_pulse(cells: Cells, op: Operation, done: int) -> None:
    _apply_pulse(cells, _erase_some(cells, op, _units_of(cells, op), done, leave=False), 0)


def _apply_sectors_blank(cells: Cells, op: Operation, done: int) -> None:
    under_way = _erase_some(cells, op, _units_of(cells, op), done, leave=False)
    cells.put(under_way.address, under_way.length, cells.erased)
    cells.mend(under_way.address, under_way.length)
    weak = bit_soup(BLANK_SEED, done, under_way.address, under_way.length, 0.01)
    cells.mark_weak(under_way.address, weak, STUBBORN)
    after_broken_erase(cells, under_way)


def _erase_some(
    cells: Cells, op: Operation, units: list[tuple[int, int]], done: int, *, leave: bool = True
) -> Operation:
    """Erase ``done`` units; the next one is under way, and ``leave``: pre-programmed. Returns its own erase."""
    for address, size in units[:done]:
        cells.erase(address, size)
    address, size = units[done]
    under_way = Operation("erase", op.device, address, size, b"", op.start_us, op.end_us)
    if leave:
        _apply_preprogrammed(cells, under_way, 1)
    return under_way


def _apply_ff_prefix(cells: Cells, op: Operation, length: int) -> None:
    cells.put(op.address, length, cells.erased)
    after_broken_erase(cells, op)


ERASE_ROWS: tuple[TearRow, ...] = (
    TearRow(
        "front", 1, "erase", PLAIN | ECC,
        "pre-program front, moving down from the sector end: all from byte k up is programmed, below is old",
        "observed on S29GL512N by cutting power (UBI, linux-mtd 2009); Infineon KBA223960 phase 1",
        _fronts, _fronts, _apply_front, inputs=nothing,
    ),
    TearRow(
        "preprogrammed", 1, "erase", PLAIN | ECC,
        "the whole sector is programmed, the erase pulses have not begun",
        "Infineon KBA223960: end of phase 1",
        once, once, _apply_preprogrammed, inputs=nothing,
    ),
    TearRow(
        "erase-ecc-fault", 1, "erase", ECC,
        "reads blank or faults: no granule of the sector has valid check bits",
        "TI MSPM0: read of a broken erase may raise NMI; trezor 5312: ECCD after an interrupted erase on U5",
        once, once, _apply_ecc_erase, inputs=nothing,
    ),
    TearRow(
        "stopped-us", 1, "erase", F1,
        "the erase pulse was stopped after k microseconds: a few old 0 bits are still 0",
        "measured on STM32F103: page erase stopped at 0, 15 and 50 us",
        always(0, 15, 50), always(0, 50), _apply_f1_erase, inputs=nothing,
    ),
    TearRow(
        "front-up", 2, "erase", PLAIN | ECC,
        "the mirror of front: all below byte k is programmed, the rest old",
        "linux-mtd 2009: assume the order of pre-programming indeterminate",
        _fronts, _fronts, _apply_front_up, inputs=nothing,
    ),
    TearRow(
        "bit-soup", 2, "erase", PLAIN | ECC,
        "pre-programming in no order: a drawn share of the bits is programmed, the rest old",
        "linux-mtd 2009: indeterminate 1 to 0 order; the shares are a design choice",
        drawn_units(3), drawn_units(1), _apply_bit_soup, inputs=nothing,
    ),
    TearRow(
        "pulse", 2, "erase", PLAIN | ECC,
        "in the erase pulses: each bit erased with one probability, whatever it held before",
        "the whole sector erases in parallel (S29GL data sheet); the probabilities are a design choice",
        drawn_units(4), drawn_units(1), _apply_pulse, inputs=nothing,
    ),
    TearRow(
        "sectors-up", 2, "erase", PLAIN | ECC,
        "chip erase: sectors below are erased, one is pre-programmed, those above are old",
        "a sequential sector engine; the order is a design choice",
        _sectors_done, _sectors_done, _apply_sectors_up, inputs=nothing,
    ),
    TearRow(
        "sectors-down", 2, "erase", PLAIN | ECC,
        "chip erase from the top down",
        "a sequential sector engine; the order is a design choice",
        _sectors_done, _sectors_done, _apply_sectors_down, inputs=nothing,
    ),
    TearRow(
        "sectors-front", 2, "erase", PLAIN | ECC,
        "chip erase from the bottom up: one sector is in the middle of its pre-programming",
        "a sequential sector engine; the sector under way as front",
        _sectors_done, _sectors_done, _apply_sectors_front, inputs=nothing,
    ),
    TearRow(
        "sectors-pulse", 2, "erase", PLAIN | ECC,
        "chip erase from the bottom up: one sector is in its erase pulses",
        "a sequential sector engine; the sector under way as pulse",
        _sectors_done, _sectors_done, _apply_sectors_pulse, inputs=nothing,
    ),
    TearRow(
        "sectors-blank", 3, "erase", PLAIN,
        "chip erase from the bottom up: one sector reads blank, but a few bits do not take the next program",
        "a sequential sector engine; the sector under way as blank-stubborn",
        _sectors_done, _sectors_done, _apply_sectors_blank, inputs=nothing,
    ),
    TearRow(
        "ff-prefix", 0, "erase", PLAIN,
        "the first k bytes erased, the rest old: not physical, nothing in an erase does that",
        "for comparison with simulators that tear an erase this way (Zephyr flash_simulator and others)",
        _fronts, _fronts, _apply_ff_prefix, inputs=nothing,
    ),
)  # fmt: skip
