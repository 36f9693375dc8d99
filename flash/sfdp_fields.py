"""Where each field of a JESD216 table stands, and how a duration is written in five bits and a unit.

Neighbours: `sfdp` fills and reads these fields, `part` makes parts of them. Knows bits, no part.

DWORDs are little-endian and counted from 1, bits from 0, as in the standard. A field that nothing is known of reads as
its *blank*: all ones, as the standard has unused bits, but 0 where a 1 would promise a command.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import NamedTuple

from flash.command_set import Lines
from flash.errors import SfdpError

SIGNATURE = b"SFDP"
BASIC, FOUR_BYTE, SECTOR_MAP = 0xFF00, 0xFF84, 0xFF81
ADDRESS = ("3", "3-or-4", "4")


class Region(NamedTuple):
    """Bytes [start, start + size) of the sector map take the erase types with these numbers, 1 to 4."""

    start: int
    size: int
    types: tuple[int, ...]


class Field(NamedTuple):
    """``width`` bits from bit ``low`` of DWORD ``dword`` of the table with this ``table`` id."""

    name: str
    table: int
    dword: int
    low: int
    width: int
    blank: int

    @property
    def ones(self) -> int:
        return (1 << self.width) - 1


class Scale(NamedTuple):
    """Durations as a count of 1 to 2**count_bits of one of these units (nanoseconds, ascending)."""

    count_bits: int
    units_ns: tuple[int, ...]

    def encode(self, duration_us: float, what: str, *, coarsest: bool = False) -> int:
        """The shortest duration on the scale that is not shorter than this one.

        Where several units say it equally well the finest is taken, or the ``coarsest``: tables of either habit exist.
        Raises SfdpError for a duration beyond the scale.
        """
        wanted_ns = max(1, ceil(duration_us * 1000 - 1e-6))
        counts = [-(-wanted_ns // unit) for unit in self.units_ns]
        fits = [n for n, count in enumerate(counts) if count <= 1 << self.count_bits]
        if not fits:
            longest_us = (self.units_ns[-1] << self.count_bits) / 1000
            raise SfdpError(
                f"{what}: {duration_us:g} us is more than an SFDP table can say, which is {longest_us:g} us"
            )
        shortest_ns = min(counts[n] * self.units_ns[n] for n in fits)
        best = [n for n in fits if counts[n] * self.units_ns[n] == shortest_ns]
        number = best[-1 if coarsest else 0]
        return (counts[number] - 1) | number << self.count_bits

    def decode(self, raw: int) -> float:
        """Microseconds. A unit code beyond the last is the last one's."""
        count = (raw & ((1 << self.count_bits) - 1)) + 1
        unit = self.units_ns[min(raw >> self.count_bits, len(self.units_ns) - 1)]
        return count * unit / 1000


MS = 1_000_000
ERASE_TIME = Scale(5, (MS, 16 * MS, 128 * MS, 1000 * MS))
CHIP_ERASE_TIME = Scale(5, (16 * MS, 256 * MS, 4000 * MS, 64000 * MS))
PAGE_TIME = Scale(5, (8_000, 64_000))
BYTE_TIME = Scale(4, (1_000, 8_000))
LATENCY = Scale(5, (128, 1_000, 8_000, 64_000))
GAP = Scale(4, (64_000,))

SCALES: dict[str, Scale] = {
    **{f"type_{n}_time": ERASE_TIME for n in (1, 2, 3, 4)},
    "page_time": PAGE_TIME, "first_byte_time": BYTE_TIME, "next_byte_time": BYTE_TIME,
    "chip_erase_time": CHIP_ERASE_TIME, "program_gap": GAP, "erase_gap": GAP,
    "program_latency": LATENCY, "erase_latency": LATENCY, "power_down_exit_time": LATENCY,
}  # fmt: skip

# (mode, DWORD, low bit of its half, DWORD and bit that say whether the part has it)
READ_SLOTS: tuple[tuple[Lines, int, int, int, int], ...] = (
    ("1-4-4", 3, 0, 1, 21),
    ("1-1-4", 3, 16, 1, 22),
    ("1-1-2", 4, 0, 1, 16),
    ("1-2-2", 4, 16, 1, 20),
    ("2-2-2", 6, 16, 5, 0),
    ("4-4-4", 7, 16, 5, 4),
)

# Bits of the four-byte table, DWORD 1: (name, bit).
FOUR_BYTE_READS = {0x13: 0, 0x0C: 1, 0x3C: 2, 0xBC: 3, 0x6C: 4, 0xEC: 5}
FOUR_BYTE_PROGRAMS = {0x12: 6, 0x34: 7, 0x3E: 8}


