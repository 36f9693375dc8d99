"""The rig over loopback: a pty, a TCP port, a serial port; a process, a relay board, and programs that switch."""

from __future__ import annotations

import os
import socket
import sys
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from emu.errors import MissingExtra, RigLost
from emu.hil.external_rig import ExternalRig
from emu.hil.programs import Program, run_program
from emu.hil.rig_file import load_rig
from emu.timed_rig import Stay
from emu.wire import pause
from tests.emu.hil.lab import CONSOLE, DEVICE, EXAMPLE, LIMITS, UPDATE, Lab, process_rig, words

COMMITTED = "new image runs, committed"
REPEATED = CONSOLE + 'ask = "version\\n"\nask_every_ms = 20\n'


def kinds(stay: Stay) -> list[str]:
    return [said.kind for said in stay.said]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def processes_of(group: Path) -> list[int]:
    """Processes that have ``group`` on their command line: every device works on a file in it."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                if str(group).encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
    return found


@contextmanager
def laboratory(folder: Path) -> Iterator[Lab]:
    lab = Lab(folder / "flash.bin")
    try:
        yield lab
    finally:
        lab.close()


def lab_rig(folder: Path, lab: Lab, *, limits: str = LIMITS) -> Path:
    """The bench of ``lab`` as a rig file."""
    flash = folder / "flash.bin"
    path = folder / "lab.toml"
    path.write_text(
        f"""
name = "lab"

[link]
kind = "tcp"
host = "127.0.0.1"
port = {lab.console_port}

[relay]
driver = "line"
line = {{ kind = "tcp", host = "127.0.0.1", port = {lab.relay_port} }}
on = "ON\\n"
off = "OFF\\n"
answer = "^ok "
off_ms = 20

[restore]
command = {words("{python}", DEVICE, "--flash", flash, "--factory", EXAMPLE / "firmware-1.txt")}
{UPDATE}{CONSOLE}{limits}""",
        encoding="utf-8",
    )
    return path


def test_an_update_on_a_pty(tmp_path: Path) -> None:
    with ExternalRig(load_rig(process_rig(tmp_path))) as rig:
        rig.restore()
        first = rig.power_on()
        assert (str(first.outcome), kinds(first)) == ("old image runs, committed", ["old", "committed"])
        uncut = rig.update(None)
        assert (str(uncut.outcome), kinds(uncut)) == (COMMITTED, ["new", "trial", "committed"])
        rig.power_off()
        assert kinds(rig.power_on()) == ["new", "committed"]
        rig.restore()
        assert str(rig.power_on().outcome) == "old image runs, committed"


def test_a_cut_comes_when_it_should_and_keeps_what_was_said(tmp_path: Path) -> None:
    slow = process_rig(tmp_path, "--erase-ms", "60000")
    with ExternalRig(load_rig(slow)) as rig:
        rig.restore()
        rig.power_on()
        stay = rig.update(300)
        assert stay.outcome.kind == "cut"
        assert stay.cut_ms is not None and stay.cut_ms >= 300
        assert str(rig.power_on().outcome) == "old image runs, committed"


def test_a_process_that_ends_by_itself_is_a_dead_device(tmp_path: Path) -> None:
    with ExternalRig(load_rig(process_rig(tmp_path))) as rig:  # nothing is restored: there is no flash file
        stay = rig.power_on()
        assert str(stay.outcome) == "bricked: its process ended by itself with code 1"
        assert any("FileNotFoundError" in line for line in stay.tail)


def test_a_device_that_says_nothing_is_not_waited_for_forever(tmp_path: Path) -> None:
    limits = LIMITS.replace("boot_s = 60", "boot_s = 0.2")
    silent = process_rig(tmp_path, limits=limits)
    silent.write_text(silent.read_text().replace(str(DEVICE), str(_script(tmp_path, "import time; time.sleep(600)"))))
    with ExternalRig(load_rig(silent)) as rig:
        assert str(rig.power_on().outcome) == "hangs: no image says that it runs within 0.2 s"


def test_power_off_takes_everything_the_device_has_started(tmp_path: Path) -> None:
    mark = tmp_path / "beats"
    code = f"""
import os, sys, time
print("running version 1, crc 38f3d8bd, committed", flush=True)
if os.fork() == 0:
    with open({str(mark)!r}, "ab", 0) as beats:
        while True:
            beats.write(b".")
            time.sleep(0.001)
