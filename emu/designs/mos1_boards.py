"""The devices that boot by MOS1 records: where their slots are, and what the factory put there.

STM32: one slot the processor can run, in its own flash; new images arrive in the external flash, and the loader swaps
them in through a third slot. RS14100: two slots that run where they stand. Offsets and default slots are those of the
published boards; the chips, and what is marked so below, are choices of ours.

Neighbours: `mos1` is what runs there, `table` lists the scenarios.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from bootloader.published.mos1 import VALID, WRITEABLE, Mos1Config, Mos1Slot, pack_mos1
from emu.app import APP_MODELS
from emu.board import CheckEntry, TimerEntry
from emu.designs.mos1 import LOGS, Mos1Update, firmware
from emu.designs.payload import FS_SIZE, content, filesystem
from emu.scenario import Scenario, Window

VW = VALID | WRITEABLE
LOG_SIZE = 0x1000
MAX_RESETS = 16
"""Two attempts that are both given up take nine resets, and a cut or two may lie between."""
HISTORY = 12
"""Records a device in the field has in its log already; the first update goes on to the second device."""


OLD, NEW = content("old application", 6_144), content("new application", 7_168)


@dataclass(frozen=True)
class Mos1Board:
    """``slots``: the default ones, without an image's state. ``update_org``: what the update's application is linked
    to."""

    parts: Mapping[str, str]
    windows: Mapping[str, Window]
    slots: tuple[Mos1Slot, ...]
    update_org: int


_STM32_ORG = 0x0801_0000
STM32 = Mos1Board(
    parts={"sysf0": "STM32F405", "spif0": "W25Q64JV"},  # our choice: any part with these offsets would do
    windows={
        "app0": Window(0x10000, 0xF0000, "sysf0"),
        "bcfg0": Window(0x0, LOG_SIZE, "spif0"),
        "bcfg1": Window(0x1000, LOG_SIZE, "spif0"),
        "app1": Window(0x10000, 0x100000, "spif0"),
        "appT": Window(0x110000, 0x100000, "spif0"),
        "appF": Window(0x210000, 0x100000, "spif0"),
        "fs0": Window(0x310000, 0x40000, "spif0"),
        "fs1": Window(0x350000, 0x40000, "spif0"),
        "fsF": Window(0x390000, 0x40000, "spif0"),
    },
    slots=(
        Mos1Slot(VW, "app0", _STM32_ORG, "fs0", app_org=_STM32_ORG),
        Mos1Slot(VW, "app1", 0, "fs1"),
        Mos1Slot(VW, "appT"),
        Mos1Slot(VALID, "appF", 0, "fsF"),
    ),
    update_org=_STM32_ORG,
)
_RS_BASE = 0x0800_0000  # our choice: the published table counts from a base it does not name
RS14100 = Mos1Board(
    parts={"flash": "W25Q64JV"},  # our choice
    windows={
        "bcfg0": Window(0x1E000, LOG_SIZE),
        "bcfg1": Window(0x1F000, LOG_SIZE),
        "fs0": Window(0x40000, 0x40000),
        "fs1": Window(0x80000, 0x40000),  # our choice, between its neighbours
        "fsF": Window(0xC0000, 0x40000),
        "app0": Window(0x100000, 0x100000),
        "app1": Window(0x200000, 0x100000),
        "appF": Window(0x300000, 0x100000),
    },
    slots=(
        Mos1Slot(VW, "app0", _RS_BASE + 0x100000, "fs0", app_org=_RS_BASE + 0x100000),
        Mos1Slot(VW, "app1", _RS_BASE + 0x200000, "fs1"),
        Mos1Slot(VALID, "appF", 0, "fsF"),
    ),
    update_org=_RS_BASE + 0x200000,
)


def default_config(board: Mos1Board, app: bytes) -> Mos1Config:
    """The record a loader begins a log with: slot 0 holds the whole device ``app`` stands on."""
    first = board.slots[0]
    whole = app.ljust(board.windows[first.app_dev].size, b"\xff")
    slot = replace(first, app_len=len(whole), app_crc32=zlib.crc32(whole))
    return Mos1Config(1, (slot, *board.slots[1:]))


def in_the_field(board: Mos1Board) -> Mos1Config:
    """The same device after earlier updates: a record that says how long its application is."""
    slot = replace(board.slots[0], app_len=len(OLD), app_crc32=zlib.crc32(OLD))
    return Mos1Config(HISTORY, (slot, *board.slots[1:]))


def scenario(
    name: str,
    board: Mos1Board,
    app: str = "healthy",
    *,
    knows_second_log: bool = True,
    shipped: Mos1Config | None = None,
) -> Scenario:
    """The device with its workload. ``shipped``: the newest record in its log, which holds all those before it too."""
    newest = shipped or in_the_field(board)
    log = b"".join(pack_mos1(replace(newest, seq=seq + 1)) for seq in range(newest.seq))
    update = Mos1Update(board.update_org, FS_SIZE)
    return Scenario(
        firmware(update, app, knows_second_log=knows_second_log),
        dict(board.parts),
        windows=dict(board.windows),
        factory={"app0": OLD, "appF": OLD, "fs0": filesystem("old"), "fsF": filesystem("old"), LOGS[0]: log},
        images={"old": OLD, "new": NEW},
        work=filesystem("new") + NEW,
        commits=True,
        timers=TimerEntry(commit_timeout_s=60, watchdog_s=30),
        fine=LOGS,
        checks=CheckEntry(max_resets=MAX_RESETS),
        keeps=APP_MODELS[app].keeps,
        name=name,
    )
