"""A headless Chromium, spoken to over its debugging pipe: no driver, no package, no port.

Messages are JSON, one per NUL byte, on the file descriptors 3 (to the browser) and 4 (from it).
Neighbours: `test_in_browser` asks it what a page does. Asserts nothing.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")
PATIENCE_S = 60


def chromium() -> str | None:
    """The browser of this machine, if there is one."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


class Browser:
    """One page in one browser. ``events`` are kept in the order they came."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to, self._from = to_browser, from_browser
        self._buffer = b""
        self._last_id = 0
        self._session = ""
        self.events: list[dict[str, Any]] = []

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """One command and its result. Raises RuntimeError for an error, and when no answer comes in a minute."""
        self._last_id += 1
        message = {"id": self._last_id, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._last_id:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return dict(answer["result"])
            self.events.append(answer)

    def attach(self) -> None:
        """Open a page and listen to what it logs, raises and asks the network for."""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")
        self.ask("Page.setLifecycleEventsEnabled", enabled=True)
        self.ask("Emulation.setFocusEmulationEnabled", enabled=True)

    def open(self, url: str, *, width: int = 1280, height: int = 900, scripts: bool = True) -> None:
        """Show a page, and wait until it has loaded. What happened before is forgotten."""
        self.ask("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.resize(width, height)
        self.events.clear()
        loader = self.ask("Page.navigate", url=url)["loaderId"]
        while not any(self._is_load(event, loader) for event in self.events):
            self.events.append(self._receive())

    def resize(self, width: int, height: int) -> None:
        self.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )

    def prefer(self, **features: str) -> None:
        """Media features, like prefers_color_scheme="dark"."""
        named = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.ask("Emulation.setEmulatedMedia", features=named)

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        answer = self.ask(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True, userGesture=True
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(str(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def press(self, key: str, code: int = 0, text: str = "") -> None:
        for kind in ("keyDown", "keyUp"):
            typed = {"text": text} if text and kind == "keyDown" else {}
            self.ask("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **typed)

    def move(self, x: float, y: float) -> None:
        self.ask("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def picture(self, path: Path, *, whole: bool = False) -> None:
        data = self.ask("Page.captureScreenshot", captureBeyondViewport=whole)["data"]
        path.write_bytes(base64.b64decode(data))

    def heard(self, method: str) -> list[dict[str, Any]]:
        """The parameters of every event of one kind so far."""
        self.ask("Runtime.evaluate", expression="0")  # everything sent before the answer has then arrived
        return [event["params"] for event in self.events if event.get("method") == method]

    @staticmethod
    def _is_load(event: dict[str, Any], loader: str) -> bool:
        """Whether one page, and not the one before it, has loaded."""
        told = event.get("params", {})
        return event.get("method") == "Page.lifecycleEvent" and (told["name"], told["loaderId"]) == ("load", loader)

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._from], [], [], PATIENCE_S)
            piece = os.read(self._from, 1 << 16) if ready else b""
            if not piece:
                raise RuntimeError("the browser does not answer")
            self._buffer += piece
        message, _, self._buffer = self._buffer.partition(b"\0")
        return dict(json.loads(message))


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """A browser with a fresh profile in the folder ``profile``. It must be installed: ask `chromium` first."""
    program = chromium()
    assert program is not None, "no browser is installed"
    to_read, to_write = os.pipe()
    from_read, from_write = os.pipe()
    arguments = [
        program, "--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--no-first-run",
        "--disable-dev-shm-usage", "--hide-scrollbars", f"--user-data-dir={profile}",
    ]  # fmt: skip
    # The browser wants the pipe at 3 and 4; a shell puts it there.
    redirect = f'exec "$@" 3<&{to_read} 4>&{from_write}'
    process = subprocess.Popen(
        ["bash", "-c", redirect, "bash", *arguments], pass_fds=(to_read, from_write),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(to_read)
    os.close(from_write)
    try:
        page = Browser(to_write, from_read)
        page.attach()
        yield page
    finally:
        os.close(to_write)
        os.close(from_read)
        process.terminate()
        process.wait(timeout=PATIENCE_S)
