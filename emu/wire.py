"""A wire: bytes to and from something on the other side of a file descriptor.

A pty, a socket and a serial port are read and written alike once they are open. Nothing here blocks: a device that does
not read must not keep a cut waiting. Neighbours: `links` open wires. Knows no text.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
from collections.abc import Callable

CHUNK = 1 << 16


class WireClosed(Exception):
    """The other side is gone."""


def pause(seconds: float) -> None:
    """Let host time pass."""
    select.select([], [], [], max(0.0, seconds))


def connect_tcp(address: tuple[str, int], timeout_s: float) -> Wire:
    """A wire to a port; small messages are not held back. Raises OSError, and UnicodeError for a name that is none."""
    connected = socket.create_connection(address, timeout=timeout_s)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Wire(connected.fileno(), connected.close)


class Wire:
    """An open ``descriptor``, made non-blocking; ``close_it`` closes it."""

    def __init__(self, descriptor: int, close_it: Callable[[], object]) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._close_it = close_it
        self._pending = bytearray()

    @property
    def is_sending(self) -> bool:
        return bool(self._pending)

    def send(self, data: bytes) -> None:
        """Queue ``data``; `exchange` writes it as fast as the other side takes it."""
        self._pending += data

    def exchange(self, timeout_s: float) -> bytes:
        """Write what is queued and return what has come, waiting at most ``timeout_s`` for anything to happen; b"" when
        nothing came. Raises WireClosed."""
        writers = [self._descriptor] if self._pending else []
        readable, writable, _ = select.select([self._descriptor], writers, [], max(0.0, timeout_s))
        if readable:
            data = self._read()
            if data:
                return data
        if writable:
            self._write()
        return b""

    def drain(self) -> bytes:
        """What has already come; nothing is written."""
        data = bytearray()
        with contextlib.suppress(WireClosed):
            while piece := self._read():
                data += piece
        return bytes(data)

    def close(self) -> None:
        self._close_it()

    def _read(self) -> bytes:
        try:
            data = os.read(self._descriptor, CHUNK)
        except BlockingIOError:
            return b""
        except OSError:  # EIO: nobody has the other end of the pty; ECONNRESET: the peer was killed
            raise WireClosed from None
        if not data:
            raise WireClosed
        return data

    def _write(self) -> None:
        try:
            written = os.write(self._descriptor, self._pending[:CHUNK])
        except BlockingIOError:
            return
        except OSError:
            raise WireClosed from None
        del self._pending[:written]
