"""Tier 3: states that read well and are not. A design that holds here trusts no read of an interrupted place.

Neighbours: `flash.weak` keeps the weak bits and says what they read as; `programs` and `erases` have the tame rows.
The rows over-erase (opt-in, inferred) is tier 4.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from flash import draws
from flash.cells import ECC_CORRECTED, ECC_UNSTABLE, Cells
from flash.journal import Operation
from flash.tears.erases import after_broken_erase, drawn_units, once, pulse
from flash.tears.programs import few_granules, granules, soup, wanted
from flash.tears.row import CHIPS, ECC, F1, PLAIN, Extent, TearRow, bit_soup, content, drawn, probability
from flash.weak import DECAYING, HIDDEN, METASTABLE, STUBBORN

WEAK_SEED, DISTURB_SEED, LEAK_SEED = 0x5745414B, 0x44495354, 0x4C45414B
DISTURBED_BITS = 8


# -- program ---------------------------------------------------------------------------------------------


def _needed(cells: Cells, op: Operation) -> NDArray[np.uint8]:
    return content(cells, op.address, op.length) ^ np.frombuffer(wanted(cells, op), np.uint8)


def _weak_share(op: Operation, argument: int, share: float) -> NDArray[np.uint8]:
    return bit_soup(WEAK_SEED, argument, op.address, op.length, share)


def _some_needed(cells: Cells, op: Operation, argument: int) -> NDArray[np.uint8]:
    """Of the bits that have to move: one, for every even argument (all but finished), else a drawn half."""
    needed = _needed(cells, op)
    if argument % 2:
        return needed & _weak_share(op, argument, 0.5)
    moving = np.flatnonzero(np.unpackbits(needed, bitorder="little"))
    chosen = np.zeros(op.length * 8, np.uint8)
    if moving.size:
        chosen[moving[draws.mix(WEAK_SEED, argument, op.address) % moving.size]] = 1
    return np.packbits(chosen, bitorder="little")


def _apply_metastable(cells: Cells, op: Operation, argument: int) -> None:
    undecided = _some_needed(cells, op, argument)
    cells.program(op.address, op.data)
    cells.mark_weak(op.address, undecided, METASTABLE)


def _apply_decaying(cells: Cells, op: Operation, argument: int) -> None:
    light = _some_needed(cells, op, argument)
    cells.program(op.address, op.data)
    cells.mark_weak(op.address, light, DECAYING)


def _apply_hidden(cells: Cells, op: Operation, argument: int) -> None:
    charged = _some_needed(cells, op, argument)
    cells.count_use(op.address, op.length)
    cells.mark_weak(op.address, charged, HIDDEN)


def _sector_of(cells: Cells, op: Operation) -> list[Extent]:
    if op.address >= cells.geometry.size:
        return [(op.address, op.length)]
    return [(sector.address, sector.size) for sector in cells.geometry.sectors_in(op.address, op.length)]


def _apply_disturb(cells: Cells, op: Operation, argument: int) -> None:
    new = soup(cells, op, DISTURB_SEED, argument, probability(argument))
    cells.program(op.address, new)
    ((address, length),) = _sector_of(cells, op)
    for number in range(DISTURBED_BITS):
        bit = draws.mix(DISTURB_SEED, argument, op.address, number) % (length * 8)
        at = address + bit // 8
        if op.address <= at < op.address + op.length:
            continue
        held = cells.read(at, 1)[0]
        mask = 1 << bit % 8
        cells.shift(at, bytes([held & ~mask if cells.erased else held | mask]))


def _granule_rows(apply_to_granule: Callable[[Cells, int, bytes], None]) -> Callable[[Cells, Operation, int], None]:
    """A prefix is done; the next granule is left as ``apply_to_granule`` leaves it."""

    def apply(cells: Cells, op: Operation, done: int) -> None:
        cells.program(op.address, op.data[:done])
        unit = cells.geometry.unit
        apply_to_granule(cells, op.address + done, op.data[done : done + unit])

    return apply


def _corrected(cells: Cells, at: int, data: bytes) -> None:
    cells.program(at, data)
    cells.mark_broken(at, len(data), ECC_CORRECTED)


def _miscorrected(cells: Cells, at: int, data: bytes) -> None:
    cells.program(at, data)
    raw = bytearray(cells.read(at, len(data)))
    bit = draws.mix(WEAK_SEED, at) % (len(raw) * 8)
    raw[bit // 8] ^= 1 << bit % 8
    cells.put_bytes(at, bytes(raw))
    cells.mark_broken(at, len(data), ECC_CORRECTED)


def _unstable(cells: Cells, at: int, data: bytes) -> None:
    cells.program(at, data)
    cells.mark_broken(at, len(data), ECC_UNSTABLE)


def _used_blank(cells: Cells, at: int, data: bytes) -> None:
    cells.mark_used(at, len(data))


# -- erase -----------------------------------------------------------------------------------------------


def _apply_erase_metastable(cells: Cells, op: Operation, argument: int) -> None:
    raw = pulse(cells, op, argument)
    cells.put_bytes(op.address, raw.astype(np.uint8).tobytes())
    cells.mark_weak(op.address, _weak_share(op, argument, 0.2), METASTABLE)
    after_broken_erase(cells, op)


def _blank(cells: Cells, op: Operation) -> None:
    cells.put(op.address, op.length, cells.erased)
    cells.mend(op.address, op.length)
    after_broken_erase(cells, op)


def _apply_blank_metastable(cells: Cells, op: Operation, argument: int) -> None:
    _blank(cells, op)
    cells.mark_weak(op.address, _weak_share(op, argument, 0.01), METASTABLE)


def _apply_blank_hidden(cells: Cells, op: Operation, argument: int) -> None:
    _blank(cells, op)
    cells.mark_weak(op.address, _weak_share(op, argument, 0.01), HIDDEN)


def _apply_blank_stubborn(cells: Cells, op: Operation, argument: int) -> None:
    _blank(cells, op)
    cells.mark_weak(op.address, _weak_share(op, argument, 0.01), STUBBORN)


def _apply_stuck(cells: Cells, op: Operation, _: int) -> None:
    _blank(cells, op)
    cells.mark_weak(op.address, np.full(op.length, 0xFF, np.uint8), STUBBORN)


def _own_and_beside(cells: Cells, op: Operation) -> list[Extent]:
    beside = [(address, size) for address, size, _ in cells.neighbours(op.address, op.length)]
    return [(op.address, op.length), *beside]


def _apply_over_erase(cells: Cells, op: Operation, argument: int) -> None:
    _blank(cells, op)
    for address, size, temper in cells.neighbours(op.address, op.length):
        column = draws.mix(LEAK_SEED, argument, op.address) % 64
        bits = np.zeros(size, np.uint8)
        bits[column::64] = 1 << (column % 8)
        cells.mark_weak(address, bits, temper)


TIER_3_ROWS: tuple[TearRow, ...] = (
    TearRow(
        "metastable", 3, "program", PLAIN,
        "bits between the levels: each read decides anew",
        "NOR cells as random generators (IEEE ToC 68(2) 2019); linux-mtd unstable bits; littlefs METASTABLE",
        drawn(2), drawn(1), _apply_metastable,
    ),
    TearRow(
        "decaying", 3, "program", PLAIN,
        "reads as written a few times after power-up, then some bits read erased again",
        "Tseng, Grupp, Swanson DAC 2011 (NAND), by analogy; KBA218817: an apparently correct image",
        drawn(2), drawn(1), _apply_decaying,
    ),
    TearRow(
        "hidden-charge", 3, "program", PLAIN,
        "reads as before, but the next program of a byte programs these bits too",
        "ST AN4894 and X-CUBE-EEPROM: a dummy program after every reset, since a torn line may read blank",
        drawn(2), drawn(1), _apply_hidden,
    ),
    TearRow(
        "disturb", 3, "program", CHIPS,
        "some bits have moved, and a few in other bytes of the sector have too",
        "Microchip on SST26: a cut during page program may corrupt the sector; TI SLAA392",
        drawn(2), drawn(1), _apply_disturb, _sector_of, _sector_of,
    ),
    TearRow(
        "ecc-corrected", 3, "program", ECC,
        "the granule reads right, but only by correction",
        "STM32L4 ECCC; the shares of the outcomes are not published",
        granules, few_granules, _granule_rows(_corrected),
    ),
    TearRow(
        "ecc-miscorrected", 3, "program", ECC,
        "correction turned a torn granule into one with a wrong bit, and flags success",
        "STM32L4: an all-ones granule has no double-error detection (DS10198 rev 8)",
        granules, few_granules, _granule_rows(_miscorrected),
    ),
    TearRow(
        "ecc-unstable", 3, "program", ECC,
        "corrected on one read, a fault on the next",
        "metastable bits under error correction: inferred",
        granules, few_granules, _granule_rows(_unstable),
    ),
    TearRow(
        "ecc-used-blank", 3, "program", ECC,
        "the granule reads blank, and takes no program until it is erased",
        "a granule whose check bits were programmed first (efton.sk STM32 gotcha 99)",
        granules, few_granules, _granule_rows(_used_blank),
    ),
    TearRow(
        "erase-metastable", 3, "erase", PLAIN,
        "in the erase pulses, a fifth of the bits between the levels",
        "random numbers from aborted erases (US 11,620,108); Nordic: bits undefined until the total time is reached",
        drawn_units(2), drawn_units(1), _apply_erase_metastable,
    ),
    TearRow(
        "blank-metastable", 3, "erase", PLAIN | F1,
        "reads blank, but now and then a bit reads programmed",
        "KBA218817: an apparently correct image; DAC 2011: reads erased but weak",
        drawn_units(2), drawn_units(1), _apply_blank_metastable,
    ),
    TearRow(
        "blank-hidden", 3, "erase", PLAIN | F1,
        "reads blank, but the next program lands with extra programmed bits",
        "DAC 2011: an incomplete erase makes later programs unreliable; ST AN4894",
        drawn_units(2), drawn_units(1), _apply_blank_hidden,
    ),
    TearRow(
        "blank-stubborn", 3, "erase", PLAIN | F1,
        "reads blank, but a few bits do not take the next program",
        "DAC 2011: an incomplete erase makes later programs unreliable",
        drawn_units(2), drawn_units(1), _apply_blank_stubborn,
    ),
    TearRow(
        "stuck", 3, "erase", PLAIN,
        "reads blank and takes no program at all until it is erased again",
        "UBI nor_erase_prepare: a sector can become unwritable after a badly timed cut",
        once, once, _apply_stuck,
    ),
    TearRow(
        "over-erase", 4, "erase", CHIPS,
        "the sector looks erased; leaking cells make programmed bits of the sectors beside it read erased",
        "the purpose of soft-programming in Infineon KBA223960: inferred, so opt-in",
        drawn_units(2), drawn_units(1), _apply_over_erase, _own_and_beside, _own_and_beside,
    ),
)  # fmt: skip
