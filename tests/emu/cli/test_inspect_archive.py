"""`brownout inspect` on firmware archives: every entry, field, digest and signature, and whether a board takes them."""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.emu.cli.command import STUCK_BOARD, Brownout
from tests.emu.cli.inspected import DEMO, archive, document, page
from tests.emu.helpers import NEW_APP
from updater.bundle import Firmware
from updater.signature import key_text


def changed(path: Path, at: int, value: int = 0x55) -> Path:
    raw = bytearray(path.read_bytes())
    raw[at] ^= value
    path.write_bytes(bytes(raw))
    return path


def test_an_archive_is_listed_entry_by_entry_with_its_manifest_and_digests(brownout: Brownout, tmp_path: Path) -> None:
    path = archive(tmp_path)
    found = document(brownout, path)["archive"]
    raw = path.read_bytes()
    assert [(e["path"], e["use"], e["crc_state"]) for e in found["entries"]] == [
        ("node-2.1.0/manifest.json", "manifest", "ok"), ("node-2.1.0/app.bin", "app", "ok"),
    ]  # fmt: skip
    app = found["entries"][1]
    assert raw[app["offset"] :][:4] == b"PK\x03\x04"
    assert raw[app["data_offset"] :][: app["size"]] == NEW_APP
    assert found["manifest"]["parts"]["app"]["cs_sha256"] == hashlib.sha256(NEW_APP).hexdigest()
    assert found["app_version"] == 0x0201_0000
    assert [digest["state"] for digest in found["parts"][0]["digests"]] == ["ok", "ok"]
    text = page(brownout, path)
    for said in (
        "OK: firmware 'node' 2.1.0 (b7) for demo", "platform demo", "version 2.1.0", "build_id b7",
        "parts.app.src app.bin",
        f"{hashlib.sha256(NEW_APP).hexdigest()} ok", f"{len(NEW_APP):,}", "signatures over the manifest: none",
    ):  # fmt: skip
        assert said in text


def test_a_device_of_the_board_takes_its_archive_and_says_where_it_goes(brownout: Brownout, tmp_path: Path) -> None:
    path = archive(tmp_path)
    found = document(brownout, path, "--board", "demo")["acceptance"]
    assert found["taken"]
    assert found["load_address"] == {"ok": True, "found": 0x0801_0000, "board": 0x0801_0000}
    text = page(brownout, path, "--board", "demo")
    assert "OK: a device of board demo takes it: goes to slot-b, and boots from there on trial" in text
    assert "room 65,280 bytes in slot-b, no room for a filesystem" in text


@pytest.mark.parametrize(
    ("firmware", "board", "said"),
    [
        (DEMO, "microbit", "Wrong platform: the update is for 'demo', this device is 'microbit'"),
        (
            replace(DEMO, app=bytes(65281)),
            "demo",
            "No slots available for update: app.bin needs 65281 bytes, slot-b has",
        ),
        (replace(DEMO, fs=b"x"), "demo", "No slots available for update: fs.img needs 1 bytes, slot-b has 0"),
        (replace(DEMO, load_address=0x9000), "demo", "linked for 0x9000, the board runs applications at 0x8010000"),
    ],
)
def test_why_a_device_would_not_take_an_archive_is_said(
    brownout: Brownout, tmp_path: Path, firmware: Firmware, board: str, said: str
) -> None:
    path = archive(tmp_path, firmware)
    assert said in page(brownout, path, "--board", board, code=1)
    assert said in document(brownout, path, "--board", board, code=1)["summary"]
    assert document(brownout, path)["kind"] == "archive"


def test_a_manifest_that_names_no_load_address_is_no_mismatch(brownout: Brownout, tmp_path: Path) -> None:
    path = archive(tmp_path, replace(DEMO, load_address=0))
    assert "load address not stated" in page(brownout, path, "--board", "demo")


def board_with_keys(folder: Path, name: str, lines: str) -> Path:
    path = folder / name
    path.write_text(STUCK_BOARD + lines, encoding="utf-8")
    return path


