"""The bench's end of a zygote: begin a session, hear what the firmware calls, answer, and let it die.

A session is killed with SIGKILL where it ends from outside; whatever it was doing, nothing of it goes on, nor of what
it has forked. A zygote lives no longer than this process, however that one ends, and is in a session of its own: Ctrl-C
strikes the command alone.

Neighbours: `zygote` is the other end; `firmware` decides what a call means. Knows no device.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import re
import select
import signal
import socket
import subprocess
import sys
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from emu.errors import EngineLost, ScenarioError
from emu.native import zygote
from emu.native.zygote import ANSWER, BEGIN, CALL, ENDED, LOADED, LONGEST_TEXT, REFUSED, ROOM, STARTED
from emu.words import printable

PATIENCE_S = 30.0
"""For a library to load, and for a process that was killed to be gone."""
LEAVING_S = 3.0
"""For a zygote to end what it has started, and itself."""
_sched_getcpu: Callable[[], int] = ctypes.CDLL(None).sched_getcpu
_PACKET = CALL.size + LONGEST_TEXT


@dataclass(frozen=True, slots=True)
class Message:
    """A call of the library, or a word about it: see `zygote`."""

    what: int
    a: int
    b: int
    length: int
    text: bytes


class Silence(Exception):
    """Nothing was heard for as long as was asked for."""


class Zygote:
    """A process that has loaded ``library``. Raises ScenarioError, in one line, for one that cannot be used."""

    def __init__(self, library: Path) -> None:
        self._library = library
        self.owner = os.getpid()
        self._pipe, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        shared, self._printed = os.memfd_create("brownout"), os.memfd_create("printed")
        os.ftruncate(shared, ROOM)
        self._memory = mmap.mmap(shared, ROOM)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", zygote.__file__, str(library), str(theirs.fileno()), str(shared)],
                pass_fds=(theirs.fileno(), shared), stdin=subprocess.DEVNULL, stdout=self._printed,
                stderr=self._printed, start_new_session=True,
            )  # fmt: skip
        os.close(shared)
        self._finalizer = weakref.finalize(self, _end, self.owner, self._process, self._pipe, self._printed)
        self._child = 0
        self._is_over = True
        self._allowed = os.sched_getaffinity(0)
        self._processor: set[int] = set()
        self._await_library()

    @property
    def pid(self) -> int:
        return self._process.pid

    def close(self) -> None:
        """End it, and the session it may be in."""
        self._finalizer()

    # -- a session -----------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Start a session, in a process of its own. The one before has been left or ended."""
        while not self._is_over:
            try:
                self.hear(PATIENCE_S)
            except Silence:
                raise self._lost() from None
        os.ftruncate(self._printed, 0)
        os.lseek(self._printed, 0, os.SEEK_SET)  # one position for all who print there
        self._is_over, self._child = False, 0
        self._take_turns()
        try:
            self._pipe.send(BEGIN)
        except OSError:
            raise self._lost() from None

    def hear(self, patience_s: float) -> Message:
        """The next message. Raises Silence, and EngineLost when the zygote itself is gone."""
        while True:
            self._pipe.settimeout(patience_s)
            try:
                packet = self._pipe.recv(_PACKET)
            except TimeoutError:
                raise Silence from None
            except OSError:
                raise self._lost() from None
            if not packet:
                raise self._lost()
            what, a, b, length = CALL.unpack_from(packet)
            heard = Message(what, a, b, length, packet[CALL.size :])
            if heard.what != STARTED:
                self._is_over = self._is_over or heard.what == ENDED
                return heard
            self._child = heard.a

    def sent(self, length: int) -> bytes:
        """The bytes that came with a call."""
        return self._memory[:length]

    def answer(self, value: int, data: bytes = b"") -> None:
        """Let the firmware go on. A child that is gone meanwhile is heard of with the next message."""
        if data:
            self._memory[: len(data)] = data
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._pipe.send(ANSWER.pack(value, len(data)))

    def end(self) -> None:
        """End the session here and now, whatever it is doing."""
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, self._allowed)
        while not self._is_over and not self._child:
            self.hear(PATIENCE_S)
        if not self._is_over:  # a zombie at worst: it keeps its process id until the next session begins
            os.kill(self._child, signal.SIGKILL)

    def last_words(self) -> str:
        """The last line the session printed. What differs from process to process in it is left out."""
        size = os.fstat(self._printed).st_size
        tail = os.pread(self._printed, 4096, max(0, size - 4096)).decode(errors="replace")
        lines = [line.strip() for line in tail.splitlines() if line.strip() and not line.startswith("SUMMARY:")]
        return _steady(printable(lines[-1])) if lines else ""

    def _take_turns(self) -> None:
        """Both on the processor this process is on, until the session ends: only one of them works at a time, and to
        wake another processor for every call takes four times as long."""
        here = {_sched_getcpu()}
        with contextlib.suppress(OSError):  # a sandbox may forbid it: slower, and nothing else
            self._allowed = os.sched_getaffinity(0)
            os.sched_setaffinity(0, here)
            if here != self._processor:
                os.sched_setaffinity(self.pid, here)
                self._processor = here

    # -- how it ends ---------------------------------------------------------------------------------------

    def _await_library(self) -> None:
        try:
            heard = self.hear(PATIENCE_S)
        except Silence:
            self.close()
            raise ScenarioError(f"{self._library}: does not finish loading in {PATIENCE_S:g} s") from None
        except EngineLost:
            how, said = _how(_gone(self._process, PATIENCE_S)), self.last_words()
            self.close()
            raise ScenarioError(
                f"{self._library}: takes the process along that loads it: {how}{said and f' ({said})'}"
            ) from None
        if heard.what == REFUSED:
            self.close()
            raise ScenarioError(f"{self._library}: {printable(heard.text.decode(errors='replace'))}")
        assert heard.what == LOADED, f"a zygote begins with {heard}: please report"

    def _lost(self) -> EngineLost:
        """It should outlive every session: whoever ended it, no session can be blamed, and none is repeated."""
        self._is_over = True
        code = _gone(self._process, 1.0)
        said = self.last_words()
        return EngineLost(
            f"the process that runs {self._library} is gone: {_how(code)}{said and f' ({said})'}; "
            "somebody killed it, or memory ran out: run the campaign again"
        )


