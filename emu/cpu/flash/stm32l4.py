"""The flash controller of the STM32L476: two banks of 256 pages of 2 KiB.

A 1 MiB part always has two banks; a page number counts inside its bank, and one that does not fit loses its upper bits
(so page 256 without BKER is page 0 of bank 1). The registers are those of `double_word`.

WRP from the factory is an empty range: first page FF, last 00.
"""

from __future__ import annotations

from emu.cpu.flash.double_word import DoubleWordFlash
from emu.cpu.flash.double_word_layout import Layout
from emu.cpu.flash.double_word_options import OptionLine, option_row

LINES = (
    OptionLine(0x20, 0xFFEF_F8AA, 0xFFFF_FFFF),
    OptionLine(0x24, 0xFFFF_FFFF, 0xFFFF_0000, "pcrop"),
    OptionLine(0x28, 0xFFFF_0000, 0xFFFF_FFFF, "pcrop"),
    OptionLine(0x2C, 0xFF00_FFFF, 0xFFFF_FF00, "wrp"),
    OptionLine(0x30, 0xFF00_FFFF, 0xFFFF_FF00, "wrp"),
    OptionLine(0x44, 0xFFFF_FFFF, 0xFFFF_0000, "pcrop", 1),
    OptionLine(0x48, 0xFFFF_0000, 0xFFFF_FFFF, "pcrop", 1),
    OptionLine(0x4C, 0xFF00_FFFF, 0xFFFF_FF00, "wrp", 1),
    OptionLine(0x50, 0xFF00_FFFF, 0xFFFF_FF00, "wrp", 1),
)


class Stm32L4Flash(DoubleWordFlash):
    """FLASH of the STM32L476."""

    CHIP = "stm32l4"
    IRQ = 4
    LINES = LINES
    ROWS = (option_row(LINES),)
    LAYOUT = Layout(
        page_bits=0xFF, bank_bit=1 << 11, second_bank=True, waits=False, fast_after_mass_erase=True,
        ecc_unit=1, ecc_bank=1 << 19, ecc_mask=0x7_FFFF, wrp_shift=16, wrp_mask=0xFF, standby_reset=1 << 13,
        reset_acr=0x600,
    )  # fmt: skip
