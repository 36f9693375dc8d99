"""Keys of a terminal, or the first letters of lines where stdin is none, while an event loop runs.

Neighbours: `serve`. Knows no command.
"""

from __future__ import annotations

import asyncio
import os
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def keys(pressed: Callable[[str], None]) -> Iterator[None]:
    """Call ``pressed`` with each key, in a running loop. A stdin that is closed, empty or not ours presses none."""
    loop, stdin = asyncio.get_running_loop(), sys.stdin
    try:
        number = -1 if stdin is None else stdin.fileno()
    except (OSError, ValueError):  # it is closed, or no file
        number = -1
    if number < 0:
        yield
        return
    is_terminal = os.isatty(number) and os.tcgetpgrp(number) == os.getpgrp()
    before = termios.tcgetattr(number) if is_terminal else None
    reader = _Reader(number, pressed, by_line=not is_terminal)
    try:
        if before is not None:
            tty.setcbreak(number)
        if is_terminal or not os.isatty(number):
            reader.start(loop)
        yield
    finally:
        reader.stop()
        if before is not None:
            termios.tcsetattr(number, termios.TCSADRAIN, before)


class _Reader:
    def __init__(self, number: int, pressed: Callable[[str], None], *, by_line: bool) -> None:
        self._number = number
        self._pressed = pressed
        self._by_line = by_line
        self._is_new_line = True
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            loop.add_reader(self._number, self._readable)
        except PermissionError:  # a file, or /dev/null: nobody will ever type there
            return
        self._loop = loop

    def stop(self) -> None:
        if self._loop is not None:
            self._loop.remove_reader(self._number)
            self._loop = None

    def _readable(self) -> None:
        try:
            data = os.read(self._number, 256)
        except OSError:
            data = b""
        if not data:
            self.stop()
            return
        for letter in data.decode("ascii", "replace"):
            if letter in "\r\n":
                self._is_new_line = True
            elif not letter.isspace():
                if self._is_new_line or not self._by_line:
                    self._pressed(letter)
                self._is_new_line = False
