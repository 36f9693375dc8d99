"""What a served device keeps: everything or nothing, and only for the board it was written for."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emu.board import load_board
from emu.device import EmulatedDevice
from emu.errors import UsageError
from emu.ota.state_file import MAGIC, load_state, save_state
from tests.ota.served import BOARD, make_device


def keys(device: EmulatedDevice) -> list[tuple[bytes, bytes]]:
    return [(chip.snapshot().key, chip.snapshot().wear) for chip in device.chips]


@pytest.mark.parametrize("board", ["demo", "stm32l476", "mx25r8035f", "w25q128jv-1m"])
def test_a_flash_comes_back_with_everything_that_belongs_to_it(board: str, tmp_path: Path) -> None:
    device, path = EmulatedDevice(load_board(board)), tmp_path / "state"
    for chip in device.chips:
        sector = chip.geometry.sector_at(0)
        chip.cells.load(0, bytes(range(64)))
        chip.cells.count_erase(0, sector.size)
        chip.cells.mark_broken(128, chip.geometry.unit) if chip.cells.broken is not None else None
    save_state(path, device, {"a": [1, "b"]})
    again = EmulatedDevice(load_board(board))
    assert keys(again) != keys(device)
    assert load_state(path, again) == {"a": [1, "b"]}
    assert keys(again) == keys(device)
    assert again.chips[0].cells.read(0, 64) == bytes(range(64))
    assert list(tmp_path.iterdir()) == [path]


def test_settings_files_and_names_of_images_come_back() -> None:
    device = make_device()
    device.settings.merge({"update": {"url": "http://x"}})
    device.settings.files["ota_state.json"] = "{}"
    device.identities.take({"00": ["name", "1.2.3", "b"]})
    again = make_device()
    again.take(device.beside)
    assert again.beside == device.beside


@given(st.integers(0, 2000), st.integers(1, 255), st.integers(0, 3000))
def test_a_damaged_file_is_told_and_nothing_of_it_is_used(at: int, change: int, length: int) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state"
        save_state(path, make_device().device, {})
        raw = bytearray(path.read_bytes())
        raw[at % len(raw)] ^= change
        for broken in (bytes(raw), bytes(raw[: length % len(raw)])):
            path.write_bytes(broken)
            device = EmulatedDevice(BOARD)
            before = keys(device)
            with pytest.raises(UsageError, match="state"):
                load_state(path, device)
            assert keys(device) == before


def test_the_state_of_another_board_and_what_is_no_state_at_all(tmp_path: Path) -> None:
    path = tmp_path / "state"
    save_state(path, EmulatedDevice(load_board("microbit")), {})
    with pytest.raises(UsageError, match=r"is the state of board microbit, and not of demo"):
        load_state(path, EmulatedDevice(BOARD))
    inner = b"not packed"
    path.write_bytes(MAGIC + hashlib.sha256(inner).digest() + inner)
    with pytest.raises(UsageError, match="no state file of this version"):
        load_state(path, EmulatedDevice(BOARD))
    with pytest.raises(UsageError, match="cannot be read"):
        load_state(tmp_path, EmulatedDevice(BOARD))
