"""A core under a debugger: what it runs is what it runs without, and nothing that is looked at changes."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

from emu.cpu.chip import bundled_chip
from emu.cpu.debugger import Debugger
from emu.cpu.flash import make_controller
from emu.cpu.machine import Machine
from emu.cpu.session import CpuSession
from emu.gdb.target import SIGINT, Denied, Go, Stop
from tests.emu.cpu.chips import TRACE, program, run, session, trace

SP, LR, PC, XPSR = 13, 14, 15, 16
Script = Callable[[Debugger, Stop], Go]


def debugged(one: CpuSession, script: Script, interrupts: Callable[[], bool] = lambda: False) -> Debugger:
    """A debugger that stands still at the first instruction, and asks ``script`` from then on."""
    debugger = Debugger(one.machine, lambda stop: script(debugger, stop), interrupts)
    debugger.stop_next(Stop())
    return debugger


def stepped(one: CpuSession, name: str, count: int) -> list[int]:
    """Where ``count`` steps from the start of a program lead."""
    seen: list[int] = []

    def script(debugger: Debugger, _stop: Stop) -> Go:
        seen.append(debugger.read_register(PC))
        return Go(step=len(seen) <= count)

    debugged(one, script)
    run(one, name)
    return seen


@pytest.mark.parametrize("core", ["cortex-m3", "cortex-m4", "cortex-m33"])
@pytest.mark.parametrize("name", ["calls", "nesting", "ticks"])
def test_a_program_does_the_same_step_by_step(core: str, name: str) -> None:
    """SVC, PendSV, nested interrupts, sleep: every instruction by itself, in the same order."""
    plain, one = session(core), session(core)
    run(plain, name)
    seen = stepped(one, name, 400)
    assert len(seen) > 30
    assert trace(one, 16) == trace(plain, 16)
    code = program(name)
    assert {code.symbol("start")} <= set(seen)
    assert seen[0] == code.symbol("start")


def test_it_stops_before_a_place_and_goes_on_with_it() -> None:
    """Twice at the same place: the program calls it twice."""
    one, code = session(), program("calls")
    stops: list[tuple[int, str | None, list[int]]] = []

    def script(debugger: Debugger, stop: Stop) -> Go:
        place = ("execute", code.symbol("on_call"), 2)
        if not stops:
            debugger.machine.memory.write(TRACE, bytes(8))
            debugger.stop_at(*place)  # type: ignore[arg-type]
        stops.append((debugger.read_register(PC), stop.kind, trace(one, 6)))
        if len(stops) == 3:
            debugger.pass_by(*place)  # type: ignore[arg-type]
        return Go()

    debugged(one, script)
    run(one, "calls")
    assert stops == [
        (code.symbol("start"), None, [0] * 6),
        (code.symbol("on_call"), "execute", [1, 0, 0, 0, 0, 0]),
        (code.symbol("on_call"), "execute", [1, 2, 3, 4, 5, 0]),
    ]
    assert trace(one, 7) == [1, 2, 3, 4, 5, 2, 7]


@pytest.mark.parametrize(("kind", "stops"), [("write", 1), ("read", 0), ("access", 1)])
def test_it_stops_before_memory_is_accessed(kind: str, stops: int) -> None:
    one = session()
    seen: list[tuple[Stop, bytes]] = []

    def script(debugger: Debugger, stop: Stop) -> Go:
        if stop.kind is None:
            debugger.machine.memory.write(TRACE, bytes(8))
            debugger.stop_at(kind, TRACE + 1, 1)  # type: ignore[arg-type]
        else:
            seen.append((stop, debugger.read_memory(TRACE, 3)))
            debugger.pass_by(kind, TRACE + 1, 1)  # type: ignore[arg-type]
        return Go()

    debugged(one, script)
    run(one, "calls")
    assert len(seen) == stops
    for stop, before in seen:
        assert (stop.kind, stop.address, before) == (kind, TRACE + 1, b"\x01\x00\x00")
    assert trace(one, 7) == [1, 2, 3, 4, 5, 2, 7]


def test_a_running_core_is_interrupted() -> None:
    one, asked = session(), iter([False, True])
    stops: list[Stop] = []

    def script(_debugger: Debugger, stop: Stop) -> Go:
        stops.append(stop)
        return Go()

    debugged(one, script, lambda: next(asked, False))
    run(one, "work", limit_us=50_000)
    assert stops == [Stop(), Stop(SIGINT)]


def test_registers_are_written_and_a_jump_stays_in_thumb_state() -> None:
    one, code = session("cortex-m4"), program("calls")

    def script(debugger: Debugger, _stop: Stop) -> Go:
        names = [register.name for register in debugger.registers]
        assert names[:17] == [*(f"r{n}" for n in range(13)), "sp", "lr", "pc", "xpsr"]
        debugger.write_register(4, 0x1234_5678)
        debugger.write_register(names.index("d3"), 0x4009_21FB_5444_2D18)
        assert debugger.read_register(4) == 0x1234_5678
        assert debugger.read_register(names.index("d3")) == 0x4009_21FB_5444_2D18
        assert debugger.read_register(names.index("msp")) == debugger.read_register(SP) == 0x2000_1000
        debugger.write_register(PC, code.symbol("done"))
        return Go()

    debugged(one, script)
    report = run(one, "calls")
    assert report.ending.address == code.symbol("done")
    assert report.ending.kind == "spinning"


def test_a_small_core_has_fewer_registers() -> None:
    debugger = Debugger(session("cortex-m0+").machine, lambda _stop: Go(), lambda: False)
    names = {register.name for register in debugger.registers}
    assert not names & {"basepri", "faultmask", "fpscr", "d0"}
    assert {"primask", "control", "psp"} <= names


def test_looking_at_registers_changes_nothing() -> None:
    machine = Machine(bundled_chip("STM32L476xG"), make_controller)
    machine.reset("power")
    debugger = Debugger(machine, lambda _stop: Go(), lambda: False)
    port = machine.peripherals["USART1"]
    machine.bus.write(0x4001_3800, 4, 0xD)
    port.arrives(ord("a"))  # type: ignore[attr-defined]
    machine.core.systick.write(4, 999, machine.core.time)
    machine.core.systick.write(0, 5, machine.core.time)
    machine.clock.advance(1_000)
    machine.core.systick.catch_up(machine.core.time)
    for _ in range(2):
        assert debugger.read_memory(0x4001_3824, 4) == b"\0\0\0\0", "RDR, unread"
        assert debugger.read_memory(0x4001_381C, 1) == b"\xe0", "ISR"
        assert debugger.read_memory(0xE000_E012, 2) == b"\x01\x00", "COUNTFLAG"
        assert debugger.read_memory(0xE000_ED00, 4) == b"\x41\xc2\x0f\x41"
        assert debugger.read_memory(0x4002_2014, 4) == b"\x00\x00\x00\xc0", "FLASH_CR"
        assert debugger.read_memory(0x1FFF_7800, 4) == b"\xaa\xf8\xef\xff", "option bytes"
        assert debugger.read_memory(0x1FFF_75E0, 2) == b"\x00\x04"
        assert debugger.read_memory(0x4000_0010, 4) == bytes(4), "nobody there"
    assert machine.bus.read(0x4001_3824, 4) == ord("a")
    assert machine.bus.read(0xE000_E010, 4) >> 16 & 1
    assert not list(machine.unknown), "and nothing is counted"


def test_memory_ends_where_it_ends_and_only_ram_is_written() -> None:
    machine = Machine(bundled_chip("STM32F405xG"), make_controller)
    machine.reset("power")
    debugger = Debugger(machine, lambda _stop: Go(), lambda: False)
    assert len(debugger.read_memory(0x2001_FFF0, 64)) == 16
    with pytest.raises(Denied, match="STM32F405xG has nothing at 0x30000000"):
        debugger.read_memory(0x3000_0000, 4)
    debugger.write_memory(0x1000_0000, b"CCM!")
    assert machine.memory.read(0x1000_0000, 4) == b"CCM!"
    for address, said in (
        (0x0800_0000, "flash is not written"),
        (0x4002_3C10, "there is a register"),
        (0x3000_0000, "there is nothing"),
    ):
        with pytest.raises(Denied, match=said):
            debugger.write_memory(address, b"\0")


def test_the_map_has_sectors_as_they_are_and_nothing_twice() -> None:
    debugger = Debugger(Machine(bundled_chip("STM32F405xG"), make_controller), lambda _stop: Go(), lambda: False)
    flash = [(span.address, span.size, span.block) for span in debugger.spans if span.kind == "flash"]
    assert flash[:3] == [
        (0x0800_0000, 0x1_0000, 0x4000), (0x0801_0000, 0x1_0000, 0x1_0000), (0x0802_0000, 0xE_0000, 0x2_0000),
    ]  # fmt: skip
    assert flash[3][0] == 0
    ends = sorted((span.address, span.address + span.size) for span in debugger.spans)
    assert all(one[1] <= other[0] for one, other in pairwise(ends))


def test_code_that_is_written_into_ram_is_what_runs() -> None:
    """A loop in RAM, and its branch replaced while it stands still."""
    one = session()
    one.load([program("calls")])
    stops: list[int] = []

    def script(debugger: Debugger, _stop: Stop) -> Go:
        stops.append(debugger.read_register(PC))
        if len(stops) == 1:
            debugger.write_memory(0x2000_0800, bytes.fromhex("0120 0130 fde7"))  # movs r0, #1; adds r0, #1; b .-2
            debugger.write_register(PC, 0x2000_0800)
            return Go(step=True)
        if len(stops) == 4:
            debugger.write_memory(0x2000_0804, bytes.fromhex("fee7"))
            debugger.write_register(PC, 0x2000_0802)
            return Go()
        return Go(step=True)

    debugged(one, script)
    report = one.run("power", 10_000)
    assert stops[1:] == [0x2000_0802, 0x2000_0804, 0x2000_0802]
    assert (report.ending.kind, report.ending.address) == ("spinning", 0x2000_0804)


def test_a_place_in_code_that_has_run_is_met_and_such_code_is_replaced() -> None:
    """A loop in RAM that goes round until somebody interrupts it; then a place, then another instruction."""
    one = session()
    one.load([program("calls")])
    loop, stops = 0x2000_0800, list[tuple[Stop, int]]()

    def script(debugger: Debugger, stop: Stop) -> Go:
        stops.append((stop, debugger.read_register(PC)))
        if len(stops) == 1:
            debugger.write_memory(loop, bytes.fromhex("0130 0a68 fce7"))  # adds r0, #1; ldr r2, [r1]; b .-4
            debugger.write_register(1, 0xE000_E018)  # SysTick, so that it is no loop that waits for ever
            debugger.write_register(PC, loop)
        elif len(stops) == 2:
            debugger.stop_at("execute", loop + 2, 2)
        else:
            debugger.pass_by("execute", loop + 2, 2)
            debugger.write_memory(loop, bytes.fromhex("fee7"))
        return Go()

    asked = iter([False, False, True])
    debugged(one, script, lambda: next(asked, False))
    report = one.run("power", 1_000_000)
    assert [stop for stop, _ in stops] == [Stop(), Stop(SIGINT), Stop(kind="execute", address=loop + 2)]
    assert (report.ending.kind, report.ending.address) == ("spinning", loop)