time.sleep(600)
"""
    path = process_rig(tmp_path)
    path.write_text(path.read_text().replace(str(DEVICE), str(_script(tmp_path, code))))
    with ExternalRig(load_rig(path)) as rig:
        rig.power_on()
        while not mark.exists() or not mark.stat().st_size:
            pause(0.01)
        rig.power_off()
        beats = mark.stat().st_size
        assert processes_of(tmp_path) == []
        assert mark.stat().st_size == beats


def test_nothing_is_left_when_the_rig_is_closed(tmp_path: Path) -> None:
    with pytest.raises(KeyError), ExternalRig(load_rig(process_rig(tmp_path))) as rig:
        work = Path(rig._places["work"])
        rig.restore()
        rig.power_on()
        assert processes_of(work)
        raise KeyError("whatever goes wrong")
    assert processes_of(work) == []
    assert not work.exists()


def test_a_device_at_a_port_of_its_own(tmp_path: Path) -> None:
    port = free_port()
    path = process_rig(tmp_path, "--port", str(port), link=f'kind = "tcp"\nhost = "127.0.0.1"\nport = {port}',
                       console=REPEATED)  # fmt: skip
    with ExternalRig(load_rig(path)) as rig:
        rig.restore()
        assert str(rig.power_on().outcome) == "old image runs, committed"
        assert str(rig.update(None).outcome) == COMMITTED
        rig.power_off()
        assert str(rig.power_on().outcome) == COMMITTED
        assert str(rig.update(5.0).outcome) == "power lost"


def test_a_relay_board_and_a_terminal_server(tmp_path: Path) -> None:
    with laboratory(tmp_path) as lab:
        with ExternalRig(load_rig(lab_rig(tmp_path, lab))) as rig:
            rig.restore()
            assert lab.told == ["OFF"]
            assert str(rig.power_on().outcome) == "old image runs, committed"
            cut = rig.update(30)
            assert cut.outcome.kind == "cut" and not lab.is_powered
            assert str(rig.power_on().outcome) in ("old image runs, committed", COMMITTED)
            rig.restore()
            rig.power_on()
            assert str(rig.update(None).outcome) == COMMITTED
        assert lab.told == ["OFF", "ON", "OFF", "ON", "OFF", "ON", "OFF"]
        assert not lab.is_powered


def test_a_terminal_server_that_hangs_up_is_a_lost_rig(tmp_path: Path) -> None:
    with laboratory(tmp_path) as lab, ExternalRig(load_rig(lab_rig(tmp_path, lab))) as rig:
        rig.restore()
        rig.power_on()
        lab.hang_up()
        with pytest.raises(RigLost, match=f"the link: 127.0.0.1:{lab.console_port} has closed the line"):
            rig.update(None)


def test_a_relay_that_does_not_answer_is_a_lost_rig(tmp_path: Path) -> None:
    limits = LIMITS.replace("relay_s = 60", "relay_s = 0.3")
    with laboratory(tmp_path) as lab:
        lab.is_answering = False
        with pytest.raises(RigLost, match=r"gives no answer within 0\.3 s"), \
             ExternalRig(load_rig(lab_rig(tmp_path, lab, limits=limits))) as rig:  # fmt: skip
            rig.power_off()


def test_nobody_at_the_port_is_a_lost_rig(tmp_path: Path) -> None:
    port = free_port()
    path = process_rig(tmp_path, link=f'kind = "tcp"\nhost = "127.0.0.1"\nport = {port}\ngoes_with_power = false')
    with ExternalRig(load_rig(path)) as rig, pytest.raises(RigLost, match=f"cannot connect to 127.0.0.1:{port}: Conn"):
        rig.power_on()


def test_a_serial_port_and_programs_that_switch(tmp_path: Path) -> None:
    """The other end of the port is the device: loopback, so that the port is there without power."""
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    log = tmp_path / "switched"
    path = process_rig(tmp_path, link=f'kind = "serial"\ndevice = "{os.ttyname(theirs)}"\nbaud = 9600')
    text = path.read_text()
    start, end = text.index("[relay]"), text.index("off_ms")
    switch = [words("sh", "-c", f"echo {which} >> {log}") for which in ("on", "off")]
    relay = f'driver = "command"\non = {switch[0]}\noff = {switch[1]}\n'
    path.write_text(text[:start] + "[relay]\n" + relay + text[end:].replace("off_ms = 0", "off_ms = 50"))
    try:
        with ExternalRig(load_rig(path)) as rig:
            rig.restore()
            os.write(ours, b"running version 9, crc 0\r\n")  # said while the power was off: nobody's
            done = threading.Event()
            speaker = threading.Thread(target=_speak_when_on, args=(ours, log, done))
            speaker.start()
            try:
                stay = rig.power_on()
            finally:
                done.set()
                speaker.join()
            assert (str(stay.outcome), kinds(stay)) == ("old image runs, committed", ["old", "committed"])
            os.write(ours, b"running version 2, crc bf5180c4, committed\r\n")  # said, and not read yet
            assert kinds(rig.update(0.0)) == ["new", "committed"]
        assert log.read_text().split() == ["off", "on", "off"]
    finally:
        os.close(ours)
        os.close(theirs)


def test_without_pyserial_the_line_that_installs_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "serial", None)
    path = process_rig(tmp_path, link='kind = "serial"\ndevice = "/dev/ttyACM0"')
    with pytest.raises(MissingExtra, match=r"pip install 'brownout\[serial\]'"):
        ExternalRig(load_rig(path))


def test_an_update_by_a_command(tmp_path: Path) -> None:
    """A tool that fails is a failed update, with what it said; one that runs when power is cut is ended with it."""
    for code, expected in (("print('no such device'); raise SystemExit(4)", "code 4: no such device"),):
        command = words("{python}", _script(tmp_path, code), "{file}", "{work}")
        update = f'[update]\nfile = "{EXAMPLE / "firmware-2.txt"}"\ncommand = {command}\n'
        with ExternalRig(load_rig(process_rig(tmp_path, update=update))) as rig:
            rig.restore()
            rig.power_on()
            assert str(rig.update(None).outcome) == f"hangs: the update command failed with {expected}"
    hanging = words("{python}", _script(tmp_path, "import time; time.sleep(600)"), "{work}")
    update = f'[update]\nfile = "{EXAMPLE / "firmware-2.txt"}"\ncommand = {hanging}\n'
    with ExternalRig(load_rig(process_rig(tmp_path, update=update))) as rig:
        rig.restore()
        rig.power_on()
        assert rig.update(20).outcome.kind == "cut"
        assert processes_of(Path(rig._places["work"])) == []


def test_an_update_that_is_not_answered(tmp_path: Path) -> None:
    update = UPDATE.replace("^update begins$", "^never$")
    path = process_rig(tmp_path, "--erase-ms", "60000", update=update,
                       limits=LIMITS.replace("answer_s = 60", "answer_s = 0.2"))  # fmt: skip
    with ExternalRig(load_rig(path)) as rig:
        rig.restore()
        rig.power_on()
        assert str(rig.update(None).outcome) == "hangs: the update is not answered with '^never$' within 0.2 s"


def test_a_program_that_fails_or_never_ends(tmp_path: Path) -> None:
    with pytest.raises(RigLost, match="restore: sh failed with code 3: broken"):
        run_program(["sh", "-c", "echo fine; echo broken; exit 3"], tmp_path, 60, "restore")
    with pytest.raises(RigLost, match=r"relay on: sh does not end within 0\.1 s"):
        run_program(["sh", "-c", "sleep 600"], tmp_path, 0.1, "relay on")
    with pytest.raises(RigLost, match="restore: sh failed with signal SIGKILL"):
        run_program(["sh", "-c", "kill -9 $$"], tmp_path, 60, "restore")
    with pytest.raises(RigLost, match="cannot be started: Permission denied"):
        Program([str(tmp_path)], tmp_path)


def _script(folder: Path, code: str) -> Path:
    path = folder / "script.py"
    path.write_text(code, encoding="utf-8")
    return path


def _speak_when_on(descriptor: int, log: Path, done: threading.Event) -> None:
    """What a device at a serial port would do: say what it runs when power comes."""
    while not done.wait(0.005):
        if log.exists() and log.read_text().split()[-1] == "on":
            os.write(descriptor, b"running version 1, crc 38f3d8bd, committed\r\n")
            return
