"""What a review of the commands found wrong: each test says what should hold, its docstring what happens instead."""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest

from tests.emu.cli.command import ROOT, Brownout
from tests.emu.helpers import NEW_APP, OLD_APP

PLATFORM, LOAD_ADDRESS = "demo", 0x0801_0000
MEMORY = 2 << 30
ZIP_END = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 0, 0, 0, 0, 0)


@pytest.fixture
def brownout(capsys: pytest.CaptureFixture[str]) -> Brownout:
    return Brownout(capsys)


def entry(name: str, content: bytes, *, crc32: int | None = None) -> bytes:
    """A stored entry of a .zip, with a true CRC unless another is given."""
    raw = name.encode()
    crc32 = zlib.crc32(content) if crc32 is None else crc32
    head = struct.pack("<IHHHHHIIIHH", 0x04034B50, 20, 0, 0, 0, 0, crc32, len(content), len(content), len(raw), 0)
    return head + raw + content


def manifest(app: bytes, **changes: Any) -> bytes:
    part = {
        "type": "app", "src": "app.bin", "size": len(app), "addr": LOAD_ADDRESS,
        "cs_sha256": hashlib.sha256(app).hexdigest(),
    } | changes.pop("part", {})  # fmt: skip
    document = {"name": "node", "platform": PLATFORM, "version": "1.0.0", "build_id": "b1", "parts": {"app": part}}
    return json.dumps(document | changes).encode()


def archive(folder: Path, *entries: bytes, name: str = "fw.zip") -> Path:
    path = folder / name
    path.write_bytes(b"".join(entries) + ZIP_END)
    return path


# -- archives ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "entries",
    [
        (entry("manifest.json", manifest(OLD_APP)), entry("app.bin", NEW_APP)),
        (entry("manifest.json", manifest(NEW_APP, part={"size": 1})), entry("app.bin", NEW_APP)),
        (entry("manifest.json", manifest(NEW_APP)), entry("app.bin", OLD_APP), entry("x/app.bin", NEW_APP)),
        (
            entry("manifest.json", manifest(OLD_APP)),
            entry("app.bin", NEW_APP),
            entry("manifest.json", manifest(NEW_APP, version="250.0.0")),
        ),
    ],
    ids=["digest", "size", "app twice", "manifest twice"],
)
def test_no_factory_content_is_made_of_an_archive_every_device_refuses(
    tmp_path: Path, brownout: Brownout, entries: tuple[bytes, ...]
) -> None:
    """`open_bundle` compares neither digest nor size, and lets the last of two entries count; `flash factory` exits 0
    with a committed, valid image that is not the one the (first, perhaps signed) manifest describes."""
    path, target = archive(tmp_path, *entries), tmp_path / "f.bin"
    assert brownout("inspect", path, "--board", "demo").code == 1, "a device refuses it"
    assert brownout("flash", "factory", target, "--board", "demo", "--from", path).code == 2
    assert not target.exists()


def test_the_manifest_that_counts_is_the_first_as_on_a_device(tmp_path: Path, brownout: Brownout) -> None:
    """`run`, `bench` and `flash factory` take version, load address and header signature from a second manifest.json
    behind the first; a device skips that, and the update's signature does not cover it."""
    path = archive(
        tmp_path,
        entry("manifest.json", manifest(NEW_APP)),
        entry("app.bin", NEW_APP),
        entry("manifest.json", manifest(NEW_APP, version="250.0.0")),
    )
    target = tmp_path / "f.hex"
    ran = brownout("flash", "factory", target, "--board", "demo", "--from", path)
    if ran.code == 0:  # refusing a second manifest would be as good
        found = json.loads(brownout("inspect", f"nor={target}", "--board", "demo", "--json", "-").out)
        fields = {field["name"]: field["value"] for field in found["flash"]["slots"][0]["header"]["fields"]}
        assert fields["app_version"] == 0x01000000


