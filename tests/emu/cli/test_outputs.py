"""Where results go: never over what they are about, and with the permissions that were there."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.emu.cli.command import ROOT, Brownout, pair
from tests.emu.helpers import NEW_APP


@pytest.mark.parametrize(
    "arguments",
    [
        ("inspect", "APP", "--json", "APP"),
        ("flash", "diff", "APP", "APP", "--json", "APP"),
        ("flash", "check", "APP", "--part", "W25Q128JV", "--json", "APP"),
        ("parts", "--file", "PART", "--json", "PART"),
        ("bench", "--board", "BOARD", "--json", "BOARD"),
        ("run", "--board", "BOARD", "--tears", "none", "--json", "BOARD"),
        ("flash", "factory", "APP", "--board", "demo", "--from", "APP"),
    ],
    ids=["inspect", "diff", "check", "parts", "bench", "run", "factory"],
)
def test_a_report_never_replaces_what_it_is_about(
    tmp_path: Path, brownout: Brownout, arguments: tuple[str, ...]
) -> None:
    """No output may be a file that is read for it: exit 2, and all are what they were."""
    places = {"APP": tmp_path / "app.bin", "PART": tmp_path / "part.toml", "BOARD": tmp_path / "board.toml"}
    places["APP"].write_bytes(NEW_APP)
    shutil.copy(ROOT / "flash" / "parts" / "W25Q128JV.toml", places["PART"])
    shutil.copy(ROOT / "emu" / "boards" / "demo.toml", places["BOARD"])
    before = {name: path.read_bytes() for name, path in places.items()}
    ran = brownout(*(places.get(word, word) for word in arguments))
    assert {name: path.read_bytes() for name, path in places.items()} == before
    assert ran.code == 2


def test_a_report_keeps_the_permissions_of_the_file_it_replaces(tmp_path: Path, brownout: Brownout) -> None:
    path = tmp_path / "r.json"
    path.touch()
    path.chmod(0o600)
    assert brownout("parts", "W25Q128JV", "--json", path).code == 0
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("option", [("parts", "--json"), ("pack", "APP", "--board", "demo", "--version", "1", "--out")])
def test_links_in_a_circle_are_no_internal_error(tmp_path: Path, brownout: Brownout, option: tuple[str, ...]) -> None:
    (tmp_path / "app.bin").write_bytes(NEW_APP)
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    brownout.refused(*(tmp_path / "app.bin" if word == "APP" else word for word in option), loop)


def test_links_in_a_circle_are_refused_beside_another_output_too(tmp_path: Path, brownout: Brownout) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    brownout.refused("run", *pair(tmp_path), "--json", tmp_path / "r.json", "--junit", loop)


def test_a_key_or_part_file_beside_a_board_is_an_input_as_well(tmp_path: Path, brownout: Brownout) -> None:
    board, part = tmp_path / "board.toml", tmp_path / "part.toml"
    shutil.copy(ROOT / "flash" / "parts" / "W25Q128JV.toml", part)
    text = (ROOT / "emu" / "boards" / "demo.toml").read_text(encoding="utf-8")
    assert 'part = "W25Q128JV"' in text
    board.write_text(text.replace('part = "W25Q128JV"', 'part_file = "part.toml"'), encoding="utf-8")
    before = part.read_bytes()
    link = tmp_path / "link.json"
    link.symlink_to(part)
    for target in (part, link):
        for arguments in (("bench",), ("run", "--tears", "none"), ("inspect", ROOT / "emu" / "demo" / "demo-1.elf")):
            said = brownout.refused(*arguments, "--board", board, "--json", target)
            assert said == f"{target}: is an input too and would be overwritten; give another path"
    assert part.read_bytes() == before
