"""What holds for every flash controller, whatever a firmware does to it.

Drivers are drawn: keys, control values that mean something, any other value, stores of every width to a few places. The
journal alone must say what is in the cells, since campaigns replay it; nothing but a bus fault or a reset may come out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emu.cpu.contract import BusFault
from flash.cells import Cells
from flash.device import FlashDevice
from flash.errors import PowerLost, ResetAsserted
from flash.journal import Entry, Interruption, Operation
from flash.replay import replay
from tests.emu.cpu.controller_bench import PARTS, Bench


class Step(NamedTuple):
    """A write of ``value`` to a register, or a store to flash (``is_store``)."""

    is_store: bool
    at: int
    size: int
    value: int


class Vocabulary(NamedTuple):
    """Registers with the values worth writing, addresses worth storing to, and what drivers do in one go."""

    unlock: tuple[tuple[int, int], ...]
    registers: dict[int, tuple[int, ...]]
    addresses: tuple[int, ...]
    phrases: tuple[tuple[Step, ...], ...] = ()


def w(at: int, value: int) -> Step:
    return Step(False, at, 4, value)


def s(at: int, value: int, size: int = 4) -> Step:
    return Step(True, at, size, value)


K1, K2, O1, O2 = 0x4567_0123, 0xCDEF_89AB, 0x0819_2A3B, 0x4C5D_6E7F
ST = 0x0800_0000
DOUBLE_WORD = Vocabulary(
    ((0x08, K1), (0x08, K2), (0x0C, O1), (0x0C, O2)),
    {
        0x08: (K1, K2), 0x0C: (O1, O2), 0x10: (0xFFFF, 0),
        0x14: (1, 2 | 1 << 16, 2 | 3 << 3 | 1 << 16, 4 | 1 << 16, 1 << 18, 1 << 17, 1 << 27, 0, 1 << 31),
        0x20: (0xFFEF_F8AA, 0xFFEF_F855), 0x2C: (0xFF00_FF00, 0xFF00_FFFF),
    },
    (*range(ST, ST + 24, 4), ST + 2048, 0x1FFF_7800),
    (
        (w(0x10, 0xFFFF), w(0x14, 1), s(ST, 7), s(ST + 4, 8)),
        (w(0x10, 0xFFFF), w(0x14, 1), s(ST, 0), s(ST + 4, 0)),
        (w(0x10, 0xFFFF), w(0x14, 1), s(ST + 8, 0xFFFF_FFFF), s(ST + 12, 0xFFFF_FFFF)),
        (w(0x10, 0xFFFF), w(0x14, 0), w(0x14, 2 | 1 << 16)),
        (w(0x10, 0xFFFF), w(0x14, 4 | 1 << 16), w(0x14, 1 << 18), *(s(ST + 4 * i, i) for i in range(64))),
        (w(0x10, 0xFFFF), w(0x14, 2 | 1 << 16), w(0x14, 1 << 18), *(s(ST + 4 * i, i) for i in range(64))),
        (w(0x10, 0xFFFF), w(0x14, 1 << 17)),
        (w(0x10, 0xFFFF), w(0x20, 0xFFEF_F855), w(0x14, 1 << 17), w(0x14, 1 << 27), w(0x08, K1), w(0x08, K2)),
    ),
)  # fmt: skip
VOCABULARY = {
    "stm32f1": Vocabulary(
        ((0x04, K1), (0x04, K2), (0x08, K1), (0x08, K2)),
        {
            0x04: (K1, K2), 0x08: (K1, K2), 0x0C: (0x34, 0), 0x14: (ST, ST + 1024, ST + 5000),
            0x10: (1, 2, 0x42, 4 | 0x40, 0x210, 0x220, 0x260, 0x200, 0x80),
        },
        (ST, ST + 2, ST + 4, ST + 1025, ST + 4096, 0x1FFF_F800, 0x1FFF_F802),
        (
            (w(0x10, 1), s(ST, 0x1234, 2), s(ST + 2, 0x5678, 2), w(0x0C, 0x34)),
            (w(0x10, 1), s(ST, 0, 2)),
            (w(0x10, 0), w(0x10, 2), w(0x14, ST), w(0x10, 0x42)),
            (w(0x10, 0), w(0x10, 4), w(0x10, 0x44)),
            (w(0x10, 0x220), w(0x10, 0x260), w(0x10, 0x210), s(0x1FFF_F800, 0xA5, 2), s(0x1FFF_F802, 0xFE, 2)),
        ),
    ),
    "stm32f4": Vocabulary(
        ((0x04, K1), (0x04, K2), (0x08, O1), (0x08, O2)),
        {
            0x04: (K1, K2), 0x08: (O1, O2), 0x0C: (0xFF,),
            0x10: (1, 0x101, 0x201, 0x301, 2 | 1 << 16, 2 | 3 << 3 | 0x200 | 1 << 16, 4 | 1 << 16, 1 << 31),
            0x14: (0x0FFF_AAEC, 0x0FFF_AAEE, 0x0FFE_AAEE, 0x0FFF_55EE, 1),
        },
        (*range(ST, ST + 12, 2), ST + 15, ST + 0x4000, 0x1FFF_C000),
    ),
    "stm32l4": DOUBLE_WORD,
    "stm32g071": DOUBLE_WORD,
    "stm32g0b1": DOUBLE_WORD,
    "stm32l0": Vocabulary(
        ((0x0C, 0x89AB_CDEF), (0x0C, 0x0203_0405), (0x10, 0x8C9D_AEBF), (0x10, 0x1314_1516)),
        {
            0x0C: (0x89AB_CDEF, 0x0203_0405), 0x10: (0x8C9D_AEBF, 0x1314_1516), 0x14: (0xFBEA_D9C8, 0x2425_2627),
            0x04: (0, 8 | 1 << 9, 8 | 1 << 10, 1, 1 << 18), 0x18: (0xFFFF_FFFF,),
        },
        (*range(ST, ST + 12, 4), ST + 64, ST + 128, 0x0808_0000, 0x0808_0002, 0x1FF8_0004),
    ),
    "stm32h5": Vocabulary(
        ((0x04, K1), (0x04, K2), (0x0C, O1), (0x0C, O2)),
        {
            0x04: (K1, K2), 0x0C: (O1, O2), 0x30: (0xFFFF_FFFF,), 0x1C: (2, 1), 0x54: (0x2D30_EDF0,),
            0x28: (2, 2 | 16, 4 | 32, 4 | 1 << 6 | 32, 8 | 32, 1 << 31 | 8 | 32, 1), 0xEC: (0xFFFF_FFFE,),
        },
        (*range(ST, ST + 16, 4), *range(ST + 16, ST + 32, 4), ST + 8192),
        (
            (w(0x30, 0xFFFF_FFFF), w(0x28, 2), *(s(ST + 4 * i, i) for i in range(4))),
            (w(0x30, 0xFFFF_FFFF), w(0x28, 2), *(s(ST + 4 * i, 2 * i) for i in range(4))),
            (w(0x30, 0xFFFF_FFFF), w(0x28, 2), s(ST + 16, 5), w(0x28, 2 | 16)),
            (w(0x30, 0xFFFF_FFFF), w(0x28, 4 | 32)),
        ),
    ),
    "nrf52840": Vocabulary(
        ((0x504, 1),),
        {
            0x504: (0, 1, 2), 0x508: (0, 4096), 0x50C: (1,), 0x514: (1,), 0x518: (0, 4096), 0x51C: (10, 40, 80),
            0x800: (4096,), 0x804: (4096,), 0x808: (2,),
        },
        (0, 4, 8, 2, 4096, 0x1000_1000, 0x1000_1014),
        (
            (w(0x504, 1), s(0, 0x7F), s(0, 0x70), s(0x1000_1014, 5)),
            (w(0x504, 2), w(0x51C, 40), w(0x518, 0)),
            (w(0x504, 2), w(0x508, 0)),
            (w(0x504, 2), w(0x50C, 1)),
        ),
    ),
}  # fmt: skip
NAMES = tuple(VOCABULARY)


@st.composite
def drivers(draw: st.DrawFn, chip: str) -> list[Step]:
    words = VOCABULARY[chip]
    meant = [(at, value) for at, values in words.registers.items() for value in values]
    anything = st.integers(0, 0xFFFF_FFFF)
    register = st.sampled_from(meant).map(lambda pair: Step(False, pair[0], 4, pair[1]))
    wild = st.builds(
        lambda at, size, value: Step(False, at + value % 4 // size * size, size, value & (1 << 8 * size) - 1),
        st.sampled_from(sorted(words.registers)), st.sampled_from([1, 2, 4]), anything,
    )  # fmt: skip
    store = st.builds(
        lambda at, size, value: Step(True, at // size * size, size, value & (1 << 8 * size) - 1),
        st.sampled_from(words.addresses), st.sampled_from([4, 4, 2, 1]), st.sampled_from([0, 1, 0xFF_1234]) | anything,
    )  # fmt: skip
    run = st.sampled_from(words.addresses).map(lambda at: [Step(True, at // 16 * 16 + 4 * i, 4, i) for i in range(4)])
    steps = [Step(False, at, 4, value) for at, value in words.unlock]
    alone = st.one_of(register, store).map(lambda step: [step])
    phrase = st.sampled_from(words.phrases).map(list) if words.phrases else run
    for chunk in draw(st.lists(st.one_of(phrase, phrase, alone, run), max_size=30)):
        steps += chunk
    if draw(st.booleans()):
        steps.insert(draw(st.integers(0, len(steps))), draw(wild))
    return steps


def drive(bench: Bench, steps: Iterable[Step]) -> None:
    """As a core would: a bus fault is survived, a reset is one."""
    for step in steps:
        try:
            if step.is_store:
                bench.controller.store(step.at, step.size, step.value)
            else:
                bench.write(step.at, step.value, size=step.size)
        except BusFault:
            pass
        except ResetAsserted:
            bench.controller.reset()


def assert_same(live: FlashDevice, replayed: Cells) -> None:
    assert np.array_equal(live.cells.data, replayed.data)
    assert np.array_equal(live.cells.wear, replayed.wear)
    for plane in ("uses", "broken"):
        mine, other = getattr(live.cells, plane), getattr(replayed, plane)
        assert (mine is None) == (other is None)
        assert mine is None or np.array_equal(mine, other), plane


def assert_replays(bench: Bench, entries: Iterable[Entry]) -> None:
    fresh = Bench(bench.chip)
    devices = {device.name: device for device in (fresh.main, *fresh.rows.values())}
    for entry in entries:
        if isinstance(entry, Operation):
            replay(devices[entry.device].cells, entry)
    for device in (bench.main, *bench.rows.values()):
        assert_same(device, devices[device.name].cells)


@pytest.mark.parametrize("chip", NAMES)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_the_journal_says_what_is_in_the_cells(chip: str, data: st.DataObject) -> None:
    bench = Bench(chip)
    drive(bench, data.draw(drivers(chip)))
    assert_replays(bench, bench.main.journal.entries)
    assert bench.main.in_flight == []
    assert [entry.end_us for entry in bench.operations] == sorted(entry.end_us for entry in bench.operations)


@pytest.mark.parametrize("chip", NAMES)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_live_cut_leaves_the_prefix_of_the_journal(chip: str, data: st.DataObject) -> None:
    steps = data.draw(drivers(chip))
    whole = Bench(chip)
    drive(whole, steps)
    entries = whole.main.journal.entries
    if not entries:
        return
    at = data.draw(st.integers(0, len(entries) - 1))
    cut = Bench(chip, Interruption(at))
    with pytest.raises(PowerLost):
        drive(cut, steps)
    assert_replays(cut, entries[:at])


@pytest.mark.parametrize("chip", NAMES)
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_reading_registers_changes_nothing_and_lanes_agree(chip: str, data: st.DataObject) -> None:
    bench = Bench(chip)
    drive(bench, data.draw(drivers(chip)))
    controller = bench.controller
    before = controller.words.copy()
    for offset in range(0, controller.SIZE, 4):
        word = controller.read(offset, 4)
        halves = controller.read(offset, 2) | controller.read(offset + 2, 2) << 16
        octets = int.from_bytes(bytes(controller.read(offset + i, 1) for i in range(4)), "little")
        assert word == halves == octets == before[offset >> 2]
    assert np.array_equal(controller.words, before)


def test_every_controller_is_here() -> None:
    assert set(VOCABULARY) == set(PARTS)


@pytest.mark.parametrize("chip", NAMES)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_cells_and_what_is_kept_are_all_a_reset_begins_from(chip: str, data: st.DataObject) -> None:
    used, other = Bench(chip), Bench(chip)
    drive(used, data.draw(drivers(chip)))
    drive(other, data.draw(drivers(chip)))
    for mine, theirs in ((used.main, other.main), *zip(used.rows.values(), other.rows.values(), strict=True)):
        theirs.restore(mine.snapshot())
    other.controller.keep(used.controller.kept())
    used.controller.reset()
    other.controller.reset()
    assert np.array_equal(used.controller.words, other.controller.words)
    assert used.controller.effects == other.controller.effects
    more = data.draw(drivers(chip))
    before = len(used.main.journal.entries), len(other.main.journal.entries)
    used.notes.clear(), other.notes.clear()
    drive(used, more)
    drive(other, more)
    assert used.notes == other.notes
    assert np.array_equal(used.controller.words, other.controller.words)
    lately = [bench.main.journal.entries[n:] for bench, n in zip((used, other), before, strict=True)]
    assert [type(entry) for entry in lately[0]] == [type(entry) for entry in lately[1]]
    for mine, theirs in ((used.main, other.main), *zip(used.rows.values(), other.rows.values(), strict=True)):
        assert np.array_equal(mine.cells.data, theirs.cells.data)
