"""`brownout doctor`: its exit code, its page and its document; and that it speaks when everything else cannot."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from emu.cli import doctor
from emu.doctor.item import Item
from emu.doctor.requirements import project
from tests.emu.cli.command import ROOT, Brownout, Ran


@pytest.fixture
def nothing_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs are asked in a test of their own."""
    monkeypatch.setattr(
        doctor, "check_tools", lambda: [Item("tools", "browser", "missing", "no x", "apt-get install x")]
    )


def with_package(folder: Path, name: str, content: str) -> None:
    """A package of somebody else's in ``folder``."""
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text(content, encoding="utf-8")


def called_in(folder: Path, *arguments: str) -> Ran:
    """The command as a process that finds what is in ``folder`` first."""
    ran = subprocess.run(
        [sys.executable, "-P", "-m", "emu", *arguments], cwd=folder, capture_output=True, text=True, timeout=60,
        env=os.environ | {"PYTHONPATH": f"{folder}:{ROOT}"}, check=False,
    )  # fmt: skip
    return Ran(ran.returncode, ran.stdout, ran.stderr)


@pytest.mark.usefixtures("nothing_slow")
def test_a_sound_installation_is_code_0_and_says_what_could_be_added(brownout: Brownout) -> None:
    ran = brownout("doctor")
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.splitlines()
    found = project()
    assert found is not None
    assert lines[0] == f"brownout {found.version} (a clone), {ROOT}"
    assert "SOUND: everything brownout needs works" in lines
    assert lines[-1] == "  browser: apt-get install x"
    assert any(line.split()[:2] == ["ok", "numpy"] for line in lines)


@pytest.mark.usefixtures("nothing_slow")
@pytest.mark.parametrize("where", [(), ("-",), ("FILE",)])
def test_the_document_is_on_stdout_unless_a_file_is_named(
    brownout: Brownout, tmp_path: Path, where: tuple[str, ...]
) -> None:
    path = tmp_path / "doctor.json"
    ran = brownout("doctor", "--json", *(str(path) if word == "FILE" else word for word in where))
    document = json.loads(path.read_text(encoding="utf-8") if where == ("FILE",) else ran.out)
    assert (ran.code, ran.out == "") == (0, where == ("FILE",))
    assert document["schema"] == "brownout/doctor/1"
    assert document["sound"] is True
    assert document["core"]["crcmod in C"] == {"status": "ok", "said": "runs its C code", "do": ""}
    assert document["names"]["flash"]["said"] == str(ROOT / "flash")
    assert document["tools"]["browser"]["do"] == "apt-get install x"


@pytest.mark.usefixtures("nothing_slow")
def test_a_problem_is_code_1_and_comes_first_with_what_to_do(
    brownout: Brownout, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Item("core", "crcmod in C", "warning", "runs in Python", "pip install --force-reinstall crcmod-plus")
    broken = Item("core", "numpy", "broken", "is not installed", "pip install 'numpy>=1.26'")
    monkeypatch.setattr(doctor, "check_crcmod", lambda: slow)
    monkeypatch.setattr(doctor, "check_needed", lambda found: [broken])
    ran = brownout("doctor")
    assert ran.code == 1
    lines = ran.out.splitlines()
    begin = lines.index("NOT SOUND: 1 problem")
    assert lines[begin + 1 : begin + 5] == [
        "  numpy: is not installed", "    pip install 'numpy>=1.26'",
        "  crcmod in C: runs in Python", "    pip install --force-reinstall crcmod-plus",
    ]  # fmt: skip
    document = json.loads(brownout("doctor", "--json").out)
    assert document["sound"] is False


@pytest.mark.usefixtures("nothing_slow")
def test_a_warning_alone_is_code_0(brownout: Brownout, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Item("core", "crcmod in C", "warning", "runs in Python", "do")
    monkeypatch.setattr(doctor, "check_crcmod", lambda: slow)
    ran = brownout("doctor")
    assert (ran.code, "runs in Python" in ran.out) == (0, True)


def test_it_speaks_where_numpy_is_broken_and_other_commands_point_to_it(tmp_path: Path) -> None:
    with_package(tmp_path, "numpy", "raise ImportError('libblas.so is missing')")
    ran = called_in(tmp_path, "doctor", "--json")
    assert (ran.code, ran.err) == (1, "")
    document = json.loads(ran.out)
    assert "cannot be imported: ImportError: libblas.so is missing" in document["core"]["numpy"]["said"]
    other = called_in(tmp_path, "parts")
    assert (other.code, other.out) == (4, "")
    assert len(other.err.splitlines()) == 1
    assert other.err.startswith("brownout: libblas.so is missing: `brownout doctor` says what is wrong")


def test_it_speaks_where_another_package_has_our_name(tmp_path: Path) -> None:
    with_package(tmp_path, "flash", "")
    ran = called_in(tmp_path, "doctor", "--json")
    assert ran.code == 1
    names = json.loads(ran.out)["names"]
    assert names["flash"]["status"] == "broken"
    assert names["flash"]["said"].startswith(f"imported from {tmp_path / 'flash'}, not from {ROOT / 'flash'}")
    assert names["flash here"]["status"] == "warning"
    assert called_in(tmp_path, "parts").err.startswith("brownout: No module named 'flash.")


def test_without_click_there_is_one_line_and_no_traceback(tmp_path: Path) -> None:
    with_package(tmp_path, "click", "raise ModuleNotFoundError(\"No module named 'click'\", name='click')")
    ran = called_in(tmp_path, "--help")
    assert (ran.code, ran.out) == (4, "")
    assert ran.err == "brownout: click is not installed, without which there is no command: pip install click\n"
