"""Any chip's SFDP image as values, or SfdpError saying what is wrong with it.

A dump is a stranger's: every length and pointer is checked before it is followed, and a table that contradicts itself
(no erase type, a size that is no whole number of them) is refused. Vendor tables are listed, not read.
Neighbours: `sfdp_fields` knows the bits; `part` makes a part of the result. Knows no part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from flash.command_set import ReadCommand, Suspend
from flash.errors import SfdpError
from flash.sfdp_fields import (
    ADDRESS,
    BASIC,
    FOUR_BYTE,
    FOUR_BYTE_PROGRAMS,
    FOUR_BYTE_READS,
    READ_SLOTS,
    SCALES,
    SECTOR_MAP,
    SIGNATURE,
    Region,
    unpack,
)

LARGEST_EXPONENT = 31
LARGEST_DENSITY_EXPONENT = 43


class Header(NamedTuple):
    """One parameter table: its id, minor revision, length in DWORDs, and where it stands."""

    id: int
    minor: int
    dwords: int
    at: int


class Times(NamedTuple):
    typ_us: float
    max_us: float


class EraseType(NamedTuple):
    number: int
    size: int
    opcode: int
    time_us: Times | None
    opcode_4b: int = 0


@dataclass(frozen=True)
class SfdpTable:
    """What a table says. Sizes in bytes; None and "": a table of this revision does not say.

    ``fields``: every field by its name in `sfdp_fields`, as it stands there. ``reads``: the modes it lists, with their
    four-byte opcodes; 03h and 0Bh are in no table, their four-byte forms are in ``reads_4b``. ``regions``: (): uniform;
    where the map depends on the chip's configuration, the first it lists. ``power_down``: enter, exit, exit time (us).
    """

    revision: int
    headers: tuple[Header, ...]
    fields: Mapping[str, int]
    size: int
    page_size: int | None
    address: str
    erases: tuple[EraseType, ...]
    reads: tuple[ReadCommand, ...]
    reads_4b: tuple[int, ...]
    programs_4b: tuple[int, ...]
    regions: tuple[Region, ...]
    program: Times | None
    first_byte: Times | None
    next_byte: Times | None
    chip_erase: Times | None
    suspend: Suspend | None
    power_down: tuple[int, int, float] | None
    quad_enable: str


def decode(raw: bytes) -> SfdpTable:
    """An SFDP image as a chip sends it from address 0. Raises SfdpError, and nothing else, for anything it is not."""
    headers = _headers(raw)
    basic = _newest(headers, BASIC)
    if basic is None:
        raise SfdpError("SFDP: no basic flash parameter table (id FF00) of major revision 1")
    if basic.dwords < 9:
        raise SfdpError(f"SFDP: the basic table has {basic.dwords} DWORDs; the shortest there is has 9")
    fields = dict(unpack(_content(raw, basic), BASIC))
    if (four_byte := _newest(headers, FOUR_BYTE)) is not None and four_byte.dwords >= 2:
        fields |= unpack(_content(raw, four_byte)[:8], FOUR_BYTE)
    size = _size(fields["density"])
    erases = _erases(fields, size)
    sector_map = _newest(headers, SECTOR_MAP)
    return SfdpTable(
        revision=basic.minor,
        headers=headers,
        fields=fields,
        size=size,
        page_size=1 << fields["page_size"] if "page_size" in fields else None,
        address=_address(fields["address"]),
        erases=erases,
        reads=_reads(fields),
        reads_4b=tuple(op for op in FOUR_BYTE_READS if fields.get(f"four_byte_read_{op:02x}")),
        programs_4b=tuple(op for op in FOUR_BYTE_PROGRAMS if fields.get(f"four_byte_program_{op:02x}")),
        regions=() if sector_map is None else _regions(_content(raw, sector_map), size, erases),
        program=_times(fields, "page_time", "program_multiplier"),
        first_byte=_times(fields, "first_byte_time", "program_multiplier"),
        next_byte=_times(fields, "next_byte_time", "program_multiplier"),
        chip_erase=_times(fields, "chip_erase_time", "program_multiplier"),
        suspend=_suspend(fields),
        power_down=_power_down(fields),
        quad_enable="" if fields.get("quad_enable", 7) == 7 else f"{fields['quad_enable']:03b}",
    )


def image_of(basic: bytes) -> bytes:
    """An image that holds this bare basic table, as devicetrees carry it (``sfdp-bfp``), and nothing else."""
    if len(basic) % 4 or not 36 <= len(basic) <= 92:
        raise SfdpError(f"a basic table has 9 to 23 DWORDs, which is 36 to 92 bytes; these are {len(basic)}")
    revision = 0 if len(basic) < 64 else 6 if len(basic) < 80 else 8
    start = SIGNATURE + bytes((revision, 1, 0, 0xFF, 0, revision, 1, len(basic) // 4, 0x10, 0, 0, 0xFF))
    return start + basic


def _headers(raw: bytes) -> tuple[Header, ...]:
    if len(raw) < 16:
        raise SfdpError(f"SFDP: {len(raw)} bytes are too few; the header and one parameter header take 16")
    if raw[:4] != SIGNATURE:
        raise SfdpError(
            f"SFDP: a table begins with 53 46 44 50 (SFDP); these bytes begin with {raw[:4].hex(' ').upper()}"
        )
    if raw[5] != 1:
        raise SfdpError(f"SFDP: major revision {raw[5]}; only 1 is known")
    count = raw[6] + 1
    if len(raw) < 8 + 8 * count:
        raise SfdpError(f"SFDP: {count} parameter headers end at {8 + 8 * count:#x}, and the dump at {len(raw):#x}")
    headers = []
    for at in range(8, 8 + 8 * count, 8):
        entry = raw[at : at + 8]
        header = Header(entry[7] << 8 | entry[0], entry[1], entry[3], int.from_bytes(entry[4:7], "little"))
        if header.at % 4:
            raise SfdpError(f"SFDP: table {header.id:04X} at {header.at:#x} is not on a DWORD")
        if header.at + 4 * header.dwords > len(raw):
            raise SfdpError(
                f"SFDP: table {header.id:04X} is said to be at [{header.at:#x}, {header.at + 4 * header.dwords:#x}), "
                f"and the dump ends at {len(raw):#x}; dump at least that much"
            )
        if entry[2] == 1:
            headers.append(header)
    return tuple(headers)


def _newest(headers: tuple[Header, ...], table_id: int) -> Header | None:
    return max((h for h in headers if h.id == table_id), key=lambda h: h.minor, default=None)


def _content(raw: bytes, header: Header) -> bytes:
    return raw[header.at : header.at + 4 * header.dwords]


def _size(density: int) -> int:
    if not density >> 31:
        if (density + 1) % 8:
            raise SfdpError(f"SFDP DWORD 2: {density + 1} bits are no whole number of bytes")
        return (density + 1) // 8
    exponent = density & 0x7FFF_FFFF
    if not 3 <= exponent <= LARGEST_DENSITY_EXPONENT:
        raise SfdpError(f"SFDP DWORD 2: a size of 2**{exponent} bits")
    return 1 << exponent - 3


def _address(code: int) -> str:
    if code >= len(ADDRESS):
        raise SfdpError("SFDP DWORD 1: address bytes code 11 is reserved")
    return ADDRESS[code]


def _erases(fields: Mapping[str, int], size: int) -> tuple[EraseType, ...]:
    found = []
    for n in range(1, 5):
        exponent = fields[f"type_{n}_size"]
        if not exponent:
            continue
        if exponent > LARGEST_EXPONENT or size % (1 << exponent):
            raise SfdpError(f"SFDP: erase type {n} of 2**{exponent} bytes does not divide the size of {size} bytes")
        opcode_4b = fields[f"four_byte_type_{n}_opcode"] if fields.get(f"four_byte_type_{n}") else 0
        times = _times(fields, f"type_{n}_time", "erase_multiplier")
        found.append(EraseType(n, 1 << exponent, fields[f"type_{n}_opcode"], times, opcode_4b))
    if not found:
        raise SfdpError("SFDP: no erase type; a table has at least one")
    return tuple(found)


def _reads(fields: Mapping[str, int]) -> tuple[ReadCommand, ...]:
    reads = []
    four_byte = {"1-1-2": 0x3C, "1-2-2": 0xBC, "1-1-4": 0x6C, "1-4-4": 0xEC}
    for mode, *_ in READ_SLOTS:
        name = "read_" + mode.replace("-", "")
        if fields[name]:
            opcode_4b = four_byte.get(mode, 0)
            listed = opcode_4b and fields.get(f"four_byte_read_{opcode_4b:02x}")
            waits, clocks, opcode = (fields[f"{name}_{what}"] for what in ("waits", "mode", "opcode"))
            reads.append(ReadCommand(mode, opcode, clocks, waits, opcode_4b if listed else 0))
    return tuple(reads)


def _times(fields: Mapping[str, int], name: str, multiplier: str) -> Times | None:
    if name not in fields:
        return None
    typ = SCALES[name].decode(fields[name])
    return Times(typ, typ * 2 * (fields[multiplier] + 1))


def _suspend(fields: Mapping[str, int]) -> Suspend | None:
    if fields.get("no_suspend", 1) or "erase_suspend_opcode" not in fields:
        return None

    def duration(name: str) -> float:
        return SCALES[name].decode(fields[name])

    return Suspend(
        program_suspend=fields["program_suspend_opcode"],
        program_resume=fields["program_resume_opcode"],
        erase_suspend=fields["erase_suspend_opcode"],
        erase_resume=fields["erase_resume_opcode"],
        prohibited_in_program=fields["prohibited_in_program"],
        prohibited_in_erase=fields["prohibited_in_erase"],
        program_latency_us=duration("program_latency"),
        erase_latency_us=duration("erase_latency"),
        program_gap_us=duration("program_gap"),
        erase_gap_us=duration("erase_gap"),
        source="SFDP DWORDs 12 and 13",
    )


def _power_down(fields: Mapping[str, int]) -> tuple[int, int, float] | None:
    if fields.get("no_power_down", 1):
        return None
    exit_us = SCALES["power_down_exit_time"].decode(fields["power_down_exit_time"])
    return fields["power_down_enter_opcode"], fields["power_down_exit_opcode"], exit_us


def _regions(content: bytes, size: int, erases: tuple[EraseType, ...]) -> tuple[Region, ...]:
    """The regions of the first map descriptor; command descriptors before it are of two DWORDs and skipped."""
    words = [int.from_bytes(content[at : at + 4], "little") for at in range(0, len(content), 4)]
    at = 0
    while at < len(words) and not words[at] & 2:
        at += 2
    if at >= len(words):
        raise SfdpError("SFDP sector map: no map descriptor")
    count = (words[at] >> 16 & 0xFF) + 1
    entries = words[at + 1 : at + 1 + count]
    known, start, regions = {erase.number for erase in erases}, 0, []
    for word in entries:
        types = tuple(n for n in range(1, 5) if word >> (n - 1) & 1 and n in known)
        length = ((word >> 8) + 1) * 256
        if not types:
            raise SfdpError(f"SFDP sector map: the region at {start:#x} has no erase type of the basic table")
        if any(erase.number in types and (start % erase.size or length % erase.size) for erase in erases):
            raise SfdpError(f"SFDP sector map: the region at {start:#x} is not whole erase units of its types")
        regions.append(Region(start, length, types))
        start += length
    if len(entries) != count or start != size:
        raise SfdpError(f"SFDP sector map: {len(entries)} regions end at {start:#x}, and the size is {size:#x}")
    return tuple(regions)
