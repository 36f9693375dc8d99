"""What a session reads of RAM before it writes it: the hooks' machine code against the Python, and both on a core."""

from __future__ import annotations

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

import unicorn
from unicorn import arm64_const, x86_const

from emu.cpu.chip import bundled_chip
from emu.cpu.flash import make_controller
from emu.cpu.machine import Machine
from emu.cpu.ram_touch import (
    BASE,
    CODE,
    IT,
    MARKS,
    ON_ACCESS_AT,
    READ,
    REG_READ,
    REG_WRITE,
    SIZE,
    STATUS,
    STORE,
    WORDS,
    WRITTEN,
    RamTouch,
)
from emu.cpu.retained import retain, retained
from emu.cpu.session import CpuSession

CODE_AT, STATE_AT, MAP_AT, STUB_AT, END_AT, STACK = 0x1000, 0x3000, 0x4000, 0x5000, 0x6100, 0x7FF0
RAM, RAM_SIZE, LOAD = 0x2000_0000, 0x100, 16
IT_BITS = 0x0600_FC00
X86 = ("RDI", "RSI", "RDX", "RCX", "R8", "R9")


class Hooked:
    """The hooks in an emulator of their machine, over 256 bytes of RAM."""

    def __init__(self, architecture: str, *, status: int = 0) -> None:
        self.is_x86 = architecture == "x86_64"
        self.at = ON_ACCESS_AT[architecture]
        if self.is_x86:
            self.uc = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64)
            self.arguments = [getattr(x86_const, f"UC_X86_REG_{name}") for name in X86]
            stub = bytes.fromhex("c3")
        else:
            self.uc = unicorn.Uc(unicorn.UC_ARCH_ARM64, unicorn.UC_MODE_ARM)
            self.arguments = [getattr(arm64_const, f"UC_ARM64_REG_X{number}") for number in range(6)]
            stub = bytes.fromhex("c0035fd6")
        self.uc.mem_map(0x1000, 0x7000)
        self.uc.mem_write(CODE_AT, CODE[architecture])
        self.uc.mem_write(STUB_AT, stub)
        self.uc.mem_write(STUB_AT + 0x10, stub)
        state = [0] * WORDS
        state[BASE], state[SIZE], state[MARKS] = RAM, RAM_SIZE, MAP_AT
        state[REG_READ], state[REG_WRITE], state[STATUS], state[IT] = STUB_AT, STUB_AT + 0x10, status, IT_BITS
        self.uc.mem_write(STATE_AT, b"".join(word.to_bytes(8, "little") for word in state))

    def access(self, kind: int, address: int, size: int) -> None:
        self._call(self.at, 0x77, kind, address, size, 0, STATE_AT)

    def block(self, address: int, size: int) -> None:
        self._call(0, 0x77, address, size, STATE_AT)

    def _call(self, at: int, *given: int) -> None:
        for register, value in zip(self.arguments, given, strict=False):
            self.uc.reg_write(register, value)
        if self.is_x86:
            self.uc.mem_write(STACK, END_AT.to_bytes(8, "little"))
            self.uc.reg_write(x86_const.UC_X86_REG_RSP, STACK)
        else:
            self.uc.reg_write(arm64_const.UC_ARM64_REG_SP, STACK)
            self.uc.reg_write(arm64_const.UC_ARM64_REG_X30, END_AT)
        self.uc.emu_start(CODE_AT + at, END_AT, count=2000)

    @property
    def marks(self) -> bytes:
        return bytes(self.uc.mem_read(MAP_AT, RAM_SIZE))

    @property
    def status(self) -> int:
        return int.from_bytes(self.uc.mem_read(STATE_AT + 8 * STATUS, 8), "little")


ACCESSES = [
    (STORE, RAM, 4), (LOAD, RAM, 4), (LOAD, RAM + 2, 4), (STORE, RAM + 4, 4), (LOAD, RAM + 0x10, 1),
    (STORE, RAM + 0x10, 4), (LOAD, RAM + 0x10, 4), (STORE, RAM + RAM_SIZE - 2, 4), (LOAD, RAM + RAM_SIZE - 4, 4),
    (LOAD, RAM - 2, 4), (LOAD, RAM + 0x20, 8), (STORE, RAM + 0x24, 8), (LOAD, RAM - 0x100, 4),
]  # fmt: skip


