"""The flash controller of the STM32F4 (405/407, 411, 446): stores of a chosen width, sectors of three sizes.

Sources: RM0090 as quoted, cmsis_device_f4, stm32f4xx_hal_driver, OpenOCD stm32f2x.c. No store and no erase faults here:
an error flag is all there is. The core stalls in every operation (`operations`); a write to CR while busy would stall
the bus anyway (RM0090).

A program moves bits to 0 whatever the cell holds. At x64 two word stores, low then high, make one program. The width
also sets the time of an erase. EOP and OPERR are set only with their interrupts enabled.

Option bytes are written by OPTSTRT: the hardware erases the row, then programs two lines, each with its complement.
Write and read protection are in force at once, the rest at the next reset. A line whose complement does not fit counts
as all ones (by analogy with the F1): read protection level 1. From level 1 to 0 the array is erased first; level 2 is
final.

Neighbours: `controller`, `keys`, `operations`, `regions`.
"""

from __future__ import annotations

from emu.cpu.contract import StoreOutcome
from emu.cpu.faces import LaneRules
from emu.cpu.flash.controller import ControllerBase, OptionEffects, ReadProtection
from emu.cpu.flash.keys import Lock
from emu.cpu.flash.operations import erase, erase_bank, timed
from emu.cpu.flash.regions import Region, Row

KEY1, KEY2, OPTKEY1, OPTKEY2 = 0x4567_0123, 0xCDEF_89AB, 0x0819_2A3B, 0x4C5D_6E7F
ACR, KEYR, OPTKEYR, SR, CR, OPTCR = 0x00, 0x04, 0x08, 0x0C, 0x10, 0x14
EOP, OPERR, WRPERR, PGAERR, PGPERR, PGSERR, RDERR = (1 << bit for bit in (0, 1, 4, 5, 6, 7, 8))
ERRORS = WRPERR | PGAERR | PGPERR | PGSERR | RDERR
PG, SER, MER, STRT, EOPIE, ERRIE, LOCK = (1 << bit for bit in (0, 1, 2, 16, 24, 25, 31))
STORED = PG | SER | MER | 0xF8 | 0x300 | EOPIE | ERRIE
OPTLOCK, OPTSTRT, WDG_SW, NRST_STDBY = 1 << 0, 1 << 1, 1 << 5, 1 << 7
OPTION_BITS = 0x0FFF_FFEC
LEVEL_0, LEVEL_2 = 0xAA, 0xCC
FACTORY = 0x0FFF_AAEC


def _lines(options: int) -> tuple[bytes, bytes]:
    """The two programmed lines of an OPTCR value: user and read protection, write protection."""
    low, high = options & 0xFFEC, options >> 16 & 0x0FFF
    return tuple(half.to_bytes(2, "little") + (half ^ 0xFFFF).to_bytes(2, "little") for half in (low, high))  # type: ignore[return-value]


OPTIONS = Row("options", 16, 4, _lines(FACTORY)[0] + b"\xff" * 4 + _lines(FACTORY)[1] + b"\xff" * 4)


