"""The flash controller of the STM32H563 without TrustZone: quad words through a write buffer, 8 KiB sectors, two banks.

Sources: cmsis_device_h5, stm32h5xx_hal_driver, stm32-data flash_h5.yaml, labwired-core (measured on a board), wolfBoot
hal/stm32h5.c. Nothing here faults: a wrong key locks until the next reset, and so does a key while it is unlocked.

- Stores of any width fill a buffer of 16 bytes from its start; when it is full it is programmed. A store elsewhere
  drops it (INCERR), a byte stored twice as well (STRBERR); FW programs it with ones where it is not filled.
- A quad word that was programmed before takes the AND of both, and its check bits no longer fit: the next read cannot
  be corrected. It is noted, and the entry of the journal is a torn one, because that is what it leaves.
- Flags are cleared through NSCCR only; NSSR is read-only. While WRPERR, PGSERR, STRBERR or INCERR is set, stores end in
  PGSERR (by analogy with the H7), so a write to NSSR is noted where it would have cleared one of these: EOP that stays
  set, as wolfBoot leaves it, is in nobody's way.
- Sector and bank numbers are physical. SWAP_BANK is kept and shown, but the banks are not exchanged: it is noted.
- Option registers are written as _PRG, and OPTSTART programs them; WRP is in force at once, the rest after a reset. A
  cut inside is reported by OPSR, and the registers then hold what was there before: their storage is two records used
  in turn, which is a design choice (no document says how the chip does it). Other operations that were cut are not
  reported.
- Not modelled: TrustZone and secure registers, EDATA, OBK, OTP, what product states do, ECC of option bytes.

The core stalls in every operation (`operations`).

Neighbours: `controller`, `keys`, `operations`, `regions`.
"""

from __future__ import annotations

from emu.cpu.contract import StoreOutcome
from emu.cpu.faces import LaneRules
from emu.cpu.flash.controller import ControllerBase, OptionEffects
from emu.cpu.flash.keys import Lock
from emu.cpu.flash.operations import complete, erase, erase_bank, is_blank
from emu.cpu.flash.regions import Region
from emu.cpu.flash.stm32h5_options import OPTIONS, OPTSR, ROW, SWAP_BANK, WRP, loaded, rewrite
from flash.tears import tear_named

KEY1, KEY2, OPTKEY1, OPTKEY2 = 0x4567_0123, 0xCDEF_89AB, 0x0819_2A3B, 0x4C5D_6E7F
ACR, NSKEYR, OPTKEYR, OPSR, OPTCR, NSSR, NSCR, NSCCR = 0x00, 0x04, 0x0C, 0x18, 0x1C, 0x20, 0x28, 0x30
ECCCORR, ECCDETR = 0x100, 0x104
BSY, WBNE, EOP, WRPERR, PGSERR, STRBERR, INCERR = (1 << bit for bit in (0, 1, 16, 17, 18, 19, 20))
PENDING = WRPERR | PGSERR | STRBERR | INCERR
ERRORS = PENDING | 1 << 21 | 1 << 22 | 1 << 23
LOCK, PG, SER, BER, FW, START, MER, BKSEL = (1 << bit for bit in (0, 1, 2, 3, 4, 5, 15, 31))
ENABLES = 0xFF << 16
STORED = PG | SER | BER | 0x7F << 6 | MER | ENABLES | BKSEL
OPTLOCK, OPTSTART, OPTION_CHANGE = 1 << 0, 1 << 1, 6
ECCC, ECCD, ECCIE, BK_ECC = 1 << 30, 1 << 31, 1 << 25, 1 << 22
IWDG_SW, NRST_STDBY, IWDG_STDBY = 1 << 3, 1 << 7, 1 << 21
QUAD = 16
SECTORS_PER_WRP_BIT = 4


