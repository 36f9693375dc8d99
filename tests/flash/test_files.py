"""Files written together: all of them, or none."""

from __future__ import annotations

from pathlib import Path

import pytest

from flash.errors import ImageError
from flash.files import write_file, write_files


def test_several_files_are_written_and_keep_their_permissions(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_bytes(b"old")
    first.chmod(0o600)
    write_files([(first, b"new"), (second, b"also new")])
    assert (first.read_bytes(), second.read_bytes()) == (b"new", b"also new")
    assert first.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "second"]


@pytest.mark.parametrize("place", ["missing/second", "", "nul\0"], ids=["no folder", "a folder", "no name"])
def test_where_one_cannot_be_written_none_is(tmp_path: Path, place: str) -> None:
    first, second = tmp_path / "first", tmp_path / place
    first.write_bytes(b"old")
    with pytest.raises(ImageError) as wrong:
        write_files([(first, b"new"), (second, b"new"), (tmp_path / "third", b"new")])
    assert str(wrong.value).startswith(f"{second}: cannot be written (")
    assert first.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["first"]


def test_a_device_among_them_is_written_to_and_stays_one(tmp_path: Path) -> None:
    write_files([(Path("/dev/null"), b"gone"), (tmp_path / "file", b"here")])
    write_file(Path("/dev/null"), b"gone")
    assert Path("/dev/null").is_char_device()
    assert (tmp_path / "file").read_bytes() == b"here"
