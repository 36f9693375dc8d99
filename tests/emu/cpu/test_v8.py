"""A Cortex-M33 without a second world: what of it differs from the cores before."""

from __future__ import annotations

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

from emu.cpu.registers import Register
from tests.emu.cpu.chips import run, session, trace, words

CORE = "cortex-m33"
VTOR, CPUID = 0xE000_ED08, 0xE000_ED00


@pytest.mark.parametrize("native", [True, False])
def test_calls_and_interrupts_are_taken_and_returned_from(native: bool) -> None:
    one = session(CORE, native=native)
    run(one, "calls")
    assert trace(one, 7) == [1, 2, 3, 4, 5, 2, 7]
    stack, _, called, back, number = words(one, 5)
    assert (stack, called, back, number) == (0x2000_1FE0, 6, 0xFFFF_FFBC, 11), "the value of a non-secure core"
    one = session(CORE, native=native)
    run(one, "nesting")
    assert trace(one, 16) == [1, 2, 3, 4, 1, 3, 2, 5, 6, 1, 3, 2, 7, 8, 2, 9]


def test_a_frame_with_floating_point_registers_says_so() -> None:
    one = session(CORE)
    run(one, "floats")
    assert words(one, 16, 0x2000_0300) == [0x3F80_0000 + index for index in range(16)]
    (_, stack, back, _), (_, later_stack, later_back, _) = words(one, 4, 0x2000_0190), words(one, 4, 0x2000_01A0)
    assert (stack, back) == (0x2000_1000 - 0x20, 0xFFFF_FFB8)
    assert (later_stack, later_back) == (0x2000_1000 - 0x68, 0xFFFF_FFA8)


def test_a_return_to_the_secure_world_is_a_fault_of_usage() -> None:
    one = session(CORE)
    machine = one.machine
    run(one, "calls")
    machine.exceptions.enter(11)
    machine.engine.put(Register.IPSR, 11)
    machine.core._handlers.fetched(0xFFFF_FFFC)
    assert machine.core.last_fault == "a return 0xfffffffc, which no exception of a non-secure core gives at 0xfffffffc"
    assert machine.core.control.fault_status[0] == 1 << 18, "INVPC"


def test_a_stack_that_leaves_its_limit_is_a_fault_and_a_reset_takes_the_limit_away() -> None:
    one = session(CORE)
    run(one, "limits")
    assert trace(one, 2) == [1, 3]
    assert words(one, 3, 0x2000_0100) == [1 << 20, 0xFFFF_FFBC, 6], "STKOF, in a handler of UsageFault"
    one.machine.memory.write(0x2000_0110, b"\xff" * 4)
    one.run("software", 1_000_000)
    assert words(one, 1, 0x2000_0110) == [0]


def test_what_it_says_it_is_and_where_its_vectors_are() -> None:
    one = session(CORE)
    one.machine.reset("power")
    assert one.machine.bus.read(CPUID, 4) == 0x410F_D214
    assert one.machine.bus.read(VTOR, 4) == 0x0800_0000
    older = session("cortex-m4")
    older.machine.reset("power")
    assert older.machine.bus.read(VTOR, 4) == 0
