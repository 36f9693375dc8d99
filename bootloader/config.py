"""The boot config record, byte for byte, and which of two copies is newer.

128 bytes, little endian, sealed by CRC-32 over bytes 0 to 123 (SPEC.md has a worked hexdump that a test reads):

    offset size field
    0      4    magic "BRBC"
    4      2    version, 1
    6      2    reserved, FFFF
    8      4    sequencer; counts down: the smaller valid one is newer; FFFFFFFF is never written
    12     1    active slot
    13     1    revert slot, FF: none
    14     2    flags: bit 0 committed, bit 1 first boot, bit 2 merge filesystem
    16     4    commit timeout, seconds; 0: the application commits at once
    20     28   slot 0: app length, load address, CRC, version; filesystem offset, length, CRC (u32 each)
    48     28   slot 1: the same
    76     48   reserved, FF
    124    4    CRC-32 of bytes 0 to 123

Erased flash therefore reads as sequencer FFFFFFFF: older than any record. Where erased flash reads 00 the record
is stored complemented, so that the same sentence holds there.

Neighbours: `config_store` puts records on flash, `decision` reads them. Knows no flash.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import construct as cs

MAGIC = b"BRBC"
VERSION = 1
RECORD_SIZE = 128
SLOT_COUNT = 2
NO_SLOT = 0xFF
INITIAL_SEQUENCER = 0xFFFF_FFFE
ERASED_SEQUENCER = 0xFFFF_FFFF

COMMITTED = 1 << 0
FIRST_BOOT = 1 << 1
MERGE_FS = 1 << 2

_SLOT = cs.Struct(
    "app_length" / cs.Int32ul,
    "load_address" / cs.Int32ul,
    "app_crc" / cs.Int32ul,
    "app_version" / cs.Int32ul,
    "fs_offset" / cs.Int32ul,
    "fs_length" / cs.Int32ul,
    "fs_crc" / cs.Int32ul,
)
_BODY = cs.Struct(
    "magic" / cs.Bytes(4),
    "version" / cs.Int16ul,
    "reserved" / cs.Int16ul,
    "sequencer" / cs.Int32ul,
    "active_slot" / cs.Int8ul,
    "revert_slot" / cs.Int8ul,
    "flags" / cs.Int16ul,
    "commit_timeout_s" / cs.Int32ul,
    "slots" / _SLOT[SLOT_COUNT],
    "padding" / cs.Bytes(48),
)


@dataclass(frozen=True, slots=True)
class SlotConfig:
    """What the record says about one slot. All zero: nothing was ever written there by an update."""

    app_length: int = 0
    load_address: int = 0
    app_crc: int = 0
    app_version: int = 0
    fs_offset: int = 0
    fs_length: int = 0
    fs_crc: int = 0


@dataclass(frozen=True, slots=True)
class BootConfig:
    """One record. ``revert_slot`` None: there is nothing to go back to."""

    sequencer: int
    active_slot: int
    revert_slot: int | None
    committed: bool
    first_boot: bool
    merge_fs: bool
    commit_timeout_s: int
    slots: tuple[SlotConfig, SlotConfig]

    def with_slot(self, index: int, slot: SlotConfig) -> BootConfig:
        slots = (slot, self.slots[1]) if index == 0 else (self.slots[0], slot)
        return replace(self, slots=slots)

    @property
    def flags(self) -> int:
        return COMMITTED * self.committed | FIRST_BOOT * self.first_boot | MERGE_FS * self.merge_fs


def pack_config(config: BootConfig) -> bytes:
    """The 128 bytes of a record."""
    body: bytes = _BODY.build(
        {
            "magic": MAGIC,
            "version": VERSION,
            "reserved": 0xFFFF,
            "sequencer": config.sequencer,
            "active_slot": config.active_slot,
            "revert_slot": NO_SLOT if config.revert_slot is None else config.revert_slot,
            "flags": config.flags,
            "commit_timeout_s": config.commit_timeout_s,
            "slots": [{name: getattr(slot, name) for name in SlotConfig.__slots__} for slot in config.slots],
            "padding": b"\xff" * 48,
        }
    )
    return body + zlib.crc32(body).to_bytes(4, "little")


@dataclass(frozen=True, slots=True)
class CopyReading:
    """What one copy holds: a config, or the reason why it does not count."""

    config: BootConfig | None
    reason: str


@lru_cache(maxsize=4096)
def read_config(record: bytes) -> CopyReading:
    """Take 128 bytes for a record, or say why not. Never raises for content.

    Remembered by content alone: campaigns read the same few records over and over.
    """
    if record == b"\xff" * RECORD_SIZE:
        return CopyReading(None, "erased")
    if record[:4] != MAGIC:
        return CopyReading(None, f"no magic (reads {record[:4].hex()})")
    body, seal = record[:-4], int.from_bytes(record[-4:], "little")
    if zlib.crc32(body) != seal:
        return CopyReading(None, f"CRC mismatch (stored {seal:08x}, computed {zlib.crc32(body):08x})")
    fields = _BODY.parse(body)
    if fields.version != VERSION:
        return CopyReading(None, f"version {fields.version}, this bootloader reads {VERSION}")
    if fields.sequencer == ERASED_SEQUENCER:
        return CopyReading(None, "sequencer ffffffff is never written")
    if fields.active_slot >= SLOT_COUNT:
        return CopyReading(None, f"active slot {fields.active_slot} does not exist")
    if fields.revert_slot != NO_SLOT and fields.revert_slot >= SLOT_COUNT:
        return CopyReading(None, f"revert slot {fields.revert_slot} does not exist")
    if fields.revert_slot == fields.active_slot:
        return CopyReading(None, f"slot {fields.active_slot} is to be reverted to itself")
    slots = [SlotConfig(*(s[name] for name in SlotConfig.__slots__)) for s in fields.slots]
    config = BootConfig(
        sequencer=fields.sequencer,
        active_slot=fields.active_slot,
        revert_slot=None if fields.revert_slot == NO_SLOT else fields.revert_slot,
        committed=bool(fields.flags & COMMITTED),
        first_boot=bool(fields.flags & FIRST_BOOT),
        merge_fs=bool(fields.flags & MERGE_FS),
        commit_timeout_s=fields.commit_timeout_s,
        slots=(slots[0], slots[1]),
    )
    return CopyReading(config, "valid")


NewestReason = Literal["only", "smaller sequencer", "tie", "none"]


@dataclass(frozen=True, slots=True)
class Configs:
    """Both copies as read, and which one counts. ``newest`` is an index, None when both are bad."""

    copies: tuple[CopyReading, CopyReading]
    newest: int | None
    why: NewestReason

    @property
    def config(self) -> BootConfig | None:
        return None if self.newest is None else self.copies[self.newest].config

    @property
    def write_to(self) -> int:
        """The copy the next record goes to: never the newest valid one."""
        return 0 if self.newest is None else 1 - self.newest


def newest_of(first: CopyReading, second: CopyReading) -> Configs:
    """The valid copy with the smaller sequencer. A tie (only a factory tool can make one) goes to copy 0."""
    copies = (first, second)
    if first.config is None and second.config is None:
        return Configs(copies, None, "none")
    if first.config is None or second.config is None:
        return Configs(copies, 0 if second.config is None else 1, "only")
    if first.config.sequencer == second.config.sequencer:
        return Configs(copies, 0, "tie")
    return Configs(copies, 0 if first.config.sequencer < second.config.sequencer else 1, "smaller sequencer")
