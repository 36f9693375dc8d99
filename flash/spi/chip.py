"""The chip behind the pins: its latches, registers, operations and power. `serial_flash` adds the bus.

Neighbours: `device` holds the array and tears operations, `array` and `service` start them here, `serial_flash` asks
whether the chip listens. Knows no frame.
"""

from __future__ import annotations

from math import ceil

from flash.contract import Clock
from flash.device import FlashDevice
from flash.errors import FlashError, FlashMisuse
from flash.in_flight import InFlight
from flash.journal import OperationKind
from flash.spi.register_file import RegisterFile
from flash.spi.state import ChipState, StateValue


class SerialChip:
    """State of a serial part. ``device``'s part must have a serial command set; raises FlashError otherwise."""

    def __init__(self, device: FlashDevice, *, unique_id: int, write_protect_pin: bool) -> None:
        part = device.part
        if part.serial is None:
            raise FlashError(f"{device.name}: {part.name} has no serial command set ([serial] in its description)")
        self.device = device
        self.part = part
        self.serial = part.serial
        self.size = part.size
        self.write_protect_pin = write_protect_pin
        id_bytes = self.serial.unique_id_bytes
        self.unique_id = (unique_id % (1 << 8 * id_bytes)).to_bytes(id_bytes, "big")
        self.registers = RegisterFile(device)
        self.incomplete_erases: set[int] = set()
        names = self.registers.layout.places
        self.reports_errors = any(name in names for name in ("E_ERR", "E_FAIL", "EPE"))
        self._holds_busy = "E_ERR" in names
        self._erasing: list[InFlight] = []
        self._is_dark = False
        self.latches: ChipState = self._after_power_up()
        device.supply.feed(self._power_gone)

    @property
    def clock(self) -> Clock:
        return self.device.clock

    # -- power and time -----------------------------------------------------------------------------------

    def power_cycle(self) -> None:
        """Power is back (after ``supply.restore()``): volatile state anew, registers from their cells."""
        self.device.supply.require()
        self._is_dark = False
        self.registers.power_up()
        self.latches = self._after_power_up()

    def catch_up(self) -> None:
        """End the operation whose time has come."""
        if not self.device.in_flight:
            return
        flight = self.running
        if flight is not None and flight.end_us <= self.clock.now_us:
            try:
                self.device.end(flight)
            except FlashMisuse:
                self._ended(flight)
                raise
            self._ended(flight)

    def state(self) -> StateValue:
        """Everything a power cut would take, operations in flight included, as one hashable value.

        What a chip of its own keeps through a reset of its host; the same whenever now is.
        """
        now = self.clock.now_us
        flights = tuple(flight.state(now) for flight in self.device.in_flight)
        broken = tuple(sorted(self.incomplete_erases))
        up = self.serial.power_up
        settled_us = ceil(max(up.select_us, up.write_us))
        return (self.latches.value(now, settled_us), self.registers.values, self.registers.locks, flights, broken)

    def restore(self, state: StateValue) -> None:
        """Become what `state` was taken of, at the present moment. The cells are the caller's business."""
        now = self.clock.now_us
        latches, values, locks, flights, broken = state
        self._is_dark = False
        self.latches = ChipState.of(latches, now)  # type: ignore[arg-type]
        self.registers.values, self.registers.locks = values, locks  # type: ignore[assignment]
        self.device.in_flight = [
            InFlight.restored(flight, self.device.name, now)
            for flight in flights  # type: ignore[attr-defined]
        ]
        self._erasing = [flight for flight in self.device.in_flight if flight.operation.kind == "erase"]
        self.incomplete_erases = set(broken)  # type: ignore[call-overload]

    @property
    def running(self) -> InFlight | None:
        """The operation that is under way; None: none, or only a suspended one."""
        for flight in self.device.in_flight:
            if not flight.is_suspended:
                return flight
        return None

    @property
    def suspended(self) -> InFlight | None:
        for flight in self.device.in_flight:
            if flight.is_suspended:
                return flight
        return None

    @property
    def is_busy(self) -> bool:
        """What bit BUSY shows."""
        if self.device.in_flight and self.running is not None:
            return True
        if self.device.clock.now_us < self.latches.busy_until_us:
            return True
        return self._holds_busy and self.latches.errors != 0

    # -- for the commands ---------------------------------------------------------------------------------

    def begin(self, kind: OperationKind, address: int, length: int, data: bytes, duration_us: int) -> None:
        """Start an operation. Suspended, it loses the pulse it is in: as long as the least gap, unless given."""
        rules, pulse = self.serial.suspend, 0.0
        if rules is not None and kind == "erase":
            pulse = rules.erase_pulse_us or rules.erase_gap_us
        elif rules is not None:
            pulse = rules.program_gap_us
        flight = self.device.begin(kind, address, length, data, duration_us, round(pulse))
        if kind == "erase":
            self._erasing.append(flight)

    def start_program(self, address: int, data: bytes) -> None:
        """A program as long as it takes there; the annex included."""
        device = self.device
        duration = device.timing.program_us(address, len(data), device.cells.cycles_at(address))
        self.begin("program", address, len(data), data, duration)

    def abort(self, flight: InFlight) -> None:
        """A soft reset stops the operation where it is."""
        if flight.operation.kind == "erase":
            self.incomplete_erases |= self._sectors(flight)
            self._erasing.remove(flight)
        self.device.abort(flight)

    def annex_block(self, number: int) -> int:
        """Address in the cells of an annex block: 0 registers, 1 and up security registers."""
        return self.size + number * self.device.cells.block_size

    @property
    def otp_size(self) -> int:
        rules = self.serial.security
        assert rules is not None, "the secured area of a part that has none: please report"
        return rules.size

    # -- ends of operations -------------------------------------------------------------------------------

    def _ended(self, flight: InFlight) -> None:
        state, operation = self.latches, flight.operation
        state.write_enabled = False
        if not self.registers.layout.clear_flags:
            state.errors = 0
        if operation.kind == "write":
            self.registers.reload(state.writing)
            state.writing = ()
        elif operation.kind == "erase":
            self._erasing.remove(flight)
            self.incomplete_erases -= self._sectors(flight)

    def _sectors(self, flight: InFlight) -> set[int]:
        """Indexes of the sectors of an erase; none for one in the annex."""
        operation, geometry = flight.operation, self.device.geometry
        if operation.address >= geometry.size:
            return set()
        first = geometry.sector_index(operation.address)
        return set(range(first, geometry.sector_index(operation.address + operation.length - 1) + 1))

    def _power_gone(self) -> None:
        """An erase that power ends is not complete: what D0h tells where a part has it."""
        struck = self.device.journal.struck
        self._is_dark = True
        for flight in self._erasing:
            if struck or flight.is_suspended or flight.end_us > self.clock.now_us:
                self.incomplete_erases |= self._sectors(flight)
            else:
                self.incomplete_erases -= self._sectors(flight)
        self._erasing.clear()

    def _after_power_up(self) -> ChipState:
        """Latches at their defaults; some parts begin in 4-byte mode if a non-volatile bit says so."""
        registers, wide = self.registers, False
        if self.serial.address == "3-or-4":
            wide = bool(registers.bit("ADP")) or ("NV0" in registers.layout.places and not registers.bit("NV0"))
        return ChipState(powered_us=self.clock.now_us, wide=wide)
