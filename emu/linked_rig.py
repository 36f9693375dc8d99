"""LinkedRig: the emulated device with an update system's application on it, and a peer that brings it the update.

What the peer knows, and the frames on their way, are part of the state. Besides power, the network is what happens to
the update: in every session of a campaign every frame may be lost, doubled, late, or take the link along, as long as
the number of such *disturbances* on a path is not used up.

Neighbours: `update_rig` is the same device that is handed its updates; `emu.ota` has the network, and the two ends. The
campaign never sees this file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from bootloader.config import RECORD_SIZE, CopyReading, newest_of, read_config
from emu.app import APP_MODELS
from emu.board import Board
from emu.device import Session
from emu.errors import ScenarioError
from emu.events import DETOURS, FRAME
from emu.firmware import ModelFirmware
from emu.life import SessionLife
from emu.ota.linked_life import LinkedApplication, LinkedLife
from emu.ota.machine import Peer
from emu.ota.mongoose.linked import LinkedMongoose, Shipped, peer_for
from emu.ota.network import BROKEN, LinkKind, Network, Outside
from emu.ota.node import Booted
from emu.rig import Detour, DeviceState, Input, Run
from emu.update_rig import ImagePair, UpdateRig
from flash.journal import Event
from flash.timing import TimingMode
from flash.trace import Trace
from flash.weak import DEFAULT_RESOLUTION


@dataclass(frozen=True, slots=True)
class LinkChoice:
    """``system``: a name of SYSTEMS. ``disturbances``: how many frames of a path the network may disturb."""

    system: str
    kind: LinkKind = "connection"
    disturbances: int = 1


@dataclass(frozen=True)
class System:
    """An update system's two ends. ``peer`` is given the archive and the commit timeout in seconds; ``application`` a
    boot, and what the two images call themselves."""

    peer: Callable[[bytes, int], Peer[Any]]
    application: Callable[[Booted, Shipped], LinkedApplication]


SYSTEMS: Mapping[str, System] = {"mongoose": System(peer_for, LinkedMongoose)}


class LinkedRig(UpdateRig):
    """``choice``: how the update comes. ``system``: the two ends, where they are not those of the table.

    Raises ScenarioError as `UpdateRig`, and for a commit timeout of 0: then nothing waits for the peer."""

    def __init__(
        self,
        board: Board,
        images: ImagePair,
        choice: LinkChoice,
        *,
        firmware: ModelFirmware | None = None,
        system: System | None = None,
        timing: TimingMode = "typ",
        seed: int = 0,
        resolution: str = DEFAULT_RESOLUTION,
        traced: bool = True,
    ) -> None:
        super().__init__(
            board, images, firmware=firmware, app=APP_MODELS["healthy"], timing=timing, seed=seed,
            resolution=resolution, traced=traced,
        )  # fmt: skip
        self.choice = choice
        self._system = SYSTEMS[choice.system] if system is None else system
        timeout_s = board.document.timers.commit_timeout_s
        if not timeout_s:
            raise ScenarioError(
                f"board {board.name} has timers.commit_timeout_s 0: a new image commits at once, and no peer is asked; "
                "give it a commit timeout"
            )
        self._peer = self._system.peer(self.bundle, timeout_s)
        self._shipped = Shipped(board.name, ((images.old, images.old_version), (images.new, images.new_version)))

    @cached_property
    def inputs(self) -> Mapping[str, Input]:
        plain = super().inputs
        choice = self.choice
        link = f"{choice.system} over a {choice.kind}, {choice.disturbances} disturbed"
        label = f"{plain['workload'].label}|{link}"
        return {**plain, "workload": Input(label, hashlib.sha256(label.encode()).hexdigest())}

    @property
    def lacks(self) -> Mapping[str, str]:
        return {name: why for name, why in super().lacks.items() if name != "truthful"}

    def initial(self, attempts: int) -> DeviceState:
        return replace(super().initial(attempts), outside=Outside(left=self.choice.disturbances))

    def detours(self, state: DeviceState, run: Run) -> Sequence[Detour]:
        """Every frame that is sent behind the last one the session's plan has something to say about."""
        outside = state.outside
        assert isinstance(outside, Outside), "a state of another rig: please report"
        if outside.left <= len(state.plan):
            return ()
        known = [how for how in DETOURS if how != BROKEN or self.choice.kind == "connection"]
        frames = [at for at, entry in enumerate(run.entries) if isinstance(entry, Event) and entry.name == FRAME]
        first = 1 + max((number for number, _ in state.plan), default=-1)
        return [
            Detour(at, how, (*state.plan, (number, how)))
            for number, at in enumerate(frames)
            if number >= first
            for how in known
        ]

    def stretch(self, state: DeviceState, *, resolution: str | None = None) -> Run:
        return self.run(state, resolution=resolution)

    def _life(self, state: DeviceState, session: Session, trace: Trace | None, *, pausing: bool) -> SessionLife:
        assert not pausing, "a session with a peer has no waypoints: please report"
        assert isinstance(state.outside, Outside), "a state of another rig: please report"
        network = Network(
            self._peer, self.choice.kind, state.outside, state.plan, session.log.note, lambda: session.clock.now_us
        )
        return LinkedLife(
            self._plot(trace), session, state.attempts_left, network, self._boot,
            lambda slot: self._names_other(slot, trace),
        )  # fmt: skip

    def _names_other(self, slot: int, trace: Trace | None) -> bool:
        """Whether the newest valid record, by the book, has another slot than ``slot`` run next. Costs no time."""
        readings = []
        for place in self.places.configs:
            chip = self.device.chips[place.chip]
            if trace is not None:
                trace.consulted(chip.name, chip.cells, place.address, RECORD_SIZE)
            raw = chip.cells.read(place.address, RECORD_SIZE)
            is_broken = chip.cells.first_broken(place.address, RECORD_SIZE) is not None
            stored = raw if chip.part.erased == 0xFF else bytes(byte ^ 0xFF for byte in raw)
            readings.append(CopyReading(None, "uncorrectable") if is_broken else read_config(stored))
        config = newest_of(*readings).config
        return config is not None and config.active_slot != slot

    def _boot(self, booted: Booted) -> LinkedApplication:
        return self._system.application(booted, self._shipped)
