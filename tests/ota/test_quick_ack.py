"""A broker that holds small messages back until the last one was acknowledged is not kept waiting, at either end."""

from __future__ import annotations

import asyncio
import socket

import pytest

from emu.ota.links import quick_ack
from emu.ota.mongoose.client import Answered, Caller, Outcome, RpcClient
from emu.ota.mongoose.ports import Port
from emu.ota.mongoose.session import Session
from tests.ota.conftest import Mosquitto
from tests.ota.served import eventually, run, served

QUICK = (socket.IPPROTO_TCP, socket.TCP_QUICKACK)
"""Read, it says whether what comes next is acknowledged at once."""


def test_who_answers_acknowledges_late_until_told_otherwise() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as ours,
        server.accept()[0] as theirs,
    ):
        theirs.sendall(b"x")
        assert ours.recv(1) == b"x"
        ours.sendall(b"y")
        assert ours.getsockopt(*QUICK) == 0
        quick_ack.acknowledge_at_once(ours)
        assert ours.getsockopt(*QUICK) == 1


def test_both_ends_of_a_call_acknowledge_what_the_broker_says_last(
    broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    def telling(end: str) -> None:
        def acknowledge_at_once(sock: socket.socket) -> None:
            assert sock.getpeername()[1] == broker.port
            quick_ack.acknowledge_at_once(sock)
            assert sock.getsockopt(*QUICK) == 1
            told.append(end)

        monkeypatch.setattr(f"emu.ota.links.{end}.acknowledge_at_once", acknowledge_at_once)

    telling("mqtt")
    telling("client.mqtt")

    def called() -> Outcome:
        link, caller = Port(f"{broker.url}/brownout_000001", Caller()).link()
        with Session(link, RpcClient(caller)) as session:
            return session.call("RPC.Ping", "", 5)

    async def test() -> None:
        async with served(mqtt=broker.url):
            assert isinstance(await asyncio.to_thread(called), Answered)
            await eventually(lambda: {"mqtt", "client.mqtt"} <= set(told))

    run(test)