def _fields() -> dict[str, Field]:
    rows: list[Field] = []

    def add(dword: int, low: int, width: int, name: str, blank: int = -1, table: int = BASIC) -> None:
        rows.append(Field(name, table, dword, low, width, (1 << width) - 1 if blank < 0 else blank))

    add(1, 0, 2, "erase_4k")
    add(1, 2, 1, "write_granularity_64")
    add(1, 3, 1, "block_protect_volatile", 0)
    add(1, 4, 1, "volatile_write_enable", 0)
    add(1, 5, 3, "reserved_1a")
    add(1, 8, 8, "erase_4k_opcode")
    add(1, 17, 2, "address", 0)
    add(1, 19, 1, "dtr", 0)
    add(1, 23, 9, "reserved_1b")
    add(2, 0, 32, "density")
    for mode, dword, low, flag_dword, flag_bit in READ_SLOTS:
        name = "read_" + mode.replace("-", "")
        add(flag_dword, flag_bit, 1, name, 0)
        add(dword, low, 5, f"{name}_waits")
        add(dword, low + 5, 3, f"{name}_mode")
        add(dword, low + 8, 8, f"{name}_opcode")
    add(5, 1, 3, "reserved_5a")
    add(5, 5, 27, "reserved_5b")
    add(6, 0, 16, "reserved_6")
    add(7, 0, 16, "reserved_7")
    add(10, 0, 4, "erase_multiplier")
    for n in (1, 2, 3, 4):
        add(8 + (n - 1) // 2, 16 * ((n - 1) % 2), 8, f"type_{n}_size", 0)
        add(8 + (n - 1) // 2, 16 * ((n - 1) % 2) + 8, 8, f"type_{n}_opcode")
        add(10, 4 + 7 * (n - 1), 7, f"type_{n}_time", 0)
    add(11, 0, 4, "program_multiplier")
    add(11, 4, 4, "page_size")
    add(11, 8, 6, "page_time")
    add(11, 14, 5, "first_byte_time")
    add(11, 19, 5, "next_byte_time")
    add(11, 24, 7, "chip_erase_time")
    add(11, 31, 1, "reserved_11")
    add(12, 0, 4, "prohibited_in_program")
    add(12, 4, 4, "prohibited_in_erase")
    add(12, 8, 1, "reserved_12")
    add(12, 9, 4, "program_gap")
    add(12, 13, 7, "program_latency")
    add(12, 20, 4, "erase_gap")
    add(12, 24, 7, "erase_latency")
    add(12, 31, 1, "no_suspend")
    add(13, 0, 8, "program_resume_opcode")
    add(13, 8, 8, "program_suspend_opcode")
    add(13, 16, 8, "erase_resume_opcode")
    add(13, 24, 8, "erase_suspend_opcode")
    add(14, 0, 2, "reserved_14a")
    add(14, 2, 1, "poll_05")
    add(14, 3, 1, "poll_70", 0)
    add(14, 4, 4, "reserved_14b")
    add(14, 8, 7, "power_down_exit_time")
    add(14, 15, 8, "power_down_exit_opcode")
    add(14, 23, 8, "power_down_enter_opcode")
    add(14, 31, 1, "no_power_down")
    add(15, 0, 4, "leave_444", 0)
    add(15, 4, 5, "enter_444", 0)
    add(15, 9, 1, "has_044", 0)
    add(15, 10, 6, "leave_044", 0)
    add(15, 16, 4, "enter_044", 0)
    add(15, 20, 3, "quad_enable")
    add(15, 23, 1, "hold_disable", 0)
    add(15, 24, 8, "reserved_15")
    add(16, 0, 7, "status_1_volatility", 0)
    add(16, 7, 1, "reserved_16")
    add(16, 8, 4, "reset_otherwise", 0)
    add(16, 12, 1, "reset_66_99", 0)
    add(16, 13, 1, "reset_leaves_044", 0)
    add(16, 14, 10, "leave_four_byte")
    add(16, 24, 8, "enter_four_byte")
    for dword in range(17, 24):
        add(dword, 0, 32, f"dword_{dword}")
    for opcode, bit in FOUR_BYTE_READS.items():
        add(1, bit, 1, f"four_byte_read_{opcode:02x}", 0, FOUR_BYTE)
    for opcode, bit in FOUR_BYTE_PROGRAMS.items():
        add(1, bit, 1, f"four_byte_program_{opcode:02x}", 0, FOUR_BYTE)
    for n in (1, 2, 3, 4):
        add(1, 8 + n, 1, f"four_byte_type_{n}", 0, FOUR_BYTE)
        add(2, 8 * (n - 1), 8, f"four_byte_type_{n}_opcode", -1, FOUR_BYTE)
    add(1, 13, 3, "four_byte_dtr_reads", 0, FOUR_BYTE)
    add(1, 16, 4, "four_byte_sector_locks", -1, FOUR_BYTE)
    add(1, 20, 12, "four_byte_reserved", -1, FOUR_BYTE)
    return {row.name: row for row in rows}


FIELDS: Mapping[str, Field] = _fields()
"""Every field by name. Together those of one DWORD cover all its bits, once."""


def pack(values: Mapping[str, int], table: int, dwords: int) -> bytes:
    """The table of these values; a field that is not among them is blank."""
    words = [0] * dwords
    for field in FIELDS.values():
        if field.table == table and field.dword <= dwords:
            words[field.dword - 1] |= values.get(field.name, field.blank) << field.low
    return b"".join(word.to_bytes(4, "little") for word in words)


def unpack(raw: bytes, table: int) -> dict[str, int]:
    """Every field that a table of this length has."""
    words = [int.from_bytes(raw[at : at + 4], "little") for at in range(0, len(raw) - 3, 4)]
    return {
        field.name: words[field.dword - 1] >> field.low & field.ones
        for field in FIELDS.values()
        if field.table == table and field.dword <= len(words)
    }
