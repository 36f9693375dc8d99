"""Signed updates from end to end: boards with keys, packages packed for them, and campaigns on both.

A refused update must cost nothing: the old image runs on, and flash has not seen one operation.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from emu.board import load_board
from emu.errors import BoardError, ScenarioError
from emu.events import OLD, REFUSED
from emu.update_rig import ImagePair, UpdateRig
from tests.emu.cli.command import Brownout
from tests.emu.cli.packing import ED25519, P256, board_file, key_file, options, public_file, update_table
from tests.emu.helpers import COARSE, NEW_APP, OLD_APP, campaign, events, life, operations
from tests.updater.workbench import archive, entry
from updater.archive import extra_field, parse_entry
from updater.bundle import Firmware, make_bundle
from updater.signature import attributes_for, key_text

AT = 0x0801_0000
NEW = Firmware("node", "demo", "2.1.7", "build", NEW_APP, AT)
KEY_0 = key_text(P256[0].public_key())


# -- boards ----------------------------------------------------------------------------------------------


def test_a_board_hands_its_keys_and_mask_to_the_updater(tmp_path: Path) -> None:
    board = load_board(str(board_file(tmp_path, update_table(0b1000_0001, 0b1000_0011))))
    assert [key is not None for key in board.update_keys] == [True, True, *[False] * 5, True]
    assert board.update_keys[7] == P256[7].public_key()
    assert board.document.update.sig_req_mask == 0x81
    assert (load_board("demo").update_keys, load_board("demo").document.update.sig_req_mask) == ((None,) * 8, -1)


def test_the_digest_of_a_board_covers_keys_and_mask(tmp_path: Path) -> None:
    tables = ("", update_table(-1, 1), update_table(1, 1), update_table(1, 3), "\n[update]\nsig_req_mask = 0\n")
    digests = [load_board(str(board_file(tmp_path, table))).digest for table in tables]
    assert len(set(digests)) == len(tables)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('key0 = "?"', "update: key0 is not base64; give a DER public key in base64, without line breaks"),
        (f'key0 = "{KEY_0[:40]}\\n{KEY_0[40:]}"', "update: key0 is not base64"),
        (f'key5 = "{KEY_0[:-8]}"', "update: key5 holds no DER public key (SubjectPublicKeyInfo)"),
        (f'key2 = "{key_text(ec.derive_private_key(5, ec.SECP384R1()).public_key())}"',
         "update: key2 is on curve secp384r1; ECDSA P-256 is needed"),
        (f'sig_req_mask = 2\nkey0 = "{KEY_0}"', "update: sig_req_mask 0x02 requires signature 1, and key1 is not set"),
        ("sig_req_mask = 1", "update: sig_req_mask 0x01 requires signature 0, and key0 is not set"),
        ("sig_req_mask = -2", "sig_req_mask"),
        ("sig_req_mask = 256", "sig_req_mask"),
        ("sig_req_mask = true", "sig_req_mask"),
        ("key0 = 1", "key0"),
        ('key8 = ""', "key8"),
    ],
)  # fmt: skip
def test_a_bad_update_table_is_one_line_that_names_the_board_file(tmp_path: Path, table: str, said: str) -> None:
    path = board_file(tmp_path, f"\n[update]\n{table}\n")
    with pytest.raises(BoardError) as wrong:
        load_board(str(path))
    message = str(wrong.value)
    assert message.startswith(f"{path}: ")
    assert said in message
    assert "\n" not in message


# -- packed for a board, sent to it ----------------------------------------------------------------------


def package(brownout: Brownout, folder: Path, name: str, app: bytes, *more: str | Path, board: Path | str) -> Path:
    (folder / f"{name}.bin").write_bytes(app)
    version = {"old": "1.0.0", "new": "2.0.0"}[name]
    target = folder / f"{name}.zip"
    ran = brownout(*options(folder / f"{name}.bin", *more, "--version", version, "--out", target, board=board))
    assert (ran.code, ran.err) == (0, "")
    return target


def test_signed_packages_pass_a_whole_campaign_on_a_board_that_requires_them(
    brownout: Brownout, tmp_path: Path
) -> None:
    board = board_file(tmp_path, update_table(0b101, 0b111))
    sign = [f"{index}={key_file(tmp_path, P256[index], f'{index}.pem')}" for index in (0, 2)]
    more = ("--sign", sign[0], "--sign", sign[1])
    old, new = (
        package(brownout, tmp_path, name, app, *more, board=board) for name, app in (("old", OLD_APP), ("new", NEW_APP))
    )
    ran = brownout("run", "--from", old, "--to", new, "--board", board, "--json", "-")
    assert (ran.code, ran.err) == (0, "")
    document = json.loads(ran.out)
    assert document["verdict"] == "held"
    assert document["outcomes"].keys() == {"old image runs, committed", "new image runs, committed"}


@pytest.mark.parametrize("key", [ED25519, P256[4]], ids=["ed25519", "ecdsa-p256"])
@pytest.mark.parametrize("crc", ["crc-32", "crc-32c"])
def test_signed_images_pass_a_whole_campaign_on_a_board_that_runs_no_others(
    brownout: Brownout, tmp_path: Path, key: ec.EllipticCurvePrivateKey, crc: str
) -> None:
    public_file(tmp_path, key)
    board = board_file(tmp_path, f'\n[verify]\ncrc = "{crc}"\nkeys = ["public.pem"]\n')
    more = ("--image-key", key_file(tmp_path, key))
    old, new = (
        package(brownout, tmp_path, name, app, *more, board=board) for name, app in (("old", OLD_APP), ("new", NEW_APP))
    )
    ran = brownout("run", "--from", old, "--to", new, "--board", board, "--tears", "T1-coarse", "--json", "-")
    assert (ran.code, ran.err) == (0, "")
    document = json.loads(ran.out)
    assert document["verdict"] == "held"
    assert "new image runs, committed" in document["outcomes"]


def test_both_kinds_of_signature_and_a_filesystem_go_together(brownout: Brownout, tmp_path: Path) -> None:
    public_file(tmp_path, ED25519)
    tables = ('\n[verify]\nkeys = ["public.pem"]\n', update_table(1, 1))
    board = board_file(tmp_path, *tables, fs_size=0x4000)
    (tmp_path / "files.img").write_bytes(b"files" * 1000)
    more = ("--image-key", key_file(tmp_path, ED25519), "--sign", f"0={key_file(tmp_path, P256[0], 'update.pem')}")
    old = package(brownout, tmp_path, "old", OLD_APP, *more, board=board)
    new = package(brownout, tmp_path, "new", NEW_APP, *more, "--fs", tmp_path / "files.img", board=board)
    ran = brownout("run", "--from", old, "--to", new, "--board", board, "--tears", "none", "--json", "-")
    assert (ran.code, ran.err) == (0, "")
    assert "new image runs, committed" in json.loads(ran.out)["outcomes"]


def test_a_package_for_another_load_address_is_told_in_one_line_and_sent(brownout: Brownout, tmp_path: Path) -> None:
    old = package(brownout, tmp_path, "old", OLD_APP, board="demo")
    (tmp_path / "new.zip").write_bytes(make_bundle(Firmware("node", "demo", "2.0.0", "build", NEW_APP, 0x0800_0000)))
    ran = brownout("run", "--from", old, "--to", tmp_path / "new.zip", "--tears", "none")
    assert ran.code == 0
    assert ran.err == (
        "new.zip: made for load address 0x8000000, board demo loads at 0x8010000; it is sent as it is, "
        "but its code would not run there\n"
    )


def test_a_zip_of_a_folder_is_told_what_stands_first_and_what_to_do(brownout: Brownout, tmp_path: Path) -> None:
    (tmp_path / "fw.zip").write_bytes(archive(entry("fw/"), entry("fw/manifest.json", b"{}")))
    (tmp_path / "old.bin").write_bytes(OLD_APP)
    said = brownout.refused("run", "--from", tmp_path / "old.bin", "--to", tmp_path / "fw.zip")
    assert said.endswith(
        "fw.zip: the first entry is the folder 'fw/', it must be manifest.json: name it first, and leave folder "
        "entries out (zip -0 -D)"
    )


# -- refused ---------------------------------------------------------------------------------------------


SIGNED = make_bundle(NEW, [(0, P256[0])])
HEADER = parse_entry(SIGNED[:1024])
assert HEADER is not None
MANIFEST = SIGNED[HEADER.header_size : HEADER.header_size + HEADER.size]
OTHER_MANIFEST = MANIFEST.replace(b"2.1.7", b"2.1.6")
SIGNATURE = base64.b64decode(HEADER.attributes["sig0"])
FLIPPED = base64.b64encode(SIGNATURE[:-1] + bytes([SIGNATURE[-1] ^ 1])).decode()


def altered(manifest: bytes = MANIFEST, **attributes: str) -> bytes:
    """SIGNED with another manifest or other attributes in it; its CRC is right."""
    extra = extra_field(attributes or {"sig0": base64.b64encode(SIGNATURE).decode()})
    return archive(entry("node/manifest.json", manifest, extra=extra), entry("node/app.bin", NEW_APP))


REFUSED_UPDATES = {
    "no signature": (1, make_bundle(NEW), "Invalid signature", "sig0 is missing"),
    "signature under another number": (1, make_bundle(NEW, [(1, P256[0])]), "Invalid signature", "sig0 is missing"),
    "one of two": (3, make_bundle(NEW, [(0, P256[0])]), "Invalid signature", "verified 0x01: sig1 is missing"),
    "another key": (1, make_bundle(NEW, [(0, P256[1])]), "Invalid signature", "sig0 is not by key0"),
    "manifest changed": (1, altered(OTHER_MANIFEST), "Invalid signature", "sig0 is not by key0"),
    "signature changed": (1, altered(sig0=FLIPPED), "Invalid signature", "sig0 is not by key0"),
    "signature no base64": (1, altered(sig0="?"), "Invalid signature", "sig0 is not base64"),
    "tombstone": (0, make_bundle(NEW, [(i, P256[i]) for i in range(8)]), "Updates are disabled", "sig_req_mask is 0"),
}


@pytest.mark.parametrize("label", REFUSED_UPDATES)
def test_a_refused_update_leaves_the_old_image_running_without_one_flash_operation(
    brownout: Brownout, tmp_path: Path, label: str
) -> None:
    mask, bundle, message, detail = REFUSED_UPDATES[label]
    path = board_file(tmp_path, update_table(mask))
    rig = UpdateRig(load_board(str(path)), ImagePair(OLD_APP, NEW_APP, bundle=bundle))
    ((_, run),) = life(rig)
    assert operations(run) == []
    (refused,) = events(run, REFUSED)
    assert str(refused.facts[0]).startswith(f"{message}: ")
    assert detail in str(refused.facts[0])
    assert (run.outcome.kind, run.outcome.image, run.outcome.committed) == ("settled", OLD, True)
    assert run.end.memory == rig.initial(1).memory, "not one bit on flash has changed"
    with pytest.raises(ScenarioError, match=f"the uncut update is refused: {message}: "):
        campaign(rig, tears=COARSE)
    (tmp_path / "old.bin").write_bytes(OLD_APP)
    (tmp_path / "new.zip").write_bytes(bundle)
    said = brownout.refused("run", "--from", tmp_path / "old.bin", "--to", tmp_path / "new.zip", "--board", path)
    assert f"the uncut update is refused: {message}: " in said
    assert detail in said


def test_the_altered_packages_are_sound_but_for_what_was_altered(tmp_path: Path) -> None:
    board = load_board(str(board_file(tmp_path, update_table(1))))
    good = attributes_for(OTHER_MANIFEST, [(0, P256[0])])
    for bundle in (altered(), altered(OTHER_MANIFEST, **good)):
        sessions = life(UpdateRig(board, ImagePair(OLD_APP, NEW_APP, bundle=bundle)))
        assert sessions[-1][1].outcome.image == "new"
