"""A device with an ELF that is switched on: a tool of the user's brings the update over its UART, in its own time."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

from emu.elf.board import load_elf_board
from emu.elf.node import STEP_US, ElfNode
from emu.elf.xmodem import XmodemHost
from emu.ota.state_file import load_state
from flash.images import load_image
from tests.emu.cli.command import Brownout
from tests.emu.cli.serve_process import serving
from tests.emu.elf.boards import ELF, board
from tests.emu.elf.uart_boards import PORT, uart_board

SECOND = 1_000_000
NEW = load_image(ELF / "stm32f1-app-new-a.elf").flatten(fill=0xFF)


class Console:
    """A node, and what its UART has said."""

    def __init__(self, folder: Path, chip: str = "stm32f1") -> None:
        self.node = ElfNode(load_elf_board(uart_board(folder, chip)), baud=115_200)
        self.node.said = self._says
        self.ended: list[str] = []
        self.node.on_reset = self.ended.append
        self.text = b""
        self.port = PORT[chip]
        self.host: XmodemHost | None = None

    def _says(self, port: str, data: bytes) -> None:
        assert port == self.port
        self.text += data
        if self.host is not None:
            sent = self.host.receives(data, self.node.now_us)
            if sent:
                self.node.feed(port).send(sent)

    def live(self, us: int) -> None:
        for _ in range(us // STEP_US):
            self.node.elapse(STEP_US)

    @property
    def heard(self) -> str:
        text, self.text = self.text.decode(), b""
        return text


def test_time_passes_only_with_power_and_the_old_image_runs(tmp_path: Path) -> None:
    one = Console(tmp_path)
    one.live(SECOND)
    assert (one.node.state, one.node.now_us, one.node.next_us) == ("off", 0, None)
    assert not one.node.do(lambda node: None)
    one.node.switch_on()
    one.live(3 * SECOND)
    assert one.heard == "CCCold runs\r\ncommitted\r\n"
    assert (one.node.state, one.node.now_us) == ("running", 3 * SECOND)
    assert one.node.next_us == 3 * SECOND + STEP_US
    one.node.switch_off()
    one.node.elapse(SECOND)
    assert (one.ended, one.node.now_us) == (["power is lost"], 3 * SECOND)


def test_a_reset_boots_again_and_time_goes_on(tmp_path: Path) -> None:
    one = Console(tmp_path)
    one.node.switch_on()
    one.live(2 * SECOND)
    assert one.heard.startswith("CCCold")
    one.node.press_reset()
    assert (one.ended, one.node.now_us) == (["reset by pin"], 2 * SECOND)
    one.live(2 * SECOND)
    assert one.heard.startswith("CCCold")


@pytest.mark.parametrize("chip", ["stm32f1", "nrf52840"])
def test_an_update_is_brought_cut_and_brought_again(tmp_path: Path, chip: str) -> None:
    one = Console(tmp_path, chip)
    update = load_image(ELF / f"{chip}-app-new-a.elf").flatten(fill=0xFF)
    one.host = XmodemHost(update, "new", block_size=128)
    one.node.switch_on()
    one.live(SECOND // 10)
    one.node.switch_off()
    assert not one.host.is_told
    assert "\x06" in one.heard, "some blocks are there"
    one.host = None
    one.node.switch_on()
    one.live(3 * SECOND)
    assert set(one.heard) == {"C"}, "no image: it asks for ever"
    one.host = XmodemHost(update, "new", block_size=128)
    one.live(2 * SECOND)
    assert one.host.is_told
    assert one.heard.endswith("new runs\r\ncommitted\r\n")


def test_the_uart_says_what_it_says_however_time_is_cut(tmp_path: Path) -> None:
    texts = set()
    for step in (1_000, 7_777, 250_000):
        one = Console(tmp_path)
        one.node.switch_on()
        while one.node.now_us < 3 * SECOND:
            one.node.elapse(step)
        texts.add(one.heard)
    assert texts == {"CCCold runs\r\ncommitted\r\n"}


# -- the command ----------------------------------------------------------------------------------------------


def transfer(host: XmodemHost, port: int) -> bytes:
    """Over a socket; what is said behind the last answer is returned."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
        rest = b""
        while not rest.endswith(b"committed\r\n"):
            data = line.recv(4096)
            assert data, "the device has hung up"
            if host.is_told:
                rest += data
                continue
            sent = host.receives(data, 0)
            if sent:
                line.sendall(sent)
            if host.is_told:
                rest += data[-1:] if len(data) == 1 else data[data.rindex(6) + 1 :]
        return rest


def test_serve_joins_a_tool_to_the_uart_and_keeps_the_flash(tmp_path: Path) -> None:
    path, state = uart_board(tmp_path), tmp_path / "flash.state"
    with serving("--board", path, "--tcp", "0", "--state", state) as served:
        port = int(served.until(r"USART1 +tcp://127\.0\.0\.1:(\d+)"))
        host = XmodemHost(NEW, "new", block_size=128)
        assert transfer(host, port).endswith(b"new runs\r\ncommitted\r\n")
        served.type("r\n")
        served.until("reset by pin")
        served.type("p\n")
        served.until("power is lost")
        served.type("q\n")
        assert served.end() == (0, "")
    node = ElfNode(load_elf_board(path), baud=115_200)
    load_state(state, node)
    assert node.chips[0].cells.read(0x2000, len(NEW)) == NEW
    with serving("--board", path, "--serial", "--state", state) as served:
        served.until(r"USART1 +/dev/")
        assert served.end(signal.SIGTERM) == (130, "")


def test_sx_brings_an_update_through_the_terminal(tmp_path: Path) -> None:
    if shutil.which("sx") is None:
        pytest.skip("no lrzsz is installed: .ci/run installs it")
    (tmp_path / "new.bin").write_bytes(NEW)
    with serving("--board", uart_board(tmp_path), "--serial") as served:
        path = served.until(r"USART1 +(/dev/\S+)")
        with Path(path).open("r+b", buffering=0) as line:
            sent = subprocess.run(
                ["sx", "-q", str(tmp_path / "new.bin")], stdin=line, stdout=line, stderr=subprocess.PIPE, timeout=30,
                check=False,
            )  # fmt: skip
            assert sent.returncode == 0, sent.stderr.decode()
            served.type("r\n")  # what was said since may have gone to sx
            said = b""
            while b"new runs" not in said:
                said += line.read(64)
        served.type("q\n")
        assert served.end()[0] == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "no link was asked for: give --serial or --tcp PORT"),
        (["--serial", "--http", "0"], "--http is for brownout's own device; {board} is a board for an ELF"),
        (["--serial", "--from", "x.bin"], "--from is for brownout's own device; {board} is a board for an ELF"),
        (["--serial", "--uart", "USART8"], "--uart USART8: STM32F103xB has no such UART (did you mean `USART"),
    ],
)
def test_what_an_elf_cannot_be_served_with_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    path = uart_board(tmp_path)
    ran = Brownout(capsys)("serve", "--board", path, *options)
    assert ran.code == 2
    assert message.format(board=path) in ran.err


def test_a_board_without_an_update_has_to_be_told_which_uart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = board(tmp_path, "stm32f1", "copy-right", "new")
    ran = Brownout(capsys)("serve", "--board", path, "--serial")
    assert ran.code == 2
    assert "STM32F103xB has USART1, USART2, USART3: say which one with --uart NAME" in ran.err
    assert "--uart is for a board for an ELF; demo is none" in Brownout(capsys)("serve", "--uart", "A", "--serial").err
