"""The serial command set of a part as data: what its datasheet's command table says, with sources.

Neighbours: `part` carries one per serial part, `spi` obeys it, `sfdp` writes it down in the words of JESD216. A part
without this table is used through `FlashDevice` alone. Knows no state: what a command does is the business of `spi`.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from flash.figure import Figure

Opcode = Annotated[int, msgspec.Meta(ge=0, le=0xFF)]
Nibble = Annotated[int, msgspec.Meta(ge=0, le=0xF)]
Clocks = Annotated[int, msgspec.Meta(ge=0, le=31)]
Microseconds = Annotated[float, msgspec.Meta(ge=0)]
Lines = Literal["1-1-1", "1-1-2", "1-2-2", "1-1-4", "1-4-4", "2-2-2", "4-4-4"]
Family = Literal["winbond", "gigadevice", "macronix", "issi", "micron", "spansion", "sst", "adesto"]
Registers = Literal[
    "winbond",
    "winbond-bp4",
    "gigadevice",
    "macronix",
    "macronix-r",
    "issi",
    "micron",
    "spansion",
    "sst26",
    "at25df",
    "at25ff",
]


class ReadCommand(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A read of the array. ``lines``: for opcode, address and data. Clocks are counted on the address lines.

    ``mode_clocks`` carry the mode bits of a continuous read, ``wait_clocks`` nothing. ``opcode_4b``: the same read with
    a four-byte address whatever the mode; 0: none.
    """

    lines: Lines
    opcode: Opcode
    mode_clocks: Clocks = 0
    wait_clocks: Clocks = 0
    opcode_4b: Opcode = 0
    dtr: bool = False


