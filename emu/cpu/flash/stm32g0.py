"""The flash controllers of the STM32G071 (one bank) and G0B1 (two): the registers of `double_word`.

CFGBSY shows that half a double word waits; an access to CR then ends in a bus fault, as users report. Page numbers of
bank 2 may be given from 0 or from 256 on (HAL and the manual differ, users say both work).
"""

from __future__ import annotations

from dataclasses import replace

from emu.cpu.flash.double_word import LANE, DoubleWordFlash
from emu.cpu.flash.double_word_layout import CFGBSY, Layout
from emu.cpu.flash.double_word_options import OptionLine, option_row

_BANK_1 = (
    OptionLine(0x24, 0xFFFF_FFFF, 0xFFFF_0000, "pcrop"),
    OptionLine(0x28, 0xFFFF_0000, 0xFFFF_FFFF, "pcrop"),
    OptionLine(0x2C, 0xFF00_FFFF, 0xFFFF_FF00, "wrp"),
    OptionLine(0x30, 0xFF00_FFFF, 0xFFFF_FF00, "wrp"),
    OptionLine(0x34, 0xFFFF_FFFF, 0xFFFF_0000, "pcrop"),
    OptionLine(0x38, 0xFFFF_0000, 0xFFFF_FFFF, "pcrop"),
)
_BANK_2 = (
    OptionLine(0x44, 0xFFFF_FFFF, 0xFFFF_0000, "pcrop", 1),
    OptionLine(0x48, 0xFFFF_0000, 0xFFFF_FFFF, "pcrop", 1),
    OptionLine(0x4C, 0xFF00_FFFF, 0xFFFF_FF00, "wrp", 1),
    OptionLine(0x50, 0xFF00_FFFF, 0xFFFF_FF00, "wrp", 1),
    OptionLine(0x54, 0xFFFF_FFFF, 0xFFFF_0000, "pcrop", 1),
    OptionLine(0x58, 0xFFFF_0000, 0xFFFF_FFFF, "pcrop", 1),
)
G071_LINES = (OptionLine(0x20, 0xFFFF_FEAA, 0xFFFF_FFFF), *_BANK_1)
WAITING_LANE = replace(LANE, half=CFGBSY)
G0B1_LINES = (OptionLine(0x20, 0xDFFF_E1AA, 0xFFFF_FFFF), *_BANK_1, *_BANK_2)


class Stm32G071Flash(DoubleWordFlash):
    """FLASH of the STM32G071."""

    CHIP = "stm32g071"
    LANE = WAITING_LANE
    IRQ = 3
    LINES = G071_LINES
    ROWS = (option_row(G071_LINES),)
    LAYOUT = Layout(
        page_bits=0x3FF, bank_bit=0, second_bank=False, waits=True, fast_after_mass_erase=False,
        ecc_unit=8, ecc_bank=0, ecc_mask=0x3FFF, wrp_shift=16, wrp_mask=0x3F, standby_reset=1 << 14,
        reset_acr=0x600,
    )  # fmt: skip


class Stm32G0B1Flash(DoubleWordFlash):
    """FLASH of the STM32G0B1, in two banks."""

    CHIP = "stm32g0b1"
    LANE = WAITING_LANE
    IRQ = 3
    LINES = G0B1_LINES
    ROWS = (option_row(G0B1_LINES),)
    LAYOUT = Layout(
        page_bits=0x3FF, bank_bit=1 << 13, second_bank=True, waits=True, fast_after_mass_erase=False,
        ecc_unit=8, ecc_bank=0, ecc_mask=0x7FFF, wrp_shift=16, wrp_mask=0x7F, standby_reset=1 << 14,
        reset_acr=0x600,
    )  # fmt: skip
