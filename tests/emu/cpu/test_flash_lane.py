"""The fast lane of flash leaves exactly what Python would have left: call by call, and session by session."""

from __future__ import annotations

import ctypes
import functools
import platform
from itertools import chain
from pathlib import Path

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

import unicorn
from hypothesis import given, settings
from hypothesis import strategies as st
from unicorn import arm64_const, x86_const

from emu.campaign.edges import EdgeWalker
from emu.cpu import lane_code as code
from emu.cpu.block_counter import COUNT
from emu.cpu.chip import bundled_chip
from emu.cpu.engine import _READ, _STORE, _WRITE
from emu.cpu.faces import LaneRules
from emu.cpu.flash import make_controller
from emu.cpu.flash.double_word import LANE as DOUBLE_WORD
from emu.cpu.flash.nrf52840 import Nrf52840Flash
from emu.cpu.flash.stm32f1 import Stm32F1Flash
from emu.cpu.flash.stm32f4 import Stm32F4Flash
from emu.cpu.flash.stm32h5 import WRP, Stm32H5Flash
from emu.cpu.flash.stm32l0 import PEKEYS, PRGKEYS, Stm32L0Flash
from emu.cpu.machine import Machine
from emu.cpu.stops import Refused
from emu.elf.board import load_elf_board
from emu.elf.rig import ElfRig
from flash.errors import HardwareFault, ResetAsserted
from flash.journal import Interruption, Operation
from flash.tears import TEAR_SETS
from flash.timing import Timing
from tests.emu.elf.boards import board

Keys = tuple[tuple[int, int], ...]


def keys(register: int, *values: int) -> Keys:
    return tuple((register, value) for value in values or (0x4567_0123, 0xCDEF_89AB))


CHIPS: dict[str, tuple[LaneRules | None, Keys]] = {
    "STM32F103xB": (Stm32F1Flash.LANE, keys(0x04)),
    "STM32F405xG": (Stm32F4Flash.LANE, keys(0x04)),
    "STM32L476xG": (DOUBLE_WORD, keys(0x08)),
    "STM32G071xB": (DOUBLE_WORD, keys(0x08)),
    "STM32H563xI": (Stm32H5Flash.LANE, keys(0x04)),
    "STM32L072xZ": (Stm32L0Flash.LANE, keys(0x0C, *PEKEYS) + keys(0x10, *PRGKEYS)),
    "nRF52840": (Nrf52840Flash.LANE, ()),
}
NATIVE = pytest.mark.skipif(
    platform.machine() not in code.CODE or platform.system() != "Linux", reason="no machine code for this machine"
)


