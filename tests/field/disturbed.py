"""A neighbour of the programmed byte that changes: a log that keeps all its records in one sector.

Microchip says of its SST26 parts that a cut during a page program may corrupt the sector around it; TI says as much of
its MCUs (SLAA392). A record that was told long ago is then gone, though nobody touched it. No power-cut simulator that
damages the written range alone can see that.

The right one never writes into the sector that holds the newest record.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from emu.oracle import Contents, Oracle
from emu.reset import Reset
from flash.bulk import put, wipe
from flash.contract import NorFlash
from flash.errors import UnsteadyRead
from tests.field.bug import SECTOR, FieldBug, rig_of, sectors
from tests.flash.small_parts import SERIAL

RECORD = 24
ROOM = SECTOR // RECORD


def _record(value: int) -> bytes:
    body = bytes((value,)) * (RECORD // 2)
    return body + bytes(byte ^ 0xFF for byte in body)


def _value(raw: bytes) -> int:
    """What a record says; 0: it is none."""
    return raw[0] if raw == _record(raw[0]) else 0


def _values(log: NorFlash) -> list[int]:
    return [_value(log.read(at * RECORD, RECORD)) for at in range(ROOM)]


def wrong(reset: Reset) -> str | None:
    """Append to the sector the newest record is in; go to the other one when it is full."""
    logs = reset.flash["log-0"], reset.flash["log-1"]
    newest, sector = max((max(_values(log)), number) for number, log in enumerate(logs))
    free = [at for at in range(ROOM) if logs[sector].read(at * RECORD, RECORD) == b"\xff" * RECORD]
    if newest and free:
        return _store(reset, newest + 1, logs[sector], free[0])
    return _store(reset, newest + 1, logs[1 - sector], None)


def right(reset: Reset) -> str | None:
    """The other sector, always."""
    logs = reset.flash["log-0"], reset.flash["log-1"]
    newest, sector = max((max(_values(log)), number) for number, log in enumerate(logs))
    return _store(reset, newest + 1, logs[1 - sector], None)


def _store(reset: Reset, value: int, log: NorFlash, free: int | None) -> None:
    """Keep ``value`` if somebody asks; ``free`` None: the sector is erased first."""
    if reset.attempt() is None:
        return
    reset.offer("count", value)
    if free is None:
        wipe(log)
    put(log, (free or 0) * RECORD, _record(value))
    reset.tell("count", value)
    reset.restart()


def _is_kept(contents: Contents) -> str:
    if not contents.knows("count"):
        return ""
    found = set(_readable(contents))
    return "" if found & set(contents.allowed("count")) else f"the count is lost: {sorted(found)} can be read"


def _readable(contents: Contents) -> Iterator[int]:
    for window in ("log-0", "log-1"):
        for at in range(ROOM):
            try:
                yield _value(contents.read(window, at * RECORD, RECORD))
            except UnsteadyRead:
                continue  # that was the record under the cut: nothing to rely on


KEEPS = Oracle("keeps", "a count that was told can still be read", _is_kept)

BUG = FieldBug(
    name="disturbed",
    reference="tear row `disturb`: Microchip on SST26, TI SLAA392",
    wrong=wrong,
    right=right,
    rig=partial(rig_of, parts=SERIAL, windows=sectors("log-0", "log-1"), oracles=(KEEPS,)),
    check="keeps",
    tears="T3-coarse",
    milder="T2",
    attempts=2,
    right_tears="T3-coarse",
)