class ProgramCommand(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A page program. ``lines`` other than 1-1-1 need quad enable where the part has such a bit."""

    lines: Lines
    opcode: Opcode
    opcode_4b: Opcode = 0


class ChipErase(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    opcodes: tuple[Opcode, ...]
    time_us: Figure


class Suspend(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Suspend and resume. Latency: from the command to BUSY 0, at most. Gap: from a resume to the next suspend, at
    least; closer together the operation makes no progress.

    ``erase_pulse_us``: a suspended erase begins its present pulse again on resume, so a pulse of this length must fit
    between a resume and the next suspend (Infineon KBA223960 gives no figure: a design choice, the gap itself, where
    0). ``program_in_erase``: whether another page may be programmed while an erase is suspended.
    ``prohibited_in_program``, ``prohibited_in_erase``: SFDP DWORD 12 bits 3:0 and 7:4, as the part's own table has
    them; -1: not known.
    """

    program_suspend: Opcode
    program_resume: Opcode
    erase_suspend: Opcode
    erase_resume: Opcode
    program_latency_us: Microseconds
    erase_latency_us: Microseconds
    program_gap_us: Microseconds
    erase_gap_us: Microseconds
    source: str
    erase_pulse_us: Microseconds = 0
    program_in_erase: bool = True
    prohibited_in_program: Annotated[int, msgspec.Meta(ge=-1, le=15)] = -1
    prohibited_in_erase: Annotated[int, msgspec.Meta(ge=-1, le=15)] = -1
    stand_in: str = ""


class PowerDown(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Deep power-down. ``enter_us``: tDP; ``exit_us``: tRES1."""

    enter: Opcode
    exit: Opcode
    enter_us: Microseconds
    exit_us: Microseconds
    source: str
    stand_in: str = ""


class PowerUp(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From power good: when the first command is taken, and when the first write is."""

    select_us: Microseconds
    write_us: Microseconds
    source: str
    stand_in: str = ""


class SoftReset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """66h then 99h. ``recovery_us``: until the next command is taken. ``spares_register_write``: 99h is ignored while a
    register is being written."""

    recovery_us: Microseconds
    source: str
    spares_register_write: bool = False
    stand_in: str = ""


class FourByte(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Addresses beyond 16 MiB. ``methods``: SFDP DWORD 16 bits 31:24 (enter) and 23:14 (exit) as the part's table has
    them; 0: not known. ``needs_wren``: B7h and E9h are taken only after 06h. ``enter`` and ``exit`` 0: no such mode,
    only an extended register or four-byte opcodes (Spansion FL-S)."""

    enter: Opcode = 0xB7
    exit: Opcode = 0xE9
    needs_wren: bool = False
    extended_register: Literal["none", "c5-c8", "17-16"] = "none"
    enter_methods: Annotated[int, msgspec.Meta(ge=0, le=0xFF)] = 0
    exit_methods: Annotated[int, msgspec.Meta(ge=0, le=0x3FF)] = 0
    source: str = ""


class Qpi(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every phase on four lines, the opcode's too: ``enter`` needs quad enable, ``exit`` is given on four lines."""

    enter: Opcode
    exit: Opcode
    source: str


class SecurityRegisters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One-time-programmable areas. ``style``: "registers" (read, program and erase by opcode, locked by bits LB of a
    status register), "otp" (read and programmed by opcode, never erased) or "mode" (B1h enters, C1h leaves; array
    commands reach the area in between)."""

    style: Literal["registers", "otp", "mode"]
    count: Annotated[int, msgspec.Meta(ge=1, le=8)]
    size: Annotated[int, msgspec.Meta(ge=1, le=4096)]
    source: str
    read: Opcode = 0
    program: Opcode = 0
    erase: Opcode = 0
    enter: Opcode = 0
    exit: Opcode = 0


class Sfdp(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """That the part answers 5Ah, and what a JESD216 table says that no other figure of the part gives.

    ``revision``: of the basic table, minor number; ``dwords``: its length, 0: that of the revision (0: 9; 5 and 6: 16;
    7 and 8: 20). ``basic_at``, ``four_byte_at``, ``sector_map_at``: where the tables stand; 0: behind one another, and
    only if there is something to say. ``erase_order``: erase sizes in the order of their types, (): ascending.
    ``confirmed_reads``: reads whose first wait clock the table counts as a mode clock, because a bit there confirms
    execute-in-place (Micron); no continuous read follows. ``units``: how a duration is written that several units say
    exactly.
    ``as_dumped``: (field, value) as a real chip's table has it, for fields of `flash.sfdp_fields` that nothing else in
    the part file gives, down to reserved bits. ``differs``: (field, why) where a real chip's table is known to say
    something else than the one generated here.
    """

    source: str
    revision: Literal[0, 5, 6, 7, 8] = 6
    dwords: Annotated[int, msgspec.Meta(ge=0, le=23)] = 0
    basic_at: Annotated[int, msgspec.Meta(ge=0x10, le=0xFFF0, multiple_of=4)] = 0x30
    four_byte_at: Annotated[int, msgspec.Meta(ge=0, le=0xFFF0, multiple_of=4)] = 0
    sector_map_at: Annotated[int, msgspec.Meta(ge=0, le=0xFFF0, multiple_of=4)] = 0
    erase_order: tuple[int, ...] = ()
    confirmed_reads: tuple[Lines, ...] = ()
    units: Literal["finest", "coarsest"] = "finest"
    write_granularity_64: bool = True
    block_protect_volatile: bool = False
    volatile_write_enable: Literal["50h", "06h"] = "50h"
    as_dumped: tuple[tuple[str, Annotated[int, msgspec.Meta(ge=0, le=0xFFFF_FFFF)]], ...] = ()
    differs: tuple[tuple[str, str], ...] = ()


class CommandSet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything `flash.spi` must know of one part.

    ``family``: the vendor's dialect. ``registers``: the layout and protection rules of its status and configuration
    registers, a row of `flash.spi.registers`. ``jedec_ext``: what 9Fh sends behind the three bytes, hex.
    ``quad_enable``: the QER code of JESD216 DWORD 15, "" where not known. ``address``: 3-byte only, either, or 4-byte.
    ``while_busy``: what a read of the array gets while an operation runs: nothing drives the lines, or garbage.
    ``registers_as_shipped``: value of each register of the layout, in its order, as it leaves the factory; registers
    beyond the last one given are 0. ``individual_locks``: the part has sector locks (36h, 39h, 3Dh, 7Eh, 98h) that
    rule where bit WPS is set.
    ``unlock_at_power_up``: every block is protected until 98h (SST26), or each sector until 39h (AT25DF).
    """

    family: Family
    registers: Registers
    source: str
    reads: tuple[ReadCommand, ...]
    programs: tuple[ProgramCommand, ...]
    chip_erase: ChipErase
    register_write_us: Figure
    power_up: PowerUp
    address: Literal["3", "3-or-4", "4"] = "3"
    jedec_ext: Annotated[str, msgspec.Meta(pattern="^([0-9A-F]{2})*$")] = ""
    quad_enable: Literal["", "000", "001", "010", "011", "100", "101", "110"] = ""
    while_busy: Literal["ff", "garbage"] = "ff"
    suspend: Suspend | None = None
    power_down: PowerDown | None = None
    soft_reset: SoftReset | None = None
    four_byte: FourByte | None = None
    security: SecurityRegisters | None = None
    unique_id_bytes: Annotated[int, msgspec.Meta(ge=0, le=16)] = 0
    sfdp: Sfdp | None = None
    unlock_at_power_up: bool = False
    evaluate_erase_us: Microseconds = 0
    registers_as_shipped: tuple[Opcode, ...] = ()
    individual_locks: bool = False
    qpi: Qpi | None = None
