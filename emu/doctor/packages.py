"""Python, what brownout needs of it, the extras, and whether crcmod runs its C code.

Neighbours: `requirements` says what is needed. Imports what it looks at only while it looks, and takes whatever goes
wrong for an answer.
"""

from __future__ import annotations

import importlib
import platform
import re
import sys
from collections.abc import Iterator
from importlib import metadata

from emu.doctor.item import Item
from emu.doctor.requirements import Project, Requirement, at_least, by_extra, needed

MODULES = {"crcmod-plus": "crcmod", "pyelftools": "elftools", "littlefs-python": "littlefs"}
"""What a distribution is imported as, where that is not its name."""
CRC_INPUT, CRC_CHECK = b"123456789", 0xE3069283
"""The check value of CRC-32C in the catalogue of parametrised CRC algorithms."""


def check_python(found: Project) -> Item:
    version, least = platform.python_version(), found.python.removeprefix(">=")
    said = f"{version} ({platform.python_implementation()}), {sys.executable}"
    if at_least(version, least):
        return Item("core", "python", "ok", said)
    return Item("core", "python", "broken", f"{said}: {least} or newer is needed", f"install Python {least} or newer")


def check_needed(found: Project) -> Iterator[Item]:
    for each in needed(found):
        status = _version_problem(each)
        problem, version = status or (_import_problem(MODULES.get(each.name, each.name)), _version(each.name))
        if problem:
            yield Item("core", each.name, "broken", f"{version} {problem}".strip(), _pip(each, again=bool(version)))
        else:
            yield Item("core", each.name, "ok", version)


def check_extras(found: Project) -> Iterator[Item]:
    """Of every extra, whether all it asks for is installed. Nothing of it is imported."""
    for extra, own in by_extra(found).items():
        asked = [each for first in own for each in (first, *_behind(first))]
        problems = [f"{each.name} {why[0]}" for each in asked if (why := _version_problem(each))]
        if problems:
            line = f"pip install 'brownout[{extra}]'"
            yield Item("extras", extra, "missing", ", ".join(problems), line)
        else:
            yield Item("extras", extra, "ok", ", ".join(f"{each.name} {_version(each.name)}" for each in asked))


def check_crcmod() -> Item:
    """A wheel without its C code is thirty times slower, and nothing says so."""
    again = "pip install --force-reinstall crcmod-plus"
    if _version("crcmod"):
        again = f"pip uninstall -y crcmod && {again}"
    try:
        from crcmod import crcmod, predefined

        value = predefined.mkPredefinedCrcFun("crc-32c")(CRC_INPUT)
        in_c = crcmod._usingExtension
    except Exception as wrong:
        return Item("core", "crcmod in C", "broken", f"cannot be asked: {_one_line(wrong)}", again)
    if value != CRC_CHECK:
        said = f"the CRC-32C of {CRC_INPUT!r} is {value:#010x}, not {CRC_CHECK:#010x}"
        return Item("core", "crcmod in C", "broken", said, again)
    if not in_c:
        said = "runs in Python, thirty times slower: CRCs other than CRC-32 take that long"
        return Item("core", "crcmod in C", "warning", said, again)
    return Item("core", "crcmod in C", "ok", "runs its C code")


def _behind(each: Requirement) -> list[Requirement]:
    """What a distribution that is there needs for the extras it is asked for with, as in dask[distributed]."""
    try:
        told = metadata.requires(each.name) or []
    except metadata.PackageNotFoundError:
        return []
    wanted = [line for line in told for extra in each.extras if re.search(rf"extra\s*==\s*['\"]{extra}['\"]", line)]
    names = (re.match(r"[A-Za-z0-9._-]+", line) for line in wanted)
    return [Requirement(name[0]) for name in names if name]


def _version(name: str) -> str:
    """ "" for what is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _version_problem(each: Requirement) -> tuple[str, str] | None:
    """What is wrong by the books alone, and the version that is there."""
    version = _version(each.name)
    if not version:
        return "is not installed", ""
    if not at_least(version, each.minimum):
        return f"is older than {each.minimum}", version
    return None


def _import_problem(module: str) -> str:
    try:
        importlib.import_module(module)
    except Exception as wrong:
        return f"is installed and cannot be imported: {_one_line(wrong)}"
    return ""


def _one_line(wrong: Exception) -> str:
    return " ".join(f"{type(wrong).__name__}: {wrong}".split())


def _pip(each: Requirement, *, again: bool) -> str:
    line = f"'{each.name}>={each.minimum}'" if each.minimum else each.name
    return f"pip install {'--force-reinstall ' if again else ''}{line}"
