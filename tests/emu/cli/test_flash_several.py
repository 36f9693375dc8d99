"""`brownout flash` with several files of one name, several chips, and a region that several files leave open."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.emu.cli.command import ROOT, Brownout
from tests.emu.helpers import NEW_APP, OLD_APP


@pytest.fixture
def two_chips(tmp_path: Path) -> Path:
    """The demo board with its slots on a second chip."""
    text = (ROOT / "emu" / "boards" / "demo.toml").read_text(encoding="utf-8")
    text = text.replace('name = "nor"', 'name = "a"', 1).replace(
        "[[partition]]", '[[flash]]\nname = "b"\npart = "W25Q128JV"\n\n[[partition]]', 1
    )
    head, *partitions = text.split("[[partition]]")
    partitions = [p.replace('flash = "nor"', f'flash = "{"b" if "slot-" in p[:30] else "a"}"') for p in partitions]
    path = tmp_path / "two.toml"
    path.write_text("[[partition]]".join([head, *partitions]), encoding="utf-8")
    return path


def test_a_factory_set_of_several_chips_is_written_whole_or_not_at_all(
    tmp_path: Path, brownout: Brownout, two_chips: Path
) -> None:
    """The second chip's content has no address of S19, which has 16 bits."""
    app = tmp_path / "app.bin"
    app.write_bytes(NEW_APP)
    brownout.refused("flash", "factory", tmp_path / "t.s19", "--board", two_chips, "--from", app)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["app.bin", "two.toml"]
    ran = brownout("flash", "factory", tmp_path / "t.hex", "--board", two_chips, "--from", app)
    assert ran.code == 0, ran.err
    chips = [f"{name}={tmp_path / f't-{name}.hex'}" for name in "ab"]
    assert [line.split(":")[0] for line in ran.out.splitlines()] == [chip[2:] for chip in chips]
    assert brownout("inspect", *chips, "--board", two_chips).code == 0


def test_files_of_one_name_are_told_apart(tmp_path: Path, brownout: Brownout) -> None:
    """Messages and documents name files as they were given."""
    paths = [tmp_path / name / "x.bin" for name in "ab"]
    for number, path in enumerate(paths):
        path.parent.mkdir()
        path.write_bytes(bytes([number]) * 64)
    assert brownout.refused("flash", "merge", tmp_path / "o.bin", *paths).startswith(f"{paths[0]} and {paths[1]} both ")
    found = json.loads(brownout("flash", "check", *paths, "--part", "W25Q128JV", "--json", "-").out)
    assert [(loss["file"], loss["by"]) for loss in found["lost"]] == [(str(paths[0]), str(paths[1]))]


def test_a_chip_file_is_named_as_it_was_given(tmp_path: Path, brownout: Brownout, two_chips: Path) -> None:
    paths = [tmp_path / name / "x.bin" for name in "ab"]
    for path, size in zip(paths, (4, (16 << 20) + 1), strict=True):
        path.parent.mkdir()
        path.write_bytes(bytes(size))
    said = brownout.refused("inspect", *(f"{path.parent.name}={path}" for path in paths), "--board", two_chips)
    assert said.startswith(f"{paths[1]}: ")


@pytest.mark.parametrize("options", [(), ("--fill", "0xFF")], ids=["gaps", "filled"])
def test_a_diff_of_a_region_where_neither_image_has_anything_is_refused(
    tmp_path: Path, brownout: Brownout, options: tuple[str, ...]
) -> None:
    """Nothing compared with nothing is a mistyped --region; one image with content there is enough to compare."""
    paths = [tmp_path / "a.bin", tmp_path / "b.bin"]
    for path, content in zip(paths, (OLD_APP, OLD_APP + NEW_APP), strict=True):
        path.write_bytes(content)
    said = brownout.refused("flash", "diff", *paths, "--region", "0xf0000000+4", *options)
    assert said.startswith("nothing lies in --region 0xf0000000:0xf0000004 of either image: ")
    assert all(f"{path} has 0x0:{path.stat().st_size:#x}" in said for path in paths)
    assert brownout("flash", "diff", *paths, "--region", f"{len(OLD_APP)}+4").code == 1
