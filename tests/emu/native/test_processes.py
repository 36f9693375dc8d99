"""Processes: a child for every session, none left behind, and a zygote that is lost is told, never replaced quietly."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest

from emu.errors import EngineLost
from emu.native import CFirmware
from emu.plain_rig import PlainRig
from emu.scenario import Scenario
from flash.journal import Interruption

ROOT = Path(__file__).resolve().parents[3]
PATIENCE_S = 10.0


def rig(firmware: CFirmware, misdeed: int = 0) -> PlainRig:
    return PlainRig(Scenario(firmware, "w25q128jv", work=bytes([misdeed])))


def children(pid: int) -> list[int]:
    """Live processes whose parent is ``pid``."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = entry.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if int(parent) == pid and state != "Z":
            found.append(int(entry.parent.name))
    return found


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(holds: Callable[[], bool]) -> bool:
    """Whether it comes to hold within some seconds."""
    for _ in range(int(PATIENCE_S * 50)):
        if holds():
            return True
        Event().wait(0.02)
    return False


def zygote_of(firmware: CFirmware) -> int:
    assert firmware._zygote is not None
    return firmware._zygote.pid


def test_a_session_leaves_no_process_however_it_ends(misdeeds: Path) -> None:
    firmware = CFirmware(misdeeds, hang_after_s=0.2)
    for misdeed in (0, 1, 4, 6):
        made = rig(firmware, misdeed)
        made.run(made.initial(1))
        assert until(lambda: children(zygote_of(firmware)) == [])
    made = rig(firmware, 18)
    made.run(made.initial(1), Interruption(1))
    assert until(lambda: children(zygote_of(firmware)) == [])


def running(program: str) -> list[int]:
    """Live processes with ``program`` among their arguments."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            arguments = entry.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if program in arguments and is_alive(int(entry.parent.name)):
            found.append(int(entry.parent.name))
    return found


@pytest.mark.parametrize("misdeed", [21, 22, 23, 24])
def test_what_a_session_forks_ends_with_it(misdeeds: Path, tmp_path: Path, misdeed: int) -> None:
    library = tmp_path / "forks.so"
    shutil.copy(misdeeds, library)
    firmware = CFirmware(library, hang_after_s=0.2)
    made = rig(firmware, misdeed)
    for _ in range(3):
        made.run(made.initial(1))
        assert until(lambda: running(str(library)) == [zygote_of(firmware)])
    made.run(made.initial(1), Interruption(1))
    made.run(made.initial(1))
    firmware.close()
    assert running(str(library)) == []


def test_what_a_session_forks_does_not_outlive_a_bench_that_is_killed(misdeeds: Path, tmp_path: Path) -> None:
    library = tmp_path / "forks.so"
    shutil.copy(misdeeds, library)
    command = [sys.executable, "-c", textwrap.dedent(BENCH).replace("[4]", "[22]"), str(library)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment) as bench:
        assert bench.stdout is not None
        zygote = int(bench.stdout.readline())
        assert until(lambda: len(running(str(library))) == 5)  # bench, zygote, session, and two that it forked
        bench.kill()
        bench.wait(PATIENCE_S)
    assert until(lambda: running(str(library)) == [] and not is_alive(zygote))


def test_closing_or_forgetting_a_firmware_ends_its_process(misdeeds: Path) -> None:
    closed, forgotten = CFirmware(misdeeds), CFirmware(misdeeds)
    pids = [zygote_of(closed), zygote_of(forgotten)]
    assert all(map(is_alive, pids))
    closed.close()
    del forgotten
    assert not any(map(is_alive, pids))


def test_a_zygote_that_is_lost_is_no_fault_of_the_firmware_and_is_told(misdeeds: Path) -> None:
    firmware = CFirmware(misdeeds)
    made = rig(firmware)
    os.kill(zygote_of(firmware), signal.SIGKILL)
    with pytest.raises(EngineLost, match=r"misdeeds\.so is gone: SIGKILL; .*run the campaign again"):
        made.run(made.initial(1))
    assert str(made.run(made.initial(1)).outcome) == "settled"


def test_a_firmware_that_kills_its_zygote_ends_the_campaign_with_a_line(misdeeds: Path) -> None:
    made = rig(CFirmware(misdeeds), 9)
    with pytest.raises(EngineLost, match="is gone: SIGKILL"):
        made.run(made.initial(1))


def test_a_process_that_was_forked_gets_a_zygote_of_its_own(misdeeds: Path) -> None:
    firmware = CFirmware(misdeeds)
    made = rig(firmware)
    mine = zygote_of(firmware)
    child = os.fork()
    if not child:
        status = 1
        try:
            settled = str(made.run(made.initial(1)).outcome) == "settled"
            status = 0 if settled and zygote_of(firmware) != mine else 1
            firmware.close()
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert is_alive(mine)
    assert str(made.run(made.initial(1)).outcome) == "settled"


BENCH = """
    import sys
    from emu.native import CFirmware
    from emu.plain_rig import PlainRig
    from emu.scenario import Scenario

    firmware = CFirmware(sys.argv[1], hang_after_s=60)
    made = PlainRig(Scenario(firmware, "w25q128jv", work=bytes([4])))
    print(firmware._zygote.pid, flush=True)
    made.run(made.initial(1))
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_no_process_outlives_the_bench_not_even_one_that_loops(misdeeds: Path, how: signal.Signals) -> None:
    command = [sys.executable, "-c", textwrap.dedent(BENCH), str(misdeeds)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment) as bench:
        assert bench.stdout is not None
        zygote = int(bench.stdout.readline())
        assert until(lambda: children(zygote) != [])
        (child,) = children(zygote)
        bench.send_signal(how)
        bench.wait(PATIENCE_S)
    assert until(lambda: not is_alive(zygote) and not is_alive(child))


def test_a_child_that_loops_does_not_outlive_its_zygote(misdeeds: Path) -> None:
    command = [sys.executable, "-c", textwrap.dedent(BENCH), str(misdeeds)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as bench:
        assert bench.stdout is not None and bench.stderr is not None
        zygote = int(bench.stdout.readline())
        assert until(lambda: children(zygote) != [])
        (child,) = children(zygote)
        os.kill(zygote, signal.SIGKILL)
        assert "EngineLost" in bench.stderr.read().decode()
    assert until(lambda: not is_alive(child))
