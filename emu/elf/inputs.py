"""What a result on a board depends on, as digests by role.

Neighbours: `rig` adds the oracles of its storage; tokens and certificates name them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import msgspec

from emu.elf.board import ElfBoard
from emu.rig import Input
from flash.part import Part
from flash.snapshot import Snapshot


def inputs_of(
    board: ElfBoard, parts: Sequence[Part], shipped: Sequence[Snapshot], drawn: tuple[str, int, str]
) -> Mapping[str, Input]:
    """``shipped``: the chips as they leave the factory. ``drawn``: timing, seed, and what weak cells read as."""
    memory = b"".join(snapshot.key for snapshot in shipped)
    images = b"".join(name.encode() + hashlib.sha256(data).digest() for name, data in board.images.items())
    described = b"".join(msgspec.json.encode(part) for part in parts)
    workload = "|".join(map(str, drawn))
    update = b"".join(placed.data for placed in board.staged)
    none = [] if board.images else ["no update: the firmware keeps values"]
    ways = [f"{len(update):,} bytes staged"] if board.staged else none
    if board.update is not None:
        update += board.update.data
        update += b"" if board.update.source is None else board.update.source.digest.encode()
        ways.append(board.update.how)
    return {
        "board": Input(board.name, hashlib.sha256(board.digest.encode() + described).hexdigest()),
        "from": Input("what the factory shipped", hashlib.sha256(memory).hexdigest()),
        "to": Input(", ".join(ways), hashlib.sha256(images + update).hexdigest()),
        "workload": Input(workload, hashlib.sha256(workload.encode()).hexdigest()),
    }
