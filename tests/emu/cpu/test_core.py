"""The core around its instructions: what firmware sees of exceptions, faults, sleep and reset."""

from __future__ import annotations

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

from tests.emu.cpu.chips import TRACE, program, run, session, trace, words

HARD_FAULT, OWN = 3, 4
OWN_HANDLERS = 0x100
(LOAD, STORE, JUMP, ODD_JUMP, UNDEFINED, EVEN_JUMP, BREAKPOINT, NO_VECTORS, BAD_STACK, NEVER, DIVISION) = range(11)
PRECISE_WITH_ADDRESS, IBUSERR, IACCVIOL, UNDEFINSTR, INVSTATE = 0x8200, 0x100, 0x1, 0x1_0000, 0x2_0000
FORCED, DEBUGEVT = 1 << 30, 1 << 31


@pytest.mark.parametrize("native", [True, False])
def test_a_call_and_a_pended_call_run_in_order_and_return(native: bool) -> None:
    one = session(native=native)
    report = run(one, "calls")
    assert trace(one, 7) == [1, 2, 3, 4, 5, 2, 7]
    assert report.ending.kind == "spinning"
    assert report.ending.address == program("calls").symbol("done")


def test_a_call_from_the_process_stack_is_stacked_there_with_the_address_behind_it() -> None:
    one = session()
    run(one, "calls")
    stack, return_address, called, back, number = words(one, 5)
    assert (stack, called, back, number) == (0x2000_1FE0, 6, 0xFFFF_FFFD, 11)
    assert one.machine.memory.read(return_address - 2, 2) == b"\x06\xdf"
    assert one.machine.memory.word(stack + 24) == return_address
    assert one.machine.memory.word(stack + 28) >> 24 & 1, "the stacked xPSR has no Thumb bit"


@pytest.mark.parametrize("native", [True, False])
def test_interrupts_nest_by_priority_and_wait_for_masks(native: bool) -> None:
    one = session(native=native)
    run(one, "nesting")
    nested = [1, 2, 3, 4]
    equal = [1, 3, 2, 5]
    masked_by_basepri = [6, 1, 3, 2, 7]
    masked_by_primask = [8, 2, 9]
    assert trace(one, 16) == nested + equal + masked_by_basepri + masked_by_primask


def test_a_small_core_has_no_basepri_and_masks_with_primask_alone() -> None:
    one = session("cortex-m0+")
    exceptions = one.machine.exceptions
    exceptions.set_priority(16, 0xFF)
    assert exceptions.byte(16) == 0xC0, "two priority bits"
    assert exceptions.execution_priority(1, 0, 0) == 0


def test_sleep_ends_with_each_tick_and_is_for_ever_without_one() -> None:
    one = session()
    report = run(one, "ticks")
    assert trace(one, 4) == [1, 2, 3, 9]
    assert report.ending.kind == "asleep"
    assert 3_000 / 8 <= report.time_us < 3_100 / 8, "three periods of 1000 cycles at 8 MHz"


@pytest.mark.parametrize(
    ("choice", "status", "fault_address"),
    [
        (LOAD, PRECISE_WITH_ADDRESS, 0x3000_0000),
        (STORE, PRECISE_WITH_ADDRESS, 0x3000_0004),
        (JUMP, IBUSERR, 0),
        (ODD_JUMP, IACCVIOL, 0),
        (NEVER, IACCVIOL, 0),
        (UNDEFINED, UNDEFINSTR, 0),
        (EVEN_JUMP, INVSTATE, 0),
    ],
)
@pytest.mark.parametrize("own", [False, True])
def test_a_fault_is_told_and_escalates_unless_its_handler_is_enabled(
    choice: int, status: int, fault_address: int, own: bool
) -> None:
    one = session()
    run(one, "faults", choice=choice | (OWN_HANDLERS if own else 0))
    assert words(one, 5) == [status, 0 if own else FORCED, 0, fault_address, OWN if own else HARD_FAULT]


def test_the_stacked_address_is_that_of_the_instruction_at_fault() -> None:
    names = {LOAD: "load", STORE: "store", UNDEFINED: "undefined", BREAKPOINT: "breakpoint"}
    for choice, name in names.items():
        one = session()
        run(one, "faults", choice=choice)
        assert words(one, 6)[5] == program("faults").symbol(name), name


def test_a_jump_faults_at_its_target() -> None:
    targets = {JUMP: 0x3000_0000, ODD_JUMP: 0xFFFF_FFFE, NEVER: 0x4000_0000}
    for choice, target in targets.items():
        one = session()
        run(one, "faults", choice=choice)
        assert words(one, 6)[5] == target


