"""Firmware on workers: the graph of one process, and workers that know what a walk will ask for."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'brownout[cpu]'")

from emu.campaign.closure import Closure
from emu.campaign.engines.workers import WorkersEngine, WorkersStream
from emu.campaign.options import Options
from emu.campaign.runner import runner_spec
from emu.elf.board import load_elf_board
from emu.elf.rig import ElfRig
from emu.rig_spec import rig_spec
from flash.tears import TEAR_SETS
from tests.emu.elf.boards import board
from tests.emu.test_runner import assert_same


class Counts(WorkersEngine):
    """``put``: items it was given, so many of them ``urgent``: they were asked for before they were expected."""

    put = urgent = 0

    def stream(self) -> WorkersStream:
        counts = self

        class Counted(WorkersStream):
            def put(self, item: Any, *, is_urgent: bool = False) -> int:
                counts.put += 1
                counts.urgent += is_urgent
                return super().put(item, is_urgent=is_urgent)

        return Counted(self)


def campaign(folder: Path, loader: str, tears: str, engine: WorkersEngine | None = None) -> Closure:
    rig = ElfRig(load_elf_board(board(folder, "stm32l4", loader, "new")))
    return Closure(rig, rig.bounds, Options(tears=TEAR_SETS[tears], keep_going=True), None, engine)


@pytest.mark.parametrize(
    ("loader", "tears"), [("copy-right", "none"), ("copy-bug2", "none"), ("ab-right", "T1-coarse")]
)
def test_two_workers_make_the_graph_of_one_process_and_execute_little_in_vain(
    tmp_path: Path, loader: str, tears: str
) -> None:
    made = ElfRig(load_elf_board(board(tmp_path, "stm32l4", loader, "new")))
    with closing(Counts(runner_spec(rig_spec(made), made), 2)) as engine:
        one, other = campaign(tmp_path, loader, tears), campaign(tmp_path, loader, tears, engine)
        assert_same(one, other)
    assert (one.cover.boots, one.cover.runs) == (other.cover.boots, other.cover.runs)
    misses = other.judge.cache.misses
    assert engine.put < 1.25 * misses + 4
    if loader == "copy-right":  # walked point by point
        assert misses > 100
        assert engine.urgent < 0.3 * misses
