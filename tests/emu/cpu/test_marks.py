"""Which reads of flash error correction is told of."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

from emu.cpu.first_touch import PIECE
from emu.cpu.marks import Marks
from flash.cells import ECC_CORRECTED, Cells
from flash.part import bundled_part

BASE, ALIAS = 0x0800_0000, 0
L4 = bundled_part("STM32L476")


class Engine:
    """Takes what it is given."""

    folded = 0xF7FF_FFFF

    def follow(self, ranges: Any, touch: Any, read: Any, executed: Any) -> None:
        self.ranges, self.touch, self.told = ranges, touch, (read, executed)

    def tells(self, address: int, size: int = 4) -> bool:
        assert self.touch.is_new(address, size) == self.touch.is_new_block(address, size)
        return bool(self.touch.is_new(address, size))


def sensed(_address: int, _size: int) -> None: ...


@pytest.fixture
def cells() -> Cells:
    return Cells(L4)


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def marks(engine: Engine, cells: Cells) -> Marks:
    return Marks(engine, (BASE, ALIAS), cells, sensed)  # type: ignore[arg-type]  # all that is asked of it


def test_it_follows_every_alias(marks: Marks, engine: Engine) -> None:
    assert engine.ranges == [(BASE, L4.size), (ALIAS, L4.size)]
    assert engine.told == (sensed, sensed)


@pytest.mark.parametrize("code", [1, ECC_CORRECTED])
def test_only_what_shares_a_piece_with_a_mark_is_told_of(marks: Marks, engine: Engine, cells: Cells, code: int) -> None:
    cells.mark_broken(0x1008, 8, code)
    assert not engine.tells(BASE + 0x1008)
    marks.look()
    for base in (BASE, ALIAS):
        assert engine.tells(base + 0x1008)
        assert engine.tells(base + 0x1000, PIECE)
        assert engine.tells(base + 0x0FFE)
        assert not engine.tells(base + 0x0FFC)
        assert not engine.tells(base + 0x1000 + PIECE)
        assert not engine.tells(base + L4.size - 4)


def test_another_state_has_other_marks(marks: Marks, engine: Engine, cells: Cells) -> None:
    blank = cells.snapshot()
    cells.mark_broken(0x1000, 8)
    marks.look()
    cells.restore(blank)
    cells.mark_broken(0x5000, 8)
    marks.look()
    assert not engine.tells(BASE + 0x1000)
    assert engine.tells(BASE + 0x5000)
    cells.restore(blank)
    marks.look()
    assert not engine.tells(BASE + 0x5000)


def test_an_operation_makes_and_takes_marks_in_its_own_range(marks: Marks, engine: Engine, cells: Cells) -> None:
    cells.mark_broken(0x1000, 0x800)
    marks.look_at(0x1000, 0x800)
    assert engine.tells(BASE + 0x1000)
    assert engine.tells(BASE + 0x17FC)
    cells.mark_broken(0x3008, 8)
    marks.look_at(0x3008, 8)
    cells.erase(0x1000, 0x800)
    marks.look_at(0x1000, 0x800)
    assert not engine.tells(BASE + 0x1000)
    assert not engine.tells(BASE + 0x17FC)
    assert engine.tells(BASE + 0x3000)
