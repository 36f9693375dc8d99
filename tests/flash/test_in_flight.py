"""Operations that take their time: suspended, resumed, aborted, torn together, and found again in the journal."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from itertools import product

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flash.cells import Cells
from flash.contract import ElapsedTime
from flash.device import FlashDevice
from flash.errors import FlashError, Interrupted, PowerLost, ResetAsserted
from flash.in_flight import InFlight
from flash.journal import Entry, Interruption, Journal, Operation
from flash.replay import replay
from flash.supply import Supply
from flash.tears import TEAR_SETS, Tear, TearSet, tear_at, tear_named, tears_of, tears_together
from flash.trace import Trace
from tests.flash.small_parts import ANNEXED, SERIAL, mirrored

COARSE = TEAR_SETS["T3-coarse"]
T4_COARSE = TearSet("T4-coarse", (1, 2, 3, 4), False, "")
ERASE_US, PROGRAM_US = 1000, 200
DATA = bytes(range(1, 17))


def loaded(part: object = ANNEXED, **options: object) -> FlashDevice:
    """A chip that holds 5A everywhere, but in sector 3."""
    device = FlashDevice(part, **options)  # type: ignore[arg-type]
    device.load(0, b"\x5a" * device.geometry.size)
    device.cells.put(192, 64, device.cells.erased)
    return device


def begin_erase(device: FlashDevice, address: int = 0, pulse_us: int = 0) -> InFlight:
    return device.begin("erase", address, 64, b"", ERASE_US, pulse_us)


def begin_program(device: FlashDevice, address: int = 192) -> InFlight:
    return device.begin("program", address, 16, DATA, PROGRAM_US)


def wait(device: FlashDevice, duration_us: int) -> int:
    device.clock.advance(duration_us)
    return device.clock.now_us


def cut(device: FlashDevice) -> None:
    with pytest.raises(PowerLost):
        device.supply.cut()


def replayed(start: Cells, entries: list[Entry]) -> Cells:
    """Cells that met exactly the operations among ``entries``."""
    cells = Cells(ANNEXED)
    cells.restore(start.snapshot())
    for entry in entries:
        if isinstance(entry, Operation):
            replay(cells, entry)
    return cells


# -- progress --------------------------------------------------------------------------------------------


def test_an_operation_has_no_effect_and_no_entry_until_it_ends() -> None:
    device = loaded()
    before = device.snapshot()
    flight = begin_erase(device)
    assert device.in_flight == [flight]
    assert flight.end_us == ERASE_US
    wait(device, ERASE_US)
    assert device.journal.entries == []
    assert device.snapshot() is before
    operation = device.end(flight)
    assert device.journal.entries == [operation]
    assert operation == Operation("erase", "flash", 0, 64, b"", 0, ERASE_US)
    assert device.in_flight == []
    assert device.read(0, 65) == b"\xff" * 64 + b"\x5a"
    assert device.cells.cycles_at(0) == 1


def test_progress_stands_still_while_suspended_and_goes_on_where_it_was() -> None:
    device = loaded()
    flight = begin_erase(device)
    wait(device, 300)
    flight.suspend(300)
    assert flight.is_suspended
    assert [flight.progress_us(now) for now in (300, 500, 10_000)] == [300] * 3
    with pytest.raises(AssertionError, match="a suspended operation has no end"):
        _ = flight.end_us
    wait(device, 500)
    flight.resume(800)
    assert [flight.progress_us(now) for now in (800, 900, 1500, 9999)] == [300, 400, 1000, 1000]
    assert flight.end_us == 1500
    wait(device, 700)
    operation = device.end(flight)
    assert (operation.start_us, operation.end_us, operation.suspended_us) == (0, 1500, 500)


def test_a_pulse_that_was_interrupted_begins_again() -> None:
    flight = InFlight(Operation("erase", "flash", 0, 64, b"", 0, 1000), pulse_us=300)
    flight.suspend(650)
    assert flight.progress_us(650) == 600
    flight.resume(700)
    flight.suspend(999)
    assert flight.progress_us(999) == 600, "299 us are less than a pulse"
    flight.resume(2000)
    assert flight.end_us == 2400
    flight.suspend(2300)
    assert flight.progress_us(2300) == 900


def test_an_operation_whose_pulse_is_never_completed_makes_no_progress() -> None:
    flight = InFlight(Operation("erase", "flash", 0, 64, b"", 0, 1000), pulse_us=300)
    for now in range(0, 100_000, 1000):
        flight.resume(now)
        flight.suspend(now + 299)
        assert flight.progress_us(now + 500) == 0
    steady = InFlight(Operation("program", "flash", 0, 1, b"\0", 0, 1000))
    for now in range(0, 900 * 100, 900):
        steady.resume(now)
        steady.suspend(now + 10)
    assert steady.progress_us(10**6) == 1000, "without pulses every microsecond counts"


def test_the_entry_says_how_much_longer_it_took_than_it_needs() -> None:
    """It stood still for 100 us, and did 50 us of a pulse twice."""
    device = loaded()
    flight = begin_erase(device, pulse_us=300)
    flight.suspend(wait(device, 650))
    flight.resume(wait(device, 100))
    wait(device, flight.end_us - device.clock.now_us)
    operation = device.end(flight)
    assert (operation.end_us - operation.start_us, operation.suspended_us) == (1150, 150)


schedules = st.lists(st.tuples(st.sampled_from(["suspend", "resume", "wait"]), st.integers(0, 400)), max_size=12)


@given(schedules, st.sampled_from([0, 1, 70, 300]), st.integers(1, 1500), st.integers(0, 5000))
@settings(max_examples=150, deadline=None)
def test_progress_never_falls_but_by_a_part_of_a_pulse_and_survives_a_change_of_clock(
    schedule: list[tuple[str, int]], pulse: int, duration: int, other_now: int
) -> None:
    flight = InFlight(Operation("erase", "u1", 64, 64, b"", 0, duration), pulse)
    now, best = 0, 0
    for what, step in schedule:
        now += step
        if not flight.is_suspended and flight.end_us <= now:
            break
        before = flight.progress_us(now)
        if what == "suspend":
            flight.suspend(now)
        elif what == "resume" and flight.is_suspended:
            flight.resume(now)
        after = flight.progress_us(now)
        assert before - after < max(1, pulse)
        assert pulse or after == before
        assert after >= best or not flight.is_suspended
        best = max(best, after) if flight.is_suspended else best
        moved = InFlight.restored(flight.state(now), "u1", other_now)
        assert moved.state(other_now) == flight.state(now)
        assert moved.is_suspended == flight.is_suspended
        assert [moved.progress_us(other_now + d) for d in (0, 7, 5000)] == [
            flight.progress_us(now + d) for d in (0, 7, 5000)
        ]
        if not flight.is_suspended:
            assert moved.end_us - other_now == flight.end_us - now
        assert (moved.operation.kind, moved.operation.device, moved.operation.address) == ("erase", "u1", 64)
        assert isinstance(hash(flight.state(now)), int)


# -- power goes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("waited", "front", "prefix"), [(60, "front-57", "prefix-4"), (100, "front-52", "prefix-8")])
def test_a_suspended_erase_and_a_running_program_are_both_torn_by_their_progress(
    waited: int, front: str, prefix: str
) -> None:
    device = loaded()
    erase = begin_erase(device)
    erase.suspend(wait(device, waited))
    wait(device, 5000)
    begin_program(device)
    wait(device, waited)
    expected = loaded().cells
    tear_named(front).apply(expected, erase.operation)
    tear_named(prefix).apply(expected, Operation("program", "flash", 192, 16, DATA, 0, 1))
    cut(device)
    assert device.snapshot().same(expected.snapshot())
    assert device.cells.cycles_at(0) == 1
    assert device.in_flight == []


@pytest.mark.parametrize("late", [0, 1, 5000])
def test_what_had_its_time_before_an_unplanned_cut_is_complete_though_nobody_asked(late: int) -> None:
    device = loaded()
    flight = begin_program(device)
    wait(device, PROGRAM_US + late)
    cut(device)
    assert device.cells.read(192, 16) == DATA
    assert device.journal.entries == [flight.operation]
    assert (flight.operation.end_us, flight.operation.tear) == (PROGRAM_US, None)


def test_without_power_nothing_begins_and_nothing_ends() -> None:
    device = loaded()
    flight = begin_program(device)
    cut(device)
    state = device.snapshot()
    for access in (
        lambda: device.begin("erase", 64, 64, b"", 5),
        lambda: device.sense(0, 1),
        lambda: device.end(flight),
        lambda: device.abort(flight),
    ):
        with pytest.raises(PowerLost):
            access()
    assert device.snapshot() is state


def test_an_unplanned_cut_leaves_a_journal_that_replays_to_the_same_cells() -> None:
    for waited in (10, 150, 199, 200, 300):
        device = loaded()
        start = Cells(ANNEXED)
        start.restore(device.snapshot())
        begin_erase(device).suspend(wait(device, 400))
        begin_program(device)
        wait(device, waited)
        cut(device)
        assert replayed(start, device.journal.entries).snapshot().same(device.snapshot())


def test_a_cut_traces_every_block_it_changed() -> None:
    for waited in (150, 200):
        device = loaded()
        device.attach(device.clock, device.journal, Trace())
        before = device.snapshot()
        begin_erase(device).suspend(wait(device, 400))
        begin_program(device)
        wait(device, waited)
        cut(device)
        changed = {("flash", index) for index in device.snapshot().tree.differing(before.tree)}
        assert changed == {("flash", 0), ("flash", 3)}
        assert device.trace is not None
        assert changed <= device.trace.written


def test_power_that_goes_after_a_planned_reset_tears_by_progress_again() -> None:
    """The planned interruption was the reset; the chip worked on, and this cut was not planned."""
    device = loaded(journal=Journal(Interruption(0, cause="watchdog")))
    flight = begin_erase(device)
    wait(device, 400)
    with pytest.raises(ResetAsserted):
        device.journal.strike(device.supply)
    expected = loaded().cells
    tear_at(ANNEXED, expected, flight.operation, 500).apply(expected, flight.operation)
    wait(device, 100)
    cut(device)
    assert device.snapshot().same(expected.snapshot())


def test_an_operation_outlives_a_reset_of_its_host_with_the_time_it_had_left() -> None:
    """The new session's clock starts anew, so the front takes the state along and restores the operation from it."""
    device = loaded()
    state = begin_erase(device).state(wait(device, 400))
    device.attach(ElapsedTime(), Journal(), None)
    device.in_flight = [InFlight.restored(state, device.name, device.clock.now_us)]
    (flight,) = device.in_flight
    assert flight.end_us == 600
    wait(device, 600)
    operation = device.end(flight)
    assert (operation.start_us, operation.end_us, operation.suspended_us) == (-400, 600, 0)
    assert device.cells.read(0, 64) == b"\xff" * 64


