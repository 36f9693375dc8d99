"""Whether `flash`, `bootloader`, `updater` and `emu` are ours: short names that others use too.

Two distributions with one top-level name write into one folder, and whichever is installed last wins; two folders of
that name on the path, and whichever comes first wins. Neighbours: `requirements` knows where we are.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import importlib.util
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from emu.doctor.item import Item
from emu.doctor.requirements import DISTRIBUTION, HOME
from emu.words import counted

NAMES = ("flash", "bootloader", "updater", "emu")
OWN = "give brownout a virtual environment of its own"


def check_names(folder: Path) -> Iterator[Item]:
    """``folder``: where the command was called."""
    owners = metadata.packages_distributions()
    changed = _changed_files()
    for name in NAMES:
        others = sorted({owner for owner in owners.get(name, ()) if owner != DISTRIBUTION})
        yield _check(name, others, [path for path in changed if path.split("/")[0] == name])
    for name in NAMES:
        for path in (folder / f"{name}.py", folder / name / "__init__.py"):
            if path.is_file() and not path.resolve().is_relative_to(HOME / name):
                yield Item(
                    "names", f"{name} here", "warning",
                    f"{path} is imported instead of ours by what has this folder first on its path: python -m pytest",
                    "call it from another folder, or pytest instead of python -m pytest",
                )  # fmt: skip


def _check(name: str, others: list[str], changed: list[str]) -> Item:
    place = _imported_from(name)
    also = f"also installed by {', '.join(others)}" if others else ""
    cure = f"pip uninstall {' '.join(others)} && pip install --force-reinstall --no-deps brownout, or {OWN}"
    if place is None:
        return Item("names", name, "broken", f"cannot be found{', ' * bool(also)}{also}", cure if others else OWN)
    if place != HOME / name:
        said = f"imported from {place}, not from {HOME / name}"
        return Item("names", name, "broken", f"{said}; {also}" if also else said, cure if others else OWN)
    if changed:
        said = f"not as brownout installed it: {counted(len(changed), 'file')}, {changed[0]} for one"
        cure = cure if others else "pip install --force-reinstall --no-deps brownout"
        return Item("names", name, "broken", f"{said}; {also}" if also else said, cure)
    if others:
        return Item("names", name, "warning", f"{also}, and ours is the one that is imported, for now", cure)
    return Item("names", name, "ok", str(place))


def _imported_from(name: str) -> Path | None:
    """The folder a package is imported from; None: nobody finds one. A single file is its own place."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations))).resolve()
    return Path(spec.origin).resolve() if spec.origin else None


def _changed_files() -> list[str]:
    """Files of ours in site-packages that are not what was installed; in a clone there is no record to hold them to."""
    try:
        installed = metadata.distribution(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return []
    changed = []
    for name, recorded, _ in csv.reader((installed.read_text("RECORD") or "").splitlines()):
        path = Path(str(installed.locate_file(name))).resolve()
        if not recorded or name.split("/")[0] not in NAMES or not path.is_relative_to(HOME):
            continue
        mode, _, digest = recorded.partition("=")
        if not path.is_file() or _digest(path, mode) != digest:
            changed.append(name)
    return changed


def _digest(path: Path, mode: str) -> str:
    """As a RECORD writes it: URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(hashlib.new(mode, path.read_bytes()).digest()).rstrip(b"=").decode()
