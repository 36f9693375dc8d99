"""MQTT: frames are messages, to one topic and from another, through a broker.

Neighbours: implements `link.Link`. The library paho-mqtt, an extra, is imported here alone. Knows no frame's meaning.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Any

from emu.clock import Stopwatch
from emu.errors import MissingExtra
from emu.ota.links.client.link import CONNECT_S, lost
from emu.ota.links.quick_ack import acknowledge_at_once

QOS = 1


@dataclass(frozen=True)
class Broker:
    host: str
    port: int = 1883
    username: str = ""
    password: str = ""

    @property
    def label(self) -> str:
        return f"mqtt://{self.host}:{self.port}"


class MqttLink:
    """Publishes to ``publishes``, listens on ``subscribes``.

    Errors: MissingExtra without paho-mqtt.
    """

    def __init__(self, broker: Broker, *, client_id: str, publishes: str, subscribes: str) -> None:
        try:
            from paho.mqtt import client as mqtt
            from paho.mqtt.enums import CallbackAPIVersion
        except ImportError:
            raise MissingExtra("an mqtt:// port needs paho-mqtt: pip install 'brownout[ota]'") from None
        self.label = broker.label
        self.hint = f"does a device listen on {publishes}?"
        self._mqtt, self._version, self._broker, self._client_id = mqtt, CallbackAPIVersion.VERSION2, broker, client_id
        self._publishes, self._subscribes = publishes, subscribes
        self._client: Any = None
        self._arrived: list[bytes] = []
        self._refusal = ""
        self._is_subscribed = False

    def open(self) -> None:
        self.close()
        client: Any = self._mqtt.Client(self._version, client_id=self._client_id)
        client.on_connect, client.on_subscribe, client.on_message = self._connected, self._granted, self._message
        client.connect_timeout = CONNECT_S
        if self._broker.username:
            client.username_pw_set(self._broker.username, self._broker.password or None)
        self._client, self._refusal, self._is_subscribed = client, "", False
        try:
            client.connect(self._broker.host, self._broker.port)
            client.socket().setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else a call waits for an old ACK
        except (OSError, UnicodeError, ValueError) as wrong:
            raise lost(self.label, "cannot connect", wrong) from None
        watch = Stopwatch()
        while not self._is_subscribed:
            self._turn(CONNECT_S - watch.seconds)
            if not self._is_subscribed and watch.seconds >= CONNECT_S:
                raise lost(self.label, "the broker does not answer")

    def send(self, frame: bytes) -> None:
        sent = self._client.publish(self._publishes, frame, qos=QOS)
        if sent.rc != self._mqtt.MQTT_ERR_SUCCESS:
            raise lost(self.label, f"was closed: {self._mqtt.error_string(sent.rc)}")

    def receive(self, timeout_s: float) -> list[bytes]:
        watch = Stopwatch()
        while not self._arrived:
            left = timeout_s - watch.seconds
            self._turn(left)
            if left <= 0:
                break
        arrived, self._arrived = self._arrived, []
        return arrived

    def close(self) -> None:
        if self._client is not None:
            self._client.disconnect()
            self._client = None
        self._arrived = []

    def _turn(self, timeout_s: float) -> None:
        code = self._client.loop(timeout=max(0.0, timeout_s))
        if (sock := self._client.socket()) is not None:
            acknowledge_at_once(sock)
        if self._refusal:
            raise lost(self.label, self._refusal)
        if code != self._mqtt.MQTT_ERR_SUCCESS:
            raise lost(self.label, f"was closed: {self._mqtt.error_string(code)}")

    def _connected(self, client: Any, userdata: Any, flags: Any, code: Any, properties: Any) -> None:
        if code.is_failure:
            self._refusal = f"the broker refuses: {code}"
        else:
            client.subscribe(self._subscribes, qos=QOS)

    def _granted(self, client: Any, userdata: Any, message: int, codes: Any, properties: Any) -> None:
        if any(code.is_failure for code in codes):
            self._refusal = f"the broker does not let us listen on {self._subscribes}"
        self._is_subscribed = True

    def _message(self, client: Any, userdata: Any, message: Any) -> None:
        self._arrived.append(bytes(message.payload))
