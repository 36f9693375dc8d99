"""`brownout run` with firmware .zip files that carry filesystems."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.emu.cli.command import Brownout, process
from tests.emu.cli.packing import board_file
from tests.emu.helpers import NEW_APP, OLD_APP
from tests.filesystems import image_of
from updater.bundle import Firmware, make_bundle

BLOCK, BLOCKS = 4096, 8
FACTORY = image_of({b"conf0.json": b"old"}, BLOCK, BLOCKS)
SHIPPED = image_of({b"conf0.json": b"new", b"www/index.html": b"<p>" * 300}, BLOCK, BLOCKS)


def firmware(folder: Path, name: str, app: bytes, fs: bytes) -> Path:
    path = folder / f"{name}.zip"
    path.write_bytes(make_bundle(Firmware("demo", "demo", f"{len(app)}.0.0", name, app, 0x0801_0000, fs)))
    return path


def run(
    folder: Path, old_fs: bytes = FACTORY, new_fs: bytes = SHIPPED, fs_size: int = 0x8000
) -> tuple[str | Path, ...]:
    board = board_file(folder, fs_size=fs_size)
    old, new = firmware(folder, "old", OLD_APP, old_fs), firmware(folder, "new", NEW_APP, new_fs)
    return "run", "--board", board, "--from", old, "--to", new, "--tears", "T1-coarse"


def test_a_campaign_with_filesystems_holds_and_says_so_everywhere(brownout: Brownout, tmp_path: Path) -> None:
    ran = brownout(
        *run(tmp_path), "--events", "all", "--junit", tmp_path / "junit.xml", "--json", tmp_path / "run.json"
    )
    assert ran.code == 0, ran.err
    assert "  keeps-files held            user files survive, and files shipped in the update win\n" in ran.out
    document = json.loads((tmp_path / "run.json").read_text())
    (result,) = [result for result in document["results"] if result["name"] == "keeps-files"]
    assert (result["result"], document["checks"]["keeps-files"]["exercised"]) == ("held", result["exercised"])
    assert result["exercised"] > 20
    cases = ElementTree.parse(tmp_path / "junit.xml").getroot().iter("testcase")
    assert [case.get("name") for case in cases if not list(case)].count("keeps-files") == 1


def test_without_an_old_filesystem_the_check_does_not_apply_and_says_why(brownout: Brownout, tmp_path: Path) -> None:
    ran = brownout(*run(tmp_path, old_fs=b""))
    assert ran.code == 0
    lines = ran.out.splitlines()
    at = next(n for n, line in enumerate(lines) if line.startswith("  keeps-files"))
    assert lines[at].split()[1:3] == ["not", "applicable"]
    assert lines[at + 1].strip() == "the old image has no filesystem: there is nothing to carry over"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"old_fs": b"no littlefs"},
            "the old image: filesystem of slot-a: mounting 8 blocks of 4096 bytes: the filesystem is corrupt there; "
            "its first block has no superblock; files are carried over between littlefs images: give another one, or "
            "leave the filesystem of the old image out",
        ),
        ({"fs_size": 0}, "has room for 0 (layout.fs_size)"),
        ({"fs_size": 0x1000, "old_fs": b"1", "new_fs": b"2"}, "4096 bytes hold 1 blocks of 4096; littlefs needs two"),
    ],
)
def test_what_cannot_be_merged_is_one_line(
    brownout: Brownout, tmp_path: Path, changes: dict[str, bytes | int], words: str
) -> None:
    assert words in brownout.refused(*run(tmp_path, **changes))  # type: ignore[arg-type]


def test_a_run_without_filesystems_does_not_load_the_library() -> None:
    """It takes as long to import as everything else together."""
    ran = process("run", "--tears", "none", PYTHONPROFILEIMPORTTIME="1")
    assert ran.code == 0
    assert "emu.update_rig" in ran.err
    assert "littlefs" not in ran.err
