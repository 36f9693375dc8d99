"""What the rest stands on: facts of the engine, and the hook that counts code."""

from __future__ import annotations

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

import numpy as np
import unicorn
from unicorn import arm64_const, x86_const

from emu.cpu.block_counter import (
    AARCH64,
    ADDRESS,
    COUNT,
    DIRTY,
    DIRTY_SIZE,
    FOLD,
    LIMIT,
    SIZE,
    STOP,
    STOPPED,
    WORDS,
    X86_64,
)  # fmt: skip
from emu.cpu.engine import Engine
from emu.cpu.registers import Register
from emu.cpu.stops import Refused

FLASH, RAM, REGISTERS = 0x0800_0000, 0x2000_0000, 0x4000_0000
LOOP = bytes.fromhex("0130 fde7")  # adds r0, #1; b .-2
CODE_AT, STATE_AT, STOP_AT, END_AT = 0x1000, 0x2000, 0x3000, 0x4000


def machine(code: bytes, *, native: bool = True) -> Engine:
    """Code at the start of flash; stores go to ``stores``, registers at 0x40000000 read 7."""
    engine = Engine("cortex-m3", native=native)
    engine.flash = np.full(0x1000, 0xFF, np.uint8)
    engine.ram = np.zeros(0x1000, np.uint8)
    engine.flash[: len(code)] = list(code)
    engine.stores = []

    def store(address: int, size: int, value: int) -> bool:
        engine.stores.append((address - FLASH, size, value))
        return True

    engine.map_flash(FLASH, engine.flash, store)
    engine.map_ram(RAM, engine.ram)
    engine.put(Register.PC, FLASH | 1)
    engine.put(Register.R1, FLASH + 0x100)
    engine.put(Register.R3, RAM)
    engine.put(Register.R4, REGISTERS)
    return engine


@pytest.mark.parametrize("native", [True, False])
def test_a_slice_ends_before_the_block_that_begins_at_its_limit(native: bool) -> None:
    engine = machine(LOOP, native=native)
    assert engine.run(1000).kind == "slice"
    assert engine.executed == 1000
    assert engine.get(Register.R0) == 250
    assert engine.run(2).kind == "slice"
    assert (engine.executed, engine.get(Register.R0)) == (4, 251), "a slice makes progress"


@pytest.mark.parametrize("native", [True, False])
def test_a_block_left_in_the_middle_counts_to_where_it_was_left(native: bool) -> None:
    engine = machine(bytes.fromhex("0130 0130 00df 0130 fee7"), native=native)  # adds, adds, svc, adds, b .
    assert engine.run(1000).kind == "call"
    assert engine.executed == 6
    engine = machine(bytes.fromhex("0130 2968 0130 fee7"), native=native)  # adds; ldr r1, [r5]; adds; b .
    engine.put(Register.R5, 0x3000_0000)
    stop = engine.run(1000)
    assert (stop.kind, stop.address, engine.executed) == ("read", 0x3000_0000, 2)
    assert engine.get(Register.PC) == FLASH + 2


@pytest.mark.parametrize("native", [True, False])
def test_changed_code_is_not_run_as_it_was(native: bool) -> None:
    engine = machine(bytes.fromhex("8847 fde7"), native=native)  # blx r1; b .-2
    function = bytes.fromhex("0130 7047")  # adds r0, #1; bx lr
    engine.flash[0x100:0x104] = list(function)
    engine.put(Register.R1, FLASH + 0x101)
    engine.run(100)
    counted = engine.get(Register.R0)
    assert counted > 5
    engine.flash[0x100] = 0x10  # adds r0, #0x10
    engine.changed(FLASH + 0x100, 1)
    engine.run(8)
    assert engine.get(Register.R0) == counted + 0x10


