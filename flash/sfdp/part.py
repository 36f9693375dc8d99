"""A part made of a decoded SFDP table.

A table says sizes, opcodes and times. It does not say the JEDEC id, the register layout, the speed of the bus,
endurance, register write times or power-up times: those are stand-ins here and say so. Maxima are what typical and
multiplier come to, so bounds, not the datasheet's figures.
Neighbours: `decode` gives the table, `text` writes the part down. Knows no bytes.
"""

from __future__ import annotations

import msgspec

from flash.command_set import (
    ChipErase,
    CommandSet,
    FourByte,
    PowerDown,
    PowerUp,
    ProgramCommand,
    ReadCommand,
    Registers,
    Sfdp,
    SoftReset,
)
from flash.errors import SfdpError
from flash.figure import Figure
from flash.part import Endurance, Erase, Part, Program, Read, Runs
from flash.sfdp.decode import SfdpTable, Times
from flash.sfdp.encode import DWORDS, given
from flash.sfdp_fields import BASIC, FIELDS, FOUR_BYTE, SCALES, SECTOR_MAP, Region

SOURCE = "SFDP table of the chip"
UNSAID = "not in an SFDP table"
STAND_IN = "W25Q family figure, replace it"
NO_ID = "000000"


def part_from_table(decoded: SfdpTable, name: str, *, jedec_id: str = NO_ID) -> Part:
    """The part a table describes. What the table does not say is a stand-in and is named as one.

    ``table(part_from_table(decode(raw), ...))`` is ``raw`` again for a table this package generated. For another
    chip's it says the same, field by field, but holds no vendor table and one sector map at most. Raises SfdpError for
    what a Part cannot be: a chip beyond 1 GiB, or one whose map is not made of its own erase units.
    """
    if decoded.size > 1 << 30:
        raise SfdpError(f"{name}: a part has at most 1 GiB, this table says {decoded.size} bytes")
    sectors = _sectors(decoded)
    part = Part(
        name=name,
        vendor=UNSAID,
        kind="spi-nor",
        size=decoded.size,
        sectors=sectors,
        program=Program(
            unit=1,
            page_size=min(decoded.page_size or 256, min(run.size for run in sectors)),
            time_us=_figure(decoded.program, 700, 3000),
            first_byte_us=_optional(decoded, decoded.first_byte, "first_byte_time"),
            next_byte_us=_optional(decoded, decoded.next_byte, "next_byte_time"),
            source=SOURCE,
        ),
        erase=_erases(decoded),
        read=Read(bytes_per_us=6.25, source="not in an SFDP table: a 50 MHz single-line bus"),
        endurance=Endurance(cycles=100_000, source=UNSAID, stand_in="usual for serial NOR"),
        source=SOURCE,
        jedec_id=jedec_id,
        trust="sfdp",
        serial=_command_set(decoded),
    )
    assert part.serial is not None and part.serial.sfdp is not None
    known = given(part)
    rest = tuple((f, v) for f, v in decoded.fields.items() if f not in known and v != FIELDS[f].blank)
    sfdp = msgspec.structs.replace(part.serial.sfdp, as_dumped=rest)
    return msgspec.structs.replace(part, serial=msgspec.structs.replace(part.serial, sfdp=sfdp))


def _command_set(decoded: SfdpTable) -> CommandSet:
    fields = decoded.fields
    reads = [ReadCommand("1-1-1", 0x03, opcode_4b=0x13 if 0x13 in decoded.reads_4b else 0)]
    reads.append(ReadCommand("1-1-1", 0x0B, wait_clocks=8, opcode_4b=0x0C if 0x0C in decoded.reads_4b else 0))
    reads += [_without_confirmation(read) for read in decoded.reads if read.lines not in ("2-2-2", "4-4-4")]
    programs = [ProgramCommand("1-1-1", 0x02, 0x12 if 0x12 in decoded.programs_4b else 0)]
    if 0x34 in decoded.programs_4b:
        programs.append(ProgramCommand("1-1-4", 0x32, 0x34))
    reset = bool(fields.get("reset_66_99"))
    enter, leave = fields.get("enter_four_byte", 0), fields.get("leave_four_byte", 0)
    wide = (decoded.address != "3" or _cannot_reach(decoded)) and enter != 0
    return CommandSet(
        family="winbond",
        registers=_registers(decoded),
        quad_enable=decoded.quad_enable,  # type: ignore[arg-type]
        address="3-or-4" if _cannot_reach(decoded) else decoded.address,  # type: ignore[arg-type]
        source=SOURCE,
        reads=tuple(reads),
        programs=tuple(programs),
        chip_erase=ChipErase((0x60, 0xC7), _figure(decoded.chip_erase, 40e6, 200e6)),
        register_write_us=Figure(10_000, 15_000, UNSAID, ("typ", "max"), STAND_IN),
        power_up=PowerUp(20, 5000, UNSAID, STAND_IN),
        suspend=decoded.suspend,
        power_down=None if decoded.power_down is None else _power_down(*decoded.power_down),
        soft_reset=SoftReset(30, UNSAID, stand_in=STAND_IN) if reset else None,
        four_byte=FourByte(enter_methods=enter, exit_methods=leave, source=SOURCE) if wide else None,
        sfdp=_layout(decoded),
    )


