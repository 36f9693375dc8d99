"""Power cuts behind the pins: live interruptions equal replayed prefixes, suspended operations are torn as well."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from flash import (
    TEAR_SETS,
    Cells,
    Interruption,
    Journal,
    Operation,
    PowerLost,
    ResetAsserted,
    Tear,
    tear_named,
    tears_of,
)
from flash.journal import Entry
from flash.replay import replay
from flash.spi import SerialFlash
from flash.trace import Trace
from tests.flash.serial_bench import SMALL, WINBOND, chip_of, content, erase, finish, misuses, order, program, status

Step = Callable[[SerialFlash], object]


def _program(chip: SerialFlash) -> None:
    program(chip, 0x44, bytes(range(10)))
    finish(chip)


def _erase(chip: SerialFlash) -> None:
    erase(chip, 0x40)
    finish(chip)


def _block(chip: SerialFlash) -> None:
    order(chip, b"\x52\x00\x01\x00")
    finish(chip)


def _program_inside_erase(chip: SerialFlash) -> None:
    erase(chip, 0x80)
    chip.clock.advance(3000)
    chip.transfer(b"\x75")
    chip.clock.advance(30)
    program(chip, 0xC0, b"inside an erase")
    finish(chip)
    chip.transfer(b"\x7a")
    finish(chip)


def _registers(chip: SerialFlash) -> None:
    order(chip, b"\x01\x00\x02")
    finish(chip)


def _volatile(chip: SerialFlash) -> None:
    chip.transfer(b"\x50")
    chip.transfer(b"\x01\x00")


def _mistake(chip: SerialFlash) -> None:
    chip.transfer(b"\x20\x00\x00\x00")
    program(chip, 0x4E, b"abcd")
    finish(chip)


def _reset_inside(chip: SerialFlash) -> None:
    erase(chip, 0x100)
    chip.clock.advance(1500)
    chip.transfer(b"\x66")
    chip.transfer(b"\x99")
    chip.clock.advance(50)


STEPS: tuple[Step, ...] = (
    _program, _erase, _block, _program_inside_erase, _registers, _volatile, _mistake, _reset_inside
)  # fmt: skip


def fresh(journal: Journal | None = None) -> SerialFlash:
    chip = chip_of(SMALL, journal=journal)
    chip.device.cells.put_bytes(0x40, bytes(range(0xC0)))
    return chip


def run(steps: list[Step], chip: SerialFlash) -> SerialFlash:
    for step in steps:
        step(chip)
    return chip


def replayed(entries: list[Entry]) -> Cells:
    """The cells after these entries."""
    cells = fresh().device.cells
    for entry in entries:
        if isinstance(entry, Operation):
            replay(cells, entry)
    return cells


def tears_of_entry(cells: Cells, entry: Entry) -> list[Tear]:
    if not isinstance(entry, Operation) or entry.tear is not None:
        return []
    if entry.kind == "write":
        return [tear_named(f"register-{what}-1") for what in ("zeros", "ones", "soup")]
    return list(tears_of(SMALL, cells, entry, TEAR_SETS["T1"]))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(STEPS), min_size=1, max_size=4), st.data())
def test_a_live_cut_equals_the_replayed_prefix(steps: list[Step], data: st.DataObject) -> None:
    entries = run(steps, fresh(Journal())).device.journal.entries
    assume(entries)
    index = data.draw(st.integers(0, len(entries) - 1))
    entry, cells = entries[index], replayed(entries[:index])
    tear = data.draw(st.sampled_from([None, *tears_of_entry(cells, entry)]))
    moment = entry.end_us if isinstance(entry, Operation) else entry.time_us
    others = [e for e in entries[index + 1 :] if isinstance(e, Operation) and e.start_us < moment and e.tear is None]
    meanwhile = tuple(data.draw(st.sampled_from([None, tear_named("preprogrammed-1")])) for _ in others)
    chip = fresh(Journal(Interruption(index, tear=tear, meanwhile=meanwhile)))
    with pytest.raises(PowerLost):
        run(steps, chip)
    assert [repr(e) for e in chip.device.journal.entries] == [repr(e) for e in entries[:index]]
    for operation, torn in ((entry, tear), *zip(others, meanwhile, strict=True)):
        if torn is not None:
            assert isinstance(operation, Operation)
            torn.apply(cells, operation)
    assert chip.device.cells.snapshot().same(cells.snapshot())


def cut(chip: SerialFlash) -> None:
    with pytest.raises(PowerLost):
        chip.device.supply.cut()


def back(chip: SerialFlash) -> None:
    chip.device.supply.restore()
    chip.device.attach(chip.clock, Journal(), None)
    chip.power_cycle()
    chip.clock.advance(100_000)


def test_a_cut_with_two_operations_under_way_tears_both() -> None:
    chip = chip_of(SMALL)
    chip.device.cells.put_bytes(0x80, bytes(range(64)))
    erase(chip, 0x80)
    chip.clock.advance(1600)
    chip.transfer(b"\x75")
    chip.clock.advance(30)
    program(chip, 0xC0, b"\x00" * 16)
    chip.clock.advance(80)
    cut(chip)
    assert content(chip, 0xC0, 16) == b"\x00" * 8 + b"\xff" * 8
    torn = content(chip, 0x80, 64)
    assert torn[:32] == bytes(range(32))
    assert torn[40:] == b"\x00" * 24
    back(chip)
    assert status(chip) == 0
    assert chip.transfer(b"\x35", 1) == b"\x00", "power off drops the suspend"


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_cut_tears_an_operation_by_its_progress(share: float) -> None:
    chip = chip_of(SMALL)
    program(chip, 0, b"\x00" * 16)
    chip.clock.advance(int(160 * share))
    cut(chip)
    assert content(chip, 0, 16) == b"\x00" * int(16 * share) + b"\xff" * (16 - int(16 * share))


def test_an_operation_whose_time_had_come_is_complete_though_nobody_had_looked() -> None:
    chip = chip_of(SMALL)
    chip.device.cells.put_bytes(0, b"old")
    erase(chip, 0)
    chip.clock.advance(6_400)
    cut(chip)
    assert content(chip, 0, 64) == b"\xff" * 64
    assert [op.kind for op in chip.device.journal.operations()] == ["erase"]


def test_a_cut_between_operations_changes_nothing() -> None:
    chip = chip_of(SMALL)
    program(chip, 0, b"kept")
    finish(chip)
    before = chip.device.snapshot()
    chip.transfer(b"\x06")
    cut(chip)
    back(chip)
    assert chip.device.snapshot().same(before)
    assert status(chip) == 0


def test_a_reset_line_pulled_at_the_end_of_an_operation_leaves_it_in_flight() -> None:
    """The host does not see the end; the chip has it."""
    chip = chip_of(SMALL, journal=Journal(Interruption(0, cause="watchdog")))
    program(chip, 0, b"done")
    with pytest.raises(ResetAsserted):
        finish(chip)
    chip.device.attach(chip.clock, Journal(), None)
    assert status(chip) == 0
    assert content(chip, 0, 4) == b"done"


def test_registers_and_security_registers_are_torn_like_everything_else() -> None:
    chip = chip_of(WINBOND)
    order(chip, b"\x42\x00\x10\x00" + b"\x00" * 16)
    assert chip.running is not None
    chip.clock.advance(chip.running.duration_us // 2)
    cut(chip)
    back(chip)
    assert chip.transfer(b"\x48\x00\x10\x00\x00", 16) == b"\x00" * 8 + b"\xff" * 8


def test_the_footprint_holds_what_the_chip_consulted() -> None:
    chip = chip_of(SMALL)
    trace = Trace()
    chip.device.attach(chip.clock, Journal(), trace)
    size = chip.device.cells.block_size
    annex = chip.size // size
    chip.power_cycle()
    chip.clock.advance(100_000)
    assert list(trace.consulted_units) == [("flash", annex)]
    chip.transfer(b"\x03\x00\x00\x40", 4)
    erase(chip, 0x80)
    finish(chip)
    program(chip, 0xC0, b"x")
    finish(chip)
    assert list(trace.consulted_units)[1:] == [("flash", 0x40 // size), ("flash", 0xC0 // size)]
    assert trace.determined == {("flash", 0x80 // size)}
    order(chip, b"\x01\x00")
    finish(chip)
    assert ("flash", annex) in trace.written


def test_operations_of_the_chip_are_counted() -> None:
    chip = chip_of(SMALL)
    _program(chip)
    _erase(chip)
    statistics = chip.device.statistics
    assert (statistics.programs, statistics.programmed_bytes, statistics.erases) == (1, 10, 1)
    assert (statistics.program_time_us, statistics.erase_time_us) == (160, 6400)


def test_power_that_comes_back_finds_the_chip_as_power_does_though_nobody_says_so() -> None:
    """Forgetting `power_cycle` must not carry WEL, a mode or deep power-down through a cut."""
    chip = chip_of(WINBOND)
    chip.transfer(b"\x06")
    assert chip.transfer(b"\x05", 1)[0] & 2
    with pytest.raises(PowerLost):
        chip.device.supply.cut()
    chip.device.supply.restore()
    chip.clock.advance(100_000)
    chip.transfer(b"\x05", 1)
    chip.clock.advance(100_000)
    assert not chip.transfer(b"\x05", 1)[0] & 2
    chip.transfer(b"\x02\x00\x20\x00\xaa")
    assert not chip.device.in_flight
    assert misuses(chip)[-1] == "no-wel"
