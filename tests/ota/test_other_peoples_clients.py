"""Clients nobody here wrote, used as their own pages show: a WebSocket library and pyserial. (curl and mosquitto's are
beside the links they use.)"""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode

import pytest

from tests.ota.served import bundle, run, served

websockets = pytest.importorskip("websockets", reason="the WebSocket client is not installed")
serial = pytest.importorskip("serial", reason="pyserial is not installed")

LIST = b'{"id":1,"src":"me","method":"RPC.List"}'
STATE = '{"id":2,"src":"me","method":"OTA.GetBootState"}'


def chunks(archive: bytes) -> list[dict[str, object]]:
    """The calls of an update, as anybody can write them down from the documentation."""
    begin = {"method": "OTA.Begin", "params": {"size": len(archive), "commit_timeout": 30}}
    writes = [
        {"method": "OTA.Write", "params": {"offset": at, "data": b64encode(archive[at : at + 1024]).decode()}}
        for at in range(0, len(archive), 1024)
    ]
    return [begin, *writes, {"method": "OTA.End"}]


def test_a_websocket_library_updates_the_device_and_commits() -> None:
    async def test() -> None:
        async with served() as bench:
            address = f"ws://127.0.0.1:{bench.http.address[1]}/rpc"
            async with websockets.connect(address) as link:
                for number, call in enumerate(chunks(bundle()), 1):
                    await link.send(json.dumps({"id": number, "src": "me", **call}))
                    answer = json.loads(await link.recv())
                    assert answer["id"] == number
                    assert "error" not in answer, answer
            await bench.log.until("from slot 1")
            async with websockets.connect(address) as link:
                await link.send('{"id":1,"src":"me","method":"OTA.Commit"}')
                assert "error" not in json.loads(await link.recv())
                await link.send(STATE)
                assert json.loads(await link.recv())["result"]["is_committed"] is True

    run(test)


def test_pyserial_talks_to_the_console() -> None:
    """Blocking, in a thread, as a script of a test bench would."""

    def talk(path: str) -> tuple[bytes, dict[str, object]]:
        with serial.Serial(path, 115_200, timeout=5) as port:
            port.write(b'"""' + LIST + b'"""')
            listed = _frame(port)
            port.write(STATE.encode() + b"\n")
            return listed, json.loads(_frame(port))

    def _frame(port: object) -> bytes:
        for _ in range(200):
            line: bytes = port.read_until(b'"""')  # type: ignore[attr-defined]
            frame = line.removesuffix(b'"""').strip()
            if frame.startswith(b"{"):
                return frame
        raise AssertionError("no frame came")

    async def test() -> None:
        async with served() as bench:
            listed, state = await asyncio.to_thread(talk, bench.serial.path)
            assert {"OTA.Begin", "OTA.Commit", "Sys.Reboot"} <= set(json.loads(listed)["result"])
            assert state["result"]["active_slot"] == 0  # type: ignore[index]

    run(test)
