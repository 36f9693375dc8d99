"""Translated code is kept where its bytes came back, and never runs where they did not."""

from __future__ import annotations

import ctypes

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from emu.cpu.block_counter import DIRTY, DIRTY_SIZE, FOLD, WORDS
from emu.cpu.engine import Engine
from emu.cpu.registers import Register
from emu.cpu.translations import GRAIN, MOST_DROPPED, PAGE, Translations

FLASH, ALIAS, RAM = 0x0800_0000, 0, 0x2000_0000
PAGES = 4


class Bench:
    """Flash at two addresses and RAM; what is dropped is listed."""

    def __init__(self, erased: int = 0xFF) -> None:
        self.state = (ctypes.c_uint64 * WORDS)()
        self.state[FOLD] = 0xFFFF_FFFF & ~FLASH
        self.dropped: list[tuple[int, int]] = []
        self.emptied = 0
        self.made = Translations(self.state, lambda first, end: self.dropped.append((first, end)), self._empty)
        self.flash, self.ram = np.full(PAGES * PAGE, erased, np.uint8), np.zeros(2 * PAGE, np.uint8)
        self.made.cover(FLASH, self.flash, is_flash=True)
        self.made.cover(ALIAS, self.flash, is_flash=True)
        self.made.cover(RAM, self.ram, is_flash=False)

    def _empty(self) -> None:
        self.emptied += 1

    @property
    def suspect(self) -> tuple[int, int]:
        return self.state[DIRTY], self.state[DIRTY] + self.state[DIRTY_SIZE]

    def change(self, offset: int, value: int) -> None:
        self.flash[offset] = value
        self.made.suspect(FLASH + offset, 1)

    def run_at(self, offset: int) -> list[tuple[int, int]]:
        """What is dropped before the code at an offset runs."""
        self.dropped.clear()
        self.made.settle(FLASH + offset)
        return list(self.dropped)

    def settled(self) -> Bench:
        """All of flash has been looked at once."""
        self.made.suspect(FLASH, self.flash.size)
        while self.state[DIRTY_SIZE]:
            self.made.settle(self.state[DIRTY])
        return self


def test_bytes_that_came_back_are_translated_once() -> None:
    bench = Bench().settled()
    bench.change(0x1200, 0x55)
    bench.change(0x1200, 0xFF)
    assert bench.run_at(0x1200) == []


def test_a_grain_that_is_another_is_dropped_at_every_address() -> None:
    bench = Bench().settled()
    bench.change(0x1234, 0x55)
    assert bench.run_at(0x1200) == [(FLASH + 0x1200, FLASH + 0x1300), (ALIAS + 0x1200, ALIAS + 0x1300)]
    bench.change(0x1234, 0x55)
    assert bench.run_at(0x1200) == [], "it counts as translated from what it is now"


@pytest.mark.parametrize("erased", [0xFF, 0x00])
def test_what_was_never_looked_at_is_dropped(erased: int) -> None:
    bench = Bench(erased)
    bench.made._pieces[0]._before[:] = erased  # whatever stood in memory nobody has written
    bench.change(0x1234, erased)
    assert (FLASH + 0x1000, FLASH + 0x2000) in bench.run_at(0x1200)


def test_pages_beyond_the_one_that_runs_stay_suspect() -> None:
    bench = Bench().settled()
    bench.change(0x3000, 0x55)
    bench.change(0x1000, 0x55)
    assert bench.suspect == (0, 0x4000)
    assert bench.run_at(0x0100) == []
    assert bench.suspect == (0x1000, 0x4000)
    bench.flash[0x3000] = 0xFF
    assert bench.run_at(0x3010) == [], "an image that was erased and installed again"
    assert bench.suspect == (0x1000, 0x3000)
    assert bench.run_at(0x1010) == [(FLASH + 0x1000, FLASH + 0x1100), (ALIAS + 0x1000, ALIAS + 0x1100)]


def test_code_beside_what_is_suspect_runs_on() -> None:
    bench = Bench().settled()
    bench.change(0x3000, 0x55)
    assert bench.run_at(0x0100) == []
    assert bench.suspect == (0x2000, 0x4000), "with the page before it, whose last instruction may run into it"


def test_an_instruction_across_the_end_of_a_page_is_dropped_with_its_second_half() -> None:
    bench = Bench()
    bench.flash[0x1FFE:0x2000] = list(bytes.fromhex("40f2"))  # movw
    bench.settled()
    bench.change(0x2000, 0x55)
    assert bench.run_at(0x1F00) == [(FLASH + 0x2000, FLASH + 0x2000 + GRAIN), (ALIAS + 0x2000, ALIAS + 0x2000 + GRAIN)]


def test_ram_is_dropped_without_a_look() -> None:
    bench = Bench()
    for _ in range(2):
        bench.dropped.clear()
        bench.made.forget(RAM, PAGE)
        assert bench.dropped == [(RAM, RAM + PAGE)]
    assert bench.suspect == (0, 0)


def test_what_was_dropped_does_not_pile_up() -> None:
    bench = Bench()
    for _ in range(2 * MOST_DROPPED + 1):
        bench.made.forget(RAM, PAGE)
    assert bench.emptied == 2


PLACES = (0x40, 0x180, PAGE - 6, PAGE - 2, PAGE + 0x40, 2 * PAGE - 6, 2 * PAGE - 2, 3 * PAGE + 0x200)
"""Of functions; two of them end a page with half an instruction."""


def function(value: int) -> bytes:
    """movw r0, #value; b ."""
    first = 0xF240 | value >> 1 & 0x400 | value >> 12
    second = value << 4 & 0x7000 | value & 0xFF
    return first.to_bytes(2, "little") + second.to_bytes(2, "little") + bytes.fromhex("fee7")


@given(
    steps=st.lists(st.tuples(st.booleans(), st.sampled_from(PLACES), st.sampled_from((1, 2, 0x1001, 0xF0FF)))),
    native=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_whatever_is_run_gives_what_its_bytes_say(steps: list[tuple[bool, int, int]], native: bool) -> None:
    engine = Engine("cortex-m3", native=native)
    flash = np.full(PAGES * PAGE, 0xFF, np.uint8)
    engine.fold(FLASH ^ ALIAS)
    for base in (FLASH, ALIAS):
        engine.map_flash(base, flash, lambda _address, _size, _value: True)
    for place in PLACES:
        flash[place : place + 6] = list(function(7))
    held = dict.fromkeys(PLACES, 7)
    for writes, place, value in steps:
        if writes:
            for other in (at for at in PLACES if abs(at - place) < 6):
                held.pop(other, None)
            flash[place : place + 6] = list(function(value))
            engine.changed(FLASH + place, 6)
            held[place] = value
        elif place in held:
            engine.put(Register.PC, (ALIAS if value & 1 else FLASH) + place | 1)
            engine.run(6)
            while engine.executed < 4:
                engine.run(6)
            assert engine.get(Register.R0) == held[place]