class Stm32F4Flash(ControllerBase):
    """FLASH at 0x40023C00."""

    CHIP = "stm32f4"
    BASE = 0x4002_3C00
    IRQ = 4
    ROWS = (OPTIONS,)
    LANE = LaneRules(
        gate=CR, calm=LOCK | EOPIE | ERRIE | SER | MER, armed=PG, status=SR, width=0, width_shift=8, blank=False,
        plain={CR: PG | 0x300}, clear={SR: EOP | OPERR | ERRORS},
    )  # fmt: skip

    _options: int

    def _row_regions(self) -> tuple[Region, ...]:
        self._lock = Lock(KEY1, KEY2)
        self._option_lock = Lock(OPTKEY1, OPTKEY2)
        return (Region("options", 0x1FFF_C000, self.rows["options"], 0, OPTIONS.size),)

    # -- reset and options ----------------------------------------------------------------------------------

    def reset(self) -> None:
        """Every system reset loads the option bytes."""
        self.load_options()
        super().reset()

    def load_options(self) -> None:
        cells = self.rows["options"].sense(0, OPTIONS.size)
        halves = []
        for at in (0, 8):
            value = int.from_bytes(cells[at : at + 2], "little")
            complement = int.from_bytes(cells[at + 2 : at + 4], "little")
            halves.append(value if value ^ complement == 0xFFFF else 0xFFFF)
        self._options = (halves[0] | halves[1] << 16) & OPTION_BITS
        self._in_force = self._options

    @property
    def effects(self) -> OptionEffects:
        return OptionEffects(
            _level(self._in_force), hardware_watchdog=not self._options & WDG_SW,
            resets_in_standby=not self._options & NRST_STDBY,
        )  # fmt: skip

    def _reset_registers(self) -> None:
        self._lock.reset()
        self._option_lock.reset()
        self.latch.drop()
        for offset, value in ((ACR, 0), (SR, 0), (CR, LOCK), (OPTCR, self._options | OPTLOCK)):
            self._put(offset, value)

    # -- registers ------------------------------------------------------------------------------------------

    def _written(self, offset: int, value: int, lanes: int) -> None:
        if offset == ACR:
            self._put(ACR, self._get(ACR) & ~lanes | value)
        elif offset == KEYR:
            if self._key(self._lock, value, "KEYR", faults=True, fault_when_open=True):
                self._clear(CR, LOCK)
        elif offset == OPTKEYR:
            if self._key(self._option_lock, value, "OPTKEYR", faults=True, fault_when_open=True):
                self._clear(OPTCR, OPTLOCK)
        elif offset == SR:
            self._clear(SR, value & (EOP | OPERR | ERRORS))
            self._drive()
        elif offset == CR:
            self._control(value, lanes)
        elif offset == OPTCR:
            self._option_control(value, lanes)

    def _control(self, value: int, lanes: int) -> None:
        if self._get(CR) & LOCK:
            if value & (STORED | STRT):
                self.refuse(f"CR := {value:#x}", "the controller is locked")
            return
        if value & LOCK:
            self._lock.close()
        kept = self._get(CR) & STORED & ~lanes | value & STORED
        self._put(CR, kept | (LOCK if not self._lock.is_open else 0))
        if not kept & PG:
            self.latch.drop()
        if value & STRT and self._lock.is_open:
            self._erase(kept)
        self._drive()

    def _erase(self, control: int) -> None:
        asked = control & (SER | MER)
        if asked == SER:
            self._erase_sector(control >> 3 & 0x1F)
        elif asked == MER:
            if any(self._is_protected(number) for number in range(self.main.geometry.sector_count)):
                self._error(WRPERR, "mass erase", "a sector is write-protected (WRPERR)")
                return
            erase_bank(self.main, 0)
            self._done()
        elif asked:
            self.refuse("STRT", "sector and mass erase are both selected: neither is done")
        else:
            self.refuse("STRT", f"CR {control:#x} asks for no erase: nothing is done")

    def _erase_sector(self, number: int) -> None:
        geometry = self.main.geometry
        if number >= geometry.sector_count:
            self.refuse(f"erase of sector {number}", f"there are {geometry.sector_count}: nothing is done")
            return
        if self._is_protected(number):
            self._error(WRPERR, f"erase of sector {number}", "write-protected (WRPERR)")
            return
        sector = next(s for s in geometry.sectors_in(0, geometry.size) if s.index == number)
        cycles = self.main.cells.cycles_at(sector.address)
        duration = self.main.timing.erase_at_width_us(sector.address, sector.size, self._width * 8, cycles)
        erase(self.main, sector.address, sector.size, duration)
        self._done()

    @property
    def _width(self) -> int:
        """Bytes of one program, as PSIZE says."""
        return 1 << (self._get(CR) >> 8 & 3)

    @property
    def is_unprotected(self) -> bool:
        return not any(self._is_protected(sector) for sector in range(self.main.geometry.sector_count))

    def _is_protected(self, sector: int) -> bool:
        return not self._in_force >> 16 + sector & 1

    # -- stores -----------------------------------------------------------------------------------------------

    def _stored(self, region: Region, offset: int, size: int, value: int) -> StoreOutcome:
        what = f"store of {size} bytes to {region.base + offset:#x}"
        width = self._width
        fits = size == min(width, 4)
        if self._get(CR) & LOCK or not self._get(CR) & PG:
            self._error(PGSERR | (0 if fits else PGPERR), what, "PG is not set (PGSERR)")
        elif region.name != "flash":
            self.refuse(what, "option bytes are written through OPTCR")
        elif not fits:
            self.latch.drop()
            self._error(PGPERR, what, f"PSIZE is x{width * 8} (PGPERR)")
        elif offset % 16 + size > 16:
            self._error(PGAERR, what, "it leaves its 16-byte row (PGAERR)")
        elif self._is_protected(self.main.geometry.sector_index(offset)):
            self._error(WRPERR, what, "the sector is write-protected (WRPERR)")
        elif width == 8:
            self._half_of_double(offset, value, what)
        else:
            self._program(offset, value.to_bytes(size, "little"))
        self._drive()
        return "done"

    def _half_of_double(self, offset: int, value: int, what: str) -> None:
        held = self.latch.take()
        if offset % 8 == 0:
            self.latch.hold(offset, value)
        elif held is not None and held[0] == offset - 4:
            self._program(offset - 4, held[1] + value.to_bytes(4, "little"))
        else:
            self._error(PGAERR, what, "at x64 the low word of the same double word comes first (PGAERR)")

    def _program(self, offset: int, data: bytes) -> None:
        duration = self.main.timing.program_us(offset, 1, self.main.cells.cycles_at(offset))
        timed(self.main, "program", offset, len(data), data, duration)
        self._done()

    # -- option bytes -----------------------------------------------------------------------------------------

    def _option_control(self, value: int, lanes: int) -> None:
        if self._get(OPTCR) & OPTLOCK:
            if value & OPTSTRT:
                self.refuse("OPTSTRT", "the option bytes are locked")
            return
        if value & OPTLOCK:
            self._option_lock.close()
        kept = self._get(OPTCR) & OPTION_BITS & ~lanes | value & OPTION_BITS
        self._put(OPTCR, kept | (OPTLOCK if value & OPTLOCK else 0))
        if value & OPTSTRT and not value & OPTLOCK:
            self._write_options(kept)
        self._drive()

    def _write_options(self, options: int) -> None:
        level = _level(self._in_force)
        if level == 2:
            self.refuse("OPTSTRT", "read protection level 2 is final")
            return
        if level == 1 and _level(options) == 0:
            erase_bank(self.main, 0)
        row = self.rows["options"]
        erase(row, 0, OPTIONS.size)
        for at, line in zip((0, 8), _lines(options), strict=True):
            row.program(at, line)
        self._in_force = options
        self._done()

    # -- flags ------------------------------------------------------------------------------------------------

    def _done(self) -> None:
        if self._get(CR) & EOPIE:
            self._set(SR, EOP)

    def _error(self, flags: int, what: str, why: str) -> None:
        self._set(SR, flags | (OPERR if self._get(CR) & ERRIE else 0))
        self.refuse(what, why)

    def _drive(self) -> None:
        status, control = self._get(SR), self._get(CR)
        self._interrupt(bool((status & EOP and control & EOPIE) or (status & OPERR and control & ERRIE)))


def _level(options: int) -> ReadProtection:
    byte = options >> 8 & 0xFF
    return 0 if byte == LEVEL_0 else 2 if byte == LEVEL_2 else 1
