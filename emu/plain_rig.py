"""PlainRig: small firmware written as a Python function, on bare flash, without our bootloader.

A rig for what users bring, described by a `Scenario`: a function that is called at every reset (`reset.Reset`), the
flash and the windows on it, what the factory put there, the images that count as whole, the update a workload brings. A
store without images is one too: then `Oracle`s and the ledger judge it.

What oracles look at is in the footprint of every session.

Neighbours: implements `rig.Rig`; `known_images` says which image was entered, whatever the firmware says; `ending`
turns whatever it does into an outcome. `campaign` never sees this file. It has no waypoints: what a function holds
cannot be frozen, so a stretch is a whole session.
"""

from __future__ import annotations

import copy
import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import combinations

import msgspec

from emu.board import CheckEntry
from emu.clock import VirtualClock
from emu.ending import EVERY_CRASH, ended
from emu.errors import ScenarioError
from emu.events import HANG, NEW
from emu.known_images import KnownImages
from emu.reset import Reset, World
from emu.rig import (
    NOBODY_IS_TOLD,
    Capabilities,
    Detour,
    DeviceState,
    Input,
    KnownFiles,
    Outcome,
    Place,
    Places,
    Region,
    Run,
)  # fmt: skip
from emu.scenario import Scenario, Window
from emu.scenario_types import check_types, checks_of
from emu.source import Source
from emu.stuck import Stuck, limited
from emu.timers import Hung
from flash.cells import Cells
from flash.device import FlashDevice
from flash.errors import FlashError
from flash.grid import Grid, Grids
from flash.journal import Interruption, Journal
from flash.part import Part
from flash.partition import Partition
from flash.snapshot import Snapshot
from flash.supply import Supply
from flash.timing import Timing, TimingMode
from flash.trace import Trace
from flash.weak import DEFAULT_RESOLUTION, RESOLUTIONS

SESSION_LIMIT_S = 3600
"""A firmware that still works after an hour of device time is in an endless loop: that is a hang."""


