"""A `Device` on real sockets, in a thread, in real time: a pty, TCP, HTTP, WebSocket, MQTT. As little as tests of
clients need; what they may do wrong is up to the test (``tamper``).

Neighbours: `device`. Asserts nothing.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import threading
import time
import tty
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from emu.ota.mongoose.digest import Algorithm, Credentials, http_challenge, password_hash
from emu.ota.mongoose.framing import Received
from emu.ota.mongoose.serial_device import SerialDevice
from tests.ota.client.device import EPOCH_S, Device

TICK_S = 0.01
Tamper = Callable[[bytes], bool]
"""Told of a frame that has come; False: the device does not get to see it."""


class Clockwork:
    """Lets device time pass as real time does; ``lock`` is held by whoever touches the device."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.lock = threading.RLock()
        self._at = time.monotonic()

    def turn(self) -> None:
        with self.lock:
            now = time.monotonic()
            self.device.node.elapse(int((now - self._at) * 1e6))
            self._at = now

    def ask(self, frame: bytes) -> list[bytes]:
        with self.lock:
            self.turn()
            return self.device.ask(frame)


class Streams:
    """A pty and a TCP port of one device. A reset forgets the framing and closes TCP; the pty stays."""

    def __init__(self, device: Device, tamper: Tamper = lambda frame: True) -> None:
        self.frames: list[bytes] = []
        self._work, self._tamper = Clockwork(device), tamper
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._peer: socket.socket | None = None
        self._ends: dict[int, SerialDevice] = {}
        self._is_over = False
        self.hangs_up = False
        """Close TCP at the next frame, unanswered."""
        device.node.on_reset = self._reset
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Streams:
        self._thread.start()
        return self

    def __exit__(self, *wrong: object) -> None:
        self._is_over = True
        self._thread.join()
        self._hang_up()
        self._server.close()
        os.close(self._master)
        os.close(self._slave)

    def prints(self, text: bytes) -> None:
        """The device says something on its console."""
        os.write(self._master, text)

    def _reset(self, cause: str) -> None:
        self._ends.clear()
        self._hang_up()

    def _hang_up(self) -> None:
        if self._peer is not None:
            self._peer.close()
            self._peer = None

    def _serve(self) -> None:
        while not self._is_over:
            with selectors.DefaultSelector() as ready:
                ready.register(self._master, selectors.EVENT_READ, os.read)
                ready.register(self._server, selectors.EVENT_READ)
                if self._peer is not None:
                    ready.register(self._peer, selectors.EVENT_READ)
                found = [key.fileobj for key, _ in ready.select(TICK_S)]
            self._work.turn()
            for each in found:
                if each is self._server:
                    self._hang_up()
                    self._peer = self._server.accept()[0]
                    self._ends.pop(-1, None)
                elif each is self._peer and self._peer is not None:
                    data = self._peer.recv(1 << 16)
                    if data:
                        self._speak(-1, data, self._peer.sendall)
                    else:
                        self._hang_up()
                elif each == self._master:
                    self._speak(self._master, os.read(self._master, 1 << 16), lambda data: os.write(self._master, data))

    def _speak(self, end: int, data: bytes, send: Callable[[bytes], object]) -> None:
        framing = self._ends.setdefault(end, SerialDevice())
        framing.receive(data)
        for event in framing.events():
            if not isinstance(event, Received):
                continue
            self.frames.append(event.frame)
            if self.hangs_up:
                self.hangs_up = False
                self._hang_up()
                return
            if self._tamper(event.frame):
                for answer in self._work.ask(event.frame):
                    framing.send(answer)
        out = framing.data_to_send()
        if out:
            send(out)


@contextlib.contextmanager
def on_http(device: Device, *, digest: tuple[str, str] | None = None, status: int = 200) -> Iterator[str]:
    """http://... of ``device``. ``digest``: a user and a password the server itself asks for."""
    work = Clockwork(device)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if digest is not None and not _knows(self.headers.get("Authorization", ""), *digest):
                self._reply(401, b"", ("WWW-Authenticate", http_challenge("RPC", Algorithm.MD5, EPOCH_S)))
                return
            answers = work.ask(body)
            self._reply(status, (answers[0] if answers else b"") + b"\r\n")

        def _reply(self, code: int, body: bytes, *headers: tuple[str, str]) -> None:
            self.send_response(code)
            for name, value in (*headers, ("Content-Length", str(len(body)))):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    thread = threading.Thread(target=server.serve_forever, args=(TICK_S,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _knows(authorization: str, user: str, password: str) -> bool:
    said = Credentials.from_header(authorization)
    ha1 = password_hash(Algorithm.MD5, user, "RPC", password)
    return (
        said is not None
        and said.username == user
        and said.is_fresh(EPOCH_S, 16)
        and said.is_right(ha1, Algorithm.MD5, "POST", "/rpc")
    )


@contextlib.contextmanager
def on_websocket(device: Device) -> Iterator[str]:
    """ws://... of ``device``."""
    from websockets.exceptions import ConnectionClosed
    from websockets.sync.server import ServerConnection, serve

    work = Clockwork(device)

    def handle(connection: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            for message in connection:
                frame = message.encode() if isinstance(message, str) else message
                for answer in work.ask(frame):
                    connection.send(answer.decode())

    with serve(handle, "127.0.0.1", 0, compression=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        finally:
            server.shutdown()
            thread.join()
