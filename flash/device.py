"""FlashDevice: the NorFlash contract over cells, with command rules, time, power and a journal.

One call is one command the array executes, one entry in the journal and one place to cut. Misuse behaves as
silicon does (wrapped, truncated, refused, ignored) and is always put on record; ``strict=True`` raises as
well, so that a unit test stops at the line that is wrong.

Neighbours: `cells` holds the bytes, `part` the rules, `timing` the durations, `tears` what an interruption
leaves. This room does not know who calls or why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from flash.cells import Cells
from flash.contract import Clock, ElapsedTime
from flash.errors import FlashError, FlashMisuse, Interrupted, OutOfBounds, PowerLost, ResetAsserted
from flash.geometry import Geometry
from flash.in_flight import InFlight
from flash.journal import Journal, Misuse, Operation, OperationKind
from flash.part import Part
from flash.replay import replay
from flash.rules import Remark, acceptable_units, settle_erase, settle_program, unprogrammable
from flash.sensing import Sensing
from flash.snapshot import Snapshot
from flash.supply import Supply
from flash.tears import Tear, tear_at
from flash.timing import Timing
from flash.trace import Trace
from flash.weak import Resolution


@dataclass(slots=True)
class Statistics:
    """Counts since the device was made. Times in microseconds."""

    programs: int = 0
    programmed_bytes: int = 0
    erases: int = 0
    read_bytes: int = 0
    program_time_us: int = 0
    erase_time_us: int = 0
    misuses: int = 0


class FlashDevice:
    """A NOR flash chip, byte for byte.

    ``clock`` advances by the duration of every command; ``supply`` may take power away; ``journal`` may be
    shared by several chips of one device. ``cells`` stays the same object for life. ``resolution`` and ``read_seed``
    decide what weak cells read as.
    """

    def __init__(
        self,
        part: Part,
        *,
        name: str = "flash",
        clock: Clock | None = None,
        supply: Supply | None = None,
        journal: Journal | None = None,
        timing: Timing | None = None,
        strict: bool = False,
        resolution: Resolution | None = None,
        read_seed: int = 0,
    ) -> None:
        self.part = part
        self.name = name
        self.strict = strict
        self.cells = Cells(part)
        self.supply = supply or Supply()
        self.journal = journal if journal is not None else Journal()
        self.clock: Clock = clock or ElapsedTime()
        self.timing = timing or Timing(part)
        self.statistics = Statistics()
        self.sensing = Sensing(part, resolution, read_seed)
        self.trace: Trace | None = None
        self.in_flight: list[InFlight] = []
        self.beside: tuple[FlashDevice, ...] = ()
        """Other chips on the rail that work on while this one does."""
        self.supply.feed(self._power_gone)
        self._geometry = part.geometry

    @property
    def geometry(self) -> Geometry:
        return self._geometry

    def attach(self, clock: Clock, journal: Journal, trace: Trace | None) -> None:
        """A new power session: another clock, another journal; the cells stay."""
        self.clock = clock
        self.journal = journal
        self.trace = trace
        self.sensing.new_session(self.cells)

    # -- the contract -------------------------------------------------------------------------------------

    def read(self, address: int, length: int) -> bytes:
        cells = self.cells
        self._access(address, length)
        if cells.weak is None and cells.broken is None:
            content = cells.read(address, length)
        else:
            content = self.sensing.read(cells, address, length)
        self._spend(length)
        return content

    def view(self, address: int, length: int) -> memoryview:
        """Like ``read`` without the copy. Do not keep it: it shows whatever the cells become."""
        cells = self.cells
        self._access(address, length)
        if cells.is_weak(address, length) or cells.ecc_states(address, length):
            content = memoryview(self.sensing.read(cells, address, length))
        else:
            content = cells.view(address, length)
        self._spend(length)
        return content

    def program(self, address: int, data: bytes) -> None:
        if not self.supply.on:
            raise PowerLost("no power: nothing is programmed")
        if not self._geometry.is_program(address, len(data)):
            accepted, remarks = settle_program(self.part, address, data)
            for remark in remarks:
                self.misuse(remark)
            if accepted is None:
                return
            address, data = accepted
        if self.part.program.overwrite != "and" or self.part.program.max_per_erase:
            if self.part.program.overwrite == "rewrites":
                raise FlashError(
                    f"{self.name}: {self.part.name} is an EEPROM, which takes no program command; put "
                    "flash.two_wire.Eeprom in front of it",
                    address=address,
                    length=len(data),
                )
            if self.trace is not None:
                self.trace.consulted(self.name, self.cells, address, len(data))
            data, refused = acceptable_units(self.part, self.cells, address, data)
            if refused is not None:
                self.misuse(refused)
            if not data:
                return
        length = len(data)
        cells, clock, journal = self.cells, self.clock, self.journal
        duration = self.timing.program_us(address, length, cells.cycles_at(address))
        start = clock.now_us
        operation = Operation("program", self.name, address, length, data, start, start + duration)
        if self.beside and self._is_accompanied:
            self._work_beside(operation, duration)
            return
        if self.trace is not None:
            self.trace.changed_in_part(self.name, cells, address, length)
        if journal.is_due:
            self._interrupt(operation)
        try:
            clock.advance(duration)
        except Interrupted as stop:
            self._stopped_inside(operation, stop)
        journal.entries.append(operation)
        stats = self.statistics
        stats.programs += 1
        stats.programmed_bytes += length
        stats.program_time_us += duration
        if not cells.program(address, data):
            unmoved = unprogrammable(cells, address, data)
            if unmoved is not None:
                self.misuse(unmoved)

    def programmed(self, programs: Sequence[tuple[int, bytes, int]], duration_us: int) -> None:
        """Programs that whoever maps the cells has done by itself, of (address, data, start in microseconds): legal,
        of units that were unused, in the order of time. Cells hold the data already and count their uses, and time
        has passed."""
        entries, name = self.journal.entries, self.name
        first = end = total = 0
        for address, data, start_us in programs:
            length = len(data)
            entries.append(Operation("program", name, address, length, data, start_us, start_us + duration_us))
            if address != end:
                self._programmed(first, end)
                first = address
            end = address + length
            total += length
        self._programmed(first, end)
        self.statistics.programs += len(programs)
        self.statistics.programmed_bytes += total
        self.statistics.program_time_us += duration_us * len(programs)

    def _programmed(self, first: int, end: int) -> None:
        """All of a range, which may be empty, was programmed once."""
        if first < end:
            if self.trace is not None:
                self.trace.changed_in_part(self.name, self.cells, first, end - first)
            self.cells.programmed(first, end - first)

    def erase(self, address: int, length: int) -> None:
        if not self.supply.on:
            raise PowerLost("no power: nothing is erased")
        if not self._geometry.is_erase(address, length):
            address, remarks = settle_erase(self.part, address, length, self.name)
            for remark in remarks:
                self.misuse(remark)
        cells, clock, journal = self.cells, self.clock, self.journal
        duration = self.timing.erase_us(address, length, cells.cycles_at(address))
        start = clock.now_us
        operation = Operation("erase", self.name, address, length, b"", start, start + duration)
        if self.beside and self._is_accompanied:
            self._work_beside(operation, duration)
            return
        if journal.is_due:
            self._interrupt(operation)
        try:
            clock.advance(duration)
        except Interrupted as stop:
            self._stopped_inside(operation, stop)
        journal.entries.append(operation)
        self._trace_erase(operation)
        self.statistics.erases += 1
        self.statistics.erase_time_us += duration
        cells.erase(address, length)

    # -- operations that take their time: the serial front -------------------------------------------------

    def begin(
        self, kind: OperationKind, address: int, length: int, data: bytes, duration_us: int, pulse_us: int = 0
    ) -> InFlight:
        """Start an operation and return at once; the host goes on. No rule is checked: the front has done that.

        It has its effect, and its place in the journal, when `end` is called, which must be done before anything
        looks at the cells after its time has come. ``address`` may lie in the annex of the cells.
        """
        self.supply.require()
        start = self.clock.now_us
        operation = Operation(kind, self.name, address, length, data, start, start + duration_us)
        flight = InFlight(operation, pulse_us)
        self.in_flight.append(flight)
        return flight

    @property
    def _is_accompanied(self) -> bool:
        return any(other.in_flight for other in self.beside)

    def _work_beside(self, operation: Operation, duration_us: int) -> None:
        """One command while another chip is at work: which of the two ends first stands first in the journal."""
        flight = InFlight(operation)
        self.in_flight.append(flight)
        try:
            self.clock.advance(duration_us)
        except Interrupted:
            if flight in self.in_flight:
                self.abort(flight)
            raise
        self.end(flight)

    def end(self, flight: InFlight) -> Operation:
        """The operation is complete. A scheduled interruption of its entry strikes here, inside the operation."""
        self.supply.require()
        operation = flight.operation
        operation.end_us = flight.end_us
        operation.suspended_us = operation.end_us - operation.start_us - flight.duration_us
        if self.trace is not None and operation.kind != "erase":
            self.trace.changed_in_part(self.name, self.cells, operation.address, operation.length)
        if self.journal.is_due:
            planned = self.journal.interruption
            if planned is not None and planned.cause != "power" and planned.tear is None:
                self.journal.strike(self.supply)  # the chip does not see a reset of its host: the operation stays
            self._interrupt(operation)
        self.in_flight.remove(flight)
        self.journal.entries.append(operation)
        self._count(operation, flight.duration_us)
        if operation.kind == "erase":
            self._trace_erase(operation)
        if not replay(self.cells, operation):
            unmoved = unprogrammable(self.cells, operation.address, operation.data)
            if unmoved is not None:
                self.misuse(unmoved)
        return operation

    def _count(self, operation: Operation, duration_us: int) -> None:
        stats = self.statistics
        if operation.kind == "program":
            stats.programs += 1
            stats.programmed_bytes += operation.length
            stats.program_time_us += duration_us
        elif operation.kind == "erase":
            stats.erases += 1
            stats.erase_time_us += duration_us

    def abort(self, flight: InFlight) -> Operation:
        """The chip stops the operation where it is (a soft reset): torn, on record, never to be finished."""
        self.supply.require()
        if self.journal.is_due:
            self._interrupt(flight.operation)
        self.in_flight.remove(flight)
        self._stop(flight)
        return flight.operation

    def sense(self, address: int, length: int) -> bytes:
        """What the cells of a range hold, the annex included. Takes no time: the front counts its own clocks."""
        self.supply.require()
        if self.trace is not None:
            self.trace.consulted(self.name, self.cells, address, length)
        if self.cells.weak is None:
            return self.cells.read(address, length)
        return self.sensing.read(self.cells, address, length)

    def _power_gone(self) -> None:
        """Every operation in flight is torn then and there: as a planned interruption says, else by its progress.

        One whose time had come before an unplanned cut is complete, though nobody had called `end` yet.
        """
        planned = self.journal.interruption if self.journal.struck else None
        if planned is not None and planned.cause == "power":
            self._tear_as_planned()
        else:
            for flight in self.in_flight:
                if flight.is_suspended or flight.end_us > self.clock.now_us:
                    self._stop(flight)
                else:
                    self._finish_unasked(flight)
        self.in_flight.clear()

    def _tear_as_planned(self) -> None:
        tears = self.journal.take_meanwhile(len(self.in_flight))
        pairs = list(zip(tears, self.in_flight, strict=True))
        for tear, flight in pairs:
            if tear is not None and tear.row.of != flight.operation.kind:
                raise FlashError(f"meanwhile: {tear.name} cannot tear the {flight.operation.kind} in flight")
        for tear, flight in pairs:
            if tear is not None:
                self._tear(flight.operation, tear)

    def _finish_unasked(self, flight: InFlight) -> None:
        operation = flight.operation
        operation.end_us = flight.end_us
        operation.suspended_us = operation.end_us - operation.start_us - flight.duration_us
        if self.trace is not None and operation.kind != "erase":
            self.trace.changed_in_part(self.name, self.cells, operation.address, operation.length)
        if operation.kind == "erase":
            self._trace_erase(operation)
        replay(self.cells, operation)
        self.journal.entries.append(operation)

    def _stop(self, flight: InFlight) -> None:
        """Torn where it is, and on record."""
        operation, now = flight.operation, self.clock.now_us
        self._record_torn(operation, flight.progress_us(now))
        operation.end_us = now
        operation.suspended_us = now - operation.start_us - flight.progress_us(now)

    # -- outside the contract: the bench, not the firmware ----------------------------------------------

    def load(self, address: int, data: bytes) -> None:
        """Factory programming: content appears without time, wear or journal."""
        self._bounds(address, len(data))
        if address % self._geometry.unit:
            raise FlashError(
                f"{self.name}: load at {address:#x} is not aligned to the {self._geometry.unit}-byte unit",
                address=address,
                length=len(data),
            )
        self.cells.load(address, data)

    def snapshot(self) -> Snapshot:
        return self.cells.snapshot()

    def restore(self, snapshot: Snapshot) -> None:
        self.cells.restore(snapshot)

    # -- rules --------------------------------------------------------------------------------------------

    def _access(self, address: int, length: int) -> None:
        if not self.supply.on:
            raise PowerLost("no power: nothing can be read")
        self._bounds(address, length)
        if self.trace is not None:
            self.trace.consulted(self.name, self.cells, address, length)

    def _spend(self, length: int) -> None:
        """A read that has answered takes its time; one that faults takes none."""
        self.statistics.read_bytes += length
        self.clock.advance(self.timing.read_us(length))

    def _bounds(self, address: int, length: int) -> None:
        if address < 0 or length < 0 or address + length > self._geometry.size:
            raise OutOfBounds(
                f"{self.name}: [{address:#x}, {address + length:#x}) is outside the {self.part.name} "
                f"[0x0, {self._geometry.size:#x})",
                address=address,
                length=length,
            )

    def misuse(self, remark: Remark) -> None:
        """Put on record what the silicon did not do as asked. Raises FlashMisuse where ``strict``."""
        text = f"{self.name} ({self.part.name}): {remark.message}"
        if self.journal.is_due:
            self._interrupt(None)
        address, length = remark.address, remark.length
        self.journal.entries.append(Misuse(self.name, address, length, remark.rule, text, self.clock.now_us))
        self.statistics.misuses += 1
        if self.strict:
            raise FlashMisuse(text, address=address, length=length)

    # -- interruptions ------------------------------------------------------------------------------------

    def _interrupt(self, operation: Operation | None) -> NoReturn:
        """The scheduled interruption is due: leave what it leaves, and stop."""
        planned = self.journal.interruption
        if planned is not None and planned.tear is not None:
            if operation is None or planned.tear.row.of != operation.kind:
                raise FlashError(
                    f"entry {planned.entry} is no {planned.tear.row.of}: {planned.tear.name} cannot tear it"
                )
            self._tear(operation, planned.tear)
        self.in_flight = [flight for flight in self.in_flight if flight.operation is not operation]
        self.journal.strike(self.supply)

    def _stopped_inside(self, operation: Operation, stop: Interrupted) -> NoReturn:
        """Time stopped inside the operation: an external chip finishes unless power went; all else is torn."""
        if self.part.is_external and isinstance(stop, ResetAsserted):
            replay(self.cells, operation)
            if operation.kind == "erase":
                self._trace_erase(operation)
            self.journal.entries.append(operation)
            raise stop
        self._record_torn(operation, self.clock.now_us - operation.start_us)
        raise stop

    def _record_torn(self, operation: Operation, progress_us: int) -> None:
        tear = tear_at(self.part, self.cells, operation, progress_us)
        self._tear(operation, tear)
        operation.tear = tear
        self.journal.entries.append(operation)

    def _trace_erase(self, operation: Operation) -> None:
        """A complete erase. What it may change beside its range (over-erased cells) is in no footprint: `Explorer`."""
        if self.trace is not None:
            self.trace.erased(self.name, self.cells, operation.address, operation.length)

    def _tear(self, operation: Operation, tear: Tear) -> None:
        """Leave what the tear leaves. It may keep old content, so nothing of the range counts as determined."""
        if self.trace is not None:
            for address, length in tear.row.reach(self.cells, operation):
                self.trace.changed_in_part(self.name, self.cells, address, length)
        tear.apply(self.cells, operation)
