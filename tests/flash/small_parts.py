"""Small parts of every kind: real rules, sizes that a property test can cover byte by byte."""

from __future__ import annotations

import msgspec

from flash.command_set import (
    ChipErase,
    CommandSet,
    PowerUp,
    ProgramCommand,
    ReadCommand,
    SecurityRegisters,
    SoftReset,
    Suspend,
)
from flash.contract import ElapsedTime
from flash.errors import ResetAsserted
from flash.figure import Figure
from flash.part import Ecc, Endurance, Erase, Part, Program, Read, Runs


def figure(typ: float, longest: float | None = None) -> Figure:
    return Figure(typ=typ, max=typ * 4 if longest is None else longest, source="made up for a test")


def _part(name: str, kind: str, sectors: list[tuple[int, int]], program: Program, blocks: tuple[int, ...] = ()) -> Part:
    sizes = sorted({size for _, size in sectors} | set(blocks))
    return Part(
        name=name,
        vendor="nobody",
        kind=kind,  # type: ignore[arg-type]
        size=sum(count * size for count, size in sectors),
        sectors=tuple(Runs(count, size) for count, size in sectors),
        program=program,
        erase=tuple(Erase(size, figure(size * 100)) for size in sizes),
        read=Read(bytes_per_us=8, source="made up for a test"),
        endurance=Endurance(cycles=1000, source="made up for a test"),
        source="made up for a test",
        ecc=Ecc("nmi", "made up for a test") if kind == "mcu-ecc" else None,
    )


SERIAL = _part("SERIAL", "spi-nor", [(64, 64)], Program(1, figure(160), page_size=16), (256, 1024))
"""A serial NOR: 64 sectors of 64 bytes, blocks of 256 and 1024, byte programs in pages of 16."""

WORDS = _part("WORDS", "mcu-word", [(4, 64), (1, 128), (3, 256)], Program(4, figure(40), burst_size=32))
"""An MCU array with mixed sectors; words may be programmed over."""

TWICE = _part(
    "TWICE", "mcu-word", [(16, 64)], Program(4, figure(40), burst_size=32, max_per_erase=2)
)  # fmt: skip
"""An MCU array whose words take two programs between erases."""

GRANULES = _part(
    "GRANULES", "mcu-ecc", [(8, 128)],
    Program(8, figure(80), burst_size=32, max_per_erase=1, overwrite="blank-or-zero"),
)  # fmt: skip
"""An ECC array: 8-byte granules, programmed once, except with zeros."""

HALFWORDS = _part(
    "HALFWORDS", "stm32f1", [(16, 64)], Program(2, figure(50), burst_size=16, overwrite="blank-or-zero")
)  # fmt: skip
"""Half-words are atomic; only zeros go over what is programmed."""


def mirrored(part: Part) -> Part:
    """The same part with the other erased value."""
    return msgspec.structs.replace(part, name=f"{part.name}-mirrored", erased=part.erased ^ 0xFF)


ZEROS = msgspec.structs.replace(
    mirrored(GRANULES), name="ZEROS",
    program=Program(4, figure(80), burst_size=32, max_per_erase=1, overwrite="blank-only"),
)  # fmt: skip
"""An ECC array that erases to 00 and refuses every second program."""

PARALLEL = _part("PARALLEL", "parallel-nor", [(4, 64), (3, 256)], Program(2, figure(60), page_size=16))
"""A parallel NOR with boot sectors: words of two bytes, a write buffer of 16."""

ROWS = _part(
    "ROWS", "mcu-word", [(16, 64)], Program(16, figure(250), page_size=16, max_per_erase=8, budget_size=64)
)  # fmt: skip
"""As the SAM D21 is: pages of one unit, and a budget that counts page writes per row of four."""

COMMANDS = CommandSet(
    family="winbond", registers="winbond", source="made up for a test",
    reads=(ReadCommand("1-1-1", 0x03),), programs=(ProgramCommand("1-1-1", 0x02),),
    chip_erase=ChipErase((0x60, 0xC7), figure(100_000)), register_write_us=figure(1000),
    power_up=PowerUp(20, 5000, "made up for a test"), soft_reset=SoftReset(30, "made up for a test"),
    suspend=Suspend(0x75, 0x7A, 0x75, 0x7A, 20, 20, 100, 100, "made up for a test", erase_pulse_us=500),
    security=SecurityRegisters("registers", 2, 32, "made up for a test", 0x48, 0x42, 0x44),
)  # fmt: skip
"""Commands of a serial part with two security registers of 32 bytes."""

ANNEXED = msgspec.structs.replace(
    SERIAL, name="ANNEXED", jedec_id="EF4001", serial=COMMANDS,
    erase=tuple(msgspec.structs.replace(e, opcode=op) for e, op in zip(SERIAL.erase, (0x20, 0x52, 0xD8), strict=True)),
)  # fmt: skip
"""SERIAL with a command set: behind the array, a block for the registers and one for each security register."""

BUS_FAULTS = msgspec.structs.replace(GRANULES, name="BUS-FAULTS", ecc=Ecc("bus-fault", "made up for a test"))
FLAGS = msgspec.structs.replace(GRANULES, name="FLAGS", ecc=Ecc("flag", "made up for a test"))
"""ECC arrays that show an uncorrectable granule as a bus fault, and as wrong bits with a flag."""

SMALL_PARTS = (SERIAL, WORDS, TWICE, GRANULES, HALFWORDS, ZEROS, mirrored(SERIAL))

EVERY_PART = (*SMALL_PARTS, PARALLEL, ROWS, ANNEXED, FLAGS, mirrored(ANNEXED))
"""Also those whose cells reach behind the array, and kinds that differ only in how they are torn or read."""


class TimedReset(ElapsedTime):
    """A clock with a hardware timer: time stops at ``fire_us`` and the reset line is pulled."""

    def __init__(self, fire_us: int) -> None:
        super().__init__()
        self.fire_us = fire_us

    def advance(self, duration_us: int) -> None:
        if self.now_us + duration_us > self.fire_us:
            self.now_us = self.fire_us
            raise ResetAsserted("timer")
        super().advance(duration_us)
