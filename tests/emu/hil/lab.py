"""A bench in the small: a relay board and a terminal server, each at a TCP port of loopback, around the example device.

What a real rig has: the ports are there all the time, whether the device has power or not. Neighbours: the tests here.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "emu" / "examples" / "external-process"
DEVICE = EXAMPLE / "device.py"
FAST = ("--page-ms", "1", "--erase-ms", "4", "--self-test-ms", "20")

CONSOLE = r"""
[console]
old = "^running version 1, crc 38f3d8bd"
new = "^running version 2, crc bf5180c4"
image = "^running "
trial = ", on trial$"
committed = "committed$"
dead = "^dead: "
"""
UPDATE = rf"""
[update]
file = "{EXAMPLE / "firmware-2.txt"}"

[[update.step]]
send = "update {{hex}}\n"
expect = "^update begins$"
"""
LIMITS = """
[limits]
boot_s = 60
update_s = 60
commit_s = 60
answer_s = 60
relay_s = 60
settle_ms = 60
"""


def words(*parts: object) -> str:
    """A list of words in TOML."""
    return "[" + ", ".join(f'"{part}"' for part in parts) + "]"


def process_rig(folder: Path, *extra: str, link: str = 'kind = "pty"', limits: str = LIMITS, more: str = "",
                console: str = CONSOLE, update: str = UPDATE) -> Path:  # fmt: skip
    """A rig file for the example device as a process; ``extra``: its options."""
    path = folder / "rig.toml"
    device = ("{python}", DEVICE, "--flash", "{work}/flash.bin")
    path.write_text(
        f"""
name = "process"

[link]
{link}

[relay]
driver = "process"
command = {words(*device, *FAST, *extra)}
off_ms = 0

[restore]
command = {words(*device, "--factory", EXAMPLE / "firmware-1.txt", *(e for e in extra if e == "--one-config"))}
{update}{console}{limits}{more}""",
        encoding="utf-8",
    )
    return path


class Lab:
    """Both servers and the device, in a thread. ``told``: what the relay was told, in order."""

    def __init__(self, flash: Path, *extra: str) -> None:
        self.told: list[str] = []
        self.is_answering = True
        self._command = [sys.executable, str(DEVICE), "--flash", str(flash), *FAST, *extra]
        self._device: subprocess.Popen[bytes] | None = None
        self._caller: socket.socket | None = None
        self._relay, self._console = socket.create_server(("127.0.0.1", 0)), socket.create_server(("127.0.0.1", 0))
        self._wake, self._woken = socket.socketpair()
        self._ready = selectors.DefaultSelector()
        self._boards: list[socket.socket] = []
        for listener in (self._relay, self._console, self._woken):
            self._ready.register(listener, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    @property
    def relay_port(self) -> int:
        port: int = self._relay.getsockname()[1]
        return port

    @property
    def console_port(self) -> int:
        port: int = self._console.getsockname()[1]
        return port

    @property
    def is_powered(self) -> bool:
        return self._device is not None

    def hang_up(self) -> None:
        """The terminal server loses its caller."""
        self._wake.send(b"h")

    def close(self) -> None:
        self._wake.send(b"q")
        self._thread.join()
        self._off()
        for one in (self._relay, self._console, self._wake, self._woken, *self._boards, self._caller):
            if one is not None:
                one.close()
        self._ready.close()

    def _serve(self) -> None:
        while True:
            for key, _ in self._ready.select():
                source = key.fileobj
                if isinstance(source, socket.socket) and source.fileno() < 0:
                    continue  # hung up by what came before it
                if source is self._woken and self._woken.recv(1) == b"q":
                    return
                if source is self._woken:
                    self._drop_caller()
                elif source is self._relay:
                    board, _ = self._relay.accept()
                    self._boards.append(board)
                    self._ready.register(board, selectors.EVENT_READ)
                elif source is self._console:
                    self._drop_caller()
                    self._caller, _ = self._console.accept()
                    self._ready.register(self._caller, selectors.EVENT_READ)
                elif source is self._caller:
                    self._to_device()
                elif isinstance(source, socket.socket):
                    self._switch(source)
                else:
                    self._from_device()

    def _switch(self, board: socket.socket) -> None:
        text = board.recv(1 << 12).decode()
        if not text:
            self._ready.unregister(board)
        for word in text.split():
            self.told.append(word)
            if word == "ON" and self._device is None:
                self._device = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                self._ready.register(self._device.stdout, selectors.EVENT_READ)  # type: ignore[arg-type]
            elif word == "OFF":
                self._off()
            if self.is_answering:
                board.sendall(f"ok {word}\n".encode())

    def _off(self) -> None:
        if self._device is not None:
            device, self._device = self._device, None
            with contextlib.suppress(KeyError):
                self._ready.unregister(device.stdout)  # type: ignore[arg-type]
            device.kill()
            with contextlib.suppress(BrokenPipeError):
                device.communicate()

    def _to_device(self) -> None:
        assert self._caller is not None
        data = self._caller.recv(1 << 16)
        if not data:
            self._drop_caller()
        elif self._device is not None and self._device.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._device.stdin.write(data)
                self._device.stdin.flush()

    def _from_device(self) -> None:
        assert self._device is not None and self._device.stdout is not None
        data = self._device.stdout.read1(1 << 16)  # type: ignore[attr-defined]
        if not data:
            self._ready.unregister(self._device.stdout)
        elif self._caller is not None:
            self._caller.sendall(data)

    def _drop_caller(self) -> None:
        if self._caller is not None:
            caller, self._caller = self._caller, None
            self._ready.unregister(caller)
            caller.close()