def test_a_store_to_flash_leaves_it_as_it_was_and_tells_aligned_pieces() -> None:
    engine = machine(bytes.fromhex("4ff23422 0a60 0f68 a1f80220 a1f80320 fee7"))
    # movw r2, #0xF234; str r2, [r1]; ldr r7, [r1]; strh r2, [r1, #2]; strh r2, [r1, #3]; b .
    engine.run(50)
    assert engine.stores == [(0x100, 4, 0xF234), (0x102, 2, 0xF234), (0x103, 1, 0x34), (0x104, 1, 0xF2)]
    assert engine.get(Register.R7) == 0xFFFF_FFFF
    assert set(engine.flash[0x100:0x108]) == {0xFF}


def test_a_store_writes_back_its_address_also_when_the_flash_takes_nothing() -> None:
    engine = machine(bytes.fromhex("41f8042b fee7"))  # str r2, [r1], #4; b .
    engine.run(20)
    assert engine.get(Register.R1) == FLASH + 0x104


class Broken(BaseException):
    """Not to be caught by anything."""


def test_what_a_callback_raises_is_raised_by_run_and_not_swallowed() -> None:
    for code in ("2268 fee7", "2260 fee7"):  # ldr r2, [r4]; str r2, [r4]

        def access(*_arguments: int) -> int:
            raise Broken

        engine = machine(bytes.fromhex(code))
        engine.map_registers(REGISTERS, 0x1000, access, access)
        with pytest.raises(Broken):
            engine.run(100)
    engine = machine(bytes.fromhex("0a60 fee7"))  # str r2, [r1]

    def store(*_arguments: int) -> bool:
        raise Broken

    flash = np.zeros(0x1000, np.uint8)
    engine.map_flash(0, flash, store)
    engine.put(Register.R1, 0x100)
    with pytest.raises(Broken):
        engine.run(100)
    assert not flash.any()


def test_a_refused_access_stops_at_its_instruction() -> None:
    def access(*_arguments: int) -> int:
        raise Refused

    for code in ("0130 2268 fee7", "0130 2260 fee7"):
        engine = machine(bytes.fromhex(code))
        engine.map_registers(REGISTERS, 0x1000, access, access)
        engine.put(Register.R4, REGISTERS + 0x20)
        stop = engine.run(100)
        assert (stop.kind, stop.address) == ("refused-access", REGISTERS + 0x20)
        assert engine.get(Register.PC) == FLASH + 2


def test_a_request_inside_an_access_ends_the_slice_after_the_block() -> None:
    engine = machine(bytes.fromhex("2268 0130 0130 fce7"))  # ldr r2, [r4]; adds; adds; b .-4

    def read(_address: int, _size: int) -> int:
        engine.end_slice()
        return 7

    engine.map_registers(REGISTERS, 0x1000, read, lambda *_: None)
    assert engine.run(10_000).kind == "slice"
    assert (engine.get(Register.R2), engine.get(Register.R0), engine.executed) == (7, 2, 8)


def test_hints_are_told_from_instructions_that_are_none() -> None:
    engine = machine(bytes.fromhex("0130 20bf 0130 10bf 0130 00de"))  # adds, wfe, adds, yield, adds, udf
    assert engine.run(100).kind == "event-wait"
    assert engine.get(Register.PC) == FLASH + 4
    stop = engine.run(100)
    assert (stop.kind, engine.get(Register.R0), engine.get(Register.PC)) == ("undefined", 3, FLASH + 10)
    engine = machine(bytes.fromhex("20bf 00de"))  # wfe; udf: resumed at what is none
    assert [engine.run(100).kind, engine.run(100).kind] == ["event-wait", "undefined"]


