"""What `brownout ota`, `call` and `console` refuse before anything is sent, and what a terminal sees."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from emu.ota.mongoose.call import RpcError
from tests.emu.cli.command import ROOT, Brownout
from tests.ota.client.device import Device, archive, guarded
from tests.ota.client.served import Streams
from tests.ota.web import web

NOWHERE = "/dev/no-such-port"


@pytest.mark.parametrize(
    ("port", "why"),
    [
        ("", "--port is empty"),
        ("gopher://x", "no way to a device"),
        ("tcp://x", "a host and a port number are missing or wrong"),
        ("tcp://:80", "a host and a port number are missing or wrong"),
        ("tcp://x:99999", "a host and a port number are missing or wrong"),
        ("http://[", "no way to a device"),
        ("http://joe:secret@x", "give the user with --creds"),
        ("mqtt://x", "which device?"),
        ("mqtt://x/a%23", "which device?"),
    ],
)
def test_a_port_that_is_none_is_refused(port: str, why: str, brownout: Brownout) -> None:
    for command in (("call", "X"), ("console",)):
        if command == ("console",) and port.startswith(("mqtt", "http://j")):
            continue
        assert why in brownout.refused(command[0], "--port", port, *command[1:])


@pytest.mark.parametrize("port", ["ws://x", "http://x", "mqtt://x/y"])
def test_only_streams_have_a_console(port: str, brownout: Brownout) -> None:
    assert "link has no console; give a serial port or tcp://HOST:PORT" in brownout.refused("console", "--port", port)


@pytest.mark.parametrize(
    ("extra", "why"),
    [
        (("call", "X", "{"), "the params are no JSON"),
        (("call", "X", "[" * 100_000), "the params are no JSON"),
        (("call", "--creds", "joe", "X"), "--creds: not USER:PASSWORD"),
        (("call", "--creds", ":x", "X"), "--creds: not USER:PASSWORD"),
        (("call", "--creds", "@/no/such/file", "X"), "/no/such/file: No such file or directory"),
        (("call", "--timeout", "0", "X"), "0.0 is not in the range"),
        (("ota", "--chunk-size", "0", "fw.zip"), "0 is not in the range"),
        (("ota", "/no/such/file"), "/no/such/file: No such file or directory"),
        (("ota", "http://127.0.0.1:1/fw.zip"), "cannot be fetched"),
        (("ota", "--pull", "fw.zip"), "--pull: fw.zip is no URL"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(
    extra: tuple[str, ...], why: str, brownout: Brownout, firmware: Path
) -> None:
    assert why in brownout.refused(extra[0], "--port", NOWHERE, *extra[1:])


def test_firmware_is_looked_through_before_anything_is_sent(brownout: Brownout, tmp_path: Path) -> None:
    path = tmp_path / "fw.zip"
    damaged = bytearray(archive())
    damaged[3000] ^= 1
    for content, why in (
        (b"", "is empty"),
        (b"#!/bin/sh\n", "no firmware .zip, so nothing was sent"),
        (archive()[:3000], "a device would refuse it, so nothing was sent: Malformed archive"),
        (bytes(damaged), "app.bin: CRC-32 mismatch; part app: SHA-256 mismatch, so nothing was sent"),
    ):
        path.write_bytes(content)
        text = brownout.refused("ota", "--port", NOWHERE, path)
        assert text.startswith(f"{path}: ")
        assert why in text


def test_unchecked_firmware_is_the_devices_to_refuse(brownout: Brownout, tmp_path: Path) -> None:
    path = tmp_path / "fw.zip"
    path.write_bytes(archive()[:3000])
    device = Device()
    with Streams(device) as served:
        port = f"tcp://127.0.0.1:{served.port}"
        text = brownout.refused("ota", "--port", port, "--unchecked", path, code=1)
    assert text == "OTA.End: error -1: Aborted after 3000 bytes"


@pytest.mark.parametrize("text", ["[1]", "{", "5"])
def test_params_of_begin_are_an_object(text: str, brownout: Brownout, firmware: Path) -> None:
    assert "BEGIN_JSON is no" in brownout.refused("ota", "--port", NOWHERE, firmware, text)


def test_params_of_begin_go_out_as_they_are(brownout: Brownout, firmware: Path) -> None:
    with Streams(Device()) as served:
        port = f"tcp://127.0.0.1:{served.port}"
        ran = brownout("ota", "--port", port, firmware, '{"commit_timeout": 0, "x":\n1}')
        begin = next(frame for frame in served.frames if b"OTA.Begin" in frame)
    assert ran.out.endswith("the device restarts into it; it commits by itself\n")
    assert b'"params":{"commit_timeout": 0, "x": 1}' in begin


@pytest.mark.parametrize(
    ("module", "port", "line"),
    [
        ("serial", "/dev/ttyS0", "pip install 'brownout[serial]'"),
        ("websockets.sync.client", "ws://x", "pip install 'brownout[ota]'"),
        ("paho.mqtt", "mqtt://x/y", "pip install 'brownout[ota]'"),
    ],
)
def test_without_a_library_the_line_that_installs_it_is_said(
    module: str, port: str, line: str, brownout: Brownout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    assert brownout.refused("call", "--port", port, "X", code=4).endswith(line)


def test_a_url_is_for_the_device_to_fetch_where_that_is_asked_for(brownout: Brownout) -> None:
    device = Device(pulls=RpcError(0, "Update applied, finalizing"))
    with Streams(device) as served:
        port = f"tcp://127.0.0.1:{served.port}"
        ran = brownout("ota", "--port", port, "--commit-timeout", "7", "--pull", "http://host/fw.zip")
    assert ran.out.splitlines()[:2] == [
        "the device has fetched http://host/fw.zip: Update applied, finalizing",
        "the device restarts into it, and goes back in 7 s unless it is told:",
    ]
    assert device.pulled == ['{"url":"http://host/fw.zip","timeout":600,"commit_timeout":7}']
    device = Device(pulls=RpcError(-10, "Failed to connect"))
    with Streams(device) as served:
        port = f"tcp://127.0.0.1:{served.port}"
        text = brownout.refused("ota", "--port", port, "--pull", "http://host/fw.zip", code=1)
    assert text == "OTA.Update: error -10: Failed to connect"


def test_a_url_is_fetched_here_and_sent_as_mos_does(brownout: Brownout) -> None:
    device = Device()
    with web(archive()) as host, Streams(device) as served:
        port = f"tcp://127.0.0.1:{served.port}"
        assert brownout("ota", "--port", port, f"{host}/fw.zip").code == 0
        assert brownout.refused("ota", "--port", port, f"{host}/x").endswith("/x: HTTP 404 Not Found")
    assert device.calls.count("OTA.Write") == 13


def test_a_terminal_sees_a_bar_and_a_file_does_not(firmware: Path) -> None:
    with Streams(Device()) as served:
        command = [sys.executable, "-m", "emu", "ota", "--port", served.path, "--chunk-size", "64", str(firmware)]
        master, slave = os.openpty()
        ran = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=slave, env=os.environ | {"TERM": "xterm"}
        )
        os.close(slave)
        seen = b""
        while True:
            try:
                seen += os.read(master, 4096)
            except OSError:
                break
        assert ran.stdout is not None
        out = ran.stdout.read()
        ran.stdout.close()
        assert ran.wait() == 0
        os.close(master)
    assert b"writing" in seen
    assert b"6.6" in seen
    assert b"writing" not in out


def test_an_update_nobody_signed_for_says_what_to_give(brownout: Brownout, firmware: Path) -> None:
    with Streams(Device(guard=guarded("joe", "s3cret"))) as served:
        port = f"tcp://127.0.0.1:{served.port}"
        text = brownout.refused("ota", "--port", port, firmware, code=1)
        assert text == "OTA.Status: error 401: the device wants a user and a password: give --creds USER:PASSWORD"
        text = brownout.refused("ota", "--port", port, "--creds", "joe:x", firmware, code=1)
        assert text == "OTA.Status: error 401: the device does not know this user and password"
