"""One session of firmware on a chip: how it ends, what it said, what it did to flash."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

from emu.cpu.session import CpuSession, FirmwareError
from flash.images import Segment, image_from_segments
from flash.journal import Interruption, Journal, Operation
from tests.emu.cpu.chips import SECOND_US, program, run, session, words

MORE = """
[[peripheral]]
name = "IWDG"
model = "iwdg"
address = 0x40003000

[[peripheral]]
name = "USART1"
model = "usart-v1"
address = 0x40013800
irq = 37
"""
STATUS, COUNTER, FED, ERASING, TIMED, REST, SPEAK = range(7)
WATCHDOG_US = 8_000
PAGE = 0x4000


def polls(choice: int, *, limit_us: int = SECOND_US, **given: object) -> tuple[CpuSession, object]:
    one = session(more=MORE, **given)
    return one, run(one, "polls", choice=choice, limit_us=limit_us)


def test_polling_a_register_nobody_sets_ends_and_names_it() -> None:
    _, report = polls(STATUS)
    assert (report.ending.kind, report.ending.register) == ("stalled", 0x4003_0000)
    assert report.ending.reason == "it polls 0x40030000 for ever, and nothing will change it"
    assert report.ending.address == program("polls").symbol("status")
    assert [(each.offset, each.writes) for each in report.unknown] == [(0x4003_0000, 0)]
    assert report.time_us < 10_000


def test_polling_that_gives_up_by_itself_is_no_stall() -> None:
    _, report = polls(COUNTER)
    assert (report.ending.kind, report.ending.handler) == ("spinning", "thread")
    assert str(report.unknown[0]) == "0x40030000: 2000 read, 0 written"


def test_a_counter_that_runs_freely_is_no_stall() -> None:
    _, report = polls(TIMED)
    assert report.ending.kind == "spinning"
    assert report.time_us >= 0x1_0000 // 8
    assert not report.unknown


def test_a_watchdog_nobody_feeds_resets_at_its_microsecond() -> None:
    _, report = polls(FED)
    assert (report.ending.kind, report.ending.reason) == ("reset", "iwdg")
    assert WATCHDOG_US <= report.time_us < WATCHDOG_US + 20


def test_a_watchdog_that_rings_inside_an_erase_tears_it() -> None:
    _, report = polls(ERASING)
    assert (report.ending.kind, report.ending.reason) == ("reset", "iwdg")
    (erase,) = report.operations
    assert (erase.kind, erase.address) == ("erase", PAGE)
    assert erase.tear is not None
    assert WATCHDOG_US <= report.time_us < WATCHDOG_US + 20


def test_a_watchdog_is_forgotten_by_the_reset_it_made() -> None:
    one, _ = polls(FED)
    at = program("polls").symbol("choice") - 0x0800_0000
    one.machine.flash.cells.put_bytes(at, bytes([COUNTER, 0, 0, 0]))
    assert one.run("iwdg", SECOND_US).ending.kind == "spinning"


def test_sleep_without_a_waker_is_an_end_and_time_has_not_run() -> None:
    _, report = polls(REST)
    assert report.ending.kind == "asleep"
    assert report.time_us < 10


def test_a_limit_of_time_is_kept() -> None:
    _, report = polls(TIMED, limit_us=500)
    assert report.ending.kind == "limit"
    assert 500 <= report.time_us < 505


def test_what_a_port_sends_is_kept_with_its_time() -> None:
    _, report = polls(SPEAK)
    assert report.output() == report.output("USART1") == b"Hi"
    assert report.output("USART2") == b""
    assert [name for _, name, _ in report.sent] == ["USART1", "USART1"]
    assert not report.unknown


def test_firmware_sees_what_the_controller_makes_of_a_store_at_once() -> None:
    one = session()
    report = run(one, "stores")
    refused, programmed, not_blank, first, replaced = words(one, 5)
    assert (refused, programmed, not_blank) == (0xFFFF, 0x1234, 0x1234)
    assert (first, replaced) == (1, 2), "code that was replaced ran as it had been"
    assert report.notes == ("a store of 2 bytes to 0x8004000 in mode 0",)
    assert [each.kind for each in report.operations] == ["program"] * 3 + ["erase"] + ["program"] * 2


def test_a_store_the_controller_refuses_with_a_bus_error_is_a_fault_at_the_instruction() -> None:
    one = session()
    report = run(one, "stores")
    status, address, counter = words(one, 3, 0x2000_0100 + 20)
    assert (status, address) == (0x8200, 0x0800_4000)
    assert one.machine.memory.read(counter, 2) == bytes.fromhex("2180"), "strh r1, [r4]"
    assert report.ending.handler == "BusFault"


@pytest.mark.parametrize("entry", range(7))
def test_power_that_goes_before_an_operation_leaves_those_before_it(entry: int) -> None:
    uncut, whole = session(), Journal()
    uncut.load([program("stores")])
    uncut.run("power", SECOND_US, journal=whole)
    before = [each for each in whole.entries[:entry] if isinstance(each, Operation)]
    one = session()
    one.load([program("stores")])
    journal = Journal(Interruption(entry))
    report = one.run("power", SECOND_US, journal=journal)
    assert report.ending.kind == "power-lost"
    assert [(each.kind, each.address, each.data) for each in report.operations] == [
        (each.kind, each.address, each.data) for each in before
    ]
    bench = session()
    bench.load([program("stores")])
    for operation in before:
        if operation.kind == "program":
            bench.machine.flash.cells.program(operation.address, operation.data)
        else:
            bench.machine.flash.cells.erase(operation.address, operation.length)
    assert bytes(one.machine.flash.cells.data) == bytes(bench.machine.flash.cells.data)


def test_a_run_repeats_to_the_microsecond_and_so_does_one_counted_in_python() -> None:
    one = session(more=MORE)
    first = run(one, "stores")
    again = run(session(more=MORE), "stores")
    slow = run(session(more=MORE, native=False), "stores")
    facts = [[(each.kind, each.start_us, each.end_us) for each in report.operations] for report in (first, again, slow)]
    assert facts[0] == facts[1] == facts[2]
    assert first.time_us == again.time_us == slow.time_us


def test_flash_that_was_changed_between_two_sessions_runs_as_what_it_is() -> None:
    one = session(more=MORE)
    assert run(one, "polls", choice=SPEAK).output() == b"Hi"
    before = one.machine.flash.snapshot()
    at = one.machine.flash.read(0, 0x400).index(bytes([72, 0x21]))  # movs r1, #72
    one.machine.flash.cells.put_bytes(at, bytes([67]))
    assert one.run("power", SECOND_US).output() == b"Ci"
    one.machine.flash.restore(before)
    assert one.run("power", SECOND_US).output() == b"Hi"


def test_resets_without_an_end_are_cut_off() -> None:
    one = session(more=MORE)
    one.load([program("polls")])
    one.machine.flash.cells.put_bytes(program("polls").symbol("choice") - 0x0800_0000, bytes([FED, 0, 0, 0]))
    reports = one.run_on(SECOND_US, max_resets=3)
    assert [each.cause for each in reports] == ["power", "iwdg", "iwdg", "iwdg"]


def test_an_image_beside_the_flash_is_refused_with_both_ranges() -> None:
    one = session()
    with pytest.raises(FirmwareError, match=r"app\.hex: \[0x801fff0, 0x8020010\) is not in the flash of test chip, "
                                            r"\[0x8000000, 0x8020000\); link it for this chip"):  # fmt: skip
        one.load([image_from_segments("app.hex", [Segment(0x0801_FFF0, bytes(32))])])


def test_an_image_for_the_alias_of_flash_is_put_there(tmp_path: Path) -> None:
    one = session()
    one.load([image_from_segments("app.bin", [Segment(0x400, b"\x01\x02")])])
    assert one.machine.memory.read(0x0800_0400, 2) == b"\x01\x02"
