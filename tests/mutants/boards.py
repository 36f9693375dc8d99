"""The boards mutants live on: as small as a board can be, each with the one trait a mistake needs to show.

Neighbours: rows of `zoo` name a board. Every board here is one on which the unpatched firmware holds; `test_zoo`
proves it with the very campaign the mutant gets. Knows no firmware.
"""

from __future__ import annotations

from pathlib import Path

from emu.board import ALL_CHECKS, Board, BoardFile, CheckEntry, FlashEntry, LayoutEntry, PartitionEntry, TimerEntry
from emu.board import make_board as checked
from flash.part import bundled_part

SLOT_SIZE = 0x2000
SLOTS_AT = 0x4000
FS_BLOCKS = 8


def small_board(
    name: str, part: str, summary: str, timers: TimerEntry, checks: CheckEntry | None = None, fs_size: int = 0
) -> Board:
    """Two config copies in the first two sectors of ``part``, and two slots of 8 KiB, with a filesystem behind."""
    sector = bundled_part(part).geometry.smallest_sector_size
    size = SLOT_SIZE + fs_size
    places = (
        ("config-0", 0, sector),
        ("config-1", sector, sector),
        ("slot-a", SLOTS_AT, size),
        ("slot-b", SLOTS_AT + size, size),
    )
    document = BoardFile(
        name=name,
        platform="zoo",
        summary=summary,
        flash=(FlashEntry(name="flash", part=part),),
        partition=tuple(PartitionEntry(name=n, flash="flash", offset=at, size=size) for n, at, size in places),
        layout=LayoutEntry(configs=("config-0", "config-1"), slots=("slot-a", "slot-b"), fs_size=fs_size),
        timers=timers,
        checks=checks or CheckEntry(),
    )
    return checked(document, Path(), name)


WATCHED = TimerEntry(watchdog_s=8)
UNWATCHED = TimerEntry()

BOARDS: dict[str, Board] = {
    board.name: board
    for board in (
        small_board("serial", "W25Q128JV", "commit timer that can be stopped, and a watchdog", WATCHED),
        small_board("unwatched", "W25Q128JV", "the commit timer is all there is against a hang", UNWATCHED),
        small_board(
            "unstoppable", "W25Q128JV", "the commit timer is an independent watchdog: it can only be fed",
            TimerEntry(commit_can_stop=False),
        ),
        small_board(
            "unclaimed", "W25Q128JV", "does not claim to leave the newest config alone: consequences count, not habits",
            WATCHED, CheckEntry(apply=tuple(check for check in ALL_CHECKS if check != "in-place")),
        ),
        small_board("ecc", "STM32L476", "program-once double words whose torn ones fault when they are read", WATCHED),
        small_board("files", "W25Q128JV", "eight blocks of littlefs in each slot", WATCHED, fs_size=FS_BLOCKS * 4096),
        small_board(
            "ecc-files", "STM32L476", "littlefs on double words that are programmed once", WATCHED,
            fs_size=FS_BLOCKS * 2048,
        ),
        small_board("narrow", "STM32L072", "sectors smaller than the image header, erased to 00", WATCHED),
    )
}  # fmt: skip
