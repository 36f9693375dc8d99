"""Every link for real: the commands against a device on a pty, TCP, HTTP, WebSocket and a broker."""

from __future__ import annotations

import json
import os
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from emu.clock import Stopwatch
from emu.errors import LinkLost, LinkRefused
from emu.ota.links.client.http import HttpLink
from emu.ota.links.client.mqtt import MqttLink
from emu.ota.mongoose.client import Answered, Caller, RpcClient
from emu.ota.mongoose.ports import Port
from emu.ota.mongoose.session import Session
from tests.emu.cli.command import Brownout
from tests.ota.client import mosquitto
from tests.ota.client.device import DEVICE_ID, Device, archive, guarded
from tests.ota.client.served import Streams, on_http, on_websocket

Served = Callable[[Device, Path], AbstractContextManager[str]]


@contextmanager
def on_pty(device: Device, folder: Path) -> Iterator[str]:
    with Streams(device) as served:
        yield served.path


@contextmanager
def on_tcp(device: Device, folder: Path) -> Iterator[str]:
    with Streams(device) as served:
        yield f"tcp://127.0.0.1:{served.port}"


@contextmanager
def on_mqtt(device: Device, folder: Path) -> Iterator[str]:
    with mosquitto.broker(folder) as port, mosquitto.behind(port, device) as address:
        yield address


needs_broker = pytest.mark.skipif(mosquitto.PROGRAM is None, reason=mosquitto.MISSING)
LINKS = [
    pytest.param(on_pty, id="serial"),
    pytest.param(on_tcp, id="tcp"),
    pytest.param(lambda device, folder: on_http(device), id="http"),
    pytest.param(lambda device, folder: on_websocket(device), id="websocket"),
    pytest.param(on_mqtt, id="mqtt", marks=needs_broker),
]


@pytest.mark.parametrize("served", LINKS)
def test_a_device_is_updated_and_committed(served: Served, brownout: Brownout, firmware: Path, tmp_path: Path) -> None:
    device = Device()
    with served(device, tmp_path) as port:
        ran = brownout("ota", "--port", port, "--commit", firmware)
        assert (ran.code, ran.err) == (0, "")
        assert ran.out.startswith("demo 2.0.0 (b2) for demo\n6,554 bytes in 13 chunks: ")
        assert ran.out.endswith("the device is back with it, and it is committed\n")
        told = json.loads(brownout("call", "--port", port, "OTA.GetBootState").out)
    assert (told["active_slot"], told["is_committed"]) == (1, True)
    assert (device.slot, device.is_committed) == (1, True)
    assert device.calls.count("OTA.Write") == 13


@pytest.mark.parametrize("served", LINKS)
def test_a_call_answers_refuses_and_asks_who_is_there(served: Served, brownout: Brownout, tmp_path: Path) -> None:
    device = Device(guard=guarded("joe", "s3cret"))
    secret = tmp_path / "creds"
    secret.write_text("joe:s3cret\n", encoding="utf-8")
    with served(device, tmp_path) as port:
        ran = brownout("call", "--port", port, "--creds", f"@{secret}", "Config.Get", '{"key":\n "update"}')
        assert (ran.code, ran.err) == (0, "")
        assert json.loads(ran.out)["timeout"] == 600
        ran = brownout("call", "--port", port, "--creds", "joe:s3cret", "Nope")
        assert (ran.code, ran.out, ran.err) == (1, "", "brownout: Nope: error 404: No handler for Nope\n")
        ran = brownout("call", "--port", port, "Sys.GetInfo")
        assert (ran.code, ran.out) == (1, "")
        assert "error 401: the device wants a user and a password: give --creds" in ran.err
        ran = brownout("call", "--port", port, "--creds", "joe:other", "Sys.GetInfo")
        assert "the device does not know this user and password" in ran.err


