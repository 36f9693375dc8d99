"""Where an STM32H5 keeps its option registers: two records used in turn, so a cut leaves the values before it.

No document says how the chip does it; that the values before are still there is what ST's SystemInit counts on when it
starts the change again.

Neighbours: `stm32h5` has the registers. Knows no lock and no flag.
"""

from __future__ import annotations

import zlib

from emu.cpu.flash.operations import erase, is_blank
from emu.cpu.flash.regions import Row
from flash.device import FlashDevice

SWAP_BANK = 1 << 31
OPTIONS = (
    (0x50, 0x2D30_EDF8),
    (0x70, 0xC300_007C),
    (0x80, 0x0800_00C3),
    (0xE8, 0xFFFF_FFFF),
    (0x1E8, 0xFFFF_FFFF),
)
"""(offset of _CUR, value from the factory); _PRG stands behind each. OPTSR, OPTSR2, NSBOOTR, WRP1, WRP2."""
OPTSR, WRP = 0x50, (0xE8, 0x1E8)
RECORD = 4 * len(OPTIONS) + 12


def _record(sequence: int, values: list[int]) -> bytes:
    body = b"".join(value.to_bytes(4, "little") for value in (sequence, len(values), *values))
    return body + zlib.crc32(body).to_bytes(4, "little")


ROW = Row("options", 64, RECORD, _record(0, [value for _, value in OPTIONS]), "mcu-word", True, 0, erase_size=32)


def loaded(row: FlashDevice) -> tuple[int, dict[int, int], bool]:
    """(number of the newer whole record, registers by offset of _CUR, whether a broken record stands beside it)."""
    held = [_record_at(row, half) for half in (0, 1)]
    whole = [record for record in held if record is not None]
    sequence, values = max(whole) if whole else (0, [value for _, value in OPTIONS])
    torn = any(held[half] is None and not is_blank(row, half * RECORD, RECORD) for half in (0, 1))
    return sequence, {offset: value for (offset, _), value in zip(OPTIONS, values, strict=True)}, torn


def rewrite(row: FlashDevice, sequence: int, values: list[int]) -> None:
    """Write record ``sequence`` where the one before does not stand."""
    at = sequence % 2 * RECORD
    erase(row, at, RECORD)
    row.program(at, _record(sequence, values))


def _record_at(row: FlashDevice, half: int) -> tuple[int, list[int]] | None:
    raw = row.sense(half * RECORD, RECORD)
    words = [int.from_bytes(raw[at : at + 4], "little") for at in range(0, RECORD, 4)]
    return (words[0], words[2:-1]) if zlib.crc32(raw[:-4]) == words[-1] else None
