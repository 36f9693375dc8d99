"""`brownout serve` in a process of its own, with what it prints; and curl. Neighbours: tests of what is served."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tests.emu.cli.command import ROOT

PATIENCE_S = 30


class Serve:
    """The command in a process of its own, with what it has printed so far."""

    def __init__(self, *arguments: str | Path, stdin: int | IO[bytes] = subprocess.PIPE) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "emu", "serve", *map(str, arguments)],
            cwd=ROOT, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        self.seen = ""
        self.patience = threading.Timer(PATIENCE_S, self.process.kill)
        self.patience.start()

    def until(self, pattern: str) -> str:
        """The first group of the first line that has ``pattern``, of those not looked at yet."""
        assert self.process.stdout is not None
        while line := self.process.stdout.readline().decode():
            self.seen += line
            found = re.search(pattern, line)
            if found:
                return found[1] if found.groups() else found[0]
        assert self.process.stderr is not None
        raise AssertionError(f"{pattern} never came:\n{self.seen}{self.process.stderr.read().decode()}")

    def type(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def end(self, number: int | None = None) -> tuple[int, str]:
        """Its exit code, and what it said on stderr."""
        if number is not None:
            self.process.send_signal(number)
        _, err = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, err.decode()


@contextmanager
def serving(*arguments: str | Path, stdin: int | IO[bytes] = subprocess.PIPE) -> Iterator[Serve]:
    made = Serve(*arguments, stdin=stdin)
    try:
        yield made
    finally:
        made.patience.cancel()
        if made.process.poll() is None:
            made.process.kill()
        made.process.communicate()


def curl(*arguments: str | Path) -> bytes:
    return subprocess.run(
        ["curl", "-sS", "-m", "20", *map(str, arguments)], check=True, stdout=subprocess.PIPE, timeout=PATIENCE_S
    ).stdout
