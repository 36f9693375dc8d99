"""`brownout serve`: its addresses, called by clients nobody here wrote, its hand at the device, its errors, its end."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from emu.ota.links.hostile import course_of
from emu.ota.mongoose.digest import Algorithm, password_hash
from tests.emu.cli.command import ROOT, Brownout
from tests.emu.cli.serve_process import PATIENCE_S, curl, serving
from tests.ota.served import bundle


def test_the_addresses_it_prints_are_those_of_one_device(tmp_path: Path) -> None:
    serial = pytest.importorskip("serial")
    (tmp_path / "fw.zip").write_bytes(bundle())
    with serving("--serial", "--tcp", "0", "--http", "0", "--fast", "--device-id", "dev7") as serve:
        path = serve.until(r"serial +(/\S+)")
        assert path in serve.until(r"brownout ota --port (\S+) FILE")
        assert path in serve.until(r"mos ota --port (\S+) FILE")
        port = int(serve.until(r"TCP +tcp://127\.0\.0\.1:(\d+)"))
        ws = serve.until(r"WebSocket +(ws://\S+/rpc)$")
        rpc = serve.until(r"HTTP +(http://\S+/rpc)$")
        assert ws.replace("ws://", "http://") == rpc
        upload = serve.until(r"curl -F file=@FILE (\S+)$")

        frame = b'{"id":1,"src":"t","method":"OTA.GetBootState"}'
        over_http = curl("-d", frame.decode(), rpc).strip()
        assert b'"src":"dev7"' in over_http
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as tcp:
            tcp.sendall(frame + b"\n")
            assert tcp.makefile("rb").read(len(over_http) + 2).strip() == over_http
        with serial.Serial(path, 115200, timeout=PATIENCE_S) as uart:
            uart.write(frame + b"\n")
            while (line := uart.readline().strip()) != over_http:
                assert line.startswith((b"boot", b"OTA")) or not line, line
        assert curl("-F", f"file=@{tmp_path / 'fw.zip'}", upload).startswith(b"1 Update applied")
        serve.until(r"OTA: success")
        serve.until(r"reset by software")
        serve.until(r"boot: demo 2\.0\.0 \(b2\) from slot 1")
        code, err = serve.end(signal.SIGINT)
        assert (code, err) == (130, "")


def test_a_websocket_client_of_somebody_else() -> None:
    client = pytest.importorskip("websockets.sync.client")
    with serving("--http", "0") as serve:
        with client.connect(serve.until(r"(ws://\S+/rpc)$"), subprotocols=["clubby.cesanta.com"]) as ws:
            ws.send('{"id":5,"method":"OTA.Status"}')
            assert json.loads(ws.recv(timeout=PATIENCE_S))["result"]["state"] == 0
            assert ws.subprotocol == "clubby.cesanta.com"
        assert serve.end(signal.SIGTERM) == (130, "")


def test_lines_on_stdin_are_the_hand_at_the_device() -> None:
    with serving("--tcp", "0") as serve:
        serve.until("mos ota")
        serve.type("p\n")
        serve.until("power is lost")
        serve.type("power\n")
        serve.until("boot: ")
        serve.type("r\nx\n")
        serve.until("reset by pin")
        serve.until("boot: ")
        serve.type("q\n")
        assert serve.end() == (0, "p: cut the power, or restore it; r: press reset; q: quit\n")


def test_on_a_terminal_single_keys_do_and_it_is_left_as_it_was() -> None:
    import termios

    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    script = (
        "import os, sys; os.setsid(); os.close(os.open(os.ttyname(0), os.O_RDWR));"
        f"os.execv({sys.executable!r}, [{sys.executable!r}, '-m', 'emu', 'serve', '--tcp', '0'])"
    )
    program = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert program.stdout is not None
    try:
        for key, due in ((b"", b"mos ota"), (b"r", b"reset by pin"), (b"p", b"power is lost"), (b"p", b"boot: ")):
            os.write(ours, key)
            while due not in (line := program.stdout.readline()):
                assert line, program.stderr and program.stderr.read()
        os.write(ours, b"q")
        assert program.wait(PATIENCE_S) == 0
        assert termios.tcgetattr(theirs) == before
    finally:
        program.kill()
        program.communicate()
        os.close(ours)
        os.close(theirs)


def test_what_is_nobodys_stdin_presses_nothing() -> None:
    with serving("--tcp", "0", stdin=subprocess.DEVNULL) as serve:
        serve.until("mos ota")
        assert serve.end(signal.SIGTERM) == (130, "")
    with serving("--tcp", "0") as serve:
        assert serve.process.stdin is not None
        serve.process.stdin.close()
        serve.process.stdin = None
        serve.until("mos ota")
        assert serve.end(signal.SIGTERM) == (130, "")


def test_the_state_is_kept_between_two_runs(tmp_path: Path, brownout: Brownout) -> None:
    (tmp_path / "fw.zip").write_bytes(bundle())
    state = tmp_path / "device.state"
    with serving("--http", "0", "--fast", "--state", state, "--device-id", "kept") as serve:
        url = serve.until(r"(http://\S+)/rpc$")
        curl("-F", f"file=@{tmp_path / 'fw.zip'}", f"{url}/update")
        serve.until("boot: demo 2.0.0")
        assert serve.end(signal.SIGINT) == (130, "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["device.state", "fw.zip"]
    with serving("--http", "0", "--state", state) as serve:
        url = serve.until(r"(http://\S+)/rpc$")
        serve.until(r"boot: demo 2\.0\.0 \(b2\) from slot 1: committed")
        assert b'"id": "kept"' in curl(f"{url}/rpc/Sys.GetInfo")
        serve.end(signal.SIGINT)
    said = brownout.refused("serve", "--tcp", "0", "--state", state, "--from", tmp_path / "fw.zip")
    assert "holds what runs on the device already" in said
    assert "not of microbit" in brownout.refused("serve", "--tcp", "0", "--state", state, "--board", "microbit")
    state.write_bytes(state.read_bytes()[:-1])
    assert "is damaged" in brownout.refused("serve", "--tcp", "0", "--state", state)


def test_what_runs_on_the_device_can_be_given(tmp_path: Path) -> None:
    (tmp_path / "fw.zip").write_bytes(bundle(version="3.4.5"))
    with serving("--tcp", "0", "--from", tmp_path / "fw.zip") as serve:
        serve.until(r"boot: demo 3\.4\.5 \(b2\) from slot 0: committed")
        serve.end(signal.SIGINT)


def test_with_a_password_file_every_link_demands_a_user(tmp_path: Path) -> None:
    auth = tmp_path / "passwords"
    auth.write_text(f"joe:home:{password_hash(Algorithm.SHA256, 'joe', 'home', 'secret')}\n")
    with serving("--http", "0", "--tcp", "0", "--auth", auth) as serve:
        port = int(serve.until(r"TCP +tcp://127\.0\.0\.1:(\d+)"))
        url = serve.until(r"(http://\S+)/rpc$")
        ask = "-o", os.devnull, "-w", "%{http_code}"
        for target in ("/rpc/OTA.Status", "/update", "/update/commit"):
            assert curl(*ask, f"{url}{target}") == b"401"
        assert curl(*ask, "-F", f"file=@{auth}", f"{url}/update") == b"401"
        assert b'"state":0' in curl("--digest", "-u", "joe:secret", f"{url}/rpc/OTA.Status")
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as tcp:
            tcp.sendall(b'{"id":1,"method":"OTA.Status"}\n')
            assert b'"error":{"code":401,' in tcp.makefile("rb").read(60)
        serve.end(signal.SIGINT)


def test_a_hostile_network_stands_in_front_of_the_ports() -> None:
    with serving("--tcp", "0", "--http", "0", "--hostile", "3") as serve:
        serve.until("hostile    a network of seed 3 stands in front of TCP and HTTP")
        port = int(serve.until(r"TCP +tcp://127\.0\.0\.1:(\d+)"))
        http = int(serve.until(r"HTTP +http://127\.0\.0\.1:(\d+)/rpc$"))
        for name, where in (("TCP", port), ("HTTP", http)):
            socket.create_connection(("127.0.0.1", where)).close()
            assert serve.until(rf"hostile: {name} connection 1: (.*)") == str(course_of(3, name, 1, 2.0))
        assert serve.end(signal.SIGINT) == (130, "")


def test_errors_are_one_line(tmp_path: Path, brownout: Brownout) -> None:
    def written(name: str, text: str) -> Path:
        (tmp_path / name).write_text(text)
        return tmp_path / name

    with socket.create_server(("127.0.0.1", 0)) as taken, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port, nobody = taken.getsockname()[1], free.getsockname()[1]
        for link in ("--tcp", "--http"):
            assert brownout.refused("serve", link, str(port)) == (
                f"127.0.0.1 port {port}: cannot be listened on (Address already in use): 0 takes any free port"
            )
        said = brownout.refused("serve", "--mqtt", f"mqtt://127.0.0.1:{nobody}")
        assert said.startswith(f"mqtt://127.0.0.1:{nobody}: no broker takes us (")
    for arguments, part in (
        ((), "no link was asked for"),
        (("--mqtt", "http://x"), "no address of a broker"),
        (("--tcp", "0", "--bind", "no.such.host.invalid"), "cannot be listened on"),
        (("--tcp", "70000"), "--tcp"),
        (("--serial", "--hostile", "1"), "--hostile has nothing to stand in front of"),
        (("--tcp", "0", "--board", "nosuch"), "nosuch"),
        (("--tcp", "0", "--from", tmp_path / "missing.bin"), "missing.bin"),
        (("--tcp", "0", "--device-id", "a/b"), "cannot stand in a topic"),
        (("--tcp", "0", "--device-id", ""), "cannot stand in a topic"),
        (("--tcp", "0", "--device-id", "x" * 2000), "--device-id"),
        (("--tcp", "0", "--auth", tmp_path / "missing"), "missing"),
        (("--tcp", "0", "--auth", written("a", "joe:x\n")), "line 1"),
        (("--tcp", "0", "--auth", written("b", "")), "0 realms"),
        (("--tcp", "0", "--auth", written("c", f"a:x:{'0' * 32}\nb:y:{'0' * 32}\n")), "2 realms"),
        (("--tcp", "0", "--acl", written("d", "{}")), "rpc.acl"),
        (("--tcp", "0", "--acl", tmp_path), "cannot be read"),
        (("--tcp", "0", "--state", tmp_path / "no" / "state"), "there is no folder"),
        (("--tcp", "0", "--state", written("e", "x")), "no state file"),
    ):  # fmt: skip
        assert part in brownout.refused("serve", *arguments), arguments


def test_a_commit_timer_runs_out_while_nobody_calls(tmp_path: Path) -> None:
    (tmp_path / "fw.zip").write_bytes(bundle())
    with serving("--http", "0") as serve:
        url = serve.until(r"(http://\S+)/rpc$")
        curl("-F", f"file=@{tmp_path / 'fw.zip'}", "-F", "commit_timeout=1", f"{url}/update")
        serve.until("on trial for 1 s")
        begun = time.monotonic()
        serve.until("reset by commit-timer")
        assert 0.7 < time.monotonic() - begun < 5
        serve.until("boot: demo 1.0.0")
        assert b'"is_committed": true' in curl(f"{url}/rpc/OTA.GetBootState")
        serve.end(signal.SIGINT)
