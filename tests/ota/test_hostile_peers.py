"""Garbage, half frames, huge bodies, slow peers and crowds: the device answers or drops, and the other links go on."""

from __future__ import annotations

import asyncio
import os
import resource
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emu.ota.links.http import HttpAnswer, HttpRequest
from emu.ota.links.peers import MAX_PEERS, Peers
from emu.ota.mongoose.http import answer_rpc, is_rpc
from tests.ota.bench import Powered
from tests.ota.served import (
    Answer,
    Bench,
    bundle,
    connect,
    drained,
    eventually,
    form,
    http_answer,
    http_call,
    next_frame,
    run,
    served,
    tcp_call,
)  # fmt: skip

STATUS = b'{"id":1,"src":"t","method":"OTA.Status"}'
FINE = b'"state":0'


async def is_well(bench: Bench) -> None:
    """Every link of the device answers."""
    reader, writer = await connect(bench.tcp)
    assert FINE in await tcp_call(reader, writer, STATUS)
    writer.close()
    assert FINE in (await http_call(bench, "POST", "/rpc", STATUS)).body
    assert not bench.running.done()


@pytest.mark.parametrize(
    "garbage",
    [
        bytes(range(256)) * 64,
        b"\n" * 50_000,
        b'"""' * 20_000,
        b'{"id":1' * 9000,
        (b"{" * 3000 + b"\n") * 10,
        b'{"id":1,"method":"RPC.List"}deadbeef\n' * 500,
        b'{"method":"OTA.Write","params":{"offset":0,"data":"????"}}\n' * 500,
    ],
    ids=["all bytes", "line ends", "quotes", "half frames", "deep", "bad checksums", "calls without an id"],
)
def test_garbage_over_tcp_and_serial_costs_no_one_else_anything(garbage: bytes) -> None:
    async def test() -> None:
        async with served() as bench:
            terminal = os.open(bench.serial.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            try:
                reader, writer = await connect(bench.tcp)
                writer.write(garbage)
                for start in range(0, len(garbage), 2048):
                    await _typed(terminal, garbage[start : start + 2048])
                await is_well(bench)
                writer.write_eof()
                await drained(reader)
                writer.close()
                await _typed(terminal, b'\n"""' + STATUS + b'"""\n')
                seen = b""
                while FINE not in seen:
                    try:
                        seen = seen[-4096:] + os.read(terminal, 4096)
                    except BlockingIOError:
                        await asyncio.sleep(0.001)
            finally:
                os.close(terminal)

    run(test)


async def _typed(terminal: int, data: bytes) -> None:
    while data:
        try:
            data = data[os.write(terminal, data) :]
        except BlockingIOError:
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("link", ["tcp", "http"])
@pytest.mark.parametrize("says", [b"", b'{"id":1,"method":"RPC', b"POST /rpc HTTP/1.1\r\nHo"])
def test_a_hundred_peers_that_say_nothing_whole_keep_nobody_out(link: str, says: bytes) -> None:
    async def test() -> None:
        async with served() as bench:
            reader, writer = await connect(bench.tcp)
            await tcp_call(reader, writer, STATUS)
            crowd = [await connect(getattr(bench, link)) for _ in range(100)]
            for _, one in crowd:
                one.write(says)
            await is_well(bench)
            assert FINE in await tcp_call(reader, writer, STATUS), "who has spoken is not pushed out by who has not"
            writer.close()
            ended = [asyncio.create_task(drained(one)) for one, _ in crowd]
            await eventually(lambda: sum(task.done() for task in ended) >= 100 - MAX_PEERS)
            for _, one in crowd:
                one.close()
            await asyncio.wait(ended)

    run(test)


def test_a_peer_that_does_not_end_its_head_is_hung_up_on() -> None:
    async def test() -> None:
        async with served(patience_s=0.1) as bench:
            reader, writer = await connect(bench.http)
            writer.write(b"GET /rpc/RPC.List HTTP/1.1\r\nX: ")
            assert await drained(reader) == b""
            writer.close()
            await is_well(bench)

    run(test)


def test_a_body_that_does_not_come_ends_the_connection() -> None:
    async def test() -> None:
        async with served(patience_s=0.1) as bench:
            reader, writer = await connect(bench.http)
            writer.write(b"POST /rpc HTTP/1.1\r\nHost: d\r\nContent-Length: 50\r\n\r\n{")
            assert await drained(reader) == b""
            writer.close()
            await is_well(bench)

    run(test)


def test_a_body_without_end_is_refused_and_not_kept() -> None:
    async def test() -> None:
        async with served() as bench:
            reader, writer = await connect(bench.http)
            writer.write(b"POST /rpc HTTP/1.1\r\nHost: d\r\nContent-Length: 99999999999\r\n\r\n")
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            writer.write(b" " * 70_000)
            answer = await http_answer(reader)
            assert (answer.status, answer.body) == (413, b"Payload Too Large\r\n")
            for _ in range(50):
                writer.write(b" " * 100_000)
            await is_well(bench)
            assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 << 10
            writer.transport.abort()

    run(test)


def test_a_body_that_says_it_is_compressed_is_taken_for_what_it_is() -> None:
    async def test() -> None:
        async with served() as bench:
            answer = await http_call(bench, "POST", "/rpc", b"\x1f\x8b" + b"\0" * 20, Content_Encoding="gzip")
            assert (answer.status, answer.body) == (400, b"Invalid request\r\n")

    run(test)


@pytest.mark.parametrize(
    "head",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 64,
        b"GET /rpc/RPC.List\r\n\r\n",
        b"GET " + b"/" * 20_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /rpc/RPC.List HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(2000)) + b"\r\n",
        b"POST /rpc HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"POST /rpc HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n",
        b"POST /update HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=" + b"b" * 300 + b"\r\n"
        b"Content-Length: 3\r\n\r\nabc",
        b"GET /rpc HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        b"GET /rpc HTTP/1.1\r\nHost: d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" + b"\xff" * 500,
    ],
)  # fmt: skip
def test_what_is_no_http(head: bytes) -> None:
    async def test() -> None:
        async with served() as bench:
            reader, writer = await connect(bench.http)
            writer.write(head)
            seen = await drained(reader)
            if seen and not head.startswith(b"GET /rpc/RPC.List\r\n"):  # which is HTTP 0.9
                assert seen.split(b" ")[1] in (b"400", b"101")
            assert b"Traceback" not in seen
            writer.close()
            await is_well(bench)

    run(test)


