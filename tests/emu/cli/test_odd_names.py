"""Files with names that streams, XML or terminals do not take: no work is lost, and the printed command finds them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.emu.cli.command import Brownout, pair, process, stuck_board

ODD = [b"bad\xff", b"bell\x07", b"two\nlines", b"it's \\ \x1b[2J7", "né \N{NO-BREAK SPACE}".encode()]


def test_a_name_that_is_not_utf8_costs_no_campaign(tmp_path: Path) -> None:
    """A page goes to a stdout that takes UTF-8 alone, a report to a file that is UTF-8."""
    folder = tmp_path / os.fsdecode(b"bad\xff")
    folder.mkdir()
    options = (*pair(folder), "--board", str(stuck_board(tmp_path)), "--app", "hangs", "--tears", "none")
    page = process("run", *options, PYTHONIOENCODING="utf-8:strict")
    assert page.code == 1, page.err
    report = process("run", *options, "--junit", str(tmp_path / "r.xml"), PYTHONIOENCODING="utf-8:surrogateescape")
    assert report.code == 1, report.err
    assert ElementTree.parse(tmp_path / "r.xml").getroot().tag == "testsuite"


def test_a_junit_file_is_xml_whatever_the_files_are_called(tmp_path: Path, brownout: Brownout) -> None:
    """XML has no way to say a control character; the replay command in <failure> says it as an escape."""
    folder = tmp_path / "bell\x07"
    folder.mkdir()
    report = tmp_path / "r.xml"
    board = stuck_board(tmp_path)
    ran = brownout("run", *pair(folder), "--board", board, "--app", "hangs", "--tears", "none", "--junit", report)
    assert ran.code == 1
    assert ElementTree.parse(report).getroot().tag == "testsuite"


@pytest.mark.parametrize("name", ODD)
def test_the_printed_command_is_one_printable_line_that_names_the_files(
    tmp_path: Path, brownout: Brownout, name: bytes
) -> None:
    folder = tmp_path / os.fsdecode(name)
    folder.mkdir()
    files = pair(folder)
    ran = brownout("run", *files, "--board", stuck_board(tmp_path), "--app", "hangs", "--tears", "none")
    assert all(line.isprintable() for line in ran.out.splitlines())
    command = next(line.strip() for line in ran.out.splitlines() if line.startswith("    brownout replay "))
    words = subprocess.run(["bash", "-c", f"printf '%s\\0' {command}"], capture_output=True, check=True).stdout
    assert {os.fsencode(word) for word in files} <= set(words.split(b"\0"))


@pytest.mark.parametrize("name", ODD)
def test_an_error_is_one_printable_line(tmp_path: Path, brownout: Brownout, name: bytes) -> None:
    gone = tmp_path / os.fsdecode(name) / "gone.bin"
    for arguments in (("inspect", gone), ("run", "--from", gone, "--to", gone), ("parts", os.fsdecode(name))):
        assert brownout.refused(*arguments).isprintable()


def test_a_part_takes_no_name_that_no_part_file_can_say(tmp_path: Path, brownout: Brownout) -> None:
    dump = tmp_path / os.fsdecode(b"\xff.bin")
    dump.write_bytes(b"SFDP")
    said = brownout.refused("parts", "--from-sfdp", dump, "--out", tmp_path / "part.toml")
    assert "a part's name is 1 to 64 printable characters" in said


def test_json_says_the_path_as_it_was_given(tmp_path: Path, brownout: Brownout) -> None:
    folder = tmp_path / os.fsdecode(b"bad\xff\x07")
    folder.mkdir()
    files = pair(folder)
    found = json.loads(brownout("run", *files, "--tears", "none", "--json", "-").out)
    assert found["inputs"]["from"]["file"] == files[1]


def test_a_strict_stdout_does_not_take_a_written_file_for_a_failure(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"bad\xff")
    folder.mkdir()
    _, source, *_ = pair(folder)
    ran = process("flash", "convert", source, folder / "out.hex", PYTHONIOENCODING="utf-8:strict")
    assert (ran.code, ran.err) == (0, "")
    assert "bad\\udcff/out.hex" in ran.out
