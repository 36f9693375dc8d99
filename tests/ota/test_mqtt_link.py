"""RPC through a real broker, with clients nobody here wrote: mosquitto_pub and mosquitto_sub."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator

import pytest

from emu.ota.errors import OtaError
from emu.ota.links.mqtt import Broker, MqttLink, can_publish_to
from emu.ota.mongoose.talks import LARGEST_FRAME
from tests.ota.conftest import Mosquitto
from tests.ota.served import eventually, http_call, run, served

ID = "brownout_000001"


async def said(broker: Mosquitto, *arguments: str) -> None:
    program = await asyncio.create_subprocess_exec("mosquitto_pub", "-q", "1", "-p", str(broker.port), *arguments)
    assert await program.wait() == 0


@contextlib.asynccontextmanager
async def heard(broker: Mosquitto, topic: str) -> AsyncIterator[asyncio.StreamReader]:
    """What is said on ``topic``, a line each; it begins with a message of our own, so that nothing is missed."""
    program = await asyncio.create_subprocess_exec(
        "mosquitto_sub", "-q", "1", "-p", str(broker.port), "-t", topic, "-t", "begin", stdout=asyncio.subprocess.PIPE
    )
    assert program.stdout is not None
    try:
        begun = asyncio.create_task(program.stdout.readline())
        while not begun.done():
            await said(broker, "-t", "begin", "-m", "begin", "-r")
        yield program.stdout
    finally:
        program.kill()  # asked to end while messages come, it may wait for a broker for ever
        await program.wait()


async def answer(lines: asyncio.StreamReader) -> bytes:
    while (line := await lines.readline()) == b"begin\n":
        pass
    return line


def test_frames_through_a_broker(broker: Mosquitto) -> None:
    frame = {"id": 1, "src": "me", "method": "OTA.GetBootState"}
    due = b'"result":{"active_slot": 0, "is_committed": true, "revert_slot": -1, "commit_timeout": 0}}\n'

    async def test() -> None:
        async with served(mqtt=broker.url), heard(broker, "me/rpc") as lines:
            await said(broker, "-t", f"{ID}/rpc", "-m", json.dumps(frame))
            assert await answer(lines) == f'{{"id":1,"src":"{ID}","dst":"me",'.encode() + due
            for payload in ('{"id":2,"src":"me"}', '{"id":2,"src":"me","method":"Sys.Reboot"}'):
                await said(broker, "-t", f"{ID}/rpc/OTA.GetBootState", "-m", payload)
                assert (await answer(lines)).endswith(due), "the method of the topic counts"
            ping = json.dumps({"id": 3, "src": "me", "method": "RPC.Ping"})
            await said(broker, "-t", f"{ID}/rpc", "-m", ping)
            assert broker.url.encode() in await answer(lines)

    run(test)


def test_what_is_dropped(broker: Mosquitto) -> None:
    commit = "Config.Set"
    params = '"params":{"config":{"update":{"url":"http://seen"}}}'

    async def test() -> None:
        async with served(mqtt=broker.url) as bench, heard(broker, "me/rpc") as lines:
            for payload in (
                f'{{"id":1,{params}}}',
                f'{{"id":1,"src":"a/#",{params}}}',
                f'{{"id":1,"src":"+",{params}}}',
                f'{{"id":1,"src":"me","dst":"another",{params}}}',
                f'{{"id":1,"src":"me","tag":"{"x" * LARGEST_FRAME}",{params}}}',
                "nonsense",
                "[1,2]",
                "",
            ):
                await said(broker, "-t", f"{ID}/rpc/{commit}", "-m", payload)
            await said(broker, "-t", f"{ID}/rpc", "-m", '{"id":9,"src":"me","method":"RPC.Ping"}')
            assert b'"id":9' in await answer(lines), "nothing came before, and the link stands"
            assert bench.device.settings.get("update.url") == ""
            await said(broker, "-t", f"{ID}/rpc/{commit}", "-m", "{" + params + "}")
            await said(broker, "-t", f"{ID}/rpc", "-m", '{"id":10,"src":"me","method":"RPC.Ping"}')
            assert b'"id":10' in await answer(lines)
            assert bench.device.settings.get("update.url") == "http://seen", "without an id nobody is answered"

    run(test)


def test_after_a_reset_and_after_the_broker_has_been_away_the_device_is_there_again(
    broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emu.ota.links.mqtt.FIRST_PAUSE_S", 0.05)

    async def is_there() -> None:
        async with heard(broker, "me/rpc") as lines:
            waiting = asyncio.create_task(answer(lines))
            while not waiting.done():
                await said(broker, "-t", f"{ID}/rpc", "-m", '{"id":1,"src":"me","method":"RPC.Ping"}')
            assert b'"id":1' in waiting.result()

    async def test() -> None:
        async with served(mqtt=broker.url) as bench:
            await bench.serving.press_reset()
            await is_there()
            broker.stop()
            await bench.log.until("trying again")
            assert (await http_call(bench, "GET", "/rpc/OTA.Status")).status == 200
            broker.start()
            await is_there()
            bench.serving.cut_power()
            bench.serving.restore_power()
            await is_there()

    run(test)


def test_without_a_broker_there_is_no_link() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"mqtt://127.0.0.1:{free.getsockname()[1]}"

        async def test() -> None:
            async with served(mqtt=url):
                raise AssertionError("there is no broker")

        with pytest.raises(OtaError, match=rf"^{url}: no broker takes us \(.*\): start one, or give another address$"):
            run(test)


@pytest.mark.parametrize(
    ("url", "broker"),
    [
        ("mqtt://h", Broker("h")),
        ("mqtt://h:1999/", Broker("h", 1999)),
        ("mqtt://a%40:b%3a@[::1]:5", Broker("::1", 5, "a@", "b:")),
    ],
)
def test_addresses_of_brokers(url: str, broker: Broker) -> None:
    assert Broker.parse(url) == broker
    assert "b:" not in str(broker)


@pytest.mark.parametrize(
    "url", ["", "h", "http://h", "mqtt://", "mqtt://h:x", "mqtt://h:70000", "mqtt://h/topic", "mqtt://["]
)
def test_what_is_no_address_of_a_broker(url: str) -> None:
    with pytest.raises(OtaError, match="give mqtt://HOST:PORT"):
        Broker.parse(url)


@pytest.mark.parametrize(("topic", "can"), [("a/rpc", True), ("", False), ("a/#", False), ("+", False), ("a\0", False)])
def test_topics_a_broker_takes(topic: str, can: bool) -> None:
    assert can_publish_to(topic) is can


class Deaf:
    """A client whose calls swallow one cancellation each, as `asyncio.wait_for` does before Python 3.12 where it comes
    together with the result."""

    def __init__(self, log: list[str], *, deaf: str) -> None:
        self._log = log
        self._deaf = deaf

    async def __aenter__(self) -> Deaf:
        self._log.append("connected")
        return self

    async def __aexit__(self, *wrong: object) -> None:
        self._log.append("disconnected")

    async def subscribe(self, topic: str, qos: int) -> None:
        if self._deaf == "subscribe" and self._log.count("connected") > 1 and "hangs" not in self._log:
            await self._hang()

    async def publish(self, topic: str, payload: bytes, qos: int) -> None:
        if self._deaf == "publish" and "hangs" not in self._log:
            await self._hang()

    async def _hang(self) -> None:
        self._log.append("hangs")
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    @property
    def messages(self) -> Deaf:
        return self

    def __aiter__(self) -> Deaf:
        return self

    async def __anext__(self) -> None:
        await asyncio.Event().wait()


@pytest.mark.parametrize("deaf", ["publish", "subscribe"])
def test_a_cancellation_that_is_swallowed_is_said_again(deaf: str, monkeypatch: pytest.MonkeyPatch) -> None:
    log: list[str] = []
    monkeypatch.setattr(MqttLink, "_client", lambda self: Deaf(log, deaf=deaf))

    async def test() -> None:
        async with served(mqtt="mqtt://nowhere") as bench:
            if deaf == "subscribe":
                await bench.serving.press_reset()
            await eventually(lambda: "hangs" in log)
            await bench.serving.press_reset()
            await eventually(
                lambda: log.count("connected") == log.count("disconnected") + 1 >= 2 and log[-1] != "hangs"
            )
        assert log.count("connected") == log.count("disconnected") == (2 if deaf == "publish" else 3)

    run(test)
