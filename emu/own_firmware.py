"""Firmware in a file of the user's: `FILE.py:NAME`, found, loaded and checked; and published designs, by name.

What NAME may be: a `Scenario`, which brings its own flash and images, or a class derived from `ModelFirmware`, which
runs on a board. Content counts: another process that loads the same path must find the same bytes.

Neighbours: the command line, `rig_spec` and the pytest plugin load here. Knows no rig and no campaign.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from emu.designs.table import DESIGNS, scenario_of
from emu.errors import ScenarioError
from emu.firmware import ModelFirmware
from emu.own_file import content_of, load_module
from emu.scenario import Scenario
from emu.source import Bundled, Source
from flash.tomlfile import nearest

Own = Scenario | type[ModelFirmware]


def load_own(where: str, app: str = "healthy") -> Own:
    """What ``where`` names: a published design, whose new image does what ``app`` says, or FILE.py:NAME; NAME may be
    left out where only one thing in the file can be meant.

    Raises ScenarioError for a file that cannot be read, is no Python, raises, or has nothing of that name.
    """
    if where in DESIGNS:
        return scenario_of(Bundled(where, app))
    path, name = split(where)
    raw = _content(path)
    return _found(path, name, raw)


def load_source(source: Source | Bundled) -> Own:
    """The same again, maybe elsewhere. Raises ScenarioError when the file is another one by now."""
    if isinstance(source, Bundled):
        return scenario_of(source)
    raw = _content(source.path)
    if hashlib.sha256(raw).hexdigest() != source.digest:
        raise ScenarioError(f"{source.path}: has changed since the campaign began; run it again")
    return _found(source.path, source.name, raw)


def split(where: str) -> tuple[str, str]:
    """Path and name of FILE.py:NAME; "" for a name that is not given."""
    path, colon, name = where.rpartition(":")
    if not colon or name.endswith(".py"):
        return where, ""
    if not name.isidentifier():
        raise ScenarioError(f"--firmware {where}: {name!r} is no name in a Python file; write FILE.py:NAME")
    return path, name


def _content(path: str) -> bytes:
    return content_of(path, f"write FILE.py:NAME{_or_design(path)}")


def _or_design(path: str) -> str:
    """What else a word without a suffix or a slash may mean."""
    if Path(path).suffix or Path(path).name != path:
        return ""
    return f", or a published design{nearest(path, list(DESIGNS))}: {', '.join(DESIGNS)}"


def _found(path: str, name: str, raw: bytes) -> Own:
    module = load_module(path, raw)
    owns: dict[str, Own] = {key: value for key, value in vars(module).items() if _is_own(value, module)}
    if not name:
        if len(owns) != 1:
            raise ScenarioError(f"{path}: {_choice(owns)}")
        name = next(iter(owns))
    own = owns.get(name)
    if own is None:
        raise ScenarioError(f"{path}: {_misnamed(name, vars(module).get(name), owns)}")
    source = Source(path, name, hashlib.sha256(raw).hexdigest())
    if isinstance(own, Scenario):
        return replace(own, source=source)
    own.source = source
    return own


def _misnamed(name: str, thing: Any, owns: dict[str, Own]) -> str:
    if thing is None:
        return f"nothing is called {name!r}{nearest(name, list(owns))}; {_choice(owns)}"
    hint = f"; make one of it: Scenario({name}, part, images=...)" if callable(thing) else ""
    return f"{name!r} is a {type(thing).__name__}, not a Scenario{hint}"


def _is_own(value: Any, module: ModuleType) -> bool:
    if isinstance(value, type):
        return issubclass(value, ModelFirmware) and value.__module__ == module.__name__
    return isinstance(value, Scenario)


def _choice(owns: dict[str, Own]) -> str:
    if not owns:
        return "there is no Scenario in it, and no class derived from ModelFirmware"
    return f"say which: {', '.join(f':{name}' for name in owns)}"
