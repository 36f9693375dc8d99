"""Programs a rig runs: the device itself, what switches its power, what restores or updates it.

Every one is the leader of a session and process group of its own: Ctrl-C at the terminal does not reach it. To kill one
is to kill its group and to wait for every member, orphans too (this process adopts them): a device whose power is gone
writes nothing any more. Should this process be killed itself, the kernel kills the leaders.
Neighbours: `relays` and `external_rig`. Knows no console.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from emu.errors import RigLost
from emu.hil.rig_file import PLACEHOLDER

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_SHOWN = 200
_LIBC = ctypes.CDLL(None, use_errno=True)


def filled(words: tuple[str, ...], places: Mapping[str, str]) -> list[str]:
    """``words`` with what stands for their placeholders, all of which are known."""
    return [PLACEHOLDER.sub(lambda found: places[found[1]], word) for word in words]


class Program:
    """A running program. ``terminal``: its standard streams; None: it reads nothing, and what it says is kept for
    `last_line`. Raises RigLost when it cannot be started."""

    def __init__(self, words: list[str], folder: Path, terminal: int | None = None) -> None:
        self.name = words[0]
        self._said: IO[bytes] | None = None if terminal is not None else tempfile.TemporaryFile()  # noqa: SIM115
        output = terminal if self._said is None else self._said
        _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1)
        try:
            self._process = subprocess.Popen(
                words, cwd=folder, stdin=subprocess.DEVNULL if terminal is None else terminal,
                stdout=output, stderr=output, start_new_session=True, preexec_fn=_die_with_parent,
            )  # fmt: skip
        except OSError as wrong:
            if self._said is not None:
                self._said.close()
            raise RigLost(f"{self.name}: cannot be started: {wrong.strerror}") from None
        self._end = os.pidfd_open(self._process.pid)

    def wait(self, timeout_s: float) -> int | None:
        """Its exit code, as soon as it has one, negative for a signal; None: it still runs after ``timeout_s``. Its
        number stays taken until `kill`, so that no stranger can have it by then."""
        ended, _, _ = select.select([self._end], [], [], max(0.0, timeout_s))
        if not ended:
            return None
        how = os.waitid(os.P_PIDFD, self._end, os.WEXITED | os.WNOWAIT)
        assert how is not None, "a process that has ended and has not: please report"
        return how.si_status if how.si_code == os.CLD_EXITED else -how.si_status

    def kill(self) -> None:
        """End it and everything it has started, at once. Nothing of it runs when this returns."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._end)
        with contextlib.suppress(ChildProcessError):  # none is left
            while True:
                os.waitpid(-self._process.pid, 0)
        if self._said is not None:
            self._said.close()

    @property
    def last_line(self) -> str:
        """The last thing it said; "" if nothing."""
        if self._said is None:
            return ""
        self._said.seek(max(0, self._said.seek(0, os.SEEK_END) - 4096))
        lines = self._said.read().decode("utf-8", "replace").split("\n")
        return next((line.strip()[:_SHOWN] for line in reversed(lines) if line.strip()), "")


def how_it_ended(code: int, last_line: str) -> str:
    """``code 3: no such port``, ``signal SIGSEGV``."""
    how = f"signal {signal.Signals(-code).name}" if code < 0 else f"code {code}"
    return f"{how}: {last_line}" if last_line else how


def run_program(words: list[str], folder: Path, limit_s: float, what: str) -> None:
    """Run one to its end. Raises RigLost, with ``what`` it was for, unless it ends with code 0 in time."""
    program = Program(words, folder)
    try:
        code = program.wait(limit_s)
        if code is None:
            raise RigLost(f"{what}: {program.name} does not end within {limit_s:g} s")
        if code:
            raise RigLost(f"{what}: {program.name} failed with {how_it_ended(code, program.last_line)}")
    finally:
        program.kill()


def _die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
