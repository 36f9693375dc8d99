"""What a Scenario is made of, held to what its fields take: Python checks no type, and a user gets one line for a wrong
one instead of a traceback from somewhere inside.

Neighbours: `plain_rig` asks here before it makes anything of a scenario, `proof` before that. What goes together (names
of windows, sizes, sectors) is `plain_rig`'s to say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from emu.board import ALL_CHECKS, CheckEntry, TimerEntry
from emu.errors import ScenarioError
from emu.oracle import Oracle
from emu.scenario import Scenario, Window
from flash.part import Part
from flash.tomlfile import nearest

S = TypeVar("S", bound=msgspec.Struct)
LONGEST = 60
LONGEST_STUCK_S = 86_400.0


def check_types(scenario: Scenario) -> None:
    """Raises ScenarioError, in one line with the field, what was given and what it takes."""
    if not isinstance(scenario, Scenario):
        hint = f"Scenario({getattr(scenario, '__name__', 'firmware')}, 'w25q128jv')" if callable(scenario) else "one"
        raise ScenarioError(f"{_shown(scenario)} is no Scenario; make {hint}")
    try:
        for field, fits, takes in _FIELDS:
            _hold(field, getattr(scenario, field), fits, takes)
        for field, fits, takes in _ENTRIES:
            for name, value in getattr(scenario, field).items():
                _hold(f"{field}, a name", name, _is(str), "names that are strings")
                _hold(f"{field}[{name!r}]", value, fits, takes)
        if isinstance(scenario.parts, Mapping):
            for name, part in scenario.parts.items():
                _hold(f"parts[{name!r}]", part, _is(Part, str), "a part, or the name of one")
        for name, window in scenario.windows.items():
            for side in ("offset", "size"):
                _hold(f"windows[{name!r}], {side}", getattr(window, side), _is_whole, "a number of bytes")
            _hold(f"windows[{name!r}], chip", window.chip, _is(str), "the name of a chip")
        _checked("timers", scenario.timers)
        checks_of(scenario)
    except ScenarioError as wrong:
        raise ScenarioError(f"{scenario.source}: {wrong}" if scenario.source else str(wrong)) from None


def checks_of(scenario: Scenario) -> CheckEntry:
    """The checks that apply, and their bounds. Raises ScenarioError as `check_types` does."""
    given = scenario.checks
    if isinstance(given, CheckEntry):
        return _checked("checks", given)
    for name in given:
        if name not in ALL_CHECKS:
            raise ScenarioError(f"checks: there is no {name!r}{nearest(str(name), ALL_CHECKS)}")
    return _checked("checks", CheckEntry(apply=tuple(dict.fromkeys(given))))  # type: ignore[arg-type]  # looked up above


def _checked(field: str, entry: S) -> S:
    """Structs of msgspec look at nothing when they are made in Python."""
    try:
        return msgspec.convert(msgspec.to_builtins(entry), type(entry))
    except (msgspec.ValidationError, TypeError) as wrong:
        raise ScenarioError(f"{field}: {_shown(entry)}: {wrong}") from None


Fits = Callable[[Any], bool]


def _is(*kinds: type) -> Fits:
    return lambda value: isinstance(value, kinds)


def _list_of(*kinds: type) -> Fits:
    """A string is a sequence of strings, and never meant as one."""

    def fits(value: Any) -> bool:
        return isinstance(value, Sequence) and not isinstance(value, str) and all(isinstance(v, kinds) for v in value)

    return fits


def _is_whole(value: Any) -> bool:
    return type(value) is int


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= LONGEST_STUCK_S


_WINDOWS = 'a dict, like {"slot": Window(0, 0x1000)}'
_FIELDS: tuple[tuple[str, Fits, str], ...] = (
    ("firmware", callable, "a function that is called at every reset"),
    ("parts", lambda value: isinstance(value, Part | str | Mapping) and value != {},
     'a part, the name of one, or a dict of them, like {"flash": "w25q128jv"}'),
    ("windows", _is(Mapping), _WINDOWS),
    ("factory", _is(Mapping), 'a dict, like {"slot": b"content"}'),
    ("images", _is(Mapping), 'a dict, like {"old": b"...", "new": b"..."}'),
    ("work", _is(bytes, bytearray, type(None)), "bytes"),
    ("commits", _is(bool), "True or False"),
    ("keeps", _is(bool), "True or False"),
    ("timers", _is(TimerEntry), "a TimerEntry, like TimerEntry(watchdog_s=8)"),
    ("oracles", _list_of(Oracle), "a list of Oracle"),
    ("fine", _list_of(str), 'a list of windows, like ["config"]'),
    ("checks", lambda value: isinstance(value, CheckEntry) or (_list_of(str)(value) and len(value) > 0),
     'a list of checks, like ["boots"], or a CheckEntry'),
    ("stuck_after_s", _is_time, f"host seconds, more than 0 and at most {LONGEST_STUCK_S:,.0f}"),
    ("name", _is(str), "a string"),
)  # fmt: skip
_ENTRIES: tuple[tuple[str, Fits, str], ...] = (
    ("windows", _is(Window), "a Window, like Window(0, 0x1000)"),
    ("factory", _is(bytes, bytearray), "bytes"),
    ("images", _is(bytes, bytearray), "bytes"),
)


def _hold(field: str, value: Any, fits: Fits, takes: str) -> None:
    if not fits(value):
        raise ScenarioError(f"{field}: {_shown(value)} does not fit: it takes {takes}")


def _shown(value: Any) -> str:
    """A value in a few words, on one line."""
    words = " ".join(repr(value).split())
    return words if len(words) <= LONGEST else f"{words[:LONGEST]}..."
