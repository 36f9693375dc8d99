"""Option bytes of the STM32L4 and G0: registers that are written freely, a row of cells that OPTSTRT rewrites.

Each line of the row is 64 bits: a register's value, and its complement. OPTSTRT erases the row and programs its lines
one by one; what they say comes into force only when they are loaded: at power-on, or by OBL_LAUNCH, which resets the
chip. A system reset loads nothing. Where value and complement do not fit each other, the secure value is loaded: read
protection level 1, every page protected (RM0444, RM0351 as quoted). So a cut between erase and the last line may lock
a chip.

Neighbours: `double_word` holds the registers. Knows no lock and no flag.
"""

from __future__ import annotations

from dataclasses import dataclass

from emu.cpu.flash.controller import ReadProtection
from emu.cpu.flash.operations import erase
from emu.cpu.flash.regions import Row
from flash.device import FlashDevice

LEVEL_0, LEVEL_2 = 0xAA, 0xCC
LINE = 8


@dataclass(frozen=True, slots=True)
class OptionLine:
    """One option register: where it stands, and its value from the factory and where its line is broken.

    ``kind`` "wrp": a protected range of pages, ``shift`` the lowest bit of its end; "pcrop": the start or end of a
    range of double words; "user": anything else. ``bank``: the one its pages are counted in.
    """

    offset: int
    factory: int
    secure: int
    kind: str = "user"
    bank: int = 0


def line_of(value: int) -> bytes:
    return value.to_bytes(4, "little") + (value ^ 0xFFFF_FFFF).to_bytes(4, "little")


def option_row(lines: tuple[OptionLine, ...]) -> Row:
    """The row that holds ``lines`` in order. Its cells have no error correction to speak of: the complement is it."""
    content = b"".join(line_of(line.factory) for line in lines)
    return Row("options", len(content), LINE, content, kind="mcu-word", overwrite_and=True, max_per_erase=0)


def loaded(row: FlashDevice, lines: tuple[OptionLine, ...]) -> tuple[dict[int, int], bool]:
    """(value of each register by offset, whether some line did not fit its complement)."""
    cells = row.sense(0, len(lines) * LINE)
    values, mismatch = {}, False
    for index, line in enumerate(lines):
        value = int.from_bytes(cells[index * LINE : index * LINE + 4], "little")
        complement = int.from_bytes(cells[index * LINE + 4 : index * LINE + 8], "little")
        fits = value ^ complement == 0xFFFF_FFFF
        values[line.offset] = value if fits else line.secure
        mismatch |= not fits
    return values, mismatch


def rewrite(row: FlashDevice, values: list[int]) -> None:
    """What OPTSTRT does: one erase, then one program per line."""
    erase(row, 0, row.geometry.size)
    for index, value in enumerate(values):
        row.program(index * LINE, line_of(value))


def protected_pages(
    values: dict[int, int], lines: tuple[OptionLine, ...], shift: int, mask: int, pages_per_bank: int, page_size: int
) -> frozenset[int]:
    """Pages that take no erase and no program, counted over the whole array.

    A WRP register has the first page in its low bits and the last one from bit ``shift`` on, ``mask`` wide; a pair of
    PCROP registers the first and last double word of code that cannot be read as data either. An end before its start
    is no range.
    """
    ranges: list[tuple[int, int, int]] = [
        (line.bank, values[line.offset] & mask, values[line.offset] >> shift & mask)
        for line in lines
        if line.kind == "wrp"
    ]
    limits = [line for line in lines if line.kind == "pcrop"]
    for start, end in zip(limits[::2], limits[1::2], strict=True):
        first, last = values[start.offset] & 0xFFFF, values[end.offset] & 0xFFFF
        if first <= last:
            ranges.append((start.bank, first * LINE // page_size, last * LINE // page_size))
    return frozenset(
        bank * pages_per_bank + page
        for bank, first, last in ranges
        for page in range(first, min(last, pages_per_bank - 1) + 1)
    )


def level_of(options: int) -> ReadProtection:
    """Read protection by the lowest byte of OPTR."""
    byte = options & 0xFF
    return 0 if byte == LEVEL_0 else 2 if byte == LEVEL_2 else 1