class Stm32H5Flash(ControllerBase):
    """FLASH at 0x40022000, the non-secure registers."""

    CHIP = "stm32h5"
    BASE = 0x4002_2000
    IRQ = 6
    ROWS = (ROW,)
    LANE = LaneRules(
        gate=NSCR, calm=LOCK | SER | BER | FW | START | MER | ENABLES, armed=PG, status=NSSR, errors=PENDING,
        half=WBNE, done=EOP, width=4, stores=QUAD // 4, plain={NSCR: PG | 0x7F << 6 | BKSEL},
        clear={NSCCR: EOP | ERRORS},
    )  # fmt: skip

    _begun: int
    _buffer: dict[int, int]

    def _row_regions(self) -> tuple[Region, ...]:
        self._lock = Lock(KEY1, KEY2)
        self._option_lock = Lock(OPTKEY1, OPTKEY2)
        return ()

    # -- reset and options ----------------------------------------------------------------------------------

    def reset(self) -> None:
        """Every reset makes what was programmed the current options."""
        self.load_options()
        super().reset()

    def load_options(self) -> None:
        """The newer whole record; a broken one beside it says that a change of options was cut."""
        self._sequence, self._options, was_cut = loaded(self.rows["options"])
        self._cut_operation = OPTION_CHANGE << 29 if was_cut else 0
        if self._options[OPTSR] & SWAP_BANK:
            self.refuse("SWAP_BANK", "exchanging the banks is not modelled: they stay where they are")

    @property
    def effects(self) -> OptionEffects:
        return OptionEffects(
            hardware_watchdog=not self._options[OPTSR] & IWDG_SW,
            resets_in_standby=not self._options[OPTSR] & NRST_STDBY,
            stops_watchdog_in_standby=not self._options[OPTSR] & IWDG_STDBY,
        )

    def _reset_registers(self) -> None:
        self._lock.reset()
        self._option_lock.reset()
        self._drop()
        swapped = self._options[OPTSR] & SWAP_BANK
        for offset, value in (
            (ACR, 0x13), (OPSR, self._cut_operation), (OPTCR, OPTLOCK | swapped), (NSSR, 0), (NSCR, LOCK),
            (ECCCORR, 0), (ECCDETR, 0),
        ):  # fmt: skip
            self._put(offset, value)
        for offset, value in self._options.items():
            self._put(offset, value)
            self._put(offset + 4, value)

    # -- registers ------------------------------------------------------------------------------------------

    def _written(self, offset: int, value: int, lanes: int) -> None:
        if offset == ACR:
            self._put(ACR, self._get(ACR) & ~lanes | value)
        elif offset == NSKEYR:
            if self._offer(self._lock, value, "NSKEYR"):
                self._clear(NSCR, LOCK)
        elif offset == OPTKEYR:
            if self._offer(self._option_lock, value, "OPTKEYR"):
                self._clear(OPTCR, OPTLOCK)
        elif offset == NSSR and value & self._get(NSSR) & ERRORS:
            self.refuse(f"NSSR := {value:#x}", "it is read-only: flags are cleared through NSCCR")
        elif offset == NSCCR:
            self._clear(NSSR, value & (EOP | ERRORS))
            self._drive()
        elif offset == NSCR:
            self._control(value, lanes)
        elif offset == OPTCR:
            self._option_control(value)
        elif offset in (ECCCORR, ECCDETR):
            held = self._get(offset)
            flags = held & ~value & (ECCC | ECCD)
            self._put(offset, (held & ~ECCIE if flags else 0) & ~(value & (ECCC | ECCD)) | value & ECCIE)
            self._drive()
        elif offset - 4 in self._options:
            if self._option_lock.is_open:
                self._put(offset, self._get(offset) & ~lanes | value)
            else:
                self.refuse(f"option register {offset:#x} := {value:#x}", "the option bytes are locked")

    def _offer(self, lock: Lock, value: int, name: str) -> bool:
        if lock.is_open:
            lock.close()
            lock.is_jammed = True
            self._set(NSCR if name == "NSKEYR" else OPTCR, LOCK if name == "NSKEYR" else OPTLOCK)
            self.refuse(f"{name} {value:#010x}", "a key while it is unlocked already: locked until the next reset")
            return False
        return self._key(lock, value, name, faults=False, fault_when_open=False)

    def _control(self, value: int, lanes: int) -> None:
        control = self._get(NSCR)
        if control & LOCK:
            if value & (STORED | FW | START):
                self.refuse(f"NSCR := {value:#x}", "the controller is locked")
            return
        if value & LOCK:
            self._lock.close()
        kept = control & STORED & ~lanes | value & STORED
        self._put(NSCR, kept | (0 if self._lock.is_open else LOCK))
        if value & FW:
            self._take_begun()
            if self._buffer:
                self._flush()
        if value & START and self._lock.is_open:
            self._start(kept)
        self._drive()

    # -- erase ------------------------------------------------------------------------------------------------

    def _start(self, control: int) -> None:
        geometry = self.main.geometry
        per_bank = geometry.sector_count // 2
        bank = 1 if control & BKSEL else 0
        asked = control & (SER | BER | MER)
        if asked == SER:
            number = bank * per_bank + (control >> 6 & 0x7F)
            if self._may_erase(range(number, number + 1), f"erase of sector {number}"):
                size = geometry.smallest_sector_size
                erase(self.main, number * size, size)
                self._set(NSSR, EOP)
        elif asked in (BER, MER):
            banks = [bank] if asked == BER else [0, 1]
            sectors = range(banks[0] * per_bank, (banks[-1] + 1) * per_bank)
            if self._may_erase(sectors, f"erase of {len(banks)} bank(s)"):
                for number in banks:
                    erase_bank(self.main, number)
                self._set(NSSR, EOP)
        else:
            self._error(PGSERR, "START", f"NSCR {control:#x} asks for no one kind of erase (PGSERR)")

    def _may_erase(self, sectors: range, what: str) -> bool:
        if any(self._is_protected(sector) for sector in sectors):
            self._error(WRPERR, what, "write-protected (WRPERR)")
            return False
        return True

    @property
    def is_unprotected(self) -> bool:
        return all(self._get(register) == 0xFFFF_FFFF for register in WRP)

    def _is_protected(self, sector: int) -> bool:
        bank, within = divmod(sector, self.main.geometry.sector_count // 2)
        return not self._get(WRP[bank]) >> within // SECTORS_PER_WRP_BIT & 1

    # -- stores -----------------------------------------------------------------------------------------------

    def _stored(self, region: Region, offset: int, size: int, value: int) -> StoreOutcome:
        what = f"store of {size} bytes to {region.base + offset:#x}"
        start = offset - offset % QUAD
        places = range(offset - start, offset - start + size)
        pending = self._get(NSSR) & PENDING
        self._take_begun()
        if self._get(NSCR) & LOCK or not self._get(NSCR) & PG:
            self._error(PGSERR, what, "PG is not set (PGSERR)")
        elif pending:
            self._error(PGSERR, what, f"error flags {pending:#x} were not cleared (PGSERR)")
        elif self._is_protected(self.main.geometry.sector_index(offset)):
            self._error(WRPERR, what, "the sector is write-protected (WRPERR)")
        elif (self._buffer and start != self._begun) or (not self._buffer and offset != start):
            self._drop()
            self._error(INCERR, what, "it is not where the quad word begun goes on: dropped (INCERR)")
        elif any(place in self._buffer for place in places):
            self._drop()
            self._error(STRBERR, what, "a byte of the quad word is stored twice: dropped (STRBERR)")
        else:
            self._begun = start
            self._buffer.update(zip(places, value.to_bytes(size, "little"), strict=True))
            self._set(NSSR, WBNE)
            if len(self._buffer) == QUAD:
                self._flush()
        self._drive()
        return "done"

    def _take_begun(self) -> None:
        """What is held of a quad word that was begun in words."""
        held = self.latch.take()
        if held is not None:
            self._begun, data = held
            self._buffer = dict(enumerate(data))

    def _drop(self) -> None:
        self._begun, self._buffer = -1, {}
        self.latch.drop()
        self._clear(NSSR, WBNE)

    def _flush(self) -> None:
        """Program what the buffer holds, ones where it holds nothing."""
        start, data = self._begun, bytes(self._buffer.get(place, 0xFF) for place in range(QUAD))
        self._drop()
        if is_blank(self.main, start, QUAD):
            self.main.program(start, data)
        else:
            self._program_again(start, data)
        self._set(NSSR, EOP)

    def _program_again(self, start: int, data: bytes) -> None:
        held = self.main.sense(start, QUAD)
        duration = self.main.timing.program_us(start, QUAD, self.main.cells.cycles_at(start))
        flight = self.main.begin("program", start, QUAD, data, duration)
        if bytes(a & b for a, b in zip(held, data, strict=True)) != held:
            flight.operation.tear = tear_named("ecc-fault-0")
        self.refuse(
            f"program of {self.main.part.base + start:#x}",
            "the quad word is not blank: programmed since its erase, or its erase was cut",
        )
        complete(self.main, flight, duration)

    # -- option bytes -----------------------------------------------------------------------------------------

    def _option_control(self, value: int) -> None:
        if not self._option_lock.is_open:
            if value & OPTSTART:
                self.refuse("OPTSTART", "the option bytes are locked")
            return
        if value & OPTSTART:
            self._write_options()
        if value & OPTLOCK:
            self._option_lock.close()
            self._set(OPTCR, OPTLOCK)
        self._drive()

    def _write_options(self) -> None:
        self._sequence += 1
        rewrite(self.rows["options"], self._sequence, [self._get(offset + 4) for offset, _ in OPTIONS])
        for offset in WRP:
            self._put(offset, self._get(offset + 4))
        self._set(NSSR, EOP)

    # -- error correction ---------------------------------------------------------------------------------------

    def _corrected(self, region: Region, offset: int) -> None:
        if not self._get(ECCCORR) & ECCC:
            self._put(ECCCORR, self._get(ECCCORR) & ECCIE | ECCC | self._ecc_address(offset))
        self._drive()

    def _uncorrectable(self, region: Region, offset: int) -> None:
        if not self._get(ECCDETR) & ECCD:
            self._put(ECCDETR, ECCD | self._ecc_address(offset))
        self._raise_nmi(region, offset)

    def _ecc_address(self, offset: int) -> int:
        bank, within = divmod(offset, self.main.geometry.size // 2)
        return within // QUAD & 0xFFFF | (BK_ECC if bank else 0)

    # -- flags ------------------------------------------------------------------------------------------------

    def _error(self, flag: int, what: str, why: str) -> None:
        self._set(NSSR, flag)
        self.refuse(what, why)

    def _drive(self) -> None:
        enabled = self._get(NSCR) & (EOP | ERRORS)  # enables stand at the same bits as their flags
        correction = self._get(ECCCORR)
        self._interrupt(bool(self._get(NSSR) & enabled or (correction & ECCC and correction & ECCIE)))
