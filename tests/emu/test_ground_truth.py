"""What the rig sees for itself: the filesystem that was delivered, broken ECC under right bytes, signed images."""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bootloader.image import header_for, signed_digest
from emu.board import load_board
from emu.campaign.explore import Explorer
from emu.campaign.options import Options
from emu.cli.inputs import Inputs, make_rig
from emu.errors import BoardError, ScenarioError
from emu.update_rig import ImagePair, UpdateRig
from flash.tears import TEAR_SETS
from tests.emu.helpers import rig_on
from updater.bundle import Firmware, make_bundle

OLD, NEW, FILES = (hashlib.shake_128(word).digest(3000) for word in (b"old", b"new", b"files"))


def board_text(more: str = "", layout: str = "") -> str:
    text = Path(str(load_board.__globals__["resources"].files("emu").joinpath("boards", "demo.toml"))).read_text()
    return text.replace('slots = ["slot-a", "slot-b"]', f'slots = ["slot-a", "slot-b"]\n{layout}') + more


def test_a_delivered_filesystem_is_part_of_the_image_that_runs(tmp_path: Path) -> None:
    path = tmp_path / "board.toml"
    path.write_text(board_text(layout="fs_size = 0x4000"))
    bundle = make_bundle(Firmware("demo", "demo", "2.0.0", "b", NEW, 0x08010000, FILES))
    rig = UpdateRig(load_board(str(path)), ImagePair(OLD, NEW, bundle=bundle, new_fs=FILES))
    verdict = Explorer(rig, rig.board.document.checks, Options(tears=TEAR_SETS["T1-coarse"])).explore()
    assert verdict.word == "held"
    slot = rig.device.layout.slots[1]
    rig.run(rig.initial(1))
    assert rig.image_in(slot, None) == "new"
    rig.device.chips[0].cells.put(0x20000 + slot.fs_offset + 7, 1, 0)
    assert rig.image_in(slot, None) == "unknown"


def test_right_bytes_under_broken_ecc_are_no_known_image() -> None:
    rig = rig_on("stm32l476")
    rig.run(rig.initial(0))
    slot = rig.device.layout.slots[0]
    assert rig.image_in(slot, None) == "old"
    rig.device.chips[0].cells.mark_broken(0x8000 + 0x100 + 64, 8)
    assert rig.image_in(slot, None) == "unknown"


def signed_zip(path: Path, app: bytes, version: str, key: ed25519.Ed25519PrivateKey | None) -> Path:
    plain = Firmware("demo", "demo", version, "build", app, 0x08010000)
    with zipfile.ZipFile(BytesIO(make_bundle(plain))) as archive:
        manifest = json.loads(archive.read(archive.namelist()[0]))
    number = int(version.split(".")[0]) << 24
    if key is not None:
        header = replace(
            header_for(app, load_address=0x08010000, app_version=number), signature_scheme="ed25519", signature=b""
        )
        signature = key.sign(signed_digest(header))
        manifest["parts"]["app"] |= {"signature_scheme": "ed25519", "signature": signature.hex()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as out:
        out.writestr("manifest.json", json.dumps(manifest))
        out.writestr("app.bin", app)
    return path


def inputs(board: Path, old: Path, new: Path) -> Inputs:
    return Inputs(str(board), old, new, None, None, "healthy", "typ", 0)


@pytest.fixture
def signing(tmp_path: Path) -> tuple[Path, ed25519.Ed25519PrivateKey]:
    key = ed25519.Ed25519PrivateKey.generate()
    (tmp_path / "pub.pem").write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    board = tmp_path / "board.toml"
    board.write_text(board_text('\n[verify]\nkeys = ["pub.pem"]\n'))
    return board, key


def test_a_board_with_keys_runs_signed_archives(
    tmp_path: Path, signing: tuple[Path, ed25519.Ed25519PrivateKey]
) -> None:
    board, key = signing
    old, new = (signed_zip(tmp_path / f"{v}.zip", app, f"{v}.0.0", key) for v, app in ((1, OLD), (2, NEW)))
    rig = make_rig(inputs(board, old, new))
    verdict = Explorer(rig, rig.board.document.checks, Options(tears=TEAR_SETS["T1-coarse"])).explore()
    assert (verdict.word, verdict.findings) == ("held", [])


def test_a_board_with_keys_refuses_plain_files_and_foreign_signatures(
    tmp_path: Path, signing: tuple[Path, ed25519.Ed25519PrivateKey]
) -> None:
    board, key = signing
    plain = tmp_path / "plain.bin"
    plain.write_bytes(NEW)
    old = signed_zip(tmp_path / "old.zip", OLD, "1.0.0", key)
    with pytest.raises(ScenarioError, match="runs signed images only"):
        make_rig(inputs(board, old, plain))
    foreign = signed_zip(tmp_path / "new.zip", NEW, "2.0.0", ed25519.Ed25519PrivateKey.generate())
    rig = make_rig(inputs(board, old, foreign))
    verdict = Explorer(rig, rig.board.document.checks, Options(tears=TEAR_SETS["none"])).explore()
    assert {finding.key.check for finding in verdict.findings} == {"retries"}
    assert "refuse-new: slot 1: bad signature" in verdict.findings[0].message


@pytest.mark.parametrize("apply", ["[]", '["boots", "boots"]'])
def test_a_board_must_choose_checks_each_once(tmp_path: Path, apply: str) -> None:
    path = tmp_path / "board.toml"
    path.write_text(board_text(f"\n[checks]\napply = {apply}\n"))
    with pytest.raises(BoardError):
        load_board(str(path))
