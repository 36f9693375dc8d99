"""The smallest boot config there is: a number, two facts, and the complement of all three. One copy, or two of them.

Neighbours: firmwares of this folder that choose between slots.
"""

from __future__ import annotations

from dataclasses import dataclass

from flash.bulk import put, wipe
from flash.contract import NorFlash

SIZE = 6


@dataclass(frozen=True)
class Record:
    """``serial`` counts up with every record. ``state``: what the firmware makes of it."""

    serial: int
    active: int
    state: int = 0

    @property
    def raw(self) -> bytes:
        body = bytes((self.serial, self.active, self.state))
        return body + bytes(byte ^ 0xFF for byte in body)


def read_record(flash: NorFlash) -> Record | None:
    """The record in ``flash``; None where it is torn or was never written."""
    raw = flash.read(0, SIZE)
    if any(low ^ high != 0xFF for low, high in zip(raw[:3], raw[3:], strict=True)):
        return None
    return Record(*raw[:3])


def write_record(flash: NorFlash, record: Record) -> None:
    wipe(flash)
    put(flash, 0, record.raw)


class TwoCopies:
    """The newest valid copy wins, and the other one is written."""

    def __init__(self, first: NorFlash, second: NorFlash) -> None:
        self._copies = (first, second)
        found = [
            (record.serial, number, record) for number, record in enumerate(map(read_record, self._copies)) if record
        ]
        self._newest, self.record = max(found)[1:] if found else (1, None)

    def write(self, active: int, state: int = 0) -> None:
        serial = self.record.serial + 1 if self.record else 1
        self._newest, self.record = 1 - self._newest, Record(serial, active, state)
        write_record(self._copies[self._newest], self.record)
