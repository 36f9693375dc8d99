"""Runs the command: in this process, or in one of its own. Neighbours: the tests of this folder."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from emu.cli import main
from tests.emu.helpers import NEW_APP, OLD_APP

ROOT = Path(__file__).resolve().parents[3]

STUCK_BOARD = """
name = "stuck"
platform = "stuck"

[[flash]]
name = "flash"
part = "STM32F103"

[[partition]]
name = "config-0"
flash = "flash"
offset = 0x4000
size = 0x400

[[partition]]
name = "config-1"
flash = "flash"
offset = 0x4400
size = 0x400

[[partition]]
name = "slot-a"
flash = "flash"
offset = 0x5000
size = 0x2000

[[partition]]
name = "slot-b"
flash = "flash"
offset = 0x8000
size = 0x2000

[layout]
configs = ["config-0", "config-1"]
slots = ["slot-a", "slot-b"]

[timers]
commit_timeout_s = 0
"""
"""A board without any timer: an image that hangs before it commits stays for good, which a campaign must find."""


@dataclass(frozen=True)
class Ran:
    """What a command did. ``code``: its exit code."""

    code: int
    out: str
    err: str


class Brownout:
    """The command, called in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str | Path) -> Ran:
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
        out, err = self._capsys.readouterr()
        code = left.value.code
        assert isinstance(code, int)
        return Ran(code, out, err)

    def refused(self, *arguments: str | Path, code: int = 2) -> str:
        """The one line the command ends with; nothing on stdout, no traceback."""
        ran = self(*arguments)
        assert (ran.code, ran.out) == (code, ""), ran.err
        lines = ran.err.splitlines()
        assert len(lines) == 1, ran.err
        assert lines[0].startswith("brownout: ")
        return lines[0].removeprefix("brownout: ")


def process(*arguments: str | Path, **environment: str) -> Ran:
    """The command as `python -m emu`, with pipes for stdout and stderr."""
    ran = subprocess.run(
        [sys.executable, "-m", "emu", *map(str, arguments)],
        cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return Ran(ran.returncode, ran.stdout, ran.stderr)


def pair(folder: Path) -> tuple[str, str, str, str]:
    """``--from`` and ``--to`` with two small raw images in ``folder``."""
    old, new = folder / "old.bin", folder / "new.bin"
    old.write_bytes(OLD_APP)
    new.write_bytes(NEW_APP)
    return "--from", str(old), "--to", str(new)


def stuck_board(folder: Path) -> Path:
    path = folder / "stuck.toml"
    path.write_text(STUCK_BOARD, encoding="utf-8")
    return path
