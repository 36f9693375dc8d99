"""A device that is served in this process, for one test: real links, real sockets, no sleeping."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from bootloader.image import header_for
from emu.board import load_board
from emu.factory import SlotImage, make_factory_device
from emu.ota.links.hostile import HostileRelay
from emu.ota.links.http import HttpRequest
from emu.ota.links.http_server import HttpLink
from emu.ota.links.pty import PtyLink
from emu.ota.links.tcp import TcpLink
from emu.ota.mongoose.application import MongooseApplication
from emu.ota.mongoose.device import MongooseDevice
from emu.ota.mongoose.talks import Served
from updater.bundle import Firmware, make_bundle

T = TypeVar("T")
BOARD = load_board("demo")
OLD = bytes(n * 7 % 251 for n in range(3000))
NEW = bytes(n * 11 % 253 for n in range(5000))
PATIENCE_S = 20.0
"""Nothing takes this long; it is what a test that hangs ends with."""


def bundle(version: str = "2.0.0", app: bytes = NEW, platform: str = "demo") -> bytes:
    return make_bundle(Firmware("demo", platform, version, "b2", app, BOARD.document.load_address))


def make_device(**options: Any) -> MongooseDevice:
    header = header_for(OLD, load_address=BOARD.document.load_address, app_version=0x01000000)
    return MongooseDevice(make_factory_device(BOARD, (SlotImage(header, OLD), None)), **options)


@dataclass
class Log:
    lines: list[tuple[int, str]] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)

    def said(self, at_us: int, text: str) -> None:
        self.lines.append((at_us, text))
        self.came.set()

    async def until(self, text: str, count: int = 1) -> int:
        """The device time of the ``count``-th line with ``text`` in it."""
        while len(found := [at_us for at_us, line in self.lines if text in line]) < count:
            self.came.clear()
            await self.came.wait()
        return found[count - 1]


@dataclass
class Bench:
    device: MongooseDevice
    serving: Served
    log: Log
    http: HttpLink
    tcp: TcpLink
    serial: PtyLink
    running: asyncio.Task[None]
    until: asyncio.Event

    @property
    def app(self) -> MongooseApplication:
        assert self.device.node.app is not None
        return self.device.node.app


@asynccontextmanager
async def served(
    device: MongooseDevice | None = None,
    *,
    fast: bool = True,
    mqtt: str | None = None,
    servers: bool = False,
    **http_options: Any,
) -> AsyncIterator[Bench]:
    """All links at once; ``mqtt``: one through a broker as well."""
    device = device or make_device()
    log, until, ready = Log(), asyncio.Event(), asyncio.Event()
    serving = device.serving(fast=fast, said=log.said)
    http, tcp, serial = device.http("127.0.0.1", 0, **http_options), device.tcp("127.0.0.1", 0), device.serial()
    links = [http, tcp, serial, *([device.mqtt(mqtt)] if mqtt else []), *([device.servers()] if servers else [])]
    running = asyncio.create_task(serving.run(links, ready.set, until))
    first = asyncio.create_task(ready.wait())
    await asyncio.wait([running, first], return_when=asyncio.FIRST_COMPLETED)
    first.cancel()
    try:
        if not running.done():
            yield Bench(device, serving, log, http, tcp, serial, running, until)
    finally:
        until.set()
        await running


def run(test: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """``test`` in an event loop; what leaks out of it (a task, a socket) is an error."""

    async def bounded() -> T:
        async with asyncio.timeout(PATIENCE_S):
            return await test()

    return asyncio.run(bounded())


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    names: list[str]
    body: bytes


async def connect(link: HttpLink | TcpLink | HostileRelay) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(*link.address)


async def http_call(bench: Bench, method: str, target: str, body: bytes = b"", **headers: str) -> Answer:
    """One request with nothing in it but what is given, and all of its answer. Names of headers: _ for -."""
    reader, writer = await connect(bench.http)
    lines = [
        f"{method} {target} HTTP/1.1",
        "Host: device",
        *(f"{k.replace('_', '-')}: {v}" for k, v in headers.items()),
    ]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    writer.write("\r\n".join([*lines, "", ""]).encode() + body)
    try:
        return await http_answer(reader)
    finally:
        writer.close()


async def http_answer(reader: asyncio.StreamReader) -> Answer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    pairs = [line.split(": ", 1) for line in head[1:] if line]
    headers = {name.lower(): value for name, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Answer(int(head[0].split()[1]), headers, [name for name, _ in pairs], body)


def form(*parts: tuple[str, str | None, bytes], boundary: str = "xYzZY") -> tuple[bytes, dict[str, str]]:
    """A multipart body of (name, filename, content), and its headers."""
    body = b""
    for name, filename, content in parts:
        named = f'; filename="{filename}"' if filename else ""
        body += (
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'.encode() + content + b"\r\n"
        )
    return body + f"--{boundary}--\r\n".encode(), {"Content_Type": f"multipart/form-data; boundary={boundary}"}


async def tcp_call(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, frame: bytes) -> bytes:
    """A frame over a row of bytes, and the first that comes back."""
    writer.write(frame + b"\n")
    return await next_frame(reader)


async def next_frame(reader: asyncio.StreamReader) -> bytes:
    while not (line := await reader.readuntil(b"\n")).strip():
        pass
    return line.strip()


async def drained(reader: asyncio.StreamReader) -> bytes:
    """All that still comes, until the other side is gone in whatever way."""
    try:
        return await reader.read()
    except ConnectionError:
        return b""


async def eventually(done: Callable[[], bool]) -> None:
    """Let the loop run until ``done``; the test's own time limit ends it."""
    while not done():
        await asyncio.sleep(0.001)


def request(method: str, target: str, **headers: str) -> HttpRequest:
    path, _, query = target.partition("?")
    pairs = tuple((name.lower().replace("_", "-"), value) for name, value in headers.items())
    return HttpRequest(method, target, path, query, pairs, "127.0.0.1:9")
