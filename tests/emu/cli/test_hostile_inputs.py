"""Files no command may take for firmware, nor read until memory ends: foreign, endless, vast, and far apart."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from flash.files import read_bounded
from flash.formats.intel_hex import encode_record
from tests.emu.cli.command import ROOT, STUCK_BOARD, Brownout, Ran
from tests.emu.helpers import NEW_APP

MEMORY = 2 << 30


def confined(*arguments: str | Path) -> Ran:
    """The command in a process that may have MEMORY bytes of address space."""
    ran = subprocess.run(
        [sys.executable, "-m", "emu", *map(str, arguments)],
        cwd=ROOT, env=os.environ | {"OPENBLAS_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=120,
        check=False, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY)),
    )  # fmt: skip
    return Ran(ran.returncode, ran.stdout, ran.stderr)


def high_hex(folder: Path) -> Path:
    """Sixteen bytes at 0xffffff00."""
    path = folder / "high.hex"
    lines = [encode_record(4, 0, b"\xff\xff"), encode_record(0, 0xFF00, bytes(range(16))), ":00000001FF"]
    path.write_text("\n".join(lines) + "\n", encoding="ascii")
    return path


@pytest.mark.parametrize(
    "content",
    [b"\x89PNG\r\n\x1a\n" + bytes(64), b"\x1f\x8b\x08" + bytes(64), b"# Read me\n" * 9],
    ids=["picture", "gzip", "text"],
)
@pytest.mark.parametrize("command", ["pack", "factory", "run"])
def test_a_picture_or_a_text_is_no_application(
    tmp_path: Path, brownout: Brownout, content: bytes, command: str
) -> None:
    """What `inspect` and `flash convert` refuse, no other command takes for raw code."""
    path, app = tmp_path / "thing.dat", tmp_path / "app.bin"
    path.write_bytes(content)
    app.write_bytes(NEW_APP)
    arguments: dict[str, tuple[str | Path, ...]] = {
        "pack": ("pack", path, "--board", "demo", "--version", "1", "--out", tmp_path / "o.zip"),
        "factory": ("flash", "factory", tmp_path / "o.bin", "--board", "demo", "--from", path),
        "run": ("run", "--from", app, "--to", path, "--tears", "none"),
    }
    assert "not firmware" in brownout.refused(*arguments[command])


@pytest.mark.parametrize(
    "arguments",
    [
        ("pack", "HIGH", "--platform", "p", "--load-address", "0", "--version", "1", "--out", "OUT.zip"),
        ("pack", "HIGH", "--board", "demo", "--region", "0:0xffffffff", "--version", "1", "--out", "OUT.zip"),
        ("run", "--from", "HIGH", "--to", "HIGH", "--region", "0:0xffffffff", "--tears", "none"),
        ("flash", "factory", "OUT.bin", "--board", "demo", "--from", "HIGH", "--region", "0:0xffffffff"),
    ],
    ids=["pack without board", "pack", "run", "factory"],
)
def test_sixteen_bytes_at_the_end_of_the_addresses_do_not_take_4_gib(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    """No more than MAX_GAPS is filled between the start of the window and the content."""
    given = [
        str(high_hex(tmp_path)) if word == "HIGH" else str(tmp_path / word) if word.startswith("OUT") else word
        for word in arguments
    ]
    ran = confined(*given)
    assert ran.code == 2, ran.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("flash", "patch", "APP", "OUT.bin", "--at", "0", "--file", "VAST"),
        ("flash", "patch", "APP", "OUT.bin", "--at", "0", "--file", "/dev/zero"),
        ("pack", "APP", "--board", "demo", "--version", "1", "--out", "OUT.zip", "--sign", "0=VAST"),
        ("pack", "APP", "--board", "demo", "--version", "1", "--out", "OUT.zip", "--sign", "0=/dev/zero"),
        ("run", "--from", "VAST", "--to", "APP"),
        ("run", "--board", "VAST"),
        ("parts", "--file", "VAST"),
    ],
    ids=["patch", "patch device", "key", "key device", "run", "board", "part"],
)
def test_an_endless_or_vast_input_is_refused_before_it_is_read(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """Only regular files are read, each up to a limit of its kind."""
    app, vast = tmp_path / "app.bin", tmp_path / "vast.bin"
    app.write_bytes(NEW_APP)
    with vast.open("wb") as file:
        file.truncate(3 << 30)  # a hole: takes no room on disk
    places = {"APP": str(app), "VAST": str(vast)}
    given = [places.get(word, word).replace("=VAST", f"={vast}") for word in arguments]
    ran = confined(*(str(tmp_path / word) if word.startswith("OUT") else word for word in given))
    assert ran.code == 2, ran.err


def test_a_vast_key_of_a_board_is_refused_too(tmp_path: Path, brownout: Brownout) -> None:
    board, key = tmp_path / "board.toml", tmp_path / "key.pem"
    board.write_text(STUCK_BOARD + '\n[verify]\nkeys = ["key.pem"]\n', encoding="utf-8")
    key.write_bytes(bytes((1 << 16) + 1))
    said = brownout.refused("run", "--board", board)
    assert said == f"{board}: key key.pem: cannot be read: has 65537 bytes, more than the 65536 it may have"


def test_a_file_is_read_up_to_its_limit_and_not_beyond(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    assert read_bounded(path, 3) == b"abc"
    with pytest.raises(OSError, match="has 3 bytes, more than the 2 it may have"):
        read_bounded(path, 2)
    with pytest.raises(OSError, match="not a regular file"):
        read_bounded(Path("/dev/null"), 2)
    with pytest.raises(IsADirectoryError):
        read_bounded(tmp_path, 2)
    with pytest.raises(OSError, match="null byte"):
        read_bounded(Path("a\0b"), 2)
