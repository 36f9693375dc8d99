"""`brownout shadow`: an update that is desired, waited for, and what is said of it, through a real broker."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.emu.cli.command import ROOT, Brownout, Ran, process
from tests.ota.conftest import PATIENCE_S, Mosquitto
from tests.ota.served import bundle, http_call, make_device, run, served
from tests.ota.web import web

ID = "brownout_000001"


@pytest.fixture
def brownout(capsys: pytest.CaptureFixture[str]) -> Brownout:
    return Brownout(capsys)


async def shadow(broker: Mosquitto, *arguments: str | Path, thing: str = ID) -> Ran:
    return await asyncio.to_thread(process, "shadow", "--mqtt", broker.url, "--device-id", thing, *arguments)


def reports(ran: Ran) -> list[dict[str, object]]:
    """What the device has reported of its update, as it was printed."""
    lines = [line.split("reported.ota ", 1) for line in ran.out.splitlines()]
    return [json.loads(line[1]) for line in lines if len(line) == 2]


def test_an_update_that_is_desired_is_waited_for(broker: Mosquitto, tmp_path: Path) -> None:
    state = tmp_path / "shadow.json"

    async def test() -> None:
        with web(bundle()) as host:
            url = f"{host}/fw.zip"
            async with served(mqtt=broker.url, servers=True) as bench:
                ran = await shadow(broker, "--desire-url", url, "--state", state)
                assert (ran.code, ran.err) == (0, "")
                told = reports(ran)
                assert told[0] == {"code": 0, "message": "Starting"}
                assert told[-1] == {"code": 1, "message": "Update applied, finalizing", "url": url}
                assert f"{ID} is done with {url}: Update applied, finalizing" in ran.out
                assert f"\n  brownout call --port {broker.url}/{ID} OTA.Commit\n" in ran.out
                await bench.log.until("boot: demo 2.0.0")
                await http_call(bench, "GET", "/update/commit")

                kept = json.loads(state.read_text())
                assert (kept["thing"], kept["state"]["reported"]["ota"]) == (ID, told[-1])
                (tmp_path / "desired.json").write_text(json.dumps({"state": {"desired": {"ota": {"url": f"{url}?2"}}}}))
                ran = await shadow(broker, "--desire", tmp_path / "desired.json", "--state", state, "--timeout", "15")
                said = f"brownout: {ID} says that its update failed: error -404: Invalid HTTP response code\n"
                assert (ran.code, ran.err) == (1, said)
                assert ran.out.startswith(f"shadow     {ID} on {broker.url}, version {kept['version'] + 1}\n")

                ran = await shadow(broker, "--desire-url", f"{url}?2", "--timeout", "0.5")
                assert ran.code == 3
                assert ran.err.startswith(f"brownout: {ID} has not begun its update in 0.5 s: ")
                assert "A device tries an URL once" in ran.err

    run(test)


def test_what_was_reported_before_is_not_waited_for(tmp_path: Path, brownout: Brownout) -> None:
    """Nobody is asked: there is no such broker."""
    state = tmp_path / "shadow.json"
    ota = {"url": "http://host/fw.zip"}
    state.write_text(json.dumps({"thing": ID, "version": 3, "state": {"desired": {}, "reported": {"ota": ota}}}))
    common = ("shadow", "--mqtt", "mqtt://127.0.0.1:1", "--device-id", ID, "--state", state)
    ran = brownout(*common, "--desire-url", ota["url"])
    assert (ran.code, ran.out) == (0, f"{ID} has reported this update before: {ota['url']}\n")
    assert json.loads(state.read_text())["version"] == 4
    assert "no broker takes us" in brownout.refused(*common, "--desire-url", "http://host/other.zip")
    assert json.loads(state.read_text())["state"]["desired"] == {"ota": {"url": "http://host/other.zip"}}


def test_a_device_that_is_not_there_catches_up_and_one_that_never_comes_is_told(broker: Mosquitto) -> None:
    async def test() -> None:
        with web(bundle()) as host:
            waiting = asyncio.create_task(shadow(broker, "--desire-url", f"{host}/fw.zip", "--timeout", "15"))
            nobody = await shadow(broker, "--desire-url", "http://x/", "--timeout", "0.3", thing="nobody")
            assert (nobody.code, nobody.err.split(" A ")[0]) == (
                3,
                "brownout: nobody has not begun its update in 0.3 s: is it on this broker, under this id?",
            )
            assert not waiting.done()
            async with served(make_device(), mqtt=broker.url, servers=True):
                ran = await waiting
            assert (ran.code, "the device asks for its shadow" in ran.out) == (0, True)

    run(test)


def test_without_an_update_it_serves_until_it_is_interrupted(broker: Mosquitto) -> None:
    async def test() -> None:
        command = [sys.executable, "-m", "emu", "shadow", "--mqtt", broker.url, "--device-id", ID]
        program = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert program.stdout is not None
        try:
            first = await asyncio.to_thread(program.stdout.readline)
            assert first.decode() == f"shadow     {ID} on {broker.url}, version 0\n"
            async with served(mqtt=broker.url):
                seen = b""
                while b"get/rejected: 404 No shadow exists" not in seen:
                    seen += await asyncio.to_thread(program.stdout.readline)
            program.send_signal(signal.SIGINT)
            _, err = await asyncio.to_thread(program.communicate, None, PATIENCE_S)
            assert (program.returncode, err) == (130, b"")
        finally:
            program.kill()
            program.communicate()

    run(test)


def test_errors_are_one_line(tmp_path: Path, brownout: Brownout) -> None:
    def written(name: str, text: str) -> Path:
        (tmp_path / name).write_text(text)
        return tmp_path / name

    common = ("--mqtt", "mqtt://127.0.0.1:1", "--device-id", ID)
    url = ("--desire-url", "http://x/")
    for arguments, part in (
        (("--device-id", ID), "--mqtt"),
        (("--mqtt", "http://x", "--device-id", ID), "no address of a broker"),
        ((*common, *url), "no broker takes us"),
        (("--mqtt", "mqtt://x", "--device-id", "a/b"), "cannot stand in a topic"),
        ((*common, "--desire-url", ""), "--desire-url is empty"),
        ((*common, *url, "--desire", written("a", "{}")), "are both given"),
        ((*common, "--desire", tmp_path / "missing"), "cannot be read"),
        ((*common, "--desire", written("b", "")), "Missing required node: state"),
        ((*common, "--desire", written("c", "{")), "invalid json"),
        ((*common, "--desire", written("d", '{"state": {"wished": {}}}')), "State contains an invalid node"),
        ((*common, "--desire", written("e", '{"state": {}, "version": 7}')), "Version conflict"),
        ((*common, "--desire", written("f", "x" * 10_000)), "has 10000 bytes, more than the 8192"),
        ((*common, "--state", written("g", "{}")), "is no shadow's document"),
        ((*common, "--state", written("h", "[" * 50_000)), "is no shadow's document"),
        ((*common, "--state", written("i", '{"thing": "other", "version": 1, "state": null}')), "the shadow of other"),
        ((*common, "--state", tmp_path / "no" / "state"), "there is no folder"),
        ((*common, "--desire", tmp_path / "b", "--state", tmp_path / "b"), "would be overwritten"),
        ((*common, "--timeout", "0", *url), "--timeout"),
    ):  # fmt: skip
        assert part in brownout.refused("shadow", *arguments), arguments
