"""Debian's MQTT broker, started for a test on a free port; a `Device` behind one. Neighbours: `device`, `served`."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import socket
import subprocess
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from emu.ota.mongoose.call import Channel
from tests.ota.client.device import DEVICE_ID, Device
from tests.ota.client.served import Clockwork

PROGRAM = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
MISSING = "no mosquitto is installed: .ci/run installs it"
START_S = 10.0


def password_line(user: str, password: str) -> str:
    """As mosquitto_passwd writes it: PBKDF2 over SHA-512."""
    salt, rounds = b"twelve bytes", 101
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, rounds)
    return f"{user}:$7${rounds}${b64encode(salt).decode()}${b64encode(digest).decode()}"


@contextlib.contextmanager
def broker(folder: Path, *, users: str = "") -> Iterator[int]:
    """The port of a broker that lets everybody in; with a `password_line`, one user alone."""
    assert PROGRAM is not None
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    lines = [
        f"listener {port} 127.0.0.1",
        "set_tcp_nodelay true",
        f"allow_anonymous {'false' if users else 'true'}",
    ]
    if users:
        (folder / "passwords").write_text(users + "\n", encoding="utf-8")
        (folder / "passwords").chmod(0o644)
        lines.append(f"password_file {folder / 'passwords'}")
    config = folder / "mosquitto.conf"
    config.write_text("\n".join(["user root", *lines]) + "\n", encoding="utf-8")
    process = subprocess.Popen([PROGRAM, "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + START_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 0.2).close()
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < until, "mosquitto does not start"
                time.sleep(0.02)
        yield port
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def behind(port: int, device: Device) -> Iterator[str]:
    """mqtt://... of ``device``, which listens for its id. Answers go to the topic of who asked, as on a device."""
    from paho.mqtt.client import Client
    from paho.mqtt.enums import CallbackAPIVersion

    from emu.ota.mongoose.wire import Request, parse

    work, ready = Clockwork(device), threading.Event()
    client = Client(CallbackAPIVersion.VERSION2, client_id=DEVICE_ID)

    def arrived(client: Any, userdata: Any, message: Any) -> None:
        request = parse(message.payload)
        assert isinstance(request, Request)
        with work.lock:
            work.turn()
            for answer in device.ask(message.payload, Channel("MQTT")):
                client.publish(f"{request.src}/rpc", answer, qos=1)

    client.on_connect = lambda client, *more: client.subscribe(f"{DEVICE_ID}/rpc", qos=1)
    client.on_subscribe = lambda *more: ready.set()
    client.on_message = arrived
    client.connect("127.0.0.1", port)
    client.socket().setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.loop_start()
    try:
        assert ready.wait(START_S), "the broker does not answer"
        yield f"mqtt://127.0.0.1:{port}/{DEVICE_ID}"
    finally:
        client.disconnect()
        client.loop_stop()
