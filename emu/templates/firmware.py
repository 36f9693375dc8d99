"""A bootloader with two slots and two copies of its boot config, as brownout tries it.

    brownout run --firmware firmware.py:device

`boot` is called at every reset, and power is cut at every flash operation in it. It is given a `Reset`: the flash
windows, the reset cause, and what the world brings. Keep nothing between calls: power cuts take RAM with them.

What is here holds. Put your own logic in its place, a piece at a time, and run it again: the places to begin are marked
with YOURS. To see a brick, let `store` write over the copy that counts: `config.copy` in place of `1 - config.copy`.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from typing import NamedTuple

from emu.board import TimerEntry
from emu.reset import Reset
from emu.scenario import Scenario, Window
from flash.contract import NorFlash

# -- where things are ------------------------------------------------------------------------------------

# YOURS: name, offset and size of each piece of the flash, on sector boundaries. These are the partitions of board.toml.
WINDOWS = {
    "config-0": Window(0x0, 0x1000),
    "config-1": Window(0x1000, 0x1000),
    "slot-a": Window(0x10000, 0x10000),
    "slot-b": Window(0x20000, 0x10000),
}
CONFIGS, SLOTS = ("config-0", "config-1"), ("slot-a", "slot-b")
SECTOR, PAGE = 0x1000, 256

# -- the boot config -------------------------------------------------------------------------------------

# YOURS: the record, byte for byte. Here: a number that grows, the slot, how far it is trusted; then their CRC-32.
RECORD = struct.Struct("<IBB")
COMMITTED, NEW, ON_TRIAL = 0, 1, 2


class Config(NamedTuple):
    """What one copy says. ``copy``: which of the two it was read from."""

    number: int
    slot: int
    trust: int
    copy: int = 0


def packed(number: int, slot: int, trust: int) -> bytes:
    body = RECORD.pack(number, slot, trust)
    return body + zlib.crc32(body).to_bytes(4, "little")


def newest(flash: Mapping[str, NorFlash]) -> Config | None:
    """The valid copy with the larger number; None where neither is valid."""
    found = []
    for copy, window in enumerate(CONFIGS):
        raw = flash[window].read(0, RECORD.size + 4)
        number, slot, trust = RECORD.unpack_from(raw)
        if raw == packed(number, slot, trust):
            found.append(Config(number, slot, trust, copy))
    return max(found, default=None)


def store(flash: Mapping[str, NorFlash], config: Config, slot: int, trust: int) -> Config:
    """Write the successor of ``config`` over the *other* copy, so that one valid copy is there at any time."""
    stored = Config(config.number + 1, slot, trust, 1 - config.copy)
    window = flash[CONFIGS[stored.copy]]
    window.erase(0, SECTOR)
    window.program(0, packed(stored.number, slot, trust))
    return stored


# -- what runs at every reset ----------------------------------------------------------------------------


def boot(reset: Reset) -> str | None:
    """Returns None when nothing more is going to happen, or why nothing can run."""
    # YOURS: the bootloader. It decides by what it reads, and says which window it hands over to.
    config = newest(reset.flash)
    if config is None:
        return "no copy of the boot config is valid"
    if config.trust == ON_TRIAL:  # it was entered once and has not committed: back to the other image
        config = store(reset.flash, config, 1 - config.slot, COMMITTED)
    elif config.trust == NEW:  # written down before it is entered, or it would be entered again and again
        config = store(reset.flash, config, config.slot, ON_TRIAL)
    reset.handover(SLOTS[config.slot], trial=config.trust == ON_TRIAL)

    # YOURS: the application. A new one tests itself, and then commits; the old one may be asked to update.
    if config.trust == ON_TRIAL:
        reset.clock.advance(500_000)  # microseconds
        with reset.committing():
            config = store(reset.flash, config, config.slot, COMMITTED)
    update = reset.attempt()
    if update is None:
        return None
    return take(reset, config, update)


def take(reset: Reset, config: Config, update: bytes) -> str | None:
    """YOURS: the updater. It writes the slot that does not run, and makes it count only when it is complete."""
    slot = 1 - config.slot
    window = reset.flash[SLOTS[slot]]
    for offset in range(0, len(update), SECTOR):
        window.erase(offset, SECTOR)
    for offset in range(0, len(update), PAGE):
        window.program(offset, update[offset : offset + PAGE])
    if window.read(0, len(update)) != update:
        reset.refuse("the slot does not read back as it was written")
        return None
    store(reset.flash, config, slot, NEW)
    reset.staged()
    reset.restart()


# -- the device ------------------------------------------------------------------------------------------

# YOURS: the images. These count as whole, and nothing else does: brownout compares bytes, it never asks the firmware.
OLD_IMAGE = b"old firmware " * 100
NEW_IMAGE = b"new firmware " * 120

device = Scenario(
    boot,
    "w25q128jv",  # `brownout parts` lists them
    windows=WINDOWS,
    factory={"config-0": packed(1, 0, COMMITTED), "slot-a": OLD_IMAGE},  # as the device leaves the factory
    images={"old": OLD_IMAGE, "new": NEW_IMAGE},
    commits=True,  # a new image is on trial until it commits
    timers=TimerEntry(watchdog_s=8),
    fine=CONFIGS,  # windows that hold small records: looked at byte by byte, as far as the part allows
)
