"""A UART of an ELF's device joined to a link: whoever is at the other end of a terminal or a socket talks to it.

A UART has no connection: what is at the other end stays there when the device is reset. Neighbours: `node` is the
device, `emu.ota.serving` keeps it in time, `emu.ota.links` bring the bytes. Knows no frame.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from emu.elf.node import ElfNode
from emu.ota.links.link import Link, Send
from emu.ota.serving import Serving

CHUNK = 256
"""Bytes that are given to the line at once; whoever sends faster than its baud rate waits."""
_LOOK_S = 0.002


class Cable:
    """``link`` in the place of a UART's plug. Implements `links.link.Link`."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def open(self) -> None:
        await self._link.open()

    def disconnect(self) -> None:
        """A reset pulls no plug."""

    async def close(self) -> None:
        await self._link.close()


class Plug:
    """One UART, and who is joined to it. ``said`` goes to all of them."""

    def __init__(self, node: ElfNode, port: str, serving: Serving[ElfNode]) -> None:
        self._node, self._port, self._serving = node, port, serving
        self._listeners: dict[str, Send] = {}
        node.said = self._says

    def join(self, kind: str, send: Send) -> None:
        """From now on what the UART says goes to ``send``, in the place of an earlier one of that kind."""
        self._listeners[kind] = send

    def meeting(self, kind: str) -> Callable[[str, Send], Talking]:
        """What a link of that kind calls when somebody is there."""

        def meet(_name: str, send: Send) -> Talking:
            self.join(kind, send)
            return Talking(self._node, self._port, self._serving)

        return meet

    def _says(self, port: str, data: bytes) -> None:
        if port == self._port:
            for send in list(self._listeners.values()):
                self._serving.leave(lambda send=send: send(data))  # type: ignore[misc]


class Talking:
    """What comes from one who is joined. Implements `links.link.Talk`."""

    def __init__(self, node: ElfNode, port: str, serving: Serving[ElfNode]) -> None:
        self._feed, self._port, self._serving = node.feed(port), port, serving

    async def received(self, data: bytes) -> bool:
        for start in range(0, len(data), CHUNK):
            chunk = data[start : start + CHUNK]
            if not await self._serving.do(lambda node, chunk=chunk: node.feed(self._port).send(chunk)):  # type: ignore[misc]
                return True  # nobody hears it
            while self._feed.is_busy and self._serving.is_running:
                await asyncio.sleep(_LOOK_S)
        return True
