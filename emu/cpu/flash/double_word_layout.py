"""Registers and bits the STM32L4 and G0 flash controllers share, and where they differ.

Neighbours: `double_word` acts on them, `stm32l4` and `stm32g0` fill in a `Layout`. Values only.
"""

from __future__ import annotations

from dataclasses import dataclass

KEY1, KEY2, OPTKEY1, OPTKEY2 = 0x4567_0123, 0xCDEF_89AB, 0x0819_2A3B, 0x4C5D_6E7F
ACR, PDKEYR, KEYR, OPTKEYR, SR, CR, ECCR, ECC2R, OPTR = 0x00, 0x04, 0x08, 0x0C, 0x10, 0x14, 0x18, 0x1C, 0x20
EOP, OPERR, PROGERR, WRPERR, PGAERR, SIZERR, PGSERR, MISERR, FASTERR = (1 << b for b in (0, 1, 3, 4, 5, 6, 7, 8, 9))
RDERR, OPTVERR, CFGBSY = 1 << 14, 1 << 15, 1 << 18
ERRORS = PROGERR | WRPERR | PGAERR | SIZERR | PGSERR | MISERR | FASTERR | RDERR
PG, PER, MER1, MER2, STRT, OPTSTRT, FSTPG = (1 << bit for bit in (0, 1, 2, 15, 16, 17, 18))
EOPIE, ERRIE, RDERRIE, OBL_LAUNCH, OPTLOCK, LOCK = (1 << bit for bit in (24, 25, 26, 27, 30, 31))
ECCIE, ECCC, ECCD = 1 << 24, 1 << 30, 1 << 31
IWDG_SW, IWDG_STDBY = 1 << 16, 1 << 18
ROW_WORDS = 64


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the two families differ. ``waits``: CFGBSY shows a half-written double word, and a CR access then faults.

    ``fast_after_mass_erase``: what allows fast programming (False: the page erased last). ``ecc_unit``: bytes one step
    of the address in ECCR means; ``ecc_bank``: its bank bit, 0: bank 2 has a register of its own. ``wrp_shift``,
    ``wrp_mask``: the last page in WRP. ``standby_reset``: the option nRST_STDBY.
    """

    page_bits: int
    bank_bit: int
    second_bank: bool
    waits: bool
    fast_after_mass_erase: bool
    ecc_unit: int
    ecc_bank: int
    ecc_mask: int
    wrp_shift: int
    wrp_mask: int
    standby_reset: int
    reset_acr: int
