"""The `mgos_boot_cfg` record of Mongoose OS ("MOS1"), byte for byte, and the choice of a slot by it.

256 bytes, packed, little endian, sealed by CRC-32 over bytes 0 to 251 (SPEC.md has worked hexdumps):

    offset size field
    0      4    magic 0x31534f4d, "MOS1"
    4      4    sequencer; counts up: the larger one is newer
    8      4    version, 1
    12     1    number of slots, 1 to 5
    13     1    active slot, signed
    14     1    revert slot, signed; -1: none
    15     4    flags: bit 0 committed, 1 first boot A, 2 first boot B, 3 merge filesystem
    19     205  five slots of 41 bytes; those not in use are zero
    224    28   FF
    252    4    CRC-32 of bytes 0 to 251

    slot: flags u32 (bit 0 valid, bit 1 writeable), app_dev[8], app_map_addr u32, fs_dev[8], then its state:
    app_len, app_org, app_crc32, app_flags (u32 each), err_count u8

First boot B is the one boot an uncommitted image gets: the loader clears it before it enters the image. First boot A
tells the application that it is new, until it commits.

Neighbours: `mos1_log` puts records on flash. Knows no flash.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from functools import lru_cache

import construct as cs

MAGIC = 0x31534F4D
VERSION = 1
RECORD_SIZE = 256
MAX_SLOTS = 5
NO_SLOT = -1

COMMITTED, FIRST_BOOT_A, FIRST_BOOT_B, MERGE_FS = (1 << bit for bit in range(4))
VALID, WRITEABLE = 1 << 0, 1 << 1
_NAME_SIZE = 8

_SLOT = cs.Struct(
    "flags" / cs.Int32ul,
    "app_dev" / cs.Bytes(_NAME_SIZE),
    "app_map_addr" / cs.Int32ul,
    "fs_dev" / cs.Bytes(_NAME_SIZE),
    "app_len" / cs.Int32ul,
    "app_org" / cs.Int32ul,
    "app_crc32" / cs.Int32ul,
    "app_flags" / cs.Int32ul,
    "err_count" / cs.Int8ul,
)
_BODY = cs.Struct(
    "magic" / cs.Int32ul,
    "seq" / cs.Int32ul,
    "version" / cs.Int32ul,
    "num_slots" / cs.Int8ul,
    "active_slot" / cs.Int8sl,
    "revert_slot" / cs.Int8sl,
    "flags" / cs.Int32ul,
    "slots" / _SLOT[MAX_SLOTS],
    "padding" / cs.Bytes(28),
)
_NUMBERS = ("flags", "app_map_addr", "app_len", "app_org", "app_crc32", "app_flags", "err_count")


@dataclass(frozen=True, slots=True)
class Mos1Slot:
    """What a record says of one slot. ``app_dev``, ``fs_dev``: names of devices, at most 8 bytes, "": none.
    ``app_map_addr``: where the processor sees it, 0: nowhere. ``app_org``: where its image is linked."""

    flags: int = 0
    app_dev: str = ""
    app_map_addr: int = 0
    fs_dev: str = ""
    app_len: int = 0
    app_org: int = 0
    app_crc32: int = 0
    app_flags: int = 0
    err_count: int = 0

    @property
    def is_bootable(self) -> bool:
        """Whether its image runs where it stands."""
        return self.app_org == self.app_map_addr


@dataclass(frozen=True, slots=True)
class Mos1Config:
    """One record. ``slots``: as many as are in use. ``revert_slot`` -1: there is nothing to go back to."""

    seq: int
    slots: tuple[Mos1Slot, ...]
    active_slot: int = 0
    revert_slot: int = NO_SLOT
    flags: int = COMMITTED
    version: int = VERSION

    @property
    def committed(self) -> bool:
        return bool(self.flags & COMMITTED)

    @property
    def active(self) -> Mos1Slot:
        return self.slots[self.active_slot]

    def with_slot(self, index: int, slot: Mos1Slot) -> Mos1Config:
        return replace(self, slots=(*self.slots[:index], slot, *self.slots[index + 1 :]))

    def flagged(self, *, on: int = 0, off: int = 0) -> Mos1Config:
        """The config with flags ``on`` set and ``off`` cleared."""
        return replace(self, flags=self.flags & ~off | on)

    def settled_on(self, slot: int) -> Mos1Config:
        """``slot`` is active and stays: what a commit, a revert and "reboot without commit" make of a record. First
        boot B stays as it is."""
        settled = replace(self, active_slot=slot, revert_slot=NO_SLOT)
        return settled.flagged(on=COMMITTED, off=FIRST_BOOT_A | MERGE_FS)

    def with_fs_swapped(self, one: int, other: int) -> Mos1Config:
        """The filesystems of two slots change places, by name: nothing is copied."""
        first, second = self.slots[one], self.slots[other]
        swapped = self.with_slot(one, replace(first, fs_dev=second.fs_dev))
        return swapped.with_slot(other, replace(second, fs_dev=first.fs_dev))


def pack_mos1(config: Mos1Config) -> bytes:
    """The 256 bytes of a record. Raises ValueError for a name that does not fit."""
    unused = [Mos1Slot()] * (MAX_SLOTS - len(config.slots))
    body: bytes = _BODY.build(
        {
            "magic": MAGIC,
            "seq": config.seq,
            "version": config.version,
            "num_slots": len(config.slots),
            "active_slot": config.active_slot,
            "revert_slot": config.revert_slot,
            "flags": config.flags,
            "slots": [_slot_fields(slot) for slot in (*config.slots, *unused)],
            "padding": b"\xff" * 28,
        }
    )
    return body + zlib.crc32(body).to_bytes(4, "little")


@lru_cache(maxsize=4096)
def parse_mos1(record: bytes) -> Mos1Config | None:
    """Take 256 bytes for a record; None where magic or CRC say that it is none. Never raises for content.

    Nothing else is looked at, as in the original; slots beyond the number in use are dropped.
    """
    if record[:4] != MAGIC.to_bytes(4, "little") or zlib.crc32(record[:-4]) != int.from_bytes(record[-4:], "little"):
        return None
    fields = _BODY.parse(record)
    slots = tuple(
        Mos1Slot(app_dev=_text(slot.app_dev), fs_dev=_text(slot.fs_dev), **{name: slot[name] for name in _NUMBERS})
        for slot in fields.slots[: fields.num_slots]
    )
    return Mos1Config(fields.seq, slots, fields.active_slot, fields.revert_slot, fields.flags, fields.version)


def find_slot(config: Mos1Config, map_addr: int, *, want_fs: bool, excluding: tuple[int, ...] = ()) -> int:
    """The slot to write to, or to boot from; -1: none. ``map_addr`` 0: wherever the processor sees it.

    The search begins at sequencer modulo number of slots, so what it finds goes round from record to record. The
    active slot, and one that is not valid and writeable, is never found. Of several the one with the fewest errors.
    """
    best, count = NO_SLOT, len(config.slots)
    for step in range(count):
        index = (config.seq + step) % count
        slot = config.slots[index]
        if index == config.active_slot or index in excluding or (map_addr and slot.app_map_addr != map_addr):
            continue
        if (want_fs and not slot.fs_dev) or slot.flags & (VALID | WRITEABLE) != VALID | WRITEABLE:
            continue
        if best == NO_SLOT or slot.err_count < config.slots[best].err_count:
            best = index
    return best


def _slot_fields(slot: Mos1Slot) -> dict[str, object]:
    names = {"app_dev": slot.app_dev, "fs_dev": slot.fs_dev}
    return {name: getattr(slot, name) for name in _NUMBERS} | {key: _name(name) for key, name in names.items()}


def _name(name: str) -> bytes:
    raw = name.encode()
    if len(raw) > _NAME_SIZE:
        raise ValueError(f"device name {name!r} has {len(raw)} bytes; a record holds {_NAME_SIZE}")
    return raw.ljust(_NAME_SIZE, b"\0")


def _text(raw: bytes) -> str:
    return raw.split(b"\0")[0].decode("latin-1")
