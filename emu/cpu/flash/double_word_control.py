"""The registers, erases, options and error correction of the flash controller the STM32L4 and G0 share.

Neighbours: `double_word` adds what stores to flash do, and has the sources; `double_word_layout` has the bits.
"""

from __future__ import annotations

from typing import ClassVar

from emu.cpu.contract import BusFault
from emu.cpu.flash.controller import ControllerBase, OptionEffects
from emu.cpu.flash.double_word_layout import (
    ACR,
    CFGBSY,
    CR,
    ECC2R,
    ECCC,
    ECCD,
    ECCIE,
    ECCR,
    EOP,
    EOPIE,
    ERRIE,
    ERRORS,
    FSTPG,
    IWDG_STDBY,
    IWDG_SW,
    KEY1,
    KEY2,
    KEYR,
    LOCK,
    MER1,
    MER2,
    OBL_LAUNCH,
    OPERR,
    OPTKEY1,
    OPTKEY2,
    OPTKEYR,
    OPTLOCK,
    OPTR,
    OPTSTRT,
    OPTVERR,
    PER,
    PG,
    PGSERR,
    RDERRIE,
    SR,
    STRT,
    WRPERR,
    Layout,
)
from emu.cpu.flash.double_word_options import (
    OptionLine,
    level_of,
    loaded,
    protected_pages,
    rewrite,
)
from emu.cpu.flash.keys import Lock
from emu.cpu.flash.operations import erase, erase_bank
from emu.cpu.flash.regions import Region


