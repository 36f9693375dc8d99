"""`brownout replay --gdb`: a real gdb in front of a cut, and clients that are none."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

from emu.campaign.token import token_for
from emu.campaign.verdict import Step
from emu.elf.board import load_elf_board
from emu.elf.rig import ElfRig
from tests.emu.cli.command import ROOT, Brownout
from tests.emu.cpu.elf_bench import SLOT_A
from tests.emu.elf.boards import ELF, board

GDB = shutil.which("gdb-multiarch")
needs_gdb = pytest.mark.skipif(GDB is None, reason="gdb-multiarch is not installed: apt-get install gdb-multiarch")
PATIENCE_S = 60


def given(folder: Path, chip: str, loader: str = "copy-bug1", *path: Step) -> tuple[Path, str]:
    """A board, and a token for it."""
    file = board(folder, chip, loader, "new")
    rig = ElfRig(load_elf_board(file))
    return file, str(token_for(1, rig.inputs, path))


class Replay:
    """The command in a process of its own."""

    def __init__(self, *arguments: str | Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "emu", "replay", *map(str, arguments), "--gdb", "0"],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        self.place = self.process.stdout.readline()
        found = re.search(r"target remote 127\.0\.0\.1:(\d+)'", self.process.stdout.readline())
        assert found, self.process.communicate()
        self.port = int(found[1])

    def end(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, out, err


@contextmanager
def replayed(*arguments: str | Path) -> Iterator[Replay]:
    replay = Replay(*arguments)
    try:
        yield replay
    finally:
        replay.process.kill()
        replay.process.communicate()


def gdb(replay: Replay, elf: Path, *commands: str) -> str:
    """What a real gdb prints."""
    assert GDB is not None
    script = ["set pagination off", "set confirm off", f"target remote 127.0.0.1:{replay.port}", *commands]
    done = subprocess.run(
        [GDB, "-q", "-nx", "-batch", *(part for line in script for part in ("-ex", line)), str(elf)],
        capture_output=True, text=True, timeout=PATIENCE_S, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return done.stdout + done.stderr


@needs_gdb
@pytest.mark.parametrize("chip", ["stm32f1", "stm32h5", "stm32l0"])
def test_a_breakpoint_by_name_steps_a_variable_and_goodbye(tmp_path: Path, chip: str) -> None:
    elf = ELF / f"{chip}-ab-right.elf"
    file, token = given(tmp_path, chip, "ab-right", Step(1, 1, "cut"))
    with replayed(token, "--board", file) as replay:
        assert replay.place.startswith("gdb       stops before entry 1 of session 2, ")
        said = gdb(
            replay, elf,
            "info symbol $pc", "p/x *(unsigned *)&slots", "stepi", "info symbol $pc",
            "break image_run", "continue", "bt 1", "next", "set var $r7 = 0x1234", "p/x $r7",
            "x/1i $pc", "detach",
        )  # fmt: skip
        code, out, err = replay.end()
    assert "flash_" in said.partition("in section")[0]
    assert f"= {SLOT_A[chip] + 0x0800_0000:#x}" in said, "what stands in the table of slots"
    assert "Breakpoint 1" in said
    assert "image_run" in said
    assert "= 0x1234" in said
    assert "detached" in said
    assert (code, out, err) == (0, "gdb has left\n", "")


@needs_gdb
def test_power_goes_and_the_next_boot_is_there(tmp_path: Path) -> None:
    elf = ELF / "stm32f1-copy-bug1.elf"
    file, token = given(tmp_path, "stm32f1", "copy-bug1", Step(1, 2, "cut"))
    with replayed(token, "--board", file) as replay:
        said = gdb(
            replay, elf,
            "bt", "monitor journal", "x/1hx 0x08002000", "monitor cut", "continue",
            "p/x $pc == &boot_main", "break uart_puts", "continue", "p (char *)text", "delete", "continue",
        )  # fmt: skip
        code, out, err = replay.end()
    for line in (
        "#0  flash_program",
        "1  erase of 1,024 bytes at 0x08002000, flash_erase (port_stm32f1.c:",
        "2  *** the token cuts the power here",
        "0x8002000:\t0xffff",
        "power goes at entry 2, before it is made: continue, and the next boot begins",
        "session 2 ends: power lost",
        "= 0x1",
        "Breakpoint 1, uart_puts",
        "session 3 ends: bricked: no image runs",
        "exited with code 01",
    ):
        assert line in said, said
    assert code == 0
    assert [line.partition(":")[0] for line in out.splitlines()] == ["session 2 ends", "session 3 ends"]
    assert err == ""


@needs_gdb
def test_watchpoints_floats_and_what_is_not_done(tmp_path: Path) -> None:
    file, token = given(tmp_path, "stm32l4", "copy-bug1")
    with replayed(token, "--board", file) as replay:
        assert replay.place == "gdb       stops at the reset of session 1; nothing interrupts this path\n"
        said = gdb(
            replay, ELF / "stm32l4-copy-bug1.elf",
            "p $d0", "p/x $fpscr", "p/x $msp == $sp", "p/x $control", "watch *(unsigned *)0x20003fec", "continue",
            "p/x *(unsigned *)0x40022014", "monitor cut", "set var *(int *)0x40022014 = 0", "monitor help",
        )  # fmt: skip
        code, out, _ = replay.end()
    assert "Hardware watchpoint 1: *(unsigned *)0x20003fec" in said
    assert "Old value = " in said
    assert "= 0xc0000000" in said, "FLASH_CR"
    assert "no cut is left on this path: the token has none here" in said
    assert "Cannot access memory at address 0x40022014" in said, "as gdb puts it when a write is refused"
    assert (code, out) == (0, "gdb has left\n")


def test_a_client_that_is_no_gdb_is_told_off_and_the_next_one_served(tmp_path: Path) -> None:
    file, token = given(tmp_path, "stm32f1", "copy-bug1", Step(1, 2, "cut"))
    with replayed(token, "--board", file) as replay:
        for data, answer in ((b"GET / HTTP/1.1\r\n\r\n", b""), (b"", b""), (b"$?#3f", b"+$T05thread:1;#")):
            with socket.create_connection(("127.0.0.1", replay.port), timeout=PATIENCE_S) as client:
                client.sendall(data)
                if not answer:
                    client.shutdown(socket.SHUT_WR)
                    assert client.recv(100) == b""
                    continue
                assert client.recv(100).startswith(answer)
                client.sendall(b"+$D#44")
                assert client.recv(100) == b"+$OK#9a"
        code, out, err = replay.end()
    assert (code, out) == (0, "gdb has left\n")
    first, second = err.splitlines()
    assert first.startswith("a client is let go: it does not speak gdb's remote protocol: it sent b'GET / HTTP/1.1")
    assert second == f"gdb is gone without a word; waiting for gdb on 127.0.0.1:{replay.port}"


def test_a_port_in_use_and_what_does_not_go_together_is_one_line(brownout: Brownout, tmp_path: Path) -> None:
    file, token = given(tmp_path, "stm32f1", "copy-bug1", Step(1, 2, "cut"))
    path = ("replay", token, "--board", file)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = brownout.refused(*path, "--gdb", str(port))
    assert said.startswith(f"--gdb {port}: cannot listen on 127.0.0.1:{port} (")
    assert said.endswith("); give another port, or 0 for a free one")
    assert "give --gdb as well" in brownout.refused(*path, "--gdb-cut", "1")
    assert "there is no number 2" in brownout.refused(*path, "--gdb", "0", "--gdb-cut", "2")
    both = brownout.refused(*path, "--gdb", "0", "--vcd", tmp_path / "a.vcd")
    assert "--vcd and --perfetto are for a replay" in both


def test_only_an_elf_has_a_core_to_stop(brownout: Brownout) -> None:
    said = brownout.refused("replay", "bo1:2:dd9ee5b1:198a5e65:f3051da2:c47b8164:uncut", "--gdb", "0")
    assert said == "--gdb is for an ELF on its emulated core; give its board file as --board"
