"""RPC over links that carry frames: a row of bytes (UART, TCP), WebSocket messages, MQTT topics.

A frame takes its turn with what comes over other links, and its answer leaves when the device's time has come to it.
Neighbours: implements `links.link.Talk` and `links.mqtt.TopicTalk`; `serving` has the turns, `dispatcher` takes the
frames. Knows no socket.
"""

from __future__ import annotations

from collections.abc import Callable

from emu.ota.links.link import Send
from emu.ota.mongoose.application import MongooseApplication
from emu.ota.mongoose.call import Channel
from emu.ota.mongoose.framing import Received
from emu.ota.mongoose.jsontext import members, quoted
from emu.ota.mongoose.serial_device import SerialDevice
from emu.ota.mongoose.shadow import TOPICS, ShadowClient
from emu.ota.mongoose.wire import Answer, Frame, Malformed, Request, parse
from emu.ota.publishing import Message
from emu.ota.serving import Serving

LARGEST_FRAME = 1 << 16
"""No configuration makes a link take longer ones."""

Served = Serving[MongooseApplication]


class StreamTalk:
    """Frames between delimiters. A channel that is not persistent is closed after what is no frame."""

    def __init__(self, serving: Served, channel: Channel, send: Send, max_frame_size: int) -> None:
        self._serving = serving
        self._channel = channel
        self._send = send
        self._framing = SerialDevice(max(0, min(max_frame_size, LARGEST_FRAME)))

    async def received(self, data: bytes) -> bool:
        self._framing.receive(data)
        for event in self._framing.events():
            self._drain()
            if isinstance(event, Received) and not await _take(self._serving, event.frame, self._channel, self._answer):
                return False
        self._drain()
        return True

    def _answer(self, frame: bytes) -> None:
        self._framing.send(frame)
        self._drain()

    def _drain(self) -> None:
        data = self._framing.data_to_send()
        if data:
            self._send(data)


class MessageTalk:
    """One frame in each message."""

    def __init__(self, serving: Served, channel: Channel, send: Send) -> None:
        self._serving = serving
        self._channel = channel
        self._send = send

    async def received(self, data: bytes) -> bool:
        return await _take(self._serving, data, self._channel, self._send)


class MqttTalk:
    """Requests come to ``<id>/rpc`` and ``<id>/rpc/METHOD``; an answer goes to ``<src of the request>/rpc``."""

    def __init__(
        self, serving: Served, channel: Channel, device_id: str, publish: Callable[[str, bytes], None],
        can_publish_to: Callable[[str], bool],
    ) -> None:  # fmt: skip
        self._serving = serving
        self._channel = channel
        self._base = f"{device_id}/rpc"
        self._publish = publish
        self._can_publish_to = can_publish_to

    async def met(self) -> None:
        """Nobody is told."""

    async def received(self, topic: str, payload: bytes) -> None:
        """What is no frame for this device is dropped, and so is a request that wants an answer and says not where."""

        def act(app: MongooseApplication) -> None:
            if len(payload) > min(app.dispatcher.limits.max_frame_size, LARGEST_FRAME):
                return
            frame = self._frame(topic, payload)
            if frame is None or (isinstance(frame, Request) and frame.id and not self._can_answer(frame.src)):
                return
            app.dispatcher.handle(
                frame, self._channel, app.now_us, lambda answer: self._serving.leave(lambda: self._answer(answer))
            )

        await self._serving.do(act)

    def _frame(self, topic: str, payload: bytes) -> Frame | None:
        """A method in the topic stands in for the one in the frame."""
        text = payload
        if topic != self._base:
            found = members(payload)
            if found is None or not topic.startswith(f"{self._base}/"):
                return None
            found["method"] = quoted(topic[len(self._base) + 1 :])
            text = ("{" + ",".join(f"{quoted(name)}:{value}" for name, value in found.items()) + "}").encode()
        frame = parse(text)
        return None if isinstance(frame, Malformed) else frame

    def _can_answer(self, src: str) -> bool:
        return bool(src) and self._can_publish_to(f"{src}/rpc")

    def _answer(self, answer: Answer) -> None:
        self._publish(f"{answer.dst}/rpc", answer.emit())


class ShadowTalk:
    """The device's shadow: told of the connection, and of what comes on its topics. What it has to say is published
    when the device's time has come to it."""

    def __init__(self, serving: Served, publish: Callable[[str, bytes], None]) -> None:
        self._serving = serving
        self._publish = publish

    async def met(self) -> None:
        def act(app: MongooseApplication) -> None:
            shadow = app.shadow
            if shadow is not None:
                shadow.disconnected()  # what an earlier connection has not sent
                shadow.on_message = lambda: self._serving.leave(lambda: self._drain(shadow))
                shadow.connected()

        await self._serving.until_running()
        await self._serving.do(act)

    async def received(self, topic: str, payload: bytes) -> None:
        def act(app: MongooseApplication) -> None:
            if app.shadow is not None:
                app.shadow.receive(Message(topic, payload))

        await self._serving.do(act)

    def _drain(self, shadow: ShadowClient) -> None:
        for message in shadow.messages_to_send():
            self._publish(message.topic, message.payload)


class BrokerTalk:
    """What comes through a broker: topics of the shadow, and RPC on all others."""

    def __init__(self, rpc: MqttTalk, shadow: ShadowTalk) -> None:
        self._rpc = rpc
        self._shadow = shadow

    async def met(self) -> None:
        await self._rpc.met()
        await self._shadow.met()

    async def received(self, topic: str, payload: bytes) -> None:
        await (self._shadow if topic.startswith(TOPICS) else self._rpc).received(topic, payload)


async def _take(serving: Served, frame: bytes, channel: Channel, answer: Send) -> bool:
    """One frame, in its turn. False: the channel is to be closed."""
    is_malformed = False

    def act(app: MongooseApplication) -> None:
        nonlocal is_malformed
        found = app.dispatcher.receive(frame, channel, app.now_us, lambda reply: serving.leave(lambda: answer(reply)))
        is_malformed = found is not None

    await serving.do(act)
    return channel.is_persistent or not is_malformed