def test_signatures_over_the_manifest_are_shown_and_held_against_the_boards_keys(
    brownout: Brownout, tmp_path: Path
) -> None:
    right, wrong = (ec.derive_private_key(number, ec.SECP256R1()) for number in (5, 6))
    firmware = Firmware("node", "stuck", "2.0.0", "b", NEW_APP)
    board = board_with_keys(
        tmp_path, "keys.toml", f'\n[update]\nkey2 = "{key_text(right.public_key())}"\nsig_req_mask = 4\n'
    )
    signed = document(brownout, archive(tmp_path, firmware, signers=[(2, right)]), "--board", board)
    assert [s["name"] for s in signed["archive"]["signatures"]] == ["sig2"]
    assert (signed["acceptance"]["sig_check_result"], signed["acceptance"]["key_numbers"]) == (4, [2])
    text = page(brownout, tmp_path / "fw.zip", "--board", board)
    assert signed["archive"]["signatures"][0]["value"] in text.replace(" ", "")
    assert "required: sig2; the board has key2; verified: sig2" in text
    other = page(brownout, archive(tmp_path, firmware, signers=[(2, wrong)]), "--board", board, code=1)
    assert "Invalid signature" in other
    assert "verified: none" in other


def test_an_unsigned_image_is_received_but_would_not_be_run_where_headers_must_be_signed(
    brownout: Brownout, tmp_path: Path
) -> None:
    key = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key()
    (tmp_path / "key.pem").write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    board = board_with_keys(tmp_path, "signed.toml", '\n[verify]\nkeys = ["key.pem"]\n')
    path = archive(tmp_path, Firmware("node", "stuck", "2.0.0", "b", NEW_APP))
    found = document(brownout, path, "--board", board, code=1)["acceptance"]
    assert found["received"]["ok"]
    assert found["verified"]["reason"] == "not signed"
    assert "the bootloader would not run it: not signed" in page(brownout, path, "--board", board, code=1)


def test_a_byte_wrong_in_an_entry_is_a_crc_and_a_digest_mismatch(brownout: Brownout, tmp_path: Path) -> None:
    path = archive(tmp_path)
    whole = document(brownout, path)["archive"]
    broken = document(brownout, changed(path, whole["entries"][1]["data_offset"] + 7), code=1)
    assert broken["archive"]["entries"][1]["crc_state"] == "mismatch"
    assert broken["archive"]["parts"][0]["state"] == "SHA-256 mismatch"
    assert [digest["state"] for digest in broken["archive"]["parts"][0]["digests"]] == ["mismatch", "mismatch"]
    assert broken["archive"]["problem"] is None
    assert "CRC-32 does not match its content" in page(brownout, path, code=1)


def test_an_archive_that_is_cut_off_shows_what_is_there_and_where_it_ends(brownout: Brownout, tmp_path: Path) -> None:
    path = archive(tmp_path)
    path.write_bytes(path.read_bytes()[:900])
    found = document(brownout, path, code=1)["archive"]
    assert len(found["entries"]) == 1
    assert "the file ends inside the entry, at byte 900" in found["problem"]["detail"]
    assert found["parts"][0]["state"] == "not in the archive"
    assert "the device waits for more" in page(brownout, path, "--board", "demo", code=1)


def test_a_compressed_entry_and_a_foreign_zip_are_told_in_the_devices_words(brownout: Brownout, tmp_path: Path) -> None:
    path = tmp_path / "other.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("manifest.json", "{}" * 200)
    assert "every device stops: Cannot handle compressed .zip" in page(brownout, path, code=1)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as out:
        out.writestr("readme.txt", "hello")
    assert "the first entry is 'readme.txt', it must be manifest.json" in page(brownout, path, code=1)
    with zipfile.ZipFile(path, "w"):
        pass
    assert "the archive is empty" in page(brownout, path, code=1)


def test_a_hostile_manifest_neither_breaks_the_page_nor_the_terminal(brownout: Brownout, tmp_path: Path) -> None:
    path = tmp_path / "evil.zip"
    deep: Any = 1
    for _ in range(300):
        deep = [deep]
    manifest = json.dumps(
        {"name": "\x1b[31mred\nnext", "platform": "demo", "deep": {"er": deep}, "list": [1], "k" * 500: 1}
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as out:
        out.writestr("manifest.json", manifest)
    text = page(brownout, path, code=1)
    assert "\\x1b[31mred\\nnext" in text
    assert "Required manifest field missing" in text
    assert "k" * 500 in text.replace(" ", "")
    assert document(brownout, path, code=1)["archive"]["manifest"]["list"] == [1]
