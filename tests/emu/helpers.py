"""What the emulator's tests work on: boards with one thing changed, small images, rigs, and campaigns on them.

Neighbours: every test of this folder and the campaign properties. Asserts nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from emu.app import APP_MODELS, AppModel
from emu.board import Board, board_names, load_board, make_board
from emu.campaign.edges import EVENT_NAMES, Child, EdgeWalker, EventName
from emu.campaign.explore import Explorer
from emu.campaign.options import Options
from emu.campaign.verdict import Verdict
from emu.firmware import ModelFirmware
from emu.rig import DeviceState, Run
from emu.update_rig import ImagePair, UpdateRig
from flash.journal import Event, Operation
from flash.tears import TEAR_SETS, TearSet

BOARDS = board_names()
OLD_APP = bytes(range(1, 240)) * 3
NEW_APP = bytes(range(3, 250))[::-1] * 6
IMAGES = ImagePair(OLD_APP, NEW_APP)
NONE, COARSE, T1 = (TEAR_SETS[name] for name in ("none", "T1-coarse", "T1"))


def board_with(name: str = "demo", **tables: dict[str, Any]) -> Board:
    """A bundled board with some keys of some tables changed: ``board_with(timers={"watchdog_s": 0})``."""
    document = load_board(name).document
    changed = {table: msgspec.structs.replace(getattr(document, table), **keys) for table, keys in tables.items()}
    return make_board(msgspec.structs.replace(document, **changed), Path(), name)


def rig_on(
    board: Board | str = "demo",
    *,
    app: AppModel | str = "healthy",
    firmware: ModelFirmware | None = None,
    images: ImagePair = IMAGES,
    **options: Any,
) -> UpdateRig:
    board = load_board(board) if isinstance(board, str) else board
    return UpdateRig(board, images, firmware=firmware, app=APP_MODELS[app] if isinstance(app, str) else app, **options)


def explorer_on(rig: UpdateRig, **options: Any) -> Explorer:
    """A campaign that is about to begin, with the options a board's user gets unless told otherwise."""
    return Explorer(rig, rig.board.document.checks, replace(Options(keeps_new=rig.keeps_new), **options))


def campaign(rig: UpdateRig, **options: Any) -> Verdict:
    return explorer_on(rig, **options).explore()


def life(rig: UpdateRig, state: DeviceState | None = None, attempts: int = 1) -> list[tuple[DeviceState, Run]]:
    """The sessions from ``state`` (the factory's unless given) until the device does not restart any more."""
    state = state or rig.initial(attempts)
    sessions = []
    for _ in range(12):
        run = rig.run(state)
        sessions.append((state, run))
        if run.outcome.kind != "reset":
            return sessions
        state = run.end
    raise AssertionError("the device does not come to rest within 12 sessions")


def edges_of(
    rig: UpdateRig,
    sessions: list[tuple[DeviceState, Run]],
    tears: TearSet = T1,
    events: tuple[EventName, ...] = EVENT_NAMES,
) -> Iterator[tuple[DeviceState, Run, Child]]:
    """Every edge of every session, with the state its session began from."""
    walker = EdgeWalker(rig, tears, events)
    for state, run in sessions:
        for child in walker.children(state, run):
            yield state, run, child


@cache
def known_edges(board: str) -> tuple[UpdateRig, tuple[tuple[DeviceState, Run, Child], ...]]:
    """A rig on a bundled board, and every edge of the life of a device on it. Made once; never changed."""
    rig = rig_on(board)
    return rig, tuple(edges_of(rig, life(rig)))


def operations(run: Run) -> list[Operation]:
    return [entry for entry in run.entries if isinstance(entry, Operation)]


def events(run: Run, name: str) -> list[Event]:
    return [entry for entry in run.entries if isinstance(entry, Event) and entry.name == name]
