"""Files run on a chip, before there is a board: nothing is known of slots, so what shows is whether this can be the
chip at all.

Neighbours: `candidate` takes the points. Needs an engine for the core: MissingExtra where there is none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from emu.cpu.chip import Chip
from emu.cpu.flash import make_controller
from emu.elf.survey.candidate import Candidate, bases
from emu.elf.survey.evidence import Evidence
from emu.words import counted, printable

LIMIT_US = 300_000
_MAX_RESETS = 3
_SHOWN = 60


@dataclass(frozen=True)
class Tryout:
    """``faults``: the core ran into something it cannot do. ``waits_for``: the register it polls for ever, 0 for none.
    ``strangers``: addresses where the chip has nothing. ``said``: on any port."""

    faults: str
    waits_for: int
    strangers: tuple[int, ...]
    refused: int
    said: str


def tried(candidate: Candidate, evidence: Evidence) -> Candidate:
    """``candidate`` with what came of it."""
    seen = _run(candidate.chip, evidence)
    if seen.faults:
        found = candidate.with_reason(-10, f"it runs into {seen.faults}")
    elif seen.waits_for:
        found = candidate.with_reason(-6, f"it polls {seen.waits_for:#010x} for ever")
    else:
        found = candidate.with_reason(3, "it runs there without a fault")
    if seen.strangers:
        first = ", ".join(f"{at:#010x}" for at in seen.strangers[:3])
        found = found.with_reason(
            -min(6, len(seen.strangers)), f"it touches {first} on the way, where the chip has nothing"
        )
    if seen.refused:
        found = found.with_reason(-3, f"the flash controller refuses {counted(seen.refused, 'operation')}")
    if seen.said:
        found = found.with_reason(3, f"it says {seen.said!r}")
    return replace(found, tried=seen.faults or "runs")


def _run(chip: Chip, evidence: Evidence) -> Tryout:
    from emu.cpu.machine import Machine
    from emu.cpu.session import CpuSession

    machine = Machine(chip, make_controller)
    for segment in evidence.segments:
        base = next(at for at in bases(chip) if at <= segment.address < at + machine.flash.geometry.size)
        machine.flash.load(segment.address - base, segment.data)
    session, cause, said, refused = CpuSession(machine), "power", b"", 0
    for _ in range(_MAX_RESETS):
        report = session.run(cause, LIMIT_US)
        said += report.output()
        refused += len(report.notes)
        ending = report.ending
        if ending.kind != "reset":
            break
        cause = ending.reason
    strangers = tuple(each.offset for each in report.unknown if not each.peripheral)
    fault = str(machine.core.last_fault or "") if ending.kind == "lockup" or ending.handler == "HardFault" else ""
    text = said.decode("latin-1")
    line = next((line.strip() for line in text.splitlines() if line.strip()), "") if text.isascii() else ""
    return Tryout(
        fault or ("a lockup" if ending.kind == "lockup" else ""),
        ending.register if ending.kind == "stalled" else 0,
        strangers,
        refused,
        printable(line)[:_SHOWN],
    )
