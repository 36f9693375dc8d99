"""What must hold on every link alike: who may call is asked, a frame over the limit and garbage cost nobody else
anything, no name and no number breaks the device, and all of it together stays within the memory that docs/mongoose.md
states.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiomqtt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emu.errors import LinkRefused
from emu.ota.links import mqtt
from emu.ota.links.http_server import MAX_AHEAD, _Watched
from emu.ota.links.peers import MAX_PEERS, Peers
from emu.ota.mongoose.client import Answered, Caller, Outcome, Refused, RpcClient
from emu.ota.mongoose.ports import Port
from emu.ota.mongoose.session import Session
from tests.docs.pages import DOCS
from tests.emu.cli.serve_process import Serve, serving
from tests.ota.bench import UART, Powered
from tests.ota.client.device import guarded
from tests.ota.conftest import Mosquitto
from tests.ota.served import Bench, connect, drained, eventually, http_call, make_device, run, served
from tests.ota.smoke import in_thread

STATUS = b'{"id":1,"src":"t","method":"OTA.Status"}'
LINKS = ["tcp", "ws", "http", "serial"]
ID = "brownout_000001"
GARBAGE = 10_000
WEBSOCKET = (
    b"GET /rpc HTTP/1.1\r\nHost: d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def message(data: bytes) -> bytes:
    """A WebSocket's text message, masked with nothing."""
    size = len(data)
    head = (
        bytes([0x80 | size])
        if size < 126
        else b"\xfe" + size.to_bytes(2)
        if size < 1 << 16
        else b"\xff" + size.to_bytes(8)
    )
    return b"\x81" + head + b"\0\0\0\0" + data


def post(body: bytes) -> bytes:
    return b"POST /rpc HTTP/1.1\r\nHost: d\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def port_of(bench: Bench, link: str, broker: Mosquitto | None = None) -> str:
    if link == "mqtt":
        assert broker is not None
        return f"{broker.url}/{ID}"
    if link == "serial":
        return bench.serial.path
    host, port = bench.tcp.address if link == "tcp" else bench.http.address
    return f"{link}://{host}:{port}" + ("" if link == "tcp" else "/rpc")


def called(port: str, method: str, caller: Caller = Caller()) -> Outcome:  # noqa: B008 - a value
    link, caller = Port(port, caller).link()
    try:
        with Session(link, RpcClient(caller)) as session:
            return session.call(method, "", 10.0)
    except LinkRefused as wrong:  # how HTTP says it
        return Refused("", 401, str(wrong))


async def _who_may_call(link: str, broker: Mosquitto | None) -> None:
    device = make_device(guard=guarded("joe", "s3cret"))
    async with served(device, mqtt=broker.url if broker else None) as bench:
        port = port_of(bench, link, broker)
        for method in ("OTA.Status", "OTA.Begin", "OTA.Commit", "Sys.Reboot", "Config.Set", "RPC.List"):
            outcome = await in_thread(called, port, method)
            assert isinstance(outcome, Refused) and outcome.code == 401, (method, outcome)
        outcome = await in_thread(called, port, "OTA.Status", Caller(username="joe", password="wrong"))
        assert isinstance(outcome, Refused) and outcome.code == 401
        known = Caller(seed=5, username="joe", password="s3cret")
        assert isinstance(await in_thread(called, port, "OTA.Status", known), Answered)
        assert len([line for _, line in bench.log.lines if "boot:" in line]) == 1, "nobody has rebooted it"


@pytest.mark.parametrize("link", LINKS)
def test_who_calls_is_asked(link: str) -> None:
    run(lambda: _who_may_call(link, None))


def test_who_calls_is_asked_mqtt(broker: Mosquitto) -> None:
    run(lambda: _who_may_call("mqtt", broker))


