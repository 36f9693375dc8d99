"""Drawn boards are boards, on all small parts; the reference firmware holds on every one, and a wrong one does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings

from bootloader.image import HEADER_SIZE
from bootloader.layout import slot_problem
from emu.board import Board, BoardFile, make_board
from emu.campaign.closure import Closure
from emu.campaign.edges import EVENT_NAMES
from emu.campaign.options import ANY, Options
from emu.mutants.table import MUTANTS
from emu.strategies import KINDS, board_parts, boards
from flash.errors import PartError
from flash.part import bundled_part, part_names
from tests.emu.helpers import COARSE, NONE, campaign, rig_on
from tests.emu.strategies.shrinking import quick, smallest


@quick
@given(boards())
def test_a_board_is_its_document(board: Board) -> None:
    document = msgspec.convert(msgspec.to_builtins(board.document), BoardFile)
    assert document == board.document
    assert make_board(document, Path(), "again").digest == board.digest


@quick
@given(boards(slot_size=4096))
def test_an_application_of_the_size_asked_for_fits_both_slots(board: Board) -> None:
    document = board.document
    for entry in document.partition[2:]:
        geometry = board.parts[entry.flash].geometry.window(entry.offset, entry.size)
        assert not slot_problem(geometry, document.layout.fs_size)
        assert entry.size - document.layout.fs_size >= 4096


def test_the_parts_are_of_every_kind_but_parallel_nor_and_sorted_by_size() -> None:
    small = [bundled_part(name) for name in board_parts()]
    assert {part.kind for part in small} == set(KINDS) - {"parallel-nor"}
    assert [part.size for part in small] == sorted(part.size for part in small)
    assert len(small) >= 15


@pytest.mark.parametrize("name", board_parts())
def test_every_part_is_drawn(name: str) -> None:
    smallest(boards(), lambda board: board.document.flash[0].part == name)


@pytest.mark.parametrize(
    "trait",
    [
        lambda document: len({entry.part for entry in document.flash}) == 2,
        lambda document: document.layout.fs_size,
        lambda document: document.partition[2].offset < document.partition[0].offset,
        lambda document: document.partition[2].size != document.partition[3].size,
        lambda document: not document.timers.commit_can_stop and document.timers.watchdog_s,
        lambda document: document.verify.sha256 and document.verify.crc == "crc-32-mpeg",
    ],
)
def test_traits_of_real_boards_are_drawn(trait: Any) -> None:
    smallest(boards(), lambda board: trait(board.document))


def test_a_board_shrinks_to_the_smallest_part_with_partitions_in_order() -> None:
    document = smallest(boards()).document
    assert [entry.part for entry in document.flash] == [board_parts()[0]] == ["STM32F103"]
    assert [(entry.name, entry.offset, entry.size) for entry in document.partition] == [
        ("config-0", 0, 0x400), ("config-1", 0x400, 0x400), ("slot-a", 0x800, 0x2000), ("slot-b", 0x2800, 0x2000),
    ]  # fmt: skip


@settings(quick, max_examples=12)
@given(boards())
def test_the_reference_firmware_holds_on_every_board(board: Board) -> None:
    verdict = campaign(rig_on(board), tears=COARSE, events=EVENT_NAMES)
    assert verdict.findings == []


@pytest.mark.slow
@settings(quick, max_examples=60)
@given(boards())
def test_the_reference_firmware_holds_on_every_board_at_any_depth(board: Board) -> None:
    rig = rig_on(board)
    options = Options(tears=COARSE, depth=ANY, keeps_new=rig.keeps_new)
    verdict = Closure(rig, board.document.checks, options).explore()
    assert (verdict.findings, verdict.complete) == ([], True)


@pytest.mark.parametrize("name", ["one-copy-in-place", "committed-on-entry"])
def test_a_bug_that_is_everywhere_shrinks_to_the_smallest_part(name: str) -> None:
    firmware = MUTANTS[name].firmware()
    found = smallest(boards(), lambda board: campaign(rig_on(board, firmware=firmware), tears=NONE).findings)
    assert [entry.part for entry in found.document.flash] == ["STM32F103"]


def test_a_bug_of_some_parts_shrinks_to_the_smallest_of_them() -> None:
    """Planted: a firmware that does not expect a slot whose sectors are smaller than an image header."""

    def is_broken(board: Board) -> bool:
        slot = board.document.partition[2]
        return board.parts[slot.flash].geometry.sector_at(slot.offset).size < HEADER_SIZE

    document = smallest(boards(max_chips=1), is_broken).document
    assert [entry.part for entry in document.flash] == ["STM32L072"]
    assert [entry.offset for entry in document.partition] == [0, 0x80, 0x100, 0x2100]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"parts": []}, "parts is empty: give names of bundled parts"),
        ({"slot_size": 256}, "slot_size=256, max_chips=2: a slot has more than 256 bytes"),
        ({"max_chips": 3}, "a board one chip or two"),
        ({"slot_size": 1 << 20}, "STM32F103 has no room for two slots of 0x100000 bytes and two boot configs"),
    ],
)
def test_boards_says_what_it_does_not_draw(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        boards(**options)


def test_an_unknown_part_is_named() -> None:
    with pytest.raises(PartError, match="no part named 'W25Q128'"):
        boards(parts=["W25Q128"])


@settings(quick, max_examples=5)
@given(boards(parts=[name for name in part_names() if bundled_part(name).size < 64 << 20], slot_size=20_000))
def test_larger_parts_are_drawn_when_asked_for(board: Board) -> None:
    assert board.document.flash
