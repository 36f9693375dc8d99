"""SFDP (JESD216): a part's table, any chip's table as values, and how the two differ.

    table(part), basic_table(part)      generated from the part's figures     `encode`
    decode(raw), image_of(basic)        any chip's dump                       `decode`
    part_from_table(decoded, name)      a part made of a decoded table        `part`
    describe, skeleton                  a table in words, a part file to complete   `text`
    compare(part, dump)                 here

Neighbours: `spi` sends ``table(part)`` on 5Ah; `sfdp_fields` knows every bit.
"""

from __future__ import annotations

from dataclasses import dataclass

from flash.errors import SfdpError
from flash.figure import Figure
from flash.part import Part
from flash.sfdp.decode import EraseType, Header, SfdpTable, Times, decode, image_of
from flash.sfdp.encode import basic_table, erase_types, given, table
from flash.sfdp.part import NO_ID, part_from_table
from flash.sfdp.text import describe, duration, meaning, skeleton
from flash.sfdp_fields import BASIC, FIELDS, FOUR_BYTE, SECTOR_MAP, SIGNATURE, Region

__all__ = [
    "NO_ID", "Difference", "EraseType", "Header", "Region", "SfdpError", "SfdpTable", "Times", "basic_table", "compare",
    "decode", "describe", "given", "image_of", "meaning", "part_from_table", "skeleton", "table",
]  # fmt: skip


@dataclass(frozen=True)
class Difference:
    """What two tables say differently. ``dword`` 0: it is about a whole table. Values are in words, "" for absent."""

    dword: int
    field: str
    ours: str
    theirs: str
    reason: str


def compare(part: Part, dump: bytes) -> list[Difference]:
    """Where a real chip's table differs from the one generated for ``part``, in the order of the table; [] if nowhere.

    ``dump``: an SFDP image, or a bare basic table. Tables are compared field by field, and the sector map by its
    regions; where tables stand is not. A table of the vendor's own is one difference. Raises SfdpError for a dump that
    cannot be decoded.
    """
    bare = not dump.startswith(SIGNATURE)
    theirs, ours = decode(image_of(dump) if bare else dump), decode(table(part))
    reasons = {} if part.serial is None or part.serial.sfdp is None else dict(part.serial.sfdp.differs)
    figures = given(part)
    found = []
    for name, field in FIELDS.items():
        mine, other = ours.fields.get(name), theirs.fields.get(name)
        if mine != other and None not in (mine, other):
            why = reasons.get(name) or _reason(part, name, name in figures)
            found.append(Difference(field.dword, name, meaning(name, mine or 0), meaning(name, other or 0), why))
    found.sort(key=lambda d: (FIELDS[d.field].table != BASIC, d.dword, FIELDS[d.field].low))
    if ours.regions != theirs.regions and ours.regions and theirs.regions:
        found.append(Difference(0, "sector map", str(len(ours.regions)), str(len(theirs.regions)), "regions differ"))
    return found + ([] if bare else _tables(ours, theirs, reasons))


def _tables(ours: SfdpTable, theirs: SfdpTable, reasons: dict[str, str]) -> list[Difference]:
    """Tables that only one of the two has, and basic tables of different length."""
    found = []
    mine, other = ({h.id: h for h in reversed(t.headers)} for t in (ours, theirs))
    for table_id in sorted(mine.keys() | other.keys()):
        left, right = mine.get(table_id), other.get(table_id)
        name = f"table {table_id:04X}"
        if left is None or right is None:
            known = table_id in (BASIC, FOUR_BYTE, SECTOR_MAP)
            why = "the part has no figure for it" if known else "the vendor's own table; nothing of it is modelled"
            why = reasons.get(name) or ("the other has none" if right is None else why)
            found.append(Difference(0, name, _length(left), _length(right), why))
        elif left.dwords != right.dwords:
            why = reasons.get(name, "another revision of the standard")
            found.append(Difference(0, name, _length(left), _length(right), why))
    return found


def _length(header: Header | None) -> str:
    return "" if header is None else f"{header.dwords} DWORDs"


def _reason(part: Part, name: str, is_given: bool) -> str:
    if not is_given:
        if part.serial is not None and part.serial.sfdp is not None and name in dict(part.serial.sfdp.as_dumped):
            return f"taken over from {part.serial.sfdp.source}"
        return "no figure of the part gives it"
    figure = _figure(part, name)
    if figure is None:
        return "the part file says otherwise"
    times = f"the part's figure is {duration(figure.typ)} / {duration(figure.max)}"
    return f"{times}, {'a stand-in: ' + figure.stand_in if figure.unknown else figure.source}"


def _figure(part: Part, name: str) -> Figure | None:
    program, serial = part.program, part.serial
    if name.startswith("type_") and name.endswith("_time"):
        return erase_types(part)[int(name[5]) - 1].time_us
    named = {"page_time": program.time_us, "first_byte_time": program.first_byte_us}
    named["next_byte_time"] = program.next_byte_us
    named["chip_erase_time"] = None if serial is None else serial.chip_erase.time_us
    return named.get(name)