def _end(owner: int, process: subprocess.Popen[bytes], pipe: socket.socket, printed: int) -> None:
    """In the process that started it only: one that was forked from it gives back its copies."""
    is_owner = os.getpid() == owner
    if is_owner:
        with contextlib.suppress(OSError):
            pipe.shutdown(socket.SHUT_RDWR)  # also where a fork of this process has it open: now the zygote leaves
    pipe.close()
    os.close(printed)
    if is_owner:
        _gone(process, LEAVING_S)


def _gone(process: subprocess.Popen[bytes], patience_s: float) -> int | None:
    """Its exit code; None for one that had to be killed. Nothing is left of its process group, whoever made it."""
    if process.returncode is not None:
        return process.returncode
    descriptor = os.pidfd_open(process.pid)
    is_over = bool(select.select([descriptor], [], [], patience_s)[0])
    os.close(descriptor)
    with contextlib.suppress(ProcessLookupError):  # not reaped yet: nobody else can have this group
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return process.returncode if is_over else None


def _how(code: int | None) -> str:
    if code is None:
        return "it does not answer"
    return f"exit code {code}" if code >= 0 else signal_name(-code)


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"


def _steady(line: str) -> str:
    """What differs where nothing else does must not be in a finding: addresses, process ids, which Python this is."""
    line = re.sub(r"^\S+: (?=\S+:\d+: )", "", line)
    return re.sub(r"==\d+== ?", "", re.sub(r"0x[0-9a-fA-F]{6,}", "0x...", line))[:200]