class Way:
    """One machine, given accesses as its core would make them: by the machine code, or through Python."""

    def __init__(self, chip: str, *, native: bool) -> None:
        self.machine = machine = Machine(bundled_chip(chip), make_controller, native=native)
        for device in machine.devices:
            device.timing = Timing(device.part, worn=False)
        machine.reset("power")
        for register, value in CHIPS[chip][1]:
            machine.controller.write(register, 4, value)
        self.registers, self.is_native = machine.chip.flash.registers, native
        self.says: list[object] = []
        if native:
            self._make_calls()

    def _make_calls(self) -> None:
        lane, kind = self.machine.lane, platform.machine()
        assert lane is not None
        self.lane = lane
        lane.begin()
        lane.expect()
        at = self.machine.engine._lane_code
        self.given = ctypes.addressof(lane.state)
        self.span = self.registers - lane.state[code.REGISTERS]
        self.read_at = _READ(at + code.ON_READ_AT[kind])
        self.write_at = _WRITE(at + code.ON_WRITE_AT[kind])
        self.store_at = _STORE(at + code.ON_STORE_AT[kind])

    def do(self, what: str, *how: int) -> None:
        """What the core sees of it is added to ``says``."""
        engine = self.machine.engine
        if what == "code":
            engine._state[COUNT] += how[0]
        elif what == "alarm":
            self.machine.clock.set_alarm("iwdg", self.machine.clock.now_us + how[0])
        elif self.is_native:
            self._natively(what, *how)
        else:
            try:
                self.says.append(self._slowly(what, *how))
            except (HardwareFault, Refused):
                self.says.append("fault")

    def _slowly(self, what: str, at: int, size: int, value: int = 0) -> object:
        machine = self.machine
        if what == "read":
            return machine.bus.read(self.registers + at, size)
        if what == "write":
            return machine.bus.write(self.registers + at, size, value)
        return machine._store(machine.chip.flash.address + at, size, value)

    def _natively(self, what: str, at: int, size: int, value: int = 0) -> None:
        engine = self.machine.engine
        engine._stop = None
        answer: object
        if what == "read":
            answer = self.read_at(None, self.registers + at - self.span, size, self.given)
        elif what == "write":
            answer = self.write_at(None, self.registers + at - self.span, size, value, self.given)
        else:
            answer = self.store_at(None, 0, self.machine.chip.flash.address + at, size, value, self.given)
        if engine._kept is not None:
            kept, engine._kept = engine._kept, None
            raise kept
        stopped = engine._stop is not None and engine._stop.kind == "refused-access"
        self.says.append("fault" if stopped else answer)

    @property
    def left(self) -> dict[str, object]:
        """Everything that can be seen afterwards."""
        machine = self.machine
        if self.is_native and self.lane.behind[0]:
            self.lane.catch_up()
        machine.core.sync()
        cells, controller = machine.flash.cells, machine.controller
        if isinstance(controller, Stm32H5Flash):
            controller._take_begun()
        return {
            "entries": machine._journal.entries, "notes": machine.notes, "now": machine.clock.now_us,
            "cells": cells.data.tobytes(), "uses": None if cells.uses is None else cells.uses.tobytes(),
            "words": controller.words.tolist(), "half": controller.latch.take(),
            "buffer": vars(controller).get("_buffer"), "interrupt": controller._irq_is_up,
            "statistics": machine.flash.statistics, "snapshot": machine.flash.snapshot().key, "says": self.says,
        }  # fmt: skip


Step = tuple[object, ...]


def driven(chip: str) -> st.SearchStrategy[list[Step]]:
    """Accesses to the controller and stores to two rows of flash, whole programs among them; mostly what a driver
    does."""
    rules = CHIPS[chip][0]
    assert rules is not None
    width = rules.width or 4
    words = st.lists(st.integers(0, (1 << 8 * width) - 1), min_size=rules.stores, max_size=rules.stores)
    first = st.integers(0, 7).map(lambda n: 0x8000 + n * width * rules.stores)
    programs = st.builds(lambda a, ws: [("store", a + n * width, width, w) for n, w in enumerate(ws)], first, words)
    few = st.lists(step(chip), min_size=1, max_size=4)
    return st.lists(programs | few, min_size=1, max_size=16).map(lambda found: list(chain.from_iterable(found)))


