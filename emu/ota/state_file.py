"""What a device keeps between two runs, in a file: every cell of its flash, and what its update system lets stand
beside it. The file says for which board, and is believed whole or not at all.

Neighbours: a device has the chips; `flash.snapshot` is their state; `keeping` writes it while a device is served. Knows
no update system.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import msgspec

from emu.ota.errors import OtaError
from flash.device import FlashDevice
from flash.files import MAX_FILE_SIZE, read_bounded, write_file
from flash.snapshot import Block, Snapshot

MAGIC = b"brownout state 1\n"
DIGEST_SIZE = 32


class Named(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def digest(self) -> str: ...


class Keeper(Protocol):
    """A device of which something is kept: a board that is described somewhere, and its chips."""

    @property
    def board(self) -> Named: ...
    @property
    def chips(self) -> Sequence[FlashDevice]: ...


class _Chip(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``blocks``: for each block of the snapshot the index of its content in ``contents``."""

    name: str
    contents: list[bytes]
    blocks: list[int]
    wear: bytes


class _State(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    board: str
    digest: str
    chips: list[_Chip]
    beside: dict[str, Any]


@dataclass(frozen=True)
class DeviceState:
    """What a device is to keep, at one moment. Taking it costs what has changed since the last time; writing it costs
    what the chips hold, and touches no device."""

    board: str
    digest: str
    chips: tuple[tuple[str, Snapshot], ...]
    beside: bytes

    @classmethod
    def of(cls, device: Keeper, beside: dict[str, Any]) -> DeviceState:
        """``beside``: values as JSON has them."""
        chips = tuple((chip.name, chip.snapshot()) for chip in device.chips)
        return cls(device.board.name, device.board.digest, chips, msgspec.msgpack.encode(beside, order="sorted"))

    def same(self, other: DeviceState | None) -> bool:
        """Whether both are of one device, and nothing has changed from one to the other, wear included."""
        if other is None or self.beside != other.beside:
            return False
        pairs = zip(self.chips, other.chips, strict=True)
        return all(mine.wear == theirs.wear and mine.same(theirs) for (_, mine), (_, theirs) in pairs)

    def write(self, path: Path) -> None:
        """Raises ImageError where the file cannot be written; the old one stays."""
        chips = [_chip(name, snapshot) for name, snapshot in self.chips]
        state = _State(self.board, self.digest, chips, msgspec.msgpack.decode(self.beside))
        packed = zlib.compress(msgspec.msgpack.encode(state), 1)
        write_file(path, MAGIC + hashlib.sha256(packed).digest() + packed)


def save_state(path: Path, device: Keeper, beside: dict[str, Any]) -> None:
    """Raises ImageError where the file cannot be written; the old one stays."""
    DeviceState.of(device, beside).write(path)


def load_state(path: Path, device: Keeper) -> dict[str, Any]:
    """Put into ``device`` what the file holds; what stood beside it. Raises OtaError, and nothing has changed."""
    try:
        raw = read_bounded(path, MAX_FILE_SIZE)
    except OSError as wrong:
        raise OtaError(f"{path}: cannot be read ({wrong.strerror}): give another state file") from None
    packed = raw[len(MAGIC) + DIGEST_SIZE :]
    if not raw.startswith(MAGIC):
        raise OtaError(f"{path}: is no state file of this version: give another one, or a name that is not taken")
    if hashlib.sha256(packed).digest() != raw[len(MAGIC) : len(MAGIC) + DIGEST_SIZE]:
        raise OtaError(f"{path}: is damaged, its SHA-256 is not the one it names: remove it, and the device is new")
    try:
        state = msgspec.msgpack.decode(zlib.decompress(packed), type=_State)
    except (msgspec.MsgspecError, zlib.error) as wrong:
        raise OtaError(
            f"{path}: is no state file of this version ({wrong}): remove it, and the device is new"
        ) from None
    if state.digest != device.board.digest:
        raise OtaError(
            f"{path}: is the state of board {state.board}, and not of {device.board.name} as it is described now: "
            "give the same --board, or another state file"
        )
    for chip, kept in zip(device.chips, state.chips, strict=True):
        blocks = [Block(content) for content in kept.contents]
        tree = chip.snapshot().tree.replaced({index: blocks[which] for index, which in enumerate(kept.blocks)})
        chip.restore(Snapshot(tree, kept.wear))
    return state.beside


def _chip(name: str, snapshot: Snapshot) -> _Chip:
    indexes: dict[bytes, int] = {}
    blocks = [indexes.setdefault(block.content, len(indexes)) for block in snapshot.tree.blocks()]
    return _Chip(name, list(indexes), blocks, snapshot.wear)
