"""`brownout run --firmware`: campaigns on firmware of the user's, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.emu.cli.command import Brownout

HEAD = """
from emu.scenario import Scenario, Window
from flash import put, wipe
"""
TORN = (
    HEAD
    + """
def boot(reset):
    flash = reset.flash["flag"]
    if flash.read(0, 1) not in (b"\\xff", b"\\x00"):
        return "the flag is torn"
    put(flash, 0, b"\\x00")

device = Scenario(boot, "w25q128jv", windows={"flag": Window(0, 0x1000)})
"""
)
RIGHT = TORN.replace('return "the flag is torn"', "pass")
KEEPS = (
    HEAD
    + """
seen = []

def boot(reset):
    flash = reset.flash["flag"]
    seen.append(1)
    put(flash, min(len(seen), 4), b"\\x00")

device = Scenario(boot, "w25q128jv", windows={"flag": Window(0, 0x1000)})
"""
)
EAGER = """
from bootloader.commit import commit
from emu.firmware import ModelFirmware

class CommitsTwice(ModelFirmware):
    name = "commits-twice"

    def commit(self, session):
        super().commit(session)

class NeverCommits(ModelFirmware):
    name = "never-commits"

    def commit(self, session):
        pass
"""


def own(tmp_path: Path, text: str) -> str:
    path = tmp_path / "own.py"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_what_is_wrong_is_found_and_replayed(brownout: Brownout, tmp_path: Path) -> None:
    where = own(tmp_path, TORN)
    ran = brownout("run", "--firmware", f"{where}:device", "--json", tmp_path / "out.json")
    assert (ran.code, ran.err) == (1, "")
    assert f"\nfirmware   {where}:device, SHA-256 " in ran.out
    assert "=> bricked: the flag is torn" in ran.out
    document = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert document["inputs"]["firmware"]["label"] == f"{where}:device"
    token = document["findings"][0]["token"]
    again = brownout("replay", token, "--firmware", where)
    assert again.code == 1
    assert "BROKEN boots: bricked: the flag is torn" in again.out
    Path(where).write_text(RIGHT, encoding="utf-8")
    assert brownout("replay", token, "--firmware", where).code == 3


def test_what_is_right_is_held_audited_and_certified(brownout: Brownout, tmp_path: Path) -> None:
    where, proof = own(tmp_path, RIGHT), tmp_path / "proof.json"
    ran = brownout("run", "--firmware", where, "--certificate", proof, "--html", tmp_path / "page.html")
    assert (ran.code, ran.err) == (0, "")
    assert "\naudit " in ran.out
    document = json.loads(proof.read_text(encoding="utf-8"))
    assert document["audit"]["repeated"] > 0
    assert document["inputs"]["firmware"]["label"] == where + ":device"
    assert brownout("verify", proof).out.startswith("VERIFIED")
    Path(where).write_text(RIGHT + "\n", encoding="utf-8")
    assert "was made for another firmware" in brownout.refused("verify", proof)


@pytest.mark.parametrize("options", [("--depth", "1"), ("--depth", "2", "--attempts", "2"), ("--jobs", "2")])
def test_every_depth_and_engine_takes_it(brownout: Brownout, tmp_path: Path, options: tuple[str, ...]) -> None:
    ran = brownout("run", "--firmware", own(tmp_path, TORN), *options)
    assert ran.code == 1
    assert "bricked: the flag is torn" in ran.out


def test_what_survives_a_reset_is_found(brownout: Brownout, tmp_path: Path) -> None:
    said = brownout.refused("run", "--firmware", own(tmp_path, KEEPS))
    assert "keeps something between resets" in said
    assert "where nothing has run before: " in said


@pytest.mark.parametrize("options", [(), ("--jobs", "2")])
def test_what_opens_states_for_ever_is_found_before_they_run_out(
    brownout: Brownout, tmp_path: Path, options: tuple[str, ...]
) -> None:
    endless = KEEPS.replace("min(len(seen), 4)", "len(seen) % 4000")
    said = brownout.refused("run", "--firmware", own(tmp_path, endless), "--budget", "10s", *options)
    assert "keeps something between resets" in said


def test_a_class_runs_on_a_board(brownout: Brownout, tmp_path: Path) -> None:
    where = own(tmp_path, EAGER)
    held = brownout("run", "--firmware", f"{where}:CommitsTwice", "--tears", "none")
    assert held.code == 0
    assert (
        "commits-twice firmware"
        in brownout("run", "--firmware", f"{where}:CommitsTwice", "--tears", "none", "--json", "-").out
    )
    lost = brownout("run", "--firmware", f"{where}:NeverCommits", "--tears", "none", "--board", "demo")
    assert lost.code in (1, 2)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--from", "a.bin", "--to", "b.bin"), "--from is for brownout's own device; "),
        (("--board", "microbit"), "--board is for brownout's own device; "),
        (("--board", "demo"), "--board is for brownout's own device; "),
        (("--app", "healthy"), "--app is for brownout's own device; "),
        (("--app", "crashes"), "--app is for brownout's own device; "),
        (("--mutants",), "--mutants: the mutants are of brownout's own firmware; leave --firmware or --mutants out"),
    ],
)
def test_options_of_the_models_device_are_refused(
    brownout: Brownout, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    assert said in brownout.refused("run", "--firmware", own(tmp_path, RIGHT), *options)


def test_results_do_not_overwrite_the_firmware(brownout: Brownout, tmp_path: Path) -> None:
    where = own(tmp_path, RIGHT)
    brownout.refused("run", "--firmware", where, "--json", where)
    assert Path(where).read_text(encoding="utf-8") == RIGHT


def test_a_firmware_that_writes_nothing_is_nothing_to_run(brownout: Brownout, tmp_path: Path) -> None:
    silent = RIGHT.replace("put(flash, 0,", "(lambda *a: 0)(flash, 0,")
    assert "no flash operation" in brownout.refused("run", "--firmware", own(tmp_path, silent), code=5)
