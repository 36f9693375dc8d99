"""The hooks of `emu.cpu.first_touch`, instruction by instruction, for both machines there are instructions for."""

from __future__ import annotations

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

import unicorn
from unicorn import arm64_const, x86_const

from emu.cpu.first_touch import (
    BASE,
    CODE,
    FOLD,
    IT,
    LOW,
    NEW_BLOCK,
    NEW_READ,
    ON_READ_AT,
    PIECE,
    REG_READ,
    REG_WRITE,
    SIZE,
    SPAN,
    STATUS,
    TOUCHED,
    WORDS,
    FirstTouch,
)

CODE_AT, STATE_AT, MAP_AT, STUB_AT, NEW_AT, END_AT, STACK = 0x1000, 0x3000, 0x4000, 0x5000, 0x6000, 0x6100, 0x7FF0
FLASH, FLASH_SIZE = 0x0800_0000, 0x1000
IT_BITS = 0x0600_FC00
X86 = ("RDI", "RSI", "RDX", "RCX", "R8", "R9")


class Hooked:
    """One of the two hooks in an emulator of its machine."""

    def __init__(self, architecture: str, touch: FirstTouch, *, status: int = 0) -> None:
        self.is_x86 = architecture == "x86_64"
        if self.is_x86:
            self.uc = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64)
            self.arguments = [getattr(x86_const, f"UC_X86_REG_{name}") for name in X86]
            self.counter, stub = x86_const.UC_X86_REG_RIP, bytes.fromhex("c3")
        else:
            self.uc = unicorn.Uc(unicorn.UC_ARCH_ARM64, unicorn.UC_MODE_ARM)
            self.arguments = [getattr(arm64_const, f"UC_ARM64_REG_X{number}") for number in range(6)]
            self.counter, stub = arm64_const.UC_ARM64_REG_PC, bytes.fromhex("c0035fd6")
        self.uc.mem_map(0x1000, 0x7000)
        self.uc.mem_write(CODE_AT, CODE[architecture])
        self.uc.mem_write(STUB_AT, stub)
        self.uc.mem_write(STUB_AT + 0x10, stub)
        self.uc.mem_write(MAP_AT, touch.touched.tobytes())
        state = list(touch.state)
        state[TOUCHED], state[REG_READ], state[REG_WRITE] = MAP_AT, STUB_AT, STUB_AT + 0x10
        state[NEW_READ], state[NEW_BLOCK], state[STATUS], state[IT] = NEW_AT, NEW_AT, status, IT_BITS
        self.uc.mem_write(STATE_AT, b"".join(word.to_bytes(8, "little") for word in state))
        self.wrote = False
        self.uc.hook_add(unicorn.UC_HOOK_CODE, self._is_written, begin=STUB_AT + 0x10, end=STUB_AT + 0x10)

    def _is_written(self, *_: object) -> None:
        self.wrote = True

    def call(self, at: int, *given: int) -> bool:
        """Whether it says that something is new; its arguments have to come along."""
        for register, value in zip(self.arguments, given, strict=False):
            self.uc.reg_write(register, value)
        if self.is_x86:
            self.uc.mem_write(STACK, END_AT.to_bytes(8, "little"))
            self.uc.reg_write(x86_const.UC_X86_REG_RSP, STACK)
        else:
            self.uc.reg_write(arm64_const.UC_ARM64_REG_SP, STACK)
            self.uc.reg_write(arm64_const.UC_ARM64_REG_X30, END_AT)
        self.uc.ctl_exits_enabled(True)
        self.uc.ctl_set_exits([NEW_AT, END_AT])
        self.uc.emu_start(CODE_AT + at, 0, count=500)
        ended = self.uc.reg_read(self.counter)
        assert ended in (NEW_AT, END_AT)
        if ended == NEW_AT:
            found = [self.uc.reg_read(register) for register in self.arguments[: len(given)]]
            assert [value & 0xFFFF_FFFF for value in found] == [value & 0xFFFF_FFFF for value in given]
        return bool(ended == NEW_AT)

    @property
    def status(self) -> int:
        return int.from_bytes(self.uc.mem_read(STATE_AT + 8 * STATUS, 8), "little")


def touched() -> FirstTouch:
    """Pieces 2, 3 and 5 of flash at 0 and at `FLASH`."""
    touch = FirstTouch(FLASH, FLASH_SIZE, 0xFFFF_FFFF & ~FLASH)
    touch.touch(2 * PIECE + 5, PIECE)
    touch.touch(5 * PIECE, 1)
    return touch


PLACES = [
    (FLASH + 2 * PIECE, 4), (FLASH + 3 * PIECE + 28, 4), (FLASH + 3 * PIECE + 30, 4), (FLASH + 2 * PIECE + 30, 4),
    (2 * PIECE, 4), (0, 4), (FLASH + PIECE + 28, 4), (FLASH + PIECE + 30, 4), (FLASH + FLASH_SIZE - 4, 4),
    (FLASH - 4, 4), (FLASH + 5 * PIECE, 1), (FLASH + 2 * PIECE, 64), (FLASH + 2 * PIECE, 66), (FLASH + 2 * PIECE, 200),
]  # fmt: skip


@pytest.mark.parametrize("architecture", CODE)
@pytest.mark.parametrize(("address", "size"), PLACES)
def test_a_load_is_new_where_the_python_says_so(architecture: str, address: int, size: int) -> None:
    touch = touched()
    if size <= PIECE:  # no load is longer
        new = Hooked(architecture, touch).call(ON_READ_AT[architecture], 0x77, 16, address, size, 0, STATE_AT)
        assert new == touch.is_new(address, size)


@pytest.mark.parametrize("architecture", CODE)
@pytest.mark.parametrize("stays", [(0, 0), (0, FLASH_SIZE), (3 * PIECE, PIECE)])
@pytest.mark.parametrize(("address", "size"), PLACES)
def test_a_block_is_new_where_the_python_says_so(
    architecture: str, stays: tuple[int, int], address: int, size: int
) -> None:
    touch = touched()
    touch.stay_in(*stays)
    assert Hooked(architecture, touch).call(0, 0x77, address, size, STATE_AT) == touch.is_new_block(address, size)


@pytest.mark.parametrize("architecture", CODE)
@pytest.mark.parametrize("status", [0x0100_0000, 0x0700_0000, 0x0100_0400, 0x6100_8003])
def test_what_an_it_block_leaves_is_taken_away(architecture: str, status: int) -> None:
    hooked = Hooked(architecture, touched(), status=status)
    assert not hooked.call(ON_READ_AT[architecture], 0x77, 16, FLASH + 2 * PIECE, 4, 0, STATE_AT)
    assert (hooked.status, hooked.wrote) == (status & ~IT_BITS, bool(status & IT_BITS))


def test_a_session_begins_with_nothing_touched() -> None:
    touch = touched()
    touch.stay_in(0, FLASH_SIZE)
    assert not touch.is_new_block(2 * PIECE, 4)
    touch.begin()
    assert touch.is_new(2 * PIECE, 4)
    assert (touch.state[LOW], touch.state[SPAN]) == (0, 0)
    assert (touch.state[FOLD], touch.state[BASE], touch.state[SIZE]) == (0xF7FF_FFFF, 0, FLASH_SIZE)
    assert len(touch.state) == WORDS
