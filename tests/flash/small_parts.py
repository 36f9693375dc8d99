"""Small parts of every kind: real rules, sizes that a property test can cover byte by byte."""

from __future__ import annotations

import msgspec

from flash.contract import ElapsedTime
from flash.errors import ResetAsserted
from flash.part import Endurance, Erase, Figure, Part, Program, Read, Runs


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

SMALL_PARTS = (SERIAL, WORDS, TWICE, GRANULES, HALFWORDS, ZEROS, mirrored(SERIAL))


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
