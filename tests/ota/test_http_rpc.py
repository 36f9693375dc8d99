"""RPC over HTTP and WebSocket, by status codes, headers and bodies; some of it through curl."""

from __future__ import annotations

import asyncio
import hashlib
import re

import aiohttp
import pytest

from emu.ota.mongoose.acl import Acl
from emu.ota.mongoose.digest import Algorithm, Passwords, password_hash, response
from emu.ota.mongoose.guard import Guard
from tests.ota.served import http_call, make_device, run, served

CORS = {"content-type": "application/json", "access-control-allow-origin": "*", "access-control-allow-headers": "*"}
SLOT = b'{"active_slot": 0, "is_committed": true, "revert_slot": -1, "commit_timeout": 0}\r\n'
PING = b'{"id":9,"src":"me","tag":"x","method":"RPC.Ping"}'


@pytest.mark.parametrize(
    ("method", "target", "body", "status", "said"),
    [
        ("GET", "/rpc/OTA.GetBootState", b"", 200, SLOT),
        ("POST", "/rpc/OTA.GetBootState", b"", 200, SLOT),
        ("POST", "/rpc/ota.getbootstate", b"{}", 200, SLOT),
        ("POST", "/rpc", b'{"id":1,"method":"OTA.GetBootState"}', 200,
         b'{"id":1,"src":"brownout_000001","result":' + SLOT.strip() + b"}\r\n"),
        ("POST", "/rpc/", b'{"id":1,"src":"m","method":"Nope"}', 200,
         b'{"id":1,"src":"brownout_000001","dst":"m","error":{"code":404,"message":"No handler for Nope"}}\r\n'),
        ("POST", "/rpc/Nope", b"", 404, b'{"code":404,"message":"No handler for Nope"}\r\n'),
        ("POST", "/rpc/OTA.Commit", b"", 500, b'{"code":-1}\r\n'),
        ("GET", "/rpc/Config.Get?key=%22update.timeout%22", b"", 200, b"600\r\n"),
        ("GET", "/rpc/Config.Get?key=update.timeout", b"", 200, None),
        ("POST", "/rpc/Config.Get", b'{"key":"update.timeout"}', 200, b"600\r\n"),
        ("POST", "/rpc/Config.Get", b"\xff\xfe", 200, None),
        ("POST", "/rpc", b"not json", 400, b"Invalid request\r\n"),
        ("POST", "/rpc", b"", 400, b"Invalid request\r\n"),
        ("POST", "/rpc", b'{"id":1,"dst":"other","method":"RPC.List"}', 400, b"Invalid request\r\n"),
        ("POST", "/rpc", b'{"method":"RPC.List"}', 200, b"\r\n"),
        ("POST", "/rpc", b'{"id":1,"method":"X","params":"' + b"x" * 4096 + b'"}', 400, b"Invalid request\r\n"),
        ("GET", "/rpcx", b"", 404, b"Not Found\r\n"),
        ("GET", "/../../etc/passwd", b"", 404, b"Not Found\r\n"),
        ("GET", "/rpc/../update/commit", b"", 404, b'{"code":404,"message":"No handler for ../update/commit"}\r\n'),
        ("OPTIONS", "/rpc/RPC.List", b"", 200, b""),
        ("OPTIONS", "/rpc", b"", 200, b""),
    ],
)  # fmt: skip
def test_statuses_and_bodies(method: str, target: str, body: bytes, status: int, said: bytes | None) -> None:
    async def test() -> None:
        async with served() as bench:
            answer = await http_call(bench, method, target, body)
            assert answer.status == status
            if said is not None:
                assert answer.body == said
            assert answer.headers["content-length"] == str(len(answer.body))
            if answer.headers["content-type"] == "application/json":
                assert CORS.items() <= answer.headers.items()

    run(test)


def test_no_header_but_those_of_a_device() -> None:
    async def test() -> None:
        async with served() as bench:
            answer = await http_call(bench, "GET", "/rpc/RPC.List")
            assert set(answer.headers) == set(CORS) | {"content-length", "connection"}
            assert len(answer.names) == len(set(answer.names))
            text = await http_call(bench, "GET", "/nothing")
            assert set(text.headers) == {"content-type", "content-length", "connection"}

    run(test)


def test_a_connection_is_kept_for_those_who_ask_in_so_many_words() -> None:
    async def test() -> None:
        async with served() as bench:
            assert (await http_call(bench, "GET", "/rpc/RPC.List")).headers["connection"] == "close"
            kept = await http_call(bench, "GET", "/rpc/RPC.List", Connection="Keep-Alive")
            assert kept.headers["connection"] == "keep-alive"
            reader, writer = await asyncio.open_connection(*bench.http.address)
            for _ in range(3):
                writer.write(b"GET /rpc/OTA.GetBootState HTTP/1.1\r\nHost: d\r\nConnection: keep-alive\r\n\r\n")
                head = await reader.readuntil(b"\r\n\r\n")
                assert b" 200 " in head
                assert await reader.readexactly(len(SLOT)) == SLOT
            writer.close()

    run(test)


