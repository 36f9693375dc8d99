"""An HTTP port with WebSockets: aiohttp parses and frames, every word of an answer is the update system's.

A peer has a bounded time for the head of its first request, and a bounded number of peers is connected; bodies are
streamed and never decompressed. Neighbours: `http` are the values, `link`, `peers`. aiohttp, an extra, is imported
here alone.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from typing import Any

from emu.errors import MissingExtra
from emu.ota.links.http import Answering, HttpAnswer, HttpRequest
from emu.ota.links.link import Host, Meet, address_of, listen
from emu.ota.links.peers import MAX_UNSENT, Peers

try:
    from aiohttp import WSMsgType, web
    from aiohttp.http_exceptions import HttpProcessingError
except ImportError:
    raise MissingExtra("a link over HTTP needs aiohttp: pip install 'brownout[ota]'") from None

KEEP_ALIVE_S = 60.0
LINGER_S = 2.0
"""How long what a refused peer still sends is read, so that it gets to see the answer."""
PIECE = 4096
MAX_AHEAD = 1 << 19
"""Bytes of a peer that have come and that nobody has taken: requests behind one that is not answered yet. With more, it
is hung up on."""
PROTOCOL = "Sec-WebSocket-Protocol"


class HttpLink:
    """``meet`` is for WebSockets, which are opened at ``socket_path``; their messages have at most ``max_message``
    bytes. ``head_s``: how long a peer may take for the head of its first request."""

    def __init__(
        self,
        host: str,
        port: int,
        keeper: Host,
        answering: Answering,
        meet: Meet,
        *,
        socket_path: str,
        max_message: int,
        head_s: float,
    ) -> None:
        self._where = (host, port)
        self._keeper = keeper
        self._answering = answering
        self._meet = meet
        self._socket_path = socket_path
        self._max_message = max_message
        self._head_s = head_s
        self._peers = Peers()
        self._watched: dict[Any, _Watched] = {}
        self._socket: socket.socket | None = None
        self._runner: web.AppRunner | None = None
        self._server: asyncio.Server | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Once it is open."""
        assert self._socket is not None, "a link was asked for its address before it was open: please report"
        return address_of(self._socket)

    async def open(self) -> None:
        self._socket = listen(*self._where)
        quiet = logging.getLogger("aiohttp")
        quiet.addHandler(logging.NullHandler())
        app = web.Application()
        app.router.add_route("*", "/{any:.*}", self._handle)
        app.on_response_prepare.append(_only_what_was_said)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            logger=quiet,
            handler_cancellation=True,
            auto_decompress=False,
            keepalive_timeout=KEEP_ALIVE_S,
            lingering_time=LINGER_S,
            read_bufsize=PIECE,
        )
        await self._runner.setup()
        self._server = await asyncio.get_running_loop().create_server(self._watch, sock=self._socket)

    def disconnect(self) -> None:
        self._peers.abort_all()

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self.disconnect()
        if self._runner is not None:
            await self._runner.cleanup()

    def _watch(self) -> asyncio.Protocol:
        assert self._runner is not None, "a link accepts before it is open: please report"
        assert self._runner.server is not None, "a link accepts after it was closed: please report"
        inner = self._runner.server()
        watched = _Watched(inner, self._peers, self._keeper, self._head_s, lambda: self._watched.pop(inner, None))
        self._watched[inner] = watched
        return watched

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        watched = self._watched.get(request.protocol)
        if watched is not None:
            watched.has_spoken()
            watched.took()
        try:
            if request.path == self._socket_path and _wants_socket(request):
                return await self._talk(request, watched)
            answer = await self._answering(_head(request), _body(request, watched))
        except (ConnectionError, web.RequestPayloadError, HttpProcessingError, asyncio.CancelledError):
            raise
        except Exception as wrong:
            self._keeper.failed(wrong)
            answer = None
        if answer is None and request.transport is not None:
            request.transport.abort()
        return _response(answer or HttpAnswer(500))

    async def _talk(self, request: web.Request, watched: _Watched | None) -> web.StreamResponse:
        """A WebSocket, to its end."""
        offered = request.headers.get(PROTOCOL, "")
        names = [name.strip() for name in offered.split(",") if name.strip()]
        ws = web.WebSocketResponse(max_msg_size=self._max_message, compress=False, protocols=names)
        await ws.prepare(request)
        sending = _Sending(ws, request.transport)
        talk = self._meet(_name(request), sending.send)
        task = asyncio.get_running_loop().create_task(sending.run())
        try:
            async for message in ws:
                if message.type is WSMsgType.TEXT:
                    data = message.data.encode()
                elif message.type is WSMsgType.BINARY:
                    data = message.data
                else:
                    break
                if watched is not None:
                    watched.took()
                if not await talk.received(data):
                    if request.transport is not None:
                        request.transport.abort()
                    break
                await asyncio.sleep(0)  # what is buffered already is read without a turn for others
        finally:
            task.cancel()
        return ws


