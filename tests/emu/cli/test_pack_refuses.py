"""`brownout pack`: everything it refuses to pack, in one line, with nothing written."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from emu.cli import pack as pack_module
from flash.images import Segment, image_from_segments, save_image
from tests.emu.cli.command import Brownout
from tests.emu.cli.packing import (
    DEMO_ELF,
    ED25519,
    P256,
    board_file,
    key_file,
    names,
    options,
    packed,
    public_file,
    update_table,
)  # fmt: skip
from tests.emu.helpers import NEW_APP


@pytest.fixture
def image(tmp_path: Path) -> Path:
    (tmp_path / "node.bin").write_bytes(NEW_APP)
    return tmp_path / "node.bin"


# -- options and images ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--out", "-"), "--out -: stdout is for what was packed"),
        (("--out", "/proc/out.zip"), "cannot be written"),
        (("--out", "x", "--json", "./x"), "--out and --json both go to x; give them different files"),
        (("--json", "gone/out.json"), "there is no folder"),
        (("--out", "gone/out.zip"), "there is no folder"),
        (("--board", "dmeo"), "no board named 'dmeo' (did you mean `demo`?)"),
        (("--platform", "x"), "--board says --platform and --load-address already"),
        (("--load-address", "1"), "--board says --platform and --load-address already"),
        (("--load-address", "x"), "'x' is no number; addresses look like 0x8010000"),
        (("--name", "a/b"), "--name 'a/b': give letters, digits and ._- only"),
        (("--name", "../x"), "--name '../x': give "),
        (("--name", ""), "--name '': give "),
        (("--version", ""), "--version '': give "),
        (("--version", "1/2"), "--version '1/2': give letters, digits and ._+- only"),
        (("--version", "1" * 33), "at most 32"),
        (("--build-id", "two words"), "--build-id 'two words': give 1 to 128"),
        (("--build-id", ""), "--build-id '': give 1 to 128"),
        (("--region", "junk"), "'junk' is not a region"),
        (("--region", "0x0:0x10"), "nothing lies in --region 0x0:0x10"),
        (("--board-id", "0x9900"), "only a Universal Hex holds several boards"),
        (("--fs", "gone.img"), "gone.img: cannot be read (No such file"),
        (("--fs", str(DEMO_ELF)), "have room for 0 (layout.fs_size)"),
        (("--sign", "KEY.pem"), "--sign 'KEY.pem': write N=KEY.pem, N from 0 to 7"),
        (("--sign", "8=KEY.pem"), "--sign '8=KEY.pem': write N=KEY.pem, N from 0 to 7"),
        (("--sign", "0=a.pem", "--sign", "0=b.pem"), "signature 0 has a key already, a.pem"),
        (("--sign", "0=gone.pem"), "gone.pem: cannot be read: No such file"),
        (("--image-key", "gone.pem"), "gone.pem: cannot be read: No such file"),
        (("--sign", f"0={DEMO_ELF}"), "demo-2.elf: holds no PEM private key"),
    ],
)  # fmt: skip
def test_a_wrong_option_is_one_line_and_nothing_is_written(
    brownout: Brownout, image: Path, more: tuple[str, ...], said: str
) -> None:
    assert said in brownout.refused(*options(image, *more))
    assert names(image.parent) == ["node.bin"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ((), "which device is it for? give --board, or --platform and --load-address"),
        (("--platform", "x"), "which device is it for?"),
        (("--load-address", "1"), "which device is it for?"),
        (("--platform", "x y", "--load-address", "1"), "--platform 'x y': give "),
        (("--platform", "x", "--load-address", "-1"), "--load-address -0x1: give one of 0x0 to 0xffffffff"),
        (("--platform", "x", "--load-address", "0x100000000"), "--load-address 0x100000000: give one of"),
        (("--platform", "x", "--load-address", "0xfffffff0"), "0xfffffff0:0x1000005ba runs past address 0xffffffff"),
        (("--platform", "x", "--load-address", "1", "--image-key", "k"), "--image-key needs --board"),
    ],
)  # fmt: skip
def test_without_a_board_the_device_must_be_told(
    brownout: Brownout, image: Path, more: tuple[str, ...], said: str
) -> None:
    target = image.parent / "out.zip"
    assert said in brownout.refused("pack", image, "--version", "1.0", "--out", target, *more)
    assert names(image.parent) == ["node.bin"]


def test_an_image_that_does_not_fit_is_refused_for_the_smaller_slot_too(brownout: Brownout, image: Path) -> None:
    image.write_bytes(bytes(range(256)) * 257)
    assert "takes" in brownout.refused(*options(image))
    image.write_bytes(bytes(range(256)) * 128)
    board = board_file(image.parent)
    text = board.read_text(encoding="utf-8")
    assert "offset = 0x20000\nsize = 0x10000" in text
    board.write_text(text.replace("offset = 0x20000\nsize = 0x10000", "offset = 0x20000\nsize = 0x8000"), "utf-8")
    said = brownout.refused(*options(image, board=board))
    assert "the application has 32768 bytes, slot-b of board demo takes 32512" in said


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (b"", "node.bin", "node.bin: the file is empty"),
        (b"PK\x03\x04 whatever", "node.zip", "is a .zip already; give the image it is made of"),
        (NEW_APP, "two words.bin", "--name 'two words': give "),
    ],
)
def test_an_image_that_cannot_be_packed_is_named(
    brownout: Brownout, tmp_path: Path, content: bytes, name: str, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    assert said in brownout.refused(*options(tmp_path / name))
    assert "cannot be read" in brownout.refused(*options(tmp_path / "gone.bin"))


def test_a_filesystem_must_have_something_in_it_and_be_a_file(brownout: Brownout, image: Path) -> None:
    (image.parent / "files.img").write_bytes(b"")
    assert "the file is empty" in brownout.refused(*options(image, "--fs", image.parent / "files.img"))
    assert "cannot be read (Is a directory" in brownout.refused(*options(image, "--fs", image.parent))
    os.mkfifo(image.parent / "pipe")
    assert "not a regular file" in brownout.refused(*options(image, "--fs", image.parent / "pipe"))


def test_an_image_for_other_addresses_is_refused(brownout: Brownout, tmp_path: Path) -> None:
    save_image(image_from_segments("node.hex", [Segment(0x1000, NEW_APP)]), tmp_path / "node.hex")
    assert "node.hex: 0x1000:0x15ca lies outside what a slot of board demo takes" in brownout.refused(
        *options(tmp_path / "node.hex")
    )


# -- keys ------------------------------------------------------------------------------------------------


def test_keys_of_the_wrong_kind_are_refused_by_their_kind(brownout: Brownout, tmp_path: Path, image: Path) -> None:
    wrong = {
        "key of kind Ed25519": key_file(tmp_path, ED25519, "ed.pem"),
        "key on curve secp384r1": key_file(tmp_path, ec.derive_private_key(5, ec.SECP384R1()), "p384.pem"),
        "key of kind RSA": key_file(tmp_path, rsa.generate_private_key(65537, 1024), "rsa.pem"),  # type: ignore[arg-type]
        "the key is encrypted; decrypt it first: openssl pkey -in ": key_file(tmp_path, P256[0], "e.pem", b"secret"),
        "holds no PEM private key this version knows; a public key cannot sign": public_file(tmp_path, P256[0]),
    }
    for said, path in wrong.items():
        message = brownout.refused(*options(image, "--sign", f"0={path}"))
        assert message.startswith(f"{path}: ")
        assert said in message
        if "Ed25519" not in said:
            assert said in brownout.refused(*options(image, "--image-key", path))
    assert not (tmp_path / "out.zip").exists()


def test_a_key_with_its_parameters_in_front_as_openssl_makes_it_is_taken(brownout: Brownout, image: Path) -> None:
    key = image.parent / "key.pem"
    made = subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-out", key], check=False)
    assert made.returncode == 0
    assert b"EC PARAMETERS" in key.read_bytes()
    assert [one["index"] for one in packed(brownout, image, "--sign", f"7={key}")["signatures"]] == [7]


def test_an_openssl_that_needs_random_numbers_to_sign_is_refused(
    brownout: Brownout, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unable(*_: object) -> bytes:
        raise UnsupportedAlgorithm("ECDSA with deterministic signature (RFC 6979)")

    monkeypatch.setattr(pack_module, "make_bundle", unable)
    said = brownout.refused(*options(image, "--sign", f"0={key_file(image.parent, P256[0])}"))
    assert "cannot sign without random numbers; use 3.2 or newer" in said


def test_nothing_is_packed_that_its_board_would_refuse(brownout: Brownout, tmp_path: Path, image: Path) -> None:
    keys = [key_file(tmp_path, key, f"{index}.pem") for index, key in enumerate(P256)]
    board = board_file(tmp_path, update_table(0b11, 0b11))
    for given, said in (
        (
            (),
            "board demo would refuse the update: Invalid signature: sig_req_mask 0x03, verified 0x00: sig0 is missing",
        ),
        (("--sign", f"0={keys[0]}"), "verified 0x01: sig1 is missing; give --sign N=KEY.pem for what it requires"),
        (("--sign", f"0={keys[1]}"), f"{keys[1]}: does not belong to update.key0 of board demo; sign with its key"),
    ):
        assert said in brownout.refused(*options(image, *given, board=board))
    assert not (tmp_path / "out.zip").exists()
    both = ("--sign", f"1={keys[1]}", "--sign", f"0={keys[0]}", "--sign", f"5={keys[5]}")
    assert [one["index"] for one in packed(brownout, image, *both, board=board)["signatures"]] == [0, 1, 5]
    tombstone = board_file(tmp_path, update_table(0), name="tombstone.toml")
    assert "Updates are disabled" in brownout.refused(*options(image, *both[:4], board=tombstone))


def test_a_board_that_runs_signed_images_gets_no_other(brownout: Brownout, tmp_path: Path, image: Path) -> None:
    public_file(tmp_path, ED25519)
    board = board_file(tmp_path, '\n[verify]\nkeys = ["public.pem"]\n')
    said = brownout.refused(*options(image, board=board))
    assert said == "board demo runs signed images only (verify.keys); give --image-key KEY.pem"
    other = key_file(tmp_path, P256[0], "other.pem")
    said = brownout.refused(*options(image, "--image-key", other, board=board))
    assert said == f"{other}: belongs to none of verify.keys of board demo; sign with one that does"
    document = packed(brownout, image, "--image-key", key_file(tmp_path, ED25519), board=board)
    assert document["image_signature"] == "ed25519"
