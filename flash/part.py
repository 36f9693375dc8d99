"""A real chip as data: geometry, command rules, timings, limits, each figure with its source.

Neighbours: `device` and `timing` obey a part, `tears` picks its table by `kind`. The chips themselves are
`parts/*.toml`; users add theirs in files of their own. A figure that no document gives is still present, but
it says which side is unknown and names the stand-in that is used instead.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from itertools import pairwise
from math import ceil, isfinite
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from flash.command_set import CommandSet
from flash.errors import FlashError, PartError
from flash.figure import Figure
from flash.geometry import Geometry, SectorRun
from flash.part_controller import Controller, check_controller, controller_figures
from flash.part_serial import check_serial
from flash.part_two_wire import TwoWire, check_two_wire
from flash.tomlfile import decode_toml, nearest, read_toml

PartKind = Literal["spi-nor", "parallel-nor", "mcu-word", "mcu-ecc", "stm32f1", "eeprom"]
Positive = Annotated[int, msgspec.Meta(gt=0)]
Size = Annotated[int, msgspec.Meta(gt=0, le=1 << 30)]
Speed = Annotated[float, msgspec.Meta(ge=0.001, le=1e6)]
NonNegative = Annotated[int, msgspec.Meta(ge=0)]
Byte = Annotated[int, msgspec.Meta(ge=0, le=0xFF)]
Trust = Literal[
    "", "datasheet", "sfdp", "vendor-model", "quoted", "driver", "mixed", "family", "geometry-only", "recalled"
]


class Runs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    count: Positive
    size: Positive


class Erase(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One erase unit the part offers, and how long it takes. ``opcode`` 0: no serial command (an MCU's own array).

    ``ranges``: [start, end) where it is offered, for a part on which what an opcode erases depends on the address; ():
    everywhere.
    """

    size: Positive
    time_us: Figure
    opcode: Byte = 0
    opcode_4b: Byte = 0
    ranges: tuple[tuple[NonNegative, Positive], ...] = ()