@pytest.mark.parametrize("model", ["cortex-m0", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33"])
def test_registers_are_saved_and_restored(model: str) -> None:
    engine = Engine(model)
    engine.put(Register.R4, 44)
    registers = engine.snapshot()
    engine.put(Register.R4, 55)
    engine.restore(registers)
    assert engine.get(Register.R4) == 44


# -- the hook, instruction by instruction: whatever machine the tests run on ------------------------------------------


def hooked(architecture: str, state: list[int], address: int, size: int) -> tuple[list[int], bool]:
    """The state after the hook's code was called with it, and whether it went on to the function that stops."""
    if architecture == "x86_64":
        uc = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64)
        code, arguments = X86_64, (x86_const.UC_X86_REG_RDI, x86_const.UC_X86_REG_RSI, x86_const.UC_X86_REG_RDX,
                                   x86_const.UC_X86_REG_RCX)  # fmt: skip
        counter = x86_const.UC_X86_REG_RIP
    else:
        uc = unicorn.Uc(unicorn.UC_ARCH_ARM64, unicorn.UC_MODE_ARM)
        code, arguments = AARCH64, (arm64_const.UC_ARM64_REG_X0, arm64_const.UC_ARM64_REG_X1,
                                    arm64_const.UC_ARM64_REG_X2, arm64_const.UC_ARM64_REG_X3)  # fmt: skip
        counter = arm64_const.UC_ARM64_REG_PC
    uc.mem_map(0x1000, 0x8000)
    uc.mem_write(CODE_AT, code)
    uc.mem_write(STATE_AT, b"".join(word.to_bytes(8, "little") for word in state))
    for register, value in zip(arguments, (0x77, address, size | 0xABCD << 32, STATE_AT), strict=True):
        uc.reg_write(register, value)
    if architecture == "x86_64":
        uc.mem_write(0x8000, END_AT.to_bytes(8, "little"))
        uc.reg_write(x86_const.UC_X86_REG_RSP, 0x8000)
    else:
        uc.reg_write(arm64_const.UC_ARM64_REG_X30, END_AT)
    uc.ctl_exits_enabled(True)
    uc.ctl_set_exits([STOP_AT, END_AT])
    uc.emu_start(CODE_AT, 0, count=100)
    assert uc.reg_read(arguments[0]) == 0x77, "the engine is the first argument of the function that stops"
    after = bytes(uc.mem_read(STATE_AT, 8 * WORDS))
    return [int.from_bytes(after[at : at + 8], "little") for at in range(0, 8 * WORDS, 8)], uc.reg_read(
        counter
    ) == STOP_AT


def in_words(state: list[int], address: int, size: int) -> tuple[list[int], bool]:
    """The same, as `Engine` does it in Python."""
    after = list(state)
    dirty = ((address & state[FOLD]) - state[DIRTY]) % (1 << 64)
    if state[COUNT] >= state[LIMIT] or dirty < state[DIRTY_SIZE]:
        after[STOPPED] += 1
        return after, True
    after[COUNT] += size
    after[ADDRESS], after[SIZE] = address, size
    return after, False


@pytest.mark.parametrize("architecture", ["x86_64", "aarch64"])
@pytest.mark.parametrize(
    ("count", "limit", "dirty", "dirty_size", "address"),
    [
        (0, 100, 0, 0, FLASH),
        (99, 100, 0, 0, FLASH),
        (100, 100, 0, 0, FLASH),
        (7, 0, 0, 0, FLASH),
        (0, 100, 0x4000, 0x1000, FLASH + 0x3FFE),
        (0, 100, 0x4000, 0x1000, FLASH + 0x4000),
        (0, 100, 0x4000, 0x1000, 0x4FFE),
        (0, 100, 0x4000, 0x1000, 0x5000),
        (0, 100, 0x4000, 0x1000, 0x1000_4000),
    ],
)
def test_the_machine_code_does_what_the_python_does(
    architecture: str, count: int, limit: int, dirty: int, dirty_size: int, address: int
) -> None:
    state = [0] * WORDS
    state[COUNT], state[LIMIT], state[STOP], state[FOLD] = count, limit, STOP_AT, 0xFFFF_FFFF & ~FLASH
    state[DIRTY], state[DIRTY_SIZE] = dirty, dirty_size
    assert hooked(architecture, state, address, 24) == in_words(state, address, 24)
