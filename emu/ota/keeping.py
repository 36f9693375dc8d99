"""The state file of a device that is served, kept up to date while it runs: so a served device that is killed, or whose
computer goes down, is found as it was a moment ago.

The file is replaced as a whole, when the device has come to rest with another content than the file has, and at most
once a second: what a device did in its last second may be missing, as if its power had gone before it. A file that
cannot be written is told once, and tried again after every change; the device goes on.

Neighbours: `serving` says when the device is at rest, `state_file` is the file. Knows no update system.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from emu.ota.links.link import Host
from emu.ota.state_file import DeviceState, Keeper
from flash.errors import ImageError

EVERY_S = 1.0


class Keeping:
    """Lives as long as the links of a device, so it implements `links.link.Link`. ``said`` is told of trouble, and of
    its end; the last write, after the last turn, is its owner's."""

    def __init__(
        self,
        path: Path,
        device: Keeper,
        beside: Callable[[], dict[str, Any]],
        keeper: Host,
        *,
        said: Callable[[str], None],
        every_s: float = EVERY_S,
    ) -> None:
        self._path = path
        self._device = device
        self._beside = beside
        self._keeper = keeper
        self._said = said
        self._every_s = every_s
        self._written: DeviceState | None = None
        self._trouble = ""
        self._rested = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def rested(self) -> None:
        """To be called whenever the device is between two turns."""
        self._rested.set()

    async def open(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._keep())

    def disconnect(self) -> None:
        """A reset: what it has led to is written like anything else."""

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    async def _keep(self) -> None:
        try:
            while True:
                await self._rested.wait()
                self._rested.clear()
                state = DeviceState.of(self._device, self._beside())
                if not state.same(self._written):
                    await self._write(state)
                await asyncio.sleep(self._every_s)  # also where nothing was new, or each call would cost a look
        except Exception as wrong:
            self._keeper.failed(wrong)

    async def _write(self, state: DeviceState) -> None:
        """In a thread: packing and writing must not hold up the device."""
        try:
            await asyncio.to_thread(state.write, self._path)
        except ImageError as wrong:
            trouble = str(wrong).rpartition(";")[0]
            if trouble != self._trouble:
                self._said(f"{trouble}; the device goes on, and what changes is not kept until there is room for it")
            self._trouble = trouble
            return
        if self._trouble:
            self._said(f"{self._path}: is written again")
        self._trouble = ""
        self._written = state
