"""What silicon makes of a command that is not one legal operation: wrapped, truncated, refused or ignored.

Pure: part, cells and command in, what is executed and what goes on record out. Neighbours: `device` acts on it. Knows
no time, no power and no journal.
"""

from __future__ import annotations

from dataclasses import dataclass

from flash.cells import Cells
from flash.errors import FlashError, OutOfBounds
from flash.part import Part


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing the silicon did not do as asked. ``rule`` is its name, ``message`` says what happened instead."""

    address: int
    length: int
    rule: str
    message: str


def settle_program(part: Part, address: int, data: bytes) -> tuple[tuple[int, bytes] | None, list[Remark]]:
    """The program silicon executes (None: nothing at all) when one command is not legal as it stands."""
    geometry, length = part.geometry, len(data)
    if not length:
        return None, [Remark(address, 0, "empty-program", "a program without data is ignored")]
    if not geometry.page_size or address % geometry.unit or length % geometry.unit:
        return None, [_refused_program(part, address, length)]
    remarks: list[Remark] = []
    if not 0 <= address < geometry.size:
        remarks.append(
            Remark(
                address, length, "beyond-array",
                f"address {address:#x} is beyond the array: the upper address bits are ignored",
            )
        )  # fmt: skip
        address %= geometry.size
    page = geometry.align_down(address, geometry.page_size)
    if address + length > page + geometry.page_size:
        remarks.append(
            Remark(
                address, length, "page-wrap",
                f"{length} bytes at {address:#x} leave their {geometry.page_size}-byte page: the address wraps, "
                "the last bytes win",
            )
        )  # fmt: skip
        return (page, latched(part, address, data)), remarks
    return (address, data), remarks


def latched(part: Part, address: int, data: bytes) -> bytes:
    """The page latch after ``data`` was shifted in from ``address`` on: it wraps, and the last bytes win."""
    geometry = part.geometry
    size, start = geometry.page_size, address % geometry.page_size
    latch = bytearray([geometry.erased]) * size
    for index, value in enumerate(data[-size:], max(0, len(data) - size)):
        latch[(start + index) % size] = value
    return bytes(latch)


def _refused_program(part: Part, address: int, length: int) -> Remark:
    geometry = part.geometry
    if address % geometry.unit or length % geometry.unit:
        why = f"not aligned to the {geometry.unit}-byte program unit"
    elif address < 0 or address + length > geometry.size:
        why = f"outside the array [0x0, {geometry.size:#x})"
    else:
        why = f"longer than the {geometry.burst_size} bytes one command carries"
    return Remark(address, length, "refused-program", f"{length} bytes at {address:#x} are {why}: refused")


def acceptable_units(part: Part, cells: Cells, address: int, data: bytes) -> tuple[bytes, Remark | None]:
    """The leading units the controller accepts; it stops at the first it refuses."""
    rules, unit = part.program, part.program.unit
    blank, zero = bytes([cells.erased]) * unit, bytes(unit)
    for offset in range(0, len(data), unit):
        at = address + offset
        piece = rules.budget_size or unit
        pending = (at - max(address, part.geometry.align_down(at, piece))) // unit
        uses = cells.uses_in(at, piece) + pending
        is_spent = rules.max_per_erase and uses >= rules.max_per_erase
        reads_blank = cells.read(at, unit) == blank
        is_blank = not uses and reads_blank
        if rules.overwrite == "and":
            allowed = not is_spent
        else:
            allowed = is_blank or (
                rules.overwrite == "blank-or-zero" and data[offset : offset + unit] == zero and not reads_blank
            )
        if not allowed:
            why = f"was programmed {uses} times since its erase" if uses else "is not blank"
            what = f"{rules.budget_size}-byte row" if rules.budget_size else f"{unit}-byte unit"
            return data[:offset], Remark(at, unit, "spent-unit", f"the {what} at {at:#x} {why}: not programmed")
    return data, None


def unprogrammable(cells: Cells, address: int, data: bytes) -> Remark | None:
    """A byte that had to move back towards erased stays as it was. A wholly erased byte asks for nothing."""
    held = cells.read(address, len(data))
    for offset, (asked, got) in enumerate(zip(data, held, strict=True)):
        moved_back = asked & ~got if cells.erased else got & ~asked
        if asked != cells.erased and moved_back:
            direction = "0 to 1" if cells.erased else "1 to 0"
            return Remark(
                address + offset, 1, "unerased",
                f"program of {asked:#04x} at {address + offset:#x} needs a bit to go from {direction}: "
                f"it stays, the byte reads {got:#04x}",
            )  # fmt: skip
    return None


def settle_erase(part: Part, address: int, length: int, name: str) -> tuple[int, list[Remark]]:
    """The address silicon erases. Raises FlashError for a size the part does not have, or not there."""
    geometry = part.geometry
    if not geometry.is_erasable:
        raise FlashError(
            f"{name}: {part.name} is an EEPROM, which has no erase command: a write erases what it programs",
            address=address,
            length=length,
        )
    if length not in geometry.erase_sizes:
        sizes = ", ".join(f"{s:#x}" for s in geometry.erase_sizes)
        raise FlashError(
            f"{name}: {part.name} has no erase of {length:#x} bytes; its sizes are {sizes}",
            address=address,
            length=length,
        )
    remarks: list[Remark] = []
    if not 0 <= address < geometry.size and not part.is_external:
        base = f"; addresses count from 0, the processor sees the array at {part.base:#x}" if part.base else ""
        raise OutOfBounds(
            f"{name}: erase at {address:#x} is outside the {part.name} [0x0, {geometry.size:#x}){base}",
            address=address,
            length=length,
        )
    if not 0 <= address < geometry.size:
        remarks.append(
            Remark(
                address, length, "beyond-array",
                f"erase address {address:#x} is beyond the array: the upper address bits are ignored",
            )
        )  # fmt: skip
        address %= geometry.size
    if geometry.is_erase(address, length):
        return address, remarks
    sector = geometry.sector_at(address)
    start = geometry.align_down(address, length) if geometry.is_uniform else sector.address
    if not geometry.is_erase(start, length):
        raise FlashError(
            f"{name}: the sector at {sector.address:#x} has {sector.size:#x} bytes; "
            f"an erase of {length:#x} does not fit it",
            address=address,
            length=length,
        )
    remarks.append(
        Remark(
            address, length, "misaligned-erase",
            f"erase at {address:#x}: the low address bits are ignored, [{start:#x}, {start + length:#x}) is erased",
        )
    )  # fmt: skip
    return start, remarks
