"""A TCP port: each peer that connects gets a `Talk` over a row of bytes.

Neighbours: `link`, `peers`. Knows no frame.
"""

from __future__ import annotations

import asyncio
import socket

from emu.ota.links.link import Host, Meet, address_of, listen
from emu.ota.links.peers import MAX_UNSENT, Peers

READ_SIZE = 4096


class TcpLink:
    def __init__(self, host: str, port: int, keeper: Host, meet: Meet) -> None:
        self._where = (host, port)
        self._keeper = keeper
        self._meet = meet
        self._peers = Peers()
        self._socket: socket.socket | None = None
        self._server: asyncio.Server | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Once it is open."""
        assert self._socket is not None, "a link was asked for its address before it was open: please report"
        return address_of(self._socket)

    async def open(self) -> None:
        self._socket = listen(*self._where)
        self._server = await asyncio.start_server(self._serve, sock=self._socket, limit=READ_SIZE)

    def disconnect(self) -> None:
        self._peers.abort_all()

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self.disconnect()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One peer, from its connecting to its end."""
        task = asyncio.current_task()
        assert task is not None, "a peer is served outside a task: please report"
        connection = _TcpConnection(writer, task)
        if not self._keeper.is_running:
            connection.abort()
            return
        self._peers.came(connection)
        try:
            talk = self._meet(_name(writer), connection.send)
            while data := await reader.read(READ_SIZE):
                if not await talk.received(data):
                    break
                if connection.has_sent:
                    self._peers.heard(connection)
                await asyncio.sleep(0)  # what is buffered already is read without a turn for others
        except OSError:
            pass  # the peer has gone, in whatever way
        except asyncio.CancelledError:
            if not connection.is_aborted:
                raise
        except Exception as wrong:
            self._keeper.failed(wrong)
        finally:
            self._peers.gone(connection)
            writer.close()


class _TcpConnection:
    def __init__(self, writer: asyncio.StreamWriter, task: asyncio.Task[None]) -> None:
        self.has_sent = False
        self.is_aborted = False
        self._writer = writer
        self._task = task

    def send(self, data: bytes) -> None:
        if self.is_aborted or self._writer.transport.is_closing():
            return
        self.has_sent = True
        self._writer.write(data)
        if self._writer.transport.get_write_buffer_size() > MAX_UNSENT:
            self.abort()

    def abort(self) -> None:
        self.is_aborted = True
        self._writer.transport.abort()
        if self._task is not asyncio.current_task():  # or it would end cancelled, of which asyncio makes a traceback
            self._task.cancel()


def _name(writer: asyncio.StreamWriter) -> str:
    peer = writer.get_extra_info("peername") or ("?", 0)
    return f"{peer[0]}:{peer[1]}"