def guard(acl: str = '[{"method":"**","acl":"?**"}]', algorithm: Algorithm = Algorithm.MD5) -> Guard:
    hashed = password_hash(algorithm, "joe", "RPC", "secret")
    passwords = Passwords.parse(f"joe:RPC:{hashed}\n", "passwords", algorithm)
    return Guard(Acl.parse(acl), lambda: passwords, "RPC", algorithm)


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_a_digest_in_a_header_says_who_is_calling(algorithm: Algorithm) -> None:
    async def test() -> None:
        async with served(make_device(guard=guard(algorithm=algorithm))) as bench:
            target = "/rpc/OTA.GetBootState?a=1"
            asked = await http_call(bench, "GET", target)
            assert (asked.status, asked.body, asked.headers["connection"]) == (401, b"", "close")
            challenge = asked.headers["www-authenticate"]
            nonce = re.fullmatch(
                rf'Digest qop="auth", realm="RPC", nonce="([0-9a-f]+)", algorithm={algorithm.value}', challenge
            )
            assert nonce is not None

            def header(password: str, signed: str = target) -> str:
                ha1 = password_hash(algorithm, "joe", "RPC", password)
                proof = response(algorithm, ha1, nonce[1], "c", "00000001", "GET", signed)
                return (
                    f'Digest username="joe", realm="RPC", nonce="{nonce[1]}", uri="{signed}", cnonce="c", '
                    f'nc=00000001, qop=auth, response="{proof}", algorithm={algorithm.value}'
                )

            assert (await http_call(bench, "GET", target, Authorization=header("secret"))).body == SLOT
            assert (await http_call(bench, "GET", target, Authorization=header("wrong"))).status == 401
            other = await http_call(bench, "GET", target, Authorization=header("secret", "/rpc/RPC.List"))
            assert other.status == 401, "a digest counts for the address it was made for"

    run(test)


@pytest.mark.parametrize("target", ["/rpc/OTA.Commit", "/update/commit", "/update/revert", "/update", "/update?url=u"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_with_access_rules_every_address_demands_them(target: str, method: str) -> None:
    async def test() -> None:
        async with served(make_device(guard=guard())) as bench:
            assert (await http_call(bench, method, target)).status == 401
        async with served(make_device(guard=guard('[{"method":"RPC.*","acl":"*"}]'))) as bench:
            assert (await http_call(bench, method, target)).status == 403

    run(test)


def test_curl_logs_in_and_is_answered() -> None:
    async def test() -> None:
        async with served(make_device(guard=guard())) as bench:
            url = "http://{}:{}".format(*bench.http.address)
            assert await curl("--digest", "-u", "joe:secret", f"{url}/rpc/OTA.GetBootState") == SLOT
            assert await curl("--digest", "-u", "joe:secret", "-d", '{"key":"update.timeout"}', f"{url}/rpc/Config.Get")
            wrong = "--digest", "-u", "joe:no", "-o", "/dev/null", "-w", "%{http_code}"
            assert await curl(*wrong, f"{url}/rpc/OTA.GetBootState") == b"401"

    run(test)


async def curl(*arguments: str) -> bytes:
    program = await asyncio.create_subprocess_exec("curl", "-s", "-m", "10", *arguments, stdout=asyncio.subprocess.PIPE)
    out, _ = await program.communicate()
    assert program.returncode == 0
    return out


def test_a_websocket_carries_a_frame_in_each_message_text_or_binary() -> None:
    async def test() -> None:
        async with served() as bench, aiohttp.ClientSession() as session:
            url = "ws://{}:{}/rpc".format(*bench.http.address)
            async with session.ws_connect(url, headers={"Sec-WebSocket-Protocol": "clubby.cesanta.com, b"}) as ws:
                assert ws._response.headers["Sec-WebSocket-Protocol"] == "clubby.cesanta.com, b", "echoed as it came"
                await ws.send_str(PING.decode())
                text = await ws.receive_str()
                assert re.search(r'"dst":"me","tag":"x","result":\{"channel_info": "127.0.0.1:\d+"\}', text)
                await ws.send_bytes(PING)
                assert await ws.receive_str() == text
                await ws.send_str('{"id":1,"method":"Sys.Reboot"}')
                assert "null" in await ws.receive_str()
                assert (await ws.receive()).type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
                await bench.log.until("boot", 2)

    run(test)


@pytest.mark.parametrize("message", ["nonsense", "x" * 5000, "[" * 3000, '{"id":1,"dst":"x","method":"RPC.List"}'])
def test_a_websocket_is_closed_after_what_is_no_frame(message: str) -> None:
    async def test() -> None:
        async with served() as bench, aiohttp.ClientSession() as session:
            async with session.ws_connect("ws://{}:{}/rpc".format(*bench.http.address)) as ws:
                await ws.send_str(message)
                assert (await ws.receive()).type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
            assert (await http_call(bench, "GET", "/rpc/OTA.GetBootState")).body == SLOT

    run(test)


def test_a_hash_of_a_nonce_that_is_old_counts_for_nothing() -> None:
    ha1 = password_hash(Algorithm.MD5, "joe", "RPC", "secret")
    proof = response(Algorithm.MD5, ha1, "1", "c", "00000001", "GET", "/rpc/RPC.List")
    header = (
        f'Digest username="joe", realm="RPC", nonce="1", uri="/rpc/RPC.List", cnonce="c", nc=00000001, qop=auth, '
        f'response="{proof}"'
    )
    assert hashlib.md5(b"joe:RPC:secret", usedforsecurity=False).hexdigest() == ha1

    async def test() -> None:
        async with served(make_device(guard=guard())) as bench:
            assert (await http_call(bench, "GET", "/rpc/RPC.List", Authorization=header)).status == 401

    run(test)
