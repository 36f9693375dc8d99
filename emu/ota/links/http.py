"""HTTP as values: what was asked, what is answered. A server turns them into bytes, an update system into deeds.

Neighbours: `http_server` makes and sends them. Knows no socket.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl


@dataclass(frozen=True)
class HttpRequest:
    """The head of a request. ``target``: as it stands on the request line. Names of headers are in lower case; of two
    with one name, the first counts."""

    method: str
    target: str
    path: str
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    peer: str = ""

    def header(self, name: str) -> str:
        """ "" where there is none."""
        return next((value for key, value in self.headers if key == name), "")

    @property
    def keeps_alive(self) -> bool:
        """Whether the peer asks for it in so many words; HTTP/1.1 alone does not count."""
        return self.header("connection").lower() == "keep-alive"

    @property
    def variables(self) -> dict[str, str]:
        return form_variables(self.query)


@dataclass(frozen=True)
class HttpAnswer:
    """All of it: no header is added but Content-Length and Connection."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    keeps_alive: bool = False


Body = AsyncIterator[bytes]
Answering = Callable[[HttpRequest, Body], Awaitable[HttpAnswer | None]]
"""None: no answer; the connection ends."""


def form_variables(text: str) -> dict[str, str]:
    """Of a query or a URL-encoded form; of two with one name, the first. Nothing where there are too many."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=64)
    except ValueError:
        return {}
    return dict(reversed(pairs))
