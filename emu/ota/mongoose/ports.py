"""What --port may be: one row of a table for each kind of link, with how MG-RPC is spoken over it.

Neighbours: `links.client` and `stream_link` carry the frames, `client` makes them; the commands ask. Opens nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import SplitResult, unquote, urlsplit

from emu.ota.errors import OtaError
from emu.ota.links.client.http import HttpLink
from emu.ota.links.client.link import Link
from emu.ota.links.client.mqtt import Broker, MqttLink
from emu.ota.links.client.stream import BAUD, SerialStream, Stream, TcpStream
from emu.ota.links.client.websocket import WebSocketLink
from emu.ota.mongoose.client import Caller
from emu.ota.mongoose.digest import http_answer
from emu.ota.mongoose.stream_link import StreamLink
from flash.draws import mix

SUBPROTOCOL, ORIGIN = "clubby.cesanta.com", "https://api.cesanta.com/"
"""What the vendor's client offers a device; a device looks at neither."""
RPC_PATH = "/rpc"
_CLIENT_ID, _CNONCE = 2, 3
FORMS = "a path like /dev/ttyUSB0, tcp://HOST:PORT, ws://HOST/rpc, http://HOST/rpc or mqtt://BROKER/DEVICE"


@dataclass(frozen=True)
class Port:
    """``text`` as it was given. ``caller``: who calls, of which a link may change names and addresses."""

    text: str
    caller: Caller
    baud: int = BAUD
    printed: Callable[[bytes], None] = lambda line: None

    def link(self) -> tuple[Link, Caller]:
        """A link that is not open yet, and who calls over it.

        Errors: OtaError for what is no port; MissingExtra.
        """
        if "://" not in self.text:
            return StreamLink(self.stream(), is_serial=True, printed=self.printed), self.caller
        url = _parsed(self.text)
        return _LINKS[url.scheme](self, url)

    def stream(self) -> Stream:
        """The bytes of the port, for a console. Errors: OtaError for a link that carries none."""
        if "://" not in self.text:
            if not self.text:
                raise OtaError(f"--port is empty: give {FORMS}")
            return SerialStream(self.text, self.baud)
        url = _parsed(self.text)
        if url.scheme != "tcp":
            raise OtaError(
                f"--port {self.text}: a {url.scheme} link has no console; give a serial port or tcp://HOST:PORT"
            )
        return TcpStream(*_address(self, url, None))

    def _tcp(self, url: SplitResult) -> tuple[Link, Caller]:
        return StreamLink(self.stream(), is_serial=False, printed=self.printed), self.caller

    def _websocket(self, url: SplitResult) -> tuple[Link, Caller]:
        host, port = _address(self, url, 80)
        shown = f"[{host}]" if ":" in host else host
        link = WebSocketLink(f"ws://{shown}:{port}{_path(url)}", subprotocol=SUBPROTOCOL, origin=ORIGIN)
        return link, self.caller

    def _http(self, url: SplitResult) -> tuple[Link, Caller]:
        caller = self.caller

        def authorize(challenge: str, method: str, uri: str) -> str | None:
            if not caller.username:
                return None
            cnonce = mix(caller.seed, _CNONCE) & 0xFFFF_FFFF
            return http_answer(challenge, caller.username, caller.password, cnonce, method, uri)

        return HttpLink(*_address(self, url, 80), _path(url), authorize), caller

    def _mqtt(self, url: SplitResult) -> tuple[Link, Caller]:
        """The device is told where to answer by ``src``, to which it appends /rpc."""
        device = unquote(url.path.removeprefix("/"))
        if not device or set(device) & set("+#\0"):
            raise OtaError(f"--port {self.text}: which device? Give its id behind the broker: mqtt://BROKER/DEVICE")
        client_id = f"mos-{mix(self.caller.seed, _CLIENT_ID):016x}"
        caller = replace(self.caller, src=f"{device}/rpc-resp/{client_id}", dst=device)
        user, password = unquote(url.username or ""), unquote(url.password or "")
        broker = Broker(*_address(self, url, 1883, users=True), username=user, password=password)
        return MqttLink(broker, client_id=client_id, publishes=f"{device}/rpc", subscribes=f"{caller.src}/rpc"), caller


_LINKS: dict[str, Callable[[Port, SplitResult], tuple[Link, Caller]]] = {
    "tcp": Port._tcp,
    "ws": Port._websocket,
    "http": Port._http,
    "mqtt": Port._mqtt,
}


def _parsed(text: str) -> SplitResult:
    try:
        url = urlsplit(text)
        is_known = url.scheme in _LINKS
    except ValueError:
        is_known = False
    if not is_known:
        raise OtaError(f"--port {text}: no way to a device; give {FORMS}")
    return url


def _address(port: Port, url: SplitResult, default: int | None, *, users: bool = False) -> tuple[str, int]:
    try:
        number = url.port or default
    except ValueError:
        number = None
    if not url.hostname or not number:
        raise OtaError(f"--port {port.text}: a host and a port number are missing or wrong; give {FORMS}")
    if not users and url.username is not None:
        raise OtaError(f"--port {port.text}: give the user with --creds USER:PASSWORD, not in the address")
    return url.hostname, number


def _path(url: SplitResult) -> str:
    path = url.path if url.path not in ("", "/") else RPC_PATH
    return f"{path}?{url.query}" if url.query else path
