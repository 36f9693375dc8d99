"""The replay command a finding is printed with: pasted into a shell as it stands, it replays the finding."""

from __future__ import annotations

import shlex
from pathlib import Path
from xml.etree import ElementTree

import pytest

from flash.images import Segment, image_from_segments, save_image
from tests.emu.cli.command import Brownout, pair, stuck_board
from tests.emu.helpers import NEW_APP, OLD_APP


def own_board(folder: Path) -> tuple[str | Path, ...]:
    return "--board", stuck_board(folder), "--events", "hang"


def universal_hex(folder: Path) -> tuple[str, ...]:
    """The two small images, each inside the block of board 0x9900."""
    for name, app in (("old", OLD_APP), ("new", NEW_APP)):
        plain = folder / f"{name}.hex"
        save_image(image_from_segments(name, [Segment(0, app)]), plain)
        data = [line for line in plain.read_text(encoding="ascii").split() if line[7:9] == "00"]
        lines = [":020000040000FA", ":0400000A9900C0DEBB", *data, ":0000000BF5", ":00000001FF", ""]
        (folder / f"{name} u.hex").write_text("\n".join(lines), encoding="ascii")
    return "--from", str(folder / "old u.hex"), "--to", str(folder / "new u.hex"), "--board-id", "0x9900"


def printed_command(text: str) -> list[str]:
    """The first replay command in a text, as a shell would take it apart."""
    line = next(line.strip() for line in text.splitlines() if line.strip().startswith("brownout replay "))
    program, *arguments = shlex.split(line)
    assert program == "brownout"
    return arguments


NON_DEFAULT = {
    "board file": lambda folder: [*own_board(folder)],
    "files": lambda folder: [*pair(folder), *own_board(folder)],
    "app": lambda folder: ["--app", "hangs", *own_board(folder)],
    "timing and seed": lambda folder: ["--timing", "sampled", "--seed", "7", *own_board(folder)],
    "attempts": lambda folder: ["--attempts", "3", *own_board(folder)],
    "region": lambda folder: [*pair(folder), "--region", "0x0:0x100", *own_board(folder)],
    "universal hex": lambda folder: [*universal_hex(folder), *own_board(folder)],
    "depth and tears": lambda folder: ["--depth", "2", "--tears", "none", "--app", "crashes", *own_board(folder)],
    "everything": lambda folder: [
        *pair(folder), *own_board(folder), "--region", "0x20:0x300", "--app", "commits-late", "--timing", "max",
        "--seed", "5", "--attempts", "2",
    ],
}  # fmt: skip


@pytest.mark.parametrize("way", NON_DEFAULT)
def test_the_printed_command_replays_the_finding_as_it_stands(brownout: Brownout, tmp_path: Path, way: str) -> None:
    """A folder with a blank and a quote in its name: what is printed is for a shell."""
    folder = tmp_path / "it's here"
    folder.mkdir()
    ran = brownout("run", *NON_DEFAULT[way](folder), "--junit", tmp_path / "out.xml")
    assert ran.code == 1, ran.err
    replayed = brownout(*printed_command(ran.out))
    assert (replayed.code, replayed.err.replace(ran.err, "")) == (1, "")
    assert "BROKEN reverts: " in replayed.out
    (failure,) = ElementTree.parse(tmp_path / "out.xml").getroot().findall("testcase/failure")
    assert printed_command(failure.text or "") == printed_command(ran.out)


def test_the_printed_command_has_no_default(brownout: Brownout, tmp_path: Path) -> None:
    ran = brownout("run", *own_board(tmp_path), "--seed", "0", "--timing", "typ", "--app", "healthy")
    token, *options = printed_command(ran.out)[1:]
    assert token.startswith("bo1:2:")
    assert options == ["--board", str(tmp_path / "stuck.toml")]
