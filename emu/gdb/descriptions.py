"""What a target has, in the XML gdb asks for: registers by group, and a map of memory.

Neighbours: `stub` sends it in pieces. Knows no packet.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from xml.sax.saxutils import quoteattr

from emu.gdb.target import Register, Span


def target_description(registers: Sequence[Register]) -> str:
    """Numbers of registers are their places in ``registers``; those of one feature stand together."""
    lines = [
        '<?xml version="1.0"?>', '<!DOCTYPE target SYSTEM "gdb-target.dtd">', '<target version="1.0">',
        "<architecture>arm</architecture>",
    ]  # fmt: skip
    for feature, group in groupby(enumerate(registers), key=lambda each: each[1].feature):
        lines.append(f"<feature name={quoteattr(feature)}>")
        for number, register in group:
            lines.append(
                f'<reg name={quoteattr(register.name)} bitsize="{register.bits}" regnum="{number}" '
                f"type={quoteattr(register.type)}/>"
            )
        lines.append("</feature>")
    return "\n".join([*lines, "</target>"]) + "\n"


def memory_map(spans: Sequence[Span]) -> str:
    """So that gdb puts hardware breakpoints into flash, and reads what answers alone."""
    lines = [
        '<?xml version="1.0"?>',
        '<!DOCTYPE memory-map PUBLIC "+//IDN gnu.org//DTD GDB Memory Map V1.0//EN" '
        '"http://sourceware.org/gdb/gdb-memory-map.dtd">',
        "<memory-map>",
    ]
    for span in spans:
        head = f'<memory type="{span.kind}" start="{span.address:#x}" length="{span.size:#x}"'
        lines.append(
            f'{head}><property name="blocksize">{span.block:#x}</property></memory>'
            if span.kind == "flash"
            else f"{head}/>"
        )
    return "\n".join([*lines, "</memory-map>"]) + "\n"
