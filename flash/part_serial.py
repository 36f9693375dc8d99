"""What a part's ``[serial]`` table must agree with: its own opcodes, the rest of the part, the fields of SFDP.

Neighbours: `part` calls this when a part is loaded and turns what is wrong into a PartError. Whether a table can be
made of the figures is the business of `encode`, and of the test over all bundled parts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from flash.command_set import CommandSet
from flash.sfdp_fields import FIELDS
from flash.tomlfile import nearest

if TYPE_CHECKING:
    from flash.part import Erase, Part


_EVERYWHERE = (("write enable", 0x06), ("write disable", 0x04), ("status read", 0x05), ("identity", 0x9F))


def check_serial(part: Part, serial: CommandSet, refuse: Callable[[str], None]) -> None:
    """Call ``refuse`` with the first thing that is wrong with ``part.serial``; it does not return."""
    if part.kind != "spi-nor" or not part.jedec_id or part.program.unit != 1 or not part.program.page_size:
        refuse("a [serial] table needs kind spi-nor, a jedec_id, a page_size, and a unit of one byte")
    for erase in part.erase:
        if not erase.opcode:
            refuse(f"erase {erase.size}: a part with a [serial] table needs the opcode of each [[erase]]")
    reachable = part.size <= 1 << 24 or serial.address != "3"
    if not reachable:
        refuse(f"serial.address is 3-byte only, which ends at 16 MiB; the part has {part.size} bytes")
    _check_opcodes(serial, part.erase, refuse)
    for index, (name, value) in enumerate(() if serial.sfdp is None else serial.sfdp.as_dumped):
        where = f"serial.sfdp.as_dumped[{index}]: {name}"
        if name not in FIELDS:
            refuse(f"{where}: no such field{nearest(name, list(FIELDS))}")
        if value > FIELDS[name].ones:
            refuse(f"{where}: {value:#x} is more than its {FIELDS[name].width} bits hold")
    order = () if serial.sfdp is None else serial.sfdp.erase_order
    if order and sorted(order) != sorted(erase.size for erase in part.erase):
        refuse(f"serial.sfdp.erase_order must name each [[erase]] size once: {sorted(e.size for e in part.erase)}")


def _check_opcodes(serial: CommandSet, erases: tuple[Erase, ...], refuse: Callable[[str], None]) -> None:
    """One opcode, one command: but a protocol in which the opcode itself goes over two or four lines has its own."""
    taken: dict[tuple[str, int], str] = {}
    offered = [(f"read {c.lines}", c.lines, c.opcode, c.opcode_4b) for c in serial.reads]
    offered += [(f"program {c.lines}", c.lines, c.opcode, c.opcode_4b) for c in serial.programs]
    offered += [(f"erase {e.opcode:#04x}", "1-1-1", e.opcode, e.opcode_4b) for e in erases]
    offered += [("chip erase", "1-1-1", opcode, 0) for opcode in serial.chip_erase.opcodes]
    offered += [(name, "1-1-1", opcode, 0) for name, opcode in _EVERYWHERE]
    for label, lines, *opcodes in offered:
        protocol = lines.split("-")[0]
        for opcode in opcodes:
            if opcode and taken.setdefault((protocol, opcode), label) != label:
                refuse(f"serial: opcode {opcode:#04x} is both {taken[protocol, opcode]} and {label}")
