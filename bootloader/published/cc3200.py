"""The `boot_cfg` of Mongoose OS on the CC3200: two files with a sequencer that counts down, and no checksum.

512 bytes, little endian, in natural alignment (SPEC.md has a worked hexdump):

    offset size field
    0      8    sequencer; the smaller one is newer
    8      4    flags: bit 0 first boot, bit 1 merge filesystem, bit 31 invalid
    12     50   app_image_file, ends at its first NUL; 2 bytes of padding
    64     4    app_load_addr
    68     50   fs_container_prefix, likewise; padding to 120, then zeros to 512

There is no magic and no CRC: every 512 bytes are a config. Sequencer 2^64 - 1 is the tombstone, older than anything; a
config that cannot be read counts as 0 and is not there. Committed means that first boot is clear. Bit 31 of the flags
is set in erased flash alone; it changes what the original's reader returns, and not which config is chosen.

Neighbours: `emu.designs` has files to put these in. Knows no flash.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import construct as cs

SIZE = 512
FILES = ("mg-boot.cfg.0", "mg-boot.cfg.1")
TOMBSTONE_SEQ = (1 << 64) - 1
INITIAL_SEQ = TOMBSTONE_SEQ - 1
FIRST_BOOT, MERGE_SPIFFS, INVALID = 1 << 0, 1 << 1, 1 << 31
_NAME_SIZE = 50

_CFG = cs.Struct(
    "seq" / cs.Int64ul,
    "flags" / cs.Int32ul,
    "app_image_file" / cs.Bytes(_NAME_SIZE),
    "padding1" / cs.Bytes(2),
    "app_load_addr" / cs.Int32ul,
    "fs_container_prefix" / cs.Bytes(_NAME_SIZE),
    "padding2" / cs.Bytes(2),
)


@dataclass(frozen=True, slots=True)
class Cc3200Config:
    """One config. Names are bytes: what a torn one holds is no text."""

    seq: int
    flags: int
    app_image_file: bytes
    app_load_addr: int
    fs_container_prefix: bytes

    @property
    def is_first_boot(self) -> bool:
        return bool(self.flags & FIRST_BOOT)

    @property
    def tombstone(self) -> Cc3200Config:
        """The same, older than anything."""
        return replace(self, seq=TOMBSTONE_SEQ)


def initial_config(app_image_file: bytes, app_load_addr: int, fs_container_prefix: bytes) -> Cc3200Config:
    """What the factory writes."""
    return Cc3200Config(INITIAL_SEQ, 0, app_image_file, app_load_addr, fs_container_prefix)


def pack_cc3200(config: Cc3200Config) -> bytes:
    """The 512 bytes of a config. Raises ValueError for a name that does not fit."""
    raw: bytes = _CFG.build(
        {
            "seq": config.seq,
            "flags": config.flags,
            "app_image_file": _padded(config.app_image_file),
            "padding1": bytes(2),
            "app_load_addr": config.app_load_addr,
            "fs_container_prefix": _padded(config.fs_container_prefix),
            "padding2": bytes(2),
        }
    )
    return raw.ljust(SIZE, b"\0")


def parse_cc3200(raw: bytes | None) -> Cc3200Config | None:
    """What a file holds; None: it cannot be read, is too short, or has sequencer 0, which counts as that."""
    if raw is None or len(raw) < _CFG.sizeof():
        return None
    fields = _CFG.parse(raw)
    if fields.seq == 0:
        return None
    names = (fields.app_image_file.split(b"\0")[0], fields.fs_container_prefix.split(b"\0")[0])
    return Cc3200Config(fields.seq, fields.flags, names[0], fields.app_load_addr, names[1])


def chosen(first: Cc3200Config | None, second: Cc3200Config | None) -> int | None:
    """Which of the two counts: the smaller sequencer; a tie goes to the second; None: neither is there."""
    if first is None or second is None:
        return 0 if first is not None else 1 if second is not None else None
    return 0 if first.seq < second.seq else 1


def _padded(name: bytes) -> bytes:
    if len(name) > _NAME_SIZE:
        raise ValueError(f"name {name!r} has {len(name)} bytes; a config holds {_NAME_SIZE}")
    return name.ljust(_NAME_SIZE, b"\0")
