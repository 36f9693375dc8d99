"""A bug of the field: a firmware that has it, one that has not, and what a campaign must say of both.

Neighbours: one file per bug makes a row; `test_field_bugs` holds each to its word. The firmwares are models: small,
written from the public description of the bug, never from its code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from emu.board import ALL_CHECKS, CheckEntry
from emu.plain_rig import PlainRig
from emu.scenario import Firmware, Scenario, Window
from flash.bulk import put, wipe
from flash.contract import NorFlash
from flash.weak import DEFAULT_RESOLUTION
from tests.flash.small_parts import SERIAL

BOUNDS = CheckEntry(apply=ALL_CHECKS)
SECTOR = 64
"""Bytes in a sector of `SERIAL`; most windows are one sector."""


@dataclass(frozen=True)
class FieldBug:
    """``check`` breaks after ``cuts`` interruptions and no fewer. ``tears``: the set it is found with; ``milder``: one
    that does not find it ("": clean cuts already do). ``right_depth`` and ``right_tears``: how the right variant is
    explored. ``walked``: deeper than layers go, so the exhaustive walk has to find it."""

    name: str
    reference: str
    wrong: Firmware
    right: Firmware
    rig: Callable[[Firmware], PlainRig]
    check: str
    cuts: int = 1
    tears: str = "none"
    milder: str = ""
    attempts: int = 1
    right_depth: int = 1
    right_tears: str = "T1"
    walked: bool = False
    bounds: CheckEntry = BOUNDS


def sectors(*names: str, size: int = SECTOR) -> dict[str, Window]:
    """One window after another, each of one sector."""
    return {name: Window(number * size, size) for number, name in enumerate(names)}


def updatable(
    *names: str, old: bytes, new: bytes, shipped: Mapping[str, bytes] | None = None, **more: Any
) -> Callable[[Firmware], PlainRig]:
    """Makes rigs of a small serial NOR with one window a sector, the old image in the first. ``shipped``: what else
    the factory put there."""
    return partial(
        rig_of,
        parts=SERIAL,
        windows=sectors(*names),
        images={"old": old, "new": new},
        factory={names[0]: old, **(shipped or {})},
        **more,
    )


def rig_of(firmware: Firmware, *, resolution: str = DEFAULT_RESOLUTION, **scenario: Any) -> PlainRig:
    """The rig of a `Scenario`."""
    return PlainRig(Scenario(firmware, **scenario), resolution=resolution)


def copy(source: NorFlash, target: NorFlash) -> None:
    """Make ``target`` what ``source`` is."""
    wipe(target)
    put(target, 0, source.read(0, source.geometry.size))


def image(first: int, length: int = 48) -> bytes:
    """Bytes that count up from ``first``; none is blank, none is zero."""
    return bytes((first + n) % 253 + 1 for n in range(length))
