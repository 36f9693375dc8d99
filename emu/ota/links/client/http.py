"""HTTP: each frame is the body of a POST, and the body of the reply is the answer.

Neighbours: implements `link.Link`. How a challenge (401) is answered is somebody else's: ``authorize``. Knows no
frame's meaning.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException, HTTPResponse

from emu.errors import LinkRefused
from emu.ota.links.client.link import CONNECT_S, MAX_FRAME_SIZE, lost

Authorize = Callable[[str, str, str], str | None]
"""``authorize(challenge, method, uri)``: of the header WWW-Authenticate in, of Authorization out; None: it cannot."""


class HttpLink:
    """``authorize`` is asked once for each refusal. One request at a time; the connection is kept as long as the device
    keeps it."""

    hint = ""

    def __init__(
        self, host: str, port: int, path: str, authorize: Authorize = lambda challenge, method, uri: None
    ) -> None:
        self.label = f"http://{host}:{port}{path}"
        self._address, self._path, self._authorize = (host, port), path, authorize
        self._connection: HTTPConnection | None = None
        self._challenge = ""
        self._asked = b""
        self._is_proved = False

    def open(self) -> None:
        self.close()
        self._connection = HTTPConnection(*self._address, timeout=CONNECT_S)
        try:
            self._connection.connect()
        except (OSError, UnicodeError) as wrong:
            raise lost(self.label, "cannot connect", wrong) from None

    def send(self, frame: bytes) -> None:
        """What was asked before, and has not been answered, is given up."""
        if self._asked:
            self.open()
        self._is_proved = False
        self._request(frame)

    def receive(self, timeout_s: float) -> list[bytes]:
        assert self._connection is not None, "a link that is not open was read: please report"
        if not self._asked or self._connection.sock is None:
            select.select([], [], [], max(0.0, timeout_s))
            return []
        if not select.select([self._connection.sock], [], [], max(0.0, timeout_s))[0]:
            return []
        try:
            reply = self._connection.getresponse()
            body = reply.read(MAX_FRAME_SIZE)
        except (OSError, HTTPException) as wrong:
            raise lost(self.label, "was closed", wrong) from None
        if reply.length:  # a read that is told how much to take does not say that it got less
            raise lost(self.label, "was closed before its answer was whole")
        return self._replied(reply, body)

    def close(self) -> None:
        self._asked = b""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _replied(self, reply: HTTPResponse, body: bytes) -> list[bytes]:
        challenge = reply.headers.get("WWW-Authenticate", "")
        if reply.status == 401 and challenge and not self._is_proved:
            self._challenge = challenge
            if self._authorize(challenge, "POST", self._path) is not None:
                self._is_proved = True
                self._request(self._asked)
                return []
        self._asked = b""
        if reply.status == 401:
            what = "does not know this user and password" if self._is_proved else "wants a user and a password"
            raise LinkRefused(f"{self.label}: the device {what}")
        if reply.status != 200:
            raise lost(self.label, f"HTTP {reply.status} {reply.reason}; is this the address of its RPC service?")
        return [body.strip()]

    def _request(self, frame: bytes) -> None:
        """A connection the device has closed since is opened again: it may close one after each reply."""
        assert self._connection is not None, "a link that is not open was written: please report"
        headers = {"Content-Type": "application/json"}
        proof = self._authorize(self._challenge, "POST", self._path) if self._challenge else None
        if proof is not None:
            headers["Authorization"] = proof
        sock = self._connection.sock
        if sock is not None and select.select([sock], [], [], 0)[0]:  # nothing is due: it is the end of the stream
            self._connection.close()
        try:
            self._connection.request("POST", self._path, frame, headers)
        except (OSError, HTTPException) as wrong:
            raise lost(self.label, "cannot connect" if self._connection.sock is None else "was closed", wrong) from None
        self._asked = frame
