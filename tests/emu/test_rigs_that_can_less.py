"""A campaign does what its rig can do, and says what it left out."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from emu.board import load_board
from emu.campaign.explore import Explorer
from emu.campaign.options import Options
from emu.rig import Capabilities, DeviceState, Run
from emu.update_rig import ImagePair, UpdateRig
from flash.journal import Interruption
from flash.tears import TEAR_SETS

IMAGES = ImagePair(hashlib.shake_128(b"old").digest(3000), hashlib.shake_128(b"new").digest(3000))
EXACT = Capabilities(snapshot=True, tears=True, deterministic=True, virtual_time=True)


class LesserRig:
    """An emulated device that hides what it can do. Without snapshots its states are handles without content."""

    def __init__(self, rig: UpdateRig, capabilities: Capabilities) -> None:
        self.rig = rig
        self.capabilities = capabilities
        self.runs = 0
        self._now = rig.initial(0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.rig, name)

    def initial(self, attempts: int) -> DeviceState:
        self._now = self.rig.initial(attempts)
        return self._handle()

    def stretch(self, state: DeviceState, *, resolution: str | None = None) -> Run:
        return self.run(state)

    def run(
        self, state: DeviceState, interruption: Interruption | None = None, *, resolution: str | None = None
    ) -> Run:
        if not self.capabilities.snapshot:
            state = replace(self._now, cause=state.cause, attempts_left=state.attempts_left)
        self.runs += 1
        run = self.rig.run(state, interruption)
        self._now = run.end
        return replace(run, end=self._handle())

    def _handle(self) -> DeviceState:
        return self._now if self.capabilities.snapshot else replace(self._now, memory=())


def campaign(capabilities: Capabilities, options: Options) -> tuple[Explorer, Any, LesserRig]:
    board = load_board("demo")
    bounds = msgspec.structs.replace(
        board.document.checks, apply=tuple(name for name in board.document.checks.apply if name != "in-place")
    )
    rig = LesserRig(UpdateRig(board, IMAGES), capabilities)
    explorer = Explorer(rig, bounds, options)
    return explorer, explorer.explore(), rig


def test_without_snapshots_every_edge_is_reached_by_running_again() -> None:
    options = Options(tears=TEAR_SETS["none"], events=("reset",))
    _, exact, _ = campaign(EXACT, options)
    explorer, live, rig = campaign(replace(EXACT, snapshot=False), replace(options, tears=TEAR_SETS["T1"], depth=2))
    assert live.coverage.outcomes == exact.coverage.outcomes
    assert live.coverage.edge_kinds == exact.coverage.edge_kinds
    assert live.coverage.edges_inherited == 0
    assert rig.runs > live.coverage.edges
    assert any("no snapshots" in note for note in explorer.notes)
    assert (live.word, live.depth) == ("held", 1)


def test_a_rig_that_cannot_tear_is_cut_cleanly_and_that_is_said() -> None:
    explorer, verdict, _ = campaign(replace(EXACT, tears=False), Options())
    assert set(verdict.coverage.edge_kinds) == {"cut"}
    assert verdict.tears == "none"
    assert explorer.notes == ["the rig cannot tear operations: clean cuts only"]


def test_a_rig_that_is_not_deterministic_runs_every_edge() -> None:
    explorer, verdict, _ = campaign(replace(EXACT, deterministic=False), Options(tears=TEAR_SETS["T1-coarse"]))
    assert verdict.coverage.edges_inherited == 0
    assert explorer.hit_rate == 0
    assert any("sample" in note for note in verdict.notes)


@pytest.mark.parametrize("capability", ["snapshot", "tears", "deterministic", "virtual_time"])
def test_every_missing_capability_is_noted(capability: str) -> None:
    _, verdict, _ = campaign(replace(EXACT, **{capability: False}), Options(tears=TEAR_SETS["T1-coarse"]))
    assert verdict.notes