class Program(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The program command. ``time_us`` is for ``per`` bytes: a full page, or one unit.

    ``overwrite``: what the silicon does with a unit that is not blank: ``and`` (bits only move away from
    erased), ``blank-only`` (refused), ``blank-or-zero`` (refused unless the data is all zero), ``rewrites`` (an EEPROM:
    it is erased and programmed in one cycle).
    ``max_per_erase``: programs one unit takes between two erases; 0: no stated limit. ``budget_size``: where the limit
    counts for a larger piece (SAM D21: 8 page writes per row), its size in bytes.
    ``first_byte_us``: when given, a short program takes less, in a straight line from one byte to a full page.
    ``next_byte_us`` is what an SFDP table says beside it; it takes no part in time, because vendors' first and next
    byte figures do not add up to their page figure.
    """

    unit: Positive
    time_us: Figure
    page_size: NonNegative = 0
    burst_size: NonNegative = 0
    overwrite: Literal["and", "blank-only", "blank-or-zero", "rewrites"] = "and"
    max_per_erase: NonNegative = 0
    budget_size: NonNegative = 0
    first_byte_us: Figure | None = None
    next_byte_us: Figure | None = None
    source: str = ""


class Read(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How fast content comes out: the bus the board runs, or the core's own port."""

    bytes_per_us: Speed
    source: str


class Ecc(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Error correction of an MCU array. ``fault``: what reading an uncorrectable granule does. ``corrects``: whether a
    single wrong bit is repaired and only flagged. ``blank_detects_double`` False: all-ones granules have no
    double-error detection, so a nearly blank one may be repaired to the wrong value (STM32L4).
    """

    fault: Literal["nmi", "bus-fault", "flag"]
    source: str
    corrects: bool = True
    blank_detects_double: bool = True


class Endurance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    cycles: Positive
    source: str
    stand_in: str = ""


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """A part: flash, or an EEPROM. ``base`` is where the array appears in the processor's address space.

    ``trust``: what kind of document most of its figures come from ("" not said): the vendor's ``datasheet``, a
    decoded ``sfdp`` table, a ``vendor-model``, a datasheet ``quoted`` by a third party, the constants of a ``driver``,
    ``mixed`` kinds, a sibling of the same ``family``, ``geometry-only`` (no time was read), or memory (``recalled``).
    ``aliases``: other names it is asked for by.
    """

    name: str
    vendor: str
    kind: PartKind
    size: Size
    sectors: tuple[Runs, ...]
    program: Program
    erase: tuple[Erase, ...]
    read: Read
    endurance: Endurance
    source: str
    erased: Literal[0xFF, 0x00] = 0xFF
    base: NonNegative = 0
    jedec_id: Annotated[str, msgspec.Meta(pattern="^([0-9A-F]{6})?$")] = ""
    ecc: Ecc | None = None
    serial: CommandSet | None = None
    controller: Controller | None = None
    two_wire: TwoWire | None = None
    notes: tuple[str, ...] = ()
    trust: Trust = ""
    aliases: tuple[str, ...] = ()

    @property
    def geometry(self) -> Geometry:
        cached: Geometry | None = self.__dict__.get("_geometry")
        if cached is None:
            cached = self._make_geometry()
            self.__dict__["_geometry"] = cached
        return cached

    @property
    def is_external(self) -> bool:
        """A chip of its own: a reset of the processor does not stop what it is doing."""
        return self.kind in ("spi-nor", "parallel-nor", "eeprom")

    def _make_geometry(self) -> Geometry:
        largest = max(run.size for run in self.sectors)
        return Geometry(
            size=self.size,
            unit=self.program.unit,
            page_size=self.program.page_size,
            burst_size=self.program.page_size or self.program.burst_size,
            runs=tuple(SectorRun(run.count, run.size) for run in self.sectors),
            block_sizes=tuple(e.size for e in self.erase if e.size > largest),
            erase_times_us=tuple((e.size, ceil(e.time_us.typ)) for e in self.erase),
            erased=self.erased,
            block_ranges=tuple((e.size, *limits) for e in self.erase if e.size > largest for limits in e.ranges),
            is_erasable=self.kind != "eeprom",
        )


def part_names() -> tuple[str, ...]:
    """Names of the bundled flash parts, sorted."""
    return _names_in("parts")


def eeprom_names() -> tuple[str, ...]:
    """Names of the bundled EEPROMs, sorted."""
    return _names_in("eeproms")


def _names_in(folder: str) -> tuple[str, ...]:
    files = resources.files("flash").joinpath(folder).iterdir()
    return tuple(sorted(f.name.removesuffix(".toml") for f in files if f.name.endswith(".toml")))


@cache
def bundled_part(name: str) -> Part:
    """A part of `parts/` or `eeproms/`, by name or alias (case does not matter). Raises PartError with the nearest
    name."""
    names = (*part_names(), *eeprom_names())
    match = {known.lower(): known for known in names}.get(name.lower())
    if match is None:
        aliases = {alias.lower(): known for known in names for alias in _part_file(known).aliases}
        match = aliases.get(name.lower())
    if match is None:
        raise PartError(f"no part named {name!r}{nearest(name, names)}")
    return _part_file(match)


@cache
def _part_file(match: str) -> Part:
    folder = "parts" if match in part_names() else "eeproms"
    text = resources.files("flash").joinpath(folder, f"{match}.toml").read_text(encoding="utf-8")
    return part_from_text(text, f"{folder}/{match}.toml")


def load_part(path: Path) -> Part:
    """A part from a user's own file."""
    return checked_part(read_toml(path, Part, error=PartError), str(path))


def part_from_text(text: str, where: str) -> Part:
    """A part from the text of a part file; ``where`` names it in what a PartError says."""
    return checked_part(decode_toml(text, Part, where=where, error=PartError), where)


def checked_part(part: Part, where: str) -> Part:
    """``part``, when it is one that can be; ``where`` names it in what a PartError says."""

    def refuse(what: str) -> None:
        raise PartError(f"{where}: {what}")

    if not part.sectors:
        refuse("a part needs at least one [[sectors]] run")
    try:
        geometry = part.geometry
    except FlashError as wrong:
        raise PartError(f"{where}: {wrong}") from None
    program = part.program
    if not geometry.burst_size:
        refuse("program needs page_size, or burst_size for a part without pages")
    if geometry.burst_size % program.unit:
        refuse(f"program.unit {program.unit} does not divide the page or burst of {geometry.burst_size} bytes")
    if geometry.smallest_sector_size % geometry.burst_size:
        refuse(
            f"programs are cut at multiples of {geometry.burst_size} bytes, which must divide the "
            f"{geometry.smallest_sector_size}-byte sector"
        )
    if program.page_size and program.burst_size:
        refuse("program.burst_size is for parts without pages; this one has page_size")
    if part.kind == "mcu-ecc" and program.max_per_erase != 1:
        refuse("an ECC granule is program-once: program.max_per_erase must be 1")
    if (part.kind == "mcu-ecc") != (part.ecc is not None):
        refuse("a part of kind mcu-ecc, and no other, needs an [ecc] table that says how a fault shows")
    if program.budget_size and (not program.max_per_erase or program.budget_size % program.unit):
        refuse("program.budget_size needs max_per_erase, and is a multiple of the unit")
    if part.serial is not None:
        check_serial(part, part.serial, refuse)
    if part.controller is not None:
        check_controller(part, part.controller, refuse)
    check_two_wire(part, refuse)
    offered = [e.size for e in part.erase]
    if len(set(offered)) != len(offered):
        refuse("two [[erase]] entries have the same size")
    for run in part.sectors:
        if run.size not in offered and geometry.is_erasable:
            refuse(f"sectors of {run.size} bytes have no [[erase]] entry of that size")
    for size in offered:
        if size not in geometry.erase_sizes:
            refuse(f"[[erase]] of {size} bytes is no sector size and no block size of this part")
        if size % geometry.smallest_sector_size:
            refuse(f"[[erase]] of {size} bytes is not a multiple of the sector size")
    for small, large in pairwise(geometry.erase_sizes if geometry.is_uniform else ()):
        if large % small:
            refuse(f"erase sizes must nest: {large} is not a multiple of {small}")
    for label, source in _sources(part):
        if not source:
            refuse(f"{label}: source is empty; every figure needs its source")
    for label, figure in _figures(part):
        if not isfinite(figure.max):
            refuse(f"{label}: max {figure.max} is no duration")
        if figure.max < figure.typ:
            refuse(f"{label}: max {figure.max} is below typ {figure.typ}")
        if figure.unknown and not figure.stand_in:
            refuse(f"{label}: {', '.join(figure.unknown)} unknown, so stand_in must name what is used instead")
        if not figure.source:
            refuse(f"{label}: every figure needs its source")
    return part


def _sources(part: Part) -> list[tuple[str, str]]:
    sources = [("read", part.read.source), ("endurance", part.endurance.source), ("part", part.source)]
    if part.ecc is not None:
        sources.append(("ecc", part.ecc.source))
    if part.two_wire is not None:
        sources.append(("two_wire", part.two_wire.source))
    if part.serial is not None:
        serial = part.serial
        sources += [("serial", serial.source), ("serial.power_up", serial.power_up.source)]
        for label, table in (
            ("suspend", serial.suspend),
            ("power_down", serial.power_down),
            ("soft_reset", serial.soft_reset),
            ("security", serial.security),
        ):
            if table is not None:
                sources.append((f"serial.{label}", table.source))
    return sources


def _figures(part: Part) -> list[tuple[str, Figure]]:
    figures = [("program.time_us", part.program.time_us)]
    for label, figure in (
        ("program.first_byte_us", part.program.first_byte_us),
        ("program.next_byte_us", part.program.next_byte_us),
    ):
        if figure is not None:
            figures.append((label, figure))
    figures += [(f"erase {e.size}: time_us", e.time_us) for e in part.erase]
    if part.serial is not None:
        figures.append(("serial.chip_erase.time_us", part.serial.chip_erase.time_us))
        figures.append(("serial.register_write_us", part.serial.register_write_us))
    if part.controller is not None:
        figures += controller_figures(part.controller)
    return figures
