"""The socket gdb connects to: one client at a time, from this machine alone.

What does not speak the protocol is told so in one line on ``tell``, and let go; the next one may come. Neighbours:
`stub` says what the bytes mean. The only file here that knows sockets.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Callable

from emu.errors import UsageError
from emu.gdb.packets import NotGdb
from emu.gdb.stub import Leave, Stub
from emu.gdb.target import Exited, Go, Stop, Target

HOST = "127.0.0.1"
_CHUNK = 1 << 16


class Left(Exception):
    """gdb has detached, or killed what it debugs."""


class Server:
    """Listens from construction on; ``port`` 0: the system chooses one. Raises UsageError."""

    def __init__(self, port: int, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._listener.bind((HOST, port))
            self._listener.listen(1)
        except OSError as wrong:
            self._listener.close()
            raise UsageError(
                f"--gdb {port}: cannot listen on {HOST}:{port} ({wrong.strerror}); give another port, or 0 "
                "for a free one"
            ) from None
        self.port: int = self._listener.getsockname()[1]
        self._client: socket.socket | None = None
        self._stub: Stub | None = None

    def close(self) -> None:
        self._drop()
        self._listener.close()

    # -- a core that stands still ---------------------------------------------------------------------------

    def serve(self, target: Target, stop: Stop) -> Go:
        """Until gdb has the core run. Waits for a client when there is none. Raises Left."""
        if self._stub is not None:
            self._send(self._stub.stopped(stop))
        while True:
            if self._client is None or self._stub is None:
                self._accept(target, stop)
            try:
                go = self._talk()
            except NotGdb as wrong:
                self._let_go(f"a client is let go: {wrong}")
                continue
            except Leave as leave:
                self._send(leave.args[0])
                self._drop()
                raise Left from None
            if go is not None:
                return go
            self._let_go("gdb is gone without a word")

    def _accept(self, target: Target, stop: Stop) -> None:
        self._client, _ = self._listener.accept()
        self._client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._stub = Stub(target)
        self._stub.stopped(stop)

    def _talk(self) -> Go | None:
        """None: the client has closed the connection."""
        assert self._stub is not None, "a conversation with nobody: please report"
        while True:
            answer = self._stub.answer()
            if isinstance(answer, Go):
                self._send(self._stub.acknowledgement())
                return answer
            if answer is not None:
                self._send(answer)
                continue
            data = self._receive()
            if not data:
                return None
            self._stub.receive(data)

    # -- a core that runs -------------------------------------------------------------------------------------

    def interrupts(self) -> bool:
        """Whether gdb wants the core to stop; a client that is gone or speaks nonsense stops it too. Does not wait."""
        if self._client is None or self._stub is None:
            return True
        try:
            while select.select([self._client], [], [], 0)[0]:
                data = self._receive()
                if not data:
                    self._let_go("gdb is gone without a word")
                    return True
                self._stub.receive(data)
            return self._stub.interrupts()
        except NotGdb as wrong:
            self._let_go(f"a client is let go: {wrong}")
            return True

    def says(self, text: bytes) -> None:
        """For the console of gdb, while the core runs."""
        if self._stub is not None:
            self._send(self._stub.says(text))

    def exited(self, end: Exited) -> None:
        if self._stub is not None:
            self._send(self._stub.exited(end))
            self._drop()

    # -- the socket -------------------------------------------------------------------------------------------

    def _receive(self) -> bytes:
        assert self._client is not None, "nobody is there: please report"
        try:
            return self._client.recv(_CHUNK)
        except OSError:
            return b""

    def _send(self, data: bytes) -> None:
        try:
            if data and self._client is not None:
                self._client.sendall(data)
        except OSError:
            return  # it is gone: the next read says so

    def _let_go(self, why: str) -> None:
        self._tell(f"{why}; waiting for gdb on {HOST}:{self.port}")
        self._drop()

    def _drop(self) -> None:
        if self._client is not None:
            self._client.close()
        self._client = self._stub = None