def _without_confirmation(read: ReadCommand) -> ReadCommand:
    """One mode clock is too short for mode bits that a continuous read obeys: it is Micron's confirmation bit."""
    if read.mode_clocks != 1:
        return read
    return msgspec.structs.replace(read, mode_clocks=0, wait_clocks=read.wait_clocks + 1)


def _cannot_reach(decoded: SfdpTable) -> bool:
    """Three address bytes end at 16 MiB. Real tables get this wrong (IS25WP256); the part takes either then."""
    return decoded.address == "3" and decoded.size > 1 << 24


def _layout(decoded: SfdpTable) -> Sfdp:
    fields, at = decoded.fields, {header.id: header.at for header in reversed(decoded.headers)}
    dwords = next(header.dwords for header in decoded.headers if header.id == BASIC)
    revision = max(known for known in DWORDS if known <= decoded.revision)
    times = [
        SCALES[name].encode(SCALES[name].decode(raw), name) == raw for name, raw in fields.items() if name in SCALES
    ]
    return Sfdp(
        source=SOURCE,
        revision=revision,  # type: ignore[arg-type]
        dwords=0 if dwords == DWORDS[revision] else min(dwords, 23),
        basic_at=at[BASIC],
        four_byte_at=at.get(FOUR_BYTE, 0),
        sector_map_at=at.get(SECTOR_MAP, 0),
        erase_order=_erase_order(decoded),
        confirmed_reads=tuple(
            read.lines for read in decoded.reads if read.mode_clocks == 1 and read.lines not in ("2-2-2", "4-4-4")
        ),
        units="finest" if all(times) else "coarsest",
        write_granularity_64=bool(fields["write_granularity_64"]),
        block_protect_volatile=bool(fields["block_protect_volatile"]),
        volatile_write_enable="06h" if fields["volatile_write_enable"] else "50h",
        differs=(("address", "the table says 3 bytes, which end at 16 MiB"),) if _cannot_reach(decoded) else (),
    )


def _registers(decoded: SfdpTable) -> Registers:
    if decoded.fields.get("poll_70"):
        return "micron"
    return "macronix" if decoded.quad_enable == "010" else "winbond"


def _power_down(enter: int, leave: int, exit_us: float) -> PowerDown:
    return PowerDown(enter, leave, enter_us=10, exit_us=exit_us, source=SOURCE, stand_in="enter_us is not in a table")


def _figure(times: Times | None, typ_us: float, max_us: float) -> Figure:
    if times is None:
        return Figure(typ_us, max_us, UNSAID, ("typ", "max"), STAND_IN)
    return Figure(times.typ_us, times.max_us, f"{SOURCE}; maximum: an upper bound, typical times its multiplier")


def _optional(decoded: SfdpTable, times: Times | None, field: str) -> Figure | None:
    said = times is not None and decoded.fields[field] != FIELDS[field].blank
    return _figure(times, 0, 0) if said else None


def _erases(decoded: SfdpTable) -> tuple[Erase, ...]:
    by_size: dict[int, Erase] = {}
    sectors = {run.size for run in _sectors(decoded)}
    for kind in decoded.erases:
        ranges = tuple((r.start, r.start + r.size) for r in decoded.regions if kind.number in r.types)
        if decoded.regions and not ranges:
            continue
        everywhere = sum(end - start for start, end in ranges) == decoded.size or kind.size in sectors
        time = _figure(kind.time_us, 45_000 * max(1, kind.size // 4096), 400_000 * max(1, kind.size // 4096))
        by_size.setdefault(kind.size, Erase(kind.size, time, kind.opcode, kind.opcode_4b, () if everywhere else ranges))
    return tuple(by_size[size] for size in sorted(by_size))


def _erase_order(decoded: SfdpTable) -> tuple[int, ...]:
    """() where types stand in the order of their sizes, which is the usual one."""
    offered = {erase.size for erase in _erases(decoded)}
    sizes = tuple(dict.fromkeys(kind.size for kind in decoded.erases if kind.size in offered))
    return () if sizes == tuple(sorted(sizes)) else sizes


def _sectors(decoded: SfdpTable) -> tuple[Runs, ...]:
    """The smallest erase of each region."""
    sizes = {kind.number: kind.size for kind in decoded.erases}
    regions = decoded.regions or (Region(0, decoded.size, tuple(sizes)),)
    runs: list[Runs] = []
    for region in regions:
        size = min(sizes[n] for n in region.types)
        count = region.size // size
        if runs and runs[-1].size == size:
            runs[-1] = Runs(runs[-1].count + count, size)
        else:
            runs.append(Runs(count, size))
    return tuple(runs)
