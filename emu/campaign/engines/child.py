"""The process of a worker: how it begins, and whether it is still there.

A process that has one thread is forked: its child has every module already, and works after milliseconds where a new
interpreter takes a good part of a second for its imports. A child shares nothing with it that could be held against
the work: it makes what it works with anew, it has no descriptor but its pipe, no handler of a signal, nobody's output
in its buffers. Where another thread runs (it may hold a lock that nobody would ever release in the child), or where
the system's own libraries do not survive a fork (macOS), a new interpreter is started.

Neighbours: `process` talks to it. Knows no campaign and no message.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import os
import signal
import subprocess
import sys
import threading
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, Protocol

LOOK_EVERY_S = 0.01
_BOOT = "import sys; sys.path[:] = {path}; from {module} import {name}; {name}({descriptor})"


class Child(Protocol):
    """What `start` returns. Exit codes are those of `subprocess`: negative for a signal."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None:
        """Its exit code; None while it is there."""
        ...

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, once it is gone. Raises `subprocess.TimeoutExpired` after that many seconds."""
        ...

    def kill(self) -> None:
        """End it, if it is still there."""
        ...


def can_fork() -> bool:
    """Whether a child of this process is sound without a new interpreter."""
    return sys.platform == "linux" and threading.active_count() == 1


def start(main: Callable[[int], None], descriptor: int) -> Child:
    """A process that calls ``main``, a function of a module, with a descriptor it inherits. In a session of its own;
    what it prints goes to stderr."""
    if can_fork():
        return Forked(main, descriptor)
    boot = _BOOT.format(path=ascii(sys.path), module=main.__module__, name=main.__name__, descriptor=descriptor)
    return subprocess.Popen(
        [sys.executable, "-P", "-c", boot], pass_fds=(descriptor,), stdin=subprocess.DEVNULL, stdout=_stderr(),
        start_new_session=True,
    )  # fmt: skip


def forked() -> int:
    """fork(), also from a process with threads, as test runners are: a child of ours takes no lock of theirs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


class Forked:
    """A child of this very process."""

    def __init__(self, main: Callable[[int], None], descriptor: int) -> None:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()  # or the child would say it as well
        self._code: int | None = None
        self.pid = forked()
        if not self.pid:
            _be_a_child(main, descriptor)

    def poll(self) -> int | None:
        if self._code is None:
            try:
                gone, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:  # somebody else in this process has asked, and was told
                gone, status = self.pid, 0
            if gone:
                self._code = os.waitstatus_to_exitcode(status)
        return self._code

    def wait(self, timeout: float | None = None) -> int:
        left = timeout
        while (code := self.poll()) is None:
            if left is not None and left <= 0:
                raise subprocess.TimeoutExpired("a worker", timeout or 0.0)
            threading.Event().wait(LOOK_EVERY_S)
            left = None if left is None else left - LOOK_EVERY_S
        return code

    def kill(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)


def _be_a_child(main: Callable[[int], None], descriptor: int) -> NoReturn:
    """The life of a forked child. Nothing of the stack below it goes on, whatever happens."""
    try:
        _leave_behind(descriptor)
        main(descriptor)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


def _leave_behind(descriptor: int) -> None:
    """What a child has of its parent and must not use. Pipes of its siblings most of all: who holds one keeps them from
    hearing that the coordinator is gone."""
    os.setsid()
    faulthandler.disable()  # it writes to a descriptor that is about to be somebody else's
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    if _stderr() == subprocess.DEVNULL:
        os.dup2(nothing, 2)
    os.dup2(2, 1)
    for each in [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]:
        if each > 2 and each != descriptor:
            with contextlib.suppress(OSError):  # the one that listed them is closed already
                os.close(each)
    sys.stdout = open(1, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115 - for life
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    gc.freeze()


def _stderr() -> int:
    """Where a worker may print; nowhere when this process was started without stderr."""
    try:
        os.fstat(2)
    except OSError:
        return subprocess.DEVNULL
    return 2