@contextlib.asynccontextmanager
async def sender(bench: Bench, link: str) -> AsyncIterator[Callable[[bytes], Awaitable[None]]]:
    """Sends frames of a stranger, each as its link has them, over as many connections as that takes."""
    if link == "serial":
        terminal = os.open(bench.serial.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)

        async def typed(frame: bytes) -> None:
            data = frame + b"\n"
            while data:
                with contextlib.suppress(BlockingIOError):
                    data = data[os.write(terminal, data) :]
                with contextlib.suppress(BlockingIOError):
                    os.read(terminal, 1 << 16)
                await asyncio.sleep(0)

        yield typed
        os.close(terminal)
        return
    writers: list[asyncio.StreamWriter] = []

    async def sent(frame: bytes) -> None:
        if not writers or writers[-1].is_closing():
            reader, writer = await connect(bench.tcp if link == "tcp" else bench.http)
            writers.append(writer)
            reading.append(asyncio.create_task(drained(reader)))
            if link == "ws":
                writer.write(WEBSOCKET)
        writers[-1].write(message(frame) if link == "ws" else post(frame) if link == "http" else frame + b"\n")
        with contextlib.suppress(ConnectionError):
            await writers[-1].drain()
        await asyncio.sleep(0)

    reading: list[asyncio.Task[bytes]] = []
    yield sent
    for writer in writers:
        writer.close()
    if reading:
        await asyncio.wait(reading)


@pytest.mark.parametrize("link", LINKS)
def test_ten_thousand_frames_of_garbage_and_frames_over_the_limit(link: str) -> None:
    async def test() -> None:
        async with served() as bench:
            async with sender(bench, link) as send:
                for number in range(GARBAGE):
                    await send((b"{", b"[]", b'{"id":1}', b'{"id":%d,"dst":"x"}' % number, b"\xff\xfe")[number % 5])
                for size in (5_000, 70_000, 300_000):
                    await send(b'{"id":1,"src":"t","method":"' + b"x" * size + b'"}')
            assert b'"state":0' in (await http_call(bench, "POST", "/rpc", STATUS)).body
            port = port_of(bench, link)
            assert isinstance(await in_thread(called, port, "OTA.Status"), Answered)
            assert not bench.running.done()

    run(test)


def test_garbage_frames_over_the_limit_and_names_that_are_no_topics_mqtt(broker: Mosquitto) -> None:
    async def test() -> None:
        async with served(mqtt=broker.url) as bench, aiomqtt.Client("127.0.0.1", broker.port) as client:
            for number in range(300):
                topic = (
                    f"{ID}/rpc",
                    f"{ID}/rpc/OTA.Status",
                    f"{ID}/rpc/a/b/c",
                    f"$aws/things/{ID}/shadow/update/delta",
                )
                await client.publish(topic[number % 4], b"{" * (number * 7), qos=1)
            await client.publish(f"{ID}/rpc", b'{"src":"t","method":"' + b"x" * 2_000_000 + b'"}', qos=1)
            port = port_of(bench, "mqtt", broker)
            assert isinstance(await in_thread(called, port, "OTA.Status"), Answered)
            for name in ("a+b", "#"):
                params = f'{{"config":{{"device":{{"id":"{name}"}}}}}}'
                await http_call(bench, "POST", "/rpc/Config.Set", params.encode())
                await bench.serving.press_reset()
                await bench.log.until("is no topic")
                bench.log.lines.clear()
                assert (await http_call(bench, "POST", "/rpc", STATUS)).status == 200
            assert not bench.running.done()

    run(test)


@pytest.mark.parametrize("link", ["ws", "http"])
def test_a_peer_that_asks_and_never_reads_is_hung_up_on(link: str) -> None:
    call = b'{"id":1,"method":"Config.Get"}'

    async def test() -> None:
        async with served() as bench:
            reader, writer = await connect(bench.http)
            reader._transport.pause_reading()  # type: ignore[attr-defined]
            writer.write(WEBSOCKET if link == "ws" else b"")
            with pytest.raises(ConnectionError):
                while True:
                    writer.write((message(call) if link == "ws" else post(call)) * 100)
                    await writer.drain()
            writer.close()
            assert b'"state":0' in (await http_call(bench, "POST", "/rpc", STATUS)).body

    run(test)


@pytest.mark.parametrize("link", ["tcp", "http", "ws"])
def test_two_hundred_idle_connections(link: str) -> None:
    says = {
        "tcp": b'{"id":1',
        "http": b"POST /rpc HTTP/1.1\r\nHost: d\r\nContent-Length: 9000\r\n\r\n{",
        "ws": WEBSOCKET,
    }

    async def test() -> None:
        async with served() as bench:
            crowd = []
            for _ in range(200):
                crowd.append(await connect(bench.tcp if link == "tcp" else bench.http))
                crowd[-1][1].write(says[link])
            ended = [asyncio.create_task(drained(reader)) for reader, _ in crowd]
            for _ in range(3):
                assert b'"state":0' in (await http_call(bench, "POST", "/rpc", STATUS)).body
                assert isinstance(await in_thread(called, port_of(bench, "tcp"), "OTA.Status"), Answered)
            await eventually(lambda: sum(task.done() for task in ended) >= 200 - MAX_PEERS)
            for _, writer in crowd:
                writer.transport.abort()
            await asyncio.wait(ended)

    run(test)


