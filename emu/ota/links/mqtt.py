"""A link through an MQTT broker: the device is a client that subscribes to topics, over aiomqtt.

A connection that is lost is made again, after 1 to 60 seconds, doubled each time. Neighbours: `link`; an update system
says which topics. aiomqtt, an extra, is imported here alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import unquote, urlsplit

from emu.errors import MissingExtra
from emu.ota.errors import OtaError
from emu.ota.links.link import Host
from emu.ota.links.quick_ack import acknowledge_at_once

try:
    import aiomqtt
except ImportError:
    raise MissingExtra("a link over MQTT needs aiomqtt: pip install 'brownout[ota]'") from None

DEFAULT_PORT = 1883
CONNECT_S = 5.0
FIRST_PAUSE_S, LAST_PAUSE_S = 1.0, 60.0
MAX_WAITING = 64
"""Messages that wait to be taken, and as many to be sent; more are lost."""


@dataclass(frozen=True)
class Broker:
    host: str
    port: int = DEFAULT_PORT
    username: str = ""
    password: str = ""

    @classmethod
    def parse(cls, url: str) -> Broker:
        """``mqtt://[user:password@]host[:port]``. Raises OtaError."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as wrong:
            raise OtaError(f"{url}: {wrong}: give mqtt://HOST:PORT") from None
        if parts.scheme != "mqtt" or not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment:
            raise OtaError(
                f"{url}: no address of a broker: give mqtt://HOST:PORT, with user:password@ before it if need be"
            )
        return cls(parts.hostname, port or DEFAULT_PORT, unquote(parts.username or ""), unquote(parts.password or ""))

    def __str__(self) -> str:
        """Without the password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"mqtt://{host}:{self.port}"


class TopicTalk(Protocol):
    async def met(self) -> None:
        """The broker has taken the subscriptions."""
        ...

    async def received(self, topic: str, payload: bytes) -> None: ...


Publish = Callable[[str, bytes], None]


class MqttLink:
    """``topics`` are asked for anew at each connection: a device may have got another name."""

    def __init__(
        self,
        broker: Broker,
        keeper: Host,
        client_id: Callable[[], str],
        topics: Callable[[], Sequence[str]],
        meet: Callable[[Publish], TopicTalk],
        *,
        said: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.broker = broker
        self._keeper = keeper
        self._client_id = client_id
        self._topics = topics
        self._meet = meet
        self._said = said
        self._task: asyncio.Task[None] | None = None
        self._first: asyncio.Future[None] | None = None

    async def open(self) -> None:
        self._first = asyncio.get_running_loop().create_future()
        self._task = asyncio.get_running_loop().create_task(self._run())
        await self._first

    def disconnect(self) -> None:
        task = self._task
        if task is not None:
            self._task = asyncio.get_running_loop().create_task(self._run(task))
            task.cancel()

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task], timeout=CONNECT_S)
            self._task = None

    async def _run(self, before: asyncio.Task[None] | None = None) -> None:
        """``before``: the connection that this one follows."""
        assert self._first is not None, "a link is run before it is open: please report"
        try:
            if before is not None:
                await asyncio.wait([before])
            pause_s = FIRST_PAUSE_S
            while True:
                if self._first.done():  # the first time it is not on yet, and the user wants to know
                    await self._keeper.until_running()
                was_connected = False
                try:
                    async with self._client() as client:
                        was_connected = True
                        await self._talk(client, self._first)
                except aiomqtt.MqttError as wrong:
                    if not self._first.done():
                        raise OtaError(
                            f"{self.broker}: no broker takes us ({wrong}): start one, or give another address"
                        ) from None
                    self._said(f"{self.broker}: {wrong}; trying again")
                pause_s = FIRST_PAUSE_S if was_connected else min(LAST_PAUSE_S, pause_s * 2)
                await asyncio.sleep(pause_s)
        except OtaError as wrong:
            self._first.set_exception(wrong)
        except Exception as wrong:
            self._keeper.failed(wrong)

    def _client(self) -> aiomqtt.Client:
        quiet = logging.getLogger("brownout.mqtt")
        quiet.addHandler(logging.NullHandler())
        return aiomqtt.Client(
            self.broker.host,
            self.broker.port,
            username=self.broker.username or None,
            password=self.broker.password or None,
            identifier=self._client_id(),
            logger=quiet,
            timeout=CONNECT_S,
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],  # or answers wait 40 ms for each other
            max_queued_incoming_messages=MAX_WAITING,
        )

    async def _talk(self, client: aiomqtt.Client, opened: asyncio.Future[None]) -> None:
        """One connection, to its end."""
        for topic in self._topics():
            await client.subscribe(topic, qos=1)
        if not opened.done():
            opened.set_result(None)
        waiting: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(MAX_WAITING)

        def publish(topic: str, payload: bytes) -> None:
            with contextlib.suppress(asyncio.QueueFull):
                waiting.put_nowait((topic, payload))

        async def publishing() -> None:
            while True:
                topic, payload = await waiting.get()
                await client.publish(topic, payload, qos=1)
                sock = client._client.socket()  # aiomqtt has no other way to it
                if isinstance(sock, socket.socket):
                    acknowledge_at_once(sock)

        talk = self._meet(publish)
        sender = asyncio.get_running_loop().create_task(publishing())
        try:
            await talk.met()
            async for message in client.messages:
                payload = message.payload
                if isinstance(payload, bytes):
                    await talk.received(message.topic.value, payload)
                if sender.done():
                    sender.result()
        finally:
            sender.cancel()
            await asyncio.wait([sender])


def can_publish_to(topic: str) -> bool:
    """Whether a broker takes a message for ``topic``: no wildcard, no NUL, not too long."""
    return 0 < len(topic.encode("utf-8", "replace")) < 1 << 16 and not set(topic) & set("+#\0")
