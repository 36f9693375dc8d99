"""What stands behind the story of an ELF: of unknown images, which bytes; what lies behind a cut was not entered."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from emu.campaign.verdict import Step
from emu.cli.code import code_lines
from emu.events import HANDOVER, NEW, UNKNOWN
from flash.journal import Event


class Watched:
    """A rig whose every session enters images that differ so."""

    differences = ("one byte", "", "two bytes")

    def watched(self, state: object) -> None: ...

    def store_at(self, state: object, entry: int) -> None: ...


def entering(image: str) -> Event:
    return Event(HANDOVER, 0, (0, image, False, "a"))


def lines(*sessions: tuple[list[Event], Step | None]) -> list[str]:
    told = [SimpleNamespace(state=None, step=step, run=SimpleNamespace(entries=entries)) for entries, step in sessions]
    rig: Any = Watched()
    story: Any = SimpleNamespace(sessions=told)
    return list(code_lines(rig, story))


@pytest.mark.parametrize(
    ("entries", "cut_at", "told"),
    [
        ([NEW], None, []),
        ([NEW, UNKNOWN], None, ["one byte"]),
        ([UNKNOWN, UNKNOWN, UNKNOWN], None, ["one byte", "two bytes"]),
        ([UNKNOWN, UNKNOWN, UNKNOWN], 2, ["one byte"]),
        ([UNKNOWN], 0, []),
    ],
)
def test_unknown_images_before_a_cut_are_told(entries: list[str], cut_at: int | None, told: list[str]) -> None:
    step = None if cut_at is None else Step(0, cut_at, "cut")
    assert lines(([*map(entering, entries)], step)) == [f"session 1 enters an unknown image: {each}" for each in told]


def test_the_same_bytes_are_told_once() -> None:
    assert lines(*[([entering(UNKNOWN)], None)] * 3) == ["session 1 enters an unknown image: one byte"]
