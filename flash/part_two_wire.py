"""What a part's ``[two_wire]`` table says: how an I2C EEPROM is addressed, and what a write of it takes along.

Neighbours: `part` carries it and checks it here, `two_wire` obeys it, `tears` asks whether a page is refreshed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

if TYPE_CHECKING:
    from flash.part import Part


class TwoWire(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``device``: the lowest 7-bit address it answers to, its address pins low. ``address_bytes``: of the word address.
    ``block_bits``: lowest bits of the device address that are the highest ones of the word address.
    ``refreshes_page``: a write of less than a page erases and programs the rest of the page again as well.
    """

    device: Annotated[int, msgspec.Meta(ge=0, le=0x7F)]
    address_bytes: Literal[1, 2]
    source: str
    block_bits: Annotated[int, msgspec.Meta(ge=0, le=3)] = 0
    refreshes_page: bool = False


def check_two_wire(part: Part, refuse: Callable[[str], None]) -> None:
    """Call ``refuse`` with the first thing that is wrong with a part of kind eeprom, or with a table on another one."""
    table, is_eeprom = part.two_wire, part.kind == "eeprom"
    if (table is not None) != is_eeprom:
        refuse("a part of kind eeprom, and no other, needs a [two_wire] table that says how it is addressed")
    if (part.program.overwrite == "rewrites") != is_eeprom:
        refuse('program.overwrite "rewrites" is what a part of kind eeprom does, and no other')
    if table is None:
        return
    if part.erase:
        refuse("an EEPROM has no erase command: a write erases what it programs, so erase must be []")
    if part.program.unit != 1 or any(run.size != part.program.page_size for run in part.sectors):
        refuse("an EEPROM is written byte by byte, up to a page: unit 1, and [[sectors]] are its pages")
    reach = 1 << 8 * table.address_bytes + table.block_bits
    if part.size > reach:
        refuse(f"two_wire: {table.address_bytes} address bytes and {table.block_bits} block bits reach {reach} bytes")
    if table.device % (1 << table.block_bits):
        refuse(f"two_wire.device {table.device:#x} has bits where its {table.block_bits} block bits are")
