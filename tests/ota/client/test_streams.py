"""Serial ports and TCP down to their bytes, and the console on them."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
import tty
import types
import zlib

import pytest

from emu.errors import LinkLost
from emu.ota.mongoose.client import Caller
from emu.ota.mongoose.ports import Port
from tests.emu.cli.command import ROOT, Brownout
from tests.ota.client.device import Device
from tests.ota.client.served import Streams


def test_over_tcp_a_frame_has_neither_handshake_nor_checksum(brownout: Brownout) -> None:
    heard: list[bytes] = []

    def listen(server: socket.socket) -> None:
        peer = server.accept()[0]
        while b"X.Y" not in b"".join(heard):
            heard.append(peer.recv(4096))
        frame = b"".join(heard).split(b'"""')[1]
        peer.sendall(b'\nconsole\n"""{"id":%d,"result":5}"""\n' % json.loads(frame)["id"])
        peer.recv(4096)
        peer.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=listen, args=(server,))
        thread.start()
        ran = brownout("call", "--port", f"tcp://127.0.0.1:{server.getsockname()[1]}", "X.Y", "{}")
        thread.join()
    assert (ran.code, ran.out) == (0, "5\n")
    assert re.fullmatch(rb'\n"""\{"src":"mos","id":\d{13},"method":"X\.Y","params":\{\}\}"""\n', b"".join(heard))


def test_on_a_serial_port_it_has_both(brownout: Brownout) -> None:
    master, slave = os.openpty()
    tty.setraw(slave)
    heard: list[bytes] = []

    def listen() -> None:
        while b"X.Y" not in b"".join(heard):
            data = os.read(master, 4096)
            heard.append(data)
            if data.startswith(b'"""\x04"""'):
                os.write(master, b'\n"""\x04"""\n\n')

    thread = threading.Thread(target=listen)
    thread.start()
    assert brownout("call", "--port", os.ttyname(slave), "--timeout", "1", "X.Y").code == 3
    thread.join()
    os.close(master)
    os.close(slave)
    found = re.fullmatch(rb'"""\x04"""\n\n"""\n"""(\{.*\})([0-9a-f]{8})"""\n', b"".join(heard))
    assert found is not None, heard
    assert int(found[2], 16) == zlib.crc32(found[1])


def test_control_lines_are_released_before_a_port_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    class Serial:
        """As pyserial's, which opens nothing without a path."""

        def __init__(self, port: str | None, baud: int, *, timeout: float, exclusive: bool) -> None:
            assert (port, baud, timeout, exclusive) == (None, 9600, 0, True)

        def __setattr__(self, name: str, value: object) -> None:
            done.append(f"{name}={value}")

        def open(self) -> None:
            done.append("open")
            raise OSError(16, "Device or resource busy")

    monkeypatch.setitem(sys.modules, "serial", types.SimpleNamespace(Serial=Serial))
    link, _ = Port("/dev/ttyX", Caller(), 9600).link()
    with pytest.raises(LinkLost, match="/dev/ttyX: cannot be opened: Device or resource busy"):
        link.open()
    assert sorted(done[:2]) == ["dtr=False", "rts=False"]
    assert done[2:] == ["port=/dev/ttyX", "open"]


def test_the_console_shows_what_is_printed_and_sends_what_is_typed() -> None:
    device = Device()
    with Streams(device) as served:
        console = subprocess.Popen(
            [sys.executable, "-m", "emu", "console", "--port", served.path],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        impatience = threading.Timer(20, console.kill)
        impatience.start()
        assert console.stdin is not None
        assert console.stdout is not None
        typed = b'{"id":7,"method":"RPC.Ping"}\n'
        console.stdin.write(typed)
        console.stdin.flush()
        shown = console.stdout.readline() + console.stdout.readline()
        served.prints(b"\x1b[32mhello\r\n")
        shown += console.stdout.readline()
        console.stdin.close()
        console.terminate()
        assert console.stderr is not None
        errors = console.stderr.read()
        console.stdout.close()
        console.stderr.close()
        console.wait()
        impatience.cancel()
    assert b'"id":7,' in shown
    assert shown.endswith(b"\x1b[32mhello\r\n")
    assert errors == b"\ninterrupted\n"
    assert console.returncode == 130


def test_the_console_ends_after_its_time_and_when_the_port_closes(brownout: Brownout) -> None:
    with Streams(Device()) as served:
        port = f"tcp://127.0.0.1:{served.port}"
        assert brownout("console", "--port", port, "--for", "0.1").code == 0
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=lambda: server.accept()[0].close()).start()
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        assert brownout.refused("console", "--port", address, code=3) == f"{address}: the other side is gone"