# -- abort -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("waited", [0, 100, 250, 499, 500, 999])
@pytest.mark.parametrize("stood", [0, 3000])
def test_an_aborted_operation_is_torn_by_its_progress_and_replays_to_the_same_cells(waited: int, stood: int) -> None:
    for begin, duration in ((begin_erase, ERASE_US), (begin_program, PROGRAM_US)):
        device = loaded()
        start = Cells(ANNEXED)
        start.restore(device.snapshot())
        flight = begin(device)
        flight.suspend(wait(device, waited * duration // ERASE_US))
        if not stood:
            flight.resume(device.clock.now_us)
        wait(device, stood)
        progress = waited * duration // ERASE_US
        fresh = Operation(flight.operation.kind, "flash", flight.operation.address, flight.operation.length,
                          flight.operation.data, 0, duration)  # fmt: skip
        operation = device.abort(flight)
        assert operation.tear is not None
        assert operation.tear == tear_at(ANNEXED, Cells(ANNEXED), fresh, progress)
        assert operation.end_us == device.clock.now_us
        assert device.journal.entries == [operation]
        assert device.in_flight == []
        assert replayed(start, device.journal.entries).snapshot().same(device.snapshot())


def test_the_entry_of_an_aborted_operation_says_how_long_it_stood_still() -> None:
    device = loaded()
    flight = begin_erase(device)
    flight.suspend(wait(device, 100))
    wait(device, 250)
    assert device.abort(flight).suspended_us == 250


def test_a_planned_interruption_strikes_at_the_entry_of_an_aborted_operation_too() -> None:
    device = loaded(journal=Journal(Interruption(0, tear=tear_named("front-7"))))
    flight = begin_erase(device)
    wait(device, 100)
    with pytest.raises(PowerLost):
        device.abort(flight)
    assert device.journal.entries == []
    expected = loaded().cells
    tear_named("front-7").apply(expected, flight.operation)
    assert device.snapshot().same(expected.snapshot())


# -- planned ---------------------------------------------------------------------------------------------

MEANWHILE = [None, tear_named("front-32"), tear_named("preprogrammed-1"), tear_named("blank-stubborn-0")]
OWN = [None, tear_named("prefix-3"), tear_named("disturb-0"), tear_named("hidden-charge-1")]


@pytest.mark.parametrize(
    ("own", "other"), list(product(OWN, MEANWHILE)), ids=lambda tear: tear.name if tear else "none"
)
def test_a_planned_cut_tears_the_operation_and_what_is_in_flight_beside_it(
    own: Tear | None, other: Tear | None
) -> None:
    device = loaded(journal=Journal(Interruption(0, tear=own, meanwhile=(other,))))
    erase = begin_erase(device)
    erase.suspend(wait(device, 100))
    program = begin_program(device)
    wait(device, PROGRAM_US)
    with pytest.raises(PowerLost):
        device.end(program)
    expected = loaded().cells
    for tear, operation in ((own, program.operation), (other, erase.operation)):
        if tear is not None:
            tear.apply(expected, operation)
    assert device.snapshot().same(expected.snapshot())
    assert device.journal.entries == []
    assert device.in_flight == []


def test_nothing_said_of_what_is_in_flight_means_that_it_has_not_begun() -> None:
    device = loaded(journal=Journal(Interruption(0)))
    before = device.snapshot()
    begin_erase(device)
    wait(device, 5 * ERASE_US)
    with pytest.raises(PowerLost):
        device.program(192, b"\x00")
    assert device.snapshot() is before


@pytest.mark.parametrize("meanwhile", [(tear_named("prefix-1"),), (tear_named("front-1"), tear_named("front-1"))])
def test_a_plan_that_does_not_fit_what_is_in_flight_is_refused(meanwhile: tuple[Tear, ...]) -> None:
    """A tear of the wrong kind, and one for an operation that is not there."""
    device = loaded(journal=Journal(Interruption(0, meanwhile=meanwhile)))
    begin_erase(device)
    with pytest.raises((FlashError, PowerLost)) as raised:
        device.program(192, b"\x00")
    assert raised.type is FlashError, "a plan nobody can follow was followed in silence"
    assert not device.supply.on


def test_a_reset_of_the_host_leaves_the_operation_on_its_way() -> None:
    device = loaded(journal=Journal(Interruption(0, cause="watchdog")))
    flight = begin_erase(device)
    wait(device, ERASE_US)
    with pytest.raises(ResetAsserted, match="watchdog"):
        device.end(flight)
    assert device.in_flight == [flight]
    assert device.read(0, 64) == b"\x5a" * 64
    device.journal = Journal()
    device.end(flight)
    assert device.read(0, 64) == b"\xff" * 64


@pytest.mark.parametrize("chosen", [COARSE, T4_COARSE], ids=lambda chosen: chosen.name)
def test_operations_torn_together_are_torn_in_every_combination_as_they_are_live(chosen: TearSet) -> None:
    def chip(interruption: Interruption | None = None) -> FlashDevice:
        device = loaded(journal=Journal(interruption))
        begin_erase(device).suspend(wait(device, 100))
        begin_program(device)
        return device

    bench = chip()
    operations = [flight.operation for flight in bench.in_flight]
    ways = list(tears_together([(ANNEXED, bench.cells, operation) for operation in operations], chosen))
    each = [[None, *tears_of(ANNEXED, bench.cells, operation, chosen)] for operation in operations]
    assert ways == list(product(*each))
    assert len(ways) == len(set(ways)) == (1 + len(each[0]) - 1) * len(each[1]) > 50
    start = bench.snapshot()
    for way in ways:
        for order in (1, -1):
            bench.restore(start)
            for tear, operation in list(zip(way, operations, strict=True))[::order]:
                if tear is not None:
                    tear.apply(bench.cells, operation)
            live = chip(Interruption(0, meanwhile=way))
            with pytest.raises(PowerLost):
                live.journal.strike(live.supply)
            assert live.snapshot().same(bench.snapshot()), [tear and tear.name for tear in way]


def test_one_operation_alone_is_torn_together_as_it_is_torn_alone() -> None:
    cells = loaded().cells
    operation = Operation("program", "flash", 192, 16, DATA, 0, 1)
    ways = list(tears_together([(ANNEXED, cells, operation)], COARSE))
    assert ways == [(None,), *((tear,) for tear in tears_of(ANNEXED, cells, operation, COARSE))]
    assert list(tears_together([], COARSE)) == [()]


@pytest.mark.parametrize("page", [64, 80, 96, 112])
def test_the_order_of_tears_in_flight_does_not_matter_even_in_neighbouring_sectors(page: int) -> None:
    """Over-erase reaches into the sector in which the other operation is torn."""
    cells = loaded().cells
    cells.put(64, 64, 0xFF)
    erase = Operation("erase", "flash", 128, 64, b"", 0, 1)
    operations = [erase, Operation("program", "flash", page, 16, bytes(16), 0, 1)]
    start = cells.snapshot()
    for way in tears_together([(ANNEXED, cells, operation) for operation in operations], TEAR_SETS["T4"]):
        keys = set()
        for order in (1, -1):
            cells.restore(start)
            for tear, operation in list(zip(way, operations, strict=True))[::order]:
                if tear is not None:
                    tear.apply(cells, operation)
            keys.add(cells.snapshot().key)
        cells.restore(start)
        assert len(keys) == 1, [tear and tear.name for tear in way]


def test_a_plan_for_two_chips_tears_each_operation_as_planned() -> None:
    """In the order in which they began, on whichever chip."""
    supply, clock = Supply(), ElapsedTime()
    plan = (tear_named("front-8"), tear_named("front-24"))
    journal = Journal(Interruption(0, meanwhile=plan))
    left, right = (loaded(name=name, supply=supply, clock=clock, journal=journal) for name in ("left", "right"))
    flights = [begin_erase(left), begin_erase(right)]
    with pytest.raises(PowerLost):
        journal.strike(supply)
    for device, tear, flight in zip((left, right), plan, flights, strict=True):
        expected = loaded().cells
        tear.apply(expected, flight.operation)
        assert device.snapshot().same(expected.snapshot()), device.name


# -- any schedule ----------------------------------------------------------------------------------------


@dataclass
class Host:
    """Drives a chip through a schedule as a serial front does: one operation running, one suspended at most."""

    device: FlashDevice
    running: InFlight | None = None
    suspended: InFlight | None = None
    beside: list[list[Operation]] = field(default_factory=list)

    def run(self, schedule: list[tuple[str, int]]) -> None:
        for number, (what, amount) in enumerate(schedule):
            self._settle()
            if what == "wait":
                wait(self.device, amount)
            elif what == "suspend" and self.running and not self.suspended:
                self.running.suspend(self.device.clock.now_us)
                self.suspended, self.running = self.running, None
            elif what == "resume" and self.suspended and not self.running:
                self.suspended.resume(self.device.clock.now_us)
                self.running, self.suspended = self.suspended, None
            elif what == "abort" and self.running:
                flight, self.running = self.running, None
                self._note(flight)
                self.device.abort(flight)
            elif what in ("erase", "program", "write", "annex") and not self.running:
                self.running = self._begin(what, amount, number)
        if self.running:
            wait(self.device, max(0, self.running.end_us - self.device.clock.now_us))
            self._settle()

    def _begin(self, what: str, amount: int, number: int) -> InFlight:
        begin = self.device.begin
        if what == "erase":
            return begin(
                "erase", 256 * (number % 12), 64 if amount % 3 else 256, b"", ERASE_US, 0 if amount % 2 else 200
            )
        if what == "write":
            return begin("write", ANNEXED.size, 3, bytes([amount % 256, number, 0]), 300)
        base = ANNEXED.size + 64 if what == "annex" else 3072 + 16 * (number % 60)
        return begin("program", base, 8, bytes([amount % 256, number, 0, 255, 1, 2, 3, 4]), PROGRAM_US)

    def _settle(self) -> None:
        if self.running and self.running.end_us <= self.device.clock.now_us:
            flight, self.running = self.running, None
            self._note(flight)
            self.device.end(flight)
            if len(self.beside) < len(self.device.journal.entries):
                self._note(flight)  # a misuse as well: the program asked for what a program cannot do

    def _note(self, flight: InFlight) -> None:
        self.beside.append([other.operation for other in self.device.in_flight if other is not flight])


STEPS = st.tuples(
    st.sampled_from(["erase", "program", "write", "annex", "suspend", "resume", "wait", "wait", "abort"]),
    st.integers(0, 700),
)


@given(schedule=st.lists(STEPS, max_size=30), data=st.data())
@settings(max_examples=120, deadline=None)
def test_a_planned_interruption_of_any_schedule_equals_the_replayed_prefix(
    schedule: list[tuple[str, int]], data: st.DataObject
) -> None:
    whole = Host(loaded())
    start = Cells(ANNEXED)
    start.restore(whole.device.snapshot())
    whole.run(schedule)
    entries = whole.device.journal.entries
    assert len(whole.beside) == len(entries)
    assert replayed(start, entries).snapshot().same(whole.device.snapshot())
    for point, entry in enumerate(entries):
        bench = replayed(start, entries[:point])
        is_whole = isinstance(entry, Operation) and entry.tear is None
        tears = list(tears_of(ANNEXED, bench, entry, COARSE)) if is_whole else []
        own = data.draw(st.sampled_from([None, *tears]))
        meanwhile = tuple(
            data.draw(st.sampled_from([None, *tears_of(ANNEXED, bench, operation, COARSE)]))
            for operation in whole.beside[point]
        )
        live = Host(loaded(journal=Journal(Interruption(point, tear=own, meanwhile=meanwhile))))
        with pytest.raises(PowerLost):
            live.run(schedule)
        assert live.device.journal.entries == entries[:point]
        for tear, operation in zip((own, *meanwhile), (entry, *whole.beside[point]), strict=True):
            if tear is not None:
                tear.apply(bench, operation)
        assert live.device.snapshot().same(bench.snapshot())


@given(schedule=st.lists(STEPS, max_size=20))
@settings(max_examples=60, deadline=None)
def test_entries_of_any_schedule_stand_in_the_order_in_which_they_ended(schedule: list[tuple[str, int]]) -> None:
    host = Host(loaded())
    host.run(schedule)
    ends = [entry.end_us for entry in host.device.journal.operations()]
    assert ends == sorted(ends)
    for entry in host.device.journal.operations():
        assert 0 <= entry.suspended_us <= entry.end_us - entry.start_us


def test_a_firmware_that_swallows_the_cut_changes_nothing_more() -> None:
    device = loaded(journal=Journal(Interruption(0, meanwhile=(tear_named("front-9"),))))
    flight = begin_erase(device)
    program = begin_program(device)
    for _ in range(3):
        with suppress(Interrupted, ValueError):
            device.end(program)
    state = device.snapshot()
    for stubborn in (flight, program):
        with suppress(Interrupted, ValueError):
            device.end(stubborn)
    assert device.snapshot() is state
    assert device.journal.entries == []


def test_a_mirrored_chip_is_torn_in_flight_as_its_mirror_is() -> None:
    part = mirrored(msgspec.structs.replace(SERIAL, name="S"))
    device, plain = FlashDevice(part), FlashDevice(SERIAL)
    for chip, data in ((device, b"\x0f" * 16), (plain, b"\xf0" * 16)):
        chip.load(64, data * 4)
        begin_erase(chip, 64)
        wait(chip, 300)
        cut(chip)
    assert device.cells.read(0, 256) == bytes(~b & 0xFF for b in plain.cells.read(0, 256))
