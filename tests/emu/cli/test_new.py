"""`brownout new`: what it writes passes as it is written, and nothing of the user's is ever replaced."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from emu.board import load_board
from emu.cli.new import FILES, write_anew
from emu.own_firmware import load_own
from emu.scenario import Scenario
from tests.emu.cli.command import ROOT, Brownout, Ran

TEMPLATES = ROOT / "emu" / "templates"
RIGHT, WRONG = "slot, trust, 1 - config.copy)", "slot, trust, config.copy)"
"""The mistake that firmware.py itself names."""


def shell(commands: str, folder: Path, before: Callable[[], None] | None = None) -> Ran:
    """Commands as a user types them in ``folder``; `brownout` and `pytest` are those of this interpreter."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COV"))}
    bin_folder = Path(sys.executable).parent
    ran = subprocess.run(
        ["bash", "-eu", "-c", commands], cwd=folder, capture_output=True, text=True, timeout=120, check=False,
        env=clean | {"PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)},
        preexec_fn=before,
    )  # fmt: skip
    return Ran(ran.returncode, ran.stdout, ran.stderr)


def next_commands(printed: str) -> list[str]:
    _, _, rest = printed.partition("\nnext\n")
    return [line.strip() for line in rest.splitlines()]


def test_everything_it_writes_passes_and_the_commands_it_prints_work(tmp_path: Path) -> None:
    made = shell("brownout new 'my node'", tmp_path)
    assert made.code == 0, made.err
    assert sorted(path.name for path in (tmp_path / "my node").iterdir()) == sorted(FILES)
    run, tests = next_commands(made.out)
    held = shell(run, tmp_path)
    assert (held.code, held.out.splitlines()[0]) == (0, "HELD: no way to break the update was found"), held.err
    passed = shell(tests, tmp_path)
    assert (passed.code, "2 passed" in passed.out) == (0, True), passed.out + passed.err
    board = shell("brownout run --board 'my node/board.toml'", tmp_path)
    assert (board.code, "board      mine" in board.out) == (0, True), board.out + board.err


def test_without_a_folder_it_writes_here_and_says_so(tmp_path: Path) -> None:
    made = shell("brownout new", tmp_path)
    assert made.code == 0, made.err
    assert [line.split()[0] for line in made.out.splitlines()[:3]] == list(FILES)
    assert next_commands(made.out) == ["brownout run --firmware firmware.py:device", "pytest"]


def test_the_mistake_its_firmware_names_is_found_by_all_that_tries_it(tmp_path: Path) -> None:
    text = (TEMPLATES / "firmware.py").read_text(encoding="utf-8")
    assert text.count(RIGHT) == 1
    shell("brownout new", tmp_path)
    (tmp_path / "firmware.py").write_text(text.replace(RIGHT, WRONG), encoding="utf-8")
    ran = shell("brownout run --firmware firmware.py:device", tmp_path)
    assert (ran.code, "bricked: no copy of the boot config is valid" in ran.out) == (1, True), ran.out
    failed = shell("pytest", tmp_path)
    assert (failed.code, "2 failed" in failed.out) == (1, True), failed.out


def test_every_check_that_can_apply_is_exercised(brownout: Brownout, tmp_path: Path) -> None:
    brownout("new", tmp_path)
    ran = brownout("run", "--firmware", f"{tmp_path / 'firmware.py'}:device", "--depth", "1")
    table = ran.out.partition("\nchecks\n")[2]
    held = [line.split()[0] for line in table.splitlines() if " held " in line]
    assert held == ["boots", "whole", "durable", "reverts", "retries", "legal-flash", "wear"], ran.out


def test_board_and_firmware_lay_the_flash_out_alike() -> None:
    board, device = load_board(str(TEMPLATES / "board.toml")), load_own(str(TEMPLATES / "firmware.py"))
    assert isinstance(device, Scenario)
    partitions = {entry.name: (entry.offset, entry.size) for entry in board.document.partition}
    assert partitions == {name: (window.offset, window.size) for name, window in device.windows.items()}
    assert [part.name for part in board.parts.values()] == [part.name for part in device.chips.values()]
    assert board.document.timers.watchdog_s == device.timers.watchdog_s


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_there_is_kept_and_nothing_is_written(name: str, brownout: Brownout, tmp_path: Path) -> None:
    (tmp_path / name).write_text("mine", encoding="utf-8")
    line = brownout.refused("new", tmp_path)
    assert line == f"{tmp_path}: has {name} already, and nothing was written; give another folder"
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text(encoding="utf-8") == "mine"


def test_a_link_that_leads_nowhere_is_not_written_through(brownout: Brownout, tmp_path: Path) -> None:
    (tmp_path / "firmware.py").symlink_to(tmp_path / "elsewhere")
    assert "has firmware.py already" in brownout.refused("new", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["firmware.py"]


def test_other_files_of_the_folder_stay(brownout: Brownout, tmp_path: Path) -> None:
    (tmp_path / "main.c").write_text("int main;", encoding="utf-8")
    assert brownout("new", tmp_path).code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*FILES, "main.c"])


def test_a_folder_that_cannot_be_made_is_one_line(brownout: Brownout, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert "cannot be written (Not a directory)" in brownout.refused("new", tmp_path / "file" / "deeper")
    assert "cannot be written (Not a directory)" in brownout.refused("new", tmp_path / "file")


@pytest.mark.parametrize("folder", ["made/deep", "there"])
def test_what_fails_half_way_leaves_nothing(folder: str, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    first, second = ((TEMPLATES / name).stat().st_size for name in list(FILES)[:2])
    assert first < second

    def fill_the_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (first, first))

    ran = shell(f"brownout new {folder}", tmp_path, before=fill_the_disk)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        f"brownout: {folder}/firmware.py: cannot be written (File too large), and nothing was; give another folder\n"
    )
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["there"]


def test_whatever_ends_it_early_is_taken_back(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    with pytest.raises(TypeError):
        write_anew(folder, [(folder / "a", b"a"), (folder / "b", cast(Any, None))])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "command", "code", "said"),
    [
        ("c-bootloader", "make -s && brownout run --firmware scenario.py:device --tears none", 0, "HELD"),
        ("littlefs-files", "brownout run --firmware scenario.py:careless --tears none", 1, "FINDINGS"),
        ("external-process", "brownout sweep rig.toml --cuts 1", 0, "sampled: "),
    ],
)
def test_an_example_works_where_it_is_written(name: str, command: str, code: int, said: str, tmp_path: Path) -> None:
    ran = shell(f"brownout new --example {name}", tmp_path)
    assert (ran.code, ran.out.partition(":")[0]) == (0, name)
    ran = shell(f"cd {name}\n{command} || test $? -eq {code}", tmp_path)
    assert ran.code == 0, ran.out + ran.err
    assert said in ran.out


def test_an_example_goes_where_it_is_told_and_over_nothing(brownout: Brownout, tmp_path: Path) -> None:
    assert brownout("new", "--example", "c-bootloader", tmp_path / "mine").code == 0
    assert (tmp_path / "mine" / "Makefile").is_file()
    again = brownout("new", "--example", "c-bootloader", tmp_path / "mine")
    assert (again.code, "has Makefile, loader.c, scenario.py already" in again.err) == (2, True)
