"""What an interrupted program leaves: tiers 1 and 2.

Neighbours: `row` has the words, `adversarial` has tier 3. The prose of the model is in the package's docstring.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flash import draws
from flash.cells import Cells, combined
from flash.journal import Operation
from flash.tears.row import CHIPS, ECC, F1, MAX_DRAWS, PLAIN, WORDS, TearRow, bit_soup, drawn, probability

PROGRAM_SEED, GRANULE_SEED, WORD_SEED = 0x50524F47, 0x4752414E, 0x574F5244
_GRANULE_SIZES = (8, 2, 4, 16, 32)


def wanted(cells: Cells, op: Operation) -> bytes:
    """What the range would hold after the whole program."""
    return combined(cells.read(op.address, op.length), op.data, cells.erased == 0xFF)


def _prefixes(cells: Cells, op: Operation, seed: int) -> range:
    return range(cells.geometry.unit, op.length, cells.geometry.unit)


def _few_prefixes(cells: Cells, op: Operation, seed: int) -> list[int]:
    unit = cells.geometry.unit
    steps = op.length // unit
    return sorted({n * unit for n in (1, steps // 2, steps - 1) if 0 < n < steps})


def _apply_prefix(cells: Cells, op: Operation, length: int) -> None:
    if length:
        cells.program(op.address, op.data[:length])


def needed_bits(cells: Cells, op: Operation) -> int:
    """Bits the program has yet to move, as one little-endian number."""
    old = cells.read(op.address, op.length)
    return int.from_bytes(old, "little") ^ int.from_bytes(wanted(cells, op), "little")


def _if_many_bits(cells: Cells, op: Operation, seed: int) -> tuple[int, ...]:
    needed = needed_bits(cells, op)
    return (1,) if needed & (needed - 1) else ()


def _apply_one_bit(cells: Cells, op: Operation, count: int) -> None:
    needed = needed_bits(cells, op)
    _flip(cells, op, needed & -needed)


def _apply_all_but_one(cells: Cells, op: Operation, count: int) -> None:
    needed = needed_bits(cells, op)
    _flip(cells, op, needed ^ (1 << (needed.bit_length() - 1)))


def _flip(cells: Cells, op: Operation, bits: int) -> None:
    old = int.from_bytes(cells.read(op.address, op.length), "little")
    cells.program(op.address, (old ^ bits).to_bytes(op.length, "little"))


def granules(cells: Cells, op: Operation, seed: int) -> range:
    return range(0, op.length, cells.geometry.unit)


def few_granules(cells: Cells, op: Operation, seed: int) -> list[int]:
    unit = cells.geometry.unit
    steps = op.length // unit
    return sorted({0, steps // 2 * unit, (steps - 1) * unit})


def _apply_ecc_program(cells: Cells, op: Operation, done: int) -> None:
    unit = cells.geometry.unit
    cells.program(op.address, op.data[: done + unit])
    cells.mark_broken(op.address + done, unit)


# -- tier 2 ----------------------------------------------------------------------------------------------


def _apply_suffix(cells: Cells, op: Operation, kept: int) -> None:
    cells.program(op.address + kept, op.data[kept:])


def _apply_granules(cells: Cells, op: Operation, argument: int) -> None:
    size = _GRANULE_SIZES[argument % MAX_DRAWS % len(_GRANULE_SIZES)]
    addresses = np.arange(op.address, op.address + op.length) // size
    first = int(addresses[0])
    chosen = draws.uniforms(draws.mix(GRANULE_SEED, argument), first, int(addresses[-1]) - first + 1) < 0.5
    _program_where(cells, op, chosen[addresses - first])


def _halves(cells: Cells, op: Operation, seed: int) -> range:
    return range(4 if op.length > 1 else 0)


def _few_halves(cells: Cells, op: Operation, seed: int) -> tuple[int, ...]:
    return (2,) if op.length > 1 else ()


def _apply_half(cells: Cells, op: Operation, which: int) -> None:
    offsets = np.arange(op.length)
    middle = op.length // 2
    _program_where(cells, op, (offsets < middle, offsets >= middle, offsets % 2 == 0, offsets % 2 == 1)[which % 4])


def _program_where(cells: Cells, op: Operation, chosen: NDArray[np.bool_]) -> None:
    old = np.frombuffer(cells.read(op.address, op.length), np.uint8)
    new = np.frombuffer(wanted(cells, op), np.uint8)
    cells.program(op.address, np.where(chosen, new, old).astype(np.uint8).tobytes())


def soup(cells: Cells, op: Operation, seed: int, argument: int, share: float) -> bytes:
    """Each bit the program has to move has moved with probability ``share``."""
    old = np.frombuffer(cells.read(op.address, op.length), np.uint8)
    new = np.frombuffer(wanted(cells, op), np.uint8)
    moved = bit_soup(seed, argument, op.address, op.length, share)
    return (old ^ ((old ^ new) & moved)).tobytes()


def _apply_bit_subset(cells: Cells, op: Operation, argument: int) -> None:
    cells.program(op.address, soup(cells, op, PROGRAM_SEED, argument, probability(argument)))


def words_in(op: Operation, unit: int) -> int:
    """Units of a program; one that is narrower than a unit (STM32F4 at x8, x16) is one word."""
    return max(1, op.length // unit)


def _torn_words(cells: Cells, op: Operation, seed: int) -> list[int]:
    steps = words_in(op, cells.geometry.unit)
    return [(seed * MAX_DRAWS + draw) * steps + word for draw in range(2) for word in range(steps)]


def _few_torn_words(cells: Cells, op: Operation, seed: int) -> list[int]:
    steps = words_in(op, cells.geometry.unit)
    return [seed * MAX_DRAWS * steps + word for word in sorted({0, steps // 2, steps - 1})]


def _apply_torn_word(cells: Cells, op: Operation, argument: int) -> None:
    unit = cells.geometry.unit
    draw, word = divmod(argument, words_in(op, unit))
    _apply_prefix(cells, op, word * unit)
    at, data = op.address + word * unit, op.data[word * unit : (word + 1) * unit]
    part = Operation("program", op.device, at, len(data), data, op.start_us, op.end_us)
    cells.program(at, soup(cells, part, WORD_SEED, draw, probability(draw)))


PROGRAM_ROWS: tuple[TearRow, ...] = (
    TearRow(
        "prefix", 1, "program", PLAIN | ECC | F1,
        "the charge pump serves a few cells at a time: a prefix is done, the rest old",
        "Winbond W25Q80DL Verilog walks up from the page start; SFDP publishes first and next byte times",
        _prefixes, _few_prefixes, _apply_prefix,
    ),
    TearRow(
        "one-bit", 1, "program", PLAIN,
        "exactly one of the bits that had to move has moved (the lowest)",
        "Infineon KBA218817: any intermediate state; littlefs emubd SOMEBITS",
        _if_many_bits, _if_many_bits, _apply_one_bit,
    ),
    TearRow(
        "all-but-one-bit", 1, "program", PLAIN,
        "all bits that had to move have moved but one (the highest)",
        "Infineon KBA218817: any intermediate state; littlefs emubd MOSTBITS",
        _if_many_bits, _if_many_bits, _apply_all_but_one,
    ),
    TearRow(
        "ecc-fault", 1, "program", ECC,
        "a prefix is done and the next granule's data and check bits do not belong together",
        "STM32L4 reference: ECCD raises NMI; field reports ST forum 594890, trezor 5312, zephyr 33140",
        granules, few_granules, _apply_ecc_program,
    ),
    TearRow(
        "suffix", 2, "program", CHIPS,
        "the bytes are served from the end: all from byte k up is done, below is old",
        "order is undocumented; S29GL observed to work from the end internally (UBI, linux-mtd 2009)",
        _few_prefixes, _few_prefixes, _apply_suffix,
    ),
    TearRow(
        "granules", 2, "program", CHIPS,
        "a drawn half of the 2, 4, 8, 16 or 32-byte granules is done, in no order",
        "Infineon KBA218817: chunk order must not be relied on; granule sizes are a design choice",
        drawn(5), drawn(1), _apply_granules,
    ),
    TearRow(
        "half", 2, "program", CHIPS,
        "one plane is done: the lower or upper half, the even or odd bytes",
        "dual-plane and x16 arrays: inferred, a special case of granules",
        _halves, _few_halves, _apply_half,
    ),
    TearRow(
        "bit-subset", 2, "program", CHIPS,
        "each bit that had to move has moved with the same probability",
        "Infineon KBA218817; littlefs emubd SOMEBITS and MOSTBITS; the probabilities are a design choice",
        drawn(4), drawn(1), _apply_bit_subset,
    ),
    TearRow(
        "torn-word", 2, "program", WORDS,
        "stores are executed in order: words before are done, some bits of one word have moved",
        "an MCU without ECC programs word by word; inside the word as KBA218817",
        _torn_words, _few_torn_words, _apply_torn_word,
    ),
)  # fmt: skip