class PlainRig:
    """A scenario that can be cut. Raises ScenarioError, or PartError, when what it is made of does not go together."""

    capabilities = Capabilities(snapshot=True, tears=True, deterministic=True, virtual_time=True, is_ours=False)

    def __init__(
        self,
        scenario: Scenario,
        *,
        timing: TimingMode = "typ",
        seed: int = 0,
        resolution: str = DEFAULT_RESOLUTION,
        traced: bool = True,
    ) -> None:
        check_types(scenario)
        self.scenario = scenario
        self.name = scenario.name or _identity(scenario.firmware).partition("#")[0]
        self.firmware = scenario.firmware
        self.images = dict(scenario.images)
        self._bounds = checks_of(scenario)
        self._supply = Supply()
        self._chips = {
            chip: FlashDevice(
                part, name=chip, supply=self._supply, timing=Timing(part, timing, seed=seed, worn=False), read_seed=seed
            )
            for chip, part in scenario.chips.items()
        }
        self.drawn = (timing, seed, _one_of("resolution", resolution, RESOLUTIONS))
        self._traced = traced
        self._windows = self._open(scenario.windows)
        self._fine = tuple(_one_of("fine window", window, self._windows) for window in scenario.fine)
        self._known = KnownImages(self.images, max(window.size for window in self._windows.values()))
        names = [oracle.name for oracle in scenario.oracles]
        self.oracles = tuple(oracle.bound_to(self.window_places, names) for oracle in scenario.oracles)
        self._factory = self._make_factory_state(scenario.factory)

    # -- the contract --------------------------------------------------------------------------------------

    @cached_property
    def inputs(self) -> Mapping[str, Input]:
        places = repr([(name, w.address, w.size, _chip_of(w).name) for name, w in self._windows.items()])
        parts = b"".join(name.encode() + msgspec.json.encode(chip.part) for name, chip in self._chips.items())
        board = parts + places.encode() + msgspec.json.encode(self.scenario.timers)
        work = self.scenario.update
        shipped = b"".join(snapshot.key for snapshot in self._factory.memory)
        images = b"".join(name.encode() + hashlib.sha256(image).digest() for name, image in self.images.items())
        timing, seed, resolution = self.drawn
        workload = (
            f"{self.scenario.name}|{_identity(self.firmware)}|{timing}|{seed}|{resolution}|{self.scenario.commits}"
            f"{'' if self.scenario.keeps else '|gives up'}"
        )
        source = self.scenario.source
        library = _library(self.firmware)
        code = {"firmware": Input(str(source), source.digest)} if isinstance(source, Source) else {}
        built = {} if library is None else {"library": library}
        return (
            code
            | built
            | {
                "board": Input(self.name, hashlib.sha256(board).hexdigest()),
                "from": Input("what the factory shipped", hashlib.sha256(shipped).hexdigest()),
                "to": Input(f"{len(work)} bytes", hashlib.sha256(images + work).hexdigest()),
                "workload": Input(workload, hashlib.sha256(workload.encode()).hexdigest()),
            }
        )

    @cached_property
    def parts(self) -> Sequence[Part]:
        return [chip.part for chip in self._chips.values()]

    @cached_property
    def chip_names(self) -> Sequence[str]:
        return list(self._chips)

    @cached_property
    def places(self) -> Places:
        """No boot configs of ours; the windows, in the order hand-overs number them."""
        return Places((), tuple(self._place(window) for window in self._windows.values()))

    @property
    def window_places(self) -> Mapping[str, Place]:
        """The windows by name, in the order hand-overs number them."""
        return {name: self._place(window) for name, window in self._windows.items()}

    @property
    def lacks(self) -> Mapping[str, str]:
        """The checks that mean nothing here, each with the reason."""
        reasons = {"keeps-files": "nobody knows a filesystem of the firmware", "truthful": NOBODY_IS_TOLD}
        if not self.images:
            return reasons | dict.fromkeys(("whole", "reverts", "retries"), "the firmware has no images")
        if not self.scenario.commits:
            reasons["reverts"] = "the firmware commits nothing: no image is on trial"
        if NEW not in self.images:
            reasons["retries"] = "the workload brings no new image"
        return reasons

    @property
    def files(self) -> KnownFiles:
        return KnownFiles()

    @property
    def bounds(self) -> CheckEntry:
        return self._bounds

    @property
    def regions(self) -> tuple[Region, ...]:
        chips = list(self._chips)
        found = [Region(_chip_of(w).name, name, w.address, w.size) for name, w in self._windows.items()]
        return tuple(sorted(found, key=lambda region: (chips.index(region.chip), region.address)))

    @property
    def keeps_new(self) -> bool:
        """Whether the uncut workload is expected to end with the new image."""
        return NEW in self.images and self.scenario.keeps

    @property
    def watchdog_us(self) -> int:
        return self.scenario.timers.watchdog_s * 1_000_000

    def bench_cells(self) -> list[Cells]:
        return [Cells(part) for part in self.parts]

    def initial(self, attempts: int) -> DeviceState:
        return replace(self._factory, attempts_left=attempts)

    @cached_property
    def grids(self) -> Grids:
        fine = [self._windows[name] for name in self._fine]
        return {
            name: Grid(chip.part, [(w.address, w.size) for w in fine if w.flash is chip])
            for name, chip in self._chips.items()
        }

    def run(
        self, state: DeviceState, interruption: Interruption | None = None, *, resolution: str | None = None
    ) -> Run:
        journal, trace = Journal(interruption), Trace(self.grids) if self._traced else None
        clock, ram = VirtualClock(), dict(state.ram)
        self._supply.restore()
        for chip, snapshot in zip(self._chips.values(), state.memory, strict=True):
            chip.restore(snapshot)
            chip.in_flight.clear()  # of another session, whose reset nobody waited for
            chip.sensing.resolution = RESOLUTIONS[resolution or self.drawn[2]]
            chip.attach(clock, journal, trace)
        reset = Reset(self._world(trace), state.cause, clock, journal, self._supply, ram, state.attempts_left)
        outcome = ended(reset, lambda: self._live(reset), EVERY_CRASH)
        if trace is not None:
            self._trace_what_oracles_read(trace)
        is_warm = outcome.kind == "reset"
        end = DeviceState(
            tuple(chip.snapshot() for chip in self._chips.values()),
            outcome.cause if is_warm else "power",
            reset.attempts_left,
            tuple(sorted(ram.items())) if is_warm else (),
        )
        met_weak = any(chip.cells.weak is not None and chip.cells.weak.was_undecided for chip in self._chips.values())
        return Run(journal.entries, outcome, end, clock.now_us, trace, met_weak)

    def stretch(self, state: DeviceState, *, resolution: str | None = None) -> Run:
        return self.run(state, resolution=resolution)

    def detours(self, state: DeviceState, run: Run) -> Sequence[Detour]:
        """None: nothing but the device decides what happens."""
        return ()

    def renamed(self, memory: tuple[Snapshot, ...]) -> tuple[Snapshot, ...]:
        """``memory`` itself: nobody knows of sequence counters here."""
        return memory

    def remainder(self, state: DeviceState) -> Run:
        """What is left of a session: without waypoints, all of it."""
        return self.run(state)

    def varied(self, start: DeviceState | None) -> PlainRig:
        """The like of this rig on the same hardware that begins in ``start``. No two of them run at the same time."""
        other = copy.copy(self)
        other._factory = start or self._factory
        return other

    def images_in(self, state: DeviceState) -> dict[str, str]:
        """Which known image stands in each window of a state."""
        for chip, snapshot in zip(self._chips.values(), state.memory, strict=True):
            chip.restore(snapshot)
        return {name: self._known.standing_in(window, None) for name, window in self._windows.items()}

    # -- a session -----------------------------------------------------------------------------------------

    def _live(self, reset: Reset) -> Outcome:
        reset.clock.set_alarm(HANG, SESSION_LIMIT_S * 1_000_000)
        why = self._call(reset)
        reset.clock.clear_alarm(HANG)
        if why is not None and not isinstance(why, str):
            raise TypeError(f"it returned {why!r}; None, or a string that says why nothing can run")
        if why is None and self.images and not reset.image:
            why = "the firmware returned and has handed over to no image"
        if why is not None:
            return Outcome("halted", detail=why)
        if reset.clock.has_alarm:
            reset.clock.run_to_alarm()
        return Outcome("settled", reset.image, reset.committed)

    def _call(self, reset: Reset) -> str | None:
        try:
            limit_s = 0.0 if _limits_itself(self.firmware) else self.scenario.stuck_after_s
            return limited(limit_s, lambda: self.firmware(reset))
        except Stuck as stuck:
            what = f"the firmware {stuck}"
        try:
            reset.hang()
        except Hung:
            raise Hung(what) from None

    def _world(self, trace: Trace | None) -> World:
        ask = (lambda: None) if trace is None else trace.asked_for_attempts
        image_in = (lambda window: self._known.standing_in(self._windows[window], trace)) if self.images else None
        return World(self._windows, self.scenario.timers, image_in, ask, self.scenario.update)

    def _trace_what_oracles_read(self, trace: Trace) -> None:
        for window in sorted({window for oracle in self.oracles for window in oracle.places}):
            partition = self._windows[window]
            chip = _chip_of(partition)
            trace.consulted(chip.name, chip.cells, partition.address, partition.size)

    # -- what goes together --------------------------------------------------------------------------------

    def _open(self, windows: Mapping[str, Window]) -> dict[str, Partition]:
        opened = {}
        windows = windows or {chip: Window(0, device.part.size, chip) for chip, device in self._chips.items()}
        for name, window in windows.items():
            chip = window.chip or (self.chip_names[0] if len(self._chips) == 1 else "")
            device = self._chips[_one_of(f"chip of window {name!r}", chip, self._chips)]
            try:
                opened[name] = Partition(name, device, window.offset, window.size)
            except FlashError as wrong:
                raise ScenarioError(str(wrong)) from None
        for (first, one), (second, other) in combinations(opened.items(), 2):
            if one.flash is other.flash and max(one.address, other.address) < min(
                one.address + one.size, other.address + other.size
            ):
                raise ScenarioError(f"windows {first!r} and {second!r} overlap: give each sector to one of them")
        return opened

    def _make_factory_state(self, factory: Mapping[str, bytes]) -> DeviceState:
        for name, content in factory.items():
            window = self._windows[_one_of("window of the factory content", name, self._windows)]
            if len(content) > window.size:
                raise ScenarioError(f"the factory content of {name!r} has {len(content)} bytes, {window.size} fit")
            _chip_of(window).load(window.address, content)
        return DeviceState(tuple(chip.snapshot() for chip in self._chips.values()), "power", 0)

    def _place(self, window: Partition) -> Place:
        return Place(self.chip_names.index(_chip_of(window).name), window.address, window.size)


