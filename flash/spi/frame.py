"""One chip-select frame as far as it has come.

Neighbours: `spi` fills it byte by byte, the functions of the command table read it. Knows no chip.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from flash.spi.command import Command, Refusal


@dataclass(slots=True)
class Frame:
    """``received``: the bytes so far, opcode first (also where a continuous read leaves it out on the bus).

    ``lines``: on how many the host drives the first phase; ``is_foreign``: the chip listens on another number.
    ``header``: bytes before data. ``wide``: bytes of address. ``upper``: what an extended address register adds to it.
    ``was_armed``, ``was_volatile``: 66h or 50h came just before. ``refusal``: why the chip does not listen; ``remark``:
    what a read that does answer puts on record.
    """

    lines: int = 1
    is_foreign: bool = False
    received: bytearray = field(default_factory=bytearray)
    is_decoded: bool = False
    command: Command | None = None
    refusal: Refusal | None = None
    remark: Refusal | None = None
    header: int = 1
    wide: int = 3
    upper: int = 0
    was_armed: bool = False
    was_volatile: bool = False

    @property
    def address(self) -> int:
        return self.upper + int.from_bytes(self.received[1 : 1 + self.wide], "big")

    @property
    def data(self) -> bytes:
        return bytes(self.received[self.header :])
