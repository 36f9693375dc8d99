"""Two real MicroPython builds for the BBC micro:bit, as payload on a board with a W25Q128JV.

They come from releases of the PyPI package ``uflash``, which carry them as Intel HEX in a Python string.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.pypi
RELEASES = ("1.0.5", "1.1.0", "2.0.0")


@pytest.fixture(scope="session")
def builds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Release -> hex file, downloaded from PyPI."""
    folder = tmp_path_factory.mktemp("uflash")
    fetched = {}
    for release in RELEASES:
        command = ["pip", "download", "-q", "--no-deps", "--no-binary", ":all:"]
        subprocess.run(
            [sys.executable, "-m", *command, "-d", str(folder), f"uflash=={release}"], check=True, capture_output=True
        )
        with tarfile.open(folder / f"uflash-{release}.tar.gz") as archive:
            member = archive.extractfile(f"uflash-{release}/uflash.py")
            assert member is not None
            source = member.read().decode()
        fetched[release] = folder / f"{release}.hex"
        fetched[release].write_text(_runtime(source))
    return fetched


def _runtime(source: str) -> str:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "_RUNTIME":
            return str(ast.literal_eval(node.value)).strip() + "\n"
    raise AssertionError("uflash carries no _RUNTIME")


def _brownout(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "emu", *arguments], capture_output=True, text=True, timeout=600, check=False
    )


def test_an_update_between_two_builds_holds(builds: dict[str, Path]) -> None:
    done = _brownout(
        "run", "--board", "microbit", "--from", str(builds["1.0.5"]), "--to", str(builds["1.1.0"]),
        "--tears", "T1-coarse", "--events", "all", "--json", "-",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["verdict"] == "held"
    assert document["complete"]
    assert document["operation_kinds"]["program"] > 800
    assert document["edges"] > 7000
    assert all(check["exercised"] for check in document["checks"].values())


def test_universal_hex_is_split_by_board_and_the_rest_is_listed(builds: dict[str, Path]) -> None:
    done = _brownout(
        "run", "--board", "microbit", "--from", str(builds["1.1.0"]), "--to", str(builds["2.0.0"]),
        "--board-id", "0x9900", "--region", "0x0:0x40000", "--tears", "none", "--json", "-",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "left out 0x100010c0:0x100010dc, outside --region" in done.stderr
    assert json.loads(done.stdout)["verdict"] == "held"


def test_universal_hex_without_a_board_is_refused_with_the_ids(builds: dict[str, Path]) -> None:
    done = _brownout("run", "--board", "microbit", "--from", str(builds["1.1.0"]), "--to", str(builds["2.0.0"]))
    assert done.returncode == 2
    assert "0x9900, 0x9903" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_records_outside_the_main_region_need_a_choice(builds: dict[str, Path]) -> None:
    done = _brownout(
        "run", "--board", "microbit", "--from", str(builds["1.1.0"]), "--to", str(builds["2.0.0"]),
        "--board-id", "0x9900",
    )  # fmt: skip
    assert done.returncode == 2
    assert "--region" in done.stderr
    assert "0x100010c0" in done.stderr


@pytest.mark.slow
def test_every_byte_of_every_program_torn(builds: dict[str, Path]) -> None:
    done = _brownout(
        "run", "--board", "microbit", "--from", str(builds["1.0.5"]), "--to", str(builds["1.1.0"]), "--json", "-"
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["edges"] > 200_000
