"""One command of a serial part: a row of the table, and what a command answers that did not do as asked.

Neighbours: `commands` builds the rows, `serial_flash` obeys them. Knows no part and no state.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flash.spi.chip import SerialChip
    from flash.spi.frame import Frame

BY_MODE = -1
"""Address of three bytes, or of four in 4-byte mode."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a command did not do as asked, or did otherwise: the rule, and a line for the record."""

    rule: str
    why: str


Reply = Callable[["SerialChip", "Frame", int, int], bytes]
Act = Callable[["SerialChip", "Frame"], "Refusal | None"]


@dataclass(frozen=True, slots=True)
class Command:
    """One row. ``address``: bytes of it, or BY_MODE. ``dummy``: bytes after it. ``lines``: of opcode, address, data.

    ``reply(chip, frame, first, count)``: what the chip sends. ``streams``: each byte shows the state at its moment.
    ``act``: what happens at the rising chip select; it takes data bytes where ``takes_data``. ``brief``: it happens
    however short the frame is. ``while_busy`` and ``asleep``: taken during an operation, and in deep power-down.
    ``needs_wel``: only after 06h. ``writes``: only once power has been good for the write time.
    """

    opcode: int
    name: str
    address: int = 0
    dummy: int = 0
    lines: tuple[int, int, int] = (1, 1, 1)
    reply: Reply | None = None
    act: Act | None = None
    streams: bool = False
    takes_data: bool = False
    brief: bool = False
    while_busy: bool = False
    asleep: bool = False
    needs_wel: bool = False
    writes: bool = False
    is_array_read: bool = False
    has_mode: bool = False

    @property
    def needs_quad(self) -> bool:
        return 4 in self.lines


def repeated(content: bytes, first: int, count: int) -> bytes:
    """A reply that begins again at its end, from byte ``first`` on."""
    return bytes(content[at % len(content)] for at in range(first, first + count))
