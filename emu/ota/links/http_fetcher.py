"""A device's way to servers: GET over real sockets, for the updates it pulls. Implements `fetching.Fetcher`.

What comes from a server takes its turn with what comes over links, so a server can send no faster than the flash
writes. Neighbours: `fetching`, `link`; aiohttp, an extra. Follows no redirect and decompresses nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from emu.errors import MissingExtra
from emu.ota.fetching import Head, Sink
from emu.ota.links.link import Host

try:
    import aiohttp
except ImportError:
    raise MissingExtra("updates over HTTP need aiohttp: pip install 'brownout[ota]'") from None

CONNECT_S = 10.0
PIECE = 4096
OWN_HEADERS = ("Accept", "Accept-Encoding", "User-Agent")

Turn = Callable[[Callable[[], None]], Awaitable[bool]]
"""Does something in the device's turn; False: the device that asked is not there any more."""


class HttpFetcher:
    """A `Link` too: a reset ends what it fetches."""

    def __init__(self, keeper: Host, turn: Turn) -> None:
        self._keeper = keeper
        self._turn = turn
        self._fetches: set[_Fetch] = set()

    def fetch(self, url: str, headers: Mapping[str, str], sink: Sink) -> _Fetch:
        fetch = _Fetch()
        fetch.task = asyncio.get_running_loop().create_task(self._run(fetch, url, headers, sink))
        self._fetches.add(fetch)
        return fetch

    async def open(self) -> None:
        pass

    def disconnect(self) -> None:
        for fetch in list(self._fetches):
            fetch.cancel()

    async def close(self) -> None:
        self.disconnect()
        tasks = [fetch.task for fetch in self._fetches if fetch.task is not None]
        if tasks:
            await asyncio.wait(tasks)

    async def _run(self, fetch: _Fetch, url: str, headers: Mapping[str, str], sink: Sink) -> None:
        was_answered = False
        patience = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S)
        try:
            async with (
                aiohttp.ClientSession(
                    timeout=patience, auto_decompress=False, skip_auto_headers=OWN_HEADERS
                ) as session,
                session.get(url, headers=headers, allow_redirects=False) as response,
            ):
                was_answered = True
                named = {name.lower(): value for name, value in response.headers.items()}
                await self._give(fetch, lambda: sink.head(Head(response.status, named)))
                while fetch.is_wanted and (data := await response.content.read(PIECE)):
                    await self._give(fetch, lambda data=data: sink.data(data))  # type: ignore[misc]
            await self._give(fetch, sink.ended)
        except (aiohttp.ClientError, OSError, ValueError) as wrong:  # TimeoutError is an OSError
            reason = str(wrong)
            await self._give(fetch, sink.ended if was_answered else lambda: sink.failed(reason))
        except Exception as wrong:
            self._keeper.failed(wrong)
        finally:
            self._fetches.discard(fetch)

    async def _give(self, fetch: _Fetch, what: Callable[[], None]) -> None:
        if fetch.is_wanted:
            await self._turn(what)


class _Fetch:
    def __init__(self) -> None:
        self.task: asyncio.Task[None] | None = None
        self.is_wanted = True

    def cancel(self) -> None:
        """Called in its own task's turn, it ends when that is over."""
        self.is_wanted = False
        if self.task is not None and self.task is not asyncio.current_task():
            self.task.cancel()
