"""What a client asks of a link: frames go out whole and come in whole, whatever carries them.

Neighbours: `websocket`, `http` and `mqtt` are links; on a `stream` of bytes an update system puts its own framing.
Knows no frame's meaning.
"""

from __future__ import annotations

import errno
import os
import socket
from typing import Protocol

from emu.errors import LinkLost

CONNECT_S = 5.0
"""How long one attempt to open a link may take."""
MAX_FRAME_SIZE = 1 << 20
"""Bytes of a frame that a client takes; a device that sends more is not what it seems."""


class Link(Protocol):
    """``label`` names it in messages."""

    label: str

    @property
    def hint(self) -> str:
        """Why no answer may have come, where the link has an idea; "": it has none."""
        ...

    def open(self) -> None:
        """Raises LinkLost. A link that was closed can be opened again."""
        ...

    def send(self, frame: bytes) -> None:
        """Raises LinkLost."""
        ...

    def receive(self, timeout_s: float) -> list[bytes]:
        """What has come, after at most ``timeout_s``; [] for nothing. Raises LinkLost."""
        ...

    def close(self) -> None: ...


def lost(label: str, what: str, wrong: Exception | None = None) -> LinkLost:
    """``what`` happened to the link, in one line with the system's reason."""
    return LinkLost(f"{label}: {what}" if wrong is None else f"{label}: {what}: {reason(wrong)}")


def reason(wrong: Exception) -> str:
    if isinstance(wrong, socket.gaierror):
        return "no such host"
    if isinstance(wrong, TimeoutError):
        return "no answer" if wrong.errno is None else os.strerror(wrong.errno)
    number = getattr(wrong, "errno", None)
    if isinstance(number, int) and number in errno.errorcode:
        return os.strerror(number)
    return str(wrong) or type(wrong).__name__