@pytest.mark.parametrize("scheme", ["tcp", "ws", "http", "mqtt"])
def test_where_nobody_listens_is_told_at_once(scheme: str, brownout: Brownout) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"{scheme}://127.0.0.1:{server.getsockname()[1]}"
    text = brownout.refused("call", "--port", f"{address}/dev", "Sys.GetInfo", code=3)
    assert text.startswith(address)
    assert text.endswith("cannot connect: Connection refused")


@pytest.mark.parametrize("scheme", ["tcp", "http"])
def test_somebody_who_never_answers_is_not_waited_for(scheme: str, brownout: Brownout) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"{scheme}://127.0.0.1:{server.getsockname()[1]}"
        text = brownout.refused("call", "--port", address, "--timeout", "0.3", "Sys.GetInfo", code=3)
    assert "no answer in 0.3 s" in text


def test_over_mqtt_a_device_is_told_where_to_answer() -> None:
    link, caller = Port("mqtt://host/my_device", Caller(seed=9)).link()
    assert isinstance(link, MqttLink)
    assert re.fullmatch(r"my_device/rpc-resp/mos-[0-9a-f]{16}", caller.src)
    assert caller.dst == "my_device"
    assert Port("mqtt://host/my_device", Caller(seed=8)).link()[1].src != caller.src


def test_a_serial_port_without_a_device_is_told_apart(brownout: Brownout) -> None:
    ends = os.openpty()
    try:
        text = brownout.refused("call", "--port", os.ttyname(ends[1]), "--timeout", "0.5", "Sys.GetInfo", code=3)
        greeted = os.read(ends[0], 1000)
    finally:
        for end in ends:
            os.close(end)
    assert "it does not answer the handshake; is it the right port, at the right baud rate?" in text
    assert greeted.count(b'"""\x04"""') == 3  # every 200 ms
    assert b"Sys.GetInfo" not in greeted


@pytest.mark.parametrize(
    ("path", "why"), [("/dev/null", "is no serial port"), ("/dev/no-such-port", "No such file or directory")]
)
def test_what_is_no_serial_port_is_named(path: str, why: str, brownout: Brownout) -> None:
    text = brownout.refused("call", "--port", path, "Sys.GetInfo", code=3)
    assert text.startswith(f"{path}: ")
    assert text.endswith(why)


def test_a_connection_that_breaks_is_made_again(brownout: Brownout, firmware: Path) -> None:
    device = Device()
    breaks = iter((3, 9))
    with Streams(device, lambda frame: True) as served:
        at = [next(breaks)]

        def tamper(frame: bytes) -> bool:
            if len(served.frames) == at[0]:
                at[0] = next(breaks, -1)
                served.hangs_up = True
            return True

        served._tamper = tamper
        watch = Stopwatch()
        ran = brownout("ota", "--port", f"tcp://127.0.0.1:{served.port}", "--wait-reboot", firmware)
        assert watch.seconds < 15  # a break is a try at once, not after 20 s
    assert (ran.code, ran.err) == (0, "")
    assert "13 chunks, 2 sent again: " in ran.out
    assert "and goes back in 300 s unless it is told:\n  brownout call --port tcp://127.0.0.1" in ran.out


def test_a_connection_that_stays_away_ends_the_update(brownout: Brownout, firmware: Path) -> None:
    served = Streams(Device())
    with served:
        port = f"tcp://127.0.0.1:{served.port}"
        gone = threading.Event()

        def tamper(frame: bytes) -> bool:
            if len(served.frames) == 4:
                served._server.close()
                served._is_over = True
                gone.set()
            return not gone.is_set()

        served._tamper = tamper
        ran = brownout("ota", "--port", port, "--timeout", "0.3", firmware)
    assert (ran.code, ran.out) == (3, "")
    assert ran.err.startswith("brownout: write failed at offset 512: no answer in 0.3 s")
    assert len(ran.err.splitlines()) == 1


