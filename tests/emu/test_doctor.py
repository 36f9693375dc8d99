"""The doctor: what it reads of requirements, and what it says of packages, names and programs that are wrong."""

from __future__ import annotations

import base64
import hashlib
import importlib
import sys
import tomllib
from pathlib import Path

import pytest

import flash
from emu.doctor import names, packages, requirements, tools
from emu.doctor.item import Item
from emu.doctor.requirements import Project, Requirement, at_least, by_extra, needed, project, requirement

ROOT = Path(__file__).resolve().parents[2]


# -- requirements -----------------------------------------------------------------------------------------


def test_a_clone_needs_what_its_project_file_says() -> None:
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = project()
    assert found is not None
    assert (found.version, found.python, found.clone) == (table["version"], table["requires-python"], True)
    assert [f"{each.name}>={each.minimum}" for each in needed(found)] == table["dependencies"]
    assert set(by_extra(found)) == set(table["optional-dependencies"])


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("numpy>=1.26", Requirement("numpy", "1.26")),
        ("click", Requirement("click")),
        ("dask[distributed]>=2024.8; extra == 'dask'", Requirement("dask", "2024.8", ("distributed",), "dask")),
        ('brownout[dask]; extra == "all"', Requirement("brownout", "", ("dask",), "all")),
    ],
)
def test_a_requirement_is_read_as_pip_writes_it(text: str, read: Requirement) -> None:
    assert requirement(text) == read


def test_an_extra_of_ours_in_an_extra_is_what_it_stands_for() -> None:
    told = (requirement("dask>=1", "d"), requirement("brownout[d]", "test"), requirement("pytest>=8", "test"))
    assert [each.name for each in by_extra(Project("1", ">=3.11", told, True))["test"]] == ["dask", "pytest"]


@pytest.mark.parametrize(
    ("version", "minimum", "enough"),
    [
        ("1.26", "1.26", True), ("1.9", "1.26", False), ("2", "1.26", True), ("1.26.0rc1", "1.26", True),
        ("2.10.69", "2.10.70", False), ("43.0", "43", True), ("43", "43.0.0", True), ("0.9", "", True),
    ],
)  # fmt: skip
def test_versions_are_compared_by_their_numbers(version: str, minimum: str, enough: bool) -> None:
    assert at_least(version, minimum) is enough


def test_what_is_neither_a_clone_nor_installed_is_nobodys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(requirements, "HOME", tmp_path)
    monkeypatch.setattr(requirements, "DISTRIBUTION", "brownout-not-there")
    assert project() is None


# -- packages ---------------------------------------------------------------------------------------------


def of(*texts: str, extra: str = "") -> Project:
    return Project("1", ">=3.11", tuple(requirement(text, extra) for text in texts), clone=True)


def test_every_dependency_of_ours_is_there_and_imports() -> None:
    found = project()
    assert found is not None
    assert {item.status for item in packages.check_needed(found)} == {"ok"}
    assert packages.check_python(found).status == "ok"
    assert packages.check_crcmod() == Item("core", "crcmod in C", "ok", "runs its C code")


def test_what_is_missing_old_or_broken_is_told_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    distribution(tmp_path, "half-there", "1.0", {"half_there.py": "import math\nmath.no_such_thing"})
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(packages.MODULES, "half-there", "half_there")
    missing, old, broken = packages.check_needed(of("no-such-thing>=3", "numpy>=999", "half-there>=1"))
    assert (missing.status, missing.said) == ("broken", "is not installed")
    assert missing.do == "pip install 'no-such-thing>=3'"
    assert old.status == "broken"
    assert old.said.endswith(" is older than 999")
    assert broken.status == "broken"
    assert "1.0 is installed and cannot be imported: AttributeError: " in broken.said
    assert broken.do == "pip install --force-reinstall 'half-there>=1'"


def test_an_old_python_is_broken() -> None:
    item = packages.check_python(Project("1", ">=99.1", (), clone=True))
    assert (item.status, item.do) == ("broken", "install Python 99.1 or newer")


def test_an_extra_that_is_not_whole_is_missing_with_the_pip_line() -> None:
    (item,) = packages.check_extras(of("pytest>=8", "no-such-thing", extra="more"))
    assert (item.status, item.said) == ("missing", "no-such-thing is not installed")
    assert item.do == "pip install 'brownout[more]'"
    (item,) = packages.check_extras(of("pytest>=8", extra="more"))
    assert item.status == "ok"


def test_an_extra_of_a_package_in_an_extra_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told = "Provides-Extra: far\nRequires-Dist: no-such-thing>=1; extra == 'far'\nRequires-Dist: nor-this; extra == 'x'"
    distribution(tmp_path, "near", "1.0", {}, told)
    monkeypatch.syspath_prepend(tmp_path)
    (item,) = packages.check_extras(of("near[far]>=1", extra="more"))
    assert (item.status, item.said) == ("missing", "no-such-thing is not installed")


