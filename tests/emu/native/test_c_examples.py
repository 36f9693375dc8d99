"""The examples do what their pages say: the bug is found and named, its cure holds at any depth."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from emu.campaign.closure import Closure
from emu.campaign.options import ANY, Options
from emu.campaign.token import token_for
from emu.campaign.verdict import Verdict
from emu.own_firmware import load_own
from emu.plain_rig import PlainRig
from emu.proof import replayed
from emu.scenario import Scenario
from flash.tears import TEAR_SETS
from tests.docs.pages import DOCS, blocks_of
from tests.emu.native.build import COMPILER, compiled

EXAMPLES = Path(__file__).resolve().parents[3] / "emu" / "examples"
BOOTLOADER = EXAMPLES / "c-bootloader"


@pytest.fixture
def bootloader(tmp_path: Path) -> Iterator[Path]:
    yield Path(shutil.copytree(BOOTLOADER, tmp_path / "c-bootloader", ignore=shutil.ignore_patterns("*.so")))
    sys.path[:] = [entry for entry in sys.path if not entry.startswith(str(tmp_path))]


def scenario(folder: Path, name: str = "device") -> Scenario:
    own = load_own(f"{folder / 'scenario.py'}:{name}")
    assert isinstance(own, Scenario)
    return own


def explored(tried: Scenario, tears: str = "T1", depth: int = ANY) -> Verdict:
    rig = PlainRig(tried)
    options = Options(tears=TEAR_SETS[tears], depth=depth, attempts=2, keeps_new=rig.keeps_new)
    return Closure(rig, rig.bounds, options).explore()


def test_the_bug_of_the_bootloader_is_found_and_its_token_replays(bootloader: Path) -> None:
    compiled(bootloader / "loader.so", bootloader / "loader.c")
    tried = scenario(bootloader)
    verdict = explored(tried)
    (finding,) = verdict.findings
    assert (finding.key.check, finding.cuts) == ("boots", 1)
    assert finding.message == "hangs: unhandled fault: SIGSEGV after read of 16 bytes at 0x0 of 'record-1'"
    token = token_for(verdict.attempts, PlainRig(tried).inputs, finding.path, finding.readings)
    story, told = replayed(tried, str(token))
    assert story.breaches and "unhandled fault: SIGSEGV" in told


def test_clean_cuts_alone_do_not_find_it(bootloader: Path) -> None:
    compiled(bootloader / "loader.so", bootloader / "loader.c")
    assert explored(scenario(bootloader), "none").word == "held"


def test_with_its_cure_the_bootloader_holds_at_any_depth(bootloader: Path) -> None:
    compiled(bootloader / "loader.so", bootloader / "loader.c", "-DFIXED")
    verdict = explored(scenario(bootloader))
    assert (verdict.word, verdict.findings, verdict.coverage.depth_closed) == ("held", [], 2)
    assert verdict.coverage.edges > 500_000


def brownout(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(EXAMPLES.parent), "BROWNOUT_NO_STORE": "1"}
    return subprocess.run(
        [sys.executable, "-m", "emu", *arguments], cwd=folder, env=environment, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip


def test_workers_find_what_one_process_finds(bootloader: Path) -> None:
    compiled(bootloader / "loader.so", bootloader / "loader.c")
    told = [
        brownout(bootloader, "run", "--firmware", "scenario.py:device", *engine)
        for engine in ([], ["--engine", "workers", "--jobs", "2"])
    ]
    assert [run.returncode for run in told] == [1, 1], told[1].stderr
    digests = {line for run in told for line in run.stdout.splitlines() if line.startswith("digest")}
    assert len(digests) == 1
    assert any(line.startswith("library    loader.so, SHA-256") for line in told[0].stdout.splitlines())


def test_a_scenario_whose_library_is_not_built_is_one_line(bootloader: Path) -> None:
    told = brownout(bootloader, "run", "--firmware", "scenario.py:device")
    assert (told.returncode, told.stdout, told.stderr.count("\n")) == (2, "", 1)
    assert "loader.so: cannot be read: No such file or directory; build it first" in told.stderr


def test_the_folder_of_the_header_is_printed() -> None:
    told = brownout(EXAMPLES, "header")
    assert (told.returncode, told.stderr) == (0, "")
    assert (Path(told.stdout.rstrip("\n")) / "brownout.h").is_file()


def test_the_makefile_builds_it_with_the_command_and_a_compiler_alone(bootloader: Path, tmp_path: Path) -> None:
    make = shutil.which("make")
    if COMPILER is None or make is None:
        pytest.skip("no C compiler is installed")
    command = tmp_path / "brownout"
    command.write_text(f'#!/bin/sh\nPYTHONPATH={EXAMPLES.parent} exec {sys.executable} -m emu "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    subprocess.run([make, "-s"], cwd=bootloader, env=environment, check=True)
    assert (bootloader / "loader.so").is_file()
    assert len((bootloader / "Makefile").read_text(encoding="utf-8").splitlines()) == 5


def test_the_page_shows_the_files_of_the_example() -> None:
    shown = {block.file: block.text for block in blocks_of(DOCS / "firmware-in-c.md") if block.file}
    assert set(shown) == {"loader.c", "scenario.py", "Makefile"}
    for name, text in shown.items():
        assert text == (BOOTLOADER / name).read_text(encoding="utf-8"), name


def test_files_written_before_a_cut_are_old_or_new() -> None:
    verdict = explored(scenario(EXAMPLES / "littlefs-files"))
    assert (verdict.word, verdict.findings) == ("held", [])
    assert {result.name: result.result for result in verdict.results}["durable"] == "held"


def test_a_file_that_is_emptied_first_is_lost() -> None:
    verdict = explored(scenario(EXAMPLES / "littlefs-files", "careless"))
    assert {found.key.check for found in verdict.findings} == {"durable"}
    assert {found.cuts for found in verdict.findings} == {1}
    assert "settings is told to be '0 bytes, SHA-256 e3b0c442'" in verdict.findings[0].message