class _Sending:
    """Messages on their way to one peer, in order. A peer that does not read is hung up on."""

    def __init__(self, ws: web.WebSocketResponse, transport: asyncio.BaseTransport | None) -> None:
        self._ws = ws
        self._transport = transport
        self._queue: asyncio.Queue[bytes] = asyncio.Queue()
        self._size = 0

    def send(self, message: bytes) -> None:
        self._size += len(message)
        if self._size > MAX_UNSENT and isinstance(self._transport, asyncio.WriteTransport):
            self._transport.abort()
            return
        self._queue.put_nowait(message)

    async def run(self) -> None:
        while True:
            message = await self._queue.get()
            try:
                await self._ws.send_str(message.decode())
            except ConnectionError:
                return
            self._size -= len(message)


class _Watched(asyncio.Protocol):
    """Stands before aiohttp's own protocol: counts its connection, and ends it where nothing whole comes in time."""

    def __init__(self, inner: Any, peers: Peers, keeper: Host, head_s: float, ended: Any) -> None:
        self._inner = inner
        self._peers = peers
        self._keeper = keeper
        self._head_s = head_s
        self._ended = ended
        self._transport: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._ahead = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport), "a connection cannot be written to: please report"
        self._transport = transport
        self._inner.connection_made(transport)
        if not self._keeper.is_running:
            transport.abort()
            return
        self._peers.came(self)
        self._deadline = asyncio.get_running_loop().call_later(self._head_s, self.abort)

    def has_spoken(self) -> None:
        self._peers.heard(self)
        self._forget_deadline()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def took(self) -> None:
        """Of what has come, something was taken: a request, a piece of a body, a message."""
        self._ahead = 0

    def data_received(self, data: bytes) -> None:
        self._ahead += len(data)
        if self._ahead > MAX_AHEAD:
            self.abort()
        else:
            self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        answer: bool | None = self._inner.eof_received()
        return answer

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_deadline()
        self._peers.gone(self)
        self._ended()
        self._inner.connection_lost(exc)

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


async def _only_what_was_said(request: web.Request, response: web.StreamResponse) -> None:
    """aiohttp adds headers of its own; a device does not. An offer of WebSocket protocols is echoed as it came."""
    for name in ("Server", "Date"):
        response.headers.pop(name, None)
    if isinstance(response, web.WebSocketResponse) and PROTOCOL in request.headers:
        response.headers[PROTOCOL] = request.headers[PROTOCOL]


def _wants_socket(request: web.Request) -> bool:
    return request.headers.get("Upgrade", "").lower() == "websocket"


def _head(request: web.Request) -> HttpRequest:
    headers = tuple((name.lower(), value) for name, value in request.headers.items())
    target = request.raw_path
    path, _, query = target.partition("?")
    return HttpRequest(request.method, target, path, query, headers, _name(request))


async def _body(request: web.Request, watched: _Watched | None) -> AsyncIterator[bytes]:
    async for data in request.content.iter_any():
        if watched is not None:
            watched.took()
        for start in range(0, len(data), PIECE):
            yield data[start : start + PIECE]


def _response(answer: HttpAnswer) -> web.Response:
    connection = "keep-alive" if answer.keeps_alive else "close"
    response = web.Response(status=answer.status, body=answer.body or None)
    for name, value in answer.headers:
        response.headers[name] = value
    response.headers["Connection"] = connection
    if not answer.keeps_alive:
        response.force_close()
    return response


def _name(request: web.Request) -> str:
    peer = request.transport.get_extra_info("peername") if request.transport is not None else None
    return f"{peer[0]}:{peer[1]}" if peer else "?"
