"""The flash controller of the STM32L0 (L053, L072): cells that erase to zeros, three locks, half pages.

Sources: RM0377/RM0367 as quoted, stm32l0xx_hal_driver, wolfBoot hal/stm32l0.c, Renode's model. PELOCK is opened first,
then PRGLOCK for the array and OPTLOCK for option bytes; a wrong key, and one while it is open, is a bus error. A store
decides what happens: a plain one programs its word; one with ERASE and PROG erases the page it points into, whatever
its data; 16 of them with FPRG and PROG make one half page in the time of one word.

- A word that is not zero is left as it is (NOTZEROERR): the manual's text is unclear, this is the reading of the part
  file.
- The fetch that aborts a half page (FWWERR) is not modelled: it happens to code in the same bank, which must not do so.
- The data EEPROM is words of 4 bytes that erase themselves: a store over a word that is not zero is one erase and one
  program, with FIX=0 as well as 1, because the time is the same in the part file. Only PELOCK guards it.
- Option bytes are words whose upper half is the complement, stored by software; each store erases and programs its
  word. They count when loaded: at power-on and by OBL_LAUNCH, which resets.

The core stalls in every operation (`operations`).

Neighbours: `controller`, `keys`, `operations`, `regions`.
"""

from __future__ import annotations

from emu.cpu.contract import StoreOutcome
from emu.cpu.faces import LaneRules
from emu.cpu.flash.controller import ControllerBase, OptionEffects, ReadProtection
from emu.cpu.flash.keys import Lock
from emu.cpu.flash.operations import accepts, erase, timed
from emu.cpu.flash.regions import Region, Row
from flash.device import FlashDevice

ACR, PECR, PDKEYR, PEKEYR, PRGKEYR, OPTKEYR, SR, OPTR = 0x00, 0x04, 0x08, 0x0C, 0x10, 0x14, 0x18, 0x1C
WRPR, WRPR2 = 0x20, 0x80
PEKEYS, PRGKEYS, OPTKEYS = (0x89AB_CDEF, 0x0203_0405), (0x8C9D_AEBF, 0x1314_1516), (0xFBEA_D9C8, 0x2425_2627)
PELOCK, PRGLOCK, OPTLOCK, PROG, DATA, FIX, ERASE, FPRG = (1 << bit for bit in (0, 1, 2, 3, 4, 8, 9, 10))
EOPIE, ERRIE, OBL_LAUNCH = 1 << 16, 1 << 17, 1 << 18
STORED = PROG | DATA | FIX | ERASE | FPRG | 1 << 15 | EOPIE | ERRIE | 1 << 19 | 1 << 22 | 1 << 23
EOP, ENDHV, READY = 1 << 1, 1 << 2, 1 << 3
WRPERR, PGAERR, SIZERR, OPTVERR, NOTZEROERR = (1 << bit for bit in (8, 9, 10, 11, 16))
ERRORS = WRPERR | PGAERR | SIZERR | 1 << 13 | NOTZEROERR | 1 << 17
HALF_PAGE = 64
WRP_SECTOR = 4096
WDG_SW, NRST_STDBY = 1 << 20, 1 << 22
LEVEL_0, LEVEL_2 = 0xAA, 0xCC


def _word(value: int) -> bytes:
    return (value | (value ^ 0xFFFF) << 16).to_bytes(4, "little")


OPTIONS = Row("options", 20, 4, b"".join(map(_word, (0x00AA, 0x8070, 0, 0, 0))), "mcu-word", True, 0, erase_size=4)
EEPROM = Row("eeprom", 6144, 4, b"", "mcu-word", True, 0, erase_size=4)
USER, FIRST_WRP = 4, 8
NOT_BLANK = "is not blank: not zero, programmed since its erase, or its erase was cut (NOTZEROERR)"


