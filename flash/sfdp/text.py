"""An SFDP table in words, and as a part file that a user completes.

Neighbours: `decode` gives the table, `part` the part that is written down here. Reads nothing.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from flash.command_set import ReadCommand
from flash.figure import Figure
from flash.part import Part
from flash.sfdp.decode import SfdpTable, Times
from flash.sfdp.part import NO_ID, part_from_table
from flash.sfdp_fields import BASIC, FIELDS, FOUR_BYTE, SCALES, SECTOR_MAP

NAMES = {BASIC: "basic table", FOUR_BYTE: "four-byte opcodes", SECTOR_MAP: "sector map"}
TO_COMPLETE = (
    "Made from an SFDP table. The table does not say, and these are stand-ins to be replaced:",
    "vendor, serial.family and serial.registers, read.bytes_per_us, endurance, serial.chip_erase.opcodes,",
    "serial.register_write_us, serial.power_up, serial.power_down.enter_us, serial.soft_reset.recovery_us,",
    "security registers. Maxima are typical times the multiplier of the table: upper bounds.",
)


def describe(decoded: SfdpTable) -> list[str]:
    """What a table says, a line each."""
    lines = [f"JESD216 revision 1.{decoded.revision}, " + ", ".join(
        f"{NAMES.get(h.id, f'vendor table {h.id:04X}')} ({h.dwords} DWORDs at {h.at:#x})" for h in decoded.headers
    )]  # fmt: skip
    page = "" if decoded.page_size is None else f", pages of {decoded.page_size} bytes"
    lines.append(f"{decoded.size} bytes{page}, address bytes: {decoded.address.replace('-', ' ')}")
    for kind in decoded.erases:
        wide = f" (four-byte {kind.opcode_4b:02X}h)" if kind.opcode_4b else ""
        lines.append(f"erase {kind.size} bytes: {kind.opcode:02X}h{wide}{_times(kind.time_us)}")
    for region in decoded.regions:
        sizes = ", ".join(str(kind.size) for kind in decoded.erases if kind.number in region.types)
        lines.append(f"[{region.start:#x}, {region.start + region.size:#x}): erases of {sizes} bytes")
    for read in decoded.reads:
        lines.append(_read(read))
    for label, times in (("page program", decoded.program), ("chip erase", decoded.chip_erase)):
        lines += [f"{label}{_times(times)}"] if times is not None else []
    if (suspend := decoded.suspend) is not None:
        other = ""
        if (suspend.program_suspend, suspend.program_resume) != (suspend.erase_suspend, suspend.erase_resume):
            other = f" (a program: {suspend.program_suspend:02X}h, {suspend.program_resume:02X}h)"
        lines.append(
            f"suspend {suspend.erase_suspend:02X}h, resume {suspend.erase_resume:02X}h{other}: within "
            f"{duration(suspend.program_latency_us)} (program), {duration(suspend.erase_latency_us)} (erase); "
            f"gap {duration(suspend.program_gap_us)}, {duration(suspend.erase_gap_us)}"
        )
    if decoded.power_down is not None:
        enter, leave, exit_us = decoded.power_down
        lines.append(f"deep power-down {enter:02X}h, out of it {leave:02X}h within {duration(exit_us)}")
    if decoded.quad_enable:
        lines.append(f"quad enable: code {decoded.quad_enable}")
    return lines


def skeleton(decoded: SfdpTable, name: str, *, jedec_id: str = NO_ID) -> str:
    """A part file, TOML, that `flash.part.load_part` takes; its head says what is left to fill in."""
    part = part_from_table(decoded, name, jedec_id=jedec_id)
    head = [f"# {line}" for line in TO_COMPLETE]
    if jedec_id == NO_ID:
        head.append(f"# jedec_id is in no SFDP table either: {NO_ID} is none.")
    return "\n".join([*head, "", *_document(part)]) + "\n"


def meaning(name: str, raw: int) -> str:
    """A field's value in words: 160 ms, 64 KiB, 0xD8."""
    if name in SCALES:
        return duration(SCALES[name].decode(raw))
    if name.endswith("_multiplier"):
        return f"maximum = typical x {2 * (raw + 1)}"
    if name.startswith("type_") and name.endswith("_size"):
        return f"{1 << raw} bytes" if raw else "absent"
    if name == "page_size":
        return f"{1 << raw} bytes"
    if name.endswith("_opcode"):
        return f"{raw:02X}h"
    return f"{raw:#x}" if FIELDS[name].width > 1 else str(raw)


def duration(duration_us: float) -> str:
    """80 us, 1.5 ms, 20 s."""
    for unit, size in (("s", 1e6), ("ms", 1e3)):
        if duration_us >= size:
            return f"{duration_us / size:g} {unit}"
    return f"{duration_us:g} us"


def _times(times: Times | None) -> str:
    return "" if times is None else f", typical {duration(times.typ_us)}, at most {duration(times.max_us)}"


def _read(read: ReadCommand) -> str:
    return f"read {read.lines}: {read.opcode:02X}h, {read.mode_clocks} mode and {read.wait_clocks} wait clocks"


def _document(part: Part) -> list[str]:
    """``part`` as TOML lines: plain values first, then its tables."""
    return _table(part, "")


def _table(struct: msgspec.Struct, path: str) -> list[str]:
    plain, below = [], []
    for field in msgspec.structs.fields(struct):
        value = getattr(struct, field.name)
        if value == field.default or value is None:
            continue
        where = f"{path}.{field.name}" if path else field.name
        if isinstance(value, msgspec.Struct) and not isinstance(value, Figure):
            below += ["", f"[{where}]", *_table(value, where)]
        elif isinstance(value, tuple) and value and field.name == "erase":
            for entry in value:
                below += ["", f"[[{where}]]", *_table(entry, where)]
        else:
            plain.append(f"{field.name} = {_inline(value)}")
    return plain + below


def _inline(value: Any) -> str:
    if isinstance(value, msgspec.Struct):
        fields = [
            (f.name, getattr(value, f.name))
            for f in msgspec.structs.fields(value)
            if f.default != getattr(value, f.name)
        ]
        return "{ " + ", ".join(f"{name} = {_inline(entry)}" for name, entry in fields) + " }"
    if isinstance(value, tuple):
        return "[" + ", ".join(_inline(entry) for entry in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
    return f"{value:.6f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
