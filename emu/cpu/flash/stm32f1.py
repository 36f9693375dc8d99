"""The flash controller of the STM32F1 (medium density): half-words, pages, option bytes with complements.

Sources: PM0075 (programming manual), cmsis_device_f1 and stm32f1xx_hal_driver, OpenOCD stm32f1x.c, measurements of
labwired-core on a board. What no document says is decided here, and refused loudly:

- A store while PG is clear or the controller is locked changes nothing; whether it faults is not known: it does not.
- An erase with PG left set, and a program with PER or MER left set, do nothing (libopencm3 issue 250; ST community
  115191).
- Operations need HSI, which this controller cannot see: they always run.

The core stalls in every operation (`operations`); the busy flag is never seen set, as by code that runs from flash.

Option bytes are 16-bit cells: the value, and its complement in the high byte, which the hardware computes. They are
loaded at every system reset. A value whose complement does not fit counts as FF and sets OPTERR, except that a wholly
erased cell is simply FF. RDP other than A5 protects: pages 0 to 3 cannot be written, and writing A5 erases all of the
array before it takes effect.

Neighbours: `controller`, `keys`, `operations`, `regions`.
"""

from __future__ import annotations

from emu.cpu.contract import StoreOutcome
from emu.cpu.faces import LaneRules
from emu.cpu.flash.controller import ControllerBase, OptionEffects
from emu.cpu.flash.keys import Lock
from emu.cpu.flash.operations import accepts, erase, erase_bank
from emu.cpu.flash.regions import Region, Row

KEY1, KEY2 = 0x4567_0123, 0xCDEF_89AB
ACR, KEYR, OPTKEYR, SR, CR, AR, OBR, WRPR = 0x00, 0x04, 0x08, 0x0C, 0x10, 0x14, 0x1C, 0x20
PGERR, WRPRTERR, EOP = 1 << 2, 1 << 4, 1 << 5
PG, PER, MER, OPTPG, OPTER, STRT, LOCK, OPTWRE = (1 << bit for bit in (0, 1, 2, 4, 5, 6, 7, 9))
ERRIE, EOPIE = 1 << 10, 1 << 12
FLAGS = PGERR | WRPRTERR | EOP
STORED = PG | PER | MER | OPTPG | OPTER | ERRIE | EOPIE
UNPROTECTED = 0xA5
PROTECTED_PAGES = 4
"""Pages that read protection also protects against writes."""

OPTIONS = Row("options", 16, 2, bytes.fromhex("a55aff00ff00ff00ff00ff00ff00ff00"))