def step(chip: str) -> st.SearchStrategy[Step]:
    """One of them."""
    rules = CHIPS[chip][0]
    assert rules is not None
    bits = [1 << bit for bit in range(32) if (rules.calm | rules.armed | rules.kept) >> bit & 1]
    control = st.sampled_from([rules.armed, 0, rules.armed | rules.kept, *bits, *(rules.armed | bit for bit in bits)])
    usual = [1 << bit for bit in range(32) if (rules.plain.get(rules.gate, 0) | rules.armed) >> bit & 1]
    control |= st.builds(lambda one, other: rules.armed | one | other, st.sampled_from(usual), st.sampled_from(bits))
    if rules.width_shift:
        control |= st.integers(0, 3).map(lambda width: rules.armed | width << rules.width_shift)
    status = st.sampled_from([0, 1, rules.errors, rules.done, 0xFFFF_FFFF])
    cleared = st.sampled_from([rules.status, *rules.clear])
    value = st.sampled_from([0, 0xFFFF_FFFF, 0xFFFF, 0x1234_5678]) | st.integers(0, 0xFFFF_FFFF)
    size = st.sampled_from([rules.width or 4] * 6 + [1, 2, 4])
    at = st.integers(0, 15).map(lambda n: 0x8000 + n * (rules.width or 4)) | st.integers(0x8000, 0x8020)
    store = st.builds(lambda a, s, v: ("store", a // s * s, s, v & (1 << 8 * s) - 1), at, size, value)
    return st.one_of(
        store, store, store,
        st.builds(lambda v: ("write", rules.gate, 4, v), control),
        st.builds(lambda r, v: ("write", r, 4, v), cleared, status),
        st.builds(lambda r, s: ("read", r, s), st.sampled_from([rules.gate, rules.status]), st.sampled_from([1, 2, 4])),
        st.builds(lambda n: ("code", n), st.integers(0, 4000)),
    )  # fmt: skip


@NATIVE
@pytest.mark.parametrize("chip", list(CHIPS))
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_call_by_call(chip: str, data: st.DataObject) -> None:
    steps = data.draw(driven(chip))
    rules = CHIPS[chip][0]
    assert rules is not None
    steps = [("write", rules.gate, 4, rules.armed), *steps]
    ways = [Way(chip, native=native) for native in (True, False)]
    for way in ways:
        for what, *how in steps:
            way.do(what, *how)
    assert ways[0].left == ways[1].left


@NATIVE
@pytest.mark.parametrize("chip", list(CHIPS))
def test_whatever_bit_of_the_gate_is_set(chip: str) -> None:
    """With all usual ones: what it asks for is done, whether a program is plain then or not."""
    rules = CHIPS[chip][0]
    assert rules is not None
    usual, width = rules.plain.get(rules.gate, 0) & ~(0xFF << 8) | rules.armed, rules.width or 1
    for bit in (1 << n for n in range(32)):
        ways = [Way(chip, native=native) for native in (True, False)]
        for way in ways:
            way.do("write", rules.gate, 4, rules.armed)
            way.do("write", rules.gate, 4, usual | bit)
            for at in range(rules.stores):
                way.do("store", 0x8000 + at * width, width, 0x12)
            way.says.append(way.machine.controller._irq_is_up)
            way.do("write", rules.gate, 4, rules.armed)
            for at in range(rules.stores):
                way.do("store", 0x8100 + at * width, width, 0x34)
            way.do("read", rules.gate, 4)
        assert ways[0].left == ways[1].left, f"{bit:#x}"


@NATIVE
@pytest.mark.parametrize("chip", ["STM32H563xI", "STM32L072xZ"])
def test_what_is_protected_goes_the_long_way(chip: str) -> None:
    ways = [Way(chip, native=native) for native in (True, False)]
    for way in ways:
        controller = way.machine.controller
        if isinstance(controller, Stm32H5Flash):
            controller._put(WRP[0], 0xFFFF_FFFE)
        else:
            controller._write_protection = 1 << 0x8000 // 4096
        way.do("write", 0x04, 4, 0)  # after which it is asked
        way.do("write", 0x28, 4, 2)
        if way.is_native:
            way.lane.ask_controller()
        for at in (0, 4, 8, 12):
            way.do("store", 0x8000 + at, 4, 0x1234)
    assert ways[0].left == ways[1].left
    assert len(ways[0].machine.notes) > 0


@NATIVE
@pytest.mark.parametrize("chip", ["STM32F103xB", "nRF52840"])
@given(alarm_us=st.integers(1, 900), stores=st.integers(1, 20))
@settings(max_examples=15, deadline=None)
def test_an_alarm_rings_in_the_middle_of_the_same_program(chip: str, alarm_us: int, stores: int) -> None:
    rules = CHIPS[chip][0]
    assert rules is not None
    rang = []
    ways = [Way(chip, native=native) for native in (True, False)]
    for way in ways:
        way.do("write", rules.gate, 4, rules.armed)
        way.do("alarm", alarm_us)
        done = 0
        try:
            for done in range(stores):
                way.do("store", 0x8000 + done * rules.width, rules.width, 0x1234)
                way.do("code", 20)
        except ResetAsserted as reset:
            rang.append((done, reset.cause))
    assert rang in ([], rang[:1] * 2)
    assert ways[0].left == ways[1].left


@NATIVE
@given(alarm_us=st.integers(1, 60_000))
@settings(max_examples=15, deadline=None)
def test_an_alarm_is_nearer_after_an_erase(alarm_us: int) -> None:
    """What goes the long way takes time too."""
    rang = []
    ways = [Way("STM32F103xB", native=native) for native in (True, False)]
    for way in ways:
        way.do("alarm", alarm_us)
        done = -1
        try:
            for register, value in ((0x10, 2), (0x14, 0x0800_8000), (0x10, 0x42), (0x10, 0), (0x10, 1)):
                way.do("write", register, 4, value)
            for done in range(500):
                way.do("store", 0x8000 + 2 * done, 2, 0x1234)
                way.do("code", 20)
        except ResetAsserted as reset:
            rang.append((done, reset.cause))
    assert rang in ([], rang[:1] * 2)
    assert ways[0].left == ways[1].left


@NATIVE
def test_a_plain_program_asks_no_python(monkeypatch: pytest.MonkeyPatch) -> None:
    way = Way("STM32F103xB", native=True)
    way.do("write", 0x10, 4, 1)
    monkeypatch.setattr(way.machine.controller, "store", lambda *_: pytest.fail("asked"))
    monkeypatch.setattr(way.machine.bus, "write", lambda *_: pytest.fail("asked"))
    for at in range(0, 0x400, 2):
        way.do("store", 0x8000 + at, 2, at)
        way.do("read", 0x0C, 4)
        way.do("write", 0x0C, 4, 0x34)
    assert len(way.machine._journal.entries) == 0
    way.lane.catch_up()
    assert len(way.machine._journal.entries) == 0x200
    assert way.machine.flash.statistics.programs == 0x200


@pytest.mark.parametrize(
    ("chip", "loader"),
    [
        ("stm32f1", "copy"),
        ("stm32f4", "ab"),
        ("stm32l4", "swap"),
        ("nrf52840", "ab"),
        ("nrf52840", "copy"),
        ("stm32h5", "copy"),
        ("stm32l0", "copy"),
        ("stm32g0", "copy"),
    ],
)
def test_session_by_session(chip: str, loader: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = load_elf_board(board(tmp_path, chip, f"{loader}-right", "new"))
    quick = ElfRig(read)
    monkeypatch.setattr("emu.elf.rig.Machine", functools.partial(Machine, native=False))
    plain = ElfRig(read)
    state, sessions, programs = quick.initial(1), 0, 0
    while True:
        run = quick.run(state)
        children = [child.state for child in EdgeWalker(quick, TEAR_SETS["T2"], ()).children(state, run)]
        for each in [state, *children[:: max(1, len(children) // 6)]]:
            one, other = quick.run(each), plain.run(each)
            assert one.entries == other.entries
            assert (one.outcome, one.end_us) == (other.outcome, other.end_us)
            assert one.trace is not None
            assert other.trace is not None
            assert list(one.trace.consulted_units) == list(other.trace.consulted_units)
            assert (one.trace.written, one.trace.determined) == (other.trace.written, other.trace.determined)
            assert [snapshot.key for snapshot in one.end.memory] == [snapshot.key for snapshot in other.end.memory]
            assert (one.end.cause, one.end.ram) == (other.end.cause, other.end.ram)
            sessions += 1
            programs += sum(1 for entry in one.entries if isinstance(entry, Operation) and entry.kind == "program")
        if run.outcome.kind != "reset":
            break
        state = run.end
    assert sessions > 6
    assert programs > 6


@NATIVE
def test_an_interrupted_session_goes_the_long_way(tmp_path: Path) -> None:
    rig = ElfRig(load_elf_board(board(tmp_path, "stm32f1", "copy-right", "new")))
    first = rig.run(rig.initial(1))
    whole = rig.run(first.end)
    cut = rig.run(first.end, Interruption(100))
    assert cut.outcome.kind == "cut"
    assert cut.entries == whole.entries[:100]


# -- instruction by instruction: whatever machine the tests run on ---------------------------------------------------

CODE_AT, STATE, WORDS, PLAIN, CLEAR, CELLS, USES, LATCH, COUNTS, BLOCK, RING, STACK = (
    0x1000, 0x2000, 0x3000, 0x3100, 0x3200, 0x4000, 0x4400, 0x4800, 0x4840, 0x4880, 0x4900, 0x8000
)  # fmt: skip
END_AT, READ_AT, WRITE_AT, STORE_AT = 0xA000, 0xA010, 0xA020, 0xA030


def emulated(kind: str, function: str, arguments: tuple[int, ...], memory: bytes) -> tuple[int, int, bytes]:
    """(where it went, what it returned, memory afterwards) of one call of the machine code for ``kind``."""
    at = CODE_AT + {"read": code.ON_READ_AT, "write": code.ON_WRITE_AT, "store": code.ON_STORE_AT}[function][kind]
    if kind == "x86_64":
        uc = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64)
        registers = [getattr(x86_const, f"UC_X86_REG_{name}") for name in ("RDI", "RSI", "RDX", "RCX", "R8", "R9")]
        counter, result, stack = x86_const.UC_X86_REG_RIP, x86_const.UC_X86_REG_RAX, x86_const.UC_X86_REG_RSP
    else:
        uc = unicorn.Uc(unicorn.UC_ARCH_ARM64, unicorn.UC_MODE_ARM)
        registers = [getattr(arm64_const, f"UC_ARM64_REG_X{number}") for number in range(6)]
        counter, result, stack = (
            arm64_const.UC_ARM64_REG_PC, arm64_const.UC_ARM64_REG_X0, arm64_const.UC_ARM64_REG_SP
        )  # fmt: skip
        uc.reg_write(arm64_const.UC_ARM64_REG_X30, END_AT)
    uc.mem_map(0x1000, 0xA000)
    uc.mem_write(CODE_AT, code.CODE[kind])
    uc.mem_write(STATE, memory)
    uc.mem_write(STACK, END_AT.to_bytes(8, "little"))
    uc.reg_write(stack, STACK)
    for register, value in zip(registers, arguments, strict=False):
        uc.reg_write(register, value)
    uc.ctl_exits_enabled(True)
    uc.ctl_set_exits([END_AT, READ_AT, WRITE_AT, STORE_AT])
    uc.emu_start(at, 0, count=1000)
    went = uc.reg_read(counter)
    assert went in (END_AT, READ_AT, WRITE_AT, STORE_AT)
    answer = uc.reg_read(result) & (0xFF if function == "store" else 0xFFFF_FFFF)
    after = bytes(uc.mem_read(STATE, STACK - 0x200 - STATE))
    return went, answer if went == END_AT and function != "write" else 0, after


def words_of(found: dict[int, int], size: int, width: int) -> bytes:
    return b"".join(found.get(at, 0).to_bytes(width, "little") for at in range(size))


@st.composite
def pictures(draw: st.DrawFn) -> bytes:
    """Everything the machine code works on: a controller with a control and a status register, 64 bytes of flash."""
    flag = st.booleans().map(int)
    stores = draw(st.sampled_from([1, 2, 4]))
    state = {
        code.CLOSED: draw(st.sampled_from([0, 0, 0, 1, 2])), code.REGISTERS: 0x100, code.REGISTERS_SIZE: 0x20,
        code.GATE: 4, code.CALM: 0x8000_0000, code.ARMED: 1, code.KEPT: 0x4000_0000, code.STATUS: 3, code.ERRORS: 4,
        code.DONE: draw(st.sampled_from([0, 0x20])), code.HALF: draw(st.sampled_from([0, 0x4_0000])),
        code.WIDTH: draw(st.sampled_from([0, 2, 4])) if stores == 1 else 4, code.WIDTH_SHIFT: 8, code.STORES: stores,
        code.BLANK: draw(flag), code.EMPTY: draw(st.sampled_from([0, 0xFF, 0xFF])), code.UNIT_SHIFT: stores,
        code.FOLD: 0xF7FF_FFFF, code.BASE: 0,
        code.COST: 10, code.ALARM: draw(st.sampled_from([0, 100, 1 << 62])), code.PENDING: draw(st.integers(0, 2)),
        code.ROOM: 2, code.SPENT: draw(st.integers(0, 90)), code.WORD_AT: WORDS, code.PLAIN: PLAIN, code.CLEAR: CLEAR,
        code.CELLS: CELLS, code.USES: draw(st.sampled_from([0, USES])), code.LATCH: LATCH, code.RING: RING,
        code.COUNTS: COUNTS, code.BLOCK: BLOCK, code.READ: READ_AT, code.WRITE: WRITE_AT, code.STORE: STORE_AT,
    }  # fmt: skip
    control = draw(st.sampled_from([1, 1, 1, 0x4000_0001, 0x101, 0x201, 0x301, 0, 0x8000_0001]))
    words = {3: draw(st.sampled_from([0, 0x20, 4, 0x21])), 4: control}
    cells = draw(st.sampled_from([b"\xff" * 64, bytes(64), bytes(range(64)), b"\xff" * 9 + b"\x7f" + b"\xff" * 54]))
    content = st.integers(0, 0xFFFF_FFFF_FFFF_FFFF)
    latch = {
        0: draw(st.integers(0, stores - 1)),
        1: draw(st.sampled_from([0, 8, 16])),
        2: draw(content),
        3: draw(content),
    }
    block = {0: draw(st.integers(0, 50)), 1: 1000, 6: draw(st.sampled_from([0, 0x3000])), 7: draw(flag) * 0x1000}
    picture = bytearray(STACK - 0x200 - STATE)
    for at, content in (
        (STATE, words_of(state, code.WORDS, 8)), (WORDS, words_of(words, 8, 4)), (PLAIN, words_of({4: 0x301}, 8, 4)),
        (CLEAR, words_of({3: 0x35}, 8, 4)), (CELLS, cells), (USES, bytes([0, 0, 0, 1] * 8)),
        (LATCH, words_of(latch, 4, 8)), (COUNTS, words_of({0: draw(st.integers(0, 3)), 1: 3}, 2, 8)),
        (BLOCK, words_of(block, 9, 8)),
    ):  # fmt: skip
        picture[at - STATE : at - STATE + len(content)] = content
    return bytes(picture)


@settings(max_examples=150, deadline=None)
@given(
    picture=pictures(), function=st.sampled_from(["read", "write", "store", "store"]),
    size=st.sampled_from([1, 2, 4, 8]), at=st.integers(0, 48), offset=st.integers(0xFE, 0x121),
    value=st.sampled_from([0, 1, 0x35, 0x101, 0xFFFF_FFFF, 0x1234, 0xFFFF_FFFF_FFFF_FFFF]),
)  # fmt: skip
def test_both_machines_do_the_same(picture: bytes, function: str, size: int, at: int, offset: int, value: int) -> None:
    if function == "store":
        arguments: tuple[int, ...] = (0x77, 19, 0x0800_0000 + at, size, value, STATE)
    else:
        size, offset = min(size, 4), offset // min(size, 4) * min(size, 4)
        arguments = (0x77, offset, size, *([value & 0xFFFF_FFFF] if function == "write" else []), STATE)
    assert emulated("x86_64", function, arguments, picture) == emulated("aarch64", function, arguments, picture)
