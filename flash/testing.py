"""The public conformance kit: hold any `NorFlash`, ours or yours, to the promises of `contract`.

    from flash.testing import check_nor_flash
    check_nor_flash(lambda: FlashDevice(part), power=lambda device: device.supply)

Needs no test framework: a broken promise is a plain AssertionError whose text names the promise, the address,
what was expected and what was found. Only legal commands are given (whole units, one program per unit and
erase, erase units of the geometry), so ECC and program-once arrays pass as well. Neighbours: `contract` and
`geometry`; this room must not know `device`, `cells` or any part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol, TypeVar

from flash.blank import blank_array
from flash.contract import NorFlash
from flash.errors import FlashError, HardwareFault, Interrupted, OutOfBounds, PowerLost
from flash.geometry import Geometry

_CHUNK = 1 << 16
_SHOWN = 8

F = TypeVar("F", bound=NorFlash)


class PowerSwitch(Protocol):
    """What the kit asks of a supply; `Supply` fits. ``cut`` may return or raise PowerLost."""

    @property
    def on(self) -> bool: ...

    def cut(self) -> object: ...

    def restore(self) -> object: ...


@dataclass(frozen=True, slots=True)
class Promise:
    """One row: a name for reports, the promise in one sentence, and the function that checks it."""

    name: str
    sentence: str
    check: Callable[[Bench], None]
    needs_power: bool = False


@dataclass(frozen=True, slots=True)
class Conformance:
    """Names of the promises that were checked and held, and of those that need ``power`` and had none."""

    checked: tuple[str, ...]
    not_checked: tuple[str, ...]


def check_nor_flash(make: Callable[[], F], *, power: Callable[[F], PowerSwitch] | None = None) -> Conformance:
    """Check every row of ``PROMISES``; the first broken one raises AssertionError.

    ``make`` returns a new, erased flash each time it is called. ``power`` returns the supply of a flash made
    by it; without one, the promises about power loss are reported as not checked.
    """
    bench = Bench(make, power)
    checked, not_checked = [], []
    for row in PROMISES:
        if row.needs_power and power is None:
            not_checked.append(row.name)
            continue
        try:
            row.check(bench)
        except AssertionError as broken:
            raise AssertionError(f"broken promise {row.name!r} ({row.sentence}): {broken}") from broken
        except (Exception, Interrupted) as raised:
            what = f"{type(raised).__name__}: {raised}"
            raise AssertionError(f"broken promise {row.name!r} ({row.sentence}): it raised {what}") from raised
        checked.append(row.name)
    return Conformance(tuple(checked), tuple(not_checked))


class Bench:
    """Where the rows get their flash and its supply from."""

    def __init__(self, make: Callable[[], Any], power: Callable[[Any], PowerSwitch] | None) -> None:
        self.make = make
        self._power = power

    def fresh(self) -> Ledger:
        return Ledger(self.make())

    def cut(self, flash: NorFlash) -> PowerSwitch:
        """Take power away; returns the switch that brings it back."""
        assert self._power is not None, "a row without needs_power asked for the supply: please report"
        switch = self._power(flash)
        with suppress(PowerLost):
            switch.cut()
        if switch.on:
            raise AssertionError("the supply still reads on after cut()")
        return switch


class Ledger:
    """A flash, and what it must hold because of the commands given through here."""

    def __init__(self, flash: NorFlash) -> None:
        self.flash = flash
        self.geometry: Geometry = flash.geometry
        self.expected = blank_array(self.geometry.size, self.geometry.erased).data
        self._written: set[int] = set()

    def mark(self, address: int) -> None:
        """Program the unit at ``address`` unless it already is; places off the flash are passed over."""
        if 0 <= address < self.geometry.size and self.is_blank(address, 1):
            self.program(address, pattern(self.geometry, address, self.geometry.unit))

    def program(self, address: int, data: bytes) -> None:
        self._written.update(range(address, address + len(data), self.geometry.unit))
        self.expected[address : address + len(data)] = data
        self.flash.program(address, data)

    def erase(self, address: int, length: int) -> None:
        self._written.difference_update(range(address, address + length, self.geometry.unit))
        self.expected[address : address + length] = bytes([self.geometry.erased]) * length
        self.flash.erase(address, length)

    def is_blank(self, address: int, length: int) -> bool:
        return self._written.isdisjoint(range(address, address + length, self.geometry.unit))

    def adopt(self) -> None:
        """Expect what is there now, right or wrong."""
        for start in range(0, self.geometry.size, _CHUNK):
            stop = min(start + _CHUNK, self.geometry.size)
            self.expected[start:stop] = self.flash.read(start, stop - start)

    def verify(self, what: str, low: int = 0, high: int | None = None) -> None:
        """Compare [low, high), by default everything, with what must be there."""
        end = self.geometry.size if high is None else min(high, self.geometry.size)
        for start in range(max(0, low), end, _CHUNK):
            stop = min(start + _CHUNK, end)
            compare(what, start, bytes(self.expected[start:stop]), self.flash.read(start, stop - start))


def pattern(geometry: Geometry, address: int, length: int) -> bytes:
    """Content that differs from place to place and from erased in every byte."""
    mixed = (((address + index) * 0x9E3779B1 >> 13) & 0xFF for index in range(length))
    return bytes(value if value != geometry.erased else value ^ 0x5A for value in mixed)


def compare(what: str, address: int, expected: bytes, got: bytes) -> None:
    """Raise AssertionError at the first byte that differs."""
    if expected == got:
        return
    if len(expected) != len(got):
        raise AssertionError(f"{what}: a read at {address:#x}: expected {len(expected)} bytes, got {len(got)}")
    first = next(i for i, pair in enumerate(zip(expected, got, strict=True)) if pair[0] != pair[1])
    shown = slice(first, first + _SHOWN)
    raise AssertionError(f"{what}: at {address + first:#x} expected {expected[shown].hex()}, got {got[shown].hex()}")


def _wrong(what: str, address: int, expected: object, got: object) -> NoReturn:
    raise AssertionError(f"{what}: at {address:#x} expected {expected}, got {got}")


def _boundaries(geometry: Geometry) -> list[int]:
    """Sector boundaries worth looking at: around the ends, in the middle, and where the sector size changes."""
    found, start = {0, geometry.size}, 0
    for run in geometry.runs:
        end = start + run.count * run.size
        found |= {start, start + run.size, start + run.count // 2 * run.size, end - run.size, end}
        start = end
    return sorted(found)


def _erases(geometry: Geometry) -> list[tuple[int, int]]:
    """Every erase size at its first and last place, and wherever a boundary of interest allows it."""
    found: dict[tuple[int, int], None] = {}
    for size in geometry.erase_sizes:
        near = {geometry.align_down(b, size) for b in _boundaries(geometry)}
        for address in sorted(set(_boundaries(geometry)) | near | {b - size for b in near}):
            if 0 <= address < geometry.size and size in geometry.erase_sizes_at(address):
                found[address, size] = None
    return list(found)


# -- geometry --------------------------------------------------------------------------------------------


def _check_protocol(bench: Bench) -> None:
    flash = bench.make()
    if not isinstance(flash, NorFlash):
        missing = [n for n in ("geometry", "read", "program", "erase") if not hasattr(flash, n)]
        raise AssertionError(f"{type(flash).__name__} lacks {', '.join(missing)}")


def _check_sectors(bench: Bench) -> None:
    geometry = bench.make().geometry
    at = index = 0
    for sector in geometry.sectors_in(0, geometry.size):
        if (sector.address, sector.index) != (at, index):
            _wrong("sectors do not tile", at, f"sector {index}", sector)
        for inside in (sector.address, sector.end - 1):
            if geometry.sector_at(inside) != sector or geometry.sector_index(inside) != index:
                _wrong("sector_at and sectors_in disagree", inside, sector, geometry.sector_at(inside))
        at, index = sector.end, index + 1
    if (at, index) != (geometry.size, geometry.sector_count):
        _wrong("sectors do not end with the flash", at, f"{geometry.sector_count} sectors", index)


def _check_erase_sizes(bench: Bench) -> None:
    geometry = bench.make().geometry
    for address in _boundaries(geometry)[:-1]:
        sizes, sector = geometry.erase_sizes_at(address), geometry.sector_at(address)
        if not sizes or sizes[0] != sector.size or list(sizes) != sorted(set(sizes)):
            _wrong("erase sizes", address, f"ascending, from the sector's {sector.size:#x}", sizes)
        for size in sizes:
            if size not in geometry.erase_sizes or not geometry.is_erase(address, size):
                _wrong(f"an erase of {size:#x} is offered", address, "is_erase", "no erase unit")
            if geometry.sector_end(address + size) != address + size:
                _wrong(f"an erase of {size:#x} ends inside a sector", address, "a sector boundary", address + size)
        if sector.size > geometry.unit and geometry.erase_sizes_at(address + geometry.unit):
            _wrong("erase sizes inside a sector", address + geometry.unit, (), sizes)


def _check_programs(bench: Bench) -> None:
    geometry = bench.make().geometry
    unit, burst = geometry.unit, geometry.burst_size
    for start in {b + shift for b in _boundaries(geometry) for shift in (-burst - unit, -unit, 0, unit)}:
        for length in (unit, burst, burst + unit, 3 * burst):
            if start < 0 or start + length > geometry.size:
                continue
            at = start
            for address, size in geometry.programs(start, length):
                if address != at or not geometry.is_program(address, size):
                    _wrong(f"programs({start:#x}, {length})", at, "one legal command", f"({address:#x}, {size})")
                at += size
            if at != start + length:
                _wrong(f"programs({start:#x}, {length}) covers too little", at, f"{start + length:#x}", f"{at:#x}")


# -- content ---------------------------------------------------------------------------------------------


def _check_fresh(bench: Bench) -> None:
    bench.fresh().verify("a fresh flash")


def _check_independent(bench: Bench) -> None:
    first, second = bench.fresh(), bench.fresh()
    first.mark(0)
    second.verify("after a program on another flash")
    second.erase(0, second.geometry.erase_sizes_at(0)[0])
    first.verify("after an erase on another flash", 0, first.geometry.unit)


def _check_read_bounds(bench: Bench) -> None:
    flash = bench.make()
    size = flash.geometry.size
    for address, length in ((size, 1), (size - 1, 2), (0, size + 1), (-1, 1), (-1, 2), (size * 2, 1)):
        try:
            got = flash.read(address, length)
        except OutOfBounds:
            continue
        _wrong(f"read of {length} bytes", address, "OutOfBounds", f"{len(got)} bytes")
    for address in (0, size - 1):
        if len(flash.read(address, 1)) != 1:
            _wrong("read of 1 byte", address, "1 byte", "another length")


def _check_read_nothing(bench: Bench) -> None:
    flash = bench.make()
    for address in _boundaries(flash.geometry):
        compare("a read of no bytes", address, b"", flash.read(address, 0))


def _check_read_steady(bench: Bench) -> None:
    ledger = bench.fresh()
    for address in _boundaries(ledger.geometry):
        ledger.mark(address)
    ledger.adopt()
    for turn in ("second", "third"):
        ledger.verify(f"the {turn} read")


def _check_read_spans(bench: Bench) -> None:
    ledger = bench.fresh()
    geometry, unit = ledger.geometry, ledger.geometry.unit
    for boundary in _boundaries(geometry)[1:-1]:
        left, right = geometry.sector_at(boundary - 1), geometry.sector_at(boundary)
        ledger.mark(boundary - unit)
        ledger.mark(boundary)
        for low, high in ((boundary - 1, boundary + 1), (boundary - unit, boundary + unit), (left.address, right.end)):
            halves = ledger.flash.read(low, boundary - low) + ledger.flash.read(boundary, high - boundary)
            compare(f"a read across the boundary {boundary:#x}", low, halves, ledger.flash.read(low, high - low))


def _program_places(geometry: Geometry) -> Iterator[tuple[int, int]]:
    """Single units and full commands at both sides of every boundary, first and last unit included."""
    unit, burst = geometry.unit, geometry.burst_size
    for boundary in _boundaries(geometry):
        for address, length in ((boundary, unit), (boundary + burst, burst), (boundary - unit, unit)):
            if address >= 0 and address + length <= geometry.size:
                yield address, length
        inside = boundary - 2 * burst + unit
        if burst > 2 * unit and inside >= 0:
            yield inside, burst - 2 * unit


def _check_program(bench: Bench) -> None:
    ledger = bench.fresh()
    unit, burst = ledger.geometry.unit, ledger.geometry.burst_size
    for address, length in _program_places(ledger.geometry):
        if ledger.is_blank(address, length):
            ledger.mark(address - unit)
            ledger.mark(address + length)
            ledger.program(address, pattern(ledger.geometry, address, length))
            ledger.verify(f"after {length} bytes at {address:#x}", address - burst, address + length + burst)
    ledger.verify("after all programs")


def _check_program_over(bench: Bench) -> None:
    ledger = bench.fresh()
    geometry, unit = ledger.geometry, ledger.geometry.unit
    for address in sorted({0, geometry.align_down(geometry.size // 2, unit), geometry.size - unit}):
        ledger.program(address, bytes([0x5A]) * unit)
        for value in (0x3C, geometry.erased, 0xC3):
            before = ledger.flash.read(address, unit)
            asked = bytes([value]) * unit
            with suppress(FlashError, HardwareFault):
                ledger.flash.program(address, asked)
            got = ledger.flash.read(address, unit)
            moved = bytes(b & a if geometry.erased else b | a for b, a in zip(before, asked, strict=True))
            if got not in (before, moved):
                what = f"a program of {value:#04x} over {before[:_SHOWN].hex()}"
                _wrong(what, address, f"{moved[:_SHOWN].hex()} or no change", got[:_SHOWN].hex())
            ledger.expected[address : address + unit] = got
    ledger.verify("after programs over programmed content")


def _check_program_again(bench: Bench) -> None:
    ledger = bench.fresh()
    for sector in (ledger.geometry.sector_at(0), ledger.geometry.sector_at(ledger.geometry.size - 1)):
        for _ in range(3):
            for place in (sector.address, sector.end - ledger.geometry.unit):
                ledger.mark(place)
                ledger.verify("programmed after an erase", place, place + ledger.geometry.unit)
            ledger.erase(sector.address, sector.size)


def _check_erase(bench: Bench) -> None:
    ledger = bench.fresh()
    geometry, unit = ledger.geometry, ledger.geometry.unit
    for address, size in _erases(geometry):
        end, middle = address + size, geometry.align_down(address + size // 2, unit)
        for sector in geometry.sectors_in(address, size):
            ledger.mark(sector.address)
        for place in (address - unit, middle, end - unit, end):
            ledger.mark(place)
        ledger.erase(address, size)
        ledger.verify(f"after an erase of {size:#x} at {address:#x}", address - _CHUNK, end + _CHUNK)
    ledger.verify("after all erases")


# -- power -----------------------------------------------------------------------------------------------


def _accesses(flash: NorFlash) -> list[tuple[str, Callable[[], object]]]:
    geometry = flash.geometry
    blank_unit = geometry.sector_at(geometry.size - 1).address
    return [
        ("read", lambda: flash.read(0, 1)),
        ("program", lambda: flash.program(blank_unit, pattern(geometry, blank_unit, geometry.unit))),
        ("erase", lambda: flash.erase(0, geometry.erase_sizes_at(0)[0])),
    ]


def _check_survives(bench: Bench) -> None:
    ledger = bench.fresh()
    for boundary in _boundaries(ledger.geometry):
        ledger.mark(boundary)
    ledger.erase(0, ledger.geometry.erase_sizes_at(0)[0])
    bench.cut(ledger.flash).restore()
    ledger.verify("after power was cut and restored")


def _check_latch(bench: Bench) -> None:
    ledger = bench.fresh()
    ledger.mark(0)
    switch = bench.cut(ledger.flash)
    # Twice: a firmware that swallows the first PowerLost must meet the next.
    for name, access in _accesses(ledger.flash) * 2:
        try:
            access()
        except PowerLost:
            continue
        raise AssertionError(f"{name} without power: expected PowerLost, got an answer")
    switch.restore()
    ledger.verify("after accesses without power")


def _check_unwinds(bench: Bench) -> None:
    flash = bench.make()
    bench.cut(flash)
    for name, access in _accesses(flash):
        try:
            access()
        except Exception as caught:
            kind = type(caught).__name__
            raise AssertionError(f"{name} without power: a firmware that catches Exception caught {kind}") from None
        except PowerLost:
            continue


PROMISES: tuple[Promise, ...] = (
    Promise("protocol", "It has geometry, read, program and erase.", _check_protocol),
    Promise("sectors-tile", "Sectors cover the flash from 0 to its size, without gap or overlap.", _check_sectors),
    Promise("erase-sizes", "Every erase size offered at an address is an erase unit there.", _check_erase_sizes),
    Promise("programs-legal", "programs() covers a range exactly, in legal commands.", _check_programs),
    Promise("fresh-erased", "A fresh flash reads as erased, everywhere.", _check_fresh),
    Promise("independent", "Two flashes share no state.", _check_independent),
    Promise("read-bounds", "A read that leaves the flash raises OutOfBounds.", _check_read_bounds),
    Promise("read-nothing", "A read of no bytes returns no bytes.", _check_read_nothing),
    Promise("read-steady", "A read changes nothing.", _check_read_steady),
    Promise("read-spans", "A read may span sectors of any size.", _check_read_spans),
    Promise("program", "A program leaves its data in erased units, and changes no other byte.", _check_program),
    Promise("program-over", "A program over programmed content never brings a bit back.", _check_program_over),
    Promise("program-again", "What was erased can be programmed again.", _check_program_again),
    Promise("erase", "An erase restores exactly its unit, and changes no other byte.", _check_erase),
    Promise("power-survives", "Content survives a power cut.", _check_survives, needs_power=True),
    Promise("power-latch", "Without power every access raises PowerLost and changes nothing.", _check_latch, True),
    Promise("power-unwinds", "No firmware that catches Exception survives a power cut.", _check_unwinds, True),
)  # fmt: skip