def _chip_of(window: Partition) -> FlashDevice:
    assert isinstance(window.flash, FlashDevice), "windows are on chips: please report"
    return window.flash


def _one_of(what: str, name: str, known: Mapping[str, object]) -> str:
    if name not in known:
        raise ScenarioError(f"there is no {what} {name!r}: {', '.join(known) or 'none'}")
    return name


def _limits_itself(firmware: object) -> bool:
    """Of a firmware that is no Python: it is ended by what it calls, and real time counts between two calls only."""
    return bool(getattr(firmware, "limits_itself", False))


def _library(firmware: object) -> Input | None:
    """Of a firmware that is no Python: what it is, as an input of its own."""
    found = getattr(firmware, "input", None)
    return found if isinstance(found, Input) else None


def _identity(firmware: object) -> str:
    """What a token calls the code: where it is, and what it was given; never an address in memory."""
    library = _library(firmware)
    if library is not None:
        return f"{library.label}#{library.digest}"
    if isinstance(firmware, functools.partial):
        given = f"{firmware.args!r}{sorted(firmware.keywords.items())!r}"
        return f"{_identity(firmware.func)}#{hashlib.sha256(given.encode()).hexdigest()[:16]}"
    where = firmware if hasattr(firmware, "__qualname__") else type(firmware)
    module = where.__module__.rpartition(".")[2]  # the same, however the file was imported
    return f"{module}.{getattr(where, '__qualname__', '')}"
