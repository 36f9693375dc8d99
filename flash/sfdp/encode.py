"""A part's JESD216 table, generated from the part's own figures.

Durations are rounded up to what five bits and a unit can say, never down: 45 ms is written 48 ms. The typical figure is
rounded first; the multiplier is then the smallest with which typical * 2 * (m + 1) covers the maximum of every figure
it serves. So a driver that trusts the table never waits too short, and the maximum it computes is a bound, not the
datasheet's. A figure that no table can say is refused with SfdpError, not bent.

Neighbours: `sfdp_fields` knows the bits; `decode` is the way back; `sfdp` is the door. Knows no state of a device.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from flash.command_set import CommandSet, Sfdp, Suspend
from flash.errors import SfdpError
from flash.figure import Figure
from flash.part import Erase, Part
from flash.sfdp_fields import (
    ADDRESS,
    BASIC,
    FIELDS,
    FOUR_BYTE,
    FOUR_BYTE_PROGRAMS,
    FOUR_BYTE_READS,
    READ_SLOTS,
    SCALES,
    SECTOR_MAP,
    SIGNATURE,
    Region,
    pack,
)
from flash.tomlfile import nearest

DWORDS = {0: 9, 5: 16, 6: 16, 7: 20, 8: 20}


def table(part: Part) -> bytes:
    """The whole SFDP image: header, parameter headers, tables, FF between them.

    Raises SfdpError for a part without a ``serial.sfdp`` table, and for a figure no table can say.
    """
    sfdp, regions = _sfdp_of(part), regions_of(part)
    values, figures = values_of(part), given(part)
    tables = [(BASIC, sfdp.basic_at, basic_table(part))]
    if sfdp.sector_map_at or len(regions) > 1:
        tables.append((SECTOR_MAP, sfdp.sector_map_at or _end_of(tables), _sector_map(regions)))
    in_four_bytes = [name for name, field in FIELDS.items() if field.table == FOUR_BYTE and field.dword == 1]
    says_more = sfdp.revision >= 6 and any(figures.get(name) for name in in_four_bytes)  # unknown to older revisions
    if sfdp.four_byte_at or says_more:
        tables.append((FOUR_BYTE, sfdp.four_byte_at or _end_of(tables), pack(values, FOUR_BYTE, 2)))
    image = bytearray(b"\xff" * max(at + len(content) for _, at, content in tables))
    used = 0
    for table_id, at, content in [(0, 0, _headers(sfdp, tables)), *sorted(tables, key=lambda entry: entry[1])]:
        if at < used:
            raise SfdpError(f"{part.name}: serial.sfdp: the table {table_id:04X} at {at:#x} begins before {used:#x}")
        used = at + len(content)
        image[at:used] = content
    return bytes(image)


def _end_of(tables: list[tuple[int, int, bytes]]) -> int:
    return max(at + len(content) for _, at, content in tables)


def _headers(sfdp: Sfdp, tables: list[tuple[int, int, bytes]]) -> bytes:
    headers = SIGNATURE + bytes((sfdp.revision, 1, len(tables) - 1, 0xFF))
    for table_id, at, content in tables:
        minor = sfdp.revision if table_id == BASIC else 0
        headers += bytes((table_id & 0xFF, minor, 1, len(content) // 4)) + at.to_bytes(3, "little")
        headers += bytes((table_id >> 8,))
    return headers


def basic_table(part: Part) -> bytes:
    """The basic flash parameter table alone: 9, 16 or 20 DWORDs."""
    sfdp = _sfdp_of(part)
    return pack(values_of(part), BASIC, sfdp.dwords or DWORDS[sfdp.revision])


def given(part: Part) -> dict[str, int]:
    """Every field that a figure of the part gives, by name. All others are blank, or as dumped."""
    serial, sfdp = _serial_of(part), _sfdp_of(part)
    say = _Encoder(part.name, sfdp.units == "coarsest")
    values = {
        "write_granularity_64": int(sfdp.write_granularity_64),
        "block_protect_volatile": int(sfdp.block_protect_volatile),
        "volatile_write_enable": int(sfdp.volatile_write_enable == "06h"),
        "address": ADDRESS.index(serial.address),
        "density": _density(part),
        "page_size": say.exponent(part.program.page_size, "program.page_size"),
        "poll_70": int(serial.registers == "micron"),
        "reset_66_99": int(serial.soft_reset is not None),
        "no_suspend": int(serial.suspend is None),
        "no_power_down": int(serial.power_down is None),
    }
    if serial.quad_enable:
        values["quad_enable"] = int(serial.quad_enable, 2)
    if serial.four_byte is not None and serial.four_byte.enter_methods:
        values["enter_four_byte"] = serial.four_byte.enter_methods
        values["leave_four_byte"] = serial.four_byte.exit_methods
    if serial.power_down is not None:
        values["power_down_enter_opcode"] = serial.power_down.enter
        values["power_down_exit_opcode"] = serial.power_down.exit
        values["power_down_exit_time"] = say.time("power_down_exit_time", serial.power_down.exit_us)
    if serial.suspend is not None:
        values |= _suspend_values(serial.suspend, say)
    return values | _read_values(serial, say) | _erase_values(part, say) | _program_values(part, serial, say)


class _Encoder(NamedTuple):
    name: str
    coarsest: bool

    def time(self, field: str, duration_us: float) -> int:
        return SCALES[field].encode(duration_us, f"{self.name}: {field}", coarsest=self.coarsest)

    def exponent(self, size: int, what: str) -> int:
        if size & size - 1 or not size:
            raise SfdpError(f"{self.name}: {what} {size} is no power of two, and a table says no other size")
        return size.bit_length() - 1

    def multiplier(self, figures: list[tuple[str, Figure]]) -> int:
        """The smallest m with which typical * 2 * (m + 1), typical as written, covers every maximum."""
        needed = 1
        for field, figure in figures:
            typ = SCALES[field].decode(self.time(field, figure.typ))
            factor = int(-(-(figure.max - 1e-6) // (2 * typ)))
            if factor > 16:
                raise SfdpError(
                    f"{self.name}: {field}: a maximum of {figure.max:g} us is more than 32 times the typical "
                    f"{figure.typ:g} us, and a table cannot say that"
                )
            needed = max(needed, factor)
        return needed - 1


def _density(part: Part) -> int:
    bits = part.size * 8
    if bits <= 1 << 31:
        return bits - 1
    if bits & bits - 1:
        raise SfdpError(f"{part.name}: a size of {part.size} bytes, above 256 MiB, must be a power of two for a table")
    return 1 << 31 | bits.bit_length() - 1


def _suspend_values(suspend: Suspend, say: _Encoder) -> dict[str, int]:
    values = {
        "program_resume_opcode": suspend.program_resume,
        "program_suspend_opcode": suspend.program_suspend,
        "erase_resume_opcode": suspend.erase_resume,
        "erase_suspend_opcode": suspend.erase_suspend,
        "program_gap": say.time("program_gap", suspend.program_gap_us),
        "erase_gap": say.time("erase_gap", suspend.erase_gap_us),
        "program_latency": say.time("program_latency", suspend.program_latency_us),
        "erase_latency": say.time("erase_latency", suspend.erase_latency_us),
    }
    if suspend.prohibited_in_program >= 0:
        values["prohibited_in_program"] = suspend.prohibited_in_program
    if suspend.prohibited_in_erase >= 0:
        values["prohibited_in_erase"] = suspend.prohibited_in_erase
    return values


def _read_values(serial: CommandSet, say: _Encoder) -> dict[str, int]:
    values: dict[str, int] = {}
    confirmed = () if serial.sfdp is None else serial.sfdp.confirmed_reads
    for mode, *_ in READ_SLOTS:
        command = next((r for r in serial.reads if r.lines == mode and not r.dtr), None)
        if command is None:
            continue
        if command.mode_clocks + (mode in confirmed) > 7:
            raise SfdpError(f"{say.name}: read {mode}: a table cannot say {command.mode_clocks} mode clocks, at most 7")
        name = "read_" + mode.replace("-", "")
        confirms = int(mode in confirmed)
        if command.wait_clocks < confirms:
            raise SfdpError(f"{say.name}: read {mode}: no wait clock that serial.sfdp.confirmed_reads could count")
        values |= {
            name: 1, f"{name}_opcode": command.opcode,
            f"{name}_mode": command.mode_clocks + confirms, f"{name}_waits": command.wait_clocks - confirms,
        }  # fmt: skip
    if any(r.dtr for r in serial.reads):
        values["dtr"] = 1
    values |= {f"four_byte_read_{r.opcode_4b:02x}": 1 for r in serial.reads if r.opcode_4b in FOUR_BYTE_READS}
    values |= {f"four_byte_program_{p.opcode_4b:02x}": 1 for p in serial.programs if p.opcode_4b in FOUR_BYTE_PROGRAMS}
    return values


def _erase_values(part: Part, say: _Encoder) -> dict[str, int]:
    erases, values = erase_types(part), {"erase_4k": 3}
    everywhere = set(range(1, 5)).intersection(*(region.types for region in regions_of(part)))
    for n in range(1, 5):
        erase = erases[n - 1] if n <= len(erases) else None
        values[f"type_{n}_size"] = 0 if erase is None else say.exponent(erase.size, "erase size")
        values[f"four_byte_type_{n}"] = int(erase is not None and erase.opcode_4b != 0)
        values[f"four_byte_type_{n}_opcode"] = 0xFF if erase is None or not erase.opcode_4b else erase.opcode_4b
        if erase is None:
            continue
        values[f"type_{n}_opcode"] = erase.opcode
        values[f"type_{n}_time"] = say.time(f"type_{n}_time", erase.time_us.typ)
        if erase.size == 4096 and n in everywhere:
            values |= {"erase_4k": 1, "erase_4k_opcode": erase.opcode}
    values["erase_multiplier"] = say.multiplier([(f"type_{n}_time", e.time_us) for n, e in enumerate(erases, 1)])
    return values


def _program_values(part: Part, serial: CommandSet, say: _Encoder) -> dict[str, int]:
    figures = {"page_time": part.program.time_us, "chip_erase_time": serial.chip_erase.time_us}
    if part.program.first_byte_us is not None:
        figures["first_byte_time"] = part.program.first_byte_us
    if part.program.next_byte_us is not None:
        figures["next_byte_time"] = part.program.next_byte_us
    values = {field: say.time(field, figure.typ) for field, figure in figures.items()}
    return values | {"program_multiplier": say.multiplier(list(figures.items()))}


def erase_types(part: Part) -> list[Erase]:
    """The erases as types 1 to 4: by size, or in the order ``serial.sfdp.erase_order`` gives."""
    erases = {erase.size: erase for erase in sorted(part.erase, key=lambda erase: erase.size)}
    if len(erases) > 4:
        raise SfdpError(f"{part.name}: {len(erases)} erase sizes, and a table has room for 4")
    order = _sfdp_of(part).erase_order or tuple(erases)
    if sorted(order) != list(erases):
        raise SfdpError(f"{part.name}: serial.sfdp.erase_order must name each erase size once: {list(erases)}")
    return [erases[size] for size in order]


def regions_of(part: Part) -> tuple[Region, ...]:
    """The array cut wherever the set of erases changes. A region takes an erase that fits it whole, again and again."""
    geometry, erases = part.geometry, erase_types(part)
    edges, at = {0, part.size}, 0
    for run in geometry.runs:
        edges.add(at)
        at += run.count * run.size
    edges |= {edge for erase in erases for limits in erase.ranges for edge in limits}
    for size in [erase.size for erase in erases if not erase.ranges]:
        edges |= {geometry.align_down(edge, size) for edge in edges} | {geometry.align_up(edge, size) for edge in edges}
    cuts = sorted(edge for edge in edges if edge <= part.size)
    regions: list[Region] = []
    for start, end in pairwise(cuts):
        sizes = geometry.erase_sizes_at(start)
        types = tuple(n for n, erase in enumerate(erases, 1) if erase.size in sizes and erase.size <= end - start)
        if regions and regions[-1].types == types:
            regions[-1] = Region(regions[-1].start, end - regions[-1].start, types)
        else:
            regions.append(Region(start, end - start, types))
    return tuple(regions)


def _sector_map(regions: tuple[Region, ...]) -> bytes:
    """One map descriptor, configuration 0, which is the last: DWORD 1 FF nn 00 FF, then a DWORD per region."""
    content = 0xFF0000FF | len(regions) - 1 << 16
    words = [content]
    for region in regions:
        types = sum(1 << n - 1 for n in region.types)
        words.append((region.size // 256 - 1) << 8 | 0xF0 | types)
    return b"".join(word.to_bytes(4, "little") for word in words)


def values_of(part: Part) -> dict[str, int]:
    """What stands in each field that is not blank: from the figures, or as dumped."""
    values = given(part)
    for name, value in _sfdp_of(part).as_dumped:
        where = f"{part.name}: serial.sfdp.as_dumped: {name}"
        if name not in FIELDS:
            raise SfdpError(f"{where}: no such field{nearest(name, list(FIELDS))}")
        if name in values:
            raise SfdpError(f"{where}: a figure of the part already gives this field; remove the entry")
        if value > FIELDS[name].ones:
            raise SfdpError(f"{where}: {value:#x} is more than its {FIELDS[name].width} bits hold")
        values[name] = value
    return values


def _serial_of(part: Part) -> CommandSet:
    if part.serial is None:
        raise SfdpError(f"{part.name} has no [serial] table, so there is no command that would read an SFDP table")
    return part.serial


def _sfdp_of(part: Part) -> Sfdp:
    sfdp = _serial_of(part).sfdp
    if sfdp is None:
        raise SfdpError(f"{part.name} has no [serial.sfdp] table: it does not answer 5Ah")
    return sfdp