class Stm32L0Flash(ControllerBase):
    """FLASH at 0x40022000."""

    CHIP = "stm32l0"
    BASE = 0x4002_2000
    IRQ = 3
    ROWS = (OPTIONS, EEPROM)
    LANE = LaneRules(
        gate=PECR, calm=PELOCK | PRGLOCK | ERASE | FPRG | EOPIE | ERRIE, armed=0, kept=OPTLOCK,
        status=SR, done=EOP, width=4, plain={PECR: PROG | DATA | FIX}, clear={SR: EOP | ERRORS | OPTVERR},
    )  # fmt: skip

    def _row_regions(self) -> tuple[Region, ...]:
        self._locks = {PELOCK: Lock(*PEKEYS), PRGLOCK: Lock(*PRGKEYS), OPTLOCK: Lock(*OPTKEYS)}
        return (
            Region("options", 0x1FF8_0000, self.rows["options"], 0, OPTIONS.size),
            Region("eeprom", 0x0808_0000, self.rows["eeprom"], 0, EEPROM.size),
        )

    # -- reset and options ----------------------------------------------------------------------------------

    def load_options(self) -> None:
        """At power-on and by OBL_LAUNCH. A word that does not fit its complement is secure: level 1, all protected."""
        cells = self.rows["options"].sense(0, OPTIONS.size)
        halves: list[int] = []
        self._mismatch = False
        for at in range(0, OPTIONS.size, 4):
            value, complement = (int.from_bytes(cells[at + i : at + i + 2], "little") for i in (0, 2))
            fits = value ^ complement == 0xFFFF
            self._mismatch |= not fits
            halves.append(value if fits else 0xFFFF if at >= FIRST_WRP else 0x8070 if at == USER else 0)
        self._options = halves[0] | halves[1] << 16
        self._write_protection = halves[2] | halves[3] << 16 | halves[4] << 32

    def kept(self) -> tuple[int, ...]:
        return int(self._mismatch), self._options, self._write_protection

    def keep(self, state: tuple[int, ...]) -> None:
        mismatch, self._options, self._write_protection = state
        self._mismatch = bool(mismatch)

    @property
    def effects(self) -> OptionEffects:
        return OptionEffects(
            _level(self._options), hardware_watchdog=not self._options & WDG_SW,
            resets_in_standby=not self._options & NRST_STDBY,
        )  # fmt: skip

    def _reset_registers(self) -> None:
        for lock in self._locks.values():
            lock.reset()
        self._half_page: tuple[int, bytearray] | None = None
        self._put(ACR, 0)
        self._put(PECR, PELOCK | PRGLOCK | OPTLOCK)
        self._put(SR, ENDHV | READY | (OPTVERR if self._mismatch else 0))
        self._put(OPTR, self._options)
        self._put(WRPR, self._write_protection & 0xFFFF_FFFF)
        self._put(WRPR2, self._write_protection >> 32)

    # -- registers ------------------------------------------------------------------------------------------

    def _written(self, offset: int, value: int, lanes: int) -> None:
        if offset == ACR:
            self._put(ACR, self._get(ACR) & ~lanes | value)
        elif offset == PEKEYR:
            self._open(PELOCK, value, "PEKEYR")
        elif offset in (PRGKEYR, OPTKEYR):
            lock, name = (PRGLOCK, "PRGKEYR") if offset == PRGKEYR else (OPTLOCK, "OPTKEYR")
            if self._get(PECR) & PELOCK:
                self.refuse(f"{name} {value:#010x}", "PELOCK must be cleared first")
            else:
                self._open(lock, value, name)
        elif offset == SR:
            self._clear(SR, value & (EOP | ERRORS | OPTVERR))
            self._drive()
        elif offset == PECR:
            self._control(value, lanes)

    def _open(self, lock: int, value: int, name: str) -> None:
        if self._key(self._locks[lock], value, name, faults=True, fault_when_open=True):
            self._clear(PECR, lock)

    def _control(self, value: int, lanes: int) -> None:
        if self._get(PECR) & PELOCK:
            if value & (STORED | OBL_LAUNCH):
                self.refuse(f"PECR := {value:#x}", "PELOCK is set")
            return
        closing = value & (PELOCK | PRGLOCK | OPTLOCK)
        if closing & PELOCK:
            closing, value = PELOCK | PRGLOCK | OPTLOCK, value & ~STORED
            lanes = 0xFFFF_FFFF
        for bit, lock in self._locks.items():
            if closing & bit:
                lock.close()
        kept = self._get(PECR) & STORED & ~lanes | value & STORED
        locks = sum(bit for bit, lock in self._locks.items() if not lock.is_open)
        self._put(PECR, kept | locks)
        if not kept & FPRG:
            self._half_page = None
        if value & OBL_LAUNCH and not locks & OPTLOCK:
            self.load_options()
            self.world.reset("option-bytes")
        elif value & OBL_LAUNCH:
            self.refuse("OBL_LAUNCH", "the option bytes are locked")
        self._drive()

    # -- stores -----------------------------------------------------------------------------------------------

    def _stored(self, region: Region, offset: int, size: int, value: int) -> StoreOutcome:
        what = f"store of {size} bytes to {region.base + offset:#x}"
        control = self._get(PECR)
        if region.name == "eeprom":
            self._store_data(region.device, offset, value.to_bytes(size, "little"), what)
        elif size != 4:
            self._error(SIZERR, what, "only words can be stored (SIZERR)")
        elif region.name == "options":
            self._store_option(offset, value, what)
        elif control & (PELOCK | PRGLOCK):
            self._error(WRPERR, what, "PELOCK or PRGLOCK is set (WRPERR)")
        elif self._write_protection >> offset // WRP_SECTOR & 1:
            self._error(WRPERR, what, "the sector is write-protected (WRPERR)")
        elif control & (ERASE | PROG) == ERASE | PROG:
            page = self.main.geometry.sector_at(offset)
            erase(self.main, page.address, page.size)
            self._done()
        elif control & (FPRG | PROG) == FPRG | PROG:
            self._store_half_page(offset, value, what)
        else:
            self._program(offset, value.to_bytes(4, "little"), what)
        self._drive()
        return "done"

    @property
    def is_unprotected(self) -> bool:
        return not self._write_protection

    def _program(self, offset: int, data: bytes, what: str) -> None:
        if not accepts(self.main, offset, data):
            self._error(NOTZEROERR, what, f"the word {NOT_BLANK}")
            return
        self.main.program(offset, data)
        self._done()

    def _store_half_page(self, offset: int, value: int, what: str) -> None:
        """The first store fixes the half page; the rest follow in order, or all go to the same address."""
        begun = self._half_page
        if begun is None and offset % HALF_PAGE:
            self._error(PGAERR, what, "a half page begins at a multiple of 64 bytes (PGAERR)")
            return
        start, data = begun or (offset, bytearray())
        if offset - offset % HALF_PAGE != start:
            self._half_page = None
            self._error(PGAERR, what, "it leaves its half page: abandoned (PGAERR)")
            return
        data.extend(value.to_bytes(4, "little"))
        self._half_page = (start, data)
        if len(data) < HALF_PAGE:
            return
        self._half_page = None
        if not all(accepts(self.main, start + at, bytes(data[at : at + 4])) for at in range(0, HALF_PAGE, 4)):
            self._error(NOTZEROERR, what, f"a word of the half page {NOT_BLANK}")
            return
        timed(self.main, "program", start, HALF_PAGE, bytes(data), self.main.timing.row_us(start))
        self._done()

    def _store_data(self, device: FlashDevice, offset: int, data: bytes, what: str) -> None:
        if self._get(PECR) & PELOCK:
            self._error(WRPERR, what, "PELOCK is set (WRPERR)")
            return
        start = offset - offset % 4
        held = device.sense(start, 4)
        erasing = self._get(PECR) & (ERASE | DATA) == ERASE | DATA
        word = bytes(4) if erasing else held[: offset - start] + data + held[offset - start + len(data) :]
        self._rewrite(device, start, held, word)
        self._done()

    def _store_option(self, offset: int, value: int, what: str) -> None:
        if self._get(PECR) & OPTLOCK:
            self._error(WRPERR, what, "the option bytes are locked (WRPERR)")
        elif _level(self._options) == 2:
            self._error(WRPERR, what, "read protection level 2 is final (WRPERR)")
        else:
            if offset == 0 and value & 0xFF == LEVEL_0 and _level(self._options) == 1:
                self._erase_everything()
            device = self.rows["options"]
            self._rewrite(device, offset, device.sense(offset, 4), value.to_bytes(4, "little"))
            self._done()

    def _rewrite(self, device: FlashDevice, offset: int, held: bytes, word: bytes) -> None:
        """One word by itself: erased where it is not zero, then programmed where it is to be something else."""
        if held != bytes(4):
            erase(device, offset, 4)
        if word != bytes(4):
            device.program(offset, word)

    def _erase_everything(self) -> None:
        """The array and the EEPROM, page by page: no document gives a time for all of it at once."""
        for sector in self.main.geometry.sectors_in(0, self.main.geometry.size):
            erase(self.main, sector.address, sector.size)
        for at in range(0, EEPROM.size, 4):
            erase(self.rows["eeprom"], at, 4)

    # -- flags ------------------------------------------------------------------------------------------------

    def _done(self) -> None:
        self._set(SR, EOP)

    def _error(self, flag: int, what: str, why: str) -> None:
        self._set(SR, flag)
        self.refuse(what, why)

    def _drive(self) -> None:
        status, control = self._get(SR), self._get(PECR)
        self._interrupt(bool((status & EOP and control & EOPIE) or (status & ERRORS and control & ERRIE)))


def _level(options: int) -> ReadProtection:
    byte = options & 0xFF
    return 0 if byte == LEVEL_0 else 2 if byte == LEVEL_2 else 1
