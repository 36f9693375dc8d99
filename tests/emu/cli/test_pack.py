"""`brownout pack`: what goes into a package, what it says about it, and where it is written."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import zipfile
from pathlib import Path

import pytest

from flash.images import Segment, image_from_segments, save_image
from tests.emu.cli.command import ROOT, Brownout, process
from tests.emu.cli.packing import DEMO_ELF, ED25519, P256, board_file, key_file, names, options, packed, public_file
from tests.emu.helpers import NEW_APP
from updater.bundle import open_bundle
from updater.signature import key_text

AT = 0x0801_0000


@pytest.fixture
def image(tmp_path: Path) -> Path:
    (tmp_path / "node.bin").write_bytes(NEW_APP)
    return tmp_path / "node.bin"


# -- what goes in ----------------------------------------------------------------------------------------


def test_a_raw_binary_becomes_a_zip_that_python_and_the_device_read(brownout: Brownout, image: Path) -> None:
    document = packed(brownout, image)
    raw = (image.parent / "out.zip").read_bytes()
    with zipfile.ZipFile(image.parent / "out.zip") as opened:
        assert opened.testzip() is None
        assert opened.namelist() == ["node-2.1.7/manifest.json", "node-2.1.7/app.bin"]
        assert opened.read("node-2.1.7/app.bin") == NEW_APP
    manifest, entries = open_bundle(raw, platform="demo")
    assert (manifest.name, manifest.version, manifest.platform) == ("node", "2.1.7", "demo")
    assert (entries["app.bin"], manifest.app.load_address) == (NEW_APP, AT)
    assert document == {
        "schema": "brownout/pack/1",
        "file": str(image.parent / "out.zip"),
        "size": len(raw),
        "sha256": hashlib.sha256(raw).hexdigest(),
        "name": "node",
        "version": "2.1.7",
        "version_number": 0x0201_0007,
        "build_id": f"app-{hashlib.sha256(NEW_APP).hexdigest()[:12]}",
        "platform": "demo",
        "app": {
            "size": len(NEW_APP),
            "sha1": hashlib.sha1(NEW_APP).hexdigest(),
            "sha256": hashlib.sha256(NEW_APP).hexdigest(),
            "load_address": AT,
        },
        "fs": None,
        "image_signature": "none",
        "signatures": [],
    }


def test_the_page_says_the_same_in_words(brownout: Brownout, tmp_path: Path, image: Path) -> None:
    key = key_file(tmp_path, P256[3])
    document = packed(brownout, image, "--sign", f"3={key}")
    ran = brownout(*options(image, "--sign", f"3={key}"))
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines() == [
        f"packed     {tmp_path / 'out.zip'}, {document['size']} bytes",
        f"           sha256 {document['sha256']}",
        "firmware   node 2.1.7 (ordered as 0x02010007)",
        f"build      {document['build_id']}",
        "platform   demo",
        f"app        {len(NEW_APP)} bytes at 0x8010000",
        f"           sha1 {document['app']['sha1']}",
        f"           sha256 {document['app']['sha256']}",
        "image      not signed",
        f"sig3       for update.key3 {key_text(P256[3].public_key())}",
    ]
    assert "update     not signed" in brownout(*options(image)).out
    assert "a version without order" in brownout(*options(image, "--version", "nightly")).out


@pytest.mark.parametrize("suffix", ["hex", "srec", "uf2", "dfu"])
def test_formats_with_addresses_are_placed_and_gaps_read_erased(
    brownout: Brownout, tmp_path: Path, suffix: str
) -> None:
    pieces = [Segment(AT, b"first"), Segment(AT + 0x200, b"second")]
    save_image(image_from_segments("node", pieces), tmp_path / f"node.{suffix}")
    size = packed(brownout, tmp_path / f"node.{suffix}")["app"]["size"]
    assert size == (0x300 if suffix == "uf2" else 0x206), "a UF2 has whole pages"
    _, entries = open_bundle((tmp_path / "out.zip").read_bytes(), platform="demo")
    assert entries["app.bin"] == (b"first".ljust(0x200, b"\xff") + b"second").ljust(size, b"\xff")


def test_an_elf_is_packed_as_run_would_flash_it(brownout: Brownout, tmp_path: Path) -> None:
    ran = brownout("pack", DEMO_ELF, "--board", "demo", "--version", "2.0.0", "--out", tmp_path / "new.zip")
    assert ran.code == 0
    plain = brownout("run", "--tears", "none")
    sent = brownout("run", "--tears", "none", "--from", ROOT / "emu/demo/demo-1.elf", "--to", tmp_path / "new.zip")
    assert (sent.code, sent.err) == (0, "")
    same = [line for line in plain.out.splitlines() if line.startswith("update ")]
    assert same == [line for line in sent.out.splitlines() if line.startswith("update ")]


def test_a_region_is_packed_with_its_own_address_and_the_rest_is_listed(brownout: Brownout, tmp_path: Path) -> None:
    pieces = [Segment(0x1000, b"code"), Segment(0x1000_1000, b"words")]
    save_image(image_from_segments("node.hex", pieces), tmp_path / "node.hex")
    ran = brownout(*options(tmp_path / "node.hex", "--region", "0x1000:0x2000", "--json", "-"))
    assert (ran.code, ran.err) == (0, "node.hex: left out 0x10001000:0x10001005, outside --region 0x1000:0x2000\n")
    assert json.loads(ran.out)["app"]["load_address"] == 0x1000


def test_name_build_and_filesystem_are_as_they_are_given(brownout: Brownout, tmp_path: Path, image: Path) -> None:
    (tmp_path / "files.img").write_bytes(b"files" * 100)
    board = board_file(tmp_path, fs_size=0x1000)
    more = ("--name", "thing", "--build-id", "20240101-000000/gabc-main", "--fs", tmp_path / "files.img")
    document = packed(brownout, image, *more, board=board)
    assert (document["name"], document["build_id"]) == ("thing", "20240101-000000/gabc-main")
    assert document["fs"]["size"] == 500
    _, entries = open_bundle((tmp_path / "out.zip").read_bytes(), platform="demo")
    assert entries["fs.img"] == b"files" * 100
    assert "fs         500 bytes" in brownout(*options(image, *more, board=board)).out


def test_the_default_build_is_the_content_application_and_filesystem(
    brownout: Brownout, tmp_path: Path, image: Path
) -> None:
    board = board_file(tmp_path, fs_size=0x1000)
    (tmp_path / "files.img").write_bytes(b"files")
    plain, with_fs = (
        packed(brownout, image, *more, board=board)["build_id"] for more in ((), ("--fs", tmp_path / "files.img"))
    )
    assert with_fs == f"app-{hashlib.sha256(NEW_APP + b'files').hexdigest()[:12]}" != plain


def test_without_a_board_platform_and_load_address_say_what_it_is_for(brownout: Brownout, image: Path) -> None:
    ran = brownout("pack", image, "--out", image.parent / "out.zip", "--version", "1.0", "--json", "-",
                   "--platform", "stm32", "--load-address", "0x8000000")  # fmt: skip
    assert (ran.code, ran.err) == (0, "")
    document = json.loads(ran.out)
    assert (document["platform"], document["app"]["load_address"]) == ("stm32", 0x0800_0000)


def test_two_processes_pack_the_same_bytes_whatever_day_and_hash_seed(tmp_path: Path, image: Path) -> None:
    more = ("--sign", f"0={key_file(tmp_path, P256[0])}", "--image-key", tmp_path / "key.pem")
    made = []
    for seed in ("1", "2"):
        ran = process(*options(image, *more), PYTHONHASHSEED=seed, TZ=f"UTC{seed}")
        assert (ran.code, ran.err) == (0, "")
        made.append((tmp_path / "out.zip").read_bytes())
        os.utime(image, (1, 1))
    assert made[0] == made[1]


# -- where it goes ---------------------------------------------------------------------------------------


def test_a_package_replaces_an_older_one_whole_and_leaves_nothing_beside_it(brownout: Brownout, image: Path) -> None:
    target = image.parent / "out.zip"
    target.write_bytes(b"old")
    packed(brownout, image)
    assert zipfile.is_zipfile(target)
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(target.stat().st_mode) == 0o666 & ~umask
    assert names(image.parent) == ["node.bin", "out.zip"]


def test_json_goes_to_a_file_beside_the_page(brownout: Brownout, image: Path) -> None:
    ran = brownout(*options(image, "--json", image.parent / "out.json"))
    assert (ran.code, ran.err, ran.out.splitlines()[0][:11]) == (0, "", "packed     ")
    document = json.loads((image.parent / "out.json").read_text(encoding="utf-8"))
    assert document == packed(brownout, image)


def test_a_write_that_fails_leaves_the_older_one(
    brownout: Brownout, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (image.parent / "out.zip").write_bytes(b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    assert "out.zip: cannot be written (No space left on device)" in brownout.refused(*options(image))
    assert (image.parent / "out.zip").read_bytes() == b"old"
    assert names(image.parent) == ["node.bin", "out.zip"]


def test_no_input_is_overwritten_by_whatever_name(brownout: Brownout, tmp_path: Path, image: Path) -> None:
    key, image_key = key_file(tmp_path, P256[0]), key_file(tmp_path, ED25519, "image.pem")
    public = public_file(tmp_path, ED25519)
    (tmp_path / "files.img").write_bytes(b"files")
    board = board_file(tmp_path, '\n[verify]\nkeys = ["public.pem"]\n', fs_size=0x1000)
    (tmp_path / "link").symlink_to(image)
    os.link(key, tmp_path / "hard")
    more = ("--sign", f"0={key}", "--image-key", image_key, "--fs", tmp_path / "files.img")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for target in (image, key, image_key, public, board, *(tmp_path / n for n in ("files.img", "link", "hard"))):
        for option in ("--out", "--json"):
            said = brownout.refused(*options(image, *more, option, target, board=board))
            assert said == f"{target}: is an input too and would be overwritten; give another path"
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
