"""From firmware that updates nothing to a board file: the flash it writes, and what it says.

It is booted twice, uncut, on a bare chip: the flash it writes is taken for what it keeps, the line that both boots end
with for what shows that it works. Which lines speak of values, its author knows.

Neighbours: `survey` chooses the chip and calls; `lines` are those of the board file. Writes no file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from emu.cpu.chip import Chip
from emu.cpu.flash import make_controller
from emu.cpu.flash.regions import Region
from emu.elf.factory import rows_of
from emu.elf.survey.candidate import bases
from emu.elf.survey.choice import Choice
from emu.elf.survey.evidence import Evidence
from emu.elf.survey.lines import comment, line_of, quoted
from emu.words import counted

MISSING = "what it says of the values it keeps, or an oracle: [storage]"
BOOTS = ("first", "second")
_LIMIT_US = 5_000_000
_MAX_RESETS = 8
_MAX_LINES = 12
_SHOWN = 60
_NEAR = 0x100
"""Ranges less apart than this are one: a record in an EEPROM has gaps."""


@dataclass(frozen=True)
class Kept:
    """``windows``: [from, to) of flash that was written, in whole erase units. ``operations``, ``said`` (lines): of
    each boot. ``ends``: what is wrong with how the last of them ended, or ""."""

    windows: tuple[tuple[int, int], ...]
    operations: tuple[int, ...]
    said: tuple[tuple[str, ...], ...]
    ends: str = ""

    @property
    def last_line(self) -> str:
        """What every boot ends with, where that is one line."""
        found = {lines[-1] if lines else "" for lines in self.said}
        line = found.pop() if len(found) == 1 else ""
        return line if line.isascii() and line.isprintable() else ""

    @property
    def words(self) -> str:
        """What came of the boots, as a sentence."""
        if self.ends:
            return f"it does not come to rest: {self.ends}; `brownout boot` shows more once [storage] is filled in."
        if not self.windows:
            return "it writes no flash, so nothing would be cut."
        counts = ", then ".join(counted(count, "operation") for count in self.operations)
        places = " and ".join(f"[{start:#x}, {end:#x})" for start, end in self.windows)
        return f"{counts} on flash; it keeps something in {places}."


def watched(chip: Chip, evidence: Evidence) -> Kept:
    """Boots it, without a cut. Raises MissingExtra where there is no engine for the core."""
    from emu.cpu.machine import Machine
    from emu.cpu.session import CpuSession

    machine = Machine(chip, make_controller)
    size = machine.flash.geometry.size
    for segment in evidence.segments:
        base = next(at for at in bases(chip) if at <= segment.address < at + size)
        machine.flash.load(segment.address - base, segment.data)
    array = Region("flash", chip.flash.address, machine.flash, 0, size)
    regions = [array, *(row for row in rows_of(chip) if row.name == "eeprom")]
    session, written = CpuSession(machine), dict[int, int]()
    operations, said, ends = list[int](), list[tuple[str, ...]](), ""
    for _ in BOOTS:
        cause, done, heard = "power", 0, b""
        for _ in range(_MAX_RESETS):
            report = session.run(cause, _LIMIT_US)
            heard += report.output()
            for region in regions:
                made = [each for each in report.operations if each.device == region.device.name]
                done += len(made)
                sectors = [s for each in made for s in region.device.geometry.sectors_in(each.address, each.length)]
                shift = region.base - region.start
                written |= {sector.address + shift: sector.end + shift for sector in sectors}
            if report.ending.kind != "reset":
                break
            cause = report.ending.reason
        operations.append(done)
        said.append(tuple(line.strip() for line in heard.decode("latin-1").splitlines() if line.strip()))
        ends = (
            "it resets for ever" if report.ending.kind == "reset" else _fault(report.ending.kind, report.ending.handler)
        )
    return Kept(tuple(_joined(sorted(written.items()))), tuple(operations), tuple(said), ends)


def _fault(kind: str, handler: str) -> str:
    if kind == "lockup":
        return "the core locks up"
    return "" if handler == "thread" else f"it stands in {handler}"


def _joined(places: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Those that are near each other in one."""
    found: list[tuple[int, int]] = []
    for start, end in places:
        if found and start - found[-1][1] < _NEAR:
            found[-1] = found[-1][0], end
        else:
            found.append((start, end))
    return found


def board_text(choice: Choice, evidence: Evidence, kept: Kept | None, named: Callable[[Path], str]) -> str:
    """``kept`` None: nobody could boot it. ``named``: how the board file is to call a path."""
    return "\n".join(_lines(choice, evidence, kept, named)) + "\n"


def _lines(choice: Choice, evidence: Evidence, kept: Kept | None, named: Callable[[Path], str]) -> Iterator[str]:
    names = ", ".join(file.name for file in evidence.files)
    yield from comment(f"A board drafted from {names} by `brownout new --elf --storage`. Look at every line.")
    yield from comment(f"TO FILL IN: {MISSING}.")
    if kept is not None:
        yield from comment(f"Booted {len(BOOTS)} times as it is: {kept.words}")
    yield ""
    yield line_of(f"chip = {quoted(choice.name)}", choice.why)
    for note in choice.notes():
        yield from comment(note)
    yield line_of(f"name = {quoted(evidence.files[0].path.stem)}", "what reports call it: yours to change")
    for file in evidence.files:
        yield ""
        yield line_of("[[file]]", "what the factory programs")
        yield line_of(f"path = {quoted(named(file.path))}", "as given with --elf")
        if file.is_raw:
            yield line_of(f"address = {file.lead.address:#010x}", "where a raw binary lies: its vectors say so")
    for at, (start, end) in enumerate(() if kept is None else kept.windows):
        yield ""
        yield line_of("[[window]]", "flash that it keeps values in; what an oracle looks at")
        yield line_of(f"name = {quoted(f'kept-{at}' if at else 'kept')}", "yours to change")
        yield line_of(f"address = {start:#010x}", "tried: it writes here")
        yield line_of(f"size = {end - start:#x}", "the erase units that were written: give all that it may use")
    yield ""
    yield line_of("[storage]", "TO FILL IN: take the # away where a line fits what it says, and change it")
    yield line_of('# storing = "storing {key}={value}"', "before its first store: from here on the old value or this")
    yield line_of('# stored = "stored {key}={value}"', "it is there: from here on this one, whatever happens")
    yield line_of('# read = ["read {key}={value}", "no {key}"]', "what a boot finds, before it changes anything")
    yield line_of('# after_cut = "oracle.py:NAME"', "or, and: a function that looks at the windows")
    for boot, lines in zip(BOOTS, () if kept is None else kept.said, strict=False):
        yield from _heard(boot, lines)
    yield ""
    yield line_of("[alive]", "what shows that it works")
    if kept is not None and kept.last_line:
        yield line_of(f"uart = {quoted(kept.last_line)}", "tried: both boots end with this line")
    else:
        yield from comment(
            'give uart = "...", text that it sends when it has done its work; without it, stays_s is enough'
        )
    yield line_of("stays_s = 0.5", "seconds it has to go on for after that")


def _heard(boot: str, lines: Sequence[str]) -> Iterator[str]:
    yield f"# the {boot} boot says:" if lines else f"# the {boot} boot says nothing on any serial port"
    for line in lines[:_MAX_LINES]:
        yield f"#   {quoted(line[:_SHOWN])}"
    if len(lines) > _MAX_LINES:
        yield f"#   ... and {counted(len(lines) - _MAX_LINES, 'line')} more"
