"""Flash parts as a person reads them: a table of all, or everything about one.

A value with a ``*`` is a stand-in: no document gives it for this part, and whose it is stands below it. Neighbours:
`parts` knows what applies to a part, `part_commands` explains its command set. Plain text, 100 columns. Runs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from emu.report.columns import figure_lines, labelled, size_text, source_lines, wrapped
from emu.report.part_commands import command_lines
from emu.report.part_sfdp import sfdp_lines
from emu.report.parts import TRUST, stand_ins, tear_rows
from emu.words import counted
from flash.figure import Figure
from flash.part import Part
from flash.part_controller import Controller
from flash.tears import TEAR_SETS

_FAULTS = {
    "nmi": "reading a broken unit raises NMI",
    "bus-fault": "reading a broken unit is a bus fault",
    "flag": "reading a broken unit returns what is there and sets a flag",
}
_OVERWRITE = {
    "and": "bits only move away from erased",
    "blank-only": "a unit that is not blank refuses a program",
    "blank-or-zero": "a unit that is not blank refuses a program of anything but zeros",
    "rewrites": "erased and programmed in one cycle",
}
_KINDS = {
    "spi-nor": "serial NOR flash",
    "parallel-nor": "parallel NOR flash",
    "mcu-word": "a microcontroller's own flash, without error correction",
    "mcu-ecc": "a microcontroller's own flash, with error correction",
    "eeprom": "an I2C EEPROM",
    "stm32f1": "the flash of an STM32F1: atomic half-words",
}


# -- the table ---------------------------------------------------------------------------------------------


def table(parts: Sequence[Part]) -> str:
    """One line per part."""
    head = f"{'part':<15}{'vendor':<21}{'kind':<13}{'size':>8}  {'erase':<18}{'program':<9}{'trust':<14}*"
    lines = [head, *(_row(part).rstrip() for part in parts), ""]
    lines += [
        "program: bytes per unit / per page.  *: how many values are stand-ins.  trust:",
        *(
            f"  {name:<14}{words}"
            for name, words in TRUST.items()
            if any(part.trust == name for part in parts) and name
        ),
        "",
        f"{counted(len(parts), 'part')}; `brownout parts NAME` explains one, with its sources.",
    ]
    return "\n".join(lines)


def _row(part: Part) -> str:
    erase = " ".join(size_text(size).replace(" KiB", "K").replace(" B", "") for size in part.geometry.erase_sizes)
    program = f"{part.program.unit}/{part.program.page_size or '-'}"
    return (
        f"{part.name:<15}{part.vendor.partition(' (')[0]:<21}{part.kind:<13}{size_text(part.size):>8}  {erase:<18}"
        f"{program:<9}{part.trust or '-':<14}{len(stand_ins(part)) or ''}"
    )


# -- one part ----------------------------------------------------------------------------------------------


def page(part: Part, boards: Sequence[str]) -> str:
    """Everything about one part. ``boards``: names of the boards that carry it."""
    lines = [f"{part.name}: {size_text(part.size)}, {part.vendor}", ""]
    lines += _facts(part)
    lines += ["", "geometry", *_geometry(part)]
    lines += ["", "times and limits" + (" (*: a stand-in)" if stand_ins(part) else ""), *_figures(part)]
    if part.serial is not None:
        lines += ["", "commands (hex)", *command_lines(part, part.serial)]
    if sfdp := sfdp_lines(part):
        lines += ["", "SFDP: what it answers 5A with", *sfdp]
    if part.notes:
        lines += ["", "notes", *(line for note in part.notes for line in wrapped(note, first="  - ", rest="    "))]
    lines += ["", "tears: what an interrupted operation can leave", *_tears(part)]
    lines += ["", *wrapped(", ".join(boards) or "none of the bundled ones", first="boards     ", rest=" " * 11)]
    return "\n".join(lines)


def _facts(part: Part) -> list[str]:
    lines = labelled("kind", f"{part.kind}: {_KINDS[part.kind]}", indent=0)
    lines += labelled("trust", f"{part.trust or '-'}: {TRUST[part.trust]}", indent=0)
    borrowed = len(stand_ins(part))
    if borrowed:
        lines += labelled("", f"{counted(borrowed, 'value')} borrowed from other parts, marked *", indent=0)
    if part.aliases:
        lines += labelled("also", ", ".join(part.aliases), indent=0)
    if part.jedec_id:
        extended = part.serial.jedec_ext if part.serial is not None else ""
        lines += labelled("JEDEC id", " ".join(filter(None, (part.jedec_id, extended))), indent=0)
    return lines + labelled("source", part.source, indent=0)


def _geometry(part: Part) -> list[str]:
    geometry, program = part.geometry, part.program
    runs = ", then ".join(f"{run.count:,} of {size_text(run.size)}" for run in part.sectors)
    lines = labelled("array", f"{part.size:,} bytes, erased to {part.erased:02X}, at {part.base:#010x}")
    lines += labelled("sectors", runs)
    blocks = [size_text(size) for size in geometry.block_sizes]
    if blocks:
        lines += labelled("blocks", f"{', '.join(blocks)} erase several sectors at once")
    room = f"pages of {size_text(program.page_size)}" if program.page_size else f"bursts of {geometry.burst_size} bytes"
    lines += labelled(
        "program", f"{counted(program.unit, 'byte')} at least, in {room}; {_OVERWRITE[program.overwrite]}"
    )
    if program.max_per_erase:
        piece = f"each {program.budget_size} bytes" if program.budget_size else "each unit"
        lines += labelled("", f"{piece}: {counted(program.max_per_erase, 'program')} between two erases")
    if program.source:
        lines += labelled("", f"source: {program.source}")
    if part.ecc is not None:
        lines += labelled("ECC", _FAULTS[part.ecc.fault])
        if part.ecc.corrects:
            lines += labelled("", "one wrong bit is corrected")
        if not part.ecc.blank_detects_double:
            lines += labelled("", "two wrong bits in a blank unit are not detected")
        lines += labelled("", f"source: {part.ecc.source}")
    return lines


# -- figures -----------------------------------------------------------------------------------------------


def _figures(part: Part) -> list[str]:
    program, lines = part.program, [f"  {'':<34}{'typical':>12}{'maximum':>12}"]
    amount = size_text(program.page_size) if program.page_size else counted(program.unit, "byte")
    lines += figure_lines(f"program {amount}", program.time_us)
    if program.first_byte_us is not None:
        lines += figure_lines("program, the first byte", program.first_byte_us)
    if program.next_byte_us is not None:
        lines += figure_lines("program, each further byte", program.next_byte_us)
    for erase in part.erase:
        lines += figure_lines(f"erase {size_text(erase.size)}", erase.time_us)
    if part.serial is not None:
        lines += figure_lines("erase the chip", part.serial.chip_erase.time_us)
        lines += figure_lines("write a register", part.serial.register_write_us)
    if part.controller is not None:
        for label, figure in _controller_figures(part.controller):
            lines += figure_lines(label, figure)
    lines += [f"  {'read':<34}{part.read.bytes_per_us:>12g} bytes/us", *source_lines(part.read.source, "")]
    star = "*" if part.endurance.stand_in else ""
    lines.append(f"  {'endurance':<34}{part.endurance.cycles:>12,}{star} erases of a sector")
    return lines + source_lines(part.endurance.source, part.endurance.stand_in)


def _controller_figures(controller: Controller) -> list[tuple[str, Figure]]:
    """Durations of what the controller of a microcontroller offers besides, in words."""
    figures = []
    if controller.mass_erase_us is not None:
        figures.append(("mass erase" if controller.banks == 1 else "mass erase of a bank", controller.mass_erase_us))
    if controller.row_us is not None:
        figures.append((f"program a row of {size_text(controller.row_size)}", controller.row_us))
    for width in controller.widths:
        figures += [(f"erase {size_text(each.size)} at x{width.bits}", each.time_us) for each in width.erase]
    return figures


# -- tears -------------------------------------------------------------------------------------------------


def _tears(part: Part) -> list[str]:
    rows, lines = tear_rows(part), []
    for tier in sorted({row.tier for row in rows}):
        sets = ", ".join(name for name, chosen in TEAR_SETS.items() if tier in chosen.tiers)
        lines.append(f"  tier {tier}" + (f" (--tears {sets})" if sets else ""))
        for row in rows:
            if row.tier == tier:
                lines += wrapped(f"{row.of}: {row.physics}", first=f"    {row.name:<17} ", rest=" " * 22)
                lines += wrapped(f"source: {row.source}", first=" " * 22, rest=" " * 24)
    return lines
