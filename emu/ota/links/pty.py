"""A serial port that is a pseudo-terminal: whoever opens its path talks to the device's UART.

A UART has no connection: bytes that nobody reads are lost, and a reset does not end it. What comes after a reset is
talked to anew.

Neighbours: `link`. Knows no frame.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import tty

from emu.ota.errors import OtaError
from emu.ota.links.link import Host, Meet, Talk

READ_SIZE = 4096
MAX_UNREAD = 1 << 16
"""Bytes that wait in front of a terminal that is full; what comes when there are more is lost."""


class PtyLink:
    def __init__(self, keeper: Host, meet: Meet) -> None:
        self.path = ""
        self._keeper = keeper
        self._meet = meet
        self._ends: tuple[int, int] | None = None
        self._talk: Talk | None = None
        self._unread = bytearray()
        self._input = bytearray()
        self._came = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        try:
            ours, theirs = os.openpty()
        except OSError as wrong:
            raise OtaError(f"no pseudo-terminal can be had ({wrong.strerror}): end programs that hold some") from None
        self._ends = ours, theirs  # theirs stays open, or a peer that closes it would end it for the next one
        tty.setraw(theirs)
        os.set_blocking(ours, False)
        self.path = os.ttyname(theirs)
        loop = asyncio.get_running_loop()
        loop.add_reader(ours, self._readable)
        self._task = loop.create_task(self._serve())

    def send(self, data: bytes) -> None:
        if self._ends is None or len(self._unread) + len(data) > MAX_UNREAD:
            return
        is_waiting = bool(self._unread)
        self._unread += data
        if not is_waiting:
            self._writable()

    def disconnect(self) -> None:
        self._talk = None
        self._input.clear()
        if self._task is not None and self._ends is not None and self._task is not asyncio.current_task():
            self._task.cancel()
            self._task = asyncio.get_running_loop().create_task(self._serve())

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
        if self._ends is not None:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._ends[0])
            loop.remove_writer(self._ends[0])
            for end in self._ends:
                os.close(end)
            self._ends = None

    async def _serve(self) -> None:
        try:
            while True:
                await self._came.wait()
                self._came.clear()
                data = bytes(self._input)
                self._input.clear()
                self._listen_again()
                if not self._keeper.is_running:
                    continue  # nobody is there to hear it
                if self._talk is None:
                    self._talk = self._meet(self.path, self.send)
                if not await self._talk.received(data):
                    self._talk = None
        except Exception as wrong:
            self._keeper.failed(wrong)

    def _readable(self) -> None:
        assert self._ends is not None, "a terminal is read after its end: please report"
        with contextlib.suppress(BlockingIOError):
            self._input += os.read(self._ends[0], READ_SIZE)
        if len(self._input) >= READ_SIZE:
            asyncio.get_running_loop().remove_reader(self._ends[0])  # until it has been taken
        self._came.set()

    def _listen_again(self) -> None:
        if self._ends is not None:
            asyncio.get_running_loop().add_reader(self._ends[0], self._readable)

    def _writable(self) -> None:
        assert self._ends is not None, "a terminal is written to after its end: please report"
        with contextlib.suppress(BlockingIOError):
            del self._unread[: os.write(self._ends[0], self._unread)]
        loop = asyncio.get_running_loop()
        if self._unread:
            loop.add_writer(self._ends[0], self._writable)
        else:
            loop.remove_writer(self._ends[0])
