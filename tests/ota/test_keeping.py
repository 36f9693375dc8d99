"""A state file follows the device that is served: a kill finds it whole and of a moment ago, a full disk is told."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bootloader.config_store import ConfigStore
from emu.device import EmulatedDevice
from emu.ota.keeping import Keeping
from emu.ota.state_file import DeviceState, load_state
from tests.emu.cli.command import ROOT
from tests.emu.cli.serve_process import PATIENCE_S, curl, serving
from tests.ota.served import BOARD, NEW, Bench, bundle, eventually, form, http_call, run, served

SOON_S = 0.01


def kept(path: Path) -> EmulatedDevice:
    device = EmulatedDevice(BOARD)
    load_state(path, device)
    return device


def runs(path: Path) -> tuple[int, bool]:
    """The slot that the file's device boots, and whether that is for good."""
    config = ConfigStore(kept(path).layout.configs).read().config
    assert config is not None
    return config.active_slot, config.committed


class Kept:
    def __init__(self, bench: Bench, path: Path, said: list[str]) -> None:
        self.bench = bench
        self.path = path
        self.said = said

    def is_current(self) -> bool:
        if not self.path.is_file():
            return False
        device = self.bench.device
        return DeviceState.of(kept(self.path), {}).chips[0][1].key == device.device.chips[0].snapshot().key


@asynccontextmanager
async def keeping(path: Path, every_s: float = SOON_S) -> AsyncIterator[Kept]:
    said: list[str] = []
    async with served() as bench:
        kept_up = Keeping(
            path, bench.device.device, lambda: bench.device.beside, bench.serving, said=said.append, every_s=every_s
        )
        await kept_up.open()
        bench.serving.on_rest = kept_up.rested
        kept_up.rested()
        try:
            yield Kept(bench, path, said)
        finally:
            await kept_up.close()


async def update(bench: Bench, **variables: str) -> None:
    fields = [(name, None, value.encode()) for name, value in variables.items()]
    body, headers = form(("file", "a.zip", bundle()), *fields)
    assert (await http_call(bench, "POST", "/update", body, **headers)).status == 200
    await bench.log.until("boot: demo 2.0.0")


def test_the_file_is_there_from_the_start_and_follows_updates_settings_resets_and_cuts(tmp_path: Path) -> None:
    async def test() -> None:
        async with keeping(tmp_path / "state") as it:
            await eventually(it.is_current)
            assert runs(it.path) == (0, True)
            await update(it.bench, commit_timeout="60")
            await eventually(it.is_current)
            assert runs(it.path) == (1, False)
            await it.bench.serving.press_reset()
            await eventually(it.is_current)
            assert runs(it.path) == (0, True), "an image on trial that is reset goes back"
            await http_call(it.bench, "POST", "/rpc/Config.Set", b'{"config":{"update":{"url":"http://x/"}}}')
            await eventually(lambda: load_state(it.path, EmulatedDevice(BOARD))["settings"]["update"]["url"] != "")
            it.bench.device.device.chips[0].cells.load(0, b"changed before the power went")
            it.bench.serving.cut_power()
            await eventually(it.is_current)
            assert not it.said

    run(test)


def test_what_has_not_changed_is_not_written_again_and_what_has_at_most_so_often(tmp_path: Path) -> None:
    async def test() -> None:
        async with keeping(tmp_path / "state") as it:
            await eventually(it.is_current)
            first = it.path.stat()
            for _ in range(10):
                await http_call(it.bench, "GET", "/rpc/OTA.Status")
                await asyncio.sleep(2 * SOON_S)
            assert it.path.stat().st_mtime_ns == first.st_mtime_ns
            await update(it.bench)
            await eventually(it.is_current)
        async with keeping(tmp_path / "seldom", every_s=1000) as it:
            await eventually(it.path.is_file)
            first = it.path.stat()
            await update(it.bench)
            for _ in range(20):
                await http_call(it.bench, "GET", "/rpc/OTA.Status")
            assert it.path.stat().st_mtime_ns == first.st_mtime_ns, "its turn comes when the pause is over"

    run(test)


def test_a_file_that_cannot_be_written_is_told_once_and_written_when_it_can_be(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()

    async def test() -> None:
        async with keeping(folder / "state") as it:
            await eventually(it.is_current)
            shutil.rmtree(folder)
            await update(it.bench)
            await eventually(lambda: bool(it.said))
            for _ in range(5):
                await it.bench.serving.press_reset()
                await asyncio.sleep(2 * SOON_S)
            assert it.said == [
                f"{folder / 'state'}: cannot be written (No such file or directory); the device goes on, and what "
                "changes is not kept until there is room for it"
            ]
            folder.mkdir()
            await it.bench.serving.press_reset()
            await eventually(it.is_current)
            await eventually(lambda: it.said[1:] == [f"{folder / 'state'}: is written again"])

    run(test)


def test_what_breaks_in_keeping_ends_the_serving(tmp_path: Path) -> None:
    def broken() -> dict[str, object]:
        raise RuntimeError("ours")

    async def test() -> None:
        async with served() as bench:
            it = Keeping(tmp_path / "state", bench.device.device, broken, bench.serving, said=print)
            await it.open()
            it.rested()
            await eventually(bench.running.done)
            await it.close()

    with pytest.raises(RuntimeError, match="ours"):
        run(test)


def wait_for(done: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.02)


def test_a_served_device_that_is_killed_is_found_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "fw.zip").write_bytes(bundle())
    state = tmp_path / "device.state"
    with serving("--http", "0", "--fast", "--state", state) as serve:
        url = serve.until(r"(http://\S+)/rpc$")
        wait_for(state.exists)
        curl("-F", f"file=@{tmp_path / 'fw.zip'}", f"{url}/update")
        serve.until("boot: demo 2.0.0")
        wait_for(lambda: runs(state) == (1, True))
        assert serve.end(signal.SIGKILL) == (-signal.SIGKILL, "")
    assert kept(state).layout.slots[1].flash.read(256, len(NEW)) == NEW
    with serving("--http", "0", "--state", state) as serve:
        serve.until(r"boot: demo 2\.0\.0 \(b2\) from slot 1: committed")
        serve.end(signal.SIGINT)


def test_a_disk_that_is_full_costs_a_line_and_not_the_device(tmp_path: Path) -> None:
    """No file may grow: what a full disk is to a process, and to nobody beside it."""
    state = tmp_path / "device.state"
    program = subprocess.Popen(
        ["bash", "-c", 'ulimit -f 0; exec "$@"', "bash", sys.executable, "-m", "emu", "serve", "--http", "0", "--fast",
         "--state", str(state)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    try:
        assert program.stderr is not None
        line = program.stderr.readline().decode()
        assert line == (
            f"brownout: {state}: cannot be written (File too large); the device goes on, and what changes is not kept "
            "until there is room for it\n"
        )
        assert program.stdout is not None
        url = next(text.split()[-1] for text in map(bytes.decode, program.stdout) if "/update" in text)
        assert b'"state":0' in curl(url.replace("/update", "/rpc/OTA.Status"))
        _, err = program.communicate(b"q\n", timeout=PATIENCE_S)
    finally:
        program.kill()
        program.communicate()
    assert program.returncode == 2
    assert err.decode() == f"brownout: {state}: cannot be written (File too large); give another path\n"
    assert list(tmp_path.iterdir()) == []
