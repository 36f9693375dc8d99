"""Debian's MQTT broker, started for a test on a free port; and a `Device` behind one. Neighbours: `device`, `served`."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from emu.ota.mongoose.call import Channel
from tests.ota.device import DEVICE_ID, Device
from tests.ota.served import Clockwork

PROGRAM = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
MISSING = "no mosquitto is installed: .ci/run installs it"
START_S = 10.0


@contextlib.contextmanager
def broker(folder: Path, *, password_line: str = "") -> Iterator[int]:
    """The port of a broker that lets everybody in; with ``password_line``, of mosquitto_passwd, one user alone."""
    assert PROGRAM is not None
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    lines = [f"listener {port} 127.0.0.1", "set_tcp_nodelay true", f"allow_anonymous {'false' if password_line else 'true'}"]
    if password_line:
        (folder / "passwords").write_text(password_line + "\n", encoding="utf-8")
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
    client.loop_start()
    try:
        assert ready.wait(START_S), "the broker does not answer"
        yield f"mqtt://127.0.0.1:{port}/{DEVICE_ID}"
    finally:
        client.disconnect()
        client.loop_stop()
