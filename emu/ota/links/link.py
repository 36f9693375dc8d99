"""What a link is, what it needs of whoever keeps it, and what it talks to.

Neighbours: the kinds of link beside this file; `serving` keeps them. Knows no protocol.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from typing import Protocol

from emu.ota.errors import OtaError


class Host(Protocol):
    """Who keeps a link: a device that is on or off."""

    @property
    def is_running(self) -> bool: ...

    async def until_running(self) -> None:
        """Returns when the device runs."""
        ...

    def failed(self, wrong: BaseException) -> None:
        """Something of ours is broken, in a task nobody waits for: it must not go unnoticed."""
        ...


class Link(Protocol):
    async def open(self) -> None:
        """Raises OtaError where there can be no such link."""
        ...

    def disconnect(self) -> None:
        """The device was reset or has lost its power: whoever was connected is not any more."""
        ...

    async def close(self) -> None: ...


class Talk(Protocol):
    """A conversation with one peer, over bytes in a row or over messages."""

    async def received(self, data: bytes) -> bool:
        """Take what came. Returns when the device is ready for more; False: hang up."""
        ...


Send = Callable[[bytes], None]
Meet = Callable[[str, Send], Talk]
"""Makes a `Talk` with a peer, of whom a name is given, and a way to send to it."""


def listen(host: str, port: int) -> socket.socket:
    """A socket that is bound and listens; ``port`` 0: a free one. Raises OtaError."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as wrong:
        raise OtaError(f"{host}: cannot be listened on ({_reason(wrong)}): give an address of this machine") from None
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(128)
        listening.setblocking(False)
    except OSError as wrong:
        listening.close()
        hint = "0 takes any free port" if wrong.errno == errno.EADDRINUSE else "give another address or port"
        raise OtaError(f"{host} port {port}: cannot be listened on ({_reason(wrong)}): {hint}") from None
    return listening


def address_of(listening: socket.socket) -> tuple[str, int]:
    """Host, in brackets where it needs them, and port: to stand in a URL. A wildcard is reached as localhost."""
    host, port = listening.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = "localhost"
    return (f"[{host}]" if ":" in host else host), port


def _reason(wrong: Exception) -> str:
    number = getattr(wrong, "errno", None)
    return os.strerror(number) if number and number > 0 else str(getattr(wrong, "strerror", None) or wrong)
