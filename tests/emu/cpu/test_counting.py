"""Rounds of a loop that only counts are worked out: what is left, and when, is what running them all would leave."""

from __future__ import annotations

import itertools
import struct

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

from hypothesis import given, settings
from hypothesis import strategies as st

from emu.cpu.counting import Counting
from emu.cpu.registers import Register
from emu.cpu.thumb import decode, expanded
from flash.images import Segment, image_from_segments
from tests.emu.cpu.chips import session

BASE, CODE, WORD = 0x0800_0000, 0x0800_0100, 0x2000_0800
CONDITIONS = {
    name: n for n, name in enumerate(("eq", "ne", "cs", "cc", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt"))
}
CONDITIONS |= {"gt": 12, "le": 13}
ONE = session()
"""The core all of them run on."""


def b(condition: str, halves: int) -> int:
    """A branch over so many half-words, counted from itself."""
    return 0xD000 | CONDITIONS[condition] << 8 | (halves - 2) & 0xFF


def ldr(rd: int, rn: int, at: int = 0) -> int:
    return 0x6800 | at // 4 << 6 | rn << 3 | rd


def store(rd: int, rn: int, at: int = 0) -> int:
    return 0x6000 | at // 4 << 6 | rn << 3 | rd


def cmp(rn: int, rm: int) -> int:
    return 0x4280 | rm << 3 | rn


def adds(rd: int, value: int) -> int:
    return 0x3000 | rd << 8 | value if value >= 0 else 0x3800 | rd << 8 | -value


def lived(
    code: list[int], *, limit_us: int = 3_000_000, tick: int = 0, skips: bool = True, registers: dict[str, int]
) -> tuple[object, int]:
    """All that ``code``, and sleep behind it, leaves. ``tick``: SysTick is set to so many cycles, and its
    handler counts in RAM. And how many bytes of code were not run."""
    left_out = 0

    def counted(self: Counting, room: int) -> int:
        nonlocal left_out
        passed = original(self, room) if skips else 0
        left_out += passed
        return passed

    handler = [0xB410, 0x4C03, 0x6860, 0x3001, 0x6060, 0xBC10, 0x4770]  # push r4; count in the word behind WORD; pop r4
    setup: list[int] = []
    constants: list[int] = []
    values = {"r6": WORD, **registers}
    if tick:
        values |= {"r7": 0xE000_E010}
    loads = list(values.items())
    body = [*code, 0xBF30, 0xE7FD]  # WFI: the time it comes to is exact
    extra = [0x2400, 0x60BC, 0x2407, 0x603C] if tick else []  # VAL := 0, CTRL := 7; LOAD is in r5
    if tick:
        loads = [*loads, ("r5", tick - 1)]
        extra = [0x607D, *extra]
    length = len(loads) + len(extra) + len(body)
    pool = (CODE + 2 * length + 3) & ~3
    for index, (name, value) in enumerate(loads):
        at = CODE + 2 * index
        setup.append(0x4800 | int(name[1:]) << 8 | (pool + 4 * index - (at + 4 & ~3)) // 4)
        constants.append(value)
    vectors = struct.pack("<16I", 0x2000_1000, CODE + 1, *[BASE + 0xC1] * 13, BASE + 0x81)
    content = bytearray(vectors.ljust(0x80, b"\xff"))
    content += struct.pack(f"<{len(handler)}H", *handler).ljust(0x40, b"\xff")
    content[0x94:0x98] = struct.pack("<I", WORD)
    content += struct.pack("<H", 0xE7FE).ljust(0x40, b"\xff")
    content += struct.pack(f"<{length}H", *setup, *extra, *body).ljust(pool - CODE, b"\xff")
    content += struct.pack(f"<{len(constants)}I", *constants)
    ONE.load([image_from_segments("loop", [Segment(BASE, bytes(content))])])
    original = Counting.skip
    Counting.skip = counted  # type: ignore[method-assign]
    try:
        report = ONE.run("power", limit_us)
    finally:
        Counting.skip = original  # type: ignore[method-assign]
    machine = ONE.machine
    registers_left = [machine.engine.get(Register.R0 + number) for number in range(8)]
    flags = machine.engine.get(Register.XPSR)
    memory = [content.tobytes() for _, content, _ in machine.rams]
    return (report.ending, report.time_us, machine.core.time.cycles, registers_left, flags, memory), left_out


DOWN = [adds(0, -1), b("ne", -1)]
VOLATILE = [ldr(0, 6), adds(0, 1), store(0, 6), ldr(0, 6), cmp(0, 2), b("cc", -5)]
LOOPS = {
    "down to zero": (DOWN, {"r0": 900_000}),
    "by three, past the wrap": ([adds(0, -3), b("ne", -1)], {"r0": 1_000_000}),
    "unsigned": ([adds(0, 7), cmp(0, 1), b("ls", -2)], {"r0": 5, "r1": 6_000_000}),
    "signed, through zero": (
        [adds(0, 5), cmp(0, 1), b("lt", -2)],
        {"r0": 0x8000_0000 + 2**31 - 3_000_000, "r1": 8_000_000},
    ),
    "a bound that counts": ([adds(1, -9), cmp(0, 1), b("cc", -2)], {"r0": 77, "r1": 7_000_000}),
    "while it is negative": ([adds(0, 2), b("mi", -1)], {"r0": 2**32 - 1_000_000}),
    "in RAM": ([0x2000, store(0, 6), *VOLATILE], {"r2": 300_000}),
    "the test first": ([adds(0, 1), cmp(0, 1), b("eq", 2), 0xE7FB, 0xBF00], {"r0": 0, "r1": 400_000}),
    "two that count": ([adds(0, 1), adds(2, 4), cmp(0, 1), b("ne", -3)], {"r0": 0, "r1": 300_000, "r2": 2**32 - 9}),
    "beside zero": ([adds(0, -1), 0xB100 | 1 << 3, 0xE7FC, 0xBF00], {"r0": 400_000}),
    "for ever": ([adds(0, 1), 0xE7FD], {"r0": 0}),
}


@pytest.mark.parametrize("name", LOOPS)
def test_what_is_left_is_what_running_it_leaves(name: str) -> None:
    code, registers = LOOPS[name]
    limit_us = 300_000 if name == "for ever" else 3_000_000
    left, count = lived(code, limit_us=limit_us, registers=registers)
    assert count > 500_000, "nothing was left out"
    assert (left, 0) == lived(code, limit_us=limit_us, skips=False, registers=registers)


@pytest.mark.parametrize("name", LOOPS)
def test_interrupts_come_when_they_would(name: str) -> None:
    """A tick every 25 ms, with a handler that counts: it stacks flags, and a register that counts, where it strikes."""
    code, registers = LOOPS[name]
    left, count = lived(code, limit_us=300_000, tick=200_003, registers=registers)
    assert count > 500_000
    assert (left, 0) == lived(code, limit_us=300_000, tick=200_003, skips=False, registers=registers)


def far(end: int) -> dict[str, int]:
    """Forty thousand rounds in large strides, past ten wraps, so that r0 is ``end`` then and not before."""
    return {"r0": (end - 40_000 * 0xF_FFFF) % 2**32, "r1": 0xF_FFFF, "r2": (end + 0x80) % 2**32}


AWAY = {
    "past wraps to zero": ([0x1840, b("ne", -1)], far(0)),
    "past wraps below a bound": ([0x1840, cmp(0, 2), b("cs", -2)], far(5)),
    "past wraps below a signed bound": ([0x1840, cmp(0, 2), b("gt", -2)], far(0x8000_0005)),
    "both count": ([adds(0, 3), adds(1, 1), cmp(0, 1), b("ne", -3)], {"r0": 0, "r1": 200_000}),
    "both count, unsigned": ([adds(0, 3), adds(1, 1), cmp(0, 1), b("cc", -3)], {"r0": 0, "r1": 200_000}),
}


@pytest.mark.parametrize("name", AWAY)
def test_a_count_is_followed_as_far_as_it_only_grows_or_falls(name: str) -> None:
    code, registers = AWAY[name]
    left, _ = lived(code, registers=registers)
    assert (left, 0) == lived(code, skips=False, registers=registers)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_loop_of_anything_leaves_what_running_it_leaves(data: st.DataObject) -> None:
    low = st.integers(0, 3)
    one = st.one_of(
        st.builds(adds, low, st.integers(-255, 255)),
        st.builds(lambda rd, rn, rm: 0x1800 | rm << 6 | rn << 3 | rd, low, low, low),
        st.builds(lambda rd, rn, rm: 0x1A00 | rm << 6 | rn << 3 | rd, low, low, low),
        st.builds(ldr, low, st.just(6), st.sampled_from([0, 4])),
        st.builds(store, low, st.just(6), st.sampled_from([0, 4])),
        st.builds(lambda rd, rm: rm << 3 | rd, low, low),  # movs
        st.builds(lambda rd, value: 0x2000 | rd << 8 | value, low, st.integers(0, 255)),
        st.just(0xBF00),
    )
    body = data.draw(st.lists(one, min_size=1, max_size=5))
    body += data.draw(st.sampled_from([[], [cmp(0, 1)], [cmp(2, 3)], [0x2800 | 200]]))
    turns = data.draw(st.sampled_from([c for c in CONDITIONS if c not in ("vs", "vc")]))
    code = [*body, b(turns, -len(body))]
    some = st.one_of(st.integers(0, 300), st.integers(2**32 - 300, 2**32 - 1), st.integers(0, 2**32 - 1))
    registers = {f"r{number}": data.draw(some) for number in range(4)}
    left, _ = lived(code, limit_us=60_000, registers=registers)
    assert (left, 0) == lived(code, limit_us=60_000, skips=False, registers=registers)


def test_a_loop_that_looks_at_something_is_run() -> None:
    """A register of a peripheral, a word that its own address depends on, an address that walks."""
    for code in ([ldr(1, 7), adds(0, -1), b("ne", -2)], [ldr(1, 6), adds(6, 4), adds(0, -1), b("ne", -3)]):
        _, count = lived(code, limit_us=200_000, registers={"r0": 3_000, "r7": 0x4001_0800})
        assert count == 0


def test_code_that_is_not_understood_is_decoded_once_and_looked_at_again_when_it_is_another() -> None:
    counting = ONE.machine.core._counting
    eors, loop = 0x4048, [adds(0, -1), b("ne", -1)]

    def skipped(code: list[int]) -> tuple[int, int]:
        """How many bytes of code, and how many instructions were decoded for it."""
        ONE.load([image_from_segments("loop", [Segment(CODE, struct.pack(f"<{len(code)}H", *code))])])
        ONE.machine.engine.put(Register.PC, CODE | 1)
        ONE.machine.engine.put(Register.R0, 500_000)
        decode.cache_clear()
        passed = counting.skip(1 << 30)
        return passed, decode.cache_info().misses

    foreign = [0xBF00, eors, *loop]
    assert skipped(foreign) == (0, 2)
    assert skipped(foreign) == (0, 0)
    assert skipped([0xBF00, *loop, 0xBF00])[0] == 0, "a round that does not come back here"
    assert skipped([*loop, 0xBF00, 0xBF00])[0] > 1_000_000, "known by its bytes, not by the place alone"


def test_immediates_and_wide_instructions() -> None:
    """Values of the manual's table (A5.3.2), and the encodings that an assembler gives."""
    assert [expanded(raw) for raw in (0x0AB, 0x1AB, 0x2AB, 0x3AB, 0x4AB, 0xFAB)] == [
        0xAB, 0x00AB_00AB, 0xAB00_AB00, 0xABAB_ABAB, 0x5580_0000, 0x156,
    ]  # fmt: skip
    wide = {
        (0xF103, 0x0301): ("add", 3, 3, 1), (0xF1B3, 0x0F64): ("sub", -1, 3, 100),
        (0xF240, 0x12C8): ("move", 2, -1, 0x1C8),
        (0xF8D7, 0x3004): ("load", 3, 7, 4), (0xF8C7, 0x3004): ("store", 3, 7, 4),
        (0xF5B3, 0x6F80): ("sub", -1, 3, 1024),
    }  # fmt: skip
    for (first, second), expected in wide.items():
        step = decode(0x0800_0000, first, second)
        assert step is not None
        assert (step.what, step.rd, step.rn, step.value) == expected
    branch = decode(0x0800_0100, 0xF47F, 0xAFFE)  # bne.w to itself
    assert branch is not None
    assert (branch.what, branch.value, branch.condition) == ("branch", 0x0800_0100, 1)
    refused = itertools.chain([(0xBF08, 0), (0x4770, 0), (0xB500, 0), (0xF000, 0xF800)], [(0xE8BD, 0x8010)])
    assert all(decode(0, first, second) is None for first, second in refused)
