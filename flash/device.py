"""FlashDevice: the NorFlash contract over cells, with command rules, time, power and a journal.

One call is one command the array executes, one entry in the journal and one place to cut. Misuse behaves as
silicon does (wrapped, truncated, refused, ignored) and is always put on record; ``strict=True`` raises as
well, so that a unit test stops at the line that is wrong.

Neighbours: `cells` holds the bytes, `part` the rules, `timing` the durations, `tears` what an interruption
leaves. This room does not know who calls or why.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from flash.cells import Cells
from flash.contract import Clock, ElapsedTime
from flash.errors import EccFault, FlashError, FlashMisuse, Interrupted, OutOfBounds, PowerLost, ResetAsserted
from flash.geometry import Geometry
from flash.journal import Journal, Misuse, Operation
from flash.part import Part
from flash.snapshot import Snapshot
from flash.supply import Supply
from flash.tears import Tear, tear_at
from flash.timing import Timing
from flash.trace import Trace


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
    shared by several chips of one device. ``cells`` stays the same object for life.
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
        self.trace: Trace | None = None
        self._geometry = part.geometry

    @property
    def geometry(self) -> Geometry:
        return self._geometry

    def attach(self, clock: Clock, journal: Journal, trace: Trace | None) -> None:
        """A new power session: another clock, another journal; the cells stay."""
        self.clock = clock
        self.journal = journal
        self.trace = trace

    # -- the contract -------------------------------------------------------------------------------------

    def read(self, address: int, length: int) -> bytes:
        self._access(address, length)
        return self.cells.read(address, length)

    def view(self, address: int, length: int) -> memoryview:
        """Like ``read`` without the copy. Do not keep it: it shows whatever the cells become."""
        self._access(address, length)
        return self.cells.view(address, length)

    def program(self, address: int, data: bytes) -> None:
        if not self.supply.on:
            raise PowerLost("no power: nothing is programmed")
        if not self._geometry.is_program(address, len(data)):
            accepted = self._settle_program(address, data)
            if accepted is None:
                return
            address, data = accepted
        if self.part.program.overwrite != "and" or self.part.program.max_per_erase:
            data = self._acceptable(address, data)
            if not data:
                return
        length = len(data)
        cells, clock, journal = self.cells, self.clock, self.journal
        duration = self.timing.program_us(address, length, cells.cycles_at(address))
        start = clock.now_us
        operation = Operation("program", self.name, address, length, data, start, start + duration)
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
            self._note_unprogrammable(address, data)

    def erase(self, address: int, length: int) -> None:
        if not self.supply.on:
            raise PowerLost("no power: nothing is erased")
        if not self._geometry.is_erase(address, length):
            address = self._settle_erase(address, length)
        cells, clock, journal = self.cells, self.clock, self.journal
        duration = self.timing.erase_us(address, length, cells.cycles_at(address))
        start = clock.now_us
        operation = Operation("erase", self.name, address, length, b"", start, start + duration)
        if journal.is_due:
            self._interrupt(operation)
        try:
            clock.advance(duration)
        except Interrupted as stop:
            self._stopped_inside(operation, stop)
        journal.entries.append(operation)
        if self.trace is not None:
            self.trace.erased(self.name, cells, address, length)
        self.statistics.erases += 1
        self.statistics.erase_time_us += duration
        cells.erase(address, length)

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
        cells = self.cells
        if self.trace is not None:
            self.trace.consulted(self.name, cells, address, length)
        if cells.broken is not None:
            broken = cells.first_broken(address, length)
            if broken is not None:
                raise EccFault(broken, self._geometry.unit)
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

    def _settle_program(self, address: int, data: bytes) -> tuple[int, bytes] | None:
        """What silicon makes of a program that is not one legal command; None: nothing at all."""
        geometry, length = self._geometry, len(data)
        if not length:
            self._misuse(address, 0, "empty-program", "a program without data is ignored")
            return None
        if not geometry.page_size:
            self._refuse_program(address, length)
            return None
        if address % geometry.unit or length % geometry.unit:
            self._refuse_program(address, length)
            return None
        if not 0 <= address < geometry.size:
            self._misuse(
                address, length, "beyond-array",
                f"address {address:#x} is beyond the array: the upper address bits are ignored",
            )  # fmt: skip
            address %= geometry.size
        page = geometry.align_down(address, geometry.page_size)
        if address + length > page + geometry.page_size:
            self._misuse(
                address, length, "page-wrap",
                f"{length} bytes at {address:#x} leave their {geometry.page_size}-byte page: the address wraps, "
                "the last bytes win",
            )  # fmt: skip
            latch = bytearray([geometry.erased]) * geometry.page_size
            for index, value in enumerate(data[-geometry.page_size :], max(0, length - geometry.page_size)):
                latch[(address - page + index) % geometry.page_size] = value
            return page, bytes(latch)
        return address, data

    def _refuse_program(self, address: int, length: int) -> None:
        geometry = self._geometry
        if address % geometry.unit or length % geometry.unit:
            why = f"not aligned to the {geometry.unit}-byte program unit"
        elif address < 0 or address + length > geometry.size:
            why = f"outside the array [0x0, {geometry.size:#x})"
        else:
            why = f"longer than the {geometry.burst_size} bytes one command carries"
        self._misuse(address, length, "refused-program", f"{length} bytes at {address:#x} are {why}: refused")

    def _acceptable(self, address: int, data: bytes) -> bytes:
        """The leading units the controller accepts; it stops at the first it refuses."""
        rules, unit, cells = self.part.program, self._geometry.unit, self.cells
        if self.trace is not None:
            self.trace.consulted(self.name, cells, address, len(data))
        blank, zero = bytes([cells.erased]) * unit, bytes(unit)
        for offset in range(0, len(data), unit):
            at = address + offset
            uses = 0 if cells.uses is None else int(cells.uses[at // unit])
            is_spent = rules.max_per_erase and uses >= rules.max_per_erase
            is_blank = not uses and cells.read(at, unit) == blank
            if rules.overwrite == "and":
                allowed = not is_spent
            else:
                allowed = is_blank or (rules.overwrite == "blank-or-zero" and data[offset : offset + unit] == zero)
            if not allowed:
                why = f"was programmed {uses} times since its erase" if uses else "is not blank"
                self._misuse(at, unit, "spent-unit", f"the {unit}-byte unit at {at:#x} {why}: not programmed")
                return data[:offset]
        return data

    def _note_unprogrammable(self, address: int, data: bytes) -> None:
        """A byte that had to move back towards erased stays as it was. A wholly erased byte asks for nothing."""
        held = self.cells.read(address, len(data))
        for offset, (asked, got) in enumerate(zip(data, held, strict=True)):
            if asked not in (got, self.cells.erased):
                direction = "0 to 1" if self.cells.erased else "1 to 0"
                self._misuse(
                    address + offset, 1, "unerased",
                    f"program of {asked:#04x} at {address + offset:#x} needs a bit to go from {direction}: "
                    f"it stays, the byte reads {got:#04x}",
                )  # fmt: skip
                return

    def _settle_erase(self, address: int, length: int) -> int:
        """The address silicon erases. Raises FlashError for a size the part does not have."""
        geometry = self._geometry
        if length not in geometry.erase_sizes:
            sizes = ", ".join(f"{s:#x}" for s in geometry.erase_sizes)
            raise FlashError(
                f"{self.name}: {self.part.name} has no erase of {length:#x} bytes; its sizes are {sizes}",
                address=address,
                length=length,
            )
        if not 0 <= address < geometry.size:
            self._misuse(
                address, length, "beyond-array",
                f"erase address {address:#x} is beyond the array: the upper address bits are ignored",
            )  # fmt: skip
            address %= geometry.size
        if geometry.is_erase(address, length):
            return address
        sector = geometry.sector_at(address)
        start = geometry.align_down(address, length) if geometry.is_uniform else sector.address
        if not geometry.is_erase(start, length):
            raise FlashError(
                f"{self.name}: the sector at {sector.address:#x} has {sector.size:#x} bytes; "
                f"an erase of {length:#x} does not fit it",
                address=address,
                length=length,
            )
        self._misuse(
            address, length, "misaligned-erase",
            f"erase at {address:#x}: the low address bits are ignored, [{start:#x}, {start + length:#x}) is erased",
        )  # fmt: skip
        return start

    def _misuse(self, address: int, length: int, rule: str, message: str) -> None:
        text = f"{self.name} ({self.part.name}): {message}"
        if self.journal.is_due:
            self._interrupt(None)
        self.journal.entries.append(Misuse(self.name, address, length, rule, text, self.clock.now_us))
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
        self.journal.strike(self.supply)

    def _stopped_inside(self, operation: Operation, stop: Interrupted) -> NoReturn:
        """Time stopped inside the operation: an external chip finishes unless power went; all else is torn."""
        if self.part.is_external and isinstance(stop, ResetAsserted):
            if operation.kind == "program":
                self.cells.program(operation.address, operation.data)
            else:
                self.cells.erase(operation.address, operation.length)
                if self.trace is not None:
                    self.trace.erased(self.name, self.cells, operation.address, operation.length)
            self.journal.entries.append(operation)
            raise stop
        tear = tear_at(self.part, self.cells, operation, self.clock.now_us - operation.start_us)
        self._tear(operation, tear)
        operation.tear = tear
        self.journal.entries.append(operation)
        raise stop

    def _tear(self, operation: Operation, tear: Tear) -> None:
        """Leave what the tear leaves. It may keep old content, so nothing of the range counts as determined."""
        if self.trace is not None:
            self.trace.changed_in_part(self.name, self.cells, operation.address, operation.length)
        tear.apply(self.cells, operation)