def test_a_peer_that_does_not_read_is_hung_up_on() -> None:
    async def test() -> None:
        async with served() as bench:
            reader, writer = await connect(bench.tcp)
            reader._transport.pause_reading()  # type: ignore[attr-defined]
            asking = b'{"id":1,"method":"Config.Get"}\n' * 100
            try:
                while True:
                    writer.write(asking)
                    await writer.drain()
            except ConnectionError:
                pass
            writer.close()
            await is_well(bench)

    run(test)


def test_a_flood_over_one_link_leaves_the_others_their_turn() -> None:
    async def test() -> None:
        async with served() as bench:
            floods = [await connect(bench.tcp) for _ in range(10)]

            async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                while True:
                    writer.write(STATUS + b"\n")
                    await next_frame(reader)

            tasks = [asyncio.create_task(flood(*one)) for one in floods]
            body, headers = form(("file", "fw.zip", bundle()))
            answer: Answer = await http_call(bench, "POST", "/update", body, **headers)
            assert answer.status == 200
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            for _, writer in floods:
                writer.close()

    run(test)


class _Guest:
    def __init__(self) -> None:
        self.is_out = False

    def abort(self) -> None:
        self.is_out = True


@given(st.lists(st.tuples(st.sampled_from(["came", "heard", "gone"]), st.integers(0, 30)), max_size=200))
def test_there_are_never_too_many_peers_and_the_silent_go_first(steps: list[tuple[str, int]]) -> None:
    peers = Peers(4)
    guests: list[_Guest] = []
    heard: set[_Guest] = set()
    for step, number in steps:
        inside = [guest for guest in guests if not guest.is_out]
        if step == "came":
            silent = [guest for guest in inside if guest not in heard]
            guests.append(_Guest())
            peers.came(guests[-1])
            if len(inside) == 4:
                assert [guest.is_out for guest in inside].count(True) == 1
                assert not silent or silent[0].is_out, "the longest silent one"
        elif inside:
            guest = inside[number % len(inside)]
            if step == "heard":
                peers.heard(guest)
                heard.add(guest)
            else:
                peers.gone(guest)
                guest.is_out = True
        assert len(peers) == sum(not guest.is_out for guest in guests) <= 4


TARGETS = st.sampled_from(
    ["/rpc", "/rpc/", "/rpc/OTA.Status", "/rpc/Config.Set", "/rpc/OTA.Write", "/rpc/%00", "/rpc/*"]
)


@settings(deadline=None, max_examples=150)
@given(
    st.sampled_from(["GET", "POST", "PUT", "OPTIONS", "X"]),
    TARGETS,
    st.text(max_size=60),
    st.one_of(st.binary(max_size=200), st.text(max_size=100).map(str.encode)),
    st.text(max_size=60),
)
def test_any_request_is_answered_once(method: str, path: str, query: str, body: bytes, authorization: str) -> None:
    device = Powered()
    answers: list[HttpAnswer] = []
    asked = HttpRequest(method, f"{path}?{query}", path, query, (("authorization", authorization),), "p")
    assert is_rpc(path)
    device.node.do(lambda app: answer_rpc(app, asked, body, answers.append))
    assert len(answers) == 1
    assert answers[0].status in (200, 400, 404, 500)
    assert not answers[0].body or answers[0].body.endswith(b"\r\n")
    assert all("\n" not in value for _, value in answers[0].headers)


def test_the_cuts_of_an_upload_do_not_matter() -> None:
    body, headers = form(("file", "fw.zip", bundle()), ("commit_timeout", None, b"9"))

    async def test() -> None:
        async with served() as bench:
            reader, writer = await connect(bench.http)
            kind = f"Content-Type: {headers['Content_Type']}\r\nTransfer-Encoding: chunked"
            writer.write(f"POST /update HTTP/1.1\r\nHost: d\r\n{kind}\r\n\r\n".encode())
            bounds = [0, 1, 2, 50, 51, 700, len(body) - 3, len(body)]
            for low, high in pairwise(bounds):
                writer.write(f"{high - low:x}\r\n".encode() + body[low:high] + b"\r\n")
                await writer.drain()
            writer.write(b"0\r\n\r\n")
            assert (await http_answer(reader)).body == b"1 Update applied, finalizing\r\n"
            await bench.log.until("on trial for 9 s")
            writer.close()

    run(test)
