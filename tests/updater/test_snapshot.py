"""A snapshot of the running image: the other slot holds it byte for byte, or the config does not name it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bootloader.verify import verify_filesystem, verify_image
from emu.board import load_board
from flash.errors import PowerLost
from flash.journal import Interruption, Operation
from tests.ota.bench import NEW, OLD, Powered, bundle
from updater.errors import UpdateRefused
from updater.snapshot import create_snapshot

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", ["demo", "stm32f103", "stm32l476", "stm32l072", "nrf52840"])
def test_the_copy_is_an_image_the_bootloader_takes(name: str) -> None:
    powered = Powered(name)
    app = powered.node.app
    assert app is not None
    described = create_snapshot(app.ota.target)
    slot = powered.device.layout.slots[1]
    assert slot.flash.read(slot.app_offset, len(OLD)) == OLD
    assert verify_image(slot, described, load_board(name).policy).ok
    assert (described.app_length, described.app_version) == (len(OLD), 0x0100_0000)


def test_it_goes_back_from_the_second_slot_to_the_first() -> None:
    powered = Powered()
    powered.update()
    app = powered.node.app
    assert app is not None
    create_snapshot(app.ota.target)
    slot = powered.device.layout.slots[0]
    assert slot.flash.read(slot.app_offset, len(NEW)) == NEW


def test_power_lost_anywhere_in_it_leaves_the_running_image_alone() -> None:
    powered = Powered()
    app = powered.node.app
    assert app is not None and powered.node.journal is not None
    start = [chip.snapshot() for chip in powered.device.chips]
    before = len(powered.node.journal.entries)
    create_snapshot(app.ota.target)
    made = [entry for entry in powered.node.journal.entries[before:] if isinstance(entry, Operation)]
    assert len(made) > 10
    for number in range(len(made)):
        for chip, snapshot in zip(powered.device.chips, start, strict=True):
            chip.restore(snapshot)
        powered.node.switch_off()
        powered.node.switch_on()
        assert powered.node.app is not None
        powered.node.cut_next(Interruption(len(powered.node.journal.entries) + number))
        with pytest.raises(PowerLost):
            create_snapshot(powered.node.app.ota.target)
        powered.node.switch_off()
        powered.node.switch_on()
        assert (powered.node.state, powered.slot) == ("running", 0)
        assert powered.call("OTA.GetBootState")["is_committed"] is True


def test_an_image_that_is_not_what_its_header_says_is_not_copied_as_one() -> None:
    powered = Powered()
    slot = powered.device.layout.slots[0]
    slot.flash.program(slot.app_offset + 10, b"\x00")
    app = powered.node.app
    assert app is not None
    with pytest.raises(UpdateRefused, match="is not what its header says") as refused:
        create_snapshot(app.ota.target)
    assert (refused.value.code, refused.value.message) == (-10, "Failed to create snapshot")
    assert powered.call("OTA.GetBootState")["is_committed"] is True
    assert len(bundle(powered.board)) > len(NEW)


def test_the_filesystem_beside_it_is_copied_too(tmp_path: Path) -> None:
    text = (ROOT / "emu" / "boards" / "demo.toml").read_text(encoding="utf-8")
    path = tmp_path / "board.toml"
    path.write_text(text.replace("[layout]", "[layout]\nfs_size = 0x4000", 1), encoding="utf-8")
    files = bytes(n * 13 % 247 for n in range(9000))
    powered = Powered(str(path), fs=files)
    app = powered.node.app
    assert app is not None
    described = create_snapshot(app.ota.target)
    slot = powered.device.layout.slots[1]
    assert slot.flash.read(slot.fs_offset, len(files)) == files
    assert (described.fs_offset, described.fs_length) == (slot.fs_offset, len(files))
    assert verify_filesystem(slot, described, powered.board.policy).ok
