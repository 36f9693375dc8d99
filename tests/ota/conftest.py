"""A broker of the tests' own: Debian's mosquitto on a free port."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from shutil import which

import pytest

PATIENCE_S = 10


@dataclass
class Mosquitto:
    """Stopped and started on the same port."""

    folder: Path
    port: int
    running: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> None:
        config = self.folder / "mosquitto.conf"
        config.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence false\n")
        program = which("mosquitto")
        assert program is not None
        log = self.folder / "mosquitto.log"  # a pipe nobody reads would stop it one day
        with log.open("wb") as err:
            self.running = subprocess.Popen([program, "-c", config], stderr=err, stdout=subprocess.DEVNULL)
        until = time.monotonic() + PATIENCE_S
        while b"running" not in log.read_bytes():
            assert self.running.poll() is None and time.monotonic() < until, "mosquitto did not start"
            time.sleep(0.005)

    def stop(self) -> None:
        if self.running is not None:
            self.running.terminate()
            self.running.wait(PATIENCE_S)
            self.running = None


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    if which("mosquitto") is None:
        pytest.skip("no mosquitto is installed: .ci/run installs it")
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = Mosquitto(tmp_path, port)
    made.start()
    yield made
    made.stop()
