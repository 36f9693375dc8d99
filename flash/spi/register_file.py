"""The registers of one chip: the values in force, the non-volatile ones behind them, and what they protect.

Values in force are copies: loaded from the annex of the cells at power-up and after a non-volatile write, changed
alone by a volatile one (50h), which is therefore never torn and gone with the power (R4). Neighbours: `registers` has
the layout, `protection` the meaning of its bits, `spi` the commands. Knows no time and no opcode.
"""

from __future__ import annotations

from flash.cells import REGISTER_ROW_SIZE
from flash.device import FlashDevice
from flash.errors import FlashError
from flash.spi import protection
from flash.spi.protection import READ_LOCK, WRITE_LOCK
from flash.spi.registers import MAPS, MARK, factory

_LOCKED_FOR_GOOD = ("SRL", "FREEZE")


class RegisterFile:
    """Registers and sector locks of ``device``, whose part must have a serial command set.

    Raises FlashError where sectors are too small to hold the register row.
    """

    def __init__(self, device: FlashDevice) -> None:
        serial = device.part.serial
        assert serial is not None, "registers need a serial part: please report"
        if device.cells.block_size <= MARK:
            raise FlashError(
                f"{device.name}: {device.part.name} has sectors of {device.cells.block_size} bytes; "
                f"its registers need at least {MARK + 1}"
            )
        self._device = device
        self.layout = MAPS[serial.registers]
        self.annex = device.geometry.size
        self._scheme = serial.registers
        self._clears_second = serial.quad_enable == "001"
        self.needs_quad_enable = serial.quad_enable != "000" and "QE" in self.layout.places
        self.has_locks = serial.unlock_at_power_up or serial.individual_locks
        self._locks_rule = serial.unlock_at_power_up
        self.regions = protection.lock_regions(self._scheme, device.geometry.size) if self.has_locks else ()
        self._shipped = factory(serial)
        self.values = b""
        self.locks = b""
        self._protected: dict[bytes, protection.Range] = {}
        self._leave_the_factory()
        self.power_up()

    def _leave_the_factory(self) -> None:
        """Write what the factory writes, once in the life of the cells."""
        cells = self._device.cells
        mark = self.annex + MARK
        if cells.read(mark, 1)[0] == cells.erased:
            cells.put_bytes(self.annex, self._shipped)
            cells.put_bytes(mark, bytes([cells.erased ^ 0xFF]))

    # -- values -------------------------------------------------------------------------------------------

    def power_up(self, *, keep_loose: bool = False) -> None:
        """Load every register; bits that were only volatile are 0, or stay through a reset that is no power cycle."""
        stored = self.stored()
        loose = [r.loose if keep_loose else 0 for r in self.layout.registers]
        old = self.values or bytes(len(stored))
        self.values = bytes(
            (s & r.kept) | (v & keep) for s, r, v, keep in zip(stored, self.layout.registers, old, loose, strict=True)
        )
        self.locks = bytes([WRITE_LOCK]) * len(self.regions)

    def stored(self) -> bytes:
        """The non-volatile registers as their cells hold them."""
        return self._device.sense(self.annex, self.layout.count)

    def reload(self, numbers: tuple[int, ...]) -> None:
        """A non-volatile write of these registers is complete: they come into force."""
        stored, values = self.stored(), bytearray(self.values)
        for number in numbers:
            kept = self.layout.registers[number].kept
            values[number] = (values[number] & ~kept) | (stored[number] & kept)
        self.values = bytes(values)

    def bit(self, name: str) -> int:
        return self.layout.value(self.values, name)

    # -- writing ------------------------------------------------------------------------------------------

    def targets(self, opcode: int, data: bytes) -> dict[int, int] | None:
        """Register to value for a write by ``opcode``; None where the part does not take that many bytes."""
        numbers = self.layout.writes[opcode]
        allowed = self.layout.lengths if opcode == 0x01 else (len(numbers),)
        if len(data) not in allowed:
            return None
        wanted = dict(zip(numbers, data, strict=False))
        if self._clears_second and opcode == 0x01 and len(data) == 1:
            wanted[numbers[1]] = 0
        return wanted

    def stored_after(self, wanted: dict[int, int]) -> bytes:
        """The whole register row after a non-volatile write; bytes that are no register are erased."""
        row = bytearray(self.stored().ljust(REGISTER_ROW_SIZE, bytes([self._device.cells.erased])))
        for number, value in wanted.items():
            register = self.layout.registers[number]
            row[number] = (value & register.kept) | (row[number] & register.once)
        return bytes(row)

    def set_volatile(self, wanted: dict[int, int], *, loose_only: bool = False) -> None:
        """Change the values in force. One-time bits are out of reach here; ``loose_only``: of a non-volatile write."""
        values = bytearray(self.values)
        for number, value in wanted.items():
            register = self.layout.registers[number]
            mask = register.loose if loose_only else register.writable & ~register.once
            values[number] = (values[number] & ~mask) | (value & mask)
        self.values = bytes(values)

    def is_write_locked(self, pin_low: bool) -> bool:
        """Whether registers refuse to be written: until power goes, or while WP# is low (with QE it is a data line)."""
        if any(self.bit(name) for name in _LOCKED_FOR_GOOD):
            return True
        return pin_low and bool(self.bit("SRP0")) and not self.bit("QE")

    # -- protection ---------------------------------------------------------------------------------------

    @property
    def locks_rule(self) -> bool:
        """Whether the individual locks decide, and not the BP bits."""
        return self.has_locks and (self._locks_rule or bool(self.bit("WPS")))

    def is_protected(self, address: int, length: int) -> bool:
        """Whether any byte of the range refuses to be programmed and erased."""
        if self.locks_rule:
            return protection.is_locked(self.regions, self.locks, address, length)
        return protection.is_protected(self.protected_range(), address, length)

    def protected_range(self) -> protection.Range:
        """What the BP bits in force protect."""
        known = self._protected.get(self.values)
        if known is None:
            bits, size = self.layout.named(self.values), self._device.geometry.size
            known = self._protected[self.values] = protection.SCHEMES[self._scheme](bits, size)
        return known

    def is_read_locked(self, address: int, length: int) -> bool:
        return self.has_locks and protection.is_locked(self.regions, self.locks, address, length, READ_LOCK)

    def lock_at(self, address: int) -> int:
        """Number of the lock region that holds ``address``."""
        return next(number for number, (low, high) in enumerate(self.regions) if low <= address < high)

    def set_lock(self, number: int, value: int) -> None:
        self.locks = self.locks[:number] + bytes([value]) + self.locks[number + 1 :]

    def set_all_locks(self, value: int) -> None:
        """Every write lock on or off; read locks stay."""
        self.locks = bytes((lock & READ_LOCK) | value for lock in self.locks)