def test_crcmod_in_python_is_a_warning_and_wrong_sums_are_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "crcmod"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "crcmod._crcfunext", None)  # as a wheel without its C code
    slow = packages.check_crcmod()
    assert slow.status == "warning"
    assert slow.do == "pip install --force-reinstall crcmod-plus"
    monkeypatch.setattr(packages, "CRC_CHECK", 7)
    wrong = packages.check_crcmod()
    assert wrong.status == "broken"
    assert wrong.said == "the CRC-32C of b'123456789' is 0xe3069283, not 0x00000007"


# -- names ------------------------------------------------------------------------------------------------


def distribution(folder: Path, name: str, version: str, files: dict[str, str], told: str = "") -> None:
    """Something that pip has installed in ``folder``, as far as its records say."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    records = [f"{info.name}/RECORD,,"]
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content, encoding="utf-8")
        digest = base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest()).rstrip(b"=").decode()
        records.append(f"{path},sha256={digest},{len(content)}")
    info.mkdir()
    head = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{told}"
    (info / "METADATA").write_text(head.rstrip() + "\n", encoding="utf-8")
    (info / "RECORD").write_text("\n".join(records) + "\n", encoding="utf-8")


def checked(name: str, folder: Path) -> list[Item]:
    return [item for item in names.check_names(folder) if item.name.split()[0] == name]


def test_names_that_are_ours_are_sound(tmp_path: Path) -> None:
    found = list(names.check_names(tmp_path))
    assert [(item.name, item.status, item.said) for item in found] == [
        (name, "ok", str(ROOT / name)) for name in ("flash", "bootloader", "updater", "emu")
    ]


def test_a_distribution_with_a_name_of_ours_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert Path(str(flash.__file__)).parent == ROOT / "flash"
    distribution(tmp_path, "lightning-flash", "0.8", {"flash/__init__.py": ""})
    monkeypatch.syspath_prepend(tmp_path)
    (item,) = checked("flash", tmp_path / "elsewhere")
    assert item.status == "warning"  # ours is loaded already, and stays the one that is imported
    assert item.said.startswith("also installed by lightning-flash, ")
    assert item.do.startswith("pip uninstall lightning-flash && ")


def test_a_package_that_comes_first_on_the_path_is_broken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    distribution(tmp_path, "lightning-flash", "0.8", {"flash/__init__.py": ""})
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "flash")
    importlib.invalidate_caches()
    (item,) = checked("flash", tmp_path / "elsewhere")
    assert item.status == "broken"
    assert item.said == (
        f"imported from {tmp_path / 'flash'}, not from {ROOT / 'flash'}; also installed by lightning-flash"
    )


def test_a_folder_where_the_command_is_called_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "updater").mkdir()
    assert [item.status for item in checked("updater", tmp_path)] == ["ok"]  # no package, so it hides nothing
    (tmp_path / "updater" / "__init__.py").touch()
    ours, theirs = checked("updater", tmp_path)
    assert (ours.status, theirs.status) == ("ok", "warning")
    assert str(tmp_path / "updater" / "__init__.py") in theirs.said
    assert [item.status for item in checked("updater", ROOT)] == ["ok"]


def test_a_file_of_ours_that_somebody_overwrote_is_broken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    files = {"flash/__init__.py": "ours", "flash/device.py": "ours too", "notes/x.py": "not of these packages"}
    distribution(tmp_path, "brownout-here", "1", files)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(names, "HOME", tmp_path)
    monkeypatch.setattr(names, "DISTRIBUTION", "brownout-here")
    assert names._changed_files() == []
    (tmp_path / "flash" / "__init__.py").write_text("theirs", encoding="utf-8")
    (tmp_path / "flash" / "device.py").unlink()
    (tmp_path / "notes" / "x.py").write_text("theirs", encoding="utf-8")
    assert names._changed_files() == ["flash/__init__.py", "flash/device.py"]
    monkeypatch.delitem(sys.modules, "flash")
    importlib.invalidate_caches()
    (item,) = checked("flash", tmp_path / "elsewhere")
    assert item.status == "broken"
    assert item.said == "not as brownout installed it: 2 files, flash/__init__.py for one"


# -- programs ---------------------------------------------------------------------------------------------


def program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)


def test_programs_are_found_by_any_of_their_names_and_say_their_version(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program(tmp_path, "clang", "echo; echo clang version 99")
    program(tmp_path, "mosquitto", '[ "$1" = -h ] && echo mosquitto version 2 >&2; exit 3')
    program(tmp_path, "objcopy", "exec sleep 60")
    program(tmp_path, "chromium", "exit 0")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setattr(
        tools.shutil, "which", lambda name: str(tmp_path / name) if (tmp_path / name).exists() else None
    )
    monkeypatch.setattr(tools, "PATIENCE_S", 0.5)
    found = {item.name: item for item in tools.check_tools()}
    assert found["C compiler"].said == f"{tmp_path}/clang: clang version 99"
    assert found["MQTT broker"].said == f"{tmp_path}/mosquitto: mosquitto version 2"
    assert (found["objcopy"].status, found["objcopy"].said) == ("warning", f"{tmp_path}/objcopy --version does not end")
    assert found["browser"].said == f"{tmp_path}/chromium: says nothing of itself"
    missing = found["cross compiler"]
    assert (missing.status, missing.do) == ("missing", "apt-get install gcc-arm-none-eabi")
