"""A rig as plain data: what another process makes of it is the same rig, whatever became of the files meanwhile."""

from __future__ import annotations

import pickle
import shutil
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bootloader.image import header_for
from emu.app import APP_MODELS
from emu.board import load_board
from emu.errors import ScenarioError
from emu.firmware import ModelFirmware
from emu.rig_spec import rig_spec
from emu.update_rig import UpdateRig
from tests.emu.broken import EagerLoader
from tests.emu.helpers import BOARDS, IMAGES, life, rig_on
from updater.signature import key_text


def again(rig: UpdateRig) -> UpdateRig:
    """What another process makes of it."""
    made = pickle.loads(pickle.dumps(rig_spec(rig))).resolve()
    assert isinstance(made, UpdateRig)
    return made


def assert_same(rig: UpdateRig, made: UpdateRig) -> None:
    assert made.inputs == rig.inputs
    assert made.board.document == rig.board.document
    assert made.board.parts == rig.board.parts
    assert made.initial(1).key == rig.initial(1).key
    lives = [[(state.key, run.entries, run.outcome) for state, run in life(each)] for each in (rig, made)]
    assert lives[0] == lives[1]


@pytest.mark.parametrize("board", BOARDS)
def test_every_bundled_board_is_made_again(board: str) -> None:
    rig = rig_on(board)
    assert_same(rig, again(rig))


@pytest.mark.parametrize(
    "options",
    [{"app": "hangs"}, {"timing": "max"}, {"timing": "sampled", "seed": 7}, {"resolution": "as-old"},
     {"firmware": EagerLoader()}, {"images": replace(IMAGES, old_version="3.0.0", new_version="4.5.6")}],
    ids=lambda options: next(iter(options)),
)  # fmt: skip
def test_every_option_of_a_rig_travels(options: dict[str, Any]) -> None:
    rig = rig_on("demo", **options)
    made = again(rig)
    assert_same(rig, made)
    assert made.inputs["workload"] != rig_on("demo").inputs["workload"]
    assert type(made.firmware) is type(rig.firmware)


def test_part_files_and_keys_travel_with_their_content(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    parts = resources.files("flash").joinpath("parts")
    name = next(entry.name for entry in parts.iterdir() if "w25q128jv" in entry.name.lower())
    (folder / "part.toml").write_bytes(parts.joinpath(name).read_bytes())
    image_key, update_key = ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1())
    pem = image_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / "key.pem").write_bytes(pem)
    text = resources.files("emu").joinpath("boards", "demo.toml").read_text(encoding="utf-8")
    text = text.replace('part = "W25Q128JV"', 'part_file = "part.toml"')
    assert "part_file" in text
    text += f'\n[verify]\nkeys = ["key.pem"]\n[update]\nkey3 = "{key_text(update_key.public_key())}"\n'
    (folder / "board.toml").write_text(text, encoding="utf-8")
    board = load_board(str(folder / "board.toml"))
    header = header_for(IMAGES.old, load_address=0, app_version=1 << 24)
    images = replace(IMAGES, bundle=rig_on("demo").bundle, old_header=header)
    rig = UpdateRig(board, images)
    spec = pickle.dumps(rig_spec(rig))
    shutil.rmtree(folder)
    made = pickle.loads(spec).resolve()
    assert made.inputs == rig.inputs
    assert made.board.parts == board.parts
    keys = [key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo) for key in made.board.policy.keys]
    assert keys == [pem]
    assert [None if key is None else key_text(key) for key in made.board.update_keys] == [
        None if key is None else key_text(key) for key in board.update_keys
    ]
    assert made.board.policy.crc == board.policy.crc


def test_a_rig_that_cannot_be_said_as_data_is_refused() -> None:
    class Local(ModelFirmware):
        name = "local"

    with pytest.raises(ScenarioError, match="another process cannot import it"):
        rig_spec(rig_on("demo", firmware=Local()))
    with pytest.raises(ScenarioError, match=r"none of emu\.app"):
        rig_spec(rig_on("demo", app=replace(APP_MODELS["healthy"], name="sings")))
