"""A WebSocket: one message for each frame.

Neighbours: implements `link.Link`. The library websockets, an extra, is imported here alone. Knows no frame's meaning.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from emu.errors import MissingExtra
from emu.ota.links.client.link import CONNECT_S, MAX_FRAME_SIZE, lost

CLOSE_S = 1.0


class WebSocketLink:
    """``url``: ws://HOST[:PORT]/PATH. ``subprotocol`` is offered; a device may choose none. No proxy is asked, no
    compression offered: small devices have neither.

    Errors: MissingExtra without websockets.
    """

    hint = ""

    def __init__(self, url: str, *, subprotocol: str, origin: str) -> None:
        try:
            from websockets.exceptions import ConnectionClosed, WebSocketException
            from websockets.sync.client import connect
        except ImportError:
            raise MissingExtra("a ws:// port needs websockets: pip install 'brownout[ota]'") from None
        self.label = url
        self._connect, self._closed, self._wrong = connect, ConnectionClosed, WebSocketException
        self._subprotocol, self._origin = subprotocol, origin
        self._connection: Any = None
        self._opened = ExitStack()

    def open(self) -> None:
        self.close()
        options: dict[str, Any] = {"subprotocols": [self._subprotocol], "origin": self._origin}
        try:
            connecting = self._connect(
                self.label,
                **options,
                compression=None,
                proxy=None,
                open_timeout=CONNECT_S,
                close_timeout=CLOSE_S,
                ping_interval=None,
                max_size=MAX_FRAME_SIZE,
            )
            self._connection = self._opened.enter_context(connecting)
        except (OSError, UnicodeError, ValueError, self._wrong) as wrong:
            raise lost(self.label, "cannot connect", wrong) from None

    def send(self, frame: bytes) -> None:
        try:
            self._connection.send(frame.decode())
        except (OSError, self._closed) as wrong:
            raise lost(self.label, "was closed", wrong) from None

    def receive(self, timeout_s: float) -> list[bytes]:
        try:
            message = self._connection.recv(timeout=max(0.0, timeout_s))
        except TimeoutError:
            return []
        except (OSError, self._closed) as wrong:
            raise lost(self.label, "was closed", wrong) from None
        return [message.encode() if isinstance(message, str) else message]

    def close(self) -> None:
        self._opened.close()
        self._connection = None
