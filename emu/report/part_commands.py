"""The command set of a serial part as a person reads it: opcodes, delays, registers, one-time programmable areas.

Neighbours: `part_text` puts it on the page of a part. Runs nothing.
"""

from __future__ import annotations

from emu.report.columns import duration, labelled, size_text, source_lines
from flash.command_set import CommandSet, ReadCommand, SecurityRegisters, Suspend
from flash.part import Part

_ADDRESS = {"3": "3 bytes", "3-or-4": "3 or 4 bytes", "4": "4 bytes"}
_STYLES = {
    "registers": "programmed and erased until they are locked for good",
    "otp": "programmed once, never erased",
    "mode": "reached by the array's own commands between entering and leaving",
}
_LABEL = 16


def command_lines(part: Part, serial: CommandSet) -> list[str]:
    """Every command the part file knows, with its source."""
    lines = _line("dialect", f"{serial.family}, registers {serial.registers}, address {_ADDRESS[serial.address]}")
    lines += _line("quad enable", f"JESD216 code {serial.quad_enable}" if serial.quad_enable else "code not known")
    lines += _line("while busy", {"ff": "reads FF", "garbage": "reads garbage"}[serial.while_busy])
    if serial.registers_as_shipped:
        lines += _line("as shipped", " ".join(f"{value:02X}" for value in serial.registers_as_shipped))
    if serial.individual_locks:
        lines += _line("sector locks", "lock 36, unlock 39, read 3D, all 7E and 98, where bit WPS is set")
    if serial.unlock_at_power_up:
        lines += _line("power-up", "everything is write-protected until it is unlocked")
    if serial.unique_id_bytes:
        lines += _line("unique id", f"4B, {serial.unique_id_bytes} bytes")
    if serial.evaluate_erase_us:
        lines += _line("erase status", f"D0: whether an erase ran to its end, {duration(serial.evaluate_erase_us)}")
    lines += source_lines(serial.source, "")
    for read in serial.reads:
        lines += _line(f"read {read.lines}", _read(read))
    for program in serial.programs:
        lines += _line(f"program {program.lines}", _opcodes(program.opcode, program.opcode_4b))
    for erase in part.erase:
        limits = ", ".join(f"[{start:#x}, {end:#x})" for start, end in erase.ranges)
        only = f"  only in {limits}" if limits else ""
        lines += _line(f"erase {size_text(erase.size)}", _opcodes(erase.opcode, erase.opcode_4b) + only)
    lines += _line("erase the chip", " or ".join(f"{opcode:02X}" for opcode in serial.chip_erase.opcodes))
    return lines + _delays(serial)


def _delays(serial: CommandSet) -> list[str]:
    lines, power_up = [], serial.power_up
    if serial.suspend is not None:
        lines += _suspend(serial.suspend)
    if serial.power_down is not None:
        down = serial.power_down
        text = f"enter {down.enter:02X}, {duration(down.enter_us)}; leave {down.exit:02X}, {duration(down.exit_us)}"
        lines += [*_line("power down", text, starred=down.stand_in), *source_lines(down.source, down.stand_in)]
    if serial.soft_reset is not None:
        reset = serial.soft_reset
        text = f"66 then 99, {duration(reset.recovery_us)}"
        text += "; ignored while a register is written" if reset.spares_register_write else ""
        lines += [*_line("soft reset", text, starred=reset.stand_in), *source_lines(reset.source, reset.stand_in)]
    text = f"first command after {duration(power_up.select_us)}, first write after {duration(power_up.write_us)}"
    lines += [*_line("power up", text, starred=power_up.stand_in), *source_lines(power_up.source, power_up.stand_in)]
    if serial.four_byte is not None:
        four = serial.four_byte
        texts = [f"enter {four.enter:02X}, leave {four.exit:02X}"] if four.enter else ["no mode to enter"]
        texts += ["after 06"] if four.needs_wren else []
        texts += [f"bank register {four.extended_register}"] if four.extended_register != "none" else []
        lines += _line("4-byte address", "; ".join(texts))
        lines += source_lines(four.source, "") if four.source else []
    if serial.qpi is not None:
        lines += _line("four-line mode", f"enter {serial.qpi.enter:02X}, leave {serial.qpi.exit:02X}")
        lines += source_lines(serial.qpi.source, "")
    if serial.sfdp is not None:
        lines += _line("SFDP", f"5A, basic table of revision 1.{serial.sfdp.revision}")
        lines += source_lines(serial.sfdp.source, "")
    return lines + (_security(serial.security) if serial.security is not None else [])


def _suspend(s: Suspend) -> list[str]:
    lines = _stopped("program", s, s.program_suspend, s.program_resume, s.program_latency_us, s.program_gap_us)
    lines += _stopped("erase", s, s.erase_suspend, s.erase_resume, s.erase_latency_us, s.erase_gap_us)
    if not s.program_in_erase:
        lines += _line("", "nothing can be programmed while an erase is suspended")
    return lines + source_lines(s.source, s.stand_in)


def _stopped(what: str, rules: Suspend, stop: int, resume: int, latency: float, gap: float) -> list[str]:
    text = f"{stop:02X}, resume {resume:02X}; stops within {duration(latency)}"
    text += f", not again for {duration(gap)} after a resume" if gap else ""
    return _line(f"suspend {what}", text, starred=rules.stand_in)


def _security(area: SecurityRegisters) -> list[str]:
    named = (("read", area.read), ("program", area.program), ("erase", area.erase), ("enter", area.enter),
             ("leave", area.exit))  # fmt: skip
    opcodes = ", ".join(f"{name} {opcode:02X}" for name, opcode in named if opcode)
    text = f"{area.count} of {size_text(area.size)}, {_STYLES[area.style]}: {opcodes}"
    return [*_line("one-time areas", text), *source_lines(area.source, "")]


def _read(read: ReadCommand) -> str:
    clocks = [f"{read.mode_clocks} mode clocks"] if read.mode_clocks else []
    clocks += [f"{read.wait_clocks} wait clocks"] if read.wait_clocks else []
    clocks += ["double rate"] if read.dtr else []
    return f"{_opcodes(read.opcode, read.opcode_4b):<20}{', '.join(clocks)}".rstrip()


def _opcodes(opcode: int, opcode_4b: int) -> str:
    return f"{opcode:02X}" + (f", 4-byte {opcode_4b:02X}" if opcode_4b else "")


def _line(label: str, text: str, starred: str = "") -> list[str]:
    return labelled(label, text + (" *" if starred else ""), width=_LABEL)
