"""Who is connected to a link: a bounded number, so that no crowd of peers takes what others need.

One too many ends another: first one that has never said anything whole, the longest silent first, and only then one
that has. So a crowd that connects and says nothing cannot keep out a peer that speaks.

Neighbours: TCP and HTTP links. Knows no protocol.
"""

from __future__ import annotations

from typing import Protocol

MAX_PEERS = 20
"""As ``rpc.max_non_persistent_channels`` of a device. Here each link has as many."""
MAX_UNSENT = 1 << 16
"""Bytes that wait for a peer that does not read; with more, it is hung up on."""


class Connection(Protocol):
    def abort(self) -> None:
        """End it now, whatever is under way."""
        ...


class Peers:
    def __init__(self, limit: int = MAX_PEERS) -> None:
        self._limit = limit
        self._silent: dict[Connection, None] = {}
        self._heard: dict[Connection, None] = {}

    def __len__(self) -> int:
        return len(self._silent) + len(self._heard)

    def came(self, connection: Connection) -> None:
        while len(self) >= self._limit:
            oldest = next(iter(self._silent or self._heard))
            self.gone(oldest)
            oldest.abort()
        self._silent[connection] = None

    def heard(self, connection: Connection) -> None:
        """It has said something whole."""
        if connection in self._silent or connection in self._heard:
            self.gone(connection)
            self._heard[connection] = None

    def gone(self, connection: Connection) -> None:
        self._silent.pop(connection, None)
        self._heard.pop(connection, None)

    def abort_all(self) -> None:
        for connection in [*self._silent, *self._heard]:
            self.gone(connection)
            connection.abort()