@pytest.mark.parametrize(
    "entries",
    [
        (entry("manifest.json", manifest(NEW_APP)), entry("app.bin", NEW_APP), entry("app.bin", NEW_APP)),
        (entry("manifest.json", manifest(NEW_APP)), entry("app.bin", OLD_APP), entry("x/app.bin", NEW_APP)),
        (
            entry("manifest.json", manifest(NEW_APP)), entry("app.bin", NEW_APP),
            *(entry(f"f{number}", b"x") for number in range(64)),
        ),
        (entry("manifest.json", manifest(NEW_APP, pad="x" * 20000)), entry("app.bin", NEW_APP)),
    ],
    ids=["same part twice", "another part first", "65 entries", "large manifest"],
)  # fmt: skip
def test_without_a_board_too_an_archive_that_every_device_refuses_is_a_finding(
    tmp_path: Path, brownout: Brownout, entries: tuple[bytes, ...]
) -> None:
    """`inspect` without --board says OK to what the updater refuses on any board."""
    path = archive(tmp_path, *entries)
    assert brownout("inspect", path, "--board", "demo").code == 1
    assert brownout("inspect", path).code == 1


def test_a_name_in_an_archive_adds_no_line_and_no_escape_to_an_error(tmp_path: Path, brownout: Brownout) -> None:
    """Names out of an archive go to stderr as they are: newlines forge lines, and on a terminal ESC reaches it."""
    path = archive(
        tmp_path, entry("manifest.json", manifest(NEW_APP, part={"src": "\x1b[2Jx\nbrownout: all held"})),
        entry("app.bin", NEW_APP),
    )  # fmt: skip
    brownout.refused("flash", "factory", tmp_path / "f.bin", "--board", "demo", "--from", path)


# -- what is no firmware -----------------------------------------------------------------------------------------


# -- memory ------------------------------------------------------------------------------------------------------


# -- outputs -----------------------------------------------------------------------------------------------------


def test_a_factory_set_of_several_chips_is_written_whole_or_not_at_all(tmp_path: Path, brownout: Brownout) -> None:
    """The second chip's content has no S19 address; the first chip's file stays behind although the exit code is 2."""
    text = (ROOT / "emu" / "boards" / "demo.toml").read_text(encoding="utf-8")
    text = text.replace('name = "nor"', 'name = "a"', 1).replace(
        "[[partition]]", '[[flash]]\nname = "b"\npart = "W25Q128JV"\n\n[[partition]]', 1
    )
    head, *partitions = text.split("[[partition]]")
    partitions = [p.replace('flash = "nor"', f'flash = "{"b" if "slot-" in p[:30] else "a"}"') for p in partitions]
    board, app = tmp_path / "two.toml", tmp_path / "app.bin"
    board.write_text("[[partition]]".join([head, *partitions]), encoding="utf-8")
    app.write_bytes(NEW_APP)
    brownout.refused("flash", "factory", tmp_path / "t.s19", "--board", board, "--from", app, code=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["app.bin", "two.toml"]


# -- names -------------------------------------------------------------------------------------------------------


def test_files_of_one_name_are_told_apart(tmp_path: Path, brownout: Brownout) -> None:
    """ "x.bin and x.bin both have ...", and `lost[].file` of --json is none of `files`."""
    paths = [tmp_path / name / "x.bin" for name in "ab"]
    for number, path in enumerate(paths):
        path.parent.mkdir()
        path.write_bytes(bytes([number]) * 64)
    said = brownout.refused("flash", "merge", tmp_path / "o.bin", *paths)
    assert str(paths[0]) in said
    assert str(paths[1]) in said
    found = json.loads(brownout("flash", "check", *paths, "--part", "W25Q128JV", "--json", "-").out)
    assert found["lost"]
    assert {loss[key] for loss in found["lost"] for key in ("file", "by")} <= set(found["files"])


# -- what is said ------------------------------------------------------------------------------------------------


def test_a_diff_of_a_region_where_neither_image_has_anything_is_not_no_difference(
    tmp_path: Path, brownout: Brownout
) -> None:
    """A mistyped --region compares nothing with nothing and exits 0; `cut` and `show` refuse the same region."""
    paths = [tmp_path / "a.bin", tmp_path / "b.bin"]
    for path, content in zip(paths, (OLD_APP, NEW_APP), strict=True):
        path.write_bytes(content)
    brownout.refused("flash", "diff", *paths, "--region", "0xf0000000+4")
