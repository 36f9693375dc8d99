"""What `inspect` says about a flash against what the device itself does with it: on every kind of state a power cut
leaves, and on flashes broken by hand. Neighbours: `tests/emu/cli/test_inspect.py` holds the command."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest

from bootloader.config import BootConfig, pack_config
from bootloader.decision import Rule
from bootloader.image import header_for, pack_header
from emu.board import Board, load_board
from emu.device import EmulatedDevice
from emu.errors import ScenarioError
from emu.events import DECIDED
from emu.factory import SlotImage, make_factory_device
from emu.inspection.content import RULES, chip_content, inspect_content, is_flash_image
from flash.cells import Cells
from flash.errors import ImageError
from flash.images import Region, Segment, image_from_segments
from tests.emu.helpers import BOARDS, NEW_APP, OLD_APP, board_with, events, known_edges, rig_on

SMALL = ("stm32f103", "stm32l072", "stm32l476", "nrf52840")


def sealed(board: Board, app: bytes = OLD_APP, version: int = 0x0100_0000) -> SlotImage:
    header = header_for(app, load_address=board.document.load_address, app_version=version)
    return SlotImage(header, app)


def factory(board: Board, other: SlotImage | None = None) -> tuple[EmulatedDevice, bytearray]:
    """A factory device, and what its one chip holds."""
    device = make_factory_device(board, (sealed(board), other))
    (chip,) = device.chips
    return device, bytearray(chip.cells.read(0, chip.part.size))


def inspected(board: Board, content: bytes) -> dict[str, Any]:
    (name,) = board.parts
    return inspect_content(board, {name: bytes(content)})


def record(board: Board, config: BootConfig) -> bytes:
    """As it stands on flash: complemented where erased flash reads 00."""
    (part,) = board.parts.values()
    return bytes(byte ^ (0xFF - part.erased) for byte in pack_config(config))


def config_of(device: EmulatedDevice) -> BootConfig:
    from bootloader.config_store import ConfigStore

    config = ConfigStore(device.layout.configs).read().config
    assert config is not None
    return config


# -- what power cuts leave -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SMALL)
def test_what_is_foretold_is_what_the_device_does_after_every_kind_of_cut(name: str) -> None:
    """States from every session of an update, clean and torn; the device boots each, and so does the inspection."""
    rig, edges = known_edges(name)
    children = [child for _, _, child in edges if child.edge.how not in ("reset", "hang", "timer")]
    cells = Cells(rig.parts[0])
    rules: set[str] = set()
    compared = 0
    for child in children[:: max(1, len(children) // 120)]:
        cells.restore(child.state.memory[0])
        if cells.first_broken(0, rig.parts[0].size) is not None:
            continue  # no file can carry broken error correction
        boot = inspected(rig.board, cells.read(0, rig.parts[0].size))["boot"]
        decided = events(rig.run(child.state), DECIDED)[0]
        slot = -1 if boot["slot"] is None else boot["slot"]
        assert (boot["rule"], slot, boot["why"]) == decided.facts, child.edge
        rules.add(boot["rule"])
        compared += 1
    assert compared > 30
    assert rules >= {"normal", "trial"}


# -- configs -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BOARDS)
def test_a_factory_device_boots_what_it_was_given_on_every_board(name: str) -> None:
    board = load_board(name)
    _, content = factory(board)
    document = inspected(board, content)
    assert document["newest"] == {"copy": 0, "why": "only", "meaning": "the only valid copy"}
    assert [copy["reason"] for copy in document["configs"]] == ["valid", "erased"]
    assert (document["boot"]["rule"], document["boot"]["slot"]) == ("normal", 0)
    assert document["slots"][0]["as_configured"]["ok"]
    assert document["slots"][1]["by_header"]["reason"] == "no image"
    assert document["if_not_committed"] is None


@pytest.mark.parametrize("name", SMALL)
def test_a_record_that_is_half_written_does_not_count_and_shows_its_fields(name: str) -> None:
    board = load_board(name)
    device, content = factory(board, sealed(board, NEW_APP, 0x0200_0000))
    copy = next(p for p in board.document.partition if p.name == board.document.layout.configs[1])
    newer = record(board, replace(config_of(device), sequencer=0xFFFF_FFFD, active_slot=1, revert_slot=0))
    content[copy.offset : copy.offset + 64] = newer[:64]
    document = inspected(board, content)
    torn = document["configs"][1]
    assert not torn["valid"]
    assert torn["reason"].startswith("CRC mismatch (stored ")
    fields = {field["name"]: field["value"] for field in torn["fields"]}
    assert (fields["sequencer"], fields["active_slot"]) == (0xFFFF_FFFD, 1)
    assert document["newest"]["copy"] == 0
    assert (document["boot"]["rule"], document["boot"]["slot"]) == ("normal", 0)


def test_the_newer_record_counts_and_the_trial_and_what_follows_it_are_told() -> None:
    board = load_board("stm32f103")
    device, content = factory(board, sealed(board, NEW_APP, 0x0200_0000))
    copy = next(p for p in board.document.partition if p.name == "config-1")
    trial = replace(
        config_of(device), sequencer=0xFFFF_FFFD, active_slot=1, revert_slot=0, committed=False, first_boot=True
    )
    content[copy.offset : copy.offset + 128] = pack_config(trial)
    document = inspected(board, content)
    assert document["newest"]["why"] == "smaller sequencer"
    assert [copy["counts"] for copy in document["configs"]] == [False, True]
    boot, after = document["boot"], document["if_not_committed"]
    assert (boot["rule"], boot["slot"], boot["trial"], boot["timeout_s"]) == ("trial", 1, True, 20)
    assert (boot["written_to"], boot["record"]["sequencer"]) == (0, 0xFFFF_FFFC)
    assert not boot["record"]["first_boot"]
    assert (after["rule"], after["slot"], after["written_to"]) == ("roll-back", 0, 1)


def test_an_exhausted_sequencer_enters_no_trial_and_writes_nothing() -> None:
    board = load_board("stm32f103")
    device, content = factory(board, sealed(board, NEW_APP, 0x0200_0000))
    copy = next(p for p in board.document.partition if p.name == "config-1")
    last = replace(config_of(device), sequencer=0, active_slot=1, revert_slot=0, committed=False, first_boot=True)
    content[copy.offset : copy.offset + 128] = pack_config(last)
    boot = inspected(board, content)["boot"]
    assert (boot["rule"], boot["slot"], boot["record"]) == ("cannot-mark", 0, None)


def test_two_records_with_one_sequencer_are_a_tie_that_copy_0_wins() -> None:
    board = load_board("stm32f103")
    _, content = factory(board)
    first, second = (p.offset for p in board.document.partition if p.name in ("config-0", "config-1"))
    content[second : second + 128] = content[first : first + 128]
    newest = inspected(board, content)["newest"]
    assert (newest["copy"], newest["why"]) == (0, "tie")


def test_without_any_valid_config_the_good_image_runs_and_a_fresh_record_is_written() -> None:
    board = load_board("stm32f103")
    _, content = factory(board)
    first = next(p.offset for p in board.document.partition if p.name == "config-0")
    content[first + 3] ^= 0x01
    content[first + 0x400 : first + 0x480] = bytes(range(128))
    document = inspected(board, content)
    assert document["newest"]["copy"] is None
    assert document["configs"][0]["reason"].startswith("no magic")
    assert document["configs"][0]["fields"] == []
    assert document["slots"][0]["as_configured"] is None
    assert (document["boot"]["rule"], document["boot"]["slot"]) == ("no-config", 0)
    assert document["boot"]["record"]["committed"]


# -- slots -------------------------------------------------------------------------------------------------------


def test_a_torn_header_is_no_image_and_the_other_slot_runs() -> None:
    board = load_board("stm32f103")
    _, content = factory(board, sealed(board, NEW_APP, 0x0200_0000))
    slot = next(p.offset for p in board.document.partition if p.name == "slot-a")
    content[slot + 128 : slot + 256] = b"\xff" * 128
    document = inspected(board, content)
    torn = document["slots"][0]
    assert torn["header"]["reason"] == "header CRC mismatch"
    assert {field["name"]: field["value"] for field in torn["header"]["fields"]}["app_length"] == len(OLD_APP)
    assert torn["as_configured"]["reason"] == "bad header"
    assert (document["boot"]["rule"], document["boot"]["slot"]) == ("fallback", 1)


def test_a_slot_that_is_not_the_one_the_config_names_says_both() -> None:
    board = load_board("stm32f103")
    _, content = factory(board)
    slot = next(p.offset for p in board.document.partition if p.name == "slot-a")
    other = sealed(board, NEW_APP, 0x0200_0000)
    content[slot : slot + 256 + len(NEW_APP)] = pack_header(other.header) + NEW_APP
    found = inspected(board, content)["slots"][0]
    assert found["as_configured"]["reason"] == "not the image the boot config names"
    assert found["by_header"]["ok"]


def test_an_empty_chip_boots_nothing_and_says_why_of_everything() -> None:
    board = load_board("demo")
    boot = inspect_content(board, {})["boot"]
    assert (boot["rule"], boot["slot"]) == ("nothing-to-boot", None)
    for why in ("config 0: erased", "config 1: erased", "slot 0: no image", "slot 1: no image"):
        assert why in boot["why"]


def test_a_delivered_filesystem_is_checked_and_said_to_count_only_at_the_first_boot() -> None:
    board = board_with("stm32f103", layout={"fs_size": 0x800})
    device, content = factory(board, sealed(board, NEW_APP, 0x0200_0000))
    layout, config = device.layout, config_of(device)
    copy = next(p.offset for p in board.document.partition if p.name == "config-1")
    described = replace(config.slots[1], fs_offset=layout.slots[1].fs_offset, fs_length=16, fs_crc=0x1234_5678)
    trial = replace(config, sequencer=9, active_slot=1, revert_slot=0, committed=False, first_boot=True)
    for first_boot, rule in ((True, "refuse-new"), (False, "roll-back")):
        content[copy : copy + 128] = pack_config(replace(trial, first_boot=first_boot).with_slot(1, described))
        document = inspected(board, content)
        filesystem = document["slots"][1]["filesystem"]
        assert (filesystem["room"], filesystem["delivered_bytes"], filesystem["counts"]) == (0x800, 16, first_boot)
        assert filesystem["check"]["reason"] == "filesystem CRC mismatch"
        assert document["boot"]["rule"] == rule


# -- the rest ------------------------------------------------------------------------------------------------------


def test_every_rule_of_the_decision_table_has_its_sentence() -> None:
    assert set(RULES) == set(get_args(Rule))


def test_only_parts_with_error_correction_carry_the_note_about_it() -> None:
    notes = {name: inspect_content(load_board(name), {})["chips"][0]["note"] for name in ("stm32l476", "stm32f103")}
    assert "ECC" in notes["stm32l476"]
    assert notes["stm32f103"] == ""


def test_programmed_bytes_are_counted_against_the_parts_own_erased_value() -> None:
    for name in ("stm32l072", "stm32f103"):
        board = load_board(name)
        _, content = factory(board)
        document = inspected(board, content)
        (part,) = board.parts.values()
        programmed = int(np.count_nonzero(np.frombuffer(bytes(content), np.uint8) != part.erased))
        assert document["chips"][0]["programmed_bytes"] == programmed
        assert sum(p["programmed_bytes"] for p in document["partitions"]) == programmed


def test_a_chip_the_board_does_not_have_is_refused() -> None:
    with pytest.raises(ScenarioError, match="board demo has no chip 'rom'; its chips are nor"):
        inspect_content(load_board("demo"), {"rom": b""})


def test_content_outside_the_part_is_refused_with_both_ranges() -> None:
    board = load_board("stm32f103")
    (part,) = board.parts.values()
    image = image_from_segments("uicr.hex", [Segment(0x1000_1000, b"x")])
    with pytest.raises(ImageError, match=r"uicr\.hex: 0x10001000:0x10001001 lies outside the STM32F103"):
        chip_content(image, part)


@pytest.mark.parametrize("name", ["stm32f103", "stm32l072", "microbit"])
def test_an_image_is_flash_content_when_it_has_the_records_or_the_size_and_else_is_not(name: str) -> None:
    board = load_board(name)
    (part,) = board.parts.values()
    _, content = factory(board)
    whole = image_from_segments("whole", [Segment(part.base, bytes(content))])
    config = next(p for p in board.document.partition if p.name == "config-0")
    slot = next(p for p in board.document.partition if p.name == "slot-a")
    only_config, _ = whole.select(Region(part.base + config.offset, part.base + config.offset + 128))
    only_slot, _ = whole.select(Region(part.base + slot.offset, part.base + slot.offset + 4096))
    blank = image_from_segments("blank", [Segment(part.base, bytes([part.erased]) * part.size)])
    application = image_from_segments("app", [Segment(board.document.load_address, OLD_APP)])
    assert [is_flash_image(image, board) for image in (whole, only_config, only_slot, blank)] == [True] * 4
    assert not is_flash_image(application, board)


@pytest.mark.parametrize("name", BOARDS)
def test_a_factory_device_is_the_one_campaigns_begin_with(name: str) -> None:
    """Config copies and slot 0 are equal, byte for byte; slot 1 is erased here, and full of residue there."""
    board = load_board(name)
    device, content = factory(board)
    rig = rig_on(name)
    cells = Cells(rig.parts[0])
    cells.restore(rig.initial(0).memory[0])
    for entry in board.document.partition:
        ours = bytes(content[entry.offset : entry.offset + entry.size])
        theirs = cells.read(entry.offset, entry.size)
        if entry.name == board.document.layout.slots[1]:
            assert ours == bytes([device.chips[0].part.erased]) * entry.size
        else:
            assert ours == theirs
