"""Boards that could be: bundled parts, two config copies, two slots, timers; small enough for a campaign in a test.

Neighbours: `emu.board` says what a board may be and checks every one drawn. Knows no firmware and no campaign.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import get_args

from hypothesis import strategies as st

from bootloader.config import RECORD_SIZE
from bootloader.crc import CrcName
from bootloader.image import HEADER_SIZE
from emu.board import (
    AppEntry,
    Board,
    BoardFile,
    FlashEntry,
    LayoutEntry,
    LinkEntry,
    PartitionEntry,
    TimerEntry,
    VerifyEntry,
    make_board,
)
from flash.geometry import Geometry, Sector
from flash.part import bundled_part, part_names

MAX_ARRAY_SIZE = 2 << 20
MAX_SECTOR_SIZE = 16 << 10
ROLES = ("config-0", "config-1", "slot-a", "slot-b")


def _is_small(name: str) -> bool:
    part = bundled_part(name)
    sizes = [sector.size for sector in part.geometry.sectors_in(0, part.size)][: len(ROLES)]
    return part.size <= MAX_ARRAY_SIZE and max(sizes) <= MAX_SECTOR_SIZE


@cache
def board_parts() -> tuple[str, ...]:
    """Bundled parts of at most 2 MiB whose first sectors have at most 16 KiB, smallest first; every kind is there."""
    return tuple(sorted(filter(_is_small, part_names()), key=lambda name: (bundled_part(name).size, name)))


def boards(
    *, parts: Sequence[str] | None = None, slot_size: int = 8 << 10, max_chips: int = 2
) -> st.SearchStrategy[Board]:
    """A checked `emu.board.Board`; its document is ``board.document``, an `emu.board.BoardFile`.

    ``parts``: names of bundled parts to choose from (None: `board_parts`). Slots have ``slot_size`` bytes to twice
    that, rounded up to sectors (which may make them larger); behind ``slot_size`` bytes may be room for a filesystem.
    The four partitions stand in any order with gaps of up to two sectors, on one chip, or the configs on another than
    the slots (``max_chips`` 2). The commit timer counts 2 to 60 s, can be stopped or not; there is a watchdog of 4 to
    20 s or none; images are checked by any CRC, and by SHA-256 or not. All checks apply. Shrinks to one chip, the first
    of ``parts``, with the partitions in order. Raises PartError for a name no part has.
    """
    parts = board_parts() if parts is None else parts
    if not parts:
        raise ValueError("boards(): parts is empty: give names of bundled parts")
    if slot_size <= HEADER_SIZE or max_chips not in (1, 2):
        raise ValueError(
            f"boards(): slot_size={slot_size}, max_chips={max_chips}: a slot has more than {HEADER_SIZE} bytes, "
            "a board one chip or two"
        )
    for name in parts:
        if not _placed(FlashEntry(name="flash", part=name), _least(slot_size)):
            raise ValueError(f"boards(): {name} has no room for two slots of {slot_size:#x} bytes and two boot configs")
    return _boards(tuple(parts), slot_size, max_chips)


@st.composite
def _boards(draw: st.DrawFn, parts: tuple[str, ...], slot_size: int, max_chips: int) -> Board:
    chips = [FlashEntry(name="flash", part=draw(st.sampled_from(parts)))]
    if max_chips == 2 and draw(st.booleans()):
        chips.append(FlashEntry(name="second", part=draw(st.sampled_from(parts))))
    partitions, layout = draw(_layouts(chips, slot_size))
    document = BoardFile(
        name="drawn",
        platform="drawn",
        summary="drawn for a property test",
        flash=tuple(chips),
        partition=partitions,
        layout=layout,
        load_address=draw(st.sampled_from((0, 0x0800_8000))),
        verify=VerifyEntry(crc=draw(st.sampled_from(get_args(CrcName))), sha256=draw(st.booleans())),
        timers=draw(_timers()),
        app=AppEntry(self_test_ms=draw(st.sampled_from((500, 0, 1500)))),
        link=LinkEntry(chunk_size=draw(st.sampled_from((4096, 512, 1000, 61)))),
    )
    return make_board(document, Path(), document.name)


@st.composite
def _timers(draw: st.DrawFn) -> TimerEntry:
    commit_s = draw(st.integers(2, 60))
    return TimerEntry(
        commit_timeout_s=commit_s,
        commit_can_stop=draw(st.sampled_from((True, False))),
        commit_max_s=draw(st.sampled_from((0, commit_s))),
        watchdog_s=draw(st.one_of(st.just(0), st.integers(4, 20))),
    )


@st.composite
def _layouts(
    draw: st.DrawFn, chips: list[FlashEntry], slot_size: int
) -> tuple[tuple[PartitionEntry, ...], LayoutEntry]:
    sizes = [RECORD_SIZE] * 2 + [draw(st.integers(slot_size, 2 * slot_size)) for _ in range(2)]
    order = draw(st.permutations(range(len(ROLES))))
    gaps = draw(st.lists(st.integers(0, 2), min_size=len(ROLES), max_size=len(ROLES)))
    placed: dict[str, PartitionEntry] = {}
    for number, chip in enumerate(chips):
        here = {role for role in order if len(chips) == 1 or (role >= 2) == bool(number)}
        wanted = [(ROLES[role], sizes[role], gaps[role]) for role in order if role in here]
        tight = [(name, size, 0) for name, size, _ in wanted]
        least = [each for role, each in enumerate(_least(slot_size)) if role in here]
        for entry in _placed(chip, wanted) or _placed(chip, tight) or _placed(chip, least):
            placed[entry.name] = entry
    partitions = tuple(placed[name] for name in ROLES)
    fs_size = draw(st.sampled_from(_filesystem_sizes(chips[-1], partitions[2:], slot_size)))
    return partitions, LayoutEntry(configs=(ROLES[0], ROLES[1]), slots=(ROLES[2], ROLES[3]), fs_size=fs_size)


def _least(slot_size: int) -> list[tuple[str, int, int]]:
    """What `_placed` is asked for when nothing larger fits: in order, without gaps."""
    return [(name, size, 0) for name, size in zip(ROLES, (RECORD_SIZE, RECORD_SIZE, slot_size, slot_size), strict=True)]


def _placed(chip: FlashEntry, wanted: list[tuple[str, int, int]]) -> list[PartitionEntry]:
    """(name, least size, sectors left free before it), one behind the other in whole sectors; []: they do not fit."""
    geometry, at = bundled_part(chip.part).geometry, 0
    entries = []
    for name, size, gap in wanted:
        for _ in range(gap):
            at = geometry.sector_at(at).end if at < geometry.size else at
        if at + size > geometry.size:
            return []
        end = geometry.sector_end(at + size)
        entries.append(PartitionEntry(name=name, flash=chip.name, offset=at, size=end - at))
        at = end
    return entries


def _filesystem_sizes(chip: FlashEntry, slots: Sequence[PartitionEntry], slot_size: int) -> list[int]:
    """Sizes a filesystem at the end of both slots can have: none, or some sectors, behind ``slot_size`` bytes."""
    geometry = bundled_part(chip.part).geometry
    windows = [geometry.window(entry.offset, entry.size) for entry in slots]
    ends = [{window.size - sector.address for sector in _sectors_behind(window, slot_size)} for window in windows]
    return [0, *sorted(ends[0] & ends[1])]


def _sectors_behind(window: Geometry, offset: int) -> Iterator[Sector]:
    return (sector for sector in window.sectors_in(0, window.size) if sector.address >= offset)
