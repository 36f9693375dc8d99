"""What a device needs of the world to download something: ask for a URL, be told head, data and end.

Who fetches is outside: a link over real sockets, or a server in memory that a campaign steers. A device that loses
power is told nothing more; whoever fetches for it stops when `Fetch.cancel` is called, or when the node resets.

Neighbours: update systems implement `Sink`, links implement `Fetcher`. Knows no protocol.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Head:
    """What came before the body. ``headers``: names in lower case. ``length``: of the body; None: nobody said."""

    status: int
    headers: Mapping[str, str]

    @property
    def length(self) -> int | None:
        text = self.headers.get("content-length", "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


class Sink(Protocol):
    """Who asked. After `ended` or `failed` nothing more comes."""

    def head(self, head: Head) -> None: ...

    def data(self, data: bytes) -> None: ...

    def ended(self) -> None:
        """The body is complete, or the other end closed early: who counts bytes knows which."""
        ...

    def failed(self, reason: str) -> None:
        """There was no answer at all."""
        ...


class Fetch(Protocol):
    def cancel(self) -> None:
        """Nothing more is wanted. Calls nothing."""
        ...


class Fetcher(Protocol):
    def fetch(self, url: str, headers: Mapping[str, str], sink: Sink) -> Fetch:
        """GET ``url``. Redirects are not followed: that is the device's to decide. Never calls ``sink`` at once."""
        ...