class Stm32F1Flash(ControllerBase):
    """FLASH at 0x40022000."""

    CHIP = "stm32f1"
    BASE = 0x4002_2000
    IRQ = 4
    ROWS = (OPTIONS,)
    LANE = LaneRules(
        gate=CR, calm=LOCK | EOPIE | ERRIE | PER | MER | OPTPG | OPTER, armed=PG, status=SR, width=2, done=EOP,
        plain={CR: PG}, clear={SR: FLAGS},
    )  # fmt: skip

    _obr: int
    _wrpr: int

    def _row_regions(self) -> tuple[Region, ...]:
        self._lock = Lock(KEY1, KEY2)
        self._option_lock = Lock(KEY1, KEY2)
        return (Region("options", 0x1FFF_F800, self.rows["options"], 0, OPTIONS.size),)

    # -- reset and options ----------------------------------------------------------------------------------

    def reset(self) -> None:
        """Every system reset loads the option bytes."""
        self.load_options()
        super().reset()

    def load_options(self) -> None:
        cells = self.rows["options"].sense(0, OPTIONS.size)
        values, error = [], 0
        for at in range(0, len(cells), 2):
            value, complement = cells[at], cells[at + 1]
            if value ^ complement == 0xFF:
                values.append(value)
            else:
                values.append(0xFF)
                error |= (value, complement) != (0xFF, 0xFF)
        rdp, user, data0, data1, *wrp = values
        self._obr = error | (rdp != UNPROTECTED) << 1 | user << 2 | data0 << 10 | data1 << 18
        self._wrpr = int.from_bytes(bytes(wrp), "little")

    @property
    def effects(self) -> OptionEffects:
        """Read protection has one level; bit WDG_SW 0 starts the independent watchdog at reset."""
        return OptionEffects(
            1 if self._is_protected else 0,
            hardware_watchdog=not self._obr >> 2 & 1,
            resets_in_standby=not self._obr >> 4 & 1,
        )

    @property
    def _is_protected(self) -> bool:
        return bool(self._obr & 2)

    def _reset_registers(self) -> None:
        self._lock.reset()
        self._option_lock.reset()
        for offset, value in ((ACR, 0x30), (SR, 0), (CR, LOCK), (AR, 0), (OBR, self._obr), (WRPR, self._wrpr)):
            self._put(offset, value)

    # -- registers ------------------------------------------------------------------------------------------

    def _written(self, offset: int, value: int, lanes: int) -> None:
        if offset == ACR:
            prefetch = value & 0x10
            self._put(ACR, value & 0x1F | prefetch << 1)
        elif offset == KEYR:
            if self._key(self._lock, value, "KEYR", faults=True, fault_when_open=False):
                self._clear(CR, LOCK)
        elif offset == OPTKEYR:
            if self._key(self._option_lock, value, "OPTKEYR", faults=True, fault_when_open=False):
                self._set(CR, OPTWRE)
        elif offset == SR:
            self._clear(SR, value & FLAGS)
            self._drive()
        elif offset == CR:
            self._control(value, lanes)
        elif offset == AR:
            self._put(AR, self._get(AR) & ~lanes | value)

    def _control(self, value: int, lanes: int) -> None:
        control = self._get(CR)
        if control & LOCK:
            if value & STORED or value & STRT:
                self.refuse(f"CR := {value:#x}", "the controller is locked")
            return
        if value & LOCK:
            self._lock.close()
            self._option_lock.close()
        if lanes & OPTWRE and not value & OPTWRE:
            self._option_lock.close()
        kept = control & STORED & ~lanes | value & STORED
        self._put(CR, kept | (LOCK if not self._lock.is_open else 0) | (OPTWRE if self._option_lock.is_open else 0))
        if value & STRT and self._lock.is_open:
            self._start()
        self._drive()

    def _start(self) -> None:
        control = self._get(CR)
        asked = control & (PG | PER | MER | OPTPG | OPTER)
        if asked == PER:
            self._erase_page()
        elif asked == MER:
            self._erase_all()
        elif asked == OPTER and not self._option_lock.is_open:
            self.refuse("erase of the option bytes", "OPTWRE is not set")
        elif asked == OPTER:
            erase(self.rows["options"], 0, OPTIONS.size)
            self._set(SR, EOP)
        else:
            self.refuse("STRT", f"CR {control:#x} asks for no one erase: nothing is done")

    def _erase_page(self) -> None:
        address = self._get(AR)
        region = self.regions[0]
        if not region.holds(address, 1):
            self.refuse("page erase", f"AR {address:#x} is not in flash: nothing is done")
            return
        sector = self.main.geometry.sector_at(region.offset(address))
        if self._protects(sector.index):
            self._error(WRPRTERR, f"erase of the page at {address:#x}", "write-protected (WRPRTERR)")
            return
        erase(self.main, sector.address, sector.size)
        self._set(SR, EOP)

    def _erase_all(self) -> None:
        if any(self._protects(index) for index in range(self.main.geometry.sector_count)):
            self._error(WRPRTERR, "mass erase", "a page is write-protected (WRPRTERR)")
            return
        erase_bank(self.main, 0)
        self._set(SR, EOP)

    @property
    def is_unprotected(self) -> bool:
        return self._wrpr == 0xFFFF_FFFF and not self._is_protected

    def _protects(self, page: int) -> bool:
        by_options = not self._wrpr >> page // 4 & 1
        return by_options or (self._is_protected and page < PROTECTED_PAGES)

    # -- stores -----------------------------------------------------------------------------------------------

    def _stored(self, region: Region, offset: int, size: int, value: int) -> StoreOutcome:
        what = f"store of {size} bytes to {region.base + offset:#x}"
        control = self._get(CR)
        mode = PG if region.name == "flash" else OPTPG
        if control & LOCK or not control & mode:
            self.refuse(what, "locked" if control & LOCK else f"{'PG' if mode == PG else 'OPTPG'} is not set")
            return "done"
        if size != 2 or offset % 2:
            self.refuse(what, "only aligned half-words can be programmed: bus error")
            return "bus-fault"
        if control & (PER | MER | OPTER):
            self.refuse(what, "an erase is selected as well: nothing is programmed")
        elif region.name == "flash":
            self._program(offset, value, what)
        else:
            self._program_option(offset, value, what)
        self._drive()
        return "done"

    def _program(self, offset: int, value: int, what: str) -> None:
        data = value.to_bytes(2, "little")
        if self._protects(self.main.geometry.sector_index(offset)):
            self._error(WRPRTERR, what, "the page is write-protected (WRPRTERR)")
        elif not accepts(self.main, offset, data):
            self._error(PGERR, what, "the half-word is not erased (PGERR)")
        else:
            self.main.program(offset, data)
            self._set(SR, EOP)

    def _program_option(self, offset: int, value: int, what: str) -> None:
        if not self._option_lock.is_open:
            self.refuse(what, "OPTWRE is not set")
            return
        low = value & 0xFF
        data = bytes((low, low ^ 0xFF))
        if not accepts(self.rows["options"], offset, data):
            self._error(PGERR, what, "the option byte is not erased (PGERR)")
            return
        if offset == 0 and low == UNPROTECTED and self._is_protected:
            erase_bank(self.main, 0)
        self.rows["options"].program(offset, data)
        self._set(SR, EOP)

    def _error(self, flag: int, what: str, why: str) -> None:
        self._set(SR, flag)
        self.refuse(what, why)

    def _drive(self) -> None:
        status, control = self._get(SR), self._get(CR)
        wanted = (EOP if control & EOPIE else 0) | (PGERR | WRPRTERR if control & ERRIE else 0)
        self._interrupt(bool(status & wanted))
