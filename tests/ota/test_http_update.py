"""POST /update and its neighbours: streamed uploads, what is answered when they fail, the place for a pull."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.ota.served import (
    Answer,
    Bench,
    bundle,
    connect,
    eventually,
    form,
    http_call,
    make_device,
    run,
    served,
)
from tests.ota.test_http_rpc import curl
from updater.reception import OtaState

TEXT = {"content-type": "text/plain", "connection": "close"}
OK = b"1 Update applied, finalizing\r\n"


async def post(bench: Bench, *parts: tuple[str, str | None, bytes]) -> Answer:
    body, headers = form(*parts)
    return await http_call(bench, "POST", "/update", body, **headers)


@pytest.mark.parametrize("first", ["file", "variable"])
def test_the_commit_timeout_may_come_before_or_after_the_file(first: str) -> None:
    parts = [("file", "fw.zip", bundle()), ("commit_timeout", None, b"77")]

    async def test() -> None:
        async with served() as bench:
            answer = await post(bench, *(parts if first == "file" else parts[::-1]))
            assert (answer.status, answer.body) == (200, OK)
            assert TEXT.items() <= answer.headers.items()
            replied_us = bench.device.node.now_us
            await bench.log.until("on trial for 77 s")
            reset_us = next(at_us for at_us, line in bench.log.lines if "reset by software" in line)
            assert 90_000 < reset_us - replied_us <= 101_000
            done = await http_call(bench, "GET", "/update/commit")
            assert (done.status, done.body) == (200, b"Ok\r\n")
            assert bench.app.control.state().is_committed
            again = await http_call(bench, "GET", "/update/commit")
            assert (again.status, again.body) == (400, b"Error\r\n")

    run(test)


def test_a_trial_is_reverted_and_the_device_reboots_into_what_was_before() -> None:
    async def test() -> None:
        async with served() as bench:
            assert (await http_call(bench, "GET", "/update/revert")).status == 400
            await post(bench, ("commit_timeout", None, b"600"), ("file", "fw.zip", bundle()))
            await bench.log.until("demo 2.0.0")
            assert (await http_call(bench, "GET", "/update/revert")).body == b"Ok\r\n"
            await bench.log.until("demo 1.0.0", 2)

    run(test)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (bundle(platform="other"), b"Wrong platform"),
        (bundle()[:-200].replace(b"PK\x01\x02", b"PK\x00\x02"), b""),
        (b"no archive at all" * 10, b""),
    ],
)
def test_what_is_refused_is_told_with_its_code_and_leaves_the_device_as_it_was(content: bytes, said: bytes) -> None:
    async def test() -> None:
        async with served() as bench:
            answer = await post(bench, ("file", "fw.zip", content))
            assert answer.status == 500
            assert answer.body.startswith(b"-")
            assert answer.body.endswith(said + b"\r\n")
            assert bench.app.ota.context is None
            assert (await post(bench, ("file", "fw.zip", bundle()))).status == 200

    run(test)


@pytest.mark.parametrize(
    ("parts", "status", "said"),
    [
        ([], 400, b"No file in the form.\r\n"),
        ([("commit_timeout", None, b"5")], 400, b"No file in the form.\r\n"),
        ([("file", "a", bundle()), ("commit_timeout", None, b"99999999999")], 400, b"Invalid commit_timeout.\r\n"),
        ([("v", None, b"x" * 2000)], 400, b"Malformed form: the variable 'v' has more than 1024 bytes\r\n"),
        ([("v", None, b"")] * 17, 400, b"Malformed form: more than 16 parts\r\n"),
    ],
)
def test_forms_that_are_no_update(parts: list[tuple[str, str | None, bytes]], status: int, said: bytes) -> None:
    async def test() -> None:
        async with served() as bench:
            answer = await post(bench, *parts)
            assert (answer.status, answer.body) == (status, said)
            assert bench.app.ota.context is None

    run(test)


def test_a_form_without_an_end_and_one_whose_head_is_too_long() -> None:
    body, headers = form(("file", "fw.zip", bundle()))
    long = f'--xYzZY\r\nContent-Disposition: form-data; name="{"n" * 9000}"\r\n\r\n'.encode()

    async def test() -> None:
        async with served() as bench:
            for broken in (body[: -len("--xYzZY--\r\n") - 2], long, b"--other\r\n"):
                answer = await http_call(bench, "POST", "/update", broken, **headers)
                assert answer.status == 400
                assert answer.body.startswith(b"Malformed form: ")
                assert bench.app.ota.context is None

    run(test)


def test_uploads_can_be_switched_off() -> None:
    device = make_device()
    device.settings.merge({"update": {"enable_post": False}})

    async def test() -> None:
        async with served(device) as bench:
            answer = await post(bench, ("file", "fw.zip", bundle()))
            assert (answer.status, answer.body) == (400, b"POST updates are disabled.\r\n")

    run(test)


async def half_sent(bench: Bench) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """An upload of which the first half has been taken."""
    body, headers = form(("file", "fw.zip", bundle()))
    reader, writer = await connect(bench.http)
    head = f"POST /update HTTP/1.1\r\nHost: d\r\nContent-Type: {headers['Content_Type']}\r\nContent-Length: {len(body)}"
    writer.write(f"{head}\r\n\r\n".encode() + body[: len(body) // 2])
    await eventually(lambda: bench.app.ota.expected_offset > 1000)
    return reader, writer


def test_one_update_at_a_time_and_one_that_is_broken_off_makes_room() -> None:
    async def test() -> None:
        async with served() as bench:
            _, writer = await half_sent(bench)
            other = await post(bench, ("file", "fw.zip", bundle()))
            assert (other.status, other.body) == (409, b"Another update is in progress.\r\n")
            pull = await http_call(bench, "GET", "/update?url=http://x/")
            assert (pull.status, pull.body) == (409, b"Another update is in progress.\r\n")
            writer.close()
            await bench.log.until("error: Connection closed")
            assert bench.app.ota.context is None
            assert bench.app.ota.status().state is OtaState.ERROR
            assert (await post(bench, ("file", "fw.zip", bundle()))).body == OK

    run(test)


def test_a_trial_takes_no_update() -> None:
    async def test() -> None:
        async with served() as bench:
            await post(bench, ("commit_timeout", None, b"600"), ("file", "fw.zip", bundle()))
            await bench.log.until("demo 2.0.0")
            answer = await post(bench, ("file", "fw.zip", bundle()))
            assert (answer.status, answer.body) == (409, b"Failed to create updater context.\r\n")

    run(test)


def test_a_reset_ends_an_upload() -> None:
    async def test() -> None:
        async with served() as bench:
            reader, writer = await half_sent(bench)
            await bench.serving.press_reset()
            assert await reader.read() == b""
            writer.close()
            assert bench.app.ota.context is None
            assert bench.app.ota.status().state is OtaState.IDLE

    run(test)


def test_curl_sends_a_file(tmp_path: Path) -> None:
    path = tmp_path / "fw.zip"
    path.write_bytes(bundle())

    async def test() -> None:
        async with served() as bench:
            url = "http://{}:{}/update".format(*bench.http.address)
            assert await curl("-F", f"file=@{path}", "-F", "commit_timeout=9", url) == OK
            await bench.log.until("on trial for 9 s")

    run(test)


@pytest.mark.parametrize(
    ("method", "target", "body", "status", "said"),
    [
        ("GET", "/update", b"", 400, b"Update URL not specified and none is configured.\r\n"),
        ("POST", "/update", b"", 400, b"Update URL not specified and none is configured.\r\n"),
        ("GET", "/update?url=http://x/fw.zip", b"", 500, b"(-10) Failed to connect\r\n"),
        ("POST", "/update", b"url=http%3A%2F%2Fx", 500, b"(-10) Failed to connect\r\n"),
        ("GET", "/update?url=u&commit_timeout=99999999999", b"", 400, b"Invalid commit_timeout.\r\n"),
    ],
)
def test_a_device_that_reaches_no_server(method: str, target: str, body: bytes, status: int, said: bytes) -> None:
    async def test() -> None:
        async with served() as bench:
            answer = await http_call(bench, method, target, body)
            assert (answer.status, answer.body) == (status, said)

    run(test)


class Shop:
    """A server of updates: answers each path with bytes as they stand, and remembers what it was asked."""

    def __init__(self, answers: dict[str, bytes]) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.asked.append(head)
        writer.write(self.answers.get(head.split()[1], b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"))
        writer.close()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield
        finally:
            server.close()


def page(body: bytes, status: str = "200 OK", *headers: str, length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {size}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


ANSWERS = {
    "/fw.zip": page(bundle()),
    "/moved": page(b"", "302 Found", "Location: /fw.zip"),
    "/round": page(b"", "301 Moved", "Location: /round"),
    "/same": page(b"", "304 Not Modified"),
    "/chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "/short": page(bundle()[:2000], length=9000),
    "/junk": b"\x00\xff nonsense\r\n\r\n",
    "/other": page(bundle(platform="other")),
}


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/fw.zip", 200, b"(1) Update applied, finalizing\r\n"),
        ("/moved", 200, b"(1) Update applied, finalizing\r\n"),
        ("/round", 500, b"(-301) Too many redirects\r\n"),
        ("/same", 200, b"(1) Not Modified\r\n"),
        ("/chunked", 500, b"(-1) Invalid content-length, perhaps chunked-encoding\r\n"),
        ("/short", 500, b"(-1) Update failed\r\n"),
        ("/junk", 500, b"(-10) Failed to connect\r\n"),
        ("/nothing", 500, b"(-404) Invalid HTTP response code\r\n"),
        ("/other", 500, b"(-1) Wrong platform\r\n"),
    ],
)
def test_an_update_is_fetched_and_the_answer_tells_how_it_ended(path: str, status: int, said: bytes) -> None:
    shop = Shop(ANSWERS)

    async def test() -> None:
        async with shop.open(), served(servers=True) as bench:
            answer = await http_call(bench, "GET", f"/update?url={shop.url}{path}&commit_timeout=30")
            assert (answer.status, answer.body) == (status, said)
            assert bench.app.ota.context is None
            if b"applied" in said:
                await bench.log.until("demo 2.0.0 (b2) from slot 1: first boot of a new image, on trial for 30 s")
            assert "X-MGOS-FW-Version: demo 1.0.0 factory\r\n" in shop.asked[0]
            assert "Accept" not in shop.asked[0]

    run(test)


def test_a_reset_ends_what_is_being_fetched() -> None:
    shop = Shop({"/fw.zip": page(bundle()[:3000], length=6000)})

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(shop.answers["/fw.zip"])
        assert await reader.read() == b"", "the device has hung up"
        shop.asked.append("ended")
        writer.close()

    shop.serve = hold  # type: ignore[method-assign]

    async def test() -> None:
        async with shop.open(), served(servers=True) as bench:
            asking = asyncio.create_task(http_call(bench, "GET", f"/update?url={shop.url}/fw.zip"))
            await eventually(lambda: bench.app.ota.expected_offset == 3000)
            await bench.serving.press_reset()
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await asking
            await eventually(lambda: bool(shop.asked))
            assert (await http_call(bench, "GET", "/rpc/OTA.Status")).body.startswith(b'{"state":0,')

    run(test)
