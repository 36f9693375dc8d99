"""`brownout sweep` as a user calls it, on the example devices."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.emu.cli.command import ROOT, Brownout
from tests.emu.hil.lab import LIMITS, process_rig
from tests.emu.hil.test_external_rig import processes_of


def test_the_right_device_is_sampled(brownout: Brownout, tmp_path: Path) -> None:
    ran = brownout("sweep", process_rig(tmp_path), "--cuts", "3")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("sampled: nothing found in 4 cuts, which proves nothing about any other\n")
    assert "wear        left out" in ran.out


def test_the_wrong_device_is_found_and_replays(brownout: Brownout, tmp_path: Path) -> None:
    """Its config is gone for most of the update: wherever a busy machine puts the cuts, some fall there."""
    rig = process_rig(tmp_path, "--one-config", "--erase-ms", "40", "--page-ms", "0")
    document, junit = tmp_path / "out.json", tmp_path / "out.xml"
    ran = brownout("sweep", rig, "--cuts", "10", "--json", document, "--junit", junit)
    assert ran.code == 1, ran.out
    assert ran.out.startswith("findings: ")
    assert "boots: bricked: dead: no boot config" in ran.out
    found = next(one for one in json.loads(document.read_text())["findings"] if one["check"] == "boots")
    assert found["tried_again"] == 3
    assert found["replay"] == f"brownout sweep {rig} --at {found['token']}"
    suite = ElementTree.parse(junit).getroot()
    failed = [case.get("name") for case in suite.findall("testcase") if case.find("failure") is not None]
    assert failed == ["boots"]
    again = brownout("sweep", rig, "--at", found["token"], "--tries", "2", "--json", "-")
    document_again = json.loads(again.out)
    assert (again.code, document_again["replay"], document_again["cuts"]) in ((1, True, 2), (3, True, 2))
    assert document_again["verdict"] == {1: "findings", 3: "inconclusive"}[again.code]


def test_a_rig_that_is_lost_at_once_has_a_code_of_its_own(brownout: Brownout, tmp_path: Path) -> None:
    link = 'kind = "serial"\ndevice = "/dev/no-such-port"\ngoes_with_power = false'
    message = brownout.refused("sweep", process_rig(tmp_path, link=link), code=3)
    assert message == "the link: /dev/no-such-port cannot be opened: No such file or directory"


def test_an_update_that_does_not_work_uncut_is_usage(brownout: Brownout, tmp_path: Path) -> None:
    limits = LIMITS.replace("answer_s = 60", "answer_s = 0.3")
    rig = process_rig(tmp_path, limits=limits)
    rig.write_text(rig.read_text().replace("update {hex}", "update nonsense"))
    assert brownout.refused("sweep", rig) == (
        "the uncut update ends with: hangs: the update is not answered with '^update begins$' within 0.3 s (the "
        "console said last: 'update refused: not hex'); the new image should run, committed"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--cuts", "0"], "Invalid value for '--cuts': 0 is not in the range 1<=x<=1000000."),
        (["--budget", "soon"], "--budget: 'soon' is no time; write 60s, 5m or 1h"),
        (["--at", "soon"], "--at: 'soon' is neither a time nor a token; write 412.5ms, 2s or bt1:..."),
        (["--at", "61s"], "--at: '61s' is later than an update may take, limits.update_s 60"),
        (["--at", "bt1:0"], "'bt1:0' is no token of brownout sweep: bt1, two digests and a time, as it prints them"),
        (["--json", "-", "--junit", "-"], "--json and --junit both go to stdout; give one of them a file"),
    ],
)
def test_what_cannot_be_asked_for(brownout: Brownout, tmp_path: Path, arguments: list[str], message: str) -> None:
    assert brownout.refused("sweep", process_rig(tmp_path), *arguments) == message


def test_the_rig_file_is_not_overwritten(brownout: Brownout, tmp_path: Path) -> None:
    rig = process_rig(tmp_path)
    before = rig.read_text()
    assert "is an input too" in brownout.refused("sweep", rig, "--json", rig)
    assert rig.read_text() == before


def test_ctrl_c_keeps_what_is_known_and_leaves_no_process(tmp_path: Path) -> None:
    rig, marks = process_rig(tmp_path), tmp_path / "restores"
    text = rig.read_text().replace("{work}", str(tmp_path))
    start = text.index("[restore]")
    marked = text[start:].replace('"{python}"', f'"sh", "-c", "echo >> {marks}; exec \\"$@\\"", "sh", "{{python}}"', 1)
    rig.write_text(text[:start] + marked)
    with subprocess.Popen([sys.executable, "-m", "emu", "sweep", str(rig), "--cuts", "100000"], cwd=ROOT,
                          env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True) as sweep:  # fmt: skip
        while not marks.exists() or marks.stat().st_size < 3:  # the uncut update, one cut, and the next has begun
            assert sweep.poll() is None
            select.select([], [], [], 0.01)
        sweep.send_signal(signal.SIGINT)
        out, err = sweep.communicate(timeout=60)
    assert (sweep.returncode, err) == (130, "")
    assert out.startswith("inconclusive: nothing found in 2 cuts, and the sweep did not finish: stopped by the user\n")
    assert processes_of(tmp_path) == []


def test_a_killed_sweep_takes_the_device_along(tmp_path: Path) -> None:
    rig = process_rig(tmp_path)
    rig.write_text(rig.read_text().replace("{work}", str(tmp_path)))
    with subprocess.Popen([sys.executable, "-m", "emu", "sweep", str(rig)], cwd=ROOT,
                          env=os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}) as sweep:  # fmt: skip
        while not set(processes_of(tmp_path / "flash.bin")) - {sweep.pid}:
            assert sweep.poll() is None
            select.select([], [], [], 0.01)
        sweep.kill()
    while processes_of(tmp_path / "flash.bin"):
        select.select([], [], [], 0.01)
