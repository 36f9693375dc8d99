"""What brownout says it needs: of a clone by its pyproject.toml, else by what pip has installed.

The code that runs is the one to ask: a clone on the path has its own idea of what it needs, whatever is installed.
Neighbours: `packages` holds the machine to it. Imports nothing that could be broken.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

DISTRIBUTION = "brownout"
HOME = Path(__file__).resolve().parents[2]
"""The folder the packages lie in: a clone, or one of the interpreter's own."""
_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)(?:\[([^\]]*)\])?\s*(?:>=\s*([0-9][0-9.]*))?\s*(?:;(.*))?")
_EXTRA = re.compile(r"""\s*extra\s*==\s*['"]([^'"]+)['"]\s*""")


@dataclass(frozen=True, slots=True)
class Requirement:
    """``minimum``: the least version, "" for any. ``extras``: of the distribution that is required. ``extra``: of
    brownout's, the one that asks for it; "": brownout always needs it."""

    name: str
    minimum: str = ""
    extras: tuple[str, ...] = ()
    extra: str = ""


@dataclass(frozen=True, slots=True)
class Project:
    """``version`` and ``requirements`` of the code that runs. ``clone``: it is run from its sources."""

    version: str
    python: str
    requirements: tuple[Requirement, ...]
    clone: bool


def project() -> Project | None:
    """None: this is neither a clone nor installed, so nobody knows what it needs."""
    try:
        table = tomllib.loads((HOME / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    except (OSError, ValueError, KeyError):
        table = {}
    if table.get("name") == DISTRIBUTION:
        always = [requirement(text) for text in table["dependencies"]]
        extras = [requirement(text, extra) for extra, texts in table["optional-dependencies"].items() for text in texts]
        return Project(table["version"], table["requires-python"], (*always, *extras), clone=True)
    try:
        installed = metadata.distribution(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return None
    told = tuple(requirement(text) for text in installed.requires or ())
    return Project(installed.version, installed.metadata["Requires-Python"], told, clone=False)


def requirement(text: str, extra: str = "") -> Requirement:
    """One line of our own requirements: a name, extras, a least version, and the extra it belongs to."""
    found = _REQUIREMENT.fullmatch(text.strip())
    assert found is not None, f"a requirement nobody can read, {text!r}: please report"
    name, extras, minimum, marker = found.groups()
    if marker:
        belongs = _EXTRA.fullmatch(marker)
        assert belongs is not None, f"a marker nobody can read, {marker!r}: please report"
        extra = belongs[1]
    return Requirement(name, minimum or "", tuple(part.strip() for part in (extras or "").split(",") if part), extra)


def needed(found: Project) -> list[Requirement]:
    return [each for each in found.requirements if not each.extra]


def by_extra(found: Project) -> dict[str, list[Requirement]]:
    """What every extra asks for, with those it takes from other extras of ours resolved."""
    extras = dict.fromkeys(each.extra for each in found.requirements if each.extra)
    return {extra: _resolved(found, extra) for extra in extras}


def _resolved(found: Project, extra: str) -> list[Requirement]:
    asked: list[Requirement] = []
    for each in found.requirements:
        if each.extra == extra and each.name == DISTRIBUTION:
            asked += [inner for other in each.extras for inner in _resolved(found, other)]
        elif each.extra == extra:
            asked.append(each)
    return asked


def at_least(version: str, minimum: str) -> bool:
    """Whether ``version`` is ``minimum`` or newer, by the numbers it begins with."""
    return _numbers(version) >= _numbers(minimum)


def _numbers(version: str) -> list[int]:
    """2.10.70rc1 and 2.10.70 are one here; trailing zeros count for nothing."""
    begins = re.match(r"\d+(\.\d+)*", version)
    numbers = [int(part) for part in begins[0].split(".")] if begins else []
    while numbers and not numbers[-1]:
        numbers.pop()
    return numbers