class DoubleWordControl(ControllerBase):
    """Registers at 0x40022000."""

    BASE = 0x4002_2000
    LAYOUT: ClassVar[Layout]
    LINES: ClassVar[tuple[OptionLine, ...]]

    def _row_regions(self) -> tuple[Region, ...]:
        self._lock = Lock(KEY1, KEY2)
        self._option_lock = Lock(OPTKEY1, OPTKEY2)
        self._stored_bits = PG | PER | MER1 | EOPIE | ERRIE | RDERRIE | FSTPG | (self.LAYOUT.page_bits << 3)
        self._stored_bits |= MER2 | self.LAYOUT.bank_bit if self.LAYOUT.second_bank else 0
        # One register of error correction, or one per bank.
        own = self.LAYOUT.second_bank and not self.LAYOUT.ecc_bank
        self._correction_registers = (ECCR, ECC2R) if own else (ECCR,)
        return (Region("options", 0x1FFF_7800, self.rows["options"], 0, len(self.LINES) * 8),)

    # -- reset and options ----------------------------------------------------------------------------------

    def load_options(self) -> None:
        """At power-on and by OBL_LAUNCH; never by a plain reset."""
        self._options, self._mismatch = loaded(self.rows["options"], self.LINES)
        self._put_in_force()

    def _put_in_force(self) -> None:
        layout = self.LAYOUT
        self._protected = protected_pages(
            self._options, self.LINES, layout.wrp_shift, layout.wrp_mask,
            self._pages_per_bank, self.main.geometry.smallest_sector_size,
        )  # fmt: skip

    def kept(self) -> tuple[int, ...]:
        return (int(self._mismatch), *(self._options[line.offset] for line in self.LINES))

    def keep(self, state: tuple[int, ...]) -> None:
        self._mismatch = bool(state[0])
        self._options = {line.offset: value for line, value in zip(self.LINES, state[1:], strict=True)}
        self._put_in_force()

    @property
    def effects(self) -> OptionEffects:
        options = self._options[OPTR]
        return OptionEffects(
            level_of(options), hardware_watchdog=not options & IWDG_SW,
            resets_in_standby=not options & self.LAYOUT.standby_reset,
            stops_watchdog_in_standby=not options & IWDG_STDBY,
        )  # fmt: skip

    def _reset_registers(self) -> None:
        self._lock.reset()
        self._option_lock.reset()
        self.latch.drop()
        self._row: tuple[int, bytearray] | None = None
        self._mass_erased: set[int] = set()
        self._page_erased_last = -1
        self._put(ACR, self.LAYOUT.reset_acr)
        self._put(SR, OPTVERR if self._mismatch else 0)
        self._put(CR, LOCK | OPTLOCK)
        for register in self._correction_registers:
            self._put(register, 0)
        for offset, value in self._options.items():
            self._put(offset, value)

    # -- registers ------------------------------------------------------------------------------------------

    def _written(self, offset: int, value: int, lanes: int) -> None:
        if offset == ACR:
            self._put(ACR, self._get(ACR) & ~lanes | value)
        elif offset == KEYR:
            if self._key(self._lock, value, "KEYR", faults=True, fault_when_open=True):
                self._clear(CR, LOCK)
        elif offset == OPTKEYR:
            self._option_key(value)
        elif offset == SR:
            self._clear(SR, value & (EOP | OPERR | ERRORS | OPTVERR))
            self._drive()
        elif offset == CR:
            self._control(value, lanes)
        elif offset in self._correction_registers:
            held = self._get(offset)
            flags = held & ~value & (ECCC | ECCD)
            address = held & ~(ECCC | ECCD | ECCIE) if flags else 0
            self._put(offset, address | flags | (held & ~lanes | value) & ECCIE)
            self._drive()
        elif offset in self._options:
            if self._get(CR) & OPTLOCK:
                self.refuse(f"option register {offset:#x} := {value:#x}", "the option bytes are locked")
            else:
                self._put(offset, self._get(offset) & ~lanes | value)

    def _option_key(self, value: int) -> None:
        if self._get(CR) & LOCK:
            self.refuse(f"OPTKEYR {value:#010x}", "LOCK must be cleared first")
        elif self._key(self._option_lock, value, "OPTKEYR", faults=True, fault_when_open=True):
            self._clear(CR, OPTLOCK)

    def _control(self, value: int, lanes: int) -> None:
        if self._get(CR) & LOCK:
            if value & (self._stored_bits | STRT | OPTSTRT | OBL_LAUNCH):
                self.refuse(f"CR := {value:#x}", "the controller is locked")
            return
        if self.LAYOUT.waits and self.latch.is_held:
            self.refuse(f"CR := {value:#x}", "half a double word waits for the other half (CFGBSY)")
            raise BusFault(f"{self.CHIP}: CR was written while CFGBSY")
        if value & LOCK:
            self._lock.close()
        if value & (OPTLOCK | LOCK):
            self._option_lock.close()
        kept = self._get(CR) & self._stored_bits & ~lanes | value & self._stored_bits
        locks = (0 if self._lock.is_open else LOCK) | (0 if self._option_lock.is_open else OPTLOCK)
        self._put(CR, kept | locks)
        if not kept & PG:
            self.latch.drop()
        if not kept & FSTPG:
            self._row = None
        if value & STRT and not locks & LOCK:
            self._start(kept)
        if value & (OPTSTRT | OBL_LAUNCH):
            self._option_command(value, locked=bool(locks & OPTLOCK))
        self._drive()

    # -- erase ------------------------------------------------------------------------------------------------

    def _start(self, control: int) -> None:
        if self._is_blocked("STRT"):
            return
        banks = ([0] if control & MER1 else []) + ([1] if control & MER2 else [])
        if control & PER and not banks:
            self._erase_page(control)
        elif banks and not control & PER:
            self._erase_banks(banks)
        else:
            self._error(PGSERR, "STRT", f"CR {control:#x} asks for no one kind of erase (PGSERR)")

    def _erase_page(self, control: int) -> None:
        per_bank = self._pages_per_bank
        bank = 1 if self.LAYOUT.second_bank and control & self.LAYOUT.bank_bit else 0
        page = (control >> 3 & self.LAYOUT.page_bits) % per_bank
        if bank * per_bank + page in self._protected:
            self._error(WRPERR, f"erase of page {page} of bank {bank + 1}", "write-protected (WRPERR)")
            return
        size = self.main.geometry.smallest_sector_size
        erase(self.main, (bank * per_bank + page) * size, size)
        self._mass_erased.discard(bank)
        self._page_erased_last = bank * per_bank + page
        self._done()

    def _erase_banks(self, banks: list[int]) -> None:
        per_bank = self._pages_per_bank
        for bank in banks:
            if not self._protected.isdisjoint(range(bank * per_bank, (bank + 1) * per_bank)):
                self._error(WRPERR, f"mass erase of bank {bank + 1}", "a page is write-protected (WRPERR)")
                return
        for bank in banks:
            erase_bank(self.main, bank)
            self._mass_erased.add(bank)
        self._page_erased_last = -1
        self._done()

    @property
    def _pages_per_bank(self) -> int:
        return self.main.geometry.sector_count // (2 if self.LAYOUT.second_bank else 1)

    # -- option bytes -----------------------------------------------------------------------------------------

    def _option_command(self, value: int, *, locked: bool) -> None:
        command = "OPTSTRT" if value & OPTSTRT else "OBL_LAUNCH"
        if locked:
            self.refuse(command, "the option bytes are locked")
            return
        if value & OPTSTRT and not self._is_blocked(command):
            self._write_options()
        if value & OBL_LAUNCH:
            self.load_options()
            self.world.reset("option-bytes")

    def _write_options(self) -> None:
        level, asked = level_of(self._options[OPTR]), level_of(self._get(OPTR))
        if level == 2:
            self._error(WRPERR, "OPTSTRT", "read protection level 2 is final (WRPERR)")
            return
        if level == 1 and asked == 0:
            for bank in range(2 if self.LAYOUT.second_bank else 1):
                erase_bank(self.main, bank)
        rewrite(self.rows["options"], [self._get(line.offset) for line in self.LINES])
        self._done()

    # -- error correction ---------------------------------------------------------------------------------------

    def _corrected(self, region: Region, offset: int) -> None:
        register, address = self._ecc_place(offset)
        if not self._get(register) & (ECCC | ECCD):
            self._put(register, self._get(register) & ECCIE | ECCC | address)
        self._drive()

    def _uncorrectable(self, region: Region, offset: int) -> None:
        register, address = self._ecc_place(offset)
        if not self._get(register) & ECCD:
            self._put(register, self._get(register) & (ECCIE | ECCC) | ECCD | address)
        self._raise_nmi(region, offset)

    def _ecc_place(self, offset: int) -> tuple[int, int]:
        """(register, address in it) of a granule. The first one stays until its flag is cleared."""
        layout, registers = self.LAYOUT, self._correction_registers
        bank, within = divmod(offset, self._pages_per_bank * self.main.geometry.smallest_sector_size)
        address = within // layout.ecc_unit & layout.ecc_mask | (layout.ecc_bank if bank else 0)
        return registers[min(bank, len(registers) - 1)], address

    # -- what is held back ------------------------------------------------------------------------------------

    def _drop(self) -> None:
        self.latch.drop()
        self._row = None
        self._clear(SR, CFGBSY)

    # -- flags ------------------------------------------------------------------------------------------------

    def _is_blocked(self, what: str) -> bool:
        """An error flag nobody cleared refuses whatever comes next."""
        pending = self._get(SR) & ERRORS
        if pending:
            self._error(PGSERR, what, f"error flags {pending:#x} were not cleared (PGSERR)")
        return bool(pending)

    def _done(self) -> None:
        if self._get(CR) & EOPIE:
            self._set(SR, EOP)

    def _error(self, flags: int, what: str, why: str) -> None:
        self._set(SR, flags | (OPERR if self._get(CR) & ERRIE else 0))
        self.refuse(what, why)

    def _drive(self) -> None:
        status, control = self._get(SR), self._get(CR)
        asserted = bool((status & EOP and control & EOPIE) or (status & OPERR and control & ERRIE))
        for register in self._correction_registers:
            correction = self._get(register)
            asserted |= bool(correction & ECCC and correction & ECCIE)
        self._interrupt(asserted)
