"""The socket: a client in front of a core that runs, and one that goes away."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from emu.errors import UsageError
from emu.gdb.packets import packet
from emu.gdb.server import HOST, Left, Server
from emu.gdb.target import SIGINT, Exited, Go, Stop
from tests.emu.gdb.test_stub import Toy

PATIENCE_S = 20


@contextmanager
def connected(told: list[str]) -> Iterator[tuple[Server, socket.socket]]:
    """A server, and a client whose first command has it run."""
    with closing(Server(0, told.append)) as server:
        client = socket.create_connection((HOST, server.port), timeout=PATIENCE_S)
        client.sendall(packet(b"QStartNoAckMode") + packet(b"c"))
        assert server.serve(Toy(), Stop()) == Go()
        assert client.recv(100) == b"+" + packet(b"OK")
        with closing(client):
            yield server, client


def until(server: Server) -> None:
    """It has heard of it; the other end of a socket takes its time."""
    for _ in range(1_000_000):
        if server.interrupts():
            return
    raise AssertionError("nothing came")


def test_ctrl_c_stops_a_core_that_runs_and_says_so() -> None:
    told: list[str] = []
    with connected(told) as (server, client):
        assert not server.interrupts()
        server.says(b"hi")
        assert client.recv(100) == packet(b"O6869")
        client.sendall(b"\x03")
        until(server)
        client.sendall(packet(b"s"))
        assert server.serve(Toy(), Stop(SIGINT)) == Go(step=True)
        assert client.recv(100) == packet(b"T02thread:1;")
        server.exited(Exited(1))
        assert client.recv(100) == packet(b"W01")
        assert client.recv(100) == b""
    assert told == []


def test_a_client_that_goes_while_the_core_runs_leaves_room_for_another() -> None:
    told: list[str] = []
    with connected(told) as (server, client):
        client.close()
        until(server)
        assert told == [f"gdb is gone without a word; waiting for gdb on {HOST}:{server.port}"]
        other = socket.create_connection((HOST, server.port), timeout=PATIENCE_S)
        other.sendall(b"\x16\x03 nonsense")
        third = socket.create_connection((HOST, server.port), timeout=PATIENCE_S)
        third.sendall(packet(b"?") + packet(b"D"))
        with pytest.raises(Left):
            server.serve(Toy(), Stop(SIGINT))
        assert third.recv(100) == b"+" + packet(b"T02thread:1;") + b"+" + packet(b"OK")
        assert "it does not speak gdb's remote protocol: it sent b'\\x16\\x03 nonsense'" in told[1]
        other.close()
        third.close()


def test_nonsense_while_the_core_runs_stops_it() -> None:
    told: list[str] = []
    with connected(told) as (server, client):
        client.sendall(b"HELO")
        until(server)
        assert "it sent b'HELO'" in told[0]
        assert client.recv(100) == b""


def test_only_one_can_have_a_port() -> None:
    with closing(Server(0, print)) as server, pytest.raises(UsageError, match="give another port, or 0"):
        Server(server.port, print)


def test_it_waits_for_a_client() -> None:
    with closing(Server(0, print)) as server:
        went: list[Go] = []
        waiting = threading.Thread(target=lambda: went.append(server.serve(Toy(), Stop())))
        waiting.start()
        with socket.create_connection((HOST, server.port), timeout=PATIENCE_S) as client:
            client.sendall(packet(b"vCont;c"))
            waiting.join(PATIENCE_S)
        assert went == [Go()]