class _Inner(asyncio.Protocol):
    """What a connection's bytes go to; it takes none of them."""

    def __init__(self) -> None:
        self.size = 0

    def data_received(self, data: bytes) -> None:
        self.size += len(data)


class _Wire(asyncio.Transport):
    is_aborted = False

    def abort(self) -> None:
        self.is_aborted = True


def test_what_nobody_takes_is_bounded_whatever_the_library_does() -> None:
    async def test() -> None:
        async with served() as bench:
            inner, wire = _Inner(), _Wire()
            watched = _Watched(inner, Peers(), bench.serving, 10.0, lambda: None)
            watched.connection_made(wire)
            for _ in range(3):
                watched.data_received(b"x" * (MAX_AHEAD // 2))
                watched.took()
            watched.data_received(b"x" * MAX_AHEAD)
            assert not wire.is_aborted
            watched.data_received(b"x")
            assert (wire.is_aborted, inner.size) == (True, MAX_AHEAD * 5 // 2)
            watched.connection_lost(None)

    run(test)


def test_a_message_that_is_too_long_does_not_wait() -> None:
    async def test() -> None:
        waiting = mqtt._Small(5)
        for size in (0, mqtt.MAX_MESSAGE):
            waiting.put_nowait(aiomqtt.Message("t", b"x" * size, 1, False, 1, None))
        with pytest.raises(asyncio.QueueFull):
            waiting.put_nowait(aiomqtt.Message("t", b"x" * (mqtt.MAX_MESSAGE + 1), 1, False, 1, None))
        assert waiting.qsize() == 2

    run(test)


ODD = st.one_of(
    st.sampled_from(
        ["NaN", "Infinity", "1e999", "-1e30", "1" * 400, "-1", "4294967296", "18446744073709551616", "1.5", "null"]
    ),
    st.sampled_from(
        ['"\\ud800"', '"\\u0000"', '"\u202e"', '"\\u0000+#/"', '"' + "x" * 3000 + '"', "[" * 60 + "]" * 60]
    ),
    st.integers().map(str),
    st.floats().map(json.dumps),
    st.text(max_size=20).map(json.dumps),
    st.recursive(st.none() | st.booleans() | st.integers(), st.lists).map(json.dumps),
)
PLACES = [
    *(("OTA.Begin", name) for name in ("size", "timeout", "commit_timeout")),
    *(("OTA.Write", name) for name in ("offset", "data")),
    *(("OTA.Update", name) for name in ("url", "timeout", "commit_timeout")),
    *(("OTA.SetBootState", name) for name in ("active_slot", "revert_slot", "is_committed", "commit_timeout")),
    *(("OTA.CreateSnapshot", name) for name in ("set_as_revert", "commit_timeout")),
    ("Sys.Reboot", "delay_ms"), ("Config.Get", "key"), ("Config.Set", "config"), ("RPC.Describe", "name"),
]  # fmt: skip
SETTINGS = ["device.id", "update.url", "update.interval", "update.timeout", "update.commit_timeout",
            "update.extra_http_headers", "rpc.max_frame_size", "rpc.max_queue_length", "shadow.enable"]  # fmt: skip


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(PLACES), ODD, st.sampled_from(["id", "src", "dst", "method", "auth", "other"]), ODD)
def test_no_value_in_a_frame_breaks_the_device(place: tuple[str, str], value: str, member: str, other: str) -> None:
    device = Powered()
    method, name = place
    frame = f'{{"id":1,"src":"t","method":"{method}","params":{{"{name}":{value}}},"{member}":{other}}}'.encode()
    answers: list[bytes] = []
    device.node.do(lambda app: app.dispatcher.receive(frame, UART, app.now_us, answers.append) and None)
    device.node.elapse(2_000_000)
    assert device.node.state == "running", device.node.why
    assert len(answers) <= 1
    for answer in answers:
        json.loads(answer, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


@settings(deadline=None, max_examples=100)
@given(st.sampled_from(SETTINGS), ODD)
def test_no_setting_keeps_the_device_from_starting_and_being_kept(path: str, value: str) -> None:
    import msgspec

    device = Powered()
    group, name = path.split(".")
    frame = f'{{"id":1,"method":"Config.Set","params":{{"config":{{"{group}":{{"{name}":{value}}}}}}}}}'.encode()
    device.node.do(lambda app: app.dispatcher.receive(frame, UART, app.now_us, lambda answer: None) and None)
    device.node.press_reset()
    device.node.elapse(2_000_000)
    assert device.node.state == "running", device.node.why
    msgspec.msgpack.encode(device.settings.values)


def stated_mib() -> int:
    found = re.search(r"within (\d+) MiB of what it takes at rest", (DOCS / "mongoose.md").read_text())
    assert found is not None, "docs/mongoose.md states no memory"
    return int(found[1])


def memory_kib(process: int, what: str) -> int:
    found = re.search(rf"{what}:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    assert found is not None
    return int(found[1])


FORM = (
    b"POST /update HTTP/1.1\r\nHost: d\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    b"Content-Length: 99999999999\r\n\r\n"
)
MANY = b"".join(b"X%d: y\r\n" % number for number in range(3000))
CALL = b'{"id":1,"method":"Config.Get"}'
FLOODS: dict[str, tuple[str, bytes, bytes]] = {
    "requests whose answers nobody reads": ("http", b"", b"GET /rpc/Config.Get HTTP/1.1\r\nHost: d\r\n\r\n" * 500),
    "a header without end": ("http", b"GET /rpc HTTP/1.1\r\nX: ", b"a" * 65536),
    "headers without end": ("http", b"GET /rpc HTTP/1.1\r\n", MANY),
    "a chunk's size without end": ("http", b"POST /rpc HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"0" * 65536),
    "a part's header without end": ("http", FORM + b"--b\r\nX: ", b"a" * 65536),
    "a part's headers without end": ("http", FORM + b"--b\r\n", MANY),
    "parts without end": ("http", FORM, b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n' * 1000),
    "a variable without end": ("http", FORM + b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n', b"x" * 65536),
    "calls over a WebSocket that never reads": ("http", WEBSOCKET, message(CALL) * 1000),
    "a message in fragments without end": (
        "http", WEBSOCKET + b"\x01\x80\0\0\0\0", b"\x00\xfe\xea\x60\0\0\0\0" + b"a" * 60_000,
    ),
    "calls over TCP whose answers nobody reads": ("tcp", b"", (CALL + b"\n") * 1000),
    "a frame without end": ("tcp", b"", b"{" * 65536),
}  # fmt: skip
FLOOD = 20 << 20


async def flood(port: int, head: bytes, piece: bytes) -> None:
    """A peer that sends ``head`` and then ``piece`` for ever, and never reads."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    reader._transport.pause_reading()  # type: ignore[attr-defined]
    with contextlib.suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(3):
            writer.write(head)
            for _ in range(FLOOD // len(piece)):
                writer.write(piece)
                await writer.drain()
    writer.transport.abort()


def test_the_memory_it_takes_is_the_one_that_is_stated() -> None:
    with serving("--tcp", "0", "--http", "0", "--serial", "--fast") as serve:
        ports = {"tcp": int(serve.until(r"TCP +tcp://127\.0\.0\.1:(\d+)"))}
        ports["http"] = int(serve.until(r"HTTP +http://127\.0\.0\.1:(\d+)/rpc$"))
        serve.until("boot: ")
        asyncio.run(_everything_at_once(serve, ports))
        assert serve.process.poll() is None


async def _everything_at_once(serve: Serve, ports: dict[str, int]) -> None:
    rest_kib = memory_kib(serve.process.pid, "VmRSS")
    crowd = []
    for _ in range(200):
        for kind, says in (("tcp", b"{" * 4000), ("http", b"GET /rpc HTTP/1.1\r\nX: " + b"y" * 7000)):
            with contextlib.suppress(ConnectionError):
                _, writer = await asyncio.open_connection("127.0.0.1", ports[kind])
                writer.write(says)
                crowd.append(writer)
    await asyncio.gather(*(flood(ports[kind], head, piece) for kind, head, piece in FLOODS.values()))
    reader, writer = await asyncio.open_connection("127.0.0.1", ports["http"])
    writer.write(b"GET /rpc/OTA.GetBootState HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n")
    assert b'"is_committed": true' in await reader.read()
    for each in [writer, *crowd]:
        each.transport.abort()
    taken_mib = (memory_kib(serve.process.pid, "VmHWM") - rest_kib) / 1024
    assert taken_mib <= stated_mib(), f"{taken_mib:.1f} MiB more than at rest"