def test_a_breakpoint_without_a_debugger_is_a_hard_fault() -> None:
    one = session()
    run(one, "faults", choice=BREAKPOINT | OWN_HANDLERS)
    assert words(one, 5) == [0, DEBUGEVT, 0, 0, HARD_FAULT]


def test_a_division_by_zero_is_zero() -> None:
    one = session()
    report = run(one, "faults", choice=DIVISION)
    assert report.ending.handler == "thread"


def test_a_fault_in_the_handler_of_a_fault_locks_up() -> None:
    report = run(session(), "lockup")
    assert report.ending.kind == "lockup"
    assert report.ending.reason == "read of 0x30000000, in HardFault"
    assert report.ending.handler == "HardFault"


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        (NO_VECTORS, "no memory at the vector of HardFault, in HardFault"),
        (BAD_STACK, "read of 0x300000f8, in HardFault"),
    ],
)
def test_vectors_or_a_stack_that_are_nowhere_lock_up(choice: int, said: str) -> None:
    report = run(session(), "faults", choice=choice)
    assert (report.ending.kind, report.ending.reason) == ("lockup", said)


def test_erased_flash_locks_up_at_once() -> None:
    report = session().run("power", 1_000_000)
    assert report.ending.kind == "lockup"
    assert report.time_us < 10


@pytest.mark.parametrize("choice", [0, 1, 2])
@pytest.mark.parametrize("core", ["cortex-m0", "cortex-m0+"])
def test_a_small_core_refuses_a_division_and_unaligned_accesses(core: str, choice: int) -> None:
    one = session(core)
    report = run(one, "small", choice=choice)
    assert trace(one, 2) == [2, 3]
    assert report.ending.handler == "HardFault"


def test_floating_point_registers_survive_a_handler_and_the_frame_says_so() -> None:
    one = session("cortex-m4")
    report = run(one, "floats")
    assert report.ending.handler == "thread"
    floats = words(one, 16, 0x2000_0300)
    assert floats == [0x3F80_0000 + index for index in range(16)]
    control, fpscr = words(one, 2, 0x2000_0340)
    assert (control & 4, fpscr) == (4, 0x00C0_0000)
    (first_control, first_stack, first_return, _), (second_control, second_stack, second_return, cleared) = (
        words(one, 4, 0x2000_0190),
        words(one, 4, 0x2000_01A0),
    )
    assert (first_stack, first_return) == (0x2000_1000 - 0x20, 0xFFFF_FFF9)
    assert (second_stack, second_return) == (0x2000_1000 - 0x68, 0xFFFF_FFE9)
    assert (first_control & 4, second_control & 4, cleared) == (0, 0, 0), "a handler begins without its own"


def test_a_core_without_a_floating_point_unit_faults_on_its_instructions() -> None:
    one = session("cortex-m3")
    report = run(one, "floats")
    assert report.ending.handler == "HardFault"
    assert one.machine.core.control.fault_status[0] == 1 << 19, "NOCP"


def test_a_requested_reset_keeps_ram_and_begins_anew() -> None:
    one = session()
    one.load([program("restart")])
    reports = one.run_on(1_000_000)
    assert [(each.cause, each.ending.kind) for each in reports] == [
        ("power", "reset"),
        ("software", "reset"),
        ("software", "spinning"),
    ]
    assert one.machine.memory.word(0x2000_0800) == 0x5AFE_0003


def test_power_that_comes_again_has_taken_ram_and_the_same_seed_gives_the_same_bytes() -> None:
    one, other = session(), session()
    run(one, "calls")
    one.machine.reset("power")
    other.machine.reset("power")
    assert one.machine.memory.read(TRACE, 0x5000) == other.machine.memory.read(TRACE, 0x5000)
    assert one.machine.memory.read(TRACE, 7) != bytes([1, 2, 3, 4, 5, 2, 7])


def test_bits_of_ram_and_of_a_port_are_words_and_flash_is_at_zero() -> None:
    one = session()
    run(one, "bits")
    start = program("bits").symbol("start") | 1
    assert words(one, 5) == [start, 1, 1 << 9, 1, 1 << 5]


def test_yield_and_an_event_go_on_and_waiting_for_none_is_sleep() -> None:
    one = session()
    report = run(one, "waits")
    assert trace(one, 3) == [1, 2, 3]
    assert report.ending.kind == "asleep"
    assert "WFE" in report.ending.reason
