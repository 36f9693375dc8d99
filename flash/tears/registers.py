"""What an interrupted write of a non-volatile register leaves: tier 2.

A status or configuration register is a small flash row of its own: a write erases it and programs it (nor.md 2.3,
Spansion's article on corrupted registers, Cypress thread 35368). A volatile write (50h) never touches the row.
Neighbours: `flash.spi.registers` says what the bytes mean; here they are bytes.
"""

from __future__ import annotations

from flash.cells import REGISTER_ROW_SIZE, Cells
from flash.journal import Operation
from flash.tears.row import SERIAL, Extent, TearRow, always, bit_soup, drawn, nothing

ROW_SEED = 0x524F57


def _row(cells: Cells, op: Operation) -> list[Extent]:
    return [(cells.geometry.size, REGISTER_ROW_SIZE)]


def _apply_zeros(cells: Cells, op: Operation, _: int) -> None:
    cells.put(cells.geometry.size, REGISTER_ROW_SIZE, 0x00)


def _apply_ones(cells: Cells, op: Operation, _: int) -> None:
    cells.put(cells.geometry.size, REGISTER_ROW_SIZE, 0xFF)


def _apply_soup(cells: Cells, op: Operation, argument: int) -> None:
    cells.put_bytes(
        cells.geometry.size, bit_soup(ROW_SEED, argument, cells.geometry.size, REGISTER_ROW_SIZE, 0.5).tobytes()
    )


REGISTER_ROWS: tuple[TearRow, ...] = (
    TearRow(
        "register-zeros", 2, "write", SERIAL,
        "the row was left with every bit 0: quad enable lost",
        "status registers are non-volatile cells; Spansion: power loss in WRR can leave the device misconfigured",
        always(1), always(1), _apply_zeros, _row, nothing,
    ),
    TearRow(
        "register-ones", 2, "write", SERIAL,
        "the row was left erased, every bit 1: most parts are then wholly protected, and one-time locks are set",
        "status registers are non-volatile cells; Spansion: power loss in WRR can leave the device locked",
        always(1), always(1), _apply_ones, _row, nothing,
    ),
    TearRow(
        "register-soup", 2, "write", SERIAL,
        "arbitrary bits, one-time-programmable ones among them",
        "Spansion's article on corrupted registers during power loss; Cypress thread 35368 (S25FL128S)",
        drawn(4), drawn(1), _apply_soup, _row, nothing,
    ),
)  # fmt: skip
