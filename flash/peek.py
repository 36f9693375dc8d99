"""What a read would return in a state, without restoring it: for checks that look at thousands of states.

Neighbours: `cells` says how a snapshot block is laid out, `emu.campaign` asks. Runs nothing and costs no time.
"""

from __future__ import annotations

from flash.cells import ECC_FAULT, ECC_UNSTABLE, block_size_of
from flash.errors import EccFault, UnsteadyRead
from flash.part import Part
from flash.snapshot import Snapshot


def read_snapshot(part: Part, snapshot: Snapshot, address: int, length: int) -> bytes:
    """What a read would return in a state, without restoring it.

    Raises EccFault where one would or might, and UnsteadyRead where a bit of the range is weak: such content is nothing
    to rely on, whatever it reads as.
    """
    if not length:
        return b""
    size, unit = block_size_of(part.geometry), part.geometry.unit
    first, last = address // size, (address + length - 1) // size
    blocks = [snapshot.tree.block(index).content for index in range(first, last + 1)]
    start = address - first * size
    units = size // unit
    at = size + (units if part.program.max_per_erase else 0)
    if part.kind == "mcu-ecc":
        broken = b"".join(content[at : at + units] for content in blocks)
        for hit in range(start // unit, -(-(start + length) // unit)):
            if broken[hit] in (ECC_FAULT, ECC_UNSTABLE):
                raise EccFault(first * size + hit * unit, unit, part.ecc.fault if part.ecc else "nmi")
        at += units
    if any(len(content) > at for content in blocks):
        weak = b"".join(content[at : at + size] or bytes(size) for content in blocks)
        if any(weak[start : start + length]):
            raise UnsteadyRead(address, length)
    return b"".join(content[:size] for content in blocks)[start : start + length]