def test_a_refused_update_ends_with_the_devices_own_words(brownout: Brownout, tmp_path: Path) -> None:
    path = tmp_path / "other.zip"
    path.write_bytes(archive(platform="other"))
    device = Device()
    with on_tcp(device, tmp_path) as port:
        text = brownout.refused("ota", "--port", port, path, code=1)
    assert text == "write failed at offset 0: error -1: Wrong platform"
    assert device.slot == 0


def test_http_that_asks_for_a_password_itself_gets_it(brownout: Brownout, firmware: Path) -> None:
    device = Device()
    with on_http(device, digest=("joe", "s3cret")) as port:
        text = brownout.refused("call", "--port", port, "Sys.GetInfo", code=1)
        assert text.endswith("/rpc: the device wants a user and a password")
        text = brownout.refused("call", "--port", port, "--creds", "joe:x", "Sys.GetInfo", code=1)
        assert text.endswith("the device does not know this user and password")
        assert brownout("ota", "--port", port, "--creds", "joe:s3cret", firmware).code == 0
    assert device.calls.count("OTA.Write") == 13


def test_half_an_http_answer_is_a_lost_link() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def half() -> None:
            peer, _ = server.accept()
            with peer:
                peer.recv(4096)
                peer.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n{"id":1')

        thread = threading.Thread(target=half)
        thread.start()
        link = HttpLink("127.0.0.1", server.getsockname()[1], "/rpc")
        link.open()
        link.send(b"{}")
        with pytest.raises(LinkLost, match="was closed before its answer was whole"):
            while not link.receive(5):
                pass
        link.close()
        thread.join()


def test_http_of_something_else_is_told_apart(brownout: Brownout) -> None:
    with on_http(Device(), status=404) as port:
        text = brownout.refused("call", "--port", port, "Sys.GetInfo", code=3)
    assert "HTTP 404 Not Found; is this the address of its RPC service?" in text


def test_an_http_answer_that_comes_too_late_is_not_taken_for_another() -> None:
    with on_http(Device()) as port, Session(*_client(port)) as session:
        link = session.link
        assert isinstance(link, HttpLink)
        client, _, frame = session.client.call("Sys.GetInfo", "", 0, 1)
        link.send(frame)
        session.client = client.lost().client
        assert isinstance(session.call("RPC.Ping", "", 5), Answered)


def _client(port: str) -> tuple[HttpLink, RpcClient]:
    link, caller = Port(port, Caller(seed=5)).link()
    assert isinstance(link, HttpLink)
    return link, RpcClient(caller)


@needs_broker
def test_a_device_behind_a_broker_that_is_not_there_is_named(brownout: Brownout, tmp_path: Path) -> None:
    with mosquitto.broker(tmp_path) as port:
        address = f"mqtt://127.0.0.1:{port}/nobody"
        text = brownout.refused("call", "--port", address, "--timeout", "0.3", "Sys.GetInfo", code=3)
    assert text.endswith("no answer in 0.3 s; does a device listen on nobody/rpc?")


@needs_broker
def test_a_broker_that_knows_its_users_is_given_the_one_of_the_url(brownout: Brownout, tmp_path: Path) -> None:
    line = mosquitto.password_line("joe", "s3cret")
    with mosquitto.broker(tmp_path, users=line) as port:
        address = f"mqtt://joe:s3cret@127.0.0.1:{port}/{DEVICE_ID}"
        text = brownout.refused("call", "--port", address, "--timeout", "0.3", "Sys.GetInfo", code=3)
        assert text.endswith(f"does a device listen on {DEVICE_ID}/rpc?")
        for wrong in (address.replace("s3cret", "x"), address.replace("joe:s3cret@", "")):
            text = brownout.refused("call", "--port", wrong, "Sys.GetInfo", code=3)
            assert text.endswith("the broker refuses: Not authorized")


def test_a_link_that_was_refused_and_one_that_is_lost_end_differently() -> None:
    assert (LinkLost.exit_code, LinkRefused.exit_code) == (3, 1)