@pytest.mark.parametrize("architecture", CODE)
def test_the_first_access_to_each_byte_counts(architecture: str) -> None:
    hooked, touch = Hooked(architecture), RamTouch(RAM, RAM_SIZE)
    for kind, address, size in ACCESSES:
        hooked.access(kind, address, size)
        for at in range(address, address + size):
            touch.note(at, 1, WRITTEN if kind == STORE else READ)
        assert hooked.marks == touch.marks.tobytes(), hex(address)
    hooked.block(RAM + 0x40, 6)
    touch.note(RAM + 0x40, 6, READ)
    hooked.block(RAM + RAM_SIZE - 3, 40)
    assert hooked.marks == touch.marks.tobytes()
    assert touch.read_first() == [RAM + 4, RAM + 0x10, RAM + 0x20, RAM + 0x24, RAM + 0x40, RAM + 0x44, RAM + 0xFC]


@pytest.mark.parametrize("architecture", CODE)
@pytest.mark.parametrize("status", [0x0100_0000, 0x0700_0000, 0x0100_0400])
def test_what_an_it_block_leaves_is_taken_away(architecture: str, status: int) -> None:
    hooked = Hooked(architecture, status=status)
    hooked.access(LOAD, RAM, 4)
    assert hooked.status == status & ~IT_BITS


def test_aliases_are_the_same_bytes_and_a_session_begins_with_none() -> None:
    touch = RamTouch(RAM, RAM_SIZE, (0x1000_0000,))
    touch.note(0x1000_0008, 4, READ)
    assert touch.read_first() == [RAM + 8]
    assert [state[BASE] for state in touch.states] == [RAM, 0x1000_0000]
    touch.begin()
    assert touch.read_first() == []


CHIP = "STM32F103xB"
VECTORS = bytes.fromhex("00500020 09000008")


def code(*halves: int) -> bytes:
    return b"".join(half.to_bytes(2, "little") for half in halves)


R0_RAM = (0x2020, 0x0600, 0x2140, 0x0089, 0x1840)
"""movs r0, #0x20; lsls r0, r0, #24; movs r1, #0x40; lsls r1, r1, #2; adds r0, r0, r1: r0 is 0x20000100."""
ENDS = (0xBF30, 0xE7FD)
"""wfi; b to it."""


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize(
    ("halves", "read"),
    [
        ((0x6001, 0x6801), []),  # str, ldr
        ((0x6842,), [0x104]),  # ldr r2, [r0, #4]
        ((0x7201, 0x6882), [0x108]),  # strb, ldr of the word around it
        ((0x6001, 0xC80C), [0x104]),  # str r1, [r0]; ldmia r0!, {r2, r3}
        ((0xB402, 0xBC02), []),  # push {r1}; pop {r1}
        ((0xE850, 0x2F00), [0x100]),  # ldrex r2, [r0]
        ((0xE9D0, 0x2302), [0x108, 0x10C]),  # ldrd r2, r3, [r0, #8]
        ((0x2900, 0xBF18, 0x6842, 0x6803), [0x100, 0x104]),  # cmp r1, #0; it ne; ldrne; ldr
        ((0x2900, 0xBF08, 0x6842, 0x6803), [0x100]),  # it eq: not taken
    ],
)
def test_a_core_tells_which_words_it_reads_first(native: bool, halves: tuple[int, ...], read: list[int]) -> None:
    machine = Machine(bundled_chip(CHIP), make_controller, native=native)
    touch = RamTouch(RAM, machine.rams[0][1].size)
    machine.engine.follow_ram(touch)
    machine.flash.load(0, VECTORS + code(*R0_RAM, *halves, *ENDS))
    CpuSession(machine).run("power", 10_000)
    assert touch.read_first() == [RAM + at for at in read]


def test_only_live_words_are_kept() -> None:
    machine = Machine(bundled_chip(CHIP), make_controller)
    machine.flash.load(0, VECTORS + code(*ENDS))
    CpuSession(machine).run("power", 1000)
    _, content, pattern = machine.rams[0]
    content[0x100:0x110] = range(16)
    kept = dict(retained(machine, [RAM + 0x104]))
    assert [name for name in kept if name.startswith("RAM ")] == [f"RAM {RAM + 0x100:#010x}"]
    retain(machine, tuple(kept.items()))
    assert content[0x104:0x108].tolist() == [4, 5, 6, 7]
    assert (content[0x100:0x104] == pattern[0x100:0x104]).all()
    assert (content[0x108:0x140] == pattern[0x108:0x140]).all()
    content[0x104:0x108] = pattern[0x104:0x108]
    assert not any(name.startswith("RAM ") for name, _ in retained(machine, [RAM + 0x104]))


def test_a_reset_that_stops_alarms_leaves_none() -> None:
    machine = Machine(bundled_chip("nRF52840"), make_controller)
    machine.clock.set_alarm("wdt", machine.clock.now_us + 500)
    assert ("alarm wdt", 500) in retained(machine)
    assert not any(name.startswith("alarm") for name, _ in retained(machine, stops_alarms=True))
